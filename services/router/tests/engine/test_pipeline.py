"""Appending behind the fence, on memory and on a real broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
from aiokafka.errors import TopicAlreadyExistsError
from contracts.topics import ROUTING_JOURNAL
from router.engine.deciding import Sealed
from router.engine.errors import FencedError
from router.engine.journal import BatchRecord, Confirmed
from router.engine.pipeline import JournalPipeline
from router.engine.testing import engine_topics
from servicekit.kafka import KafkaLog
from servicekit.ports import AppendUnknownError, LogFactory, LogWriter, Outgoing, Partition
from servicekit.telemetry import Telemetry
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.parts import create_topic

EPOCH = 0


def sealed(number: int, *, padding: int = 0) -> Sealed:
    record = BatchRecord(
        epoch=EPOCH,
        number=number,
        causes=(("interactions" + "x" * padding, 0, number),),
        now=0,
        facts=(),
        origins=(),
        published=0,
    )
    return Sealed(record, Confirmed(EPOCH + number, 0, ()), {})


async def foreign(log: LogFactory, partition: int = 0) -> int:
    async with log.writer("foreign") as writer:
        outgoing = Outgoing(topic=ROUTING_JOURNAL.name, key=None, value=b"{}", partition=partition)
        return (await writer.append(outgoing)).offset


class Appending:
    """A pipeline at work; `delivered` are the numbers of the confirmed batches."""

    def __init__(self, writer: LogWriter, epoch: int = EPOCH) -> None:
        self.delivered: list[int] = []
        self.pipeline = JournalPipeline(writer, 0, epoch)

    async def deliver(self, confirmed: Sealed) -> None:
        self.delivered.append(confirmed.record.number)

    async def append(self, *numbers: int) -> None:
        """Append batches, every twentieth a large one, and wait for their delivery."""
        async with self.at_work():
            for number in numbers:
                await self.pipeline.put(sealed(number, padding=300_000 if number % 20 == 0 else 10))
            await self.pipeline.drained()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.pipeline.append()),
                group.create_task(self.pipeline.confirm(self.deliver)),
            ]
            yield
            for task in tasks:
                task.cancel()


async def test_batches_are_delivered_in_order_once_confirmed() -> None:
    log = MemoryLog(engine_topics(1), faults=Faults(latency_seconds_max=0.01))
    await foreign(log)
    async with log.writer("owner") as writer:
        appending = Appending(writer)
        await appending.append(*range(1, 40))

    assert appending.delivered == list(range(1, 40))


async def test_another_writers_record_fences_the_owner() -> None:
    log = MemoryLog(engine_topics(1))
    await foreign(log)
    async with log.writer("owner") as writer:
        appending = Appending(writer)
        await appending.append(1)
        await foreign(log)
        with pytest.raises(ExceptionGroup) as failure:
            await appending.append(2, 3)

    assert failure.group_contains(FencedError)
    assert appending.delivered == [1]


async def test_an_append_of_unknown_outcome_delivers_nothing_from_there_on() -> None:
    log = MemoryLog(engine_topics(1), delivery_timeout_seconds=0.05)
    await foreign(log)
    async with log.writer("owner") as writer:
        appending = Appending(writer)
        await appending.append(1)
        log.faults = Faults(lost=1.0)
        with pytest.raises(ExceptionGroup) as failure:
            await appending.append(2, 3)

    assert failure.group_contains(AppendUnknownError)
    assert appending.delivered == [1]


async def test_too_many_unconfirmed_batches_hold_deciding_back() -> None:
    log = MemoryLog(engine_topics(1), delivery_timeout_seconds=30, faults=Faults(lost=1.0))
    async with log.writer("owner") as writer:
        appending = Appending(writer)
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3), appending.at_work():
                for number in range(1, 100):
                    await appending.pipeline.put(sealed(number))
                    taken = number

    assert 4 <= taken <= 8


async def test_pipelined_appends_of_all_sizes_land_contiguously_on_a_broker(kafka_url: str) -> None:
    """The fence rests on this: an idempotent producer's records follow each other without a hole."""
    log = KafkaLog(
        kafka_url,
        client_id=f"test-{uuid4().hex[:8]}",
        delivery_timeout_seconds=10,
        telemetry=Telemetry("test"),
    )
    with suppress(TopicAlreadyExistsError):
        await create_topic(kafka_url, ROUTING_JOURNAL.name, partitions=4)
    async with log.reader("test") as reader:
        _, end = await reader.bounds(Partition(ROUTING_JOURNAL.name, 0))
    async with log.writer("owner") as writer:
        appending = Appending(writer, epoch=end - 1)
        await appending.append(*range(1, 200))
        await foreign(log)
        with pytest.raises(ExceptionGroup) as failure:
            await appending.append(200)

    assert appending.delivered == list(range(1, 200))
    assert failure.group_contains(FencedError)
