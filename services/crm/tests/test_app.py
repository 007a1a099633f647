"""The whole service on PostgreSQL and a log in memory: from records to answers."""

import asyncio
import json
from pathlib import Path

import httpx
from contracts import decode
from contracts.commands import CustomerFacts
from contracts.topics import ROUTING_INPUTS, dead_letter_topic
from crm.app import open_crm
from crm.consumers import GROUP, TOPICS
from crm.settings import CrmSettings
from crm.testing import Conversation, Topics
from servicekit.http_server import http_server
from servicekit.ports import Outgoing, Partition
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tokens import TokenIssuer


async def test_what_is_said_can_be_read_and_a_broken_record_is_parked_alone(
    postgres: FreshDatabase, tmp_path: Path
) -> None:
    issuer = TokenIssuer.generate()
    (tmp_path / "jwks.json").write_text(json.dumps(issuer.jwks()))
    log = log_of(Conversation())
    shell = Shell(SystemClock(), SystemIds(), SystemChance(), log, Telemetry("test"))
    token = issuer.token(subject="ana", tenant_id="acme", roles=["agent"], now_ms=shell.clock.now_ms())
    stop = asyncio.Event()
    async with migrated(postgres.admin_url, "crm") as kept:
        settings = CrmSettings(database_url=kept.application_url, jwks_url=f"file:{tmp_path}/jwks.json")
        async with open_crm(settings, shell) as service, asyncio.TaskGroup() as tasks:
            assert service.app is not None
            assert "evidence sweep" in [loop.name for loop in service.loops]
            for loop in service.loops:
                tasks.create_task(loop.run(stop))
            async with (
                http_server(service.app, "127.0.0.1", 0, drain_seconds=1) as url,
                httpx.AsyncClient(base_url=f"{url}/crm/v1", headers={"authorization": f"Bearer {token}"}) as client,
            ):

                async def is_completed() -> bool:
                    answer = await client.get("/interactions/chat-1")
                    return answer.status_code == 200 and answer.json()["outcome"]["disposition"] == "solved"

                await eventually(is_completed, timeout_seconds=20)
                said = (await client.get("/interactions/chat-1/messages")).json()["messages"]
                await eventually(lambda: log.records(ROUTING_INPUTS.name))
            stop.set()

    assert [line["number"] for line in said] == [1, 2, 3]
    [facts] = [decode(record.value, record.headers).data for record in log.records(ROUTING_INPUTS.name)]
    assert isinstance(facts, CustomerFacts)
    assert not facts.known
    assert [record.value for record in log.records(dead_letter_topic("messages", GROUP))] == [b"{broken"]


def log_of(chat: Conversation) -> MemoryLog:
    """A conversation in its topics, behind a record that nobody can read."""
    log = MemoryLog(
        dict.fromkeys((*TOPICS, ROUTING_INPUTS.name, *(dead_letter_topic(topic, GROUP) for topic in TOPICS)), 1)
    )
    headers = ((f"ce_{name}", b"x") for name in ("id", "source"))
    broken = Outgoing(
        topic="messages", key=b"k", value=b"{broken", headers=(*headers, ("ce_type", b"message.received"))
    )
    log.land(broken, Partition("messages", 0))
    topics = Topics()
    for record in map(topics.land, chat.events()):
        outgoing = Outgoing(topic=record.topic, key=record.key, value=record.value, headers=record.headers)
        log.land(outgoing, record.at)
    return log
