"""Customers who want to be called while their task is put by, parked or scheduled, or is a callback already."""

import pytest
from contracts.agents import CommandResult
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.tasks import TaskDeferred, TaskResumed
from router.testing.conversation import offered_to, only, refusal
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

CLOSED_FOR_AN_HOUR = Calendar.model_validate(  # the story begins on a Tuesday at 22:13:20
    {"id": "office", "domain": DOMAIN, "time_zone": "UTC", "weekly": {"tue": [["23:13", "24:00"]]}}
)


@pytest.fixture
def told() -> Story:
    """Nobody is at work yet."""
    story = Story(reruns=True)
    story.configure(Domain(id=DOMAIN), queue("chats"), address("chats"), agent("ann"), agent("bob"))
    return story


def of_r1(told: Story) -> str | None:
    """The task that request r1 made."""
    return told.domain.interactions["of-r1"].task_id


def test_a_callback_that_is_asked_for_again_keeps_its_offer(told: Story) -> None:
    told.on_duty("ann")
    told.start("i1")
    told.callback("i1", request_id="c1")

    again = told.callback("i1", request_id="c2")
    assert [type(data) for data in again] == [CommandResult]
    assert only(again, CommandResult).task_id == "i1.t1"


def test_a_scheduled_callback_that_is_asked_for_now_is_back_in_line(told: Story) -> None:
    told.start("i1")
    told.callback("i1", request_id="c1", in_seconds=600)
    told.end("i1")
    told.on_duty("ann")

    happened = told.callback("i1", request_id="c2")
    assert only(happened, TaskResumed).reason == "callback_requested"
    assert offered_to(happened) == [("i1.t1", "ann")]


def test_a_callback_for_now_waits_for_the_opening_if_its_queue_is_closed(told: Story) -> None:
    told.configure(CLOSED_FOR_AN_HOUR, queue("chats", calendar="office"))
    told.on_duty("ann")
    told.request("r1", in_seconds=7200)

    happened = told.callback("of-r1", request_id="c1")
    assert only(happened, TaskDeferred).reason == "closed"
    assert offered_to(told.wait(3600)) == [(of_r1(told), "ann")]


def test_a_requested_callback_for_now_waits_behind_who_is_there(told: Story) -> None:
    told.request("r1", in_seconds=7200)
    told.callback("of-r1", request_id="c1")
    told.wait(1)
    told.start("i1")

    assert offered_to(told.on_duty("ann")) == [("i1.t1", "ann")]
    assert offered_to(told.on_duty("bob")) == [(of_r1(told), "bob")]


def parked(told: Story, *, seconds: float | None = None) -> None:
    """Ann has put i1 by."""
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.park("ann", "i1.t1.o1.a", seconds=seconds)


@pytest.mark.parametrize("seconds", [None, 7200])
def test_a_parked_customer_who_asks_to_be_called_is_back_in_line_first_for_who_parked(
    told: Story, seconds: float | None
) -> None:
    parked(told, seconds=seconds)
    told.on_duty("bob")

    happened = told.callback("i1", request_id="c1")
    told.end("i1")
    assert only(happened, TaskResumed).reason == "callback_requested"
    assert offered_to(happened) == [("i1.t1", "ann")]
    assert told.domain.tasks["i1.t1"].kind == "callback"


def test_a_parked_customer_may_ask_to_be_called_at_a_time(told: Story) -> None:
    parked(told)
    happened = told.callback("i1", request_id="c1", in_seconds=100)
    told.end("i1")

    assert only(happened, TaskDeferred).reason == "scheduled"
    assert offered_to(told.wait(99)) == []
    assert offered_to(told.wait(1)) == [("i1.t1", "ann")]


def test_a_callback_that_is_parked_without_end_is_back_when_its_customer_goes(told: Story) -> None:
    told.start("i1")
    told.callback("i1", request_id="c1")
    told.on_duty("ann")
    told.accept("ann", "i1.t1.o1")
    told.park("ann", "i1.t1.o1.a")

    happened = told.end("i1")
    assert only(happened, TaskResumed).reason == "interaction_ended"
    assert offered_to(happened) == [("i1.t1", "ann")]


def test_a_callback_whose_customer_has_gone_is_parked_until_a_time_alone(told: Story) -> None:
    told.start("i1")
    told.callback("i1", request_id="c1")
    told.end("i1")
    told.on_duty("ann")
    told.accept("ann", "i1.t1.o1")

    assert refusal(told.park("ann", "i1.t1.o1.a")) == ("until_needed", 422)
    assert refusal(told.park("ann", "i1.t1.o1.a", seconds=100)) is None
    assert offered_to(told.wait(100)) == [("i1.t1", "ann")]
