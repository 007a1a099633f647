"""The lanes choose what a scan over everything would choose, at sizes that the state machine does not reach."""

from contracts.configuration import Domain
from hypothesis import given, settings
from hypothesis import strategies as st
from router.testing.parts import DOMAIN, agent, queue
from router.testing.story import Story

SKILLS = [f"skill-{number}" for number in range(6)]
queues = st.lists(st.sets(st.sampled_from(SKILLS), max_size=3), min_size=1, max_size=8)
agents = st.lists(st.tuples(st.sets(st.sampled_from(SKILLS)), st.integers(1, 4)), min_size=1, max_size=10)
moves = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9), st.integers(0, 5)), min_size=20, max_size=60)


@given(queues=queues, agents=agents, moves=moves)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_every_offer_is_the_one_that_a_naive_scan_makes(
    queues: list[set[str]], agents: list[tuple[set[str], int]], moves: list[tuple[int, int, int]]
) -> None:
    """`Story` has the checker compare each offer with the oracle, and each decision with a count over all agents."""
    told = Story()
    names = [f"agent-{number}" for number in range(len(agents))]
    told.configure(
        Domain(id=DOMAIN, costs={"voice": 2, "email": 3}),
        *[queue(f"q{number}", *sorted(needs), priority=number % 3) for number, needs in enumerate(queues)],
        *[agent(name, *sorted(has), capacity=capacity) for name, (has, capacity) in zip(names, agents, strict=True)],
    )
    told.on_duty(*names)
    for number, (which, who, what) in enumerate(moves):
        told.wait(1)
        told.start(f"i{number}", queue=f"q{which}", channel=("webchat", "voice", "email")[number % 3])
        mine = sorted(told.domain.agents[names[who % len(names)]].tasks.items())
        for _, task in mine[:1]:
            _move(told, names[who % len(names)], task.offer.offer_id if task.offer else None, what)
        for _, task in mine[1:2]:
            if task.assigned is not None:
                told.complete(task.assigned.agent_id, task.assigned.assignment_id)

    assert len(told.domain.interactions) == len(moves)


def _move(told: Story, agent_id: str, offer_id: str | None, what: int) -> None:
    if offer_id is None:
        return
    if what == 0:
        told.reject(agent_id, offer_id)
    elif what == 1:
        told.set_state(agent_id, ready=False)
        told.set_state(agent_id, ready=True)
    else:
        told.accept(agent_id, offer_id)
