"""Calls in the story: each thing once and in order, whatever is read twice or in another order; who sees what."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from contracts import Event
from contracts.calls import (
    CallCommandRefused,
    CallMeasured,
    KeysPressed,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegStarted,
    MenuChosen,
    Pause,
    RecordingChanged,
    RecordingReady,
    RecordingRemoved,
    Supervised,
    SurveyAnswered,
    TranscriptAttached,
)
from contracts.interactions import InteractionStarted
from crm.app import application
from crm.consumers import GROUP, reactions
from crm.domain import calls
from crm.settings import CrmSettings
from crm.store import PostgresCrmStore
from crm.testing import CrmTables, MemoryCrmStore, Topics
from crm.transaction import CrmStore
from hypothesis import given, settings
from hypothesis import strategies as st
from servicekit.auth import Role
from servicekit.run import Shell
from servicekit.store import EVERY_TENANT
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tokens import TokenIssuer
from servicekit.testing.virtual import VirtualClock, run_virtual
from servicekit.transactional import TransactionalProcessor

Json = dict[str, Any]  # Any: a document as a client sees it
TELEMETRY = Telemetry("test")
ISSUER = TokenIssuer.generate()
SHELL = Shell(SystemClock(), SystemIds(), SystemChance(), MemoryLog({}), TELEMETRY)
FIRST_MS = 1_767_225_600_000
CALL: Json = {"interaction_id": "call-1", "domain": "acme.main"}
LEG: Json = {"leg_id": "leg-1", "party": "customer", **CALL}
OF_ANA: Json = {"leg_id": "leg-2", "party": "agent", "agent_id": "ana", **CALL}
OF_SUE: Json = {"leg_id": "leg-3", "party": "supervisor", "agent_id": "sue", **CALL}
SEGMENTS = [{"from_ms": 0, "to_ms": 900, "party": "customer", "text": "Where is it?"}]
RECORDING: Json = {"recording_id": "rec-1", **CALL}
READY = RecordingReady(
    kind="talk",
    blob_id="blob-1",
    size_bytes=9,
    sha256="0" * 64,
    content_type="audio/wav",
    begun_at_ms=FIRST_MS,
    seconds=46.5,
    keep_until_ms=FIRST_MS + 9,
    pauses=(Pause(from_ms=1, to_ms=2),),
    **RECORDING,
)
TOLD: list[object] = [
    LegStarted(direction="inbound", started_at_ms=1, personal={"number": "+39 02", "name": "Kim"}, **LEG),
    LegAnswered(by="unknown", answered_at_ms=1, **LEG),
    MenuChosen(menu="first", key="1", chosen_at_ms=1, **CALL),
    KeysPressed(leg_id="leg-1", pressed_at_ms=1, personal={"keys": "4111"}, **CALL),
    LegStarted(direction="outbound", started_at_ms=1, assignment_id="a-1", **OF_ANA),
    LegRinging(ringing_at_ms=1, **OF_ANA),
    LegAnswered(by="human", answered_at_ms=1, **OF_ANA),
    RecordingChanged(state="started", changed_at_ms=1, **RECORDING),
    LegStarted(direction="outbound", started_at_ms=1, **OF_SUE),
    Supervised(supervisor_id="sue", agent_id="ana", mode="spy", announced=False, supervised_at_ms=1, **CALL),
    Supervised(supervisor_id="sue", agent_id="ana", mode="whisper", announced=True, supervised_at_ms=1, **CALL),
    CallCommandRefused(command_id="c", reason="leg_unknown", refused_at_ms=1, **CALL),
    LegEnded(cause="hung_up", by_us=False, sip_code=200, jitter_ms=2.5, ended_at_ms=1, **LEG),
    SurveyAnswered(survey="after", question="solved", key="5", answered_at_ms=1, agent_id="ana", **CALL),
    CallMeasured(duration_ms=61_000, ring_ms=9, wait_ms=4_100, talk_ms=46_900, hold_ms=0, measured_at_ms=1, **CALL),
    READY,
    TranscriptAttached(transcript_id="tr-1", language="it", attached_at_ms=5, personal={"text": "old"}, **CALL),
    TranscriptAttached(transcript_id="tr-1", language="en", attached_at_ms=6, personal={"segments": SEGMENTS}, **CALL),
    RecordingRemoved(reason="expired", removed_at_ms=1, **RECORDING),
]
TO_AGENTS = [
    "customer calls",
    "customer answers",
    "key 1 in menu first",
    "ana is called",
    "the phone of ana rings",
    "ana answers",
    "recording started",
    "sue with ana: whisper",
    "customer is gone (hung_up)",
    "survey after: 5 to solved",
    "talked for 47 s after 4 s of waiting",
    "recording of 46.5 s",
    "transcript",
    "transcript",
    "recording removed (expired)",
]
TO_SUPERVISORS = [*TO_AGENTS[:7], "sue is called", "sue with ana: spy", *TO_AGENTS[7:]]


def events(tenant_id: str = "acme") -> list[Event]:
    return [
        Event(
            id=f"e-{place}",
            source="/voice-gateway",
            tenant_id=tenant_id,
            subject="call-1",
            time_ms=FIRST_MS + 10 * place,
            data=data,
        )
        for place, data in enumerate(TOLD)
    ]


async def read(store: CrmStore, told: Sequence[Event], topics: Topics, *, batch: int = 1) -> None:
    processor = TransactionalProcessor(
        group=GROUP, store=store, reactions=reactions(VirtualClock()), telemetry=TELEMETRY
    )
    records = [topics.land(each) for each in told]
    for first in range(0, len(records), batch):
        await processor.process(records[first : first + batch])


async def kept_of(told: Sequence[Event], batch: int = 1) -> CrmTables:
    store = MemoryCrmStore()
    await read(store, told, Topics(), batch=batch)
    return store.database.tables


EXPECTED = run_virtual(kept_of(events()))


def test_what_is_expected_here_is_right() -> None:
    steps = [EXPECTED.call_steps[key] for key in EXPECTED.call_steps]

    assert [calls.sentence(step.type, step.told) for step in steps] == TO_SUPERVISORS
    assert [calls.sentence(step.type, step.told) for step in steps if not step.confidential] == TO_AGENTS
    assert [step.number for step in steps] == sorted({step.number for step in steps})
    assert steps[0].told == {"leg_id": "leg-1", "party": "customer", "direction": "inbound", "started_at_ms": 1} | {
        "number": "+39 02"
    }
    [transcript] = EXPECTED.transcripts.values()
    assert (transcript.language, transcript.text, transcript.segments) == ("en", None, SEGMENTS)


def test_keys_and_names_of_blobs_stand_nowhere() -> None:
    told = json.dumps([dict(step.told) for step in EXPECTED.call_steps.values()])

    assert "4111" not in told
    assert "blob-1" not in told


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(TOLD) - 1), max_size=8), st.integers(1, 30))
def test_what_is_told_again_changes_nothing(again: list[int], batch: int) -> None:
    """A gateway that does not know what it has told tells it again, from some event on."""
    told = events()
    for place in again:
        told += events()[place:]

    tables = run_virtual(kept_of(told, batch))

    assert tables.call_steps == EXPECTED.call_steps
    assert tables.transcripts == EXPECTED.transcripts


def test_what_comes_encrypted_has_no_number_and_no_words() -> None:
    sealed: Json = {"kid": "k", "ct": "AA"}
    leg = LegStarted(direction="inbound", started_at_ms=1, personal=sealed, **LEG)
    said = TranscriptAttached(transcript_id="tr-1", language="it", attached_at_ms=5, personal=sealed, **CALL)
    first, second = events()[:2]

    tables = run_virtual(kept_of([replace(first, data=leg), replace(second, data=said)]))

    assert "number" not in tables.call_steps["acme", "call-1", "e-0"].told
    transcript = tables.transcripts["acme", "call-1", "tr-1"]
    assert (transcript.text, transcript.segments) == (None, [])


@pytest.fixture
async def kept(postgres: FreshDatabase) -> AsyncGenerator[MigratedDatabase, None]:
    async with migrated(postgres.admin_url, "crm") as kept:
        yield kept


async def test_the_database_keeps_what_memory_does_for_each_tenant(kept: MigratedDatabase) -> None:
    """Each is told in batches of another size, some twice."""
    store, topics, random = PostgresCrmStore(kept.database), Topics({"messages": 0}), Random(7)
    tenants = [f"tenant-{number}" for number in range(6)]
    for number, tenant in enumerate(tenants):
        told = events(tenant)
        await read(store, told + told[random.randrange(len(told)) :], topics, batch=(1, 4, 99)[number % 3])

    for tenant in tenants:
        async with kept.database.transaction(tenant) as tx:
            steps = await tx.all("SELECT * FROM call_step ORDER BY number")
            spoken = await tx.all("SELECT * FROM transcript")
        assert {row["tenant_id"] for row in steps} == {tenant}
        assert [(row["event_id"], row["type"], row["told"], row["confidential"]) for row in steps] == [
            (step.event_id, step.type, step.told, step.confidential) for step in EXPECTED.call_steps.values()
        ]
        assert [(row["transcript_id"], row["language"], row["segments"]) for row in spoken] == [
            ("tr-1", "en", SEGMENTS)
        ]


@pytest.fixture
async def client(kept: MigratedDatabase, tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient, None]:
    """The API, behind which the call of Kim is known."""
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(ISSUER.jwks()))
    started = InteractionStarted(
        client="shop",
        channel="voice",
        address="tel:3902",
        started_at_ms=FIRST_MS,
        personal={"identifiers": [{"type": "phone", "value": "+390212345678", "verified": True}]},
        **CALL,
    )
    begun = replace(events()[0], id="e-begun", data=started)
    await read(PostgresCrmStore(kept.database), [begun, *events(), *events("globex")], Topics())
    app = application(CrmSettings(jwks_url=f"file:{keys}"), SHELL, kept.database)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/crm/v1") as client:
        yield client


async def found(client: httpx.AsyncClient, path: str, role: Role = "agent", **query: str | int) -> Json:
    token = ISSUER.token(subject="ana", tenant_id="acme", roles=[role], now_ms=SystemClock().now_ms())
    answer = await client.get(path, params=query, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


@pytest.mark.parametrize(
    ("role", "expected"), [("agent", TO_AGENTS), ("supervisor", TO_SUPERVISORS), ("admin", TO_SUPERVISORS)]
)
async def test_the_story_of_a_call_is_complete_and_in_order_for_who_may_know_it(
    client: httpx.AsyncClient, role: Role, expected: list[str]
) -> None:
    call = await found(client, "/interactions/call-1", role)
    [customer] = (await found(client, "/customers", role))["customers"]
    lines: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await found(client, f"/customers/{customer['customer_id']}/timeline", role, limit=4, **cursor)
        lines += [entry["summary"] for entry in page["entries"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert [line["summary"] for line in call["call"]] == expected
    assert lines == [*reversed(expected), "voice"]
    chain = await found(client, "/interactions/call-1/chain", role, limit=99)
    assert [entry["kind"] for entry in chain["entries"]] == ["call"] * len(expected) + ["interaction"]


async def test_a_transcript_is_read_beside_the_story(client: httpx.AsyncClient) -> None:
    answer = await found(client, "/interactions/call-1/transcripts")

    [transcript] = answer["transcripts"]
    assert (transcript["transcript_id"], transcript["language"], transcript["text"]) == ("tr-1", "en", None)
    assert transcript["segments"] == SEGMENTS


async def test_a_call_of_another_tenant_is_unknown(client: httpx.AsyncClient) -> None:
    token = ISSUER.token(subject="ana", tenant_id="initech", roles=["supervisor"], now_ms=SystemClock().now_ms())
    for path in ("/interactions/call-1", "/interactions/call-1/transcripts", "/interactions/call-1/chain"):
        answer = await client.get(path, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 404, path


async def test_the_store_opens_every_tenant_to_consumers_alone(kept: MigratedDatabase) -> None:
    store = PostgresCrmStore(kept.database)
    await read(store, events(), Topics())

    async with kept.database.transaction(EVERY_TENANT) as tx:
        assert len(await tx.all("SELECT event_id FROM call_step")) == len(EXPECTED.call_steps)
    async with kept.database.transaction("globex") as tx:
        assert await tx.all("SELECT event_id FROM call_step") == []
