"""The in-memory twin of the signals; passes the same suite."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress

from gatewaykit.domain.records import PRESENCE_MS
from servicekit.live import LiveAwayError
from servicekit.ports import Clock

from chat_gateway.live import LISTEN_SECONDS, Signal


class MemorySignals:
    """Shared by all replicas of a story; `away` makes every call fail as if Redis could not be reached."""

    def __init__(self, clock: Clock) -> None:
        self.away = False
        self._clock = clock
        self._present_until_ms: dict[str, int] = {}
        self._listeners: list[asyncio.Queue[Signal]] = []

    async def changed(self, interaction_ids: Collection[str]) -> None:
        """See Signals."""
        self._publish([Signal(interaction_id) for interaction_id in sorted(interaction_ids)])

    async def typing(self, interaction_id: str) -> None:
        """See Signals."""
        self._publish([Signal(interaction_id, "customer")])

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[AsyncIterator[Signal | None]]:
        """See Signals."""
        self._require_there()
        heard: asyncio.Queue[Signal] = asyncio.Queue()
        self._listeners.append(heard)

        async def signals() -> AsyncIterator[Signal | None]:
            while True:
                self._require_there()
                signal = None
                with suppress(TimeoutError):
                    async with asyncio.timeout(LISTEN_SECONDS):
                        signal = await heard.get()
                yield signal

        try:
            yield signals()
        finally:
            self._listeners.remove(heard)

    async def keep_present(self, interaction_ids: Sequence[str]) -> None:
        """See Signals."""
        self._require_there()
        until_ms = self._clock.now_ms() + PRESENCE_MS
        self._present_until_ms |= dict.fromkeys(interaction_ids, until_ms)

    async def present(self, interaction_ids: Sequence[str]) -> Sequence[bool]:
        """See Signals."""
        self._require_there()
        now_ms = self._clock.now_ms()
        return [self._present_until_ms.get(interaction_id, 0) > now_ms for interaction_id in interaction_ids]

    def _publish(self, signals: Sequence[Signal]) -> None:
        if not self.away:
            for heard in self._listeners:
                for signal in signals:
                    heard.put_nowait(signal)

    def _require_there(self) -> None:
        if self.away:
            raise LiveAwayError("away on purpose")
