"""Opening hours: clocks that jump, exceptions, and an oracle that walks minute by minute."""

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from contracts.calendars import Calendar
from contracts.time_zones import time_zone
from hypothesis import example, given, settings
from hypothesis import strategies as st
from router.domain.hours import DAY_MS, HORIZON_MS, Hours

MINUTE_MS = 60_000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = list[tuple[str, str]]
ALWAYS: Day = [("00:00", "24:00")]

# Days on which the clock of the zone jumps, and plain ones.
DATES = {
    "Europe/Berlin": ["2026-03-29", "2026-10-25", "2045-03-26"],
    "America/New_York": ["2026-03-08", "2026-11-01", "2099-11-01"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],  # by half an hour
    "Asia/Kathmandu": ["1986-01-01", "2026-06-01"],  # +05:30 became +05:45; since then no jump
    "Pacific/Apia": ["2011-12-30", "2011-12-31", "2021-04-04"],  # the first was left out
    "America/Sao_Paulo": ["2018-02-18", "2018-11-04"],  # at midnight, back and on
    "Africa/Cairo": ["2026-04-24", "2026-10-30"],  # at midnight too
    "Pacific/Kwajalein": ["1993-08-21"],  # left out
    "Antarctica/Troll": ["2026-03-29", "2026-10-25"],  # by two hours
    "UTC": ["2026-12-31"],
}


def hours(zone: str, week: dict[str, Day], exceptions: dict[str, Day] | None = None) -> Hours:
    return Hours(calendar(zone, week, exceptions or {}))


def calendar(zone: str, week: dict[str, Day], exceptions: dict[str, Day]) -> Calendar:
    days = [{"date": day, "name": "Other", "hours": intervals} for day, intervals in exceptions.items()]
    return Calendar.model_validate({"id": "c", "domain": "d", "time_zone": zone, "weekly": week, "exceptions": days})


def every_day(*intervals: tuple[str, str]) -> dict[str, Day]:
    return {day: list(intervals) for day in DAYS}


def ms(instant: str) -> int:
    """UTC milliseconds of an ISO time with its offset."""
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def openings(open_hours: Hours, begins: str, ends: str) -> list[tuple[str, str]]:
    """When it is open between two instants, told in UTC (MM-DD HH:MM)."""
    at, until, found = ms(begins), ms(ends), list[str]()
    assert not open_hours.open_at(at)
    while (at := open_hours.next_change_ms(at) or until) < until:
        found.append(f"{datetime.fromtimestamp(at / 1000, UTC):%m-%d %H:%M}")
    return list(zip(found[::2], found[1::2], strict=True))


def test_a_week_opens_at_its_first_minute_and_closes_at_its_last() -> None:
    week = hours("Europe/Berlin", {"mon": [("09:00", "12:00"), ("13:00", "17:00")]})
    opens, closes = ms("2026-06-01T09:00+02:00"), ms("2026-06-01T12:00+02:00")

    assert [week.open_at(at) for at in (opens - 1, opens, closes - 1, closes)] == [False, True, True, False]
    assert week.next_change_ms(opens - 1) == week.next_open_ms(opens - 1) == opens
    assert week.next_change_ms(opens) == closes
    assert week.next_open_ms(opens) == opens
    assert week.next_open_ms(ms("2026-06-01T17:00+02:00")) == ms("2026-06-08T09:00+02:00")


# Rocket.Chat 24288, 24896, 29549: hours of several origins fought each other. Ours have one, a calendar.
def test_pain_business_hours_precedence_bugs_an_exception_stands_for_its_whole_day_and_only_for_it() -> None:
    week = every_day(("09:00", "17:00"))
    plain = [(f"12-{day} 08:00", f"12-{day} 16:00") for day in range(22, 29)]
    special: dict[str, Day] = {
        "2026-12-24": [("08:00", "10:00")],  # shorter, and from before the week's own beginning on
        "2026-12-25": [],  # closed, however open the week is
        "2026-12-27": [("18:00", "24:00")],  # only when the week is closed
    }

    found = openings(hours("Europe/Berlin", week, special), "2026-12-22T00:00+01:00", "2026-12-29T00:00+01:00")

    assert found == [*plain[:2], ("12-24 07:00", "12-24 09:00"), plain[4], ("12-27 17:00", "12-27 23:00"), plain[6]]


def test_a_special_opening_opens_a_week_that_is_never_open() -> None:
    sale = hours("Europe/Berlin", {}, {"2026-12-06": [("10:00", "12:00")]})

    assert openings(sale, "2026-01-01T00:00Z", "2027-12-31T00:00Z") == [("12-06 09:00", "12-06 11:00")]


def test_a_holiday_ends_a_night_shift_at_its_midnight_and_the_next_day_is_plain() -> None:
    nights = every_day(("00:00", "06:00"), ("22:00", "24:00"))

    found = openings(hours("UTC", nights, {"2026-12-25": []}), "2026-12-24T12:00Z", "2026-12-26T12:00Z")

    assert found == [("12-24 22:00", "12-25 00:00"), ("12-26 00:00", "12-26 06:00")]


def test_midnight_between_intervals_that_meet_is_no_closing() -> None:  # zammad 3180: closed from 23:59 to 00:00
    night = hours("Europe/Berlin", {"mon": [("22:00", "24:00")], "tue": [("00:00", "06:00"), ("06:00", "07:00")]})

    assert openings(night, "2026-06-01T00:00Z", "2026-06-07T00:00Z") == [("06-01 20:00", "06-02 05:00")]


def test_the_day_of_the_week_is_that_of_the_zone() -> None:  # Rocket.Chat 32287: Saturday here, Sunday there
    sunday = hours("Pacific/Auckland", {"sun": [("08:00", "20:00")]})

    assert openings(sunday, "2026-06-05T00:00Z", "2026-06-09T00:00Z") == [("06-06 20:00", "06-07 08:00")]


def test_hours_keep_their_wall_clock_when_daylight_saving_ends() -> (
    None
):  # Rocket.Chat 4898: an hour early from then on
    week = hours("America/New_York", every_day(("09:00", "17:00")))

    assert openings(week, "2026-10-31T04:00Z", "2026-11-02T04:00Z") == [
        ("10-31 13:00", "10-31 21:00"),
        ("11-01 14:00", "11-01 22:00"),
    ]


# Each: zone, the day's interval, a span of UTC, and when it is open in it.
JUMPS = [
    # Berlin 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC.
    ("Europe/Berlin", ("02:30", "05:00"), "2026-03-29", [("03-29 01:00", "03-29 03:00")]),
    ("Europe/Berlin", ("01:00", "02:30"), "2026-03-29", [("03-29 00:00", "03-29 01:00")]),
    ("Europe/Berlin", ("02:15", "02:45"), "2026-03-29", []),
    ("Europe/Berlin", ("00:00", "24:00"), "2026-03-29", [("03-28 23:00", "03-29 22:00")]),
    # Berlin 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC, so 02:00 to 03:00 comes twice.
    ("Europe/Berlin", ("02:30", "05:00"), "2026-10-25", [("10-25 00:30", "10-25 04:00")]),
    ("Europe/Berlin", ("01:00", "02:30"), "2026-10-25", [("10-24 23:00", "10-25 01:30")]),
    ("Europe/Berlin", ("02:15", "02:45"), "2026-10-25", [("10-25 00:15", "10-25 01:45")]),
    ("Europe/Berlin", ("00:00", "24:00"), "2026-10-25", [("10-24 22:00", "10-25 23:00")]),
    # New York: 2026-03-08 02:00 becomes 03:00 at 07:00 UTC; 2026-11-01 02:00 becomes 01:00 at 06:00 UTC.
    ("America/New_York", ("02:30", "04:00"), "2026-03-08", [("03-08 07:00", "03-08 08:00")]),
    ("America/New_York", ("01:30", "04:00"), "2026-11-01", [("11-01 05:30", "11-01 09:00")]),
    ("America/New_York", ("00:00", "01:30"), "2026-11-01", [("11-01 04:00", "11-01 06:30")]),
    # Lord Howe: 2026-10-04 02:00 becomes 02:30 at 15:30 UTC; 2026-04-05 02:00 becomes 01:30 at 15:00 UTC.
    ("Australia/Lord_Howe", ("02:15", "03:00"), "2026-10-04", [("10-03 15:30", "10-03 16:00")]),
    ("Australia/Lord_Howe", ("01:45", "03:00"), "2026-04-05", [("04-04 14:45", "04-04 16:30")]),
    ("Australia/Lord_Howe", ("01:00", "01:45"), "2026-04-05", [("04-04 14:00", "04-04 15:15")]),
    # Kathmandu is 5 hours 45 ahead; on 1986-01-01 its clock went from 00:00 to 00:15 at 18:30 UTC.
    ("Asia/Kathmandu", ("09:00", "17:00"), "2026-06-01", [("06-01 03:15", "06-01 11:15")]),
    ("Asia/Kathmandu", ("00:05", "01:00"), "1986-01-01", [("12-31 18:30", "12-31 19:15")]),
    # Apia had no 2011-12-30: after the 29th, at 10:00 UTC of the 30th, came the 31st.
    ("Pacific/Apia", ("00:00", "24:00"), "2011-12-30", []),
    ("Pacific/Apia", ("22:00", "24:00"), "2011-12-29", [("12-30 08:00", "12-30 10:00")]),
    ("Pacific/Apia", ("00:00", "08:00"), "2011-12-31", [("12-30 10:00", "12-30 18:00")]),
    # Sao Paulo went back from midnight to 23:00 of the day before, and on from midnight to 01:00.
    ("America/Sao_Paulo", ("22:00", "24:00"), "2018-02-17", [("02-18 00:00", "02-18 03:00")]),
    ("America/Sao_Paulo", ("00:00", "02:00"), "2018-11-04", [("11-04 03:00", "11-04 04:00")]),
]


@pytest.mark.parametrize(("zone", "interval", "day", "expected"), JUMPS)
def test_a_clock_that_jumps(zone: str, interval: tuple[str, str], day: str, expected: list[tuple[str, str]]) -> None:
    around = [date.fromisoformat(day) + timedelta(days) for days in (-2, 3)]

    found = openings(hours(zone, {}, {day: [interval]}), *(f"{at}T00:00Z" for at in around))

    assert found == expected


def test_a_zone_that_skips_a_day_stays_open_across_it() -> None:
    apia = hours("Pacific/Apia", every_day(*ALWAYS), {"2011-12-30": [], "2012-01-02": []})

    assert apia.next_change_ms(ms("2011-12-25T00:00Z")) == ms("2012-01-02T00:00+14:00")


def test_what_never_changes_within_the_horizon_has_no_next_change() -> None:
    at = ms("2026-06-01T00:00Z")
    far = {"2027-07-06": ALWAYS}  # it begins exactly 400 days later

    assert hours("UTC", every_day(*ALWAYS)).next_change_ms(at) is None
    assert hours("UTC", every_day(*ALWAYS)).next_open_ms(at) == at
    assert hours("UTC", {}).next_open_ms(at) is None
    assert hours("UTC", {}, far).next_open_ms(at) == at + HORIZON_MS
    assert hours("UTC", {}, far).next_open_ms(at - 1) is None


def test_instants_that_no_calendar_knows_are_closed() -> None:
    always = hours("UTC", every_day(*ALWAYS))

    assert [always.open_at(at) for at in (-1, 0, 2**53 - 1, -(2**53))] == [False, True, False, False]
    assert always.next_change_ms(2**53 - 1) is None
    assert always.next_open_ms(-1) == 0


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    week = hours("Europe/Berlin", {"mon": [("09:00", "17:00")]})
    instants = [ms("2026-06-01T08:00Z") + days * DAY_MS for days in (*range(0, 2000, 40), *range(0, 2000, 40))]

    answers = [(week.open_at(at), week.next_change_ms(at)) for at in instants]

    fresh = [hours("Europe/Berlin", {"mon": [("09:00", "17:00")]}) for _ in instants]
    assert answers == [(one.open_at(at), one.next_change_ms(at)) for one, at in zip(fresh, instants, strict=True)]
    assert deepcopy(week).next_change_ms(instants[0]) == answers[0][1]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])  # 14 hours ahead of UTC, 12 behind
def test_hours_are_whole_however_far_a_date_is_from_that_of_utc(zone: str) -> None:
    always = hours(zone, every_day(*ALWAYS))
    begins = ms("2026-06-01T00:00Z")

    assert all(always.open_at(at) for at in range(begins, begins + 100 * DAY_MS, 60 * MINUTE_MS))
    assert always.next_change_ms(begins) is None


def test_however_many_instants_are_asked_for_little_is_kept() -> None:
    week = hours("UTC", {"mon": [("09:00", "17:00")]})

    for days in range(0, 20_000, 40):
        week.open_at(days * DAY_MS)

    assert len(week._kept) == 16


def times() -> st.SearchStrategy[str]:
    """Often a quarter of an hour, where clocks jump and intervals meet."""
    minutes = st.integers(0, 96).map(lambda n: n * 15) | st.integers(0, 1440)
    return minutes.map(lambda n: f"{n // 60:02}:{n % 60:02}")


def days() -> st.SearchStrategy[Day]:
    return st.lists(times(), max_size=6, unique=True).map(sorted).map(_pairs)


def _pairs(walls: list[str]) -> Day:
    """Intervals between the times; an odd number of times makes them meet."""
    return list(pairwise(walls)) if len(walls) % 2 else list(zip(walls[::2], walls[1::2], strict=True))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, date, dict[str, Day], dict[str, Day]]:
    zone = draw(st.sampled_from(sorted(DATES)))
    jump = date.fromisoformat(draw(st.sampled_from(DATES[zone])))
    day = jump if draw(st.booleans()) else draw(st.dates(date(1980, 1, 1), date(2100, 1, 1)))
    week = draw(st.dictionaries(st.sampled_from(DAYS), days()))
    near = st.integers(-1, 1).map(lambda n: str(day + timedelta(n)))
    return zone, day, week, draw(st.dictionaries(near, days(), max_size=3))


@given(cases())
@example(("Pacific/Apia", date(2011, 12, 30), every_day(*ALWAYS), {"2011-12-30": []}))
@example(("Europe/Berlin", date(2026, 10, 25), {"sun": [("01:00", "02:15"), ("02:30", "02:45")]}, {}))
@example(("America/Sao_Paulo", date(2018, 2, 18), {}, {"2018-02-17": [("00:00", "23:00")]}))
@settings(deadline=None, max_examples=100)
def test_a_walk_minute_by_minute_agrees(case: tuple[str, date, dict[str, Day], dict[str, Day]]) -> None:
    zone, day, week, exceptions = case
    begins = ms(f"{day}T00:00Z") - DAY_MS
    minutes = range(begins, begins + 2 * DAY_MS, MINUTE_MS)
    seen = hours(zone, week, exceptions)

    expected = walked(time_zone(zone), day, minutes, week, exceptions)

    assert [seen.open_at(at) for at in minutes] == expected
    changes = [at for at, (was, now) in zip(minutes[1:], pairwise(expected), strict=True) if was != now]
    found, at = list[int](), begins
    while (at := seen.next_change_ms(at) or minutes.stop) < minutes.stop:
        found.append(at)
    assert found == changes


def walked(zone: ZoneInfo, day: date, minutes: range, week: dict[str, Day], exceptions: dict[str, Day]) -> list[bool]:
    """The oracle reads the clock at every minute of the span and of two days around it, and knows nothing of jumps."""
    wide = range(minutes.start - 2 * DAY_MS, minutes.stop + 2 * DAY_MS, MINUTE_MS)
    shown = [datetime.fromtimestamp(at / 1000, zone).isoformat(" ", "minutes")[:16] for at in wide]
    seen = [False] * len(wide)
    for one in (day + timedelta(days) for days in range(-2, 2)):
        for begins, ends in exceptions.get(str(one), week.get(DAYS[one.weekday()], [])):
            first = _first(place for place, wall in enumerate(shown) if wall >= f"{one} {begins}")
            after = len(shown) - _first(place for place, wall in enumerate(reversed(shown)) if wall < f"{one} {ends}")
            seen[first:after] = [True] * (after - first)
    before = 2 * DAY_MS // MINUTE_MS
    return seen[before : before + len(minutes)]


def _first(places: Iterable[int]) -> int:
    return next(iter(places))
