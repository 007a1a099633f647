"""Judges a soak: memory by least squares after a warm-up, bounded descriptors and tasks, lag that comes to an end."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from centralino.proof.lag import Lag
from centralino.proof.soak.meter import Use

MIB: Final = 2**20
HOUR_SECONDS: Final = 3600
SLOPE_MIB_PER_HOUR_MAX: Final = 30.0
"""Memory that grows faster in the later half, beyond twice the standard error, is a leak or has to be explained."""
KEPT_KIB_PER_CHAT: Final = {"redis": 12}
"""What a part keeps of every chat by design, for a time that is bounded: docs/soak.md has what was measured."""
GROWTH_SHARE_MAX: Final = 0.25
"""Descriptors, threads and tasks of the last quarter may exceed those of the first one after the warm-up by so much."""
GROWTH_COUNT_MAX: Final = 25
LAST_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """Of a line through points, per second, with its standard error."""

    per_second: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A process over the time after the warm-up."""

    part: str
    pss_mib: float
    slope_mib_per_hour: float
    error_mib_per_hour: float
    descriptors_max: int
    threads_max: int
    tasks_max: int | None
    faults: list[str] = field(default_factory=list)


def slope_of(points: Sequence[tuple[float, float]]) -> Slope:
    """Least squares; the error is infinite for fewer than three points."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if count < 3 or spread == 0:
        return Slope(per_second=0.0, error=math.inf)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    residual = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return Slope(per_second=slope, error=math.sqrt(residual / (count - 2) / spread))


def rows_of(uses: Sequence[Use], warmup_seconds: float, chats_per_second: float = 0) -> list[Row]:
    """One for each part, by name."""
    settled = [use for use in uses if use.at_seconds >= warmup_seconds]
    return [
        _row(part, [use for use in settled if use.part == part], chats_per_second)
        for part in sorted({use.part for use in settled})
    ]


def _row(part: str, uses: Sequence[Use], chats_per_second: float) -> Row:
    per_hour, error = _slope(uses)
    kept = KEPT_KIB_PER_CHAT.get(part, 0) * chats_per_second * HOUR_SECONDS / 1024
    later, later_error = _slope(uses[len(uses) // 2 :])
    tasks = [use.tasks for use in uses if use.tasks is not None]
    faults = list(_growing("descriptors", [use.descriptors for use in uses]))
    faults += _growing("threads", [use.threads for use in uses])
    faults += _growing("tasks", tasks)
    if later - 2 * later_error > SLOPE_MIB_PER_HOUR_MAX + kept:
        faults.append(f"memory grows by {later:.1f} MiB/h in the later half")
    if len({use.pid for use in uses}) > 1:
        faults.append("it was restarted")
    return Row(
        part=part,
        pss_mib=uses[-1].pss_bytes / MIB,
        slope_mib_per_hour=per_hour,
        error_mib_per_hour=error,
        descriptors_max=max(use.descriptors for use in uses),
        threads_max=max(use.threads for use in uses),
        tasks_max=max(tasks, default=None),
        faults=faults,
    )


def _slope(uses: Sequence[Use]) -> tuple[float, float]:
    """MiB/h and its error, of what the part has for itself: PostgreSQL's shared buffers have a fixed size."""
    slope = slope_of([(use.at_seconds, use.uss_bytes / MIB) for use in uses])
    return slope.per_second * HOUR_SECONDS, slope.error * HOUR_SECONDS


def _growing(what: str, counts: Sequence[int]) -> Iterator[str]:
    quarter = len(counts) // 4
    if quarter == 0:
        return
    before, after = max(counts[:quarter]), max(counts[-quarter:])
    if after > before * (1 + GROWTH_SHARE_MAX) + GROWTH_COUNT_MAX:
        yield f"{what} grow from {before} to {after}"


def lag_faults(lags: Sequence[Lag], last_ms: int) -> Iterator[str]:
    """Readers that were at no look of the last minute of the load at the end of what they read."""
    late = [lag for lag in lags if last_ms - LAST_MS <= lag.at_ms <= last_ms]
    if not late:
        yield "nobody could be asked how far they are"
    for name in sorted({name for lag in late for name in lag.behind}):
        behind = [lag.behind[name] for lag in late if name in lag.behind]
        if min(behind) > 0:
            yield f"{name} was never at the end in the last minute, at best {min(behind)} behind"


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = [
        "| process | memory (PSS) MiB | slope MiB/h | ± | descriptors | threads | tasks | |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    lines += [
        f"| {row.part} | {row.pss_mib:.1f} | {row.slope_mib_per_hour:+.1f} | {row.error_mib_per_hour:.1f} "
        f"| {row.descriptors_max} | {row.threads_max} | {'' if row.tasks_max is None else row.tasks_max} "
        f"| {'; '.join(row.faults) or 'sound'} |"
        for row in rows
    ]
    return "\n".join(lines)
