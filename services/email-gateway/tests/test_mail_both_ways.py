"""The service as the run shell runs it, on a Kafka-protocol broker and PostgreSQL, between two mail servers."""

import asyncio
import json
import smtplib
import socket
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from contracts import Event, decode, encode
from contracts.commands import SendMessage
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import InteractionStarted
from contracts.messages import MessageReceived
from contracts.tasks import TaskAssigned
from contracts.topics import COMMANDS_EMAIL, INTERACTIONS, MESSAGES, TOPICS, Topic, dead_letter_topic
from email_gateway.app import open_service
from email_gateway.consumers import GROUP
from email_gateway.consumers import TOPICS as CONSUMED
from email_gateway.domain.parse import parse_mail
from email_gateway.settings import EmailSettings
from email_gateway.testing.samples import DOMAIN, HELP, SALES, TENANT, address_value, record
from email_gateway.testing.smtp_server import Script, smtp_server
from servicekit.kafka import KafkaLog
from servicekit.ports import LogReader, Outgoing, Partition
from servicekit.run import Shell, serve
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.parts import create_topic, part
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tokens import TokenIssuer

TASK = TaskAssigned(
    task_id="t1",
    interaction_id="",
    domain=DOMAIN,
    queue="support-en",
    channel="email",
    assignment_id="a1",
    offer_id="o1",
    agent_id="gia",
    assigned_at_ms=1,
    waited_ms=10,
    role="owner",
)


async def test_a_mail_is_answered_through_kafka_and_the_customers_answer_joins(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    issuer, relay = TokenIssuer.generate(), Script()
    (tmp_path / "jwks.json").write_text(json.dumps(issuer.jwks()))
    with part("kafka") as bootstrap:
        for topic in TOPICS:
            await create_topic(bootstrap, topic.name, partitions=topic.partitions(4))
        for name in CONSUMED:
            await create_topic(bootstrap, dead_letter_topic(name, GROUP), partitions=1)
        telemetry = Telemetry("email-gateway")
        log = KafkaLog(bootstrap, client_id="email-gateway", delivery_timeout_seconds=10, telemetry=telemetry)
        shell = Shell(SystemClock(), SystemIds(), SystemChance(), log, telemetry)
        await publish(shell, *(configured(each) for each in CONFIGURATION))
        async with migrated(postgres.admin_url, "email_gateway") as kept, smtp_server(relay) as server:
            settings = EmailSettings.model_validate(
                {
                    "kafka_bootstrap": bootstrap,
                    "database_url": kept.application_url,
                    "jwks_url": (tmp_path / "jwks.json").as_uri(),
                    "reply_secret": "k" * 32,
                    "files_url": (tmp_path / "files").as_uri(),
                    "file_link_secrets": "f" * 32,
                    "secrets_path": tmp_path,
                    "port": free_port(),
                    "smtp_port": free_port(),
                    "relay_port": server.port,
                    "relay_tls": "none",
                }
            )
            stop = asyncio.Event()
            serving = asyncio.create_task(serve("email-gateway", settings, open_service, shell=shell, stop=stop))
            assert await eventually(lambda: taken(settings.smtp_port, HELP, "m1"), timeout_seconds=30)
            started = (await eventually(lambda: told(shell, INTERACTIONS, InteractionStarted), timeout_seconds=20))[0]
            await answer(shell, started)
            assert await eventually(lambda: given(relay), timeout_seconds=20)
            ours = parse_mail(relay.taken[0].content)
            assert await taken(settings.smtp_port, relay.taken[0].sender, "m2", ours.message_id or "")
            said = await eventually(lambda: told(shell, MESSAGES, MessageReceived, 2), timeout_seconds=20)
            token = issuer.token(subject="sam", tenant_id=TENANT, roles=["supervisor"], now_ms=SystemClock().now_ms())
            answers = await ask(f"http://127.0.0.1:{settings.port}/mail/v1", token)
            stop.set()
            async with asyncio.timeout(30):
                await serving

    assert relay.taken[0].recipients == ("anna@customer.example",)
    assert (ours.subject, ours.visible_text) == ("Re: Kettle", "Soon.")
    assert {each.interaction_id for each in said} == {started.interaction_id}
    assert answers == [200, True, 204, 404, False, 422]


IMAP = {"host": "imap.shop.example", "port": 993, "user": "sales", "password": "imap"}
CONFIGURATION = [
    record("domain", DOMAIN, {"id": DOMAIN, "partition": 2}),
    record("channel", HELP, address_value(HELP)),
    record("channel", SALES, address_value(SALES, imap=IMAP)),
]


def configured(value: ConfigurationRecord) -> Event:
    return Event(id=value.id, source="/router", tenant_id=TENANT, subject=value.id, time_ms=1, data=value)


async def answer(shell: Shell, started: InteractionStarted) -> None:
    task = replace(TASK, interaction_id=started.interaction_id)
    sequence = "00000000000000000001-00000000000000000001-000001"
    assigned = Event(
        id="e1",
        source="/router",
        tenant_id=TENANT,
        subject=started.interaction_id,
        time_ms=1,
        data=task,
        sequence=sequence,
    )
    await publish(shell, assigned, partition=2)
    command = SendMessage(
        message_id="m1",
        interaction_id=started.interaction_id,
        domain=DOMAIN,
        agent_id="gia",
        assignment_id="a1",
        assignment_sequence=sequence,
        requested_at_ms=1,
        personal={"text": "Soon."},
    )
    channel = Event(
        id="e2",
        source="/router",
        tenant_id=TENANT,
        subject=started.interaction_id,
        time_ms=1,
        data=command,
    )
    await publish(shell, channel, topic=COMMANDS_EMAIL)


async def ask(url: str, token: str) -> list[object]:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}) as client:

        async def tried() -> list[dict[str, Any]] | None:
            found: list[dict[str, Any]] = (await client.get(f"{url}/mailboxes")).json()["mailboxes"]
            return found if found[-1]["reading"] and found[-1]["reading"]["error"] else None

        mailboxes = await eventually(tried, timeout_seconds=20)
        added = await client.post(f"{url}/suppressions", json={"address": "gone@customer.example"})
        found = await client.post(f"{url}/suppressions/search", json={"address": "Gone@customer.example"})
        path = f"{url}/suppressions/{added.json()['address_hash']}"
        lifted, again = await client.delete(path), await client.delete(path)
        after = await client.post(f"{url}/suppressions/search", json={"address": "gone@customer.example"})
        wrong = await client.post(f"{url}/suppressions", json={"address": "nobody"})
    assert mailboxes
    [own, read] = mailboxes
    assert own == {"address": HELP, "receives": "smtp", "signed": False, "reading": None}
    assert (read["address"], read["receives"]) == (SALES, "imap")
    assert (read["reading"]["error"], read["reading"]["read_at_ms"]) == ("secret_missing", None)
    return [
        added.status_code,
        found.json()["suppressed"],
        lifted.status_code,
        again.status_code,
        after.json()["suppressed"],
        wrong.status_code,
    ]


async def taken(port: int, recipient: str, name: str, answers: str = "") -> bool:
    """The gateway has it; false: it does not listen yet, or has not read its configuration."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Anna <anna@customer.example>", recipient, "Kettle"
    mail["Message-ID"] = f"<{name}@customer.example>"
    if answers:
        mail["In-Reply-To"] = f"<{answers}>"
    mail.set_content(f"Where is it? {name}")

    def deliver() -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
                client.send_message(mail, from_addr="anna@customer.example", to_addrs=[recipient])
        except (OSError, smtplib.SMTPException):
            return False
        return True

    return await asyncio.to_thread(deliver)


async def given(relay: Script) -> bool:
    return bool(relay.taken)


async def publish(shell: Shell, *events: Event, partition: int | None = None, topic: Topic | None = None) -> None:
    async with shell.log.writer("test") as writer:
        for event in events:
            value, headers = encode(event)
            name = (topic or event.type.topic).name
            outgoing = Outgoing(
                topic=name, key=event.subject.encode(), value=value, headers=tuple(headers), partition=partition
            )
            await writer.append(outgoing)


async def told(shell: Shell, topic: Topic, kind: type, count: int = 1) -> list[Any]:  # Any: data of any event
    async with shell.log.reader("test") as reader:
        read = [each for number in range(4) for each in await read_all(reader, Partition(topic.name, number))]
    found = [each for each in read if isinstance(each, kind)]
    return found if len(found) >= count else []


async def read_all(reader: LogReader, partition: Partition) -> list[object]:
    first, end = await reader.bounds(partition)
    await reader.assign({partition: first})
    found: list[object] = []
    async with asyncio.timeout(10):
        while len(found) < end - first:
            records = await reader.read(records_max=100, timeout_seconds=0.5)
            found += [decode(each.value, each.headers).data for each in records]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
