"""Callbacks and other requested tasks: when they come due, whose they are, and that customers keep their place."""

from typing import TypeVar

import pytest
from contracts.agents import CommandResult
from contracts.assignments import TransferChanged
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.offers import OfferIssued, OfferWithdrawn
from contracts.routing_parts import Destination, Step
from contracts.tasks import (
    TaskAssigned,
    TaskDeferred,
    TaskQueued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    WrapupStarted,
)
from router.domain.explain import explain_task
from router.domain.internal import InteractionClosed
from router.domain.state import DAY_MS
from router.testing.parts import DOMAIN, address, agent, plan, queue
from router.testing.story import Story

Fact = TypeVar("Fact")
CLOSED_FOR_AN_HOUR = Calendar.model_validate(  # the story begins on a Tuesday at 22:13:20
    {"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": {"tue": [["23:13", "24:00"]]}}
)


@pytest.fixture
def told() -> Story:
    """Nobody is at work yet."""
    story = Story(reruns=True)
    story.configure(Domain(id=DOMAIN), queue("chats"), address("chats"), agent("ann"), agent("bob"))
    return story


def only(kind: type[Fact], happened: list[object]) -> Fact:
    [found] = [data for data in happened if isinstance(data, kind)]
    return found


def offered(happened: list[object]) -> list[tuple[str, str]]:
    return [(data.task_id, data.agent_id) for data in happened if isinstance(data, OfferIssued)]


def task_id(told: Story) -> str:
    """Of the task that request r1 made."""
    found = told.domain.interactions["of-r1"].task_id
    assert found is not None
    return found


def refusal(happened: list[object]) -> str | None:
    found = only(CommandResult, happened).refusal
    return found.code if found else None


# Requested tasks


def test_a_requested_callback_waits_until_it_is_due_and_its_wait_counts_from_then(told: Story) -> None:
    told.on_duty("ann")
    due_ms = told.now_ms + 600_000

    queued = only(TaskQueued, told.request("r1", in_seconds=600))
    early = told.wait(599)
    resumed, rerouted_or_offered, *_ = told.wait(1)

    assert (queued.kind, queued.deferred_for, queued.deferred_until_ms) == ("callback", "scheduled", due_ms)
    assert queued.queued_at_ms == due_ms
    assert queued.expected_wait_ms is None
    assert early == []
    assert isinstance(resumed, TaskResumed)
    assert (resumed.reason, resumed.entered_at_ms) == ("due", due_ms)
    assert isinstance(rerouted_or_offered, OfferIssued)
    told.wait(3)
    assigned = only(TaskAssigned, told.accept("ann", f"{task_id(told)}.o1"))
    assert (assigned.kind, assigned.waited_ms) == ("callback", 3000)


def test_a_task_that_is_due_already_waits_for_an_agent_at_once(told: Story) -> None:
    told.on_duty("ann")

    assert offered(told.request("r1", kind="case")) == [(task_id(told), "ann")]


def test_a_task_that_was_due_before_it_was_asked_for_has_waited_since_the_request(told: Story) -> None:
    told.start("i1")
    told.wait(1)
    queued = only(TaskQueued, told.request("r1", due_at_ms=5))
    told.wait(2)

    assert queued.queued_at_ms == told.now_ms - 2000
    assert offered(told.on_duty("ann")) == [("i1.t1", "ann")]
    assert offered(told.on_duty("bob")) == [(task_id(told), "bob")]


def test_a_call_to_dial_is_outbound_work(told: Story) -> None:
    assert only(TaskQueued, told.request("r1", kind="dial")).direction == "outbound"


def test_a_repeated_request_makes_no_second_task(told: Story) -> None:
    first = told.request("r1", in_seconds=60)

    assert told.request("r1", in_seconds=60) == [only(CommandResult, first)]
    told.wait(3601)
    for _ in range(3):
        told.set_state("zoe", ready=True)  # results are forgotten, requests are not
    again = told.request("r1")
    assert [type(data) for data in again] == [CommandResult]
    assert only(CommandResult, again).task_id is None


def test_a_request_is_remembered_as_long_as_its_task_lives(told: Story) -> None:
    told.request("r1", in_seconds=20 * DAY_MS / 1000)
    told.wait(9 * DAY_MS / 1000)
    told.attention("i1", "a1")
    told.wait(9 * DAY_MS / 1000)
    told.attention("i2", "a2")
    told.attention("i3", "a3")

    assert [type(data) for data in told.request("r1")] == [CommandResult]
    assert "r1" in told.domain.requests
    assert "a1" not in told.domain.requests


def test_a_request_is_forgotten_8_days_after_it_was_made_and_a_refused_one_after_an_hour(told: Story) -> None:
    told.request("r1")
    first = task_id(told)
    told.cancel_callback("of-r1")
    told.request("r2", queue="later")
    told.configure(queue("later"))
    told.wait(3601)
    for _ in range(3):
        told.set_state("zoe", ready=True)
    decided_anew = told.request("r2", queue="later")
    told.wait(8 * DAY_MS / 1000)
    told.attention("i1", "a1")

    assert only(TaskQueued, decided_anew).queue == "later"
    assert only(TaskQueued, told.request("r1")).task_id != first


def test_requests_that_cannot_be_are_refused(told: Story) -> None:
    told.start("i1")
    told.start("i2")
    told.end("i2")

    assert refusal(told.request("r1", queue="nowhere")) == "unknown_queue"
    assert refusal(told.request("r2", interaction_id="i1")) == "interaction_busy"
    assert refusal(told.request("r3", interaction_id="i2")) == "interaction_ended"


def test_an_agents_own_callback_is_theirs_alone_for_a_time_then_anybodys(told: Story) -> None:
    told.on_duty("ann", "bob")
    told.set_state("bob", ready=False)
    told.request("r1", in_seconds=10, agent_id="bob", agent_only_seconds=30)

    theirs = told.wait(39)
    anybodys = told.wait(1)

    assert offered(theirs) == []
    assert only(TaskRerouted, anybodys).terms.agents == ()
    assert offered(anybodys) == [(task_id(told), "ann")]


def test_an_agents_own_callback_goes_to_them_even_if_another_is_free_longer(told: Story) -> None:
    told.on_duty("ann", "bob")

    assert offered(told.request("r1", agent_id="bob")) == [(task_id(told), "bob")]


def test_the_steps_of_a_plan_leave_an_agents_own_task_to_them(told: Story) -> None:
    told.configure(
        plan("p", Step(after_seconds=0, agents=["ann"]), Step(after_seconds=5, band=3)), queue("chats", plan="p")
    )
    told.on_duty("ann", "bob")
    told.set_state("bob", ready=False)
    told.request("r1", agent_id="bob", agent_only_seconds=60)

    assert offered(told.wait(59)) == []
    assert told.domain.tasks[task_id(told)].terms.band == 3
    assert offered(told.wait(1)) == [(task_id(told), "ann")]


def test_a_callback_of_an_agent_who_is_not_configured_is_anybodys(told: Story) -> None:
    told.on_duty("ann")

    assert offered(told.request("r1", agent_id="zoe")) == [(task_id(told), "ann")]


def test_a_callback_that_comes_due_while_its_queue_is_closed_waits_for_the_opening(told: Story) -> None:
    told.configure(CLOSED_FOR_AN_HOUR, queue("chats", calendar="office", closed=Destination(to="voicemail")))
    told.on_duty("ann", "bob")
    told.set_state("bob", ready=False)
    opens_ms = told.now_ms + 3_580_000
    told.request("r1", in_seconds=60, agent_id="bob", agent_only_seconds=30)

    deferred = only(TaskDeferred, told.wait(60))
    early = told.wait(3519)
    resumed = only(TaskResumed, told.wait(1))

    assert (deferred.reason, deferred.until_ms) == ("closed", opens_ms)
    assert early == []
    assert (resumed.reason, resumed.entered_at_ms) == ("opened", opens_ms)
    assert offered(told.wait(29)) == []  # bob's alone from the opening on
    assert offered(told.wait(1)) == [(task_id(told), "ann")]


def test_an_agents_own_time_grows_by_the_time_for_which_the_queue_is_closed_and_by_no_more(told: Story) -> None:
    told.on_duty("ann", "bob")
    told.set_state("bob", ready=False)
    told.request("r1", agent_id="bob", agent_only_seconds=60)
    for _ in range(4):
        told.wait(10)
        told.override("chats", closed=True)
        told.wait(5)
        told.override("chats")
        told.wait(0)

    assert offered(told.wait(19.9)) == []
    assert offered(told.wait(0.1)) == [(task_id(told), "ann")]


def test_nobody_is_there_to_hear_the_message_of_a_callback_so_it_waits_on(told: Story) -> None:
    told.configure(
        plan("p", Step(after_seconds=5, overflow=Destination(to="message", message="Sorry."))), queue("chats", plan="p")
    )
    told.request("r1")

    assert only(TaskRerouted, told.wait(5)).reason == "overflow_failed"
    assert told.domain.tasks[task_id(told)].state == "waiting"


# Virtual hold


def test_a_waiting_customer_hangs_up_and_keeps_the_place_in_line(told: Story) -> None:
    told.start("i1")
    told.wait(20)
    told.start("i2")

    rerouted = only(TaskRerouted, told.callback("i1", request_id="c1"))
    ended = told.end("i1")

    assert (rerouted.kind, rerouted.reason) == ("callback", "callback")
    assert [type(data) for data in ended] == [InteractionClosed]
    assert offered(told.on_duty("ann")) == [("i1.t1", "ann")]
    assigned = only(TaskAssigned, told.accept("ann", "i1.t1.o1"))
    assert (assigned.kind, assigned.waited_ms) == ("callback", 20_000)


def test_an_offer_of_the_conversation_is_taken_back_and_made_again_as_a_callback(told: Story) -> None:
    told.on_duty("ann")
    told.start("i1")

    happened = told.callback("i1", request_id="c1")

    assert only(OfferWithdrawn, happened).reason == "rerouted"
    assert offered(happened) == [("i1.t1", "ann")]


def test_a_customer_can_be_called_at_a_time_and_keeps_the_place_for_then(told: Story) -> None:
    told.start("i1")
    told.wait(5)
    told.start("i2")
    happened = told.callback("i1", request_id="c1", in_seconds=100)
    told.end("i1")

    assert only(TaskDeferred, happened).reason == "scheduled"
    assert offered(told.on_duty("ann")) == [("i2.t1", "ann")]
    told.accept("ann", "i2.t1.o1")
    told.wait(100)
    told.start("i3")
    assert offered(told.complete("ann", "i2.t1.o1.a")) == [("i1.t1", "ann")]


def test_the_end_of_the_call_back_sends_the_task_to_wrapup_but_a_late_word_of_the_first_end_does_not(
    told: Story,
) -> None:
    told.start("i1")
    told.callback("i1", request_id="c1")
    told.end("i1")
    first_end_ms = told.now_ms
    told.wait(30)
    told.on_duty("ann")
    told.accept("ann", "i1.t1.o1")

    now_ms, told.now_ms = told.now_ms, first_end_ms
    again = told.end("i1")
    told.now_ms = now_ms

    assert again == []
    assert only(WrapupStarted, told.end("i1")).reason == "interaction_ended"


def test_a_callback_is_refused_where_nothing_waits(told: Story) -> None:
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")

    assert refusal(told.callback("i1", request_id="c1")) == "task_assigned"
    assert refusal(told.callback("i9", request_id="c2")) == "task_gone"


def test_who_asks_again_for_a_callback_that_an_agent_has_by_now_is_not_contradicted(told: Story) -> None:
    told.start("i1")
    told.callback("i1", request_id="c1")
    told.on_duty("ann")
    told.accept("ann", "i1.t1.o1")

    assert only(CommandResult, told.callback("i1", request_id="c2")).outcome == "done"
    assert refusal(told.callback("i1", request_id="c3", in_seconds=600)) == "task_assigned"


@pytest.mark.parametrize("in_seconds", [0, 600])
def test_a_customer_who_keeps_the_place_may_think_better_of_it_once(told: Story, in_seconds: int) -> None:
    told.start("i1")
    told.callback("i1", request_id="c1", in_seconds=in_seconds)
    told.end("i1")

    happened = told.cancel_callback("i1", command_id="x1")
    again = told.cancel_callback("i1", command_id="x1")

    out = only(TaskTransferredOut, happened)
    assert (out.task_id, out.to, out.reason, out.by) == ("i1.t1", "finished", "callback_cancelled", "sue")
    assert only(CommandResult, happened) == only(CommandResult, again)
    assert refusal(told.cancel_callback("i1")) == "callback_gone"
    assert offered(told.on_duty("ann") + told.wait(700)) == []


def test_who_names_the_callback_cancels_no_later_one(told: Story) -> None:
    told.request("r1")
    first = task_id(told)
    told.cancel_callback("of-r1", task_id=first)
    told.request("r2", interaction_id="of-r1")
    later = task_id(told)

    assert later != first
    assert refusal(told.cancel_callback("of-r1", task_id=first)) == "callback_gone"
    assert only(TaskTransferredOut, told.cancel_callback("of-r1", task_id=later)).task_id == later


def test_an_offered_callback_that_is_cancelled_sets_its_agent_free(told: Story) -> None:
    told.on_duty("ann")
    told.request("r1")
    told.start("i2")

    happened = told.cancel_callback("of-r1")

    assert only(OfferWithdrawn, happened).agent_id == "ann"
    assert offered(happened) == [("i2.t1", "ann")]


def test_only_a_callback_that_no_agent_has_is_cancelled(told: Story) -> None:
    told.on_duty("ann")
    told.request("r1")
    told.accept("ann", f"{task_id(told)}.o1")
    told.start("i1")
    told.request("r2", kind="case")

    codes = [refusal(told.cancel_callback(name)) for name in ("i1", "of-r1", "of-r2", "nowhere")]

    assert codes == ["not_a_callback", "task_assigned", "not_a_callback", "callback_gone"]


def test_scheduled_tasks_take_no_place_in_a_queue_with_a_limit(told: Story) -> None:
    told.configure(queue("chats", waiting_max=1, full=Destination(to="voicemail")))
    told.request("r1", in_seconds=100)

    queued = only(TaskQueued, told.start("i1"))

    assert queued.position == 1
    assert told.domain.tasks["i1.t1"].state == "waiting"
    told.start("i2")
    assert "i2.t1" not in told.domain.tasks


# Queues that give contacts up to a callback

CALLED = Destination(to="callback", message="We will call.", otherwise="Please write to us.")


def overflowing(*, callbacks: bool = True, closed: Destination | None = None, **settings: object) -> Story:
    """Who has waited 30 s for Ann is to be called back."""
    story = Story(reruns=True)
    story.configure(
        Domain(id=DOMAIN),
        CLOSED_FOR_AN_HOUR,
        plan("short", Step(after_seconds=30, overflow=CALLED)),
        queue("chats", plan="short", closed=closed, **settings),
        address("chats", callbacks=callbacks),
        agent("ann"),
    )
    return story


def test_who_overflows_to_a_callback_may_hang_up_and_is_served_at_the_old_place() -> None:
    told = overflowing()
    told.start("i1")
    told.wait(1)
    told.start("i2")
    came_ms = told.domain.tasks["i1.t1"].queued_at_ms
    rerouted = only(TaskRerouted, told.wait(29))
    hung_up = told.end("i1")
    told.wait(1)

    assert (rerouted.task_id, rerouted.reason, rerouted.kind, rerouted.message) == (
        "i1.t1",
        "callback",
        "callback",
        "We will call.",
    )
    assert [type(data) for data in hung_up] == [InteractionClosed]
    assert offered(told.on_duty("ann")) == [("i1.t1", "ann")]
    assert only(TaskAssigned, told.accept("ann", "i1.t1.o1")).waited_ms == told.now_ms - came_ms == 31_000


def test_a_callback_that_a_queue_made_can_be_cancelled_and_has_no_step_left() -> None:
    told = overflowing()
    told.start("i1")
    told.wait(30)

    assert told.wait(3600) == []
    out = only(TaskTransferredOut, told.cancel_callback("i1"))
    assert (out.to, out.reason) == ("finished", "callback_cancelled")


def test_who_cannot_be_called_back_hears_last_words_instead() -> None:
    told = overflowing(callbacks=False)
    told.start("i1")
    out = only(TaskTransferredOut, told.wait(30))

    assert (out.to, out.reason, out.message) == ("message", "overflowed", "Please write to us.")
    assert told.domain.tasks == {}


@pytest.mark.parametrize("callbacks", [True, False])
def test_the_gateway_knows_better_than_the_configuration_who_can_be_called_back(*, callbacks: bool) -> None:
    told = overflowing(callbacks=callbacks)
    told.start("i1", callback_possible=not callbacks)
    told.start("i2", callback_possible=callbacks)
    told.attention("i3", "a1")
    told.wait(30)

    kinds = {task.interaction_id: task.kind for task in told.domain.tasks.values()}
    assert kinds == ({"i2": "callback", "i3": "callback"} if callbacks else {"i1": "callback"})


def test_a_closed_queue_that_calls_back_keeps_who_came_for_the_opening() -> None:
    told = overflowing(calendar="office", closed=CALLED)
    told.on_duty("ann")
    came = told.start("i1")
    told.end("i1")

    assert (only(TaskRerouted, came).kind, only(TaskDeferred, came).reason) == ("callback", "closed")
    assert offered(told.wait(3580)) == [("i1.t1", "ann")]


def test_an_emergency_closing_says_its_own_words_to_those_too_who_cannot_be_called_back() -> None:
    told = overflowing(closed=CALLED)
    told.start("i1")
    told.start("i2", callback_possible=False)
    told.override("chats", closed=True, message="Alarm.")
    happened = told.wait(0)

    assert only(TaskRerouted, happened).message == "Alarm."
    assert only(TaskDeferred, happened).task_id == "i1.t1"
    assert only(TaskTransferredOut, happened).message == "Alarm."


def test_who_finds_a_queue_full_becomes_a_callback_in_it() -> None:
    told = overflowing(waiting_max=0, full=CALLED)

    assert only(TaskRerouted, told.start("i1")).kind == "callback"
    assert offered(told.on_duty("ann")) == [("i1.t1", "ann")]


def test_a_transfer_that_would_become_a_callback_fails_and_the_customer_stays_with_the_owner() -> None:
    told = overflowing()
    told.configure(agent("ann"), queue("second", plan="short"), agent("bob"))
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.transfer("ann", "i1.t1.o1.a", queue="second", forced=True)
    failed = [data.reason for data in told.wait(30) if isinstance(data, TransferChanged)]

    assert failed == ["overflowed"]
    assert told.domain.tasks["i1.t1"].state == "assigned"


def test_a_task_that_took_over_from_its_owner_can_be_called_back_like_that_one() -> None:
    told = overflowing()
    told.configure(Domain(id=DOMAIN, presence_grace_seconds=1), agent("bob"))
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.transfer("ann", "i1.t1.o1.a", queue="chats", forced=True)
    told.gone("ann")
    told.wait(30)

    assert [(task.task_id, task.kind) for task in told.domain.tasks.values()] == [("i1.t2", "callback")]


@pytest.mark.parametrize(("callbacks", "where"), [(True, "callback"), (False, "a closing message")])
def test_an_explanation_says_what_will_become_of_this_customer(*, callbacks: bool, where: str) -> None:
    told = overflowing(callbacks=callbacks)
    told.start("i1")
    found = explain_task(told.domain, "i1.t1", told.now_ms)

    assert found is not None
    assert found.plan == f"0 s: any; 30 s: overflow to {where}"
