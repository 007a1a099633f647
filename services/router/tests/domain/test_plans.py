"""Plans: what changes for a task while it waits, and where it goes when its queue gives it up."""

import pytest
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.offers import OfferWithdrawn
from contracts.routing_parts import Destination, Step
from contracts.tasks import TaskQueued, TaskRerouted, TaskTransferredOut
from router.domain.admission import MOVES_MAX
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, plan, queue, skill
from router.testing.story import Story

VOICEMAIL = {"to": "voicemail"}


def story(*steps: Step, of_queue: dict[str, object] | None = None, **settings: object) -> Story:
    """Spanish contacts with this plan; Ann speaks it well, Bob a little, Cid not at all; nobody is at work yet."""
    told = Story(reruns=True)
    told.configure(
        Domain.model_validate({"id": DOMAIN} | settings),
        queue("spanish", "es:4", plan="patient" if steps else None, **(of_queue or {})),
        queue("all"),
        address("spanish", "all"),
        agent("ann", "es:5", team="north"),
        agent("bob", "es:2", team="south"),
        agent("cid"),
        *([plan("patient", *steps)] if steps else []),
    )
    told.leases(readable=True)
    return told


def test_requirements_are_relaxed_step_by_step_and_each_agent_gets_the_task_as_soon_as_they_may() -> None:
    told = story(Step(after_seconds=30, requirements=[skill("es:2")]), Step(after_seconds=90, requirements=[]))
    told.on_duty("bob", "cid")
    told.start("i1")

    assert offered(told.wait(29.9)) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "bob")]
    told.set_state("bob", ready=False)
    assert offered(told.wait(59.9)) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "cid")]


def test_what_a_step_does_not_name_stays_as_it_was() -> None:
    told = story(
        Step(after_seconds=10, teams=["north"], none_of=[skill("es:3-4")], band=3),
        Step(after_seconds=20, priority_add=2),
        Step(after_seconds=30, none_of=[], teams=[]),
    )
    told.start("i1")
    first, second, third = every(told.wait(60), TaskRerouted)

    assert (first.terms.teams, first.terms.band, first.priority) == (("north",), 3, 5)
    assert (second.terms.teams, second.terms.band, second.priority) == (("north",), 3, 7)
    assert second.terms.none_of == first.terms.none_of != ()
    assert (third.terms.teams, third.terms.none_of, third.requirements) == ((), (), first.requirements)
    assert [each.reason for each in (first, second, third)] == ["relaxed"] * 3


def test_a_raised_priority_is_the_highest_at_most() -> None:
    told = story(Step(after_seconds=10, priority_add=9))
    told.start("i1")

    assert only(told.wait(10), TaskRerouted).priority == 9


def test_a_higher_band_goes_before_whoever_waited_longer() -> None:
    told = story(Step(after_seconds=10, band=1))
    told.start("i1", queue="all")
    told.wait(1)
    told.start("i2")
    told.wait(10)

    assert offered(told.on_duty("ann")) == [("i2.t1", "ann")]


def test_steps_that_are_due_at_once_hold_at_once_and_those_after_them_in_their_time() -> None:
    told = story(Step(after_seconds=0, requirements=[skill("es:2")]), Step(after_seconds=5, requirements=[]))
    told.on_duty("bob")
    queued = only(told.start("i1"), TaskQueued)

    assert queued.requirements[0].minimum == 2
    assert offered(told.start("i2") + told.wait(4)) == []


def test_agents_named_by_a_step_are_named_only_while_it_lasts() -> None:
    told = story(Step(after_seconds=0, agents=["ann"]), Step(after_seconds=20, priority_add=1))
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.start("i2")
    told.configure(agent("dee", "es:4"))

    assert offered(told.on_duty("dee")) == []
    assert ("i2.t1", "dee") in offered(told.wait(20))


def test_an_offer_comes_to_its_end_before_the_next_step() -> None:
    told = story(Step(after_seconds=5, requirements=[]))
    told.on_duty("ann", "cid")
    told.start("i1")

    assert told.wait(19.9) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "cid")]


def test_a_queue_that_gives_a_task_up_passes_it_on_with_its_waiting_time_and_the_steps_of_the_new_queue() -> None:
    told = story(Step(after_seconds=60, overflow=Destination(to="queue", queue="all")))
    told.configure(
        queue("all", "billing:1", plan="late", priority=8), plan("late", Step(after_seconds=10, requirements=[]))
    )
    told.on_duty("cid")
    queued_at_ms = only(told.start("i1"), TaskQueued).queued_at_ms
    moved = only(told.wait(60), TaskRerouted)

    assert (moved.queue, moved.from_queue, moved.reason, moved.priority) == ("all", "spanish", "overflowed", 8)
    assert told.domain.tasks["i1.t1"].queued_at_ms == queued_at_ms
    assert offered(told.wait(9.9)) == []
    assert offered(told.wait(0.1)) == [("i1.t1", "cid")]


@pytest.mark.parametrize("to", ["message", "voicemail"])
def test_a_queue_may_give_a_task_up_to_the_gateway(to: str) -> None:
    step = {"after_seconds": 60, "overflow": {"to": to, "message": "Please write to us."}}
    told = story(Step.model_validate(step))
    told.start("i1")
    out = only(told.wait(60), TaskTransferredOut)

    assert (out.to, out.reason, out.message, out.waited_ms) == (to, "overflowed", "Please write to us.", 60_000)
    assert told.domain.tasks == {}


def test_queues_that_overflow_into_one_another_come_to_an_end() -> None:
    told = story(Step(after_seconds=0, overflow=Destination(to="queue", queue="all")))
    back = Step(after_seconds=0, overflow=Destination(to="queue", queue="spanish"))
    told.configure(queue("all", plan="back"), plan("back", back))
    happened = told.start("i1")

    assert len([each for each in every(happened, TaskRerouted) if each.queue != each.from_queue]) == MOVES_MAX
    assert told.domain.tasks["i1.t1"].state == "waiting"
    assert len(offered(told.on_duty("ann"))) == 1


def test_a_full_queue_gives_up_who_comes_and_not_who_waits() -> None:
    told = story(of_queue={"waiting_max": 1, "full": VOICEMAIL})
    told.start("i1")
    out = only(told.start("i2"), TaskTransferredOut)

    assert (out.task_id, out.to, out.reason) == ("i2.t1", "voicemail", "full")
    assert told.domain.tasks["i1.t1"].state == "waiting"


def test_a_queue_that_is_full_gives_up_who_overflows_into_it_too() -> None:
    told = story(Step(after_seconds=5, overflow=Destination(to="queue", queue="all")))
    told.configure(queue("all", waiting_max=1, full=VOICEMAIL))
    told.start("i1", queue="all")
    told.start("i2")

    assert only(told.wait(5), TaskTransferredOut).task_id == "i2.t1"


def test_the_longest_wait_that_is_allowed_goes_before_every_band_in_any_queue_that_it_comes_to() -> None:
    told = story(Step(after_seconds=40, overflow=Destination(to="queue", queue="all")), longest_wait_seconds=30)
    told.start("i1")
    assert only(told.wait(30), TaskRerouted).reason == "longest_wait"
    told.configure(queue("vip", band=9), address("spanish", "all", "vip"))
    told.wait(10)
    told.start("i2", queue="vip")

    assert told.domain.tasks["i1.t1"].terms.longest_wait
    assert offered(told.on_duty("cid")) == [("i1.t1", "cid")]


def test_a_task_that_is_offered_to_several_is_taken_back_from_all_when_its_customer_is_sent_elsewhere() -> None:
    told = story(of_queue={"parallel_offers": 3})
    told.configure(agent("dee", "es:4"))
    told.on_duty("ann", "dee")
    told.start("i1")
    happened = told.accept("ann", "i1.t1.o1")

    assert [each.agent_id for each in every(happened, OfferWithdrawn)] == ["dee"]


def test_outside_of_its_hours_a_queue_sends_tasks_where_it_says_or_keeps_them_for_the_next_opening() -> None:
    week = {day: [["08:00", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    office = Calendar.model_validate({"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": week})
    told = story()
    told.configure(
        office, queue("spanish", "es:4", calendar="office", closed=VOICEMAIL), queue("all", calendar="office")
    )
    told.on_duty("ann")
    away = only(told.start("i1"), TaskTransferredOut)
    kept = only(told.start("i2", queue="all"), TaskQueued)

    assert (away.to, away.reason) == ("voicemail", "closed")
    assert (kept.deferred_for, kept.deferred_until_ms) == ("closed", told.now_ms + (9 * 3600 + 46 * 60 + 40) * 1000)
    assert offered(told.wait(9 * 3600 + 46 * 60 + 40)) == [("i2.t1", "ann")]


def test_a_named_agent_too_gets_only_what_they_have_the_room_for() -> None:
    told = story(Step(after_seconds=0, agents=["ann"]), costs={"voice": 2})
    told.configure(agent("ann", "es:5", capacity=2))
    told.on_duty("ann")
    told.start("i1")
    told.start("i2", channel="voice")
    told.accept("ann", "i1.t1.o1")
    told.start("i3")
    told.set_state("ann", ready=False)

    assert offered(told.set_state("ann", ready=True)) == [("i3.t1", "ann")]
    told.reject("ann", "i3.t1.o2")
    assert offered(told.complete("ann", "i1.t1.o1.a")) == [("i2.t1", "ann")]


def test_of_several_named_agents_the_best_gets_the_task_where_the_queue_wants_the_best() -> None:
    told = story(Step(after_seconds=0, agents=["ann", "bob"]), of_queue={"choose_agent": "best_proficiency"})
    told.configure(agent("bob", "es:4"))
    told.on_duty("bob")
    told.wait(60)
    told.on_duty("ann")

    assert offered(told.start("i1")) == [("i1.t1", "ann")]
