"""The work of one partition: batches in order, retries with jitter, poison put aside."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, TypeVar

from contracts import MalformedEventError

from servicekit.dead_letters import DeadLetters
from servicekit.errors import PoisonedError, RejectError
from servicekit.ports import Chance, GroupReader, Partition, Record
from servicekit.reactions import BACKEND_AWAY, PartitionProcessor
from servicekit.telemetry import Telemetry, log

LOG: Final = log("consume")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """The bounds of one partition's work. `attempts_max` is for bugs; a backend that is away is waited for."""

    batch_records_max: int = 100
    queue_records_max: int = 1000
    attempts_max: int = 5
    batch_seconds_max: float = 30.0
    retry_seconds_min: float = 0.1
    retry_seconds_max: float = 10.0
    drain_seconds_max: float = 20.0


class Lane:
    """Hands the records of one partition to the processor, batch by batch, until closed."""

    def __init__(
        self,
        partition: Partition,
        start: int,
        *,
        processor: PartitionProcessor,
        reader: GroupReader,
        dead_letters: DeadLetters,
        chance: Chance,
        telemetry: Telemetry,
        limits: LaneLimits,
    ) -> None:
        self.partition = partition
        self.position = start
        self.idle = False
        self._processor = processor
        self._reader = reader
        self._dead_letters = dead_letters
        self._chance = chance
        self._limits = limits
        group = dead_letters.group
        self._fields = {"group": group, "topic": partition.topic, "partition": partition.number}
        self._seconds = telemetry.records_seconds.labels(group, partition.topic)
        self._retries = telemetry.retries.labels(group, partition.topic)
        dead_letters.expect(partition.topic)
        self._committed = start
        self._queue: deque[Record] = deque()
        self._paused = False
        self._arrived = asyncio.Event()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"lane {partition.topic}[{partition.number}]")

    def feed(self, records: Sequence[Record]) -> None:
        """Queue records; a full queue pauses the partition, so at most one more read comes on top."""
        self._queue.extend(records)
        self._arrived.set()
        if len(self._queue) >= self._limits.queue_records_max and not self._paused:
            self._paused = True
            self._reader.pause(self.partition)

    @property
    def uncommitted(self) -> int | None:
        """The offset to commit, if the brokers keep another one."""
        return None if self.position == self._committed else self.position

    def committed(self, offset: int) -> None:
        """The brokers keep this offset now."""
        self._committed = offset

    def raise_failure(self) -> None:
        """Raise what ended the lane against its will, if anything did."""
        if self._task.done() and not self._task.cancelled():
            self._task.result()

    def cancel(self) -> None:
        """Stop at once, in the middle of a batch if need be."""
        self._task.cancel()

    async def close(self) -> None:
        """Finish the batch in flight, within a bound; what is only queued is dropped: it comes again."""
        self._closing.set()
        self._arrived.set()
        await asyncio.wait({self._task}, timeout=self._limits.drain_seconds_max)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        self.raise_failure()

    async def _run(self) -> None:
        start = await self._persist(partial(self._processor.starts_at, self.partition))
        if start is not None:
            self._queue.clear()
            self._resume()
            self._reader.seek(self.partition, start)
            self.position = start
        self.idle = not self._queue
        while not self._closing.is_set():
            batch = await self._next_batch()
            self.idle = False
            await self._handle(batch)
            self.idle = not self._queue

    async def _next_batch(self) -> list[Record]:
        while not self._queue and not self._closing.is_set():
            self._arrived.clear()
            await self._arrived.wait()
        batch = list(islice(self._queue, self._limits.batch_records_max))
        for _ in batch:
            self._queue.popleft()
        if len(self._queue) <= self._limits.queue_records_max // 2:
            self._resume()
        return batch

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._reader.resume(self.partition)

    async def _handle(self, batch: Sequence[Record]) -> None:
        attempts = 0
        while batch and not self._closing.is_set():
            try:
                with self._seconds.time():
                    await self._persist(partial(self._processor.process, batch))
            except PoisonedError as poisoned:
                done = batch.index(poisoned.record)
                attempts = 1 if done else attempts + 1
                self._did(batch[:done])
                batch = batch[done:]
                if attempts < self._limits.attempts_max and not _hopeless(poisoned.error):
                    await self._pause(attempts, poisoned.error)
                    continue
                await self._park(poisoned)
                self._did(batch[:1])
                batch, attempts = batch[1:], 0
            else:
                self._did(batch)
                batch = ()

    async def _park(self, poisoned: PoisonedError) -> None:
        await self._persist(partial(self._dead_letters.write, poisoned.record, poisoned.error))
        await self._persist(partial(self._processor.skip, poisoned.record))

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do it, as often as it takes while a backend is away; gives up by cancellation once the lane closes."""
        attempts = 0
        while True:
            try:
                async with asyncio.timeout(self._limits.batch_seconds_max):
                    return await call()
            except BACKEND_AWAY as error:
                attempts += 1
                await self._pause(attempts, error)
                if self._closing.is_set():
                    raise asyncio.CancelledError from error

    async def _pause(self, attempts: int, error: Exception) -> None:
        self._retries.inc()
        LOG.warning("batch_retried", extra={**self._fields, "attempts": attempts, "error": type(error).__name__})
        limit = min(self._limits.retry_seconds_min * 2 ** min(attempts, 16), self._limits.retry_seconds_max)
        try:
            async with asyncio.timeout(self._chance.uniform(self._limits.retry_seconds_min, limit)):
                await self._closing.wait()
        except TimeoutError:
            return

    def _did(self, records: Sequence[Record]) -> None:
        if records:
            self.position = records[-1].offset + 1


def _hopeless(error: Exception) -> bool:
    return isinstance(error, RejectError | MalformedEventError)
