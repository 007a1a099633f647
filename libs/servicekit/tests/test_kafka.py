import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from servicekit.kafka import KafkaLog
from servicekit.kafka_connection import CLOSE_SECONDS_MAX
from servicekit.ports import AppendUnknownError, LogAwayError, LogFactory, Outgoing, Partition
from servicekit.telemetry import Telemetry
from servicekit.testing.kafka_clients import DevelopmentBroker
from servicekit.testing.log_laws import LogLaws, read_some
from servicekit.testing.parts import create_topic
from servicekit.testing.plugin import NewTopics, topic_maker


class TestKafkaProtocol(LogLaws):
    """On whatever broker the run has (its header says which)."""

    @pytest.fixture
    def log(self, kafka_url: str) -> LogFactory:
        return kafka_log(kafka_url)

    @pytest.fixture
    async def topic(self, new_topic: NewTopics) -> str:
        return await new_topic("laws", 2)


@pytest.mark.real_kafka
class TestApacheKafka(LogLaws):
    @pytest.fixture
    def log(self, real_kafka_url: str) -> LogFactory:
        return kafka_log(real_kafka_url)

    @pytest.fixture
    async def topic(self, real_kafka_url: str) -> str:
        return await topic_maker(real_kafka_url)("laws", 2)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[DevelopmentBroker]:
    """A broker of the test's own, to freeze and to kill, with the topic `t`."""
    broker = DevelopmentBroker(tmp_path / "broker")
    broker.start()
    await create_topic(broker.address, "t", partitions=1)
    yield broker
    broker._process.send_signal(signal.SIGCONT)
    broker.stop()


async def test_a_frozen_broker_makes_an_append_unknown_at_the_deadline_and_closing_is_bounded(
    broker: DevelopmentBroker,
) -> None:
    log, loop = kafka_log(broker.address, delivery_timeout_seconds=1), asyncio.get_running_loop()
    before = asyncio.all_tasks()
    async with log.writer("w") as writer:
        await writer.append(_record(b"first"))
        broker._process.send_signal(signal.SIGSTOP)
        started_at = loop.time()
        pending = [await writer.send(_record(b"%d" % number)) for number in range(3)]
        with pytest.raises(AppendUnknownError):
            await pending[0]
        waited_seconds = loop.time() - started_at
        with pytest.raises(AppendUnknownError):
            await pending[2]
        with pytest.raises(AppendUnknownError):
            await writer.send(_record(b"after"))
        started_at = loop.time()
    closed_seconds = loop.time() - started_at

    assert 0.9 < waited_seconds < 2
    assert closed_seconds < 2 * CLOSE_SECONDS_MAX + 1
    assert asyncio.all_tasks() == before


async def test_a_frozen_broker_does_not_hold_up_a_writer_that_closes_with_records_in_flight(
    broker: DevelopmentBroker,
) -> None:
    log, loop = kafka_log(broker.address), asyncio.get_running_loop()
    before = asyncio.all_tasks()
    async with log.writer("w") as writer:
        await writer.append(_record(b"first"))
        broker._process.send_signal(signal.SIGSTOP)
        pending = await writer.send(_record(b"second"))
        started_at = loop.time()
    closed_seconds = loop.time() - started_at

    with pytest.raises(AppendUnknownError):
        await pending
    assert closed_seconds < 3 * CLOSE_SECONDS_MAX
    assert asyncio.all_tasks() == before


async def test_a_record_that_was_unknown_may_land_later(broker: DevelopmentBroker) -> None:
    log = kafka_log(broker.address, delivery_timeout_seconds=1)
    async with log.writer("w") as writer:
        await writer.append(_record(b"first"))
        broker._process.send_signal(signal.SIGSTOP)
        with pytest.raises(AppendUnknownError):
            await writer.append(_record(b"unknown"))
        broker._process.send_signal(signal.SIGCONT)
    async with log.reader("r") as reader:
        await reader.assign({Partition("t", 0): 0})
        records = await read_some(reader, 2)

    assert [record.value for record in records] == [b"first", b"unknown"]


async def test_an_unknown_append_breaks_the_writer_for_its_partition_only(broker: DevelopmentBroker) -> None:
    await create_topic(broker.address, "other", partitions=1)
    other = Outgoing(topic="other", key=b"k", value=b"x", partition=0)
    log = kafka_log(broker.address, delivery_timeout_seconds=1)
    async with log.writer("w") as writer:
        await writer.append(_record(b"first"))
        await writer.append(other)
        broker._process.send_signal(signal.SIGSTOP)
        with pytest.raises(AppendUnknownError):
            await writer.append(_record(b"unknown"))
        broker._process.send_signal(signal.SIGCONT)
        appended = await writer.append(other)
        with pytest.raises(AppendUnknownError):
            await writer.append(_record(b"after"))

    assert appended.offset == 1


async def test_what_is_in_flight_for_another_partition_is_confirmed_when_one_breaks(broker: DevelopmentBroker) -> None:
    await create_topic(broker.address, "other", partitions=1)
    other = Outgoing(topic="other", key=b"k", value=b"x", partition=0)
    log = kafka_log(broker.address, delivery_timeout_seconds=3)
    async with log.writer("w") as writer:
        await writer.append(_record(b"first"))
        await writer.append(other)
        broker._process.send_signal(signal.SIGSTOP)
        lost = asyncio.ensure_future(await writer.send(_record(b"unknown")))
        await asyncio.wait([lost], timeout=1.5)  # so much later than the first is the second's deadline
        in_flight = await writer.send(other)
        with pytest.raises(AppendUnknownError):
            await lost
        broker._process.send_signal(signal.SIGCONT)
        appended = await in_flight

    assert appended.offset == 1


async def test_a_killed_broker_that_comes_back_costs_no_record_and_doubles_none(broker: DevelopmentBroker) -> None:
    log = kafka_log(broker.address)
    async with log.writer("w") as writer, log.reader("r") as reader:
        await writer.append(_record(b"0"))
        broker.stop(signal.SIGKILL)
        pending = [await writer.send(_record(b"%d" % number)) for number in range(1, 20)]
        broker.start()
        offsets = [(await appended).offset for appended in pending]
        await reader.assign({Partition("t", 0): 0})
        records = await read_some(reader, 20)

    assert offsets == list(range(1, 20))
    assert [record.value for record in records] == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize("opened", ["writer", "reader", "admin"])
async def test_a_broker_that_is_not_there_is_said_at_once(opened: str) -> None:
    log = kafka_log("127.0.0.1:1", delivery_timeout_seconds=2)
    opening = {"writer": log.writer("w"), "reader": log.reader("r"), "admin": log.admin()}[opened]

    with pytest.raises(LogAwayError):
        async with opening:
            pass


def kafka_log(bootstrap: str, *, delivery_timeout_seconds: float = 10) -> KafkaLog:
    return KafkaLog(
        bootstrap,
        client_id=f"test-{os.getpid()}",
        delivery_timeout_seconds=delivery_timeout_seconds,
        telemetry=Telemetry("test"),
    )


def _record(value: bytes) -> Outgoing:
    return Outgoing(topic="t", key=b"k", value=value, partition=0)
