"""A LogWriter over aiokafka's idempotent producer.

Measured on Apache Kafka 4.2 (parts.md section 1b): such a producer never gives up by itself, a record may land long
after its sender stopped waiting, and an acknowledgement may lack the offset. Hence: the deadline is ours; whatever is
not a plain acknowledgement is *unknown*, and one unknown breaks the writer for that partition, since nothing after it
can be trusted there: an idempotent producer numbers the batches of each partition by itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from servicekit.kafka_connection import closed
from servicekit.ports import AppendRefusedError, AppendUnknownError, Outgoing, Record, TopicAwayError
from servicekit.telemetry import Telemetry, carrying_trace, log

LOG: Final = log("kafka")
REFUSALS: Final = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTopicError,
    TopicAuthorizationFailedError,
)
TOPIC_ANSWERS_MAX: Final = 4
TOPIC_RETRY_SECONDS: Final = 0.05
RECORD_BYTES_MAX: Final = 1024 * 1024 - 16 * 1024
"""A little under the brokers' limit of 1 MiB for a batch (message.max.bytes), so that they never refuse one:
a refused batch spoils the producer's sequence."""
T = TypeVar("T")
_At = tuple[str, int]


class KafkaWriter:
    """LogWriter: see the port for what it promises."""

    def __init__(self, producer: AIOKafkaProducer, *, deadline_seconds: float, telemetry: Telemetry) -> None:
        self._producer = producer
        self._deadline_seconds = deadline_seconds
        self._telemetry = telemetry
        self._partitioner = DefaultPartitioner()
        # aiokafka wakes all who wait for room at once, and a small record then overtakes a large one: queue here.
        self._turns: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._learning = asyncio.Lock()
        self._pending: dict[asyncio.Future[Any], _At] = {}  # of a record, or of nothing
        self._broken: dict[_At | None, str] = {}  # none: as a whole

    async def append(self, outgoing: Outgoing) -> Record:
        """`send` and wait."""
        return await (await self.send(outgoing))

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        """Hand a record over, after all that were handed over before for its partition."""
        if not trace.get_current_span().is_recording():
            return await self._hand_over(outgoing)
        with self._telemetry.span(f"publish {outgoing.topic}", kind=SpanKind.PRODUCER):
            return await self._hand_over(carrying_trace(outgoing))

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        """Append records of one partition in as few requests as they fit."""
        if any(len(each.value or b"") + len(each.key or b"") > RECORD_BYTES_MAX for each in outgoing):
            raise AppendRefusedError("a record is too large")
        if trace.get_current_span().is_recording():
            outgoing = [carrying_trace(each) for each in outgoing]
        for appended in await self._hand_over_all(outgoing) if outgoing else ():
            await appended

    async def close(self) -> None:
        """Flush and close, within a bound; what is not confirmed by then is unknown."""
        if not self._broken:
            await closed(self._producer.stop())
        if self._pending or self._broken:
            self._break(None, "closed")
            await self._drop()

    async def _hand_over(self, outgoing: Outgoing) -> Awaitable[Record]:
        async with self._turn(outgoing) as (at, deadline):
            acknowledged = await self._producer.send(
                outgoing.topic,
                value=outgoing.value,
                key=outgoing.key,
                partition=at[1],
                headers=list(outgoing.headers),
            )
        return self._track(acknowledged, at, deadline, partial(_record, outgoing))

    async def _hand_over_all(self, outgoing: Sequence[Outgoing]) -> list[Awaitable[None]]:
        async with self._turn(outgoing[0]) as (at, deadline):
            topic, partition = at
            return [
                self._track(await self._producer.send_batch(batch, topic, partition=partition), at, deadline, _nothing)
                for batch in self._batches(outgoing)
            ]

    def _batches(self, outgoing: Sequence[Outgoing]) -> Iterator[BatchBuilder]:
        """As few as they fit; each is made when the one before is handed over."""
        batch = self._producer.create_batch()
        for each in outgoing:
            record = {"key": each.key, "value": each.value, "headers": list(each.headers), "timestamp": None}
            if batch.append(**record) is None:
                yield batch
                batch = self._producer.create_batch()
                batch.append(**record)
        yield batch

    @asynccontextmanager
    async def _turn(self, outgoing: Outgoing) -> AsyncGenerator[tuple[_At, float]]:
        """The partition for a record, when it is its turn there, and the deadline. Breaks the writer if that fails."""
        deadline = asyncio.get_running_loop().time() + self._deadline_seconds
        at = None
        try:
            async with asyncio.timeout_at(deadline):
                at = (outgoing.topic, await self._partition(outgoing))
                async with self._turns[at]:
                    self._raise_if_broken(at)
                    yield at, deadline
        except REFUSALS as error:
            raise _refusal(error) from error
        except (TimeoutError, KafkaError) as error:
            raise self._break(at, f"not handed over: {type(error).__name__}") from error

    async def _partition(self, outgoing: Outgoing) -> int:
        self._raise_if_broken(None)
        cluster = self._producer.client.cluster
        partitions = cluster.partitions_for_topic(outgoing.topic)
        if partitions is None:
            partitions = await self._learn(outgoing.topic)
        if outgoing.partition is None:
            chosen: int = self._partitioner(outgoing.key, sorted(partitions), sorted(partitions))
            return chosen
        if outgoing.partition not in partitions:
            raise TopicAwayError(f"topic {outgoing.topic} has no partition {outgoing.partition}")
        return outgoing.partition

    async def _learn(self, topic: str) -> set[int]:
        """Partitions of a topic that this producer has not met.

        Asked more than once: the first answer may be to a question from before, and a new topic takes a moment to be
        known everywhere. Brokers that keep answering without it refuse it; brokers that do not answer are waited for.
        """
        client = self._producer.client
        answers = 0
        async with self._learning:
            client.add_topic(topic)
            while answers < TOPIC_ANSWERS_MAX:
                partitions: set[int] | None = client.cluster.partitions_for_topic(topic)
                if partitions is not None:
                    return partitions
                answers += await client.force_metadata_update()
                await asyncio.sleep(TOPIC_RETRY_SECONDS)
        raise TopicAwayError(f"there is no topic {topic}")

    def _track(
        self,
        acknowledged: "asyncio.Future[RecordMetadata]",
        at: _At,
        deadline: float,
        answer: Callable[[RecordMetadata], T],
    ) -> Awaitable[T]:
        loop = asyncio.get_running_loop()
        appended: asyncio.Future[T] = loop.create_future()
        self._pending[appended] = at
        timer = loop.call_at(deadline, self._break, at, "deadline passed")
        acknowledged.add_done_callback(partial(self._settle, appended, at, timer, answer))
        return appended

    def _settle(
        self,
        appended: "asyncio.Future[T]",
        at: _At,
        timer: asyncio.TimerHandle,
        answer: Callable[[RecordMetadata], T],
        acknowledged: "asyncio.Future[RecordMetadata]",
    ) -> None:
        timer.cancel()
        self._pending.pop(appended, None)
        error = acknowledged.exception()
        if isinstance(error, REFUSALS):
            _fail(appended, _refusal(error))
            self._break(at, "a refused batch left a hole in the producer's sequence")
        elif error is not None:
            _fail(appended, self._break(at, f"producer failed: {type(error).__name__}"))
        elif acknowledged.result().offset < 0:
            _fail(appended, self._break(at, "acknowledged without an offset"))
        elif not appended.done():
            appended.set_result(answer(acknowledged.result()))

    def _break(self, at: _At | None, reason: str) -> AppendUnknownError:
        """From here on everything is unknown there: what is in flight and what is still to come."""
        lost = [appended for appended, there in self._pending.items() if at in (None, there)]
        if at not in self._broken:
            self._broken[at] = reason
            LOG.warning("writer_broken", extra={"at": at, "reason": reason, "in_flight": len(lost)})
        for appended in lost:
            _fail(appended, AppendUnknownError(reason))
            del self._pending[appended]
        return AppendUnknownError(reason)

    def _raise_if_broken(self, at: _At | None) -> None:
        reason = self._broken.get(None) or self._broken.get(at)
        if reason is not None:
            raise AppendUnknownError(f"this writer is broken: {reason}")

    async def _drop(self) -> None:
        """Close a producer that may wait for ever: `stop()` alone would flush first. aiokafka has no way to give up."""
        producer = self._producer
        await _cancelled(producer._sender.sender_task)
        accumulator = producer._message_accumulator
        # What waits for a retry is in no set, but its callback takes it out of this one.
        accumulator._pending_batches.update(batch for kept in accumulator._batches.values() for batch in kept)
        accumulator.fail_all(KafkaError())
        await closed(producer.client.close())
        await closed(producer.stop())


async def _cancelled(sender: "asyncio.Task[None] | None") -> None:
    """The first cancellation makes aiokafka's sender wait for the request in flight, the second ends that too."""
    for _ in range(3):
        if sender is None or sender.done():
            return
        sender.cancel()
        await asyncio.wait({sender}, timeout=0.1)


def _refusal(error: BaseException) -> AppendRefusedError:
    of_topic = isinstance(error, InvalidTopicError | TopicAuthorizationFailedError)
    return (TopicAwayError if of_topic else AppendRefusedError)(type(error).__name__)


def _fail(appended: "asyncio.Future[T]", error: Exception) -> None:
    if not appended.done():
        appended.set_exception(error)
        appended.exception()  # seen: whoever sent it may be gone already


def _nothing(_: RecordMetadata) -> None:
    return None


def _record(outgoing: Outgoing, metadata: RecordMetadata) -> Record:
    return Record(
        topic=outgoing.topic,
        partition=metadata.partition,
        offset=metadata.offset,
        key=outgoing.key,
        value=outgoing.value,
        headers=outgoing.headers,
        timestamp_ms=metadata.timestamp or 0,
    )
