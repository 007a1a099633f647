"""What is counted: per day and period, for each contact type, queue and group of agents; only sums over days stay."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from centralino.simulator.figures import Estimate, Histogram, Moments
from centralino.simulator.scenario import Scenario

Scope = tuple[Literal["contacts", "queue", "group"], str]
"""Of what the figures are: a contact type, a queue (by where its contacts were queued first), a group of agents."""

OFFERED: Final = 0
ANSWERED: Final = 1
ABANDONED: Final = 2
IN_TARGET: Final = 3
"""Answered sooner than the target."""
ABANDONED_LATE: Final = 4
"""Not before the target was over."""
DELAYED: Final = 5
"""Answered or abandoned, but not in the instant of arrival."""
ANSWERED_MS: Final = 6
ABANDONED_MS: Final = 7
BLOCKED: Final = 8
"""Found no line."""
DIVERTED: Final = 9
"""To a callback, a voicemail or a message, before an agent accepted."""
CONTACT_COLUMNS: Final = 10

STAFFED_MS: Final = 0
"""Of agents who are ready, or not yet done with their last contact."""
BUSY_MS: Final = 1
"""Of agents who hold at least one assignment, wrap-up included."""
CAPACITY_MS: Final = 2
"""Capacity units of staffed agents."""
HELD_MS: Final = 3
"""Capacity units of assignments."""
GROUP_COLUMNS: Final = 4

Row = list[int]
PERCENTILES: Final = (50, 90, 95, 99)


class DayTally:
    """One day's counts. It is added to the rest when the day is over and none of its contacts is under way."""

    def __init__(self, periods: int, *, counted: bool = True) -> None:
        self.counted = counted
        """Not so in the warm-up."""
        self.open = 0
        """Contacts under way."""
        self.over = False
        self.rows: dict[Scope, list[Row]] = {}
        self._periods = periods

    def row(self, scope: Scope, period: int) -> Row:
        """The counts of a period of the day."""
        rows = self.rows.get(scope)
        if rows is None:
            columns = GROUP_COLUMNS if scope[0] == "group" else CONTACT_COLUMNS
            rows = self.rows[scope] = [[0] * columns for _ in range(self._periods)]
        return rows[period]


@dataclass(slots=True)
class Counts:
    """Of one scope, over all days: the day as a whole, and each of its periods."""

    day: Moments
    periods: list[Moments]
    waits: Histogram = field(default_factory=Histogram)
    """Of those answered."""


class Tally:
    """The counts of a run."""

    def __init__(self, scenario: Scenario) -> None:
        self.contacts = 0
        """All that arrived, warm-up included."""
        self.refused = 0
        """Commands that the router refused: an agent was too late, or the driver is wrong."""
        self._periods = scenario.day.periods
        scopes: list[Scope] = [("contacts", contact.name) for contact in scenario.contacts]
        scopes += [("group", group.name) for group in scenario.groups]
        self.counts: dict[Scope, Counts] = {scope: self._no_counts(scope, 0) for scope in scopes}
        self._days = 0

    def waits(self, scope: Scope) -> Histogram:
        """The waits of the scope's answered contacts."""
        return self._of(scope).waits

    def settle(self, day: DayTally) -> None:
        """Add the day if it is complete; a scope of which it says nothing had nothing."""
        if not day.over or day.open or not day.counted:
            return
        for scope in day.rows:
            self._of(scope)
        for scope, counts in self.counts.items():
            for period, moments in enumerate(counts.periods):
                moments.add(day.row(scope, period))
            counts.day.add([sum(column) for column in zip(*day.rows[scope], strict=True)])
        self._days += 1

    def figures(self, scope: Scope, period: int | None = None) -> dict[str, Estimate]:
        """Name to estimate, of the whole day or of one period."""
        counts = self.counts[scope]
        moments = counts.day if period is None else counts.periods[period]
        return dict(_group_figures(moments) if scope[0] == "group" else _contact_figures(moments))

    def _of(self, scope: Scope) -> Counts:
        if scope not in self.counts:
            self.counts[scope] = self._no_counts(scope, self._days)
        return self.counts[scope]

    def _no_counts(self, scope: Scope, days: int) -> Counts:
        columns = GROUP_COLUMNS if scope[0] == "group" else CONTACT_COLUMNS
        day, *periods = (Moments(columns) for _ in range(self._periods + 1))
        for moments in (day, *periods):
            moments.days = days  # on which the scope had nothing
        return Counts(day, periods)


def _contact_figures(moments: Moments) -> Iterator[tuple[str, Estimate]]:
    done = (ANSWERED, ABANDONED)
    yield from _means(moments, {"offered": OFFERED, "answered": ANSWERED, "abandoned": ABANDONED})
    yield from _means(moments, {"in_target": IN_TARGET})
    yield "blocked", moments.ratio((BLOCKED,), (OFFERED,))
    yield "diverted", moments.ratio((DIVERTED,), (OFFERED,))
    yield "abandonment", moments.ratio((ABANDONED,), (OFFERED,))
    yield "delayed", moments.ratio((DELAYED,), (OFFERED,))
    yield "service_level", moments.ratio((IN_TARGET,), (ANSWERED, ABANDONED_LATE))
    yield "service_level_of_answered", moments.ratio((IN_TARGET,), (ANSWERED,))
    yield "asa_seconds", moments.ratio((ANSWERED_MS,), (ANSWERED,), unit=1000)
    yield "mean_wait_seconds", moments.ratio((ANSWERED_MS, ABANDONED_MS), done, unit=1000)


def _group_figures(moments: Moments) -> Iterator[tuple[str, Estimate]]:
    yield "staffed_hours", moments.mean(STAFFED_MS, unit=3_600_000)
    yield "busy", moments.ratio((BUSY_MS,), (STAFFED_MS,))
    yield "occupancy", moments.ratio((HELD_MS,), (CAPACITY_MS,))


def _means(moments: Moments, columns: dict[str, int]) -> Iterable[tuple[str, Estimate]]:
    return ((name, moments.mean(column)) for name, column in columns.items())
