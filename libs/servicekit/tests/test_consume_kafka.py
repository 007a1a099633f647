"""The consumer loop over Kafka's own group protocol."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from servicekit.consume import ConsumerLimits, ConsumerLoop
from servicekit.errors import PoisonedError, RejectError
from servicekit.kafka import KafkaLog
from servicekit.ports import LogFactory, Outgoing, Partition, Record
from servicekit.system import SystemChance, SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.parts import create_topic
from servicekit.testing.plugin import NewTopics

TELEMETRY_NAME = "tests"


class Noting:
    """A processor that notes what it gets, and refuses poison."""

    def __init__(self, seen: list[tuple[int, int]]) -> None:
        self.seen = seen

    async def starts_at(self, partition: Partition) -> int | None:
        return None

    async def process(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.value == b"poison":
                raise PoisonedError(record, RejectError("poison"))
            self.seen.append((record.partition, record.offset))

    async def skip(self, record: Record) -> None:
        return


@pytest.fixture
def log(kafka_url: str) -> LogFactory:
    return KafkaLog(kafka_url, client_id="tests", delivery_timeout_seconds=10, telemetry=Telemetry(TELEMETRY_NAME))


def consumer(log: LogFactory, topic: str, group: str, seen: list[tuple[int, int]]) -> ConsumerLoop:
    return ConsumerLoop(
        group=group,
        topics=[topic],
        processor=Noting(seen),
        log=log,
        clock=SystemClock(),
        chance=SystemChance(),
        telemetry=Telemetry(TELEMETRY_NAME),
        limits=ConsumerLimits(commit_seconds=0.2),
    )


async def test_poison_is_parked_and_the_next_process_goes_on_behind_it(
    log: LogFactory, kafka_url: str, new_topic: NewTopics
) -> None:
    topic, group = await new_topic("inputs", 1), "one"
    await create_topic(kafka_url, f"{topic}.{group}.dlq", partitions=1)
    first: list[tuple[int, int]] = []
    second: list[tuple[int, int]] = []
    async with log.writer("w") as writer, log.reader("r") as reader:
        for value in (b"a", b"poison", b"b"):
            await writer.append(Outgoing(topic=topic, key=b"k", value=value, headers=(("h", b"1"),), partition=0))
        await _run(consumer(log, topic, group, first), lambda: len(first) == 2)
        await writer.append(Outgoing(topic=topic, key=b"k", value=b"c", partition=0))
        await _run(consumer(log, topic, group, second), lambda: second)
        await reader.assign({Partition(f"{topic}.{group}.dlq", 0): 0})
        letters = await reader.read(records_max=10, timeout_seconds=5)

    assert first == [(0, 0), (0, 2)]
    assert second == [(0, 3)]
    assert [(letter.key, letter.value, letter.headers[0]) for letter in letters] == [(b"k", b"poison", ("h", b"1"))]


async def test_members_that_come_and_go_miss_nothing_and_keep_the_order(log: LogFactory, new_topic: NewTopics) -> None:
    topic = await new_topic("inputs", 4)
    seen: list[tuple[int, int]] = []
    stops = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    async with log.writer("w") as writer:
        members = [asyncio.create_task(consumer(log, topic, "three", seen).run(stops[0]))]
        for number in range(400):
            await writer.append(Outgoing(topic=topic, key=None, value=b"%d" % number, partition=number % 4))
            if number in (100, 200):
                members.append(asyncio.create_task(consumer(log, topic, "three", seen).run(stops[len(members)])))
            if number == 300:
                stops[0].set()
        await eventually(lambda: len(set(seen)) == 400, timeout_seconds=30)
    for stop in stops:
        stop.set()
    await asyncio.gather(*members)
    first_times = list(dict.fromkeys(seen))

    for partition in range(4):
        offsets = [offset for number, offset in first_times if number == partition]
        assert offsets == sorted(offsets)
    assert len(seen) < 500  # a few come again after a rebalance, not everything


async def _run(loop: ConsumerLoop, until: Callable[[], object]) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    await eventually(until, timeout_seconds=20)
    stop.set()
    await task
