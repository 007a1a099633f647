"""What a simulated node records: who is heard, from which instant on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from voice_gateway.drivers.exchange import Exchange, Leg, speaks

KEPT_MAX: Final = 100
"""Recordings that nobody has fetched; the oldest goes first."""
Spans = list[tuple[int, frozenset[str]]]
"""Milliseconds, and who is heard."""


@dataclass(slots=True, kw_only=True)
class Recording:
    """One, running or done; what is said while it is paused takes no time in it."""

    heard_now: Callable[[], frozenset[str]]
    ends_at_ms: int
    ends_with_key: str | None
    of_leg: str | None
    of_room: str | None
    since_ms: int
    paused: bool = False
    running: bool = True
    spans: Spans = field(default_factory=list)
    heard: frozenset[str] = frozenset()

    def catch_up(self, now_ms: int) -> None:
        """Time has passed in which nothing changed; then see who is heard now."""
        now_ms = min(now_ms, self.ends_at_ms)
        if self.running and not self.paused and now_ms > self.since_ms:
            self.spans.append((now_ms - self.since_ms, self.heard))
        self.since_ms = max(now_ms, self.since_ms)
        self.heard = self.heard_now()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return sum(milliseconds for milliseconds, _ in self.spans) / 1000


def of_room(exchange: Exchange, room_id: str) -> Callable[[], frozenset[str]]:
    """All who are heard in a room."""
    return lambda: exchange.voices(room_id)


def of_leg(exchange: Exchange, leg: Leg) -> Callable[[], frozenset[str]]:
    """The leg's phone alone."""
    return lambda: frozenset({leg.phone}) if leg.leg_id in exchange.legs and speaks(leg) else frozenset()
