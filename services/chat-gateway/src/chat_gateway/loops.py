"""Background duties: hear signals, look for missed ones, say who is connected, drain."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from gatewaykit.domain.records import Conversation
from gatewaykit.store import Key
from servicekit.errors import RetryLaterError
from servicekit.live import LiveAwayError
from servicekit.ports import Chance, Clock
from servicekit.store import EVERY_TENANT, wait_for_event
from servicekit.telemetry import log

from chat_gateway.live import Signals
from chat_gateway.rooms import Closing, Rooms
from chat_gateway.store import ChatStore

LOG: Final = log("loops")
LOOK_SECONDS: Final = 2.0
PRESENT_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = (0.5, 2.0)
KEYS_MAX: Final = 1000
DRAIN_SLICE: Final = 100
DRAIN_PAUSE_SECONDS: Final = 0.1
RECONNECT_MS: Final = (500, 5000)


class Hearing:
    """Wakes sockets at once when Redis says that something happened."""

    name = "hear signals"

    def __init__(self, signals: Signals, rooms: Rooms, clock: Clock, chance: Chance) -> None:
        self._signals = signals
        self._rooms = rooms
        self._clock = clock
        self._chance = chance

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. While Redis is away `Looking` does the same, slower."""
        while not stop.is_set():
            try:
                await self._hear(stop)
            except LiveAwayError:
                LOG.warning("signals_away")
                await self._clock.sleep(self._chance.uniform(*PAUSE_SECONDS))

    async def _hear(self, stop: asyncio.Event) -> None:
        async with self._signals.listen() as heard:
            async for signal in heard:
                if stop.is_set():
                    return
                if signal is None or signal.typing_from == "customer":
                    continue
                if signal.typing_from:
                    self._rooms.agent_types(signal.interaction_id)
                else:
                    self._rooms.wake(signal.interaction_id)

    def trouble(self) -> str | None:
        """Redis away is no reason to restart."""
        return None


class Looking:
    """Wakes sockets whose conversation changed without a signal, and tells waiting visitors their position."""

    name = "look for changes"

    def __init__(self, store: ChatStore, rooms: Rooms) -> None:
        self._store = store
        self._rooms = rooms

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        while not stop.is_set():
            with suppress(RetryLaterError):  # the next turn looks again
                await self.look()
            await wait_for_event(stop, timeout_seconds=LOOK_SECONDS)

    async def look(self) -> None:
        """One turn over this replica's sockets."""
        keys = self._rooms.interactions()
        for start in range(0, len(keys), KEYS_MAX):
            await self._look_at(keys[start : start + KEYS_MAX])

    async def _look_at(self, keys: Sequence[Key]) -> None:
        async with self._store.transaction(EVERY_TENANT) as tx:
            revisions = await tx.revisions(keys)
            places = await tx.places_in_line(keys)
        for key in keys:
            for room in self._rooms.of(key[1]):
                place = places.get(key)
                if revisions.get(key, 0) > room.revision or place != room.place:
                    room.place = place
                    room.news.set()

    def trouble(self) -> str | None:
        """PostgreSQL away is no reason to restart."""
        return None


class Presence:
    """Keeps this replica's visitors present in Redis."""

    name = "keep visitors present"

    def __init__(self, signals: Signals, rooms: Rooms) -> None:
        self._signals = signals
        self._rooms = rooms

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        while not stop.is_set():
            with suppress(LiveAwayError):  # then nobody is declared gone
                await self._signals.keep_present([interaction_id for _, interaction_id in self._rooms.interactions()])
            await wait_for_event(stop, timeout_seconds=PRESENT_SECONDS)

    def trouble(self) -> str | None:
        """Redis away is no reason to restart."""
        return None


async def present(signals: Signals, conversations: Sequence[Conversation]) -> Sequence[bool] | None:
    """Whether their visitors are connected; none: Redis is away, and nobody is declared gone."""
    try:
        return await signals.present([conversation.interaction_id for conversation in conversations])
    except LiveAwayError:
        return None


async def drain(rooms: Rooms, clock: Clock, chance: Chance) -> None:
    """Send every visitor to another replica, a slice at a time, each told to come back after a time of its own."""
    rooms.closed.set()
    open_rooms = rooms.all()
    for start in range(0, len(open_rooms), DRAIN_SLICE):
        for room in open_rooms[start : start + DRAIN_SLICE]:
            after_ms = round(chance.uniform(*RECONNECT_MS))
            room.close(Closing(1012, "restarting", "Connect again.", reconnect_after_ms=after_ms))
        await clock.sleep(DRAIN_PAUSE_SECONDS)
