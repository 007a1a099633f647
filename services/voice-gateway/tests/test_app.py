"""The service as the run shell runs it, on a Kafka-protocol broker and PostgreSQL: a simulated customer calls."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from contracts.commands import ConnectAssignment
from contracts.interactions import InteractionEnded
from contracts.topics import TOPICS
from servicekit.kafka import KafkaLog
from servicekit.outbox import PostgresOutbox
from servicekit.run import Shell, serve
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.parts import create_topic, part
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tokens import TokenIssuer
from voice_gateway.app import open_service
from voice_gateway.settings import VoiceSettings, nodes_of
from voice_gateway.store import PostgresVoiceStore
from voice_gateway.testing.house import House
from voice_gateway.testing.owning import ADA, NUMBER, TENANT

NODES = [{"name": "n1", "driver": "simulated"}]
CALLER = "+390000000001"


class Stack:
    """The running service, and the router beside it."""

    def __init__(self, house: House, client: httpx.AsyncClient, tokens: dict[str, str], health_port: int) -> None:
        self.house = house
        self.health_port = health_port
        self._client = client
        self._tokens = tokens

    async def ask(self, method: str, path: str, *, role: str = "agent", **more: object) -> httpx.Response:
        return await self._client.request(
            method,
            f"/voice/v1{path}",
            headers={"authorization": f"Bearer {self._tokens[role]}"},
            **more,  # type: ignore[arg-type]  # httpx's own
        )

    async def hears(self, phone: str) -> list[str]:
        answer = await self.ask("GET", f"/simulated/phones/{phone}")
        return list(answer.json().get("hears", []))


@pytest.fixture
async def stack(postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[Stack]:
    port, health_port = free_ports()
    with part("kafka") as bootstrap:
        for topic in TOPICS:
            await create_topic(bootstrap, topic.name, partitions=topic.partitions(4))
        issuer = TokenIssuer.generate()
        (tmp_path / "jwks.json").write_text(json.dumps(issuer.jwks()))
        async with migrated(postgres.admin_url, "voice_gateway") as kept:
            settings = VoiceSettings.model_validate(
                {
                    "kafka_bootstrap": bootstrap,
                    "database_url": kept.application_url,
                    "jwks_url": (tmp_path / "jwks.json").as_uri(),
                    "files_url": f"file://{tmp_path}",
                    "file_link_secrets": "l" * 32,
                    "secrets_path": tmp_path,
                    "public_url": f"http://127.0.0.1:{port}",
                    "voice_nodes": json.dumps(NODES),
                    "port": port,
                    "health_port": health_port,
                }
            )
            now_ms = SystemClock().now_ms()
            tokens = {
                "agent": issuer.token(subject=ADA, tenant_id=TENANT, roles=["agent"], now_ms=now_ms),
                "carla": issuer.token(subject="carla", tenant_id=TENANT, roles=["agent"], now_ms=now_ms),
                "admin": issuer.token(subject=ADA, tenant_id=TENANT, roles=["admin"], now_ms=now_ms),
            }
            async with (
                served(settings, kept, bootstrap) as house,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
            ):
                stack = Stack(house, client, tokens, health_port)
                await eventually(lambda: configured(stack), timeout_seconds=40)
                yield stack


@asynccontextmanager
async def served(settings: VoiceSettings, kept: MigratedDatabase, bootstrap: str) -> AsyncIterator[House]:
    telemetry = Telemetry("voice-gateway")
    log = KafkaLog(bootstrap, client_id="voice-gateway", delivery_timeout_seconds=10, telemetry=telemetry)
    shell = Shell(SystemClock(), SystemIds(), SystemChance(), log, telemetry)
    beside = replace(shell, telemetry=Telemetry("router"))
    house = House(beside, PostgresVoiceStore(kept.database), PostgresOutbox(kept.database))
    await house.configure()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve("voice-gateway", settings, open_service, shell=shell, stop=stop))
    async with house.opened():
        yield house
    stop.set()
    async with asyncio.timeout(30):
        await serving


def free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


async def configured(stack: Stack) -> bool:
    """The node is run, and the configuration known."""
    try:
        answer = await stack.ask("GET", "/nodes", role="admin")
    except httpx.TransportError:
        return False
    nodes = [{"node": "n1", "driver": "simulated", "owned": True, "connected": True}]
    return answer.status_code == 200 and answer.json()["nodes"] == nodes


async def test_a_simulated_customer_calls_waits_and_talks_with_the_agent_who_accepts(stack: Stack) -> None:
    refused = await stack.ask("POST", "/simulated/calls", json={"number": "+390699"})
    called = await stack.ask("POST", "/simulated/calls", json={"number": NUMBER})
    assert (refused.status_code, called.status_code) == (404, 201)
    forbidden = await stack.ask("GET", "/nodes")
    nothing = await stack.ask("POST", "/phone", role="carla")
    assert (forbidden.status_code, nothing.status_code) == (403, 409)
    house = stack.house
    await eventually(house.started, timeout_seconds=30)
    assert await stack.hears(CALLER) == ["music"]
    [interaction_id] = house.started()
    assert await eventually(lambda: house.routers[interaction_id].accept(ADA), timeout_seconds=30)
    await eventually(lambda: house.of(ConnectAssignment), timeout_seconds=30)
    given = (await stack.ask("POST", "/phone")).json()
    agent = given["endpoint_id"]
    assert await stack.hears(CALLER) == [agent]
    assert await stack.hears("mine") == [CALLER]
    assert given["kind"] == "simulated"
    assert [(place["node"], place["ready"]) for place in given["nodes"]] == [("n1", True)]
    again = (await stack.ask("POST", "/phone")).json()
    assert again["password"] != given["password"]

    await stack.ask("POST", f"/simulated/phones/{CALLER}/hang_up")
    await eventually(lambda: house.of(InteractionEnded), timeout_seconds=30)
    assert await stack.hears("mine") == []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.health_port}") as client:
        metrics = (await client.get("/metrics")).text
        health = await client.get("/health/live")
    assert health.json() == {"live": True, "troubles": {}}
    assert 'centralino_voice_setup_seconds_count{node="n1"} 1.0' in metrics
    assert 'centralino_voice_node_connected{node="n1"} 1.0' in metrics


@pytest.mark.parametrize(
    "text",
    [
        "[{",
        '[{"name": "a", "driver": "carrier pigeon"}]',
        '[{"name": "A b", "driver": "simulated"}]',
        '[{"name": "a", "driver": "simulated"}, {"name": "a", "driver": "simulated"}]',
        '[{"name": "a", "driver": "simulated", "calls": 3}]',
    ],
)
def test_nodes_that_cannot_be_are_refused_with_what_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        nodes_of(text)


def test_nodes_may_stand_in_a_file_and_their_password_in_another(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    node = {"name": "a", "driver": "asterisk", "url": "http://a", "password_file": str(tmp_path / "password")}
    (tmp_path / "nodes.json").write_text(json.dumps([node]))
    settings = VoiceSettings.model_validate(
        {
            "files_url": f"file://{tmp_path}",
            "file_link_secrets": "l" * 32,
            "secrets_path": tmp_path,
            "public_url": "http://127.0.0.1",
            "voice_nodes": str(tmp_path / "nodes.json"),
        }
    )

    assert [(each.name, each.password()) for each in settings.nodes] == [("a", "s3cret")]
