"""The figures of a queue's live counts, and of agents' time, as of now."""

from collections.abc import Iterable
from typing import Final

from contracts.metrics import BY_NAME, Counts, Formula

from router.api.models import AgentView, Figures, FigureView, QueueView
from router.domain.agent_time import AgentTime
from router.domain.live_counts import day_of, recent_since_ms, summed

SHOWN: Final = tuple(
    BY_NAME[name]
    for name in (
        "offered.v1",
        "answered.v1",
        "abandoned.v1",
        "abandon_rate.v1",
        "short_abandon.v1",
        "service_level.v1",
        "asa.v1",
        "aht.v1",
        "handled.v1",
        "transfer_rate.v1",
        "expected_wait_error.v1",
    )
)
BACKLOG: Final = BY_NAME["backlog.v1"].name
OCCUPANCY: Final = BY_NAME["occupancy.v1"]


def with_figures(view: QueueView, now_ms: int) -> QueueView:
    """The view with what its counts amount to now; without figures while nothing was counted."""
    measured = view.measured
    if measured is None or measured.since_ms is None:
        return view
    steps = [*measured.recent, (measured.step_ms, measured.newest)]
    recent_ms, today_ms = recent_since_ms(now_ms), day_of(now_ms)
    recent = summed(plain for at_ms, plain in steps if at_ms >= recent_ms)
    today = summed(plain for at_ms, plain in steps if at_ms >= today_ms)
    if day_of(measured.step_ms) == today_ms:
        today.add(summed([measured.earlier]))
    shown = {
        "recent": _figures(view, recent, max(recent_ms, measured.since_ms)),
        "today": _figures(view, today, max(today_ms, measured.since_ms)),
    }
    return view.model_copy(update=shown)


def with_occupancy(view: AgentView, now_ms: int) -> AgentView:
    """The view with what the agent's day has been so far; without it while nothing has happened to the agent."""
    if view.time is None:
        return view
    time = AgentTime(**view.time)  # type: ignore[arg-type]  # as the engine wrote it; two of the numbers are 0 or 1
    time.spend(now_ms)
    return view.model_copy(update={"occupancy": _figure(OCCUPANCY, Counts(busy_ms=time.busy_ms, idle_ms=time.idle_ms))})


def occupancy_of(views: Iterable[AgentView]) -> FigureView:
    """Of all of them together."""
    known = [view.occupancy for view in views if view.occupancy is not None]
    return FigureView(
        numerator=sum(each.numerator for each in known), denominator=sum(each.denominator or 0 for each in known)
    )


def _figures(view: QueueView, counts: Counts, since_ms: int) -> Figures:
    """What waits now is what ever began to, less what stopped: no sum over some time."""
    figures = {formula.name: _figure(formula, counts) for formula in SHOWN}
    backlog = FigureView(numerator=view.waiting + view.offered, denominator=None)
    return Figures(since_ms=since_ms, figures=figures | {BACKLOG: backlog})


def _figure(formula: Formula, counts: Counts) -> FigureView:
    value = formula.value(counts)
    return FigureView(numerator=value.numerator, denominator=value.denominator)
