"""The service as the run shell runs it, on a Kafka-protocol broker, PostgreSQL and Valkey."""

import asyncio
import socket
from collections.abc import Mapping

import httpx
from chat_gateway.app import open_service
from chat_gateway.consumers import GROUP
from chat_gateway.consumers import TOPICS as CONSUMED
from chat_gateway.settings import ChatSettings
from chat_gateway.testing import backends
from chat_gateway.testing.client import open_window, page
from chat_gateway.testing.samples import assigned, configuration, queued, spoken
from contracts import Event, decode, encode
from contracts.messages import MessageReceived, MessageSent
from contracts.topics import TOPICS, dead_letter_topic
from servicekit.kafka import KafkaLog
from servicekit.ports import LogReader, Outgoing, Partition
from servicekit.run import Shell, serve
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.parts import create_topic, part
from servicekit.testing.plugin import FreshDatabase


async def test_a_chat_goes_through_kafka_both_ways_and_a_stop_sends_the_visitor_away(
    postgres: FreshDatabase, redis_url: str
) -> None:
    with part("kafka") as bootstrap:
        await make_topics(bootstrap)
        shell = shell_on(bootstrap)
        await publish(shell, *configuration())
        async with migrated(postgres.admin_url, "chat_gateway") as kept:
            url, settings = settings_of(bootstrap, redis_url, kept.application_url)
            stop = asyncio.Event()
            serving = asyncio.create_task(serve("chat-gateway", settings, open_service, shell=shell, stop=stop))
            window = await eventually(lambda: opened(url), timeout_seconds=20)
            assert window
            interaction = str(window["interaction_id"])
            async with page(url, str(window["window_token"])) as visitor:
                await visitor.say("hello", "client-0001")
                await visitor.until("ack")
                await publish(shell, queued(interaction_id=interaction, sequence=1), partition=2)
                await publish(shell, assigned(interaction_id=interaction, sequence=2), partition=2)
                await publish(shell, spoken("good day", interaction_id=interaction, sequence=2))
                answer = await visitor.until("message", **{"from": "agent"})
                stop.set()
                code = await visitor.closed()
            async with asyncio.timeout(30):
                await serving
            said = await messages_of(shell)

    assert (answer["number"], answer["text"]) == (2, "good day")
    assert code == 1012
    assert visitor.frames[-1]["reconnect_after_ms"] > 0
    assert [type(data) for data in said] == [MessageReceived, MessageSent]


async def make_topics(bootstrap: str) -> None:
    for topic in TOPICS:
        await create_topic(bootstrap, topic.name, partitions=topic.partitions(4))
    for name in CONSUMED:
        await create_topic(bootstrap, dead_letter_topic(name, GROUP), partitions=1)


def shell_on(bootstrap: str) -> Shell:
    telemetry = Telemetry("chat-gateway")
    log = KafkaLog(bootstrap, client_id="chat-gateway", delivery_timeout_seconds=10, telemetry=telemetry)
    return Shell(SystemClock(), SystemIds(), SystemChance(), log, telemetry)


def settings_of(bootstrap: str, redis_url: str, database_url: str) -> tuple[str, ChatSettings]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = {
        "kafka_bootstrap": bootstrap,
        "redis_url": redis_url,
        "database_url": database_url,
        "port": port,
    }
    return f"http://127.0.0.1:{port}", backends.settings_of(**values)


async def opened(url: str) -> Mapping[str, object] | None:
    """A window, once the service listens and has read its configuration."""
    try:
        status, window = await open_window(url)
    except httpx.ConnectError:
        return None
    return window if status == 201 else None


async def publish(shell: Shell, *events: Event, partition: int | None = None) -> None:
    async with shell.log.writer("test") as writer:
        for event in events:
            value, headers = encode(event)
            topic = event.type.topic.name
            outgoing = Outgoing(
                topic=topic, key=event.subject.encode(), value=value, headers=tuple(headers), partition=partition
            )
            await writer.append(outgoing)


async def messages_of(shell: Shell) -> list[object]:
    async with shell.log.reader("test") as reader:
        return [data for number in range(4) for data in await read_all(reader, Partition("messages", number))]


async def read_all(reader: LogReader, partition: Partition) -> list[object]:
    first, end = await reader.bounds(partition)
    await reader.assign({partition: first})
    found: list[object] = []
    async with asyncio.timeout(10):
        while len(found) < end - first:
            records = await reader.read(records_max=100, timeout_seconds=0.5)
            found += [decode(record.value, record.headers).data for record in records]
    return found
