"""How many calls a node takes: beyond it the caller is told at once that it is congested (503), and may try again."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Admission:
    """A bound of calls at once, and a token bucket of new ones."""

    calls_max: int
    per_second: float
    burst: int
    _tokens: float = -1.0
    _filled_at_ms: int = 0

    def takes(self, calls: int, now_ms: int) -> bool:
        """Whether one more may come while there are so many."""
        if calls >= self.calls_max:
            return False
        if self._tokens < 0:
            self._tokens, self._filled_at_ms = float(self.burst), now_ms
        # A clock that was set back fills nothing.
        passed_ms = max(0, now_ms - self._filled_at_ms)
        self._tokens = min(float(self.burst), self._tokens + passed_ms * self.per_second / 1000)
        self._filled_at_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
