"""Shifts: clocking in and out, and whether that is what the calendar expects."""

from dataclasses import dataclass, field
from random import Random

import pytest
from contracts.agents import AgentAdherenceChanged, AgentClocked, AgentStateChanged, AgentStatePending, CommandResult
from contracts.calendars import Calendar
from contracts.configuration import Domain
from router.domain.hours import Hours
from router.testing.finding import every, offered, only
from router.testing.parts import DOMAIN, address, agent, queue
from router.testing.story import Story

MIDNIGHT_MS = 1_700_006_400_000  # Wednesday, 15 November 2023, UTC
MINUTE_MS = 60_000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def shift(*hours: tuple[str, str]) -> Calendar:
    week = {day: [list(each) for each in hours] for day in DAYS}
    return Calendar.model_validate({"id": "early", "domain": DOMAIN, "time_zone": "UTC", "weekly": week})


def story(*hours: tuple[str, str], tolerance_seconds: int = 300) -> Story:
    """Ann, whose shift has these hours, at midnight."""
    told = Story(now_ms=MIDNIGHT_MS)
    told.configure(
        Domain(id=DOMAIN, adherence_tolerance_seconds=tolerance_seconds),
        queue("chats"),
        address("chats"),
        shift(*hours),
        agent("ann", capacity=2, shift_calendar="early"),
    )
    told.wait(0)
    return told


def at(told: Story, hour: int, minute: int = 0) -> list[object]:
    return told.wait((MIDNIGHT_MS + (hour * 60 + minute) * MINUTE_MS - told.now_ms) / 1000)


def adherence(happened: list[object]) -> list[tuple[bool, bool, bool, int]]:
    """Adherent, expected, clocked in, and the minute of the day."""
    return [
        (each.adherent, each.expected, each.clocked_in, (each.changed_at_ms - MIDNIGHT_MS) // MINUTE_MS)
        for each in every(happened, AgentAdherenceChanged)
    ]


def test_clocking_in_and_out_is_said_once() -> None:
    told = story()
    happened = told.clock("ann", clocked_in=True)

    assert only(happened, AgentClocked).clocked_in
    assert [type(data) for data in told.clock("ann", clocked_in=True)] == [CommandResult]
    assert not only(told.clock("ann", clocked_in=False), AgentClocked).clocked_in
    assert [type(data) for data in told.clock("ann", clocked_in=False)] == [CommandResult]


def test_an_unknown_agent_cannot_clock_in() -> None:
    refused = only(story().clock("zoe", clocked_in=True), CommandResult).refusal

    assert refused is not None
    assert (refused.code, refused.http_status) == ("unknown_agent", 404)


def test_clocking_out_makes_not_ready() -> None:
    told = story()
    told.clock("ann", clocked_in=True)
    told.on_duty("ann")
    happened = told.clock("ann", clocked_in=False)

    assert only(happened, AgentStateChanged).state == "not_ready"
    assert offered(told.start("i1")) == []


def test_who_holds_tasks_is_clocked_out_when_the_last_ends_and_gets_no_other_until_then() -> None:
    told = story()
    told.clock("ann", clocked_in=True)
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    asked = told.clock("ann", clocked_in=False)
    told.start("i2")
    told.end_task("ann", "i1.t1.o1.a")
    happened = told.complete("ann", "i1.t1.o1.a")

    assert only(asked, AgentStatePending).clocks_out
    assert every(asked, AgentClocked) == []
    assert told.domain.tasks["i2.t1"].state == "waiting"
    assert [type(data) for data in happened if isinstance(data, AgentClocked | AgentStateChanged)] == [
        AgentClocked,
        AgentStateChanged,
    ]
    assert told.domain.agents["ann"].pending is None


def leaving() -> Story:
    """Ann talks, and is to be clocked out afterwards."""
    told = story()
    told.clock("ann", clocked_in=True)
    told.on_duty("ann")
    told.start("i1")
    told.accept("ann", "i1.t1.o1")
    told.clock("ann", clocked_in=False)
    return told


@pytest.mark.parametrize("by", ["clocking in", "turning ready"])
def test_a_clocking_out_to_come_is_taken_back(by: str) -> None:
    told = leaving()
    told.start("i2")
    happened = told.clock("ann", clocked_in=True) if by == "clocking in" else told.set_state("ann", ready=True)

    assert only(happened, AgentStatePending).state is None
    assert offered(happened) == [("i2.t1", "ann")]
    assert every(told.complete("ann", "i1.t1.o1.a"), AgentClocked) == []


def test_asking_twice_to_be_clocked_out_changes_nothing() -> None:
    assert [type(data) for data in leaving().clock("ann", clocked_in=False)] == [CommandResult]


@pytest.mark.parametrize("when", ["now", "when_free"])
def test_a_break_in_between_does_not_undo_the_clocking_out(when: str) -> None:
    told = leaving()
    told.set_state("ann", ready=False, when="now" if when == "now" else "when_free", reason="lunch")
    happened = told.complete("ann", "i1.t1.o1.a")

    assert not only(happened, AgentClocked).clocked_in
    assert (told.domain.agents["ann"].state, told.domain.agents["ann"].reason_code) == ("not_ready", "lunch")


def test_who_is_lost_on_the_way_out_is_clocked_out() -> None:
    told = leaving()
    told.gone("ann")

    assert not only(told.wait(30), AgentClocked).clocked_in
    assert told.domain.tasks["i1.t1"].state == "waiting"


def test_who_comes_too_late_is_not_adherent_from_the_end_of_the_tolerance_until_they_come() -> None:
    told = story(("08:00", "16:00"))

    assert adherence(at(told, 8, 4)) == []
    assert adherence(at(told, 8, 10)) == [(False, True, False, 485)]
    assert adherence(told.clock("ann", clocked_in=True)) == [(True, True, True, 490)]


def test_who_goes_too_early_or_stays_too_long_is_not_adherent() -> None:
    told = story(("08:00", "16:00"))
    at(told, 7, 58)
    told.clock("ann", clocked_in=True)
    assert adherence(at(told, 12)) == []
    told.clock("ann", clocked_in=False)
    assert adherence(at(told, 13)) == [(False, True, False, 725)]
    told.clock("ann", clocked_in=True)

    assert adherence(at(told, 18)) == [(False, False, True, 965)]
    assert adherence(told.clock("ann", clocked_in=False)) == [(True, False, False, 1080)]


def test_within_the_tolerance_nothing_is_said() -> None:
    told = story(("08:00", "16:00"))
    at(told, 7, 56)
    happened = told.clock("ann", clocked_in=True) + at(told, 16, 4) + told.clock("ann", clocked_in=False)

    assert adherence(happened + at(told, 24)) == []


def test_without_a_calendar_nothing_is_expected() -> None:
    told = story(("08:00", "16:00"))
    at(told, 9)
    told.configure(agent("ann"))
    happened = told.wait(0)

    assert adherence(happened) == [(True, False, False, 540)]
    assert adherence(told.clock("ann", clocked_in=True) + at(told, 48)) == []
    assert told.state.next_due_ms() is None


def test_a_changed_calendar_or_tolerance_counts_at_once() -> None:
    told = story(("08:00", "16:00"))
    at(told, 8, 1)
    told.configure(Domain(id=DOMAIN, adherence_tolerance_seconds=0))
    assert adherence(told.wait(0)) == [(False, True, False, 481)]
    told.configure(shift(("10:00", "16:00")))

    assert adherence(told.wait(0)) == [(True, False, False, 481)]
    assert adherence(at(told, 11)) == [(False, True, False, 600)]


def test_a_tolerance_that_is_raised_later_forgives_nothing_that_lasts() -> None:
    told = story(("08:00", "16:00"))
    at(told, 8, 10)
    told.configure(Domain(id=DOMAIN, adherence_tolerance_seconds=3600))

    assert adherence(told.wait(60)) == []
    assert adherence(told.clock("ann", clocked_in=True)) == [(True, True, True, 491)]


def test_a_calendar_that_comes_after_its_agent_counts_from_then_on() -> None:
    told = Story(now_ms=MIDNIGHT_MS)
    told.configure(Domain(id=DOMAIN), agent("ann", shift_calendar="early"))
    told.wait(0)
    told.configure(shift(("00:00", "24:00")))

    assert adherence(told.wait(600)) == [(False, True, False, 5)]


@pytest.mark.parametrize("seed", range(8))
def test_adherence_is_what_a_look_every_minute_would_say(seed: int) -> None:
    chance = Random(seed)
    told = story(("06:00", "11:30"), ("12:00", "12:20"), ("13:00", "17:00"), tolerance_seconds=600)
    naive = Naive(Hours(told.domain.calendars["early"]))
    said = []
    for minute in range(1, 2 * 24 * 60):
        happened = at(told, 0, minute)
        naive.look(minute)
        if chance.random() < 0.03:
            naive.clocked_in = not naive.clocked_in
            happened += told.clock("ann", clocked_in=naive.clocked_in)
            naive.look(minute)
        said += [(each[0], each[3]) for each in adherence(happened)]

    assert said == naive.said
    assert len(said) > 4


@dataclass
class Naive:
    """Looks at the clock and at the calendar every minute."""

    hours: Hours
    clocked_in: bool = False
    adherent: bool = True
    differs_since: int | None = None
    said: list[tuple[bool, int]] = field(default_factory=list)

    def look(self, minute: int) -> None:
        if self.hours.open_at(MIDNIGHT_MS + minute * MINUTE_MS) == self.clocked_in:
            self.differs_since, adherent = None, True
        else:
            self.differs_since = minute if self.differs_since is None else self.differs_since
            adherent = self.adherent and minute - self.differs_since < 10
        if adherent != self.adherent:
            self.adherent = adherent
            self.said.append((adherent, minute))
