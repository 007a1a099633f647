"""What Centralino relies on in Kafka, through stock aiokafka: the development broker and real Kafka must both pass."""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition, errors
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import OffsetAndMetadata
from servicekit.testing.kafka_clients import STEP_TIMEOUT_SECONDS, Clients, read, send


async def until_assigned(consumers: list[AIOKafkaConsumer], sizes: list[int]) -> None:
    """Wait until the consumers own as many partitions as said, in any order."""
    async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
        while sorted(len(consumer.assignment()) for consumer in consumers) != sizes:
            await asyncio.gather(*(consumer.getmany(timeout_ms=50) for consumer in consumers))


async def test_records_arrive_with_key_value_headers_and_time(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    headers = [("ce_type", b"interaction.started"), ("empty", b""), ("ce_type", b"twice")]
    await producer.send_and_wait(topic, b"value", key=b"key", headers=headers, timestamp_ms=1_700_000_000_123)
    await producer.send_and_wait(topic, None, key=b"key")

    first, second = await read(await clients.reader(topic), 2)

    assert (first.key, first.value, list(first.headers)) == (b"key", b"value", headers)
    assert (first.timestamp, first.offset, second.value, second.offset) == (1_700_000_000_123, 0, None, 1)


async def test_compressed_batches_come_back_whole(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer(compression_type="gzip", linger_ms=20)
    values = [b"%d " % number * 100 for number in range(50)]
    await asyncio.gather(*[await producer.send(topic, value) for value in values])

    assert [record.value for record in await read(await clients.reader(topic), 50)] == values


@pytest.mark.parametrize("acks", [0, 1, "all"])
async def test_records_arrive_with_each_kind_of_acknowledgement(clients: Clients, acks: int | str) -> None:
    topic = await clients.topic()
    producer = await clients.producer(acks=acks, enable_idempotence=False)
    for value in (b"1", b"2"):
        await producer.send_and_wait(topic, value)

    assert [record.value for record in await read(await clients.reader(topic), 2)] == [b"1", b"2"]


async def test_an_idempotent_producer_gets_contiguous_offsets(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    serial = await send(producer, topic, *[b"x"] * 20)
    pipelined = await asyncio.gather(*[await producer.send(topic, b"x") for _ in range(200)])

    assert serial + [sent.offset for sent in pipelined] == list(range(220))


def batch_of(producer_id: int, sequence: int, *values: bytes, epoch: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, producer_id, epoch, sequence, 1_000_000)
    for index, value in enumerate(values):
        builder.append(index, 1_700_000_000_000, b"key", value, [])
    return bytes(builder.build())


class RawProducer:
    """Sends batches as they are: what a client does whose answer was lost."""

    def __init__(self, client: AIOKafkaClient, topic: str) -> None:
        self._client, self._topic = client, topic

    async def producer_id(self) -> int:
        request = InitProducerIdRequest(None, 10_000)  # type: ignore[arg-type]  # aiokafka's annotation forgets that it may be null
        answer = await self._client.send(self._client.get_random_node(), request)
        return int(answer.producer_id)

    async def produce(self, batch: bytes, partition: int = 0) -> tuple[int, int]:
        """The error's code and the offset."""
        await self._client.force_metadata_update()
        request = ProduceRequest(None, -1, 5000, [(self._topic, [(partition, batch)])])
        answer = await self._client.send(self._client.get_random_node(), request)
        _, code, offset, *_ = answer.topics[0][1][0]
        return code, offset


@pytest.fixture
async def raw(clients: Clients) -> AsyncIterator[RawProducer]:
    topic = await clients.topic()
    client = AIOKafkaClient(bootstrap_servers=clients.address)
    await client.bootstrap()
    yield RawProducer(client, topic)
    await client.close()


async def test_a_batch_sent_again_keeps_its_first_offset(raw: RawProducer) -> None:
    producer_id = await raw.producer_id()
    first = await raw.produce(batch_of(producer_id, 0, b"a", b"b"))
    second = await raw.produce(batch_of(producer_id, 2, b"c"))

    assert (first, second) == ((0, 0), (0, 2))
    assert await raw.produce(batch_of(producer_id, 0, b"a", b"b")) == (0, 0)
    assert await raw.produce(batch_of(producer_id, 2, b"c")) == (0, 2)
    assert await raw.produce(batch_of(producer_id, 3, b"d")) == (0, 3)


async def test_a_sequence_gap_and_an_old_epoch_are_refused(raw: RawProducer) -> None:
    producer_id = await raw.producer_id()
    await raw.produce(batch_of(producer_id, 0, b"a", epoch=1))

    assert (await raw.produce(batch_of(producer_id, 5, b"f", epoch=1)))[0] == errors.OutOfOrderSequenceNumber.errno
    assert (await raw.produce(batch_of(producer_id, 1, b"b", epoch=0)))[0] == errors.InvalidProducerEpoch.errno


async def test_a_damaged_batch_is_refused(raw: RawProducer) -> None:
    batch = bytearray(batch_of(-1, -1, b"value"))
    batch[-2] ^= 0xFF

    assert (await raw.produce(bytes(batch)))[0] == errors.CorruptRecordException.errno


async def test_an_oversized_record_is_refused_and_the_next_one_taken(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer(max_request_size=4_000_000)
    with pytest.raises(errors.MessageSizeTooLargeError):
        await producer.send_and_wait(topic, b"x" * 1_100_000)
    other = await clients.producer()

    assert await send(other, topic, b"x" * 1_000_000) == [0]


async def test_a_batch_beyond_the_limits_of_a_fetch_comes_whole_and_alone(clients: Clients) -> None:
    topic, producer = await clients.topic(partitions=2), await clients.producer()
    for partition in (0, 1):
        for value in (b"a" * 900_000, b"b" * 900_000):
            await producer.send_and_wait(topic, value, partition=partition)
    limits = {"max_partition_fetch_bytes": 1000, "fetch_max_bytes": 2000, "max_poll_records": 1}
    records = await read(await clients.consumer(topic, **limits), 4)

    assert sorted((record.partition, record.offset) for record in records) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {len(record.value or b"") for record in records} == {900_000}


async def test_a_reader_of_committed_records_sees_those_written_without_transaction(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    await send(producer, topic, b"1", b"2")

    records = await read(await clients.reader(topic, isolation_level="read_committed"), 2)

    assert [record.value for record in records] == [b"1", b"2"]


async def test_a_partition_that_a_topic_does_not_have_is_refused(raw: RawProducer, clients: Clients) -> None:
    admin = await clients.admin()
    made = await admin.create_topics([NewTopic(f"t-{uuid.uuid4()}", 0, 1)])

    unknown = errors.UnknownTopicOrPartitionError.errno
    assert (await raw.produce(batch_of(-1, -1, b"value"), partition=1))[0] == unknown
    assert (await raw.produce(batch_of(-1, -1, b"value"), partition=0))[0] == 0
    assert [topic["error_code"] for topic in made.to_object()["topic_errors"]] == [errors.InvalidPartitionsError.errno]


async def test_a_compacted_topic_refuses_a_record_without_key(clients: Clients) -> None:
    topic, producer = await clients.topic(cleanup_policy="compact"), await clients.producer()
    with pytest.raises(errors.KafkaError):
        await producer.send_and_wait(topic, b"value")


async def test_an_unknown_topic_is_refused_and_not_made(clients: Clients) -> None:
    name, admin = f"t-{uuid.uuid4()}", await clients.admin()
    producer = await clients.producer(request_timeout_ms=1500, retry_backoff_ms=100)
    with pytest.raises(errors.KafkaError):
        await producer.send_and_wait(name, b"value")

    assert name not in await admin.list_topics()


async def test_topics_are_created_once_described_and_deleted(clients: Clients) -> None:
    name, admin = await clients.topic(partitions=3), await clients.admin()
    again = await admin.create_topics([NewTopic(name, 3, 1), NewTopic("not/valid", 1, 1)])
    wrong = await admin.create_topics(
        [
            NewTopic(f"t-wrong-{name}", 1, 1, topic_configs={name: "shred"})
            for name in ("cleanup.policy", "no.such.setting")
        ]
    )
    described = await admin.describe_topics([name])
    deleted = await admin.delete_topics([name])

    codes = [errors.TopicAlreadyExistsError.errno, errors.InvalidTopicError.errno]
    assert sorted(error["error_code"] for error in again.to_object()["topic_errors"]) == sorted(codes)
    invalid = errors.InvalidConfigurationError.errno
    assert {error["error_code"] for error in wrong.to_object()["topic_errors"]} == {invalid}
    assert sorted(partition["partition"] for partition in described[0]["partitions"]) == [0, 1, 2]
    assert [topic["error_code"] for topic in deleted.to_object()["topic_error_codes"]] == [0]
    assert name not in await admin.list_topics()


async def test_members_share_the_partitions_and_take_over_from_one_who_leaves(clients: Clients) -> None:
    topic, group = await clients.topic(partitions=6), f"g-{uuid.uuid4()}"
    members = [await clients.consumer(topic, group_id=group) for _ in range(2)]
    await until_assigned(members, [3, 3])
    members.append(await clients.consumer(topic, group_id=group))
    await until_assigned(members, [2, 2, 2])
    await members.pop(0).stop()
    await until_assigned(members, [3, 3])
    owned = [partition for member in members for partition in member.assignment()]
    producer = await clients.producer()
    for partition in range(6):
        await producer.send_and_wait(topic, b"%d" % partition, partition=partition)
    read_by_both = await asyncio.gather(*(read(member, 3) for member in members))

    assert sorted(partition.partition for partition in owned) == list(range(6))
    assert sorted(record.partition for records in read_by_both for record in records) == list(range(6))


async def test_a_silent_member_loses_its_partitions_after_the_session_timeout(clients: Clients) -> None:
    topic, group = await clients.topic(partitions=2), f"g-{uuid.uuid4()}"
    script = (
        "import asyncio, aiokafka\n"
        "async def main():\n"
        f"    c = aiokafka.AIOKafkaConsumer({topic!r}, bootstrap_servers={clients.address!r}, group_id={group!r},\n"
        "        session_timeout_ms=1500, rebalance_timeout_ms=60_000, heartbeat_interval_ms=200)\n"
        "    await c.start(); print('started', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    silent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert silent.stdout is not None
    started = await silent.stdout.readline()
    silent.kill()
    await silent.communicate()
    timeouts = {"session_timeout_ms": 1500, "rebalance_timeout_ms": 60_000}
    survivor = await clients.consumer(topic, group_id=group, **timeouts)

    await until_assigned([survivor], [2])

    assert started == b"started\n"


async def test_a_member_of_an_old_generation_can_neither_commit_nor_stay(clients: Clients) -> None:
    topic, group = await clients.topic(), f"g-{uuid.uuid4()}"
    client = AIOKafkaClient(bootstrap_servers=clients.address)
    await client.bootstrap()
    member_id, code, generation = "", -1, -1
    async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
        while code:  # the coordinator may still load; a newer protocol first gives only the member id
            await client.send(client.get_random_node(), FindCoordinatorRequest(group, 0))
            protocols = [("range", b"")]
            join = JoinGroupRequest(group, 10_000, 10_000, member_id, None, "consumer", protocols)  # type: ignore[arg-type]  # aiokafka's annotation forgets that it may be null
            joined = await client.send(client.get_random_node(), join)
            member_id, code, generation = joined.member_id, joined.error_code, joined.generation_id
    sync = SyncGroupRequest(group, generation, member_id, None, [(member_id, b"mine")])  # type: ignore[arg-type]  # aiokafka's annotation forgets that it may be null
    synced = await client.send(client.get_random_node(), sync)
    codes = []
    for name, number in [(member_id, generation), (member_id, generation - 1), ("stranger", generation)]:
        heartbeat = await client.send(client.get_random_node(), HeartbeatRequest(group, number, name))
        commit = OffsetCommitRequest(group, number, name, -1, [(topic, [(0, 0, "")])])
        committed = await client.send(client.get_random_node(), commit)
        codes += [heartbeat.error_code, committed.topics[0][1][0][1]]
    await client.close()

    old, unknown = errors.IllegalGenerationError.errno, errors.UnknownMemberIdError.errno
    assert synced.member_assignment == b"mine"
    assert codes == [0, 0, old, old, unknown, unknown]


async def test_a_group_resumes_where_it_committed(clients: Clients) -> None:
    topic, group, producer = await clients.topic(), f"g-{uuid.uuid4()}", await clients.producer()
    await send(producer, topic, *[b"%d" % number for number in range(5)])
    first = await clients.consumer(topic, group_id=group)
    await read(first, 5)
    await first.commit({TopicPartition(topic, 0): 3})
    await first.stop()
    second = await clients.consumer(topic, group_id=group)
    admin = await clients.admin()

    assert [record.offset for record in await read(second, 2)] == [3, 4]
    assert (await admin.list_consumer_group_offsets(group))[TopicPartition(topic, 0)].offset == 3
    assert group in [name for name, *_ in await admin.list_consumer_groups()]


async def test_a_note_is_kept_with_a_commit_unless_it_is_too_long(clients: Clients) -> None:
    topic, group = await clients.topic(), f"g-{uuid.uuid4()}"
    partition, consumer = TopicPartition(topic, 0), await clients.consumer(group_id=group)
    consumer.assign([partition])
    await consumer.commit({partition: OffsetAndMetadata(0, "note")})
    with pytest.raises(errors.OffsetMetadataTooLargeError):
        await consumer.commit({partition: OffsetAndMetadata(0, "n" * 4097)})

    offsets = await (await clients.admin()).list_consumer_group_offsets(group)
    assert offsets[partition] == OffsetAndMetadata(0, "note")


async def test_a_reader_moves_to_either_end_and_anywhere_between(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    await send(producer, topic, *[b"%d" % number for number in range(6)])
    reader, partition = await clients.reader(topic), TopicPartition(topic, 0)
    seeks: tuple[Callable[[TopicPartition], Awaitable[object]], ...] = (reader.seek_to_beginning, reader.seek_to_end)
    found = []
    for seek in seeks:
        await seek(partition)
        found.append(await reader.position(partition))
    reader.seek(partition, 4)
    between = await read(reader, 2)

    assert found == [0, 6]
    assert [record.offset for record in between] == [4, 5]
    assert reader.highwater(partition) == 6


async def test_a_group_that_listens_to_a_pattern_finds_a_topic_made_later(clients: Clients) -> None:
    prefix, admin, producer = f"p-{uuid.uuid4()}", await clients.admin(), await clients.producer()
    await admin.create_topics([NewTopic(f"{prefix}.one", 1, 1)])
    consumer = await clients.consumer(group_id=prefix, metadata_max_age_ms=300)
    consumer.subscribe(pattern=f"^{prefix}")
    await until_assigned([consumer], [1])
    await admin.create_topics([NewTopic(f"{prefix}.two", 1, 1)])
    await until_assigned([consumer], [2])
    await producer.send_and_wait(f"{prefix}.two", b"x")

    assert [(record.topic, record.value) for record in await read(consumer, 1)] == [(f"{prefix}.two", b"x")]


async def test_positions_are_found_by_end_and_by_time(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    start_ms = int(time.time() * 1000) - 10_000
    for number in range(5):
        await producer.send_and_wait(topic, b"x", timestamp_ms=start_ms + number * 100)
    consumer, partition = await clients.reader(topic), TopicPartition(topic, 0)

    found = await consumer.offsets_for_times({partition: start_ms + 150})
    beyond = await consumer.offsets_for_times({partition: start_ms + 401})

    assert (await consumer.beginning_offsets([partition]), await consumer.end_offsets([partition])) == (
        {partition: 0},
        {partition: 5},
    )
    assert (found[partition].offset, found[partition].timestamp) == (2, start_ms + 200)
    assert beyond == {partition: None}


async def test_deleted_records_are_out_of_range_and_the_start_moves(clients: Clients) -> None:
    topic, producer, admin = await clients.topic(), await clients.producer(), await clients.admin()
    await send(producer, topic, *[b"x"] * 10)
    partition = TopicPartition(topic, 0)

    low = await admin.delete_records({partition: RecordsToDelete(before_offset=6)})
    strict = await clients.reader(topic, 2, auto_offset_reset="none")
    with pytest.raises(errors.OffsetOutOfRangeError):
        await read(strict, 1)
    reader = await clients.reader(topic, 6)

    assert low == {partition: 6}
    assert await reader.beginning_offsets([partition]) == {partition: 6}
    assert (await read(reader, 1))[0].offset == 6
    with pytest.raises(errors.OffsetOutOfRangeError):
        await admin.delete_records({partition: RecordsToDelete(before_offset=11)})


async def test_a_waiting_reader_is_woken_by_an_append(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    reader = await clients.reader(topic, fetch_max_wait_ms=5000)
    waiting = asyncio.create_task(read(reader, 1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.3)
    sent_at = time.monotonic()
    await producer.send_and_wait(topic, b"x")
    await waiting

    assert time.monotonic() - sent_at < 1
