"""The checker can fail: a history that is wrong in one fact, and otherwise what really happened, is objected to."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any  # any fact, of which a test knows the fields

import pytest
from contracts.agents import AgentBackedOff
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.routing_parts import ClientShare, Destination, Step
from contracts.tasks import TaskDeferred, TaskQueued, TaskRerouted, TaskResumed
from router.domain.facts import Fact
from router.domain.internal import BackoffLapsed, RefusalLapsed
from router.testing.checker import Checker
from router.testing.parts import DOMAIN, address, agent, plan, queue, skill
from router.testing.story import Story
from typing_extensions import override

Change = Callable[[Any], object | None]
"""What stands in the fact's place; none: nothing does."""


@dataclass(slots=True)
class Recorder(Checker):
    """Keeps what it reads, and when all timers were run."""

    history: list[tuple[Fact | None, int]] = field(default_factory=list)

    @override
    def read(self, fact: Fact, now_ms: int) -> None:
        self.history.append((fact, now_ms))
        Checker.read(self, fact, now_ms)

    @override
    def check_times(self) -> None:
        self.history.append((None, self.now_ms))
        Checker.check_times(self)


def objection(told: Story, kind: type, change: Change, *, last: bool = False) -> str:
    """What the checker says of the story with the first (or last) fact of this kind changed."""
    assert isinstance(told.checker, Recorder)
    told.wait(0)
    history = told.checker.history
    [*places] = [place for place, (fact, _) in enumerate(history) if fact is not None and type(fact.data) is kind]
    wrong = places[-1 if last else 0]
    checker = Checker()
    try:
        for place, (fact, now_ms) in enumerate(history):
            if fact is None:
                checker.now_ms = max(checker.now_ms, now_ms)
                checker.check_times()
                continue
            data = change(fact.data) if place == wrong else fact.data
            if data is not None:
                checker.read(Fact(fact.tenant_id, data), now_ms)
    except AssertionError as error:
        return str(error)
    return "nothing"


def centre(*parts: Any, **domain: Any) -> Story:
    """Ann at work, and two queues unless others are given."""
    told = Story(checker=Recorder())
    told.configure(Domain.model_validate({"id": DOMAIN} | domain), agent("ann", "english:3"), agent("bob"), *parts)
    told.leases(readable=True)
    return told


def served(told: Story) -> Story:
    """What waits is offered to ann, who has just come."""
    told.on_duty("ann")
    return told


def offer_of(other: str) -> Change:
    """The same offer, but of the other interaction's task."""
    return lambda data: replace(data, task_id=f"{other}.t1", interaction_id=other, offer_id=f"{other}.t1.o1")


def two_waiting(first: str, second: str, wait_seconds: int = 1, **domain: Any) -> Story:
    """One comes to `slow` and the other `wait_seconds` later to `fast`; then ann comes."""
    told = centre(
        queue("slow", band=0, priority=5, service_level={"within_seconds": 300}),
        queue("fast", band=0, priority=5, service_level={"within_seconds": 20}),
        queue("urgent", priority=7),
        queue("high", band=3),
        address("slow", "fast", "urgent", "high"),
        **domain,
    )
    told.start("i1", queue=first, client="bank")
    told.wait(wait_seconds)
    told.start("i2", queue=second, client="shop")
    return served(told)


@pytest.mark.parametrize(
    ("told", "other"),
    [
        (lambda: two_waiting("slow", "slow"), "i2"),
        (lambda: two_waiting("slow", "fast"), "i1"),
        (lambda: two_waiting("fast", "urgent", 10), "i1"),
        (lambda: two_waiting("fast", "high"), "i1"),
        (lambda: two_waiting("slow", "urgent", 400, aging_seconds_per_priority=10), "i2"),
        (lambda: two_waiting("slow", "high", 60, longest_wait_seconds=60), "i2"),
    ],
    ids=["waiting", "service level", "priority", "band", "aging", "longest wait"],
)
def test_an_offer_to_who_is_not_first_in_line(told: Callable[[], Story], other: str) -> None:
    assert objection(told(), OfferIssued, offer_of(other)).endswith("another task is before in line")


def test_an_offer_to_a_client_that_has_its_share_already() -> None:
    shares = [ClientShare(client="shop", minimum_percent=60)]
    told = centre(queue("slow"), address("slow"), client_shares=shares)
    told.on_duty("bob")
    for name, client in (("i0", "bank"), ("i1", "bank"), ("i2", "shop")):
        told.start(name, client=client)

    wrong = objection(served(told), OfferIssued, offer_of("i1"), last=True)

    assert wrong == "another task is before in line"


def planned(*steps: Step, **domain: Any) -> Story:
    """One waits by this plan, if there is one."""
    plans = [plan("p", *steps)] if steps else []
    told = centre(queue("calls", "english:5", plan="p" if steps else None), *plans, address("calls"), **domain)
    told.start("i1")
    return told


def test_a_step_at_the_start_that_is_left_out() -> None:
    told = planned(Step(after_seconds=0, band=4))

    left_out = objection(told, TaskQueued, lambda data: replace(data, terms=None))

    assert left_out == "i1.t1: 0 steps done, 1 due"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: None, "a step of i1.t1 is overdue"),
        (lambda data: replace(data, terms=replace(data.terms, step=0)), "i1.t1: 0 steps done, 1 due"),
        (lambda data: replace(data, requirements=()), "i1.t1: asks ()"),
        (lambda data: replace(data, priority=5), "i1.t1: priority"),
        (lambda data: replace(data, terms=replace(data.terms, band=0)), "i1.t1: band 0"),
        (lambda data: replace(data, terms=replace(data.terms, teams=())), "i1.t1: Terms("),
        (lambda data: replace(data, terms=replace(data.terms, agents=())), "i1.t1: () not in"),
        (lambda data: replace(data, terms=replace(data.terms, next_step_at_ms=None)), "i1.t1: the next step"),
        (lambda data: replace(data, terms=replace(data.terms, longest_wait=True)), "i1.t1: longest wait"),
        (lambda data: replace(data, entered_at_ms=data.entered_at_ms - 1), "i1.t1: when its plan began"),
    ],
    ids=[
        "no step",
        "not counted",
        "skills",
        "priority",
        "band",
        "teams",
        "agents",
        "next step",
        "longest wait",
        "beginning",
    ],
)
def test_a_step_that_is_not_what_the_plan_says(change: Change, says: str) -> None:
    told = planned(
        Step(
            after_seconds=10,
            requirements=[skill("english:4")],
            priority_add=2,
            band=3,
            teams=["north"],
            agents=["ann"],
        ),
        Step(after_seconds=100, overflow=Destination(to="message", message="Sorry.")),
    )
    told.on_duty("ann")
    told.wait(20)

    assert objection(told, TaskRerouted, change).startswith(says)


def test_a_step_that_comes_too_early() -> None:
    told = planned(Step(after_seconds=10, band=3))
    told.wait(20)
    early = replace(told.domain.tasks["i1.t1"].terms, step=1)

    assert objection(told, TaskQueued, lambda data: replace(data, terms=early)) == "i1.t1: 1 steps done, 0 due"


def test_the_longest_wait_that_nobody_notices() -> None:
    told = planned(Step(after_seconds=500, band=3), longest_wait_seconds=60)
    told.wait(70)

    unnoticed = objection(told, TaskRerouted, lambda data: replace(data, terms=replace(data.terms, longest_wait=False)))

    assert unnoticed == "i1.t1: longest wait"


def refused() -> Story:
    """Ann has rejected the only task; both lapse in time."""
    told = centre(queue("calls"), address("calls"), agent_backoff={"rejected_seconds": 3}, refused_backoff_seconds=10)
    told.on_duty("ann")
    told.start("i1")
    told.reject("ann", "i1.t1.o1")
    return told


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        (AgentBackedOff, lambda data: replace(data, until_ms=data.until_ms - 1), "ann: "),
        (BackoffLapsed, lambda data: None, "S4, S5: ann backed_off"),
        (RefusalLapsed, lambda data: None, "S4, S5: ann refused_before"),
    ],
    ids=["another back-off", "no end of the back-off", "no end of the refusal"],
)
def test_a_refusal_that_is_not_remembered_as_configured(kind: type, change: Change, says: str) -> None:
    told = refused()
    told.wait(20)

    assert objection(told, kind, change).startswith(says)


def test_an_offer_to_who_has_refused() -> None:
    told = refused()
    told.wait(5)
    told.start("i2")

    assert objection(told, OfferIssued, offer_of("i1"), last=True) == "S4, S5: ann refused_before"


def test_an_opening_that_does_not_begin_the_plan() -> None:
    office = Calendar.model_validate(
        {"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": {"tue": [["22:14", "24:00"]]}}
    )
    told = centre(queue("calls", plan="p", calendar="office"), plan("p", Step(after_seconds=30, band=1)), office)
    told.configure(address("calls"))
    told.start("i1")
    told.wait(100)

    assert told.domain.tasks["i1.t1"].terms.step == 1
    assert objection(told, TaskResumed, lambda data: None) != "nothing"


def called_later(*steps: Step) -> Story:
    """A customer has waited for 5 s, and is to be called in 5 more."""
    told = planned(*steps, longest_wait_seconds=90)
    told.wait(5)
    told.callback("i1", request_id="r1", in_seconds=5)
    told.wait(30)
    return told


def test_a_task_that_is_back_with_nothing_new_to_come_is_not_objected_to() -> None:
    told = called_later()

    assert objection(told, TaskResumed, lambda data: data) == "nothing"


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        (TaskResumed, lambda data: replace(data, entered_at_ms=None), "i1.t1: when its plan began"),
        (TaskResumed, lambda data: None, "i1.t1: when its plan began"),
        (TaskRerouted, lambda data: None, "a step of i1.t1 is overdue"),
        (
            TaskRerouted,
            lambda data: replace(data, terms=replace(data.terms, next_step_at_ms=None)),
            "i1.t1: the next step",
        ),
    ],
    ids=["no beginning", "no return", "no step", "no next step"],
)
def test_a_return_that_does_not_begin_the_plan(kind: type, change: Change, says: str) -> None:
    told = called_later(Step(after_seconds=12, band=3))

    assert objection(told, kind, change, last=True).startswith(says)


def given() -> Story:
    """Bob parked a task, which a supervisor has given to ann meanwhile; it is back."""
    told = centre(queue("calls"), address("calls"), parked_agent_seconds=30)
    told.on_duty("bob")
    told.start("i1")
    told.accept("bob", "i1.t1.o1")
    told.park("bob", "i1.t1.o1.a", seconds=60)
    told.on_duty("ann")
    told.reroute("i1.t1", to_agent_id="ann")
    told.wait(60)
    return told


@pytest.mark.parametrize(
    ("agents", "later_ms"), [(("bob",), 0), ((), 0), (("ann",), -1)], ids=["parker", "anybody", "other time"]
)
def test_a_gift_that_does_not_come_back_to_whom_it_was_given(agents: tuple[str, ...], later_ms: int) -> None:
    told = given()

    def change(data: TaskRerouted) -> TaskRerouted:
        until_ms = (data.terms.agents_until_ms or 0) + later_ms
        return replace(data, terms=replace(data.terms, agents=agents, agents_until_ms=until_ms))

    assert objection(told, TaskRerouted, change, last=True).startswith("i1.t1: ")


def test_a_gift_for_longer_than_the_longest_wait() -> None:
    told = centre(queue("calls"), address("calls"), longest_wait_seconds=90)
    told.on_duty("ann")
    told.start("i1")
    told.reroute("i1.t1", to_agent_id="ann")
    until_ms = told.now_ms + 3_600_000

    longer = objection(
        told, TaskRerouted, lambda data: replace(data, terms=replace(data.terms, agents_until_ms=until_ms))
    )

    assert longer.startswith("i1.t1: ('ann',) not in")


def test_a_priority_that_no_override_explains() -> None:
    told = planned(Step(after_seconds=10, band=3))

    assert objection(told, TaskQueued, lambda data: replace(data, priority=7, base_priority=5)) == "i1.t1: override"


def test_what_is_right_is_not_objected_to() -> None:
    told = refused()
    told.wait(20)

    assert objection(told, OfferIssued, lambda data: data) == "nothing"


def test_a_callback_that_is_parked_for_ever() -> None:
    told = centre(queue("calls"), address("calls"))
    told.start("i1")
    told.callback("i1", request_id="c1")
    told.end("i1")
    served(told).accept("ann", "i1.t1.o1")
    told.park("ann", "i1.t1.o1.a", seconds=100)

    assert objection(told, TaskDeferred, lambda data: replace(data, until_ms=None)) == "i1.t1 is parked for ever"
