"""What only the development broker does, or only a broker that one may kill can show."""

import asyncio
import re
import signal
import struct
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import centralino.broker
import pytest
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import ApiVersionRequest
from servicekit.testing.kafka_clients import STEP_TIMEOUT_SECONDS, Clients, DevelopmentBroker, read, send

README = (Path(centralino.broker.__file__).parent / "README.md").read_text()


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


async def test_the_versions_that_the_readme_states_are_offered(own: Clients) -> None:
    client = AIOKafkaClient(bootstrap_servers=own.address)
    await client.bootstrap()
    answer = await client.send(client.get_random_node(), ApiVersionRequest())
    await client.close()

    offered = {key: (oldest, newest) for key, oldest, newest in answer.api_versions}
    stated = re.findall(r"(\w+) (\d+)(?:-(\d+))?[,.]", README.split("Versions offered: ")[1].split(".\n")[0] + ".")
    keys = {"Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "OffsetFetch": 9}
    keys |= {"FindCoordinator": 10, "JoinGroup": 11, "Heartbeat": 12, "LeaveGroup": 13, "SyncGroup": 14}
    keys |= {"ListGroups": 16, "ApiVersions": 18, "CreateTopics": 19, "DeleteTopics": 20, "DeleteRecords": 21}
    keys |= {"InitProducerId": 22}
    assert {keys[name]: (int(oldest), int(newest or oldest)) for name, oldest, newest in stated} == offered


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(struct.pack(">i", 2**31 - 1), id="a length beyond the limit"),
        pytest.param(struct.pack(">i", -5), id="a negative length"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", id="another protocol"),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"r" * 32, id="TLS"),
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
