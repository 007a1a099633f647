"""LogReader and GroupReader over aiokafka's consumer."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord
from typing_extensions import override

from servicekit.kafka_connection import connected, topic_partition
from servicekit.ports import GroupMember, LogAwayError, OffsetGoneError, Partition, Record
from servicekit.telemetry import log

LOG: Final = log("kafka")


class KafkaReader:
    """LogReader: by assignment, without a group."""

    def __init__(self, consumer: AIOKafkaConsumer, *, timeout_seconds: float) -> None:
        self._consumer = consumer
        self._timeout_seconds = timeout_seconds

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        """First offset still there, and the offset that the next record will get."""
        wanted = topic_partition(partition)
        first, end = await asyncio.gather(
            connected(self._consumer.beginning_offsets([wanted]), self._timeout_seconds),
            connected(self._consumer.end_offsets([wanted]), self._timeout_seconds),
        )
        return first[wanted], end[wanted]

    async def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read from exactly these offsets on."""
        if not positions:
            self._consumer.unsubscribe()
            return
        self._consumer.assign([topic_partition(partition) for partition in positions])
        for partition, offset in positions.items():
            self._consumer.seek(topic_partition(partition), offset)

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        """The next records."""
        if not self._consumer.assignment():
            await asyncio.sleep(timeout_seconds)
            return ()
        try:
            fetched = await self._consumer.getmany(timeout_ms=round(timeout_seconds * 1000), max_records=records_max)
        except OffsetOutOfRangeError as error:
            raise OffsetGoneError(str(sorted(error.args[0].items()))) from error
        return _records(fetched.values())


class KafkaGroupReader(ConsumerRebalanceListener):
    """GroupReader, and aiokafka's listener.

    The listener calls come from a background task while `read` waits. In one step without a wait all partitions get
    their positions by explicit seeks and the member gets ready: what a `read` was answered before is dropped, because
    the seeks go back behind it, and whatever comes later is answered, also to a `read` that began before the rebalance.
    """

    def __init__(self, consumer: AIOKafkaConsumer, member: GroupMember, *, timeout_seconds: float) -> None:
        self._consumer = consumer
        self._member = member
        self._timeout_seconds = timeout_seconds
        self._settled = asyncio.Event()
        self._failure: BaseException | None = None

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        """The next records of what is assigned now."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._settled.wait()
        except TimeoutError:
            self._raise_failure()
            return ()
        fetched = await self._consumer.getmany(timeout_ms=round(timeout_seconds * 1000), max_records=records_max)
        self._raise_failure()
        return _records(fetched.values()) if self._settled.is_set() else ()

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Keep the offsets to read next; whether they are kept."""
        offsets = {topic_partition(partition): offset for partition, offset in positions.items()}
        try:
            await connected(self._consumer.commit(offsets), self._timeout_seconds)
        except (KafkaError, IllegalStateError, LogAwayError) as error:
            LOG.warning("commit_refused", extra={"error": type(error).__name__})
            return False
        return True

    async def ends(self) -> Mapping[Partition, int]:
        """For each assigned partition the offset that its next record will get; asked of the brokers."""
        assigned = self._consumer.assignment()
        if not assigned:
            return {}
        ends = await connected(self._consumer.end_offsets(assigned), self._timeout_seconds)
        return {Partition(partition.topic, partition.partition): end for partition, end in ends.items()}

    def seek(self, partition: Partition, offset: int) -> None:
        """Read from this offset on."""
        self._consumer.seek(topic_partition(partition), offset)

    def pause(self, partition: Partition) -> None:
        """Answer no records of it until `resume`."""
        self._consumer.pause(topic_partition(partition))

    def resume(self, partition: Partition) -> None:
        """End a pause."""
        self._consumer.resume(topic_partition(partition))

    @override
    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """aiokafka: the group is about to be shared out anew."""
        self._settled.clear()
        await self._told(self._member.revoked(self, _partitions(revoked)))

    @override
    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """aiokafka: this is what we have got. What this raises aiokafka would only log, so `read` raises it."""
        await self._told(self._take(assigned))

    async def _take(self, assigned: Collection[TopicPartition]) -> None:
        firsts = await self._consumer.beginning_offsets(assigned) if assigned else {}
        starts = {each: max(await self._consumer.committed(each) or 0, first) for each, first in firsts.items()}
        for partition, offset in starts.items():
            self._consumer.seek(partition, offset)
        self._member.assigned(self, {each: starts[topic_partition(each)] for each in _partitions(starts)})
        self._settled.set()

    async def _told(self, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception as error:  # noqa: BLE001 - kept, and raised by `read`
            self._failure = error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _records(batches: Iterable[Sequence[ConsumerRecord[bytes, bytes]]]) -> Sequence[Record]:
    return [
        Record(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
            timestamp_ms=record.timestamp,
        )
        for batch in batches
        for record in batch
    ]


def _partitions(partitions: Collection[TopicPartition]) -> list[Partition]:
    return sorted(
        (Partition(partition.topic, partition.partition) for partition in partitions),
        key=lambda partition: (partition.topic, partition.number),
    )
