"""When a queue is open: its own calendar, and a supervisor's word over it."""

from collections.abc import Iterator
from typing import Any

import pytest
from contracts.calendars import Calendar
from contracts.configuration import Domain
from contracts.offers import OfferIssued
from contracts.queues import QueueOverridden
from contracts.routing_parts import Destination
from contracts.tasks import TaskDeferred, TaskQueued, TaskRerouted, TaskResumed, TaskTransferredOut
from router.domain.inputs import TimersDue
from router.domain.sweeps import SWEEP_STEP_MAX
from router.domain.turn import FACTS_MAX
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

TO_OPENING = 3580  # seconds: the story begins on a Tuesday at 22:13:20


def calendar(name: str, *tuesday: list[str]) -> Calendar:
    return Calendar.model_validate(
        {"id": name, "domain": DOMAIN, "time_zone": "UTC", "weekly": {"tue": tuesday, "wed": [["00:00", "24:00"]]}}
    )


OFFICE = calendar("office", ["23:13", "24:00"])
ALWAYS = calendar("always", ["00:00", "24:00"])


def story(*, agents: int = 1, **settings: Any) -> Story:
    told = Story(reruns=True)
    told.configure(
        Domain(id=DOMAIN),
        OFFICE,
        ALWAYS,
        queue("chats", **settings),
        queue("other"),
        address("chats", "other"),
        *[agent(f"agent-{number}") for number in range(agents)],
    )
    told.on_duty(*[f"agent-{number}" for number in range(agents)])
    return told


def named(kind: type, happened: list[object]) -> list[Any]:
    return [data for data in happened if isinstance(data, kind)]


def offered(happened: list[object]) -> list[str]:
    return [data.task_id for data in named(OfferIssued, happened)]


def due(told: Story) -> Iterator[list[object]]:
    """What happens at once, step by step."""
    while (at_ms := told.state.next_due_ms()) is not None and at_ms <= told.now_ms:
        yield told.give(TimersDue())


def test_a_queue_without_a_calendar_is_open() -> None:
    assert offered(story().start("i1")) == ["i1.t1"]


def test_who_comes_before_the_opening_waits_for_it_and_is_served_in_order() -> None:
    told = story(calendar="office")
    [queued] = told.start("i1")
    told.wait(1)
    told.start("i2")

    opened = told.wait(TO_OPENING - 1)

    assert isinstance(queued, TaskQueued)
    assert (queued.deferred_for, queued.deferred_until_ms) == ("closed", told.now_ms)
    assert [resumed.task_id for resumed in named(TaskResumed, opened)] == ["i1.t1", "i2.t1"]
    assert offered(opened) == ["i1.t1"]


def test_a_closed_queue_with_a_destination_sends_tasks_there() -> None:
    told = story(calendar="office", closed=Destination(to="queue", queue="other"))

    happened = told.start("i1")

    assert [rerouted.reason for rerouted in named(TaskRerouted, happened)] == ["closed"]
    assert offered(happened) == ["i1.t1"]


def test_who_is_sent_on_to_a_closed_queue_waits_for_its_opening() -> None:
    told = story(waiting_max=0, full=Destination(to="queue", queue="late"))
    told.configure(queue("late", calendar="office"))

    happened = told.start("i1")

    assert [deferred.queue for deferred in named(TaskDeferred, happened)] == ["late"]
    assert offered(told.wait(TO_OPENING)) == ["i1.t1"]


def test_hours_in_which_the_queue_was_closed_are_no_longest_wait() -> None:
    told = story(agents=0, calendar="office")
    told.configure(Domain(id=DOMAIN, longest_wait_seconds=600), queue("urgent", band=9), agent("ann"))
    told.configure(address("chats", "urgent"))
    told.start("i1")
    told.wait(TO_OPENING)
    told.start("i2", queue="urgent")

    opened = told.on_duty("ann")
    told.accept("ann", "i2.t1.o1")
    early = told.wait(599.9)
    late = told.wait(0.1)

    assert offered(opened) == ["i2.t1"]
    assert told.domain.tasks["i1.t1"].queued_at_ms == told.now_ms - (TO_OPENING + 600) * 1000
    assert named(TaskRerouted, early) == []
    assert [(each.task_id, each.reason) for each in named(TaskRerouted, late)] == [("i1.t1", "longest_wait")]


def test_a_contact_that_came_at_night_is_not_the_longest_waiting_where_it_is_transferred_to_either() -> None:
    told = story(agents=1, calendar="office")
    told.configure(Domain(id=DOMAIN, longest_wait_seconds=600), agent("agent-1"))
    told.start("i1")
    told.wait(TO_OPENING)
    told.accept("agent-0", "i1.t1.o1")
    told.transfer("agent-0", "i1.t1.o1.a", queue="other", forced=True)

    second = told.domain.tasks["i1.t2"]

    assert not second.terms.longest_wait
    assert second.terms.next_step_at_ms == told.now_ms + 600_000


def test_an_agents_own_time_begins_at_the_opening_and_stands_still_while_the_queue_is_closed_again() -> None:
    told = story(agents=2, calendar="office")
    told.set_state("agent-1", ready=False)
    told.request("r1", queue="chats", agent_id="agent-1", agent_only_seconds=30)
    told.wait(TO_OPENING + 10)
    told.override("chats", closed=True, for_seconds=100)

    told.wait(100)

    assert offered(told.wait(19.9)) == []
    assert offered(told.wait(0.1)) != []


def test_closing_time_does_not_throw_out_who_waits() -> None:
    told = story(agents=0, calendar="day")
    told.configure(calendar("day", ["22:00", "22:30"]))
    told.start("i1")
    told.wait(3600)

    assert told.domain.tasks["i1.t1"].deferred_for is None


def test_a_calendar_that_changes_changes_who_waits_for_the_opening() -> None:
    told = story(calendar="office")
    told.start("i1")
    told.configure(calendar("office", ["23:30", "24:00"]))
    told.wait(TO_OPENING + 60)

    assert told.domain.tasks["i1.t1"].deferred_for == "closed"
    told.configure(calendar("office", ["22:00", "24:00"]))
    assert offered(told.wait(0)) == ["i1.t1"]


def test_pain_business_hours_precedence_bugs_a_queue_has_its_own_calendar_and_a_closing_is_over_everything() -> None:
    told = story(agents=0, calendar="always")
    told.configure(queue("other", calendar="office"))

    def open_now() -> dict[str, bool]:
        return {name: told.domain.open_at(line, told.now_ms) for name, line in told.domain.queues.items()}

    assert open_now() == {"chats": True, "other": False}
    told.override("chats", closed=True)
    assert open_now() == {"chats": False, "other": False}
    told.override("other", priority=7)  # is no opening
    assert open_now() == {"chats": False, "other": False}
    told.wait(TO_OPENING)
    assert open_now() == {"chats": False, "other": True}
    told.override(closed=True)  # all of them
    assert open_now() == {"chats": False, "other": False}
    told.override()
    assert open_now() == {"chats": True, "other": True}


# A supervisor closes


def test_an_emergency_closing_sends_those_who_wait_where_the_queue_says() -> None:
    told = story(agents=0, closed=Destination(to="queue", queue="other"))
    told.start("i1")
    told.override("chats", closed=True, message="Fire!")

    happened = told.wait(0)

    assert [(data.queue, data.reason) for data in named(TaskRerouted, happened)] == [("other", "closed")]


def test_an_emergency_closing_tells_those_who_wait_the_message() -> None:
    told = story()
    told.start("i1")  # is offered
    told.start("i2")
    told.override("chats", closed=True, message="Fire!")

    happened = told.wait(0)
    later = told.start("i3")

    assert [(data.task_id, data.to, data.message) for data in named(TaskTransferredOut, happened + later)] == [
        ("i2.t1", "message", "Fire!"),
        ("i1.t1", "message", "Fire!"),
        ("i3.t1", "message", "Fire!"),
    ]


def test_the_message_of_a_closing_is_told_by_the_voicemail_too() -> None:
    told = story(closed=Destination(to="voicemail", message="We are away."))
    told.override("chats", closed=True, message="Fire!")

    [out] = named(TaskTransferredOut, told.start("i1"))

    assert (out.to, out.message) == ("voicemail", "Fire!")


def test_a_waiting_callback_stays_in_the_closed_queue_whatever_that_says_of_contacts() -> None:
    told = story(agents=0, closed=Destination(to="queue", queue="other"))
    told.request("r1")
    told.override("chats", closed=True)

    happened = told.wait(0)

    assert named(TaskRerouted, happened) == []
    assert [(data.queue, data.reason) for data in named(TaskDeferred, happened)] == [("chats", "closed")]


def test_without_destination_and_message_they_wait_until_it_is_opened_again() -> None:
    told = story(agents=0)
    told.start("i1")
    told.override("chats", closed=True)
    deferred = named(TaskDeferred, told.wait(0))
    told.start("i2")
    told.configure(agent("ann"))

    assert [(data.reason, data.until_ms) for data in deferred] == [("closed", None)]
    assert offered(told.on_duty("ann")) == []
    told.override("chats")
    assert offered(told.wait(0)) == ["i1.t1"]
    assert told.domain.tasks["i2.t1"].deferred_for is None


def test_a_closing_ends_by_itself_and_the_calendar_holds_again() -> None:
    told = story(calendar="office")
    told.override("chats", closed=True, for_seconds=60)
    told.start("i1")

    ended = named(QueueOverridden, told.wait(60))

    assert [(data.closed, data.by, data.until_ms) for data in ended] == [(False, None, None)]
    assert told.domain.tasks["i1.t1"].deferred_for == "closed"
    assert offered(told.wait(TO_OPENING - 60)) == ["i1.t1"]


def test_who_has_a_conversation_keeps_it_when_the_queue_is_closed() -> None:
    told = story()
    told.start("i1")
    told.accept("agent-0", "i1.t1.o1")
    told.override("chats", closed=True, message="Fire!")
    told.wait(0)

    assert told.domain.tasks["i1.t1"].state == "assigned"


@pytest.mark.parametrize("closed", [None, Destination(to="queue", queue="other"), Destination(to="voicemail")])
def test_a_long_queue_is_closed_and_opened_in_bounded_steps(closed: Destination | None) -> None:
    told = story(agents=0, closed=closed)
    told.checker, told.reruns = None, False
    for number in range(1000):
        told.start(f"i{number:04}")

    steps = [told.override("chats", closed=True), *due(told)]
    line = told.domain.queues["chats"]

    assert max(map(len, steps)) <= FACTS_MAX + SWEEP_STEP_MAX
    assert line.waiting == 0
    assert line.deferred["closed"] == (1000 if closed is None else 0)
    told.override("chats")
    assert max(map(len, due(told)), default=0) <= FACTS_MAX + SWEEP_STEP_MAX
    assert line.waiting == (1000 if closed is None else 0)


def test_all_queues_of_a_large_domain_are_closed_in_bounded_steps_and_a_later_word_stays() -> None:
    told = story(agents=0)
    told.checker, told.reruns = None, False
    told.configure(*[queue(f"q{number:03}") for number in range(300)])

    first = told.override(closed=True)
    told.now_ms += 1
    told.override("q299", priority=9)
    rest = told.wait(0)

    assert len(first) < 70
    assert len(named(QueueOverridden, first + rest)) == 301
    assert [name for name, line in told.domain.queues.items() if not line.overridden_closed] == ["q299"]


# A supervisor makes a queue more urgent


def test_a_priority_override_holds_for_new_tasks_and_for_those_who_wait_until_it_ends() -> None:
    told = story(agents=0)
    told.start("i1", queue="other")
    told.wait(1)
    told.start("i2")
    told.override("chats", priority=9, for_seconds=100)
    happened = told.wait(1)
    told.start("i3")

    assert [(data.task_id, data.priority, data.by) for data in named(TaskRerouted, happened)] == [("i2.t1", 9, "sue")]
    assert [told.domain.tasks[f"i{number}.t1"].priority for number in (1, 2, 3)] == [5, 9, 9]
    told.wait(100)
    assert [told.domain.tasks[f"i{number}.t1"].priority for number in (1, 2, 3)] == [5, 5, 5]


def test_who_was_offered_meanwhile_gets_the_new_priority_when_back_in_line() -> None:
    told = story()
    told.start("i1")
    told.override("chats", priority=9)
    told.wait(0)

    assert told.domain.tasks["i1.t1"].priority == 5
    told.reject("agent-0", "i1.t1.o1")
    told.wait(0)
    assert told.domain.tasks["i1.t1"].priority == 9
