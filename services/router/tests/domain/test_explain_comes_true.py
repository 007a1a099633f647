"""What explanations announce of waiting tasks is what the router then does, and nothing else."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any  # Any: settings of a queue

import pytest
from contracts.agents import AgentPresenceChanged, AgentStateChanged
from contracts.assignments import TransferChanged
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.queues import QueueOverridden
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskRerouted, TaskResumed, TaskTransferredOut
from router.domain import explain_words as words
from router.domain.explain import explain_task
from router.domain.explain_answers import TaskExplained
from router.domain.explain_timeline import LONGEST, OFFERED_AGAIN, TRANSFER_FAILS
from router.domain.inputs import TimersDue
from router.domain.snapshot import dump, load
from router.domain.task import Task
from router.testing.conversation import ANNS, anns_conversation
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, plan, queue, skill
from router.testing.story import Story
from router.testing.walk import Walk

MONDAY = Calendar.model_validate(  # the story begins on a Tuesday at 22:13:20
    {"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": {"mon": [["08:00", "16:00"]]}}
)
TO_MONDAY = 5 * 86_400 + 9 * 3600 + 46 * 60 + 40
SORRY = Destination(to="message", message="Sorry.")
RELAXING = (Step(after_seconds=60, requirements=[]), Step(after_seconds=300, overflow=SORRY))


def story(*steps: Step, domain: dict[str, object] | None = None, **of_queue: Any) -> Story:
    """Spanish contacts with this plan; Ann speaks it, Bob does not."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN} | (domain or {})),
        MONDAY,
        *([plan("patient", *steps)] if steps else []),
        queue("spanish", "es:4", plan="patient", **of_queue),
        queue("any"),
        address("spanish", "any"),
        agent("ann", "es:5"),
        agent("bob"),
    )
    return told


def explained(told: Story, task_id: str = "i1.t1") -> TaskExplained:
    found = explain_task(told.domain, task_id, told.now_ms)
    assert found is not None
    return found


def times(told: Story, found: TaskExplained) -> list[tuple[float | None, str, bool]]:
    """Of each moment the seconds from now, what it says, and whether it is done."""
    return [
        (None if each.at_ms is None else (each.at_ms - told.now_ms) / 1000, each.text, each.done)
        for each in found.timeline
    ]


def annes_parked(told: Story, **how: float) -> None:
    """Ann has had i1 and puts it aside."""
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.park("ann", "i1.t1.o1.a", **how)


@pytest.mark.parametrize("skills", [("spanish:3",), ()])
def test_a_transfer_that_no_plan_widens_announces_no_step_of_one(skills: tuple[str, ...]) -> None:
    told = anns_conversation()
    told.configure(plan("patient", *RELAXING), queue("chats", "english", plan="patient"))
    told.set_state("cid", ready=False)
    target: dict[str, Any] = {} if skills else {"to_agent_id": "cid"}
    told.transfer("ann", ANNS, *skills, forced=True, **target)

    found = explained(told, "i1.t2")
    happened = told.wait(179.9)
    failed = only(told.wait(0.1), TransferChanged)

    asked = "english and spanish>=3" if skills else "any, only cid"  # forced: whatever their skills
    assert found.plan == f"0 s: {asked}; 180 s: the transfer fails unless somebody has accepted"
    assert "relaxes" not in found.summary
    assert every(happened, TaskRerouted) == []
    assert failed.state == "failed"


def test_of_a_transfer_of_a_task_that_has_steps_behind_it_nothing_of_the_plan_is_told() -> None:
    steps = (Step(after_seconds=5, requirements=[skill("es:2")]), Step(after_seconds=60, requirements=[]))
    told = story(*steps, domain={"longest_wait_seconds": 100})
    told.configure(agent("fay", "fr"))
    told.start("i1")
    told.wait(10)
    told.on_duty("ann")
    told.accept("ann", "i1.t1.o1")
    told.transfer("ann", "i1.t1.o1.a", "fr", forced=True)

    found = explained(told, "i1.t2")
    told.wait(89)
    [longest] = every(told.wait(1), TaskRerouted)

    assert found.plan == (
        "0 s: es>=2 and fr; 90 s: goes before everything that has waited less than the longest wait; "
        "180 s: the transfer fails unless somebody has accepted"
    )
    assert (longest.reason, longest.rerouted_at_ms) == ("longest_wait", found.timeline[1].at_ms)


def test_a_plan_that_outlasts_its_transfer_is_not_announced_beyond_it() -> None:
    told = anns_conversation()
    steps = (Step(after_seconds=60, priority_add=1), Step(after_seconds=300, overflow=SORRY))
    told.configure(plan("patient", *steps), queue("billing", "billing:2", plan="patient"))
    told.set_state("bob", ready=False)
    told.transfer("ann", ANNS, queue="billing", forced=True)

    found = explained(told, "i1.t2")
    happened = told.wait(600)

    assert found.plan == "0 s: billing>=2; 60 s: priority +1; 180 s: the transfer fails unless somebody has accepted"
    assert only(happened, TaskRerouted).priority == 6
    assert only(happened, TransferChanged).reason == "timed_out"


def test_the_plan_of_a_task_whose_queue_is_closed_until_monday_is_told_from_the_opening_on() -> None:
    told = story(*RELAXING, calendar="office")
    told.start("i1")
    told.wait(1)

    found = explained(told)
    told.wait(TO_MONDAY - 1)
    early = told.wait(299.9)
    late = told.wait(0.1)

    assert found.summary == (
        "waits for its queue to open for 130 h and is offered to nobody meanwhile; 0 of 2 eligible: 1 lacks es>=4, "
        "1 not ready; relaxes in 130 h to any"
    )
    assert found.plan == "0 s: may be offered, es>=4; 60 s: any; 300 s: overflow to a closing message"
    assert [each.at_ms for each in found.timeline] == [
        found.as_of_ms + (TO_MONDAY - 1 + after) * 1000 for after in (0, 60, 300)
    ]
    assert found.position is None
    assert every(early, TaskTransferredOut) == []
    assert only(late, TaskTransferredOut).message == "Sorry."


def test_the_longest_wait_of_who_waits_for_the_opening_is_told_from_there_on() -> None:
    told = story(domain={"longest_wait_seconds": 100}, calendar="office")
    told.start("i1")

    found = explained(told)
    told.wait(TO_MONDAY)

    assert [each.after_ms for each in found.timeline] == [0, 100_000]
    assert every(told.wait(99.9), TaskRerouted) == []
    assert only(told.wait(0.1), TaskRerouted).reason == "longest_wait"
    assert [each.at_ms for each in explained(told).timeline] == [each.at_ms for each in found.timeline]


def test_steps_that_hold_at_once_are_told_with_the_opening() -> None:
    told = story(Step(after_seconds=0, band=2), Step(after_seconds=9, band=3), calendar="office")
    told.start("i1")

    found = explained(told)
    told.wait(TO_MONDAY)

    assert found.plan == "0 s: may be offered, es>=4, band 2; 9 s: band 3"
    assert explained(told).plan == "0 s: es>=4, band 2; 9 s: band 3"
    assert told.domain.tasks["i1.t1"].terms.band == 2


def test_a_task_of_a_queue_that_a_supervisor_has_closed_for_good_has_no_times() -> None:
    told = story(*RELAXING)
    told.start("i1")
    told.wait(10)
    told.override("spanish", closed=True, for_seconds=60)
    told.wait(10)
    told.override("spanish", closed=True)
    told.wait(0)

    found = explained(told)

    assert found.plan == "0 s: may be offered, es>=4; 60 s: any; 300 s: overflow to a closing message"
    assert [each.at_ms for each in found.timeline] == [None, None, None]
    assert found.summary.startswith("waits for its queue to open and is offered to nobody meanwhile; ")
    assert found.summary.endswith("; relaxes 60 s after its return to any")


@pytest.mark.parametrize(
    ("override", "fixed", "plan", "priorities"),
    [
        (None, None, "0 s: es>=4; 10 s: priority +3; 20 s: any, priority +1", [8, 9]),
        (7, None, "0 s: es>=4; 10 s: priority +2; 20 s: any", [9, 9]),
        (9, None, "0 s: es>=4; 20 s: any", [9, 9]),
        (0, None, "0 s: es>=4; 10 s: priority +3; 20 s: any, priority +1", [3, 4]),
        (9, 5, "0 s: es>=4; 10 s: priority +3; 20 s: any, priority +1", [8, 9]),
        (0, 8, "0 s: es>=4; 10 s: priority +1; 20 s: any", [9, 9]),
    ],
)
def test_of_what_a_step_adds_to_the_priority_that_is_told_which_comes(
    override: int | None, fixed: int | None, plan: str, priorities: list[int]
) -> None:
    steps = Step(after_seconds=10, priority_add=3), Step(after_seconds=20, requirements=[], priority_add=3)
    told = story(*steps, priority=5)
    told.start("i1")
    if override is not None:
        told.override("spanish", priority=override)
        told.wait(0)
    if fixed is not None:
        told.reroute("i1.t1", priority=fixed)
    told.set_state("bob", ready=False)

    found = explained(told)
    stood = []
    for _ in steps:
        told.wait(10)
        stood.append(told.domain.tasks["i1.t1"].priority)

    assert found.plan == plan
    assert stood == priorities


def test_an_override_that_ends_outside_of_the_hours_is_followed_by_the_calendar() -> None:
    told = story(*RELAXING, calendar="office")
    told.override("spanish", closed=True, for_seconds=600)
    told.start("i1")

    found = explained(told)
    happened = told.wait(TO_MONDAY)

    assert found.deferred_until_ms == found.as_of_ms + TO_MONDAY * 1000
    assert [each.resumed_at_ms for each in every(happened, TaskResumed)] == [found.deferred_until_ms]


def test_a_task_that_is_parked_without_an_end_has_steps_from_its_return_on() -> None:
    told = story(*RELAXING, domain={"refused_backoff_seconds": 600, "longest_wait_seconds": 250})
    annes_parked(told)
    told.wait(100)

    found = explained(told)
    told.set_state("ann", ready=False)
    gone = explained(told)
    told.set_state("ann", ready=True)
    told.unpark("ann", "i1.t1")
    told.reject("ann", "i1.t1.o2")
    [relaxed] = [each for each in every(told.wait(60), TaskRerouted) if each.terms.step == 1]

    assert times(told, found) == [
        (None, "may be offered, es>=4, only ann", False),
        (None, "any, everybody who fits, no longer only ann", False),
        (None, "overflow to a closing message", False),
    ]
    assert [each.after_ms for each in found.timeline] == [0, 60_000, 300_000]
    assert found.summary.endswith("; relaxes 60 s after its return to any, everybody who fits, no longer only ann")
    assert gone.plan == "0 s: may be offered, es>=4; 60 s: any; 300 s: overflow to a closing message"
    assert (relaxed.requirements, relaxed.terms.agents) == ((), ())
    assert relaxed.rerouted_at_ms == told.now_ms


def test_who_parked_a_task_has_it_alone_until_an_instant_that_is_told() -> None:
    told = story(domain={"parked_agent_seconds": 30})
    annes_parked(told, seconds=100)

    before = explained(told)
    told.wait(100)
    told.reject("ann", "i1.t1.o2")
    after = explained(told)
    [released] = every(told.wait(30), TaskRerouted)

    assert times(told, before)[1][1] == "everybody who fits, no longer only ann"
    assert before.timeline[1].at_ms == after.timeline[1].at_ms == released.rerouted_at_ms
    assert after.summary.endswith("; in 30 s: everybody who fits, no longer only ann")


def test_to_whom_a_parked_task_was_given_has_it_from_its_return_for_as_long_as_is_told() -> None:
    told = story()
    annes_parked(told, seconds=7200)
    told.configure(agent("bob", "es:4"))
    told.on_duty("bob")
    told.reroute("i1.t1", to_agent_id="bob")

    before = explained(told)
    told.set_state("ann", ready=False)
    told.wait(7200)
    after = explained(told)

    assert times(told, before)[0][1] == "may be offered, es>=4, only bob"
    assert [each.at_ms for each in before.timeline] == [told.now_ms, told.now_ms + 3_600_000]
    assert after.timeline[-1] == before.timeline[-1]


def test_a_step_that_was_taken_before_the_task_was_parked_holds_since_its_return() -> None:
    told = story(*RELAXING)
    told.start("i1")
    told.wait(60)
    told.on_duty("bob")
    told.accept("bob", "i1.t1.o1")
    told.park("bob", "i1.t1.o1.a", seconds=100)
    told.set_state("bob", ready=False)
    told.wait(110)

    found = explained(told)

    assert times(told, found) == [(-10, "any", True), (290, "overflow to a closing message", False)]
    assert only(told.wait(290), TaskTransferredOut).reason == "overflowed"


def test_whose_callback_it_is_and_how_long_is_told_from_when_it_is_due() -> None:
    told = story()
    told.on_duty("ann")
    told.request("r1", queue="any", in_seconds=60, agent_id="bob", agent_only_seconds=30)
    task_id = told.domain.interactions["of-r1"].task_id or ""

    found = explained(told, task_id)
    early = told.wait(89.9)

    assert times(told, found)[0][1:] == ("may be offered, any, only bob", False)
    assert found.plan.endswith("30 s: everybody who fits, no longer only bob")
    assert offered(early) == []
    assert offered(told.wait(0.1)) == [(task_id, "ann")]


def test_whose_callback_it_is_that_comes_due_while_its_queue_is_closed_is_told_from_the_opening_on() -> None:
    told = story()
    told.configure(queue("any", calendar="office"))
    told.on_duty("ann")
    told.request("r1", queue="any", in_seconds=60, agent_id="bob", agent_only_seconds=30)
    task_id = told.domain.interactions["of-r1"].task_id or ""

    found = explained(told, task_id)
    told.wait(100)
    closed = explained(told, task_id)
    early = told.wait(TO_MONDAY - 100 + 29.9)

    assert [each.at_ms for each in found.timeline] == [each.at_ms for each in closed.timeline]
    assert found.plan == "0 s: may be offered, any, only bob; 30 s: everybody who fits, no longer only bob"
    assert offered(early) == []
    assert offered(told.wait(0.1)) == [(task_id, "ann")]
    assert found.timeline[-1].at_ms == told.now_ms


def test_how_long_a_supervisor_keeps_a_task_for_an_agent_is_told() -> None:
    told = story()
    told.on_duty("ann")
    told.start("i0")
    told.accept("ann", "i0.t1.o1")
    told.start("i1")
    told.reroute("i1.t1", to_agent_id="ann")

    found = explained(told)
    happened = every(told.wait(3600), TaskRerouted)

    assert found.summary.endswith("; in 60 min: everybody who fits, no longer only ann")
    assert happened[-1].rerouted_at_ms == found.timeline[-1].at_ms
    assert happened[-1].terms.agents == ()


@pytest.mark.parametrize("last_agent", ["bob", None])
def test_a_step_for_the_last_agent_is_announced_for_who_has_one_at_work(last_agent: str | None) -> None:
    told = story(
        Step(after_seconds=5, last_agent=True),
        Step(after_seconds=20, priority_add=1),
        Step(after_seconds=40, agents=["ann"]),
        customer_facts_wait_ms=100,
    )
    told.configure(agent("bob", "es:4"))
    told.on_duty("bob")
    told.start("i0", queue="any")
    told.accept("bob", "i0.t1.o1")
    told.start("i1")
    told.facts("i1", last_agent_id=last_agent)

    plan = "5 s: only bob; 20 s: everybody who fits, priority +1; " if last_agent else "20 s: priority +1; "
    assert explained(told).plan == f"0 s: es>=4; {plan}40 s: everybody who fits, with ann away"
    for seconds in (5, 15, 20):
        told.wait(seconds)
        found = explained(told)
        not_named = [reason.count for reason in found.reasons if reason.code == "not_named"]
        assert not_named == ([1] if seconds == 5 and last_agent else [])


def test_an_overflow_that_cannot_be_is_not_announced_as_one() -> None:
    told = story(*RELAXING, domain={"longest_wait_seconds": 400})
    told.request("r1", queue="spanish")
    task_id = told.domain.interactions["of-r1"].task_id or ""

    found = explained(told, task_id)
    happened = told.wait(400)

    assert found.plan == (
        "0 s: es>=4; 60 s: any; 300 s: waits on, as it cannot overflow to a closing message; "
        "400 s: goes before everything that has waited less than the longest wait"
    )
    assert [each.reason for each in every(happened, TaskRerouted)] == ["relaxed", "overflow_failed", "longest_wait"]


def test_a_parked_task_that_comes_back_to_a_closed_queue_says_where_it_goes() -> None:
    office = Calendar.model_validate(
        {"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": {"tue": [["22:00", "22:15"]]}}
    )
    told = story(*RELAXING, domain={"parked_agent_seconds": 0}, calendar="office", closed=Destination(to="voicemail"))
    told.configure(office)
    annes_parked(told, seconds=600)

    found = explained(told)

    assert times(told, found) == [(600, "overflow to voicemail", False)]
    assert only(told.wait(600), TaskTransferredOut).to == "voicemail"


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 s"), (1151, "1.2 s"), (5000, "5 s"), (9960, "10 s"), (12_400, "12 s"), (599_600, "10 min"), (-5, "0 s")],
)
def test_lengths_of_time_are_rounded_to_the_nearest(milliseconds: int, text: str) -> None:
    assert words.left(milliseconds) == text


# Busy days

CHANGES = AgentStateChanged | AgentPresenceChanged | QueueOverridden
"""After these another may be true than was announced, as after an offer."""
DAYS = 24
HORIZON_MS = 700_000
WHOM = re.compile(r"(, )?\b(only |everybody who fits).*?(?=, priority \+|, band |, goes before|, waits on|$)")


def test_on_busy_days_what_is_announced_comes_at_its_instant_and_nothing_before_it() -> None:
    seen = Counter[str]()
    for seed in range(DAYS):
        day = Walk(Random(seed))
        day.told.checker = None  # test_walk has it
        if seed % 3 == 0:
            day.transfer_much()
        for number in range(80):
            day.step()
            told = day.told
            waiting = sorted(name for name, task in told.domain.tasks.items() if task.state == "waiting")
            if waiting:
                seen[_followed(dump(told.state), told.now_ms, Random(number).choice(waiting))] += 1

    assert seen["came"] > 100, seen
    assert seen["came back"] > 3, seen


def _followed(state: bytes, now_ms: int, task_id: str) -> str:
    """What becomes of the next moment that is announced of the task while nothing but time happens."""
    told = Story(now_ms=now_ms, state=load(state), checker=None, commands_given=1_000_000)
    told.wait(0)
    if task_id not in told.domain.tasks or told.domain.tasks[task_id].state != "waiting":
        return "waits no more"
    task = told.domain.tasks[task_id]
    if task.era != told.domain.queues[task.queue].era:  # what an override made of its priority comes with its return
        return "changed before"
    found, before = explained(told, task_id), _stands(told.domain.tasks[task_id])
    moment = next((each for each in found.timeline if not each.done), None)
    if moment is not None and moment.at_ms is None:
        return _returned(told, task_id, [(each.after_ms, each.text) for each in found.timeline[1:]])
    comes_ms = max(now_ms, moment.at_ms) if moment is not None and moment.at_ms is not None else None
    ends_ms = now_ms + HORIZON_MS if comes_ms is None else comes_ms
    at_last: list[object] = []
    while (due_ms := told.state.next_due_ms()) is not None and due_ms <= ends_ms:
        told.now_ms = max(told.now_ms, due_ms)
        facts = told.give(TimersDue())
        mine = [fact for fact in facts if getattr(fact, "task_id", None) == task_id]
        changed = any(isinstance(fact, CHANGES) for fact in facts)
        if changed or any(each.reason == "prioritised" for each in every(mine, TaskRerouted)):
            return "changed before"
        if mine and isinstance(mine[0], OfferIssued) and not at_last:
            return "offered before"
        if told.now_ms == comes_ms:
            at_last += mine + every(facts, TransferChanged)
        else:
            assert task_id in told.domain.tasks, f"unannounced, before {moment}: {mine}"
            assert _stands(told.domain.tasks[task_id]) == before, f"unannounced, before {moment}: {mine}"
    if moment is None or comes_ms is None:
        return "nothing comes"
    after = told.domain.tasks.get(task_id)
    whom, rest = moment.text, WHOM.sub("", moment.text).partition(", as it cannot")[0].removeprefix(", ")
    said = _happened(before, None if after is None else _stands(after), at_last)
    assert rest == said, (moment, at_last)
    if after is not None and not said.startswith(("overflow to", "the transfer")):
        _check_whom(whom, before, _stands(after))
    return "came"


def _returned(told: Story, task_id: str, announced: list[tuple[int, str]]) -> str:
    """The task comes back at an instant that nobody had known."""
    task = told.domain.tasks[task_id]
    if task.deferred_for == "parked":
        told.unpark("", task_id, by="sue")
    else:
        told.override(task.queue)
        told.wait(0)
    if task_id not in told.domain.tasks or task.deferred_for is not None or task.assigned is not None:
        return "came back, and went"
    coming = [(each.after_ms, each.text) for each in explained(told, task_id).timeline if not each.done]
    assert [each for each in coming if each[1] not in {LONGEST, TRANSFER_FAILS}] == [
        each for each in announced if each[1] not in {LONGEST, TRANSFER_FAILS}
    ]
    return "came back"


@dataclass(frozen=True)
class Stands:
    """What may change for a task while it waits."""

    deferred: bool
    asks: str
    agents: tuple[str, ...]
    priority: int
    band: int
    longest_wait: bool


def _stands(task: Task) -> Stands:
    terms = task.terms
    asks = words.asks(task.requirements, terms)
    return Stands(task.deferred_for is not None, asks, terms.agents, task.priority, terms.band, terms.longest_wait)


def _happened(before: Stands, after: Stands | None, facts: Sequence[object]) -> str:
    """In the words of explanations, but for whom the task is for."""
    for fact in facts:
        if isinstance(fact, TaskTransferredOut) and fact.to == "handed_over":
            [reason] = [each.reason for each in every(facts, TransferChanged) if each.transfer_id == fact.task_id]
            return TRANSFER_FAILS if reason == "timed_out" else f"overflow, by which the transfer fails: {reason}"
        if isinstance(fact, TaskTransferredOut):
            return f"overflow to {'a closing message' if fact.to == 'message' else fact.to}"
        if isinstance(fact, TaskRerouted) and fact.queue != fact.from_queue:
            return f"overflow to {fact.queue}"
        if isinstance(fact, TaskRerouted) and fact.reason == "callback":
            return "overflow to callback"
    assert after is not None, facts
    resumed = before.deferred and not after.deferred
    failed = any(each.reason == "overflow_failed" for each in every(facts, TaskRerouted))
    said = {
        OFFERED_AGAIN: resumed,
        after.asks: resumed or after.asks != before.asks,
        f"priority +{after.priority - before.priority}": after.priority != before.priority,
        f"band {after.band}": after.band != before.band,
        LONGEST: after.longest_wait and not before.longest_wait,
        "waits on": failed,
    }
    return ", ".join(text for text, holds in said.items() if holds)


def _check_whom(text: str, before: Stands, after: Stands) -> None:
    only = f"only {', '.join(after.agents)}"
    if after.agents and after.agents != before.agents:
        assert only in text
    if "only " in text.replace("no longer only ", ""):
        assert only in text
    if before.agents and not after.agents and not before.deferred:
        assert "everybody who fits" in text
    if "everybody who fits" in text:
        assert after.agents == ()
