"""The figures of a run, for people and for programs."""

from collections.abc import Iterator
from math import isfinite

from centralino.simulator.figures import Estimate
from centralino.simulator.scenario import Scenario
from centralino.simulator.tally import PERCENTILES, Scope, Tally

_PARTS_OF_ONE = frozenset(
    {"blocked", "diverted", "abandonment", "delayed", "service_level", "service_level_of_answered", "busy", "occupancy"}
)


def as_text(scenario: Scenario, tally: Tally, seconds: float) -> str:
    """A block for each contact type, queue and group; `seconds` is how long the run took."""
    speed = f"{tally.contacts:,} contacts in {seconds:.1f} s ({tally.contacts / max(seconds, 1e-9):,.0f} a second)"
    head = f"{scenario.days} days, seed {scenario.seed}: {speed}; intervals of {scenario.confidence:.0%} over days"
    refused = [f"{tally.refused} commands were refused: agents were too late"] if tally.refused else []
    return "\n".join([head, *refused, *(line for scope in _scopes(tally) for line in _block(scenario, tally, scope))])


def as_json(scenario: Scenario, tally: Tally, seconds: float) -> dict[str, object]:
    """The same with the periods of the day; a figure that does not exist (0 over 0) is null."""
    return {
        "days": scenario.days,
        "seed": scenario.seed,
        "confidence": scenario.confidence,
        "contacts": tally.contacts,
        "refused_commands": tally.refused,
        "seconds": round(seconds, 3),
        "scopes": [_scope(scenario, tally, scope) for scope in _scopes(tally)],
    }


def _scopes(tally: Tally) -> list[Scope]:
    order = ("contacts", "queue", "group")
    return sorted(tally.counts, key=lambda scope: (order.index(scope[0]), scope[1]))


def _block(scenario: Scenario, tally: Tally, scope: Scope) -> Iterator[str]:
    yield f"\n{scope[0]} {scope[1]}"
    for name, estimate in tally.figures(scope).items():
        yield f"  {name:<27} {_figure(name, estimate, scenario.confidence)}"
    if scope[0] != "group":
        waits = tally.counts[scope].waits
        seconds = ", ".join(f"{percent} %: {waits.percentile(percent) / 1000:.1f}" for percent in PERCENTILES)
        yield f"  {'wait_of_answered_seconds':<27} {seconds}"


def _figure(name: str, estimate: Estimate, confidence: float) -> str:
    if not isfinite(estimate.value):
        return "-"
    half = estimate.half_width(confidence)
    wide = f" ± {half:.3g}" if isfinite(half) else ""
    if name in _PARTS_OF_ONE:
        return f"{100 * estimate.value:.2f} %" + (f" ± {100 * half:.2g}" if wide else "")
    return f"{estimate.value:.2f}{wide}"


def _scope(scenario: Scenario, tally: Tally, scope: Scope) -> dict[str, object]:
    waits = tally.counts[scope].waits
    figures: dict[str, object] = {"kind": scope[0], "name": scope[1], "day": _plain(scenario, tally, scope, None)}
    if scope[0] != "group":
        percentiles = {str(percent): _finite(waits.percentile(percent) / 1000) for percent in PERCENTILES}
        figures["wait_of_answered_seconds"] = percentiles
    figures["periods"] = [_plain(scenario, tally, scope, period) for period in range(scenario.day.periods)]
    return figures


def _plain(scenario: Scenario, tally: Tally, scope: Scope, period: int | None) -> dict[str, object]:
    return {
        name: {"value": _finite(estimate.value), "half_width": _finite(estimate.half_width(scenario.confidence))}
        for name, estimate in tally.figures(scope, period).items()
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
