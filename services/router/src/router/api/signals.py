"""Wakes sockets of this replica when Redis says that there is something for their agent."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from servicekit.live import LiveAwayError, Redis
from servicekit.ports import Chance, Clock
from servicekit.telemetry import log

from router.api.live import SIGNALS, TYPING, Place

LOG: Final = log("router.api.signals")
READ_SECONDS_MAX: Final = 0.5
PAUSE_SECONDS_MAX: Final = 2.0
TYPING_MAX: Final = 20
HEARD_MAX: Final = 100


@dataclass(slots=True, eq=False)
class Listener:
    """One socket's ear: `event` is set when there is something to read."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    interactions: set[str] = field(default_factory=set)
    """Conversations of which the socket wants to know who is typing."""
    typing: list[str] = field(default_factory=list)
    """Conversations in which the customer typed since; bounded by TYPING_MAX."""
    frames: list[tuple[int, str]] = field(default_factory=list)
    """Numbered frames that came with their signals; bounded by HEARD_MAX."""
    must_look: bool = True
    """There may be more in the stream than in `frames`."""

    def hear(self, told: bytes) -> None:
        """A signal: the frame's number and the frame, or nothing."""
        number, _, frame = told.partition(b"\n")
        if frame and len(self.frames) < HEARD_MAX:
            self.frames.append((int(number), frame.decode()))
        else:
            self.must_look = True
        self.event.set()

    def take_frames(self) -> list[tuple[int, str]]:
        """Those that came since the last call."""
        frames, self.frames = self.frames, []
        return frames


class Signals:
    """The listeners of this replica."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}

    @contextmanager
    def listening(self, place: Place, agent_id: str) -> Iterator[Listener]:
        """An ear for an agent's stream. A lost signal is no loss: listeners also look by themselves."""
        name = f"{place.tag}|{agent_id}"
        listener = Listener()
        self._listeners.setdefault(name, set()).add(listener)
        try:
            yield listener
        finally:
            self._listeners[name].discard(listener)
            if not self._listeners[name]:
                del self._listeners[name]

    def count(self) -> int:
        """Sockets that listen."""
        return sum(map(len, self._listeners.values()))

    def pushed(self, signal: bytes) -> None:
        """There is a new frame in the stream of `<tenant>/<domain>|<agent>`, whose number and text may follow."""
        name, _, told = signal.partition(b"\n")
        for listener in self._listeners.get(name.decode(), ()):
            listener.hear(told)

    def missed(self) -> None:
        """Signals may have been lost: all are to look."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.hear(b"")

    def typed(self, interaction_id: str) -> None:
        """The customer is typing in the conversation."""
        for listeners in self._listeners.values():
            for listener in listeners:
                if interaction_id in listener.interactions and len(listener.typing) < TYPING_MAX:
                    listener.typing.append(interaction_id)
                    listener.event.set()


class SignalsLoop:
    """A Loop: hears Redis' signals for the sockets of this replica."""

    name = "push signals"

    def __init__(self, redis: Redis, signals: Signals, *, clock: Clock, chance: Chance) -> None:
        self._redis = redis
        self._signals = signals
        self._clock = clock
        self._chance = chance

    async def run(self, stop: asyncio.Event) -> None:
        """Hear until `stop`; while Redis is away sockets look by themselves."""
        while not stop.is_set():
            try:
                await self._hear(stop)
            except LiveAwayError as error:
                LOG.warning("push_signals_paused", extra={"error": str(error)})
                await self._clock.sleep(self._chance.uniform(PAUSE_SECONDS_MAX / 4, PAUSE_SECONDS_MAX))

    def trouble(self) -> str | None:
        """Nothing here can get stuck for good: every read is bounded."""
        return None

    async def _hear(self, stop: asyncio.Event) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(SIGNALS)
            await pubsub.psubscribe(f"{TYPING}*")
            while not stop.is_set():
                message = await pubsub.get_message(timeout=READ_SECONDS_MAX)
                if message is not None:
                    self._tell(message["type"], message["channel"].decode(), message["data"])

    def _tell(self, what: str, channel: str, data: bytes) -> None:
        if what == "subscribe":
            # Not when it was asked for: what is pushed until Redis has done it comes without a signal.
            self._signals.missed()
        elif what == "message":
            self._signals.pushed(data)
        elif what == "pmessage" and _is_customer(data):
            self._signals.typed(channel.removeprefix(TYPING).strip("{}"))


def _is_customer(data: bytes) -> bool:
    try:
        document = json.loads(data)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("from") == "customer"
