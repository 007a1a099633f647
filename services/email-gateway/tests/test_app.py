"""The service as the run shell runs it, on a Kafka-protocol broker and PostgreSQL."""

import asyncio
import smtplib
import socket
from pathlib import Path

import httpx
from contracts import Event, decode, encode
from contracts.interactions import InteractionStarted
from contracts.messages import MessageReceived
from contracts.topics import TOPICS
from email_gateway.app import open_service
from email_gateway.settings import EmailSettings
from email_gateway.testing.samples import ANNA, DOMAIN, HELP, NOW_MS, TENANT, address_value, letter, record
from servicekit.kafka import KafkaLog
from servicekit.ports import Outgoing, Partition
from servicekit.run import Shell, serve
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.parts import create_topic, part
from servicekit.testing.plugin import FreshDatabase


async def test_a_mail_by_smtp_becomes_events_and_a_stop_takes_no_more(postgres: FreshDatabase, tmp_path: Path) -> None:
    smtp_port, health_port = free_ports()
    with part("kafka") as bootstrap:
        for topic in TOPICS:
            await create_topic(bootstrap, topic.name, partitions=topic.partitions(4))
        shell = shell_on(bootstrap)
        await configure(shell)
        async with migrated(postgres.admin_url, "email_gateway") as kept:
            settings = EmailSettings.model_validate(
                {
                    "kafka_bootstrap": bootstrap,
                    "database_url": kept.application_url,
                    "jwks_url": (tmp_path / "jwks.json").as_uri(),
                    "reply_secret": "r" * 32,
                    "files_url": f"file://{tmp_path}",
                    "file_link_secrets": "l" * 32,
                    "secrets_path": tmp_path,
                    "smtp_port": smtp_port,
                    "health_port": health_port,
                }
            )
            stop = asyncio.Event()
            serving = asyncio.create_task(serve("email-gateway", settings, open_service, shell=shell, stop=stop))
            await eventually(lambda: asyncio.to_thread(sent, smtp_port), timeout_seconds=30)
            async with httpx.AsyncClient() as client:
                health = await client.get(f"http://127.0.0.1:{health_port}/health/ready")
            told = await eventually(lambda: events(shell), timeout_seconds=20) or []
            stop.set()
            async with asyncio.timeout(30):
                await serving

    assert health.status_code == 200
    assert [type(data) for data in told] == [InteractionStarted, MessageReceived]
    assert not sent(smtp_port)


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


def shell_on(bootstrap: str) -> Shell:
    telemetry = Telemetry("email-gateway")
    log = KafkaLog(bootstrap, client_id="email-gateway", delivery_timeout_seconds=10, telemetry=telemetry)
    return Shell(SystemClock(), SystemIds(), SystemChance(), log, telemetry)


async def configure(shell: Shell) -> None:
    records = (record("domain", DOMAIN, {"partition": 2}), record("channel", HELP, address_value(HELP)))
    async with shell.log.writer("test") as writer:
        for each in records:
            key = f"{TENANT}/{each.id.replace(':', '/', 1)}"
            event = Event(id=f"{key}.1", source="/router/api", tenant_id=TENANT, subject=key, time_ms=NOW_MS, data=each)
            value, headers = encode(event)
            await writer.append(
                Outgoing(topic=event.type.topic.name, key=key.encode(), value=value, headers=tuple(headers))
            )


def sent(port: int) -> bool:
    """The server is there, has read its configuration, and took the message."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail(ANNA, [HELP], letter())
    except (OSError, smtplib.SMTPException):
        return False
    return True


async def events(shell: Shell) -> list[object] | None:
    """What was told of the conversation, once both are there."""
    found: list[object] = []
    async with shell.log.reader("test") as reader:
        for partition in (Partition("interactions", 2), *(Partition("messages", number) for number in range(4))):
            first, end = await reader.bounds(partition)
            await reader.assign({partition: first})
            while first < end:
                records = await reader.read(records_max=100, timeout_seconds=0.5)
                found += [decode(one.value, one.headers).data for one in records]
                first += len(records)
    return found if len(found) >= 2 else None
