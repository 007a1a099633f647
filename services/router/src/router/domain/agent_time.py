"""What agents spent the day with, as `contracts.meter` counts it; part of the journaled state."""

from dataclasses import dataclass

from contracts.meter import MeteredAgent

from router.domain.live_counts import day_of


@dataclass(slots=True, kw_only=True)
class AgentTime(MeteredAgent):
    """Ended stretches of the day (UTC) of `since_ms`, and the one that is open."""

    busy_ms: int = 0
    idle_ms: int = 0

    def spend(self, at_ms: int) -> None:
        """The open stretch counts up to this instant; of a new day nothing from before."""
        if at_ms <= self.since_ms:
            return
        today_ms = day_of(at_ms)
        if day_of(self.since_ms) != today_ms:
            self.busy_ms = self.idle_ms = 0
        spent_ms = at_ms - max(self.since_ms, today_ms)
        if self.in_hand:
            self.busy_ms += spent_ms
        elif self.counts:
            self.idle_ms += spent_ms
        self.since_ms = at_ms
