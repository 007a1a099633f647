"""What a campaign of trials has shown, for people: a table of parts and a list of what was found."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from centralino.proof.trials.trial import Verdict
from centralino.services import ENGINE

HEAD: Final = (
    "part and kind, Kafka",
    "runs",
    "faults",
    "next offer s (p50 p95 max)",
    "all running s (p50 max)",
    "views s (p50 max)",
    "caught up s (p50 max)",
    "unknown of requests",
    "take-overs",
    "void batches in runs",
)


NEXT_OFFER_SECONDS_MAX: Final = 5.0
APPENDS_MIN: Final = 5
"""Runs of mid-append of which at least one should have met a batch on its way."""


def summary(verdicts: Sequence[Verdict]) -> str:
    """A Markdown table, one line for each part, kind and Kafka."""
    cases: defaultdict[tuple[bool, str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        cases[verdict.real_kafka, verdict.plan.kind, verdict.plan.part].append(verdict)
    rows = [HEAD, tuple("---" for _ in HEAD)]
    rows += [_row(f"{kind} {part}, {_kafka(real)}", cases[real, kind, part]) for real, kind, part in sorted(cases)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def unmet(verdicts: Sequence[Verdict], patience: float) -> list[str]:
    """What a campaign as a whole promises and did not show."""
    told: list[str] = []
    deaths = [v for v in verdicts if (v.plan.kind, v.plan.part) == ("kill", ENGINE)]
    offers = [v.next_offer_ms / 1000 for v in deaths if v.next_offer_ms is not None]
    if offers and percentile(offers, 0.95) > NEXT_OFFER_SECONDS_MAX * patience:
        late = percentile(offers, 0.95)
        told.append(
            f"after an engine's death the next offer came within {late:.1f} s (p95), not {NEXT_OFFER_SECONDS_MAX:g}"
        )
    appends = [v for v in verdicts if v.plan.kind == "mid-append"]
    if len(appends) >= APPENDS_MIN and not any(v.void_batches for v in appends):
        told.append("no engine was frozen with a batch on its way: the runs of mid-append have shown nothing")
    return told


def line(verdict: Verdict, done: int, wanted: int) -> str:
    """What is said when a trial has ended."""
    plan = verdict.plan
    found = "sound" if verdict.sound else verdict.error or f"{len(verdict.faults)} faults: {verdict.faults[0]}"
    figures = f"next offer {_seconds([verdict.next_offer_ms], 1.0)} s, {verdict.ambiguous} unknown"
    return f"[{done}/{wanted}] {plan.kind} {plan.part}, seed {plan.seed}: {found} ({figures}; {verdict.seconds:.0f} s)"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-round(len(ranked) * share * 1000) // 1000) - 1)]


def _row(name: str, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    requests, unknown = sum(v.requests for v in verdicts), sum(v.ambiguous for v in verdicts)
    return (
        name,
        str(len(verdicts)),
        str(sum(not verdict.sound for verdict in verdicts)),
        _seconds([v.next_offer_ms for v in verdicts], 0.5, 0.95, 1.0),
        _seconds([v.trouble_ms for v in verdicts], 0.5, 1.0),
        _seconds([v.views_ms for v in verdicts], 0.5, 1.0),
        _seconds([v.caught_up_ms for v in verdicts], 0.5, 1.0),
        f"{unknown} of {requests}",
        str(sum(v.take_overs for v in verdicts)),
        str(sum(v.void_batches > 0 for v in verdicts)),
    )


def _seconds(times_ms: Sequence[int | None], *shares: float) -> str:
    known = [time_ms / 1000 for time_ms in times_ms if time_ms is not None]
    return " ".join(f"{percentile(known, share):.1f}" for share in shares) if known else "-"


def _kafka(real: bool) -> str:
    return "Apache Kafka" if real else "embedded"
