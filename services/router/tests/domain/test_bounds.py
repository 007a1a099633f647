"""Large effects are done in bounded steps, and nobody is overtaken meanwhile."""

from collections import UserDict
from collections.abc import Iterator
from itertools import islice, product

import pytest
from contracts.configuration import Domain
from contracts.interactions import InteractionStarted
from contracts.offers import OfferIssued
from contracts.routing_parts import ClientShare
from router.domain.inputs import InteractionInput, PresenceObserved, TimersDue
from router.domain.internal import InteractionParked
from router.domain.queue import QueueLine
from router.domain.roster import UNUSED_MAX
from router.domain.shedding import SHED_OFFERS_MAX
from router.domain.timers import TIMERS_MAX
from router.domain.turn import FACTS_MAX
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import TENANT, Story
from typing_extensions import override


def crowd(*, waiting: int, agents: int, capacity: int = 1) -> Story:
    """Many wait, and many agents are ready but not present. Unchecked, for speed."""
    told = Story(checker=None)
    names = [f"agent-{number:03}" for number in range(agents)]
    told.configure(
        Domain(id=DOMAIN), queue("chats"), address("chats"), *[agent(name, capacity=capacity) for name in names]
    )
    told.leases(readable=True)
    for name in names:
        told.set_state(name, ready=True)
    for number in range(waiting):
        told.now_ms += 1
        told.start(f"i{number:04}")
    return told


def offers(happened: list[object]) -> list[str]:
    return [data.task_id for data in happened if isinstance(data, OfferIssued)]


def test_many_agents_who_come_at_once_are_matched_in_steps_and_in_order() -> None:
    told = crowd(waiting=700, agents=200, capacity=3)
    names = tuple(sorted(told.domain.agents))

    steps = [told.give(PresenceObserved(tenant_id=TENANT, domain=DOMAIN, seen=names))]
    newcomer = told.start("late")
    while told.state.next_due_ms() == 0:
        steps.append(told.give(TimersDue()))

    assert max(map(len, steps)) <= FACTS_MAX + 2 * len(names)
    assert offers(newcomer) == []
    assert [task for step in steps for task in offers(step)] == [f"i{number:04}.t1" for number in range(600)]


def test_an_agent_with_many_tasks_is_relieved_in_steps() -> None:
    told = crowd(waiting=300, agents=1, capacity=300)
    told.seen("agent-000")
    told.wait(0)

    first = told.configure(removed="agent:agent-000")
    rest = told.wait(0)

    assert len(first) <= FACTS_MAX
    assert len(rest) > 0
    assert told.domain.agents == {}
    assert told.domain.queues["chats"].counts["waiting"] == 300


@pytest.mark.parametrize("ready_again", [False, True])
def test_an_agent_who_takes_what_was_left_to_be_taken_from_them_is_relieved_of_nothing_more(ready_again: bool) -> None:
    told = crowd(waiting=2 * FACTS_MAX, agents=1, capacity=2 * FACTS_MAX)
    told.seen("agent-000")
    told.wait(0)
    told.set_state("agent-000", ready=False)
    if ready_again:
        told.set_state("agent-000", ready=True)
    left = sorted(told.domain.offers)
    assert left  # each call was full
    happened = [fact for offer_id in left for fact in told.accept("agent-000", offer_id)]

    assert told.domain.agents["agent-000"].shed is None
    assert told.state.next_due_ms() != 0
    assert len(offers(happened)) == (2 * FACTS_MAX - len(left) if ready_again else 0)


@pytest.mark.parametrize("ready_again", [False, True])
def test_a_lost_agent_who_ends_what_was_left_to_be_taken_from_them_is_relieved_of_nothing_more(
    ready_again: bool,
) -> None:
    told = crowd(waiting=2 * FACTS_MAX, agents=1, capacity=3 * FACTS_MAX)
    told.seen("agent-000")
    told.wait(0)
    for offer_id in sorted(told.domain.offers):
        told.accept("agent-000", offer_id)
    told.gone("agent-000")
    told.now_ms += 30_000
    told.give(TimersDue())
    if ready_again:
        told.seen("agent-000")
        told.set_state("agent-000", ready=True)
    left = sorted(told.domain.assignments)
    assert left  # each call was full
    happened = [fact for assignment_id in left for fact in told.end_task("agent-000", assignment_id)]

    assert told.domain.agents["agent-000"].shed is None
    assert told.state.next_due_ms() != 0
    assert bool(offers(happened)) == ready_again


def test_an_agent_who_is_ready_again_before_everything_was_taken_begins_with_the_first_in_line() -> None:
    told = crowd(waiting=100, agents=1, capacity=100)
    told.seen("agent-000")
    told.wait(0)
    told.set_state("agent-000", ready=False)
    again = told.set_state("agent-000", ready=True) + told.wait(0)

    assert offers(again) == [f"i{number:04}.t1" for number in range(100)]


def test_many_busy_agents_who_are_removed_at_once_are_relieved_in_steps() -> None:
    told = crowd(waiting=1000, agents=200, capacity=5)
    names = sorted(told.domain.agents)
    told.seen(*names)
    told.wait(0)
    for task in list(told.domain.offers.values()):
        assert task.offer is not None
        told.accept(task.offer.agent_id, task.offer.offer_id)

    steps = [told.configure(removed=" ".join(f"agent:{name}" for name in names))]
    while told.state.next_due_ms() == 0:
        steps.append(told.give(TimersDue()))

    assert max(map(len, steps)) <= FACTS_MAX + len(names) + 2 * SHED_OFFERS_MAX
    assert told.domain.agents == {}
    assert told.domain.queues["chats"].counts["waiting"] == 1000


def test_a_call_handles_a_bounded_number_of_timers() -> None:
    told = crowd(waiting=0, agents=600)
    told.seen(*told.domain.agents)
    for number in range(600):
        told.start(f"i{number}")
    told.now_ms += 20_000

    first = told.give(TimersDue())

    assert len(first) <= FACTS_MAX + TIMERS_MAX
    due_ms = told.state.next_due_ms()
    assert due_ms is not None
    assert due_ms <= told.now_ms


def test_the_lanes_forget_what_past_configurations_needed() -> None:
    told = crowd(waiting=0, agents=1)
    for number in range(300):
        told.configure(agent("agent-000", f"skill-{number}"))
        told.start(f"i{number}")  # whoever is matched gets a profile

    assert not told.domain.lanes.wasteful()


def test_the_lanes_forget_what_past_transfers_asked_for() -> None:
    told = Story(checker=None)
    skills = [f"skill-{number}" for number in range(6)]
    told.configure(Domain(id=DOMAIN), queue("chats"), address("chats"), agent("ann", *[f"{each}:5" for each in skills]))
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")

    for levels in islice(product(range(1, 6), repeat=6), UNUSED_MAX + 100):
        asked = [f"{skill}:{level}" for skill, level in zip(skills, levels, strict=True)]
        told.transfer("ann", "i1.t1.o1.a", *asked, forced=True)
        told.move("ann", next(iter(told.domain.transfers.values())).task_id, "cancel")

    assert told.domain.lanes.signatures <= UNUSED_MAX + 1


def test_what_was_forgotten_is_found_anew() -> None:
    told = Story(checker=None)
    names = [f"q{number}" for number in range(UNUSED_MAX + 20)]
    skills = [f"skill-{number}" for number in range(len(names))]
    told.configure(Domain(id=DOMAIN), *[queue(name, skill) for name, skill in zip(names, skills, strict=True)])
    told.configure(agent("ann", *skills), agent("bob", *skills))
    told.on_duty("ann", "bob")
    told.start("i1", queue=names[0])  # ann has it offered: nothing in line asks for it
    for number, name in enumerate(names):
        told.start(f"other-{number}", queue=name)
        told.end(f"other-{number}")

    assert offers(told.reject("ann", "i1.t1.o1")) == ["i1.t1"]


def test_tenants_with_the_same_names_know_nothing_of_each_other() -> None:
    told = crowd(waiting=0, agents=1)
    told.seen("agent-000")
    started = InteractionStarted(
        interaction_id="i1", domain=DOMAIN, client="shop", channel="webchat", address="web:main", started_at_ms=1
    )

    theirs = told.give(InteractionInput("other", started))

    assert [type(data) for data in theirs] == [InteractionParked]
    assert told.give(PresenceObserved(tenant_id="other", domain=DOMAIN, gone=("agent-000",))) == []
    assert told.domain.interactions == {}
    assert offers(told.start("i1")) == ["i1.t1"]


class CountedQueues(UserDict[str, QueueLine]):
    """Counts how often somebody walks through all of them."""

    walks = 0

    @override
    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()


def test_a_record_of_a_queue_costs_no_look_at_all_queues() -> None:
    told = Story(checker=None)
    told.configure(Domain(id=DOMAIN), *[queue(f"q{number}") for number in range(100)])
    counted = CountedQueues(told.domain.queues)
    told.domain.queues = counted  # type: ignore[assignment]  # walks through it as through any

    told.configure(*[queue(f"q{number}", priority=7) for number in range(1, 150)], removed=f"queue:{DOMAIN}/q0")

    assert counted.walks <= 3  # for the version, not for each record
    assert told.domain.queue_names == sorted(f"q{number}" for number in range(1, 150))


def held_back(agents: int = 400) -> Story:
    """Many wait behind their client's cap of one unit, and as many agents are free. Unchecked, for speed."""
    told = Story(checker=None)
    names = [f"agent-{number:03}" for number in range(agents)]
    told.configure(
        Domain(id=DOMAIN, client_shares=[ClientShare(client="shop", units_max=1)]),
        queue("chats"),
        address("chats"),
        *[agent(name) for name in names],
    )
    told.on_duty(*names)
    for number in range(agents):
        told.now_ms += 1
        told.start(f"i{number:04}")
    return told


@pytest.mark.parametrize("shares", [[ClientShare(client="shop", units_max=1000)], []])
def test_many_tasks_behind_a_gate_that_opens_are_matched_in_steps_and_nobody_overtakes_them(
    shares: list[ClientShare],
) -> None:
    told = held_back()
    told.accept("agent-000", "i0000.t1.o1")
    told.wait(0)

    steps = [told.configure(Domain(id=DOMAIN, client_shares=shares))]
    assert told.domain.gates_deferred
    told.now_ms += 1000
    newcomer = told.start("late")
    freed = told.complete("agent-000", "i0000.t1.o1.a")
    come = told.configure(agent("zoe")) + told.on_duty("zoe")
    while told.state.next_due_ms() == 0:
        steps.append(told.give(TimersDue()))

    assert offers(newcomer) == offers(freed) == offers(come) == []
    assert max(map(len, steps)) <= FACTS_MAX + 2
    order = [task for step in steps for task in offers(step)]
    assert order == [*[f"i{number:04}.t1" for number in range(1, 400)], "late.t1"]
