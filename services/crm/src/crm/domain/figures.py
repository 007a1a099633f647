"""Figures over time: which interval a question is about, and what the counts of its rows amount to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal  # Any: rows as a store gives them

from contracts.metrics import COUNT_NAMES, FORMULAS, INTERVAL_MS, Counts, Value

By = Literal["queue", "agent", "client", "channel"]
Interval = Literal["15m", "1h", "1d"]
STEPS_MS: Final[dict[Interval, int]] = {"15m": INTERVAL_MS, "1h": 3_600_000, "1d": 86_400_000}
STEPS_MAX: Final = 3_000
"""A month of quarters of an hour; more steps are refused."""
BACKLOG: Final = "backlog.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """By what, and over which steps of time: from a step's beginning to another's, UTC."""

    by: By
    step_ms: int
    from_ms: int
    to_ms: int


def grain_of(by: By, interval: Interval, *, from_ms: int, to_ms: int) -> Grain:
    """Whole steps, the first and the last as far as the instants reach into them. Raises ValueError."""
    step_ms = STEPS_MS[interval]
    first_ms, end_ms = from_ms - from_ms % step_ms, to_ms + -to_ms % step_ms
    if end_ms <= first_ms:
        raise ValueError("`to` must lie behind `from`")
    if (end_ms - first_ms) // step_ms > STEPS_MAX:
        raise ValueError(f"more than {STEPS_MAX} intervals: ask for longer ones, or for less time")
    return Grain(by=by, step_ms=step_ms, from_ms=first_ms, to_ms=end_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What happened to a queue, an agent, a client or in a channel during a step."""

    at_ms: int
    domain: str | None
    name: str
    counts: Counts
    figures: Mapping[str, Value]


def lines_of(
    by: By, rows: Iterable[Mapping[str, Any]], waiting: Mapping[tuple[str | None, str], int]
) -> Iterator[Line]:
    """Rows in order of time, with their figures; `waiting` is the backlog before the first."""
    backlog = dict(waiting)
    of = "agent" if by == "agent" else "queue"
    for row in rows:
        counts = Counts(**{name: row[name] for name in COUNT_NAMES})
        figures = {formula.name: formula.value(counts) for formula in FORMULAS if of in formula.of}
        if BACKLOG in figures:
            key = (row["domain"], row["name"])
            backlog[key] = backlog.get(key, 0) + figures[BACKLOG].numerator
            figures[BACKLOG] = Value(numerator=backlog[key])
        yield Line(at_ms=row["at_ms"], domain=row["domain"], name=row["name"], counts=counts, figures=figures)
