"""Publishes confirmed batches to `routing.events`, strictly in order, at least once."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from contracts import Event, encode
from contracts.topics import ROUTING_EVENTS
from servicekit.ports import AppendUnknownError, Chance, Clock, LogAwayError, LogFactory, LogWriter, Outgoing
from servicekit.telemetry import log

from router.engine.journal import Confirmed
from router.engine.sequences import Published

LOG: Final = log("engine.publisher")
SOURCE: Final = "/router/engine"
BEHIND_BATCHES_MAX: Final = 256
"""Publishing stuck for so many batches stops deciding too."""
RETRY_SECONDS: Final = (0.2, 1.0)


class Publisher:
    """One event after the other: the next is sent only when the one before is confirmed.

    An unknown outcome is retried with a new producer. A late or doubled copy does no harm: consumers ignore an event
    whose sequence is not greater than the last one they processed.
    """

    def __init__(
        self, log_factory: LogFactory, partition: int, watermark: int, *, clock: Clock, chance: Chance
    ) -> None:
        self.watermark = watermark
        self._log = log_factory
        self._partition = partition
        self._clock = clock
        self._chance = chance
        self._batches: asyncio.Queue[Confirmed] = asyncio.Queue(maxsize=BEHIND_BATCHES_MAX)

    @property
    def behind_batches(self) -> int:
        """Confirmed batches that are not published yet."""
        return self._batches.qsize()

    async def put(self, batch: Confirmed) -> None:
        """Take a confirmed batch; waits while publishing is stuck."""
        await self._batches.put(batch)

    async def drained(self) -> None:
        """Wait until all is published."""
        await self._batches.join()

    async def run(self, unpublished: tuple[Confirmed, ...]) -> None:
        """Publish again what the journal does not know to be published, then what is put, for ever."""
        async with AsyncExitStack() as stack:
            writer = await self._open(stack)
            for batch in unpublished:
                writer = await self._publish(batch, stack, writer)
            while True:
                batch = await self._batches.get()
                writer = await self._publish(batch, stack, writer)
                self._batches.task_done()

    async def _publish(self, batch: Confirmed, stack: AsyncExitStack, writer: LogWriter) -> LogWriter:
        for event in batch.events:
            outgoing = record_of(event, batch.now_ms, self._partition)
            while True:
                try:
                    await writer.append(outgoing)
                    break
                except AppendUnknownError:
                    LOG.warning("publish_unknown", extra={"partition": self._partition, "sequence": event.sequence})
                    writer = await self._reopen(stack)
        self.watermark = batch.offset + 1
        return writer

    async def _reopen(self, stack: AsyncExitStack) -> LogWriter:
        await stack.aclose()
        while True:
            await self._clock.sleep(self._chance.uniform(*RETRY_SECONDS))
            try:
                return await self._open(stack)
            except LogAwayError:
                LOG.warning("log_away", extra={"partition": self._partition})

    async def _open(self, stack: AsyncExitStack) -> LogWriter:
        return await stack.enter_async_context(self._log.writer(f"events-{self._partition}"))


def record_of(published: Published, now_ms: int, partition: int) -> Outgoing:
    """The event as a record; id and sequence are the same whoever publishes it, however often."""
    data = published.fact.data
    named = (getattr(data, name, None) for name in ("task_id", "agent_id", "domain"))
    event = Event(
        id=published.sequence,
        source=SOURCE,
        tenant_id=published.fact.tenant_id,
        subject=next(name for name in named if name),
        time_ms=now_ms,
        data=data,
        sequence=published.sequence,
        causation_id=published.causation_id,
        traceparent=published.traceparent,
    )
    value, headers = encode(event)
    return Outgoing(
        topic=ROUTING_EVENTS.name,
        key=event.subject.encode(),
        value=value,
        headers=tuple(headers),
        partition=partition,
    )
