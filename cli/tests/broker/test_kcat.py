"""kcat, the tool that a newcomer reaches for (librdkafka, no Python), on the development broker and on Kafka."""

import subprocess
import time
import uuid

import pytest
from aiokafka.admin import NewTopic
from servicekit.testing.kafka_clients import Clients, read, send
from servicekit.testing.programs import KCAT

STEP_SECONDS_MAX = 30
pytestmark = pytest.mark.skipif(KCAT is None, reason="kcat is not on the PATH: on Debian, apt-get install kcat")


def kcat(address: str, *arguments: str, stdin: bytes = b"") -> str:
    """What it prints; fails when it does, or says that it found something wrong."""
    command = [str(KCAT), "-b", address, "-q", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=STEP_SECONDS_MAX)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


async def test_it_lists_topics_with_their_partitions_and_leader(clients: Clients) -> None:
    topic = await clients.topic(partitions=3)

    listed = kcat(clients.address, "-L")

    assert " 1 brokers:" in listed
    assert f'topic "{topic}" with 3 partitions:' in listed
    for partition in range(3):
        assert f"partition {partition}, leader " in listed


async def test_what_it_produces_is_read_with_key_and_headers(clients: Clients) -> None:
    topic = await clients.topic()
    kcat(clients.address, "-P", "-t", topic, "-K:", "-H", "ce_type=interaction.started", "-H", "empty=", stdin=b"k:v\n")

    (record,) = await read(await clients.reader(topic), 1)

    headers = (("ce_type", b"interaction.started"), ("empty", b""))
    assert (record.key, record.value, tuple(record.headers)) == (b"k", b"v", headers)


async def test_it_reads_from_the_beginning_to_the_end_what_others_wrote(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    await producer.send_and_wait(topic, b"one", key=b"a", headers=[("h", b"1")])
    await producer.send_and_wait(topic, None, key=b"a")
    await producer.send_and_wait(topic, b"three", key=b"c")

    everything = kcat(clients.address, "-C", "-t", topic, "-o", "beginning", "-e", "-f", "%o %k %s %S %h\n")
    last = kcat(clients.address, "-C", "-t", topic, "-p", "0", "-o", "-1", "-e", "-f", "%o %s\n")

    assert everything == "0 a one 3 h=1\n1 a  -1 \n2 c three 5 \n"
    assert last == "2 three\n"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_each_codec_comes_back_whole(clients: Clients, codec: str) -> None:
    topic = await clients.topic()
    lines = "".join(f"key:{number} {'abc ' * 300}\n" for number in range(20))
    kcat(clients.address, "-P", "-t", topic, "-p", "0", "-K:", "-z", codec, stdin=lines.encode())

    assert kcat(clients.address, "-C", "-t", topic, "-o", "beginning", "-e", "-f", "%k:%s\n") == lines


async def test_its_idempotent_producer_is_served(clients: Clients) -> None:
    topic = await clients.topic()
    kcat(clients.address, "-P", "-t", topic, "-p", "0", "-X", "enable.idempotence=true", stdin=b"1\n2\n3\n")

    assert [record.value for record in await read(await clients.reader(topic), 3)] == [b"1", b"2", b"3"]


async def test_a_group_of_it_shares_partitions_commits_and_resumes(clients: Clients) -> None:
    topic, group, producer = await clients.topic(partitions=2), f"g-{uuid.uuid4()}", await clients.producer()
    for partition in (0, 1):
        await send(producer, topic, b"%d" % partition, partition=partition)
    options = ["-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000", "-f", "%s\n", "-G", group, topic]
    first = kcat(clients.address, "-e", *options)
    await send(producer, topic, b"later", partition=1)
    second = kcat(clients.address, "-e", *options)
    listed = await (await clients.admin()).list_consumer_group_offsets(group)

    assert (sorted(first.split()), second.split()) == (["0", "1"], ["later"])
    assert sorted((place.partition, found.offset) for place, found in listed.items()) == [(0, 1), (1, 2)]


async def test_it_finds_offsets_by_time(clients: Clients) -> None:
    topic, producer = await clients.topic(), await clients.producer()
    first_ms = int(time.time() * 1000) - 3_600_000  # within retention: a broker may remove what is older at any moment
    for number in range(3):
        await producer.send_and_wait(topic, b"x", timestamp_ms=first_ms + number * 100)

    assert kcat(clients.address, "-Q", "-t", f"{topic}:0:{first_ms + 150}") == f"{topic} [0] offset 2\n"


async def test_it_is_told_that_a_topic_does_not_exist(clients: Clients) -> None:
    name = f"t-{uuid.uuid4()}"
    with pytest.raises(AssertionError, match="Unknown topic or partition"):
        kcat(clients.address, "-C", "-t", name, "-e", "-X", "allow.auto.create.topics=true")

    admin = await clients.admin()
    assert name not in await admin.list_topics()
    await admin.create_topics([NewTopic(name, 1, 1)])
    assert kcat(clients.address, "-C", "-t", name, "-e") == ""
