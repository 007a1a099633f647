"""Redis in the chat gateway: wake-ups, typing and who is connected. All of it may be lost without losing a word."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from gatewaykit.domain.records import PRESENCE_MS
from servicekit.live import LiveAwayError, Redis
from servicekit.telemetry import log

LOG: Final = log("live")
CHANGED: Final = "chat-gateway:changed"
TYPING: Final = "typing:"
PRESENCE_BATCH: Final = 1000
LISTEN_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Signal:
    """Something about an interaction: it changed, or (`typing_from`) somebody writes."""

    interaction_id: str
    typing_from: str | None = None


class Signals(Protocol):
    """What sockets need of Redis."""

    async def changed(self, interaction_ids: Collection[str]) -> None:
        """Wake whoever holds a socket of these; does nothing while Redis is away, as they also look by themselves."""
        ...

    async def typing(self, interaction_id: str) -> None:
        """The customer writes; may be lost."""
        ...

    def listen(self) -> AbstractAsyncContextManager[AsyncIterator[Signal | None]]:
        """Signals of all replicas, and none now and then. Raises LiveAwayError."""
        ...

    async def keep_present(self, interaction_ids: Sequence[str]) -> None:
        """Their visitors are connected here; holds for PRESENCE_MS. Raises LiveAwayError."""
        ...

    async def present(self, interaction_ids: Sequence[str]) -> Sequence[bool]:
        """Whether some replica holds a socket of each. Raises LiveAwayError."""
        ...


class RedisSignals:
    """The real Signals."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def changed(self, interaction_ids: Collection[str]) -> None:
        """See Signals."""
        await self._publish([(CHANGED, interaction_id) for interaction_id in sorted(interaction_ids)])

    async def typing(self, interaction_id: str) -> None:
        """See Signals."""
        await self._publish([(f"{TYPING}{{{interaction_id}}}", json.dumps({"from": "customer"}))])

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[AsyncIterator[Signal | None]]:
        """See Signals."""
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(CHANGED)
            await subscription.psubscribe(f"{TYPING}*")

            async def signals() -> AsyncIterator[Signal | None]:
                while True:
                    got = await subscription.get_message(ignore_subscribe_messages=True, timeout=LISTEN_SECONDS)
                    yield _signal(got["channel"], got["data"]) if got else None

            yield signals()

    async def keep_present(self, interaction_ids: Sequence[str]) -> None:
        """See Signals."""
        for batch in _batches(interaction_ids):
            pipeline = self._redis.pipeline(transaction=False)
            for interaction_id in batch:
                pipeline.set(_presence(interaction_id), "1", px=PRESENCE_MS)
            await pipeline.execute()

    async def present(self, interaction_ids: Sequence[str]) -> Sequence[bool]:
        """See Signals."""
        found: list[bool] = []
        for batch in _batches(interaction_ids):
            pipeline = self._redis.pipeline(transaction=False)
            for interaction_id in batch:
                pipeline.exists(_presence(interaction_id))
            found += [bool(count) for count in await pipeline.execute()]
        return found

    async def _publish(self, messages: Sequence[tuple[str, str]]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for channel, text in messages:
            pipeline.publish(channel, text)
        try:
            await pipeline.execute()
        except LiveAwayError:
            LOG.warning("signal_not_sent", extra={"signals": len(messages)})


def _signal(channel: bytes, data: bytes) -> Signal | None:
    name = channel.decode()
    if name == CHANGED:
        return Signal(data.decode())
    try:
        sender = json.loads(data)["from"]
    except (ValueError, KeyError, TypeError):
        return None  # somebody else's signal is not ours to judge; it is only a hint
    return Signal(name.removeprefix(TYPING).strip("{}"), str(sender))


def _presence(interaction_id: str) -> str:
    return f"c:{{{interaction_id}}}:presence"


def _batches(interaction_ids: Sequence[str]) -> list[Sequence[str]]:
    starts = range(0, len(interaction_ids), PRESENCE_BATCH)
    return [interaction_ids[start : start + PRESENCE_BATCH] for start in starts]
