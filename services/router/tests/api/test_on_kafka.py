"""The API over Kafka's protocol: a command, its result, and the push."""

import asyncio
import json
from pathlib import Path

from contracts.agents import AgentStateChanged
from router.api.testing import TOPIC_PARTITIONS, running_api
from servicekit.kafka import KafkaLog
from servicekit.telemetry import Telemetry
from servicekit.testing.parts import create_topic, part
from servicekit.testing.plugin import FreshDatabase
from websockets.asyncio.client import connect


async def test_a_command_is_answered_and_an_event_reaches_the_socket(
    redis_url: str, postgres: FreshDatabase, tmp_path: Path
) -> None:
    with part("kafka") as bootstrap:
        for name, partitions in TOPIC_PARTITIONS.items():
            await create_topic(bootstrap, name, partitions=partitions)
        log = KafkaLog(bootstrap, client_id="test", delivery_timeout_seconds=10, telemetry=Telemetry("test"))
        async with running_api(log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path) as api:
            await api.configure()
            await api.project("ann")
            async with api.client(api.token("ann", "agent")) as ann:
                answer = await ann.put("/me/state", json={"state": "ready"})
                ticket = (await ann.post("/socket-tickets")).json()["ticket"]
            url = f"{api.url.replace('http:', 'ws:')}/router/v1/agent-socket?ticket={ticket}"
            async with connect(url) as connection:
                hello = json.loads(await asyncio.wait_for(connection.recv(), 5))
                changed = AgentStateChanged(
                    agent_id="ann",
                    domain=api.place.domain,
                    state="ready",
                    reason_code=None,
                    cause="command",
                    changed_at_ms=7,
                )
                await api.engine.publish(api.tenant_id, changed)
                frame = json.loads(await asyncio.wait_for(connection.recv(), 10))
                while frame["type"] != "agent.state_changed":
                    frame = json.loads(await asyncio.wait_for(connection.recv(), 10))

    assert answer.status_code == 200, answer.text
    assert hello["type"] == "hello"
    assert frame["data"]["changed_at_ms"] == 7
