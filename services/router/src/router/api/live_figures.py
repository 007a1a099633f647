"""The figures of a queue's live counts, as of now."""

from typing import Final

from contracts.metrics import BY_NAME, Counts, Formula

from router.api.models import Figures, FigureView, QueueView
from router.domain.live_counts import day_of, recent_since_ms, summed

SHOWN: Final = tuple(
    BY_NAME[name]
    for name in (
        "offered.v1",
        "answered.v1",
        "abandoned.v1",
        "short_abandon.v1",
        "service_level.v1",
        "asa.v1",
        "aht.v1",
        "transfer_rate.v1",
        "expected_wait_error.v1",
    )
)


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
        "recent": _figures(recent, max(recent_ms, measured.since_ms)),
        "today": _figures(today, max(today_ms, measured.since_ms)),
    }
    return view.model_copy(update=shown)


def _figures(counts: Counts, since_ms: int) -> Figures:
    return Figures(since_ms=since_ms, figures={formula.name: _figure(formula, counts) for formula in SHOWN})


def _figure(formula: Formula, counts: Counts) -> FigureView:
    value = formula.value(counts)
    return FigureView(numerator=value.numerator, denominator=value.denominator)
