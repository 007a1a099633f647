"""What only the development broker does, or only a broker that one may kill can show."""

import asyncio
import signal
import struct
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiokafka import TopicPartition, errors
from aiokafka.admin import NewTopic
from servicekit.testing.kafka_clients import STEP_TIMEOUT_SECONDS, Clients, DevelopmentBroker, read, send


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[DevelopmentBroker]:
    broker = DevelopmentBroker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def own(broker: DevelopmentBroker) -> AsyncIterator[Clients]:
    """Clients of a development broker that the test may kill."""
    async with AsyncExitStack() as stack:
        yield Clients(broker.address, stack)


async def test_acknowledged_records_commits_and_topics_survive_kill_9(own: Clients, broker: DevelopmentBroker) -> None:
    topic, group, producer = await own.topic(), f"g-{uuid.uuid4()}", await own.producer()
    await send(producer, topic, *[b"%d" % number for number in range(50)])
    consumer = await own.consumer(topic, group_id=group)
    await read(consumer, 20)
    await consumer.commit()
    broker.stop(signal.SIGKILL)
    unanswered = [asyncio.create_task(send(producer, topic, b"after")) for _ in range(3)]
    broker.start()
    offsets = [offset for sent in unanswered for offset in await sent]
    rejoined = [record.offset for record in await read(consumer, 33)]
    fresh = await own.consumer(topic, group_id=f"{group}-fresh")

    assert sorted(offsets) == [50, 51, 52]
    assert rejoined[-33:] == list(range(20, 53))
    assert [record.value for record in await read(fresh, 50)] == [b"%d" % number for number in range(50)]


async def test_committed_offsets_survive_a_restart(own: Clients, broker: DevelopmentBroker) -> None:
    topic, group, producer = await own.topic(), f"g-{uuid.uuid4()}", await own.producer()
    await send(producer, topic, *[b"x"] * 9)
    consumer = await own.consumer(topic, group_id=group)
    await read(consumer, 9)
    await consumer.commit({TopicPartition(topic, 0): 7})
    await consumer.stop()
    code = broker.stop()
    broker.start()
    resumed = await own.consumer(topic, group_id=group)

    assert code == 0
    assert [record.offset for record in await read(resumed, 2)] == [7, 8]


async def test_a_compacted_topic_has_the_last_value_of_each_key_after_a_restart(
    own: Clients, broker: DevelopmentBroker
) -> None:
    topic, producer = await own.topic(cleanup_policy="compact", delete_retention_ms="0"), await own.producer()
    for key, value in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"c", b"1"), (b"b", None), (b"d", b"1")]:
        await producer.send_and_wait(topic, value, key=key)
    broker.stop()
    broker.start()
    kept = await read(await own.reader(topic), 3)
    next_offset = await send(producer, topic, b"2", key=b"d")

    assert [(r.offset, r.key, r.value) for r in kept] == [(2, b"a", b"2"), (3, b"c", b"1"), (5, b"d", b"1")]
    assert next_offset == [6]


async def test_a_topic_made_again_has_no_records_and_no_committed_offsets(own: Clients) -> None:
    name, producer, admin = await own.topic(), await own.producer(), await own.admin()
    await send(producer, name, b"old", b"old")
    consumer = await own.consumer(group_id="group")
    consumer.assign([TopicPartition(name, 0)])
    await consumer.commit({TopicPartition(name, 0): 2})
    await admin.delete_topics([name])
    await admin.create_topics([NewTopic(name, 1, 1)])

    assert await admin.list_consumer_group_offsets("group") == {}
    assert await consumer.end_offsets([TopicPartition(name, 0)]) == {TopicPartition(name, 0): 0}


async def test_a_transactional_producer_is_refused(own: Clients) -> None:
    with pytest.raises(errors.KafkaError):
        await own.producer(transactional_id="transactions")


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(struct.pack(">i", 2**31 - 1), id="a length beyond the limit"),
        pytest.param(struct.pack(">i", -5), id="a negative length"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", id="another protocol"),
        pytest.param(struct.pack(">ihhih", 10, 3, 4, 1, -1), id="a request without its body"),
        pytest.param(struct.pack(">ihhih", 10, 999, 0, 1, -1), id="an unknown request"),
        pytest.param(struct.pack(">ihhihhhii", 22, 0, 3, 1, -1, -1, 1, 0, -1), id="no topics where some must be"),
    ],
)
async def test_a_bad_frame_closes_its_connection_only(own: Clients, frame: bytes) -> None:
    host, port = own.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(frame)
    async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
        answer = await reader.read()
    writer.close()

    assert answer == b""
    assert await (await own.admin()).list_topics() == []


async def test_a_second_broker_on_the_same_files_is_refused(broker: DevelopmentBroker) -> None:
    with pytest.raises(AssertionError):
        DevelopmentBroker(broker.directory).start()
