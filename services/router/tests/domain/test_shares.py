"""Several clients of one pool of agents: a minimum share while work waits, and a cap that is never passed."""

from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random

import pytest
from contracts.configuration import Domain
from contracts.offers import DecisionRecorded, OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
from contracts.routing_parts import Step
from contracts.tasks import TaskAssigned, TaskCompleted, TaskQueued
from router.testing.finding import offered, only
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story

AGENTS = tuple(f"agent-{number}" for number in range(10))
WARM_UP, STEPS = 500, 3000
TAKEN_BACK = (OfferExpired, OfferRejected, OfferRescinded, OfferWithdrawn)


def story(*shares: dict[str, object], agents: tuple[str, ...] = AGENTS, **of_queue: object) -> Story:
    """Agents of one task at a time, who serve every client."""
    told = Story(checker=None)
    told.configure(
        Domain.model_validate({"id": DOMAIN, "client_shares": list(shares)}),
        queue("chats", **of_queue),
        address("chats"),
        *[agent(name) for name in agents],
    )
    told.on_duty(*agents)
    return told


class Rush:
    """Far more comes in than can be served: a contact a second, a sixth of them the bank's; each takes 5 to 60 s."""

    def __init__(self, told: Story, *, seed: int) -> None:
        self.told = told
        self.chance = Random(seed)
        self.clients: dict[str, str] = {}
        self.ends: list[tuple[int, str, str]] = []
        self.bank = 0
        self.peak = 0

    def share(self) -> float:
        """Of the units that could be in use the bank's part, in percent, over time."""
        units = 0
        for step in range(STEPS):
            client = "bank" if self.chance.random() < 1 / 6 else "shop"
            self.read(step, self.told.start(f"i{step}", client=client))
            while self.ends and self.ends[0][0] <= step:
                _, agent_id, assignment_id = heappop(self.ends)
                self.read(step, self.told.complete(agent_id, assignment_id))
            units += self.bank if step >= WARM_UP else 0
            self.read(step, self.told.wait(1))
        return 100 * units / ((STEPS - WARM_UP) * len(AGENTS))

    def read(self, step: int, happened: list[object]) -> None:
        for data in happened:
            if isinstance(data, TaskQueued):
                self.clients[data.task_id] = data.client
            elif isinstance(data, TaskAssigned):
                heappush(self.ends, (step + self.chance.randint(5, 60), data.agent_id, data.assignment_id))
            elif isinstance(data, OfferIssued | TaskCompleted) and self.clients[data.task_id] == "bank":
                self.bank += 1 if isinstance(data, OfferIssued) else -1
                self.peak = max(self.peak, self.bank)


def test_without_a_share_a_client_gets_what_its_part_of_the_contacts_is() -> None:
    assert 12 < Rush(story(auto_accept=True), seed=1).share() < 22


@pytest.mark.parametrize("percent", [20, 30, 40])
def test_while_its_work_waits_a_client_has_its_minimum_share_to_within_one_agent(percent: int) -> None:
    told = story({"client": "bank", "minimum_percent": percent}, auto_accept=True)

    assert percent - 1 <= Rush(told, seed=percent).share() <= percent + 100 / len(AGENTS)


def test_a_minimum_above_what_comes_in_gives_all_that_comes_in_and_no_more() -> None:
    told = story({"client": "bank", "minimum_percent": 90}, auto_accept=True)
    reached = Rush(told, seed=5).share()

    assert 45 < reached < 65  # 1/6 a second of 32.5 s each, of ten agents: 54 %
    assert sum(task.client == "bank" and task.state == "waiting" for task in told.domain.tasks.values()) < 10


@pytest.mark.parametrize("units_max", [1, 3])
def test_a_cap_is_reached_under_saturation_and_never_passed(units_max: int) -> None:
    told = story({"client": "bank", "minimum_percent": 50, "units_max": units_max}, auto_accept=True)
    rush = Rush(told, seed=units_max)
    reached = rush.share()

    assert rush.peak == units_max
    assert 100 * units_max / len(AGENTS) - 2 <= reached <= 100 * units_max / len(AGENTS)


@pytest.mark.parametrize("seed", range(5))
def test_a_cap_is_not_passed_at_any_position_whatever_becomes_of_offers(seed: int) -> None:
    told = story({"client": "bank", "units_max": 3}, agents=AGENTS[:5], parallel_offers=2)
    clients: dict[str, str] = {}
    held = peak = 0
    for data in hectic(told, Random(seed)):
        if isinstance(data, TaskQueued):
            clients[data.task_id] = data.client
        if isinstance(data, (OfferIssued, TaskCompleted, *TAKEN_BACK)) and clients[data.task_id] == "bank":
            held += 1 if isinstance(data, OfferIssued) else -1
            peak = max(peak, held)

    assert peak == 3


def hectic(told: Story, chance: Random) -> Iterator[object]:
    """Everything that happens while offers are accepted, declined and forgotten."""
    for step in range(600):
        yield from told.start(f"i{step}", client=chance.choice(("bank", "shop")))
        for offer_id in chance.sample(sorted(told.domain.offers), min(2, len(told.domain.offers))):
            if offer_id in told.domain.offers:
                agent_id = told.domain.offers[offer_id].offer_of(offer_id).agent_id
                yield from (told.accept if chance.random() < 0.6 else told.reject)(agent_id, offer_id)
        for assignment_id in sorted(told.domain.assignments)[: chance.choice((0, 1))]:
            assigned = told.domain.assignments[assignment_id].assigned
            yield from told.complete(assigned.agent_id if assigned else "", assignment_id)
        yield from told.wait(chance.choice((0, 1, 25)))
        for agent_id in AGENTS[:5]:
            yield from told.set_state(agent_id, ready=True)


def test_a_client_below_its_share_goes_before_others_who_have_waited_longer_and_then_no_more() -> None:
    told = story({"client": "bank", "minimum_percent": 50}, agents=AGENTS[:3], auto_accept=True)
    for name in ("i1", "i2", "i3", "i4", "i5"):
        told.start(name)
        told.wait(1)
    told.start("b1", client="bank")
    told.start("b2", client="bank")

    assert offered(told.complete(AGENTS[0], "i1.t1.o1.a")) == [("b1.t1", AGENTS[0])]
    assert offered(told.complete(AGENTS[1], "i2.t1.o1.a")) == [("i4.t1", AGENTS[1])]


def test_a_share_keeps_no_agent_idle() -> None:
    told = story({"client": "bank", "minimum_percent": 90}, agents=AGENTS[:2])

    assert len(offered(told.start("i1")) + offered(told.start("i2"))) == 2


def test_a_cap_leaves_agents_idle_and_says_so_and_opens_when_units_come_free() -> None:
    told = story({"client": "bank", "units_max": 1}, agents=AGENTS[:3], auto_accept=True)
    told.start("b1", client="bank")
    second = told.start("b2", client="bank")

    assert only(second, DecisionRecorded).decision.excluded == {"at_capacity": 1, "gate_closed": 2}
    assert len(offered(told.start("i1"))) == 1
    assert [task for task, _ in offered(told.complete(AGENTS[0], "b1.t1.o1.a"))] == ["b2.t1"]


def test_a_cap_counts_units_and_not_tasks() -> None:
    told = story(agents=())
    shares = [{"client": "bank", "units_max": 3}]
    told.configure(
        Domain.model_validate({"id": DOMAIN, "costs": {"voice": 2}, "client_shares": shares}), agent("ann", capacity=9)
    )
    told.on_duty("ann")

    assert len(offered(told.start("b1", client="bank", channel="voice"))) == 1
    assert len(offered(told.start("b2", client="bank", channel="voice"))) == 0
    assert len(offered(told.start("b3", client="bank"))) == 1


def test_a_cap_may_be_more_than_one_agent_can_hold() -> None:
    told = story(agents=())
    shares = [{"client": "bank", "units_max": 1500}]
    told.configure(
        Domain.model_validate({"id": DOMAIN, "costs": {"voice": 750}, "client_shares": shares}),
        *[agent(name, capacity=1000) for name in AGENTS[:3]],
    )
    told.on_duty(*AGENTS[:3])

    assert [len(offered(told.start(f"b{number}", client="bank", channel="voice"))) for number in range(3)] == [1, 1, 0]


def test_who_has_waited_the_longest_that_is_allowed_goes_before_any_share() -> None:
    told = story(agents=AGENTS[:3], auto_accept=True)
    shares = [{"client": "bank", "minimum_percent": 90}]
    told.configure(Domain.model_validate({"id": DOMAIN, "longest_wait_seconds": 60, "client_shares": shares}))
    for name in ("i1", "i2", "i3", "i4", "i5"):
        told.start(name)
        told.wait(30)
    told.start("b1", client="bank")

    assert [task for task, _ in offered(told.complete(AGENTS[0], "i1.t1.o1.a"))] == ["i4.t1"]
    assert [task for task, _ in offered(told.complete(AGENTS[1], "i2.t1.o1.a"))] == ["b1.t1"]


def test_a_task_whose_refusal_opens_the_cap_does_not_overtake_who_waited_there_before_it() -> None:
    told = story({"client": "bank", "units_max": 1}, agents=AGENTS[:2])
    told.configure(queue("vip", priority=9), address("chats", "vip"))
    [(_, agent_id)] = offered(told.start("b1", client="bank"))
    told.start("b2", client="bank", queue="vip")

    assert [task for task, _ in offered(told.reject(agent_id, "b1.t1.o1"))] == ["b2.t1"]


def test_a_task_for_one_agent_alone_waits_for_the_cap_like_any_other() -> None:
    told = story({"client": "bank", "units_max": 1}, agents=AGENTS[:1], plan="mine")
    told.configure(agent(AGENTS[0], capacity=2), plan("mine", Step(after_seconds=0, agents=[AGENTS[0]])))
    told.start("b1", client="bank")
    told.accept(AGENTS[0], "b1.t1.o1")
    told.start("b2", client="bank")
    told.set_state(AGENTS[0], ready=False)

    assert offered(told.set_state(AGENTS[0], ready=True)) == []
    assert offered(told.complete(AGENTS[0], "b1.t1.o1.a")) == [("b2.t1", AGENTS[0])]
