"""Each difference that the broker's README states, shown where possible on both brokers; the README states no other."""

import asyncio
import json
import os
import re
import struct
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import centralino.broker
import pytest
from aiokafka import TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from centralino.broker.groups import FIRST_JOIN_DELAY_SECONDS
from centralino.broker.log import LogSettings, PartitionLog
from servicekit.testing.eventually import eventually
from servicekit.testing.kafka_clients import STEP_TIMEOUT_SECONDS, Clients, DevelopmentBroker, read, send
from servicekit.testing.programs import KCAT

README = (Path(centralino.broker.__file__).parent / "README.md").read_text()
NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
LZ4 = 3
DELETE_GROUPS, KIP_848, ACLS, SASL = 42, 68, 29, 17
JOIN_GROUP, STATIC_MEMBERS_SINCE = 11, 5


@pytest.fixture
def development(request: pytest.FixtureRequest) -> bool:
    """Whether `each_broker` is ours in this test."""
    return "development" in request.node.callspec.id


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[DevelopmentBroker]:
    """Of ours, one that the test may stop."""
    broker = DevelopmentBroker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def own(broker: DevelopmentBroker) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        yield Clients(broker.address, stack)


@pytest.fixture
async def raw(clients: Clients) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(bootstrap_servers=clients.address)
    await client.bootstrap()
    yield client
    await client.close()


def test_every_stated_difference_names_its_test_and_every_test_is_named() -> None:
    stated = README.split("## Where it differs")[1].split("\n- ")[1:]
    named = [name for text in stated for name in re.findall(r"\[(test_\w+)\]", text)]
    here = {name for name in globals() if name.startswith("test_")}

    assert all("[test_" in text for text in stated)
    assert {*named, "test_every_stated_difference_names_its_test_and_every_test_is_named"} == here


async def test_a_transactional_producer_is_refused(clients: Clients, *, development: bool) -> None:
    transactional_id = f"x-{uuid.uuid4()}"
    if development:
        with pytest.raises(errors.KafkaError):
            await clients.producer(transactional_id=transactional_id)
        return
    topic, producer = await clients.topic(), await clients.producer(transactional_id=transactional_id)
    async with producer.transaction():
        await producer.send(topic, b"in a transaction")

    assert (await read(await clients.reader(topic), 1))[0].value == b"in a transaction"


@pytest.mark.parametrize("call", ["describe settings", "change settings", "add partitions", "describe groups"])
async def test_groups_and_settings_can_be_neither_described_nor_changed(
    clients: Clients, call: str, *, development: bool
) -> None:
    topic, admin = await clients.topic(), await clients.admin()
    changed = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "1000"})
    node = 0 if development else 1  # named, since a fresh Kafka takes a while to appoint a coordinator
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "describe settings": lambda: admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]),
        "change settings": lambda: admin.alter_configs([changed]),
        "add partitions": lambda: admin.create_partitions({topic: NewPartitions(2)}),
        "describe groups": lambda: admin.describe_consumer_groups([f"g-{uuid.uuid4()}"], node),
    }
    if development:
        with pytest.raises(errors.IncompatibleBrokerVersion):
            await calls[call]()
        return

    assert await calls[call]()


async def test_what_a_laptop_does_not_need_is_not_offered(raw: AIOKafkaClient, *, development: bool) -> None:
    answer = await raw.send(raw.get_random_node(), ApiVersionRequest())
    newest = {key: last for key, _, last in answer.api_versions}
    offered = [key in newest for key in (DELETE_GROUPS, KIP_848, ACLS, SASL)]

    assert offered == [not development] * 4
    assert (newest[JOIN_GROUP] >= STATIC_MEMBERS_SINCE) is not development


@pytest.mark.skipif(KCAT is None, reason="kcat is not on the PATH: on Debian, apt-get install kcat")
async def test_librdkafka_does_not_use_zstd(own: Clients, broker: DevelopmentBroker) -> None:
    sizes = {}
    for codec in ("zstd", "lz4", "snappy", "gzip"):
        topic = await own.topic()
        command = [str(KCAT), "-b", own.address, "-q", "-P", "-t", topic, "-z", codec]
        await asyncio.to_thread(subprocess.run, command, input=b"x" * 10_000, check=True, timeout=STEP_TIMEOUT_SECONDS)
        (log,) = (broker.directory / "topics" / topic / "0").glob("*.log")
        sizes[codec] = log.stat().st_size

    assert sizes.pop("zstd") > 10_000
    assert max(sizes.values()) < 1000


async def test_a_topic_is_compacted_at_start_only(own: Clients, broker: DevelopmentBroker) -> None:
    topic, producer = await own.topic(cleanup_policy="compact", delete_retention_ms="0"), await own.producer()
    for key, value in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"c", b"1"), (b"b", None), (b"d", b"1")]:
        await producer.send_and_wait(topic, value, key=key)
    before = await read(await own.reader(topic), 6)
    broker.stop()
    broker.start()
    kept = await read(await own.reader(topic), 3)
    next_offset = await send(producer, topic, b"2", key=b"d")

    assert [record.offset for record in before] == list(range(6))
    assert [(r.offset, r.key, r.value) for r in kept] == [(2, b"a", b"2"), (3, b"c", b"1"), (5, b"d", b"1")]
    assert next_offset == [6]


def test_a_batch_of_an_unknown_codec_passes_through_unread(tmp_path: Path) -> None:
    builder = DefaultRecordBatchBuilder(2, 1, 0, -1, -1, -1, 1_000_000)
    builder.append(0, NOW_MS, b"key", b"value" * 100, [])
    batch = bytearray(builder.build())
    batch[22] = batch[22] & ~7 | LZ4  # the codec's bits of a gzip batch, so that no library is needed
    struct.pack_into(">I", batch, 17, calc_crc32c(bytes(batch[21:])))
    log = PartitionLog(tmp_path, LogSettings(cleanup_policy="compact"), NOW_MS)
    offsets = [log.append(bytes(batch), NOW_MS) for _ in range(3)]
    reopened = PartitionLog(tmp_path, LogSettings(cleanup_policy="compact"), NOW_MS)

    assert offsets == [0, 1, 2]
    assert len(reopened.read(0, 2**20, at_least_one=True)) == 3 * len(batch)
    assert reopened.first_since(NOW_MS) == (-1, -1)


async def test_retention_is_bounded_and_segments_may_be_small(clients: Clients, *, development: bool) -> None:
    admin = await clients.admin()
    made = await admin.create_topics([NewTopic(f"t-{uuid.uuid4()}", 1, 1, topic_configs={"segment.bytes": "1000"})])
    (code,) = (topic["error_code"] for topic in made.to_object()["topic_errors"])

    assert code == (0 if development else errors.InvalidConfigurationError.errno)
    if development:
        assert LogSettings().retention_bytes == 256 * 2**20
    else:
        assert await _setting_of(admin, await clients.topic(), "retention.bytes") == "-1"


async def _setting_of(admin: AIOKafkaAdminClient, topic: str, name: str) -> str:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    entries = answer.to_object()["resources"][0]["config_entries"]
    return str(next(entry["config_value"] for entry in entries if entry["config_names"] == name))


async def test_committed_offsets_do_not_age(own: Clients, broker: DevelopmentBroker) -> None:
    topic, producer = await own.topic(), await own.producer()
    await send(producer, topic, b"1", b"2")
    broker.stop()
    file, year_ago = broker.directory / "offsets.jsonl", time.time() - 366 * 24 * 3600
    file.write_text(json.dumps(["group", topic, 0, 1, ""]) + "\n")
    os.utime(file, (year_ago, year_ago))
    broker.start()

    resumed = await own.consumer(topic, group_id="group")
    assert [record.offset for record in await read(resumed, 1)] == [1]


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


async def test_generations_begin_again_in_an_empty_group(
    clients: Clients, raw: AIOKafkaClient, *, development: bool
) -> None:
    group, admin, began = f"g-{uuid.uuid4()}", await clients.admin(), time.monotonic()
    member_id, first = await _join_alone(raw, group)
    seconds = time.monotonic() - began
    await raw.send(raw.get_random_node(), LeaveGroupRequest(group, member_id))
    if development:
        await eventually(lambda: _is_forgotten(admin, group))
    _, second = await _join_alone(raw, group)

    assert first == 1
    assert (second == 1) is development
    assert not development or seconds >= FIRST_JOIN_DELAY_SECONDS


async def _is_forgotten(admin: AIOKafkaAdminClient, group: str) -> bool:
    return group not in [name for name, *_ in await admin.list_consumer_groups()]


async def _join_alone(raw: AIOKafkaClient, group: str) -> tuple[str, int]:
    """The member's id and its generation, with the shortest session that both brokers take here."""
    member_id, code, generation = "", -1, -1
    async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
        while code:  # the coordinator may still load; a newer protocol first gives only the member id
            await raw.send(raw.get_random_node(), FindCoordinatorRequest(group, 0))
            join = JoinGroupRequest(group, 1000, 10_000, member_id, None, "consumer", [("range", b"")])  # type: ignore[arg-type]  # aiokafka's annotation forgets that it may be null
            joined = await raw.send(raw.get_random_node(), join)
            member_id, code, generation = joined.member_id, joined.error_code, joined.generation_id
    return member_id, generation


async def test_topics_are_there_and_gone_at_once(own: Clients) -> None:
    admin, seen = await own.admin(), []
    for _ in range(10):
        name = await own.topic()
        seen.append(name in await admin.list_topics())
        await admin.delete_topics([name])
        seen.append(name in await admin.list_topics())

    assert seen == [True, False] * 10


async def test_times_are_the_clients_and_unchecked(clients: Clients, *, development: bool) -> None:
    topic, producer = await clients.topic(message_timestamp_type="LogAppendTime"), await clients.producer()
    await producer.send_and_wait(topic, b"old", timestamp_ms=NOW_MS)
    (old,) = await read(await clients.reader(topic), 1)
    other, ahead_ms = await clients.topic(), int(time.time() * 1000) + 2 * HOUR_MS

    assert (old.timestamp == NOW_MS) is development
    if development:
        await producer.send_and_wait(other, b"ahead", timestamp_ms=ahead_ms)
    else:
        with pytest.raises(errors.InvalidTimestampError):
            await producer.send_and_wait(other, b"ahead", timestamp_ms=ahead_ms)
