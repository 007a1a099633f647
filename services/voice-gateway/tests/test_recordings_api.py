"""Who hears a recording, and that it is written down."""

import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from gatewaykit.links import LinkKeys
from gatewaykit.links_api import files_router
from gatewaykit.testing.memory_blobs import MemoryBlobs
from httpx import ASGITransport, AsyncClient, Response
from servicekit.auth import Role, TokenVerifier, jwks_source
from servicekit.errors import RetryLaterError
from servicekit.store import MemoryDatabase, Tenant
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import SetClock
from servicekit.testing.tokens import TokenIssuer
from servicekit.testing.virtual import SeededIds
from servicekit.web import create_app
from voice_gateway.domain.waves import music
from voice_gateway.recordings import RecordingMetrics, RecordingRetention
from voice_gateway.recordings_api import ListeningPolicy, RecordingsApi
from voice_gateway.recordings_tables import Recording, RecordingTransaction, State
from voice_gateway.testing.recordings_memory import MemoryRecordings, RecordingTables

KEYS = LinkKeys(["0123456789abcdef0123456789abcdef"])
URL = "http://test/voice/v1"
DAY_MS = 86_400_000


class Transaction(MemoryRecordings[RecordingTables]):
    pass


class MemoryStore:
    def __init__(self) -> None:
        self.database = MemoryDatabase(RecordingTables())
        self.away = False

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[RecordingTransaction, None]:
        async with self.database.transaction(tenant, Transaction) as transaction:
            yield transaction
            if self.away:
                raise RetryLaterError("away")


class House:
    """A gateway with recordings of two tenants; `clients` are those whom somebody serves."""

    def __init__(self, folder: Path, *, agents_hear_talks: bool = False) -> None:
        self.clock = SetClock()
        self.issuer = TokenIssuer.generate()
        (folder / "jwks.json").write_text(json.dumps(self.issuer.jwks()))
        self.store, self.blobs = MemoryStore(), MemoryBlobs()
        self.clients: dict[str, frozenset[str]] = {}
        telemetry = Telemetry("test")
        retention = RecordingRetention(self.store, self.blobs, self.clock, RecordingMetrics(telemetry))
        api = RecordingsApi(
            self.store,
            retention,
            KEYS,
            lambda tenant_id, subject: self.clients.get(subject),
            ListeningPolicy(link_seconds=300, agents_hear_talks=agents_hear_talks),
            url=URL,
            clock=self.clock,
            ids=SeededIds(),
        )
        source = jwks_source((folder / "jwks.json").as_uri())
        self.app = create_app(
            "test",
            "/voice/v1",
            routers=[api.router(), files_router(self.blobs, KEYS, self.clock)],
            verifier=TokenVerifier(source, issuer="centralino", audience="centralino", clock=self.clock),
            telemetry=telemetry,
        )

    async def add(self, recording_id: str, *, kind: str = "talk", state: State = "kept", tenant: str = "acme") -> None:
        row = Recording(
            tenant_id=tenant,
            recording_id=recording_id,
            interaction_id=f"call-{recording_id}",
            domain="acme.main",
            client="shop",
            node="n1",
            kind=kind,
            begun_at_ms=self.clock.at_ms - 60_000,
            seconds=32.0,
            wanted_at_ms=self.clock.at_ms,
            keep_until_ms=self.clock.at_ms + DAY_MS,
            due_at_ms=None,
            state=state,
            size_bytes=len(music()),
            sha256=hashlib.sha256(music()).hexdigest(),
            reason="expired" if state == "removed" else None,
        )
        async with self.store.transaction(tenant) as tx:
            await tx.want_recording(row)
            await tx.note_agent(tenant, row.interaction_id, "ada", at_ms=self.clock.at_ms)
        if state == "kept":
            await self.blobs.put(tenant, recording_id, music(), bytes_max=10_000_000)

    async def ask(
        self, path: str, *, method: str = "GET", subject: str = "sam", role: Role = "supervisor", tenant: str = "acme"
    ) -> Response:
        token = self.issuer.token(subject=subject, tenant_id=tenant, roles=[role], now_ms=self.clock.now_ms())
        async with self.client() as client:
            return await client.request(method, path, headers={"authorization": f"Bearer {token}"})

    def client(self) -> AsyncClient:
        return AsyncClient(transport=ASGITransport(app=self.app, raise_app_exceptions=False), base_url=URL)

    @property
    def audited(self) -> list[tuple[str, str, str, str]]:
        return self.store.database.tables.audit

    async def told(self) -> list[Any]:
        async with self.store.database.outbox.batch(rows_max=9) as batch:
            return [json.loads(row.outgoing.value or b"") for row in batch.rows]


@pytest.fixture
async def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    await house.add("r1")
    await house.add("v1", kind="voicemail")
    return house


async def test_a_supervisor_hears_a_recording_by_a_short_lived_link_and_it_is_written_down(house: House) -> None:
    answer = await house.ask("/recordings/r1")
    body = answer.json()
    async with house.client() as client:
        whole = await client.get(body["url"])
        part = await client.get(body["url"], headers={"range": "bytes=100-199"})
        house.clock.at_ms += 300_000
        late = await client.get(body["url"])

    assert (answer.status_code, body["kind"], body["seconds"]) == (200, "talk", 32.0)
    assert body["expires_at_ms"] == house.clock.at_ms
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, music(), "audio/wav")
    assert (part.status_code, part.content) == (206, music()[100:200])
    assert (late.status_code, late.json()["code"]) == (410, "link_expired")
    assert house.audited == [("acme", "sam", "recording.listen", "r1")]


@pytest.mark.parametrize(
    ("role", "subject", "recording_id", "hear_talks", "status"),
    [
        ("admin", "root", "r1", False, 200),
        ("supervisor", "sam", "v1", False, 200),
        ("agent", "ada", "v1", False, 200),
        ("agent", "ada", "r1", False, 403),
        ("agent", "ada", "r1", True, 200),
        ("agent", "bert", "r1", True, 403),
        ("agent", "bert", "v1", True, 403),
        ("integrator", "ada", "v1", True, 403),
    ],
)
async def test_others_hear_what_is_theirs(
    tmp_path: Path, role: Role, subject: str, recording_id: str, hear_talks: bool, status: int
) -> None:
    house = House(tmp_path, agents_hear_talks=hear_talks)
    await house.add(recording_id, kind="voicemail" if recording_id == "v1" else "talk")
    answer = await house.ask(f"/recordings/{recording_id}", subject=subject, role=role)

    assert answer.status_code == status
    assert len(house.audited) == (status == 200)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_tenants_recording_is_unknown(house: House, method: str) -> None:
    answers = [
        await house.ask("/recordings/r1", method=method, tenant="globex", role="admin"),
        await house.ask("/recordings/r2", method=method),
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [(404, "recording_unknown")] * 2
    assert house.audited == []
    assert ("acme", "r1") in house.blobs.kept


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_who_serves_named_clients_hears_no_others(house: House, method: str) -> None:
    house.clients = {"sam": frozenset({"bank"}), "eve": frozenset({"bank", "shop"})}
    refused = await house.ask("/recordings/r1", method=method)

    assert (refused.status_code, refused.json()["code"]) == (403, "client_forbidden")
    assert house.audited == []
    assert (await house.ask("/recordings/r1", method=method, subject="eve")).is_success


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("wanted", 409, "recording_not_ready"),
        ("failed", 410, "recording_failed"),
        ("removed", 410, "recording_removed"),
    ],
)
async def test_what_cannot_be_heard_says_why(house: House, state: State, status: int, code: str) -> None:
    await house.add("r2", state=state)
    answer = await house.ask("/recordings/r2")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert house.audited == []


async def test_what_cannot_be_written_down_is_not_heard(house: House) -> None:
    house.store.away = True

    assert (await house.ask("/recordings/r1")).status_code == 503
    assert (await house.ask("/recordings/r1", method="DELETE")).status_code == 503
    assert ("acme", "r1") in house.blobs.kept


async def test_a_recording_is_removed_on_demand_told_and_written_down(house: House) -> None:
    link = (await house.ask("/recordings/r1")).json()["url"]
    removed = await house.ask("/recordings/r1", method="DELETE")
    again = await house.ask("/recordings/r1", method="DELETE")
    async with house.client() as client:
        heard = await client.get(link)

    assert (removed.status_code, again.status_code, heard.status_code) == (204, 410, 404)
    assert [row[2] for row in house.audited] == ["recording.listen", "recording.remove"]
    assert [(each["recording_id"], each["reason"]) for each in await house.told()] == [("r1", "asked")]
    assert ("acme", "v1") in house.blobs.kept


async def test_agents_remove_nothing(house: House) -> None:
    assert (await house.ask("/recordings/v1", method="DELETE", subject="ada", role="agent")).status_code == 403
    assert ("acme", "v1") in house.blobs.kept
