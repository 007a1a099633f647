"""How much one visitor may do: token buckets, kept by this replica alone (another replica allows as much again)."""

from collections import OrderedDict
from typing import Final

from servicekit.ports import Clock

BUCKETS_MAX: Final = 10_000


class TokenBucket:
    """Lets `burst` things pass at once and then one every `every_ms`."""

    def __init__(self, clock: Clock, *, burst: int, every_ms: int) -> None:
        self._clock = clock
        self._burst = burst
        self._every_ms = every_ms
        self._empty_at_ms = clock.now_ms() - burst * every_ms

    def take(self) -> bool:
        """Whether one more may pass now."""
        now_ms = self._clock.now_ms()
        # The clock may step back: a bucket never owes more than its whole size.
        floor_ms = now_ms - self._burst * self._every_ms
        self._empty_at_ms = min(max(self._empty_at_ms, floor_ms), now_ms)
        if now_ms - self._empty_at_ms < self._every_ms:
            return False
        self._empty_at_ms += self._every_ms
        return True


class Limits:
    """One bucket for each key, such as a client's IP address; the least used ones are forgotten."""

    def __init__(self, clock: Clock, *, burst: int, every_ms: int) -> None:
        self._clock = clock
        self._burst = burst
        self._every_ms = every_ms
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, key: str) -> bool:
        """Whether the key's owner may do one more thing."""
        bucket = self._buckets.setdefault(key, TokenBucket(self._clock, burst=self._burst, every_ms=self._every_ms))
        self._buckets.move_to_end(key)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return bucket.take()
