"""Whether a calendar is open at an instant, and when that changes.

The rule for every wall clock, whatever its jumps: *an interval is open from the first instant at which the clock shows
its beginning or later, until after the last instant at which it shows less than its end.* So a beginning or end that a
jump forward leaves out is the instant of the jump; of a time that comes twice a beginning is the first and an end is
the last, unless the clock was set back to just that; an interval or a day that is left out altogether is never open.
Intervals that meet are one: midnight is no closing.

Time zones are those of the pinned wheel (contracts.time_zones). Instants are UTC milliseconds. Before 1970 and from
December 8999 on every calendar is closed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from contracts.calendars import Calendar, DayHours
from contracts.time_zones import time_zone

DAY_MS: Final = 86_400_000
HORIZON_MS: Final = 400 * DAY_MS
"""How far ahead a change is looked for: a year with its holidays, and some weeks."""

_WINDOW_DAYS: Final = 32
_WINDOW_MS: Final = _WINDOW_DAYS * DAY_MS
_WINDOWS_END: Final = (date(9000, 1, 1) - date(1970, 1, 1)).days // _WINDOW_DAYS
_KEPT_MAX: Final = 16
"""More than one look to the horizon needs."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # a wall clock's: its zone is added below

Spans = list[tuple[timedelta, timedelta]]


class Hours:
    """The answers for one calendar. At most 512 days of openings are kept; no answer depends on which."""

    __slots__ = ("_exceptions", "_kept", "_time_zone", "_week")

    def __init__(self, calendar: Calendar) -> None:
        week = calendar.weekly
        self._time_zone = calendar.time_zone
        self._week = [_spans(day) for day in (week.mon, week.tue, week.wed, week.thu, week.fri, week.sat, week.sun)]
        self._exceptions = {exception.date: _spans(exception.hours) for exception in calendar.exceptions}
        self._kept: dict[int, list[int]] = {}

    def open_at(self, at_ms: int) -> bool:
        """Whether it is open; at the instant of a change what holds from then on."""
        flips = self._kept.get(at_ms // _WINDOW_MS)
        if flips is None:
            flips = self._flips(at_ms // _WINDOW_MS)
        return bisect_right(flips, at_ms) % 2 == 1

    def next_change_ms(self, at_ms: int) -> int | None:
        """The next instant after `at_ms` at which open becomes closed or closed open; none within HORIZON_MS: none."""
        was_open = self.open_at(at_ms)
        for window in range(at_ms // _WINDOW_MS, (at_ms + HORIZON_MS) // _WINDOW_MS + 1):
            begins = max(at_ms, window * _WINDOW_MS)
            if self.open_at(begins) != was_open:
                return begins
            flips = self._flips(window)
            place = bisect_right(flips, begins)
            if place < len(flips) and flips[place] < (window + 1) * _WINDOW_MS:
                return flips[place] if flips[place] <= at_ms + HORIZON_MS else None
        return None

    def next_open_ms(self, at_ms: int) -> int | None:
        """`at_ms` itself when it is open then, else when it opens; none within HORIZON_MS: none."""
        return at_ms if self.open_at(at_ms) else self.next_change_ms(at_ms)

    def _flips(self, window: int) -> list[int]:
        """Openings and closings by turns; right for instants of the window, cut off or missing outside of it."""
        flips = self._kept.get(window)
        if flips is None:
            if len(self._kept) >= _KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            flips = self._kept[window] = _united(self._openings(window)) if 0 <= window < _WINDOWS_END else []
        return flips

    def _openings(self, window: int) -> Iterator[tuple[int, int]]:
        """The intervals, in order, of every local date that can touch the window.

        A date is at most one day from that of UTC; a jump back over midnight can add another.
        """
        zone = time_zone(self._time_zone)
        for number in range(window * _WINDOW_DAYS - 2, (window + 1) * _WINDOW_DAYS + 2):
            midnight = _EPOCH + timedelta(days=number)
            day = midnight.date()
            for begins, ends in self._exceptions.get(day, self._week[day.weekday()]):
                yield _instant_ms(zone, midnight + begins, fold=0), _instant_ms(zone, midnight + ends, fold=1)


def _spans(hours: DayHours) -> Spans:
    return [(_since_midnight(begins), _since_midnight(ends)) for begins, ends in hours]


def _since_midnight(time: str) -> timedelta:
    return timedelta(hours=int(time[:2]), minutes=int(time[3:]))


def _united(openings: Iterator[tuple[int, int]]) -> list[int]:
    """Walls in order give instants in order, beginnings as well as ends, so that each touches the last one or none."""
    flips: list[int] = []
    for begins, ends in openings:
        if flips and begins <= flips[-1]:
            flips[-1] = ends
        elif begins < ends:
            flips += begins, ends
    return flips


def _instant_ms(zone: ZoneInfo, wall: datetime, *, fold: int) -> int:
    """When the clock first shows this or later (fold 0), or shows less for the last time before (1)."""
    first, last = (_seconds(zone, wall.replace(fold=fold)) for fold in (0, 1))
    if first > last:  # PEP 495: in a gap the later offset gives the earlier instant, and the jump lies between
        return 1000 * (last + bisect_left(range(last, first), True, key=lambda at: _shown(zone, at) >= wall))
    if fold and _shown(zone, last - 1) < wall:  # else the clock was set back to just this, so it shows less no more
        return 1000 * last
    return 1000 * first


def _seconds(zone: ZoneInfo, wall: datetime) -> int:
    return int(wall.replace(tzinfo=zone).timestamp())


def _shown(zone: ZoneInfo, at: int) -> datetime:
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)
