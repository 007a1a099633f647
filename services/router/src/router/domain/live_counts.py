"""A queue's counts of today and of the last half hour, as `contracts.metering` counts; part of the journaled state."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from contracts.metrics import Counts

STEP_MS: Final = 300_000
RECENT_MS: Final = 1_800_000
"""What is shown as recent is the step that an instant so long ago was in, and what came after."""
DAY_MS: Final = 86_400_000
Step = tuple[int, dict[str, int]]
"""When it began, and the counts that are not zero."""


@dataclass(slots=True, kw_only=True)
class LiveCounts:
    """Steps of five minutes; those that are no longer recent are summed up until the day (UTC) of the newest ends."""

    since_ms: int | None = None
    """When counting began: the queue's first event, or the first that a release with counts took in."""
    earlier: dict[str, int] = field(default_factory=dict)
    """Of the newest step's day, before `recent`."""
    recent: list[Step] = field(default_factory=list)
    """Oldest first."""
    step_ms: int = 0
    newest: Counts = field(default_factory=Counts)

    def at(self, at_ms: int) -> Counts:
        """Where to add what happens at this instant; an instant before the newest step counts in that one."""
        if at_ms >= self.step_ms + STEP_MS:
            self._begin(at_ms)
        return self.newest

    def steps(self) -> list[Step]:
        """All recent steps, oldest first."""
        return [*self.recent, (self.step_ms, self.newest.plain())] if self.since_ms is not None else []

    def lately(self, now_ms: int) -> Counts:
        """Of the last half hour and the five minutes before it."""
        return summed(plain for at_ms, plain in self.steps() if at_ms >= recent_since_ms(now_ms))

    def plain(self) -> dict[str, object]:
        """For snapshots and views."""
        return {
            "since_ms": self.since_ms,
            "earlier": self.earlier,
            "recent": self.recent,
            "step_ms": self.step_ms,
            "newest": self.newest.plain(),
        }

    def _begin(self, at_ms: int) -> None:
        step_ms = at_ms - at_ms % STEP_MS
        if self.since_ms is None:
            self.since_ms = at_ms
        else:
            self.recent.append((self.step_ms, self.newest.plain()))
            if day_of(self.step_ms) != day_of(step_ms):
                self.earlier = {}
        aged = [step for step in self.recent if step[0] < recent_since_ms(step_ms)]
        today = [plain for at_ms, plain in aged if day_of(at_ms) == day_of(step_ms)]
        if today:
            self.earlier = summed([self.earlier, *today]).plain()
        del self.recent[: len(aged)]
        self.step_ms = step_ms
        self.newest = Counts()


def recent_since_ms(now_ms: int) -> int:
    """The beginning of what is recent."""
    since_ms = now_ms - RECENT_MS
    return since_ms - since_ms % STEP_MS


def next_step_ms(now_ms: int) -> int:
    """When the next step begins: what is recent changes then, though nothing happens."""
    return now_ms - now_ms % STEP_MS + STEP_MS


def day_of(at_ms: int) -> int:
    """The beginning of the instant's day, UTC."""
    return at_ms - at_ms % DAY_MS


def summed(plains: Iterable[dict[str, int]]) -> Counts:
    """One after the other."""
    counts = Counts()
    for plain in plains:
        for name, number in plain.items():
            setattr(counts, name, getattr(counts, name) + number)
    return counts
