"""Publishes confirmed batches to `routing.events`, strictly in order, at least once."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import cache
from operator import attrgetter
from typing import Final, cast

from contracts.envelope import headers_of
from contracts.registry import BY_DATA
from contracts.topics import ROUTING_EVENTS
from servicekit.ports import AppendUnknownError, Chance, Clock, LogAwayError, LogWriter, Outgoing
from servicekit.shared_log import SharedWriter
from servicekit.telemetry import Telemetry, log

from router.engine.journal import Confirmed
from router.engine.sequences import Published
from router.engine.spans import publishing

LOG: Final = log("engine.publisher")
SOURCE: Final = "/router/engine"
BEHIND_BATCHES_MAX: Final = 256
"""Publishing stuck for so many batches stops deciding too."""
BATCHES_MAX: Final = 16
"""Published at once; what one append may leave to be published again."""
RETRY_SECONDS: Final = (0.2, 1.0)


class Publisher:
    """What has come while one append was under way is the next: few, large requests, and only one in flight.

    An unknown outcome is retried with a new producer, from the first event that is not confirmed. A late or doubled
    copy does no harm: consumers ignore an event whose sequence is not greater than the last one they processed.
    """

    def __init__(
        self,
        events: SharedWriter,
        partition: int,
        watermark: int,
        *,
        clock: Clock,
        chance: Chance,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.watermark = watermark
        self._events = events
        self._partition = partition
        self._clock = clock
        self._chance = chance
        self._telemetry = telemetry
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
            for start in range(0, len(unpublished), BATCHES_MAX):
                writer = await self._publish(unpublished[start : start + BATCHES_MAX], stack, writer)
            while True:
                batches = [await self._batches.get()]
                while len(batches) < BATCHES_MAX and not self._batches.empty():
                    batches.append(self._batches.get_nowait())
                writer = await self._publish(batches, stack, writer)
                for _ in batches:
                    self._batches.task_done()

    async def _publish(self, batches: Sequence[Confirmed], stack: AsyncExitStack, writer: LogWriter) -> LogWriter:
        outgoing = [record_of(event, batch.now_ms, self._partition) for batch in batches for event in batch.events]
        with publishing(self._telemetry, (event.traceparent for batch in batches for event in batch.events)):
            while True:
                try:
                    await writer.append_all(outgoing)
                    break
                except AppendUnknownError:
                    LOG.warning("publish_unknown", extra={"partition": self._partition, "from": batches[0].offset})
                    writer = await self._reopen(stack)
        self.watermark = batches[-1].offset + 1
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
        return await stack.enter_async_context(self._events.open())


def record_of(published: Published, now_ms: int, partition: int) -> Outgoing:
    """The event as a record; id and sequence are the same whoever publishes it, however often."""
    data = published.fact.data
    subject = _subject_of(data)
    headers = headers_of(
        BY_DATA[cast(type, type(data))],
        event_id=published.sequence,
        source=SOURCE,
        tenant_id=published.fact.tenant_id,
        subject=subject,
        time_ms=now_ms,
        sequence=published.sequence,
        causation_id=published.causation_id,
        traceparent=published.traceparent,
    )
    return Outgoing(
        topic=ROUTING_EVENTS.name,
        key=subject.encode(),
        value=bytes(published.encoded),
        headers=tuple(headers),
        partition=partition,
    )


def _subject_of(data: object) -> str:
    """What an event is about: the task, else the agent, else the domain."""
    for name_of in _names_in(cast(type, type(data))):
        name = name_of(data)
        if name:
            return name
    raise AssertionError(f"nothing names what {type(data).__name__} is about")


@cache
def _names_in(data: type) -> list[Callable[[object], str | None]]:
    fields = {field.name for field in dataclasses.fields(data)}
    return [attrgetter(name) for name in ("task_id", "agent_id", "domain") if name in fields]
