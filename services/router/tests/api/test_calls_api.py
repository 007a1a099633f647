"""Calls over HTTP: which command of whom goes to the voice gateway, who may, what is audited, and who is told."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from contracts import Event, decode
from contracts.call_commands import AttachTranscript, DropLeg, MuteCall, PauseRecording, SendKeys, SuperviseCall
from contracts.calls import CallCommandRefused, KeysPressed, LegStarted, RecordingChanged, Supervised
from contracts.interactions import InteractionStarted
from contracts.topics import COMMANDS_VOICE
from router.api.live import EventPush
from router.api.testing import PARTITIONS, TOPIC_PARTITIONS, RunningApi, append, running_api
from servicekit.auth import Role
from servicekit.ports import Partition
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase

Json = dict[str, Any]  # Any: a document as a client sees it
CALL = "/assignments/i-voice.t1.o1.a/call"
CHAT = "/assignments/i-chat.t1.o1.a/call"
OF_ANN = "/agents/ann/assignments/i-voice.t1.o1.a/supervision"
ACTS: list[tuple[str, str, Json | None, type, Json]] = [
    ("POST", f"{CALL}/keys", {"keys": "1*#"}, SendKeys, {"personal": {"keys": "1*#"}}),
    ("PUT", f"{CALL}/mute", {"muted": True}, MuteCall, {"muted": True}),
    ("PUT", f"{CALL}/recording", {"paused": False}, PauseRecording, {"paused": False}),
    ("DELETE", f"{CALL}/legs/leg-2", None, DropLeg, {"leg_id": "leg-2"}),
]


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, api_key_pepper="p" * 32
    ) as running:
        await configure(running)
        await project(running)
        yield running


async def configure(api: RunningApi) -> None:
    document = api.configuration(("ann", "bob", "sue", "tom", "uma"))
    phones: dict[str, Json] = {"sue": {"kind": "sip"}, "tom": {"kind": "browser"}, "ann": {"kind": "sip"}}
    document["agents"] = [each | {"phone": phones.get(each["id"])} for each in document["agents"]]
    document["clients"].append("other")
    document["agents"][3]["clients"] = ["other"]
    by_voice = {**document["channels"][0], "address": f"tel:{api.tenant_id}", "channel": "voice"}
    document["channels"].append(by_voice)
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=document, headers={"if-match": '"0"'})
        assert answer.status_code == 200, answer.text


async def project(api: RunningApi, **changes: object) -> None:
    """Ann has a call, unless it is changed, and a chat."""
    call = {**api.assignment("i-voice"), "channel": "voice", **changes}
    await api.project("ann", assignments=[call, api.assignment("i-chat")])


async def commands(api: RunningApi) -> list[Event]:
    """All that the voice gateway was asked for."""
    partitions = [Partition(COMMANDS_VOICE.name, number) for number in range(PARTITIONS)]
    async with api.log.reader("test") as reader:
        await reader.assign({each: (await reader.bounds(each))[0] for each in partitions})
        records = await reader.read(records_max=100, timeout_seconds=0.5)
    return [decode(record.value, record.headers) for record in records]


async def audited(api: RunningApi) -> Sequence[Any]:
    async with api.database.transaction(api.tenant_id) as transaction:
        rows = await transaction.all("SELECT actor, action, target, content::text AS content FROM audit ORDER BY at_ms")
    return [row for row in rows if row["action"].startswith("call.")]


async def write(api: RunningApi, data: Any) -> None:  # Any: an event's data about an interaction
    event = Event(id="e", source="/test", tenant_id=api.tenant_id, subject=data.interaction_id, time_ms=0, data=data)
    async with api.log.writer("test") as writer:
        await append(writer, event, key=data.interaction_id, partition=0)


async def begun(api: RunningApi, interaction_id: str, address: str) -> None:
    """The interaction is known to be of client `brand`, by this address."""
    started = InteractionStarted(
        interaction_id=interaction_id,
        domain=api.place.domain,
        client="brand",
        channel="voice",
        address=address,
        started_at_ms=1,
    )
    await write(api, started)

    async def known() -> bool:
        return "client" in await api.live.about(api.place, interaction_id)

    assert await eventually(known)


@pytest.mark.parametrize(("method", "path", "body", "kind", "fields"), ACTS)
async def test_an_agent_s_act_becomes_a_command_with_its_assignment_and_sequence(
    api: RunningApi, method: str, path: str, body: Json | None, kind: type, fields: Json
) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answers = [
            await ann.request(method, path, json=body, headers={"idempotency-key": "k1"}),
            await ann.request(method, path, json=body, headers={"idempotency-key": "k1"}),
        ]
    first, again = await commands(api)

    assert [answer.status_code for answer in answers] == [202, 202]
    assert first.id == again.id == answers[0].json()["request_id"]
    data: Any = first.data
    assert type(first.data) is kind
    assert {name: getattr(data, name) for name in fields} == fields
    assert (data.command_id, data.interaction_id, data.domain) == (first.id, "i-voice", api.place.domain)
    assert (data.agent_id, data.assignment_id) == ("ann", "i-voice.t1.o1.a")
    assert data.assignment_sequence == "0001-000000000000001-00000"
    assert await audited(api) == []


@pytest.mark.parametrize(("method", "path", "body", "kind", "fields"), ACTS)
async def test_a_conversation_that_is_no_call_or_over_or_another_s_is_refused(
    api: RunningApi, method: str, path: str, body: Json | None, kind: type, fields: Json
) -> None:
    async with api.client(api.token("ann", "agent")) as ann, api.client(api.token("bob", "agent")) as bob:
        chat = await ann.request(method, path.replace(CALL, CHAT), json=body)
        foreign = await bob.request(method, path, json=body)
        await project(api, state="wrapup")
        over = await ann.request(method, path, json=body)

    assert (chat.status_code, chat.json()["code"]) == (409, "not_a_call")
    assert chat.headers["content-type"] == "application/problem+json"
    assert (foreign.status_code, foreign.json()["code"]) == (404, "assignment_gone")
    assert (over.status_code, over.json()["code"]) == (409, "assignment_over")
    assert await commands(api) == []


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("owner", [SendKeys, MuteCall, PauseRecording, DropLeg]),
        ("participant", [SendKeys, MuteCall, PauseRecording]),
        ("consultant", [MuteCall]),
    ],
)
async def test_who_helps_unseen_does_nothing_that_the_customer_would_notice(
    api: RunningApi, role: str, allowed: list[type]
) -> None:
    await project(api, role=role)
    async with api.client(api.token("ann", "agent")) as ann:
        answers = [await ann.request(method, path, json=body) for method, path, body, _, _ in ACTS]

    assert [type(event.data) for event in await commands(api)] == allowed
    assert {answer.json()["code"] for answer in answers if answer.status_code != 202} <= {"role_forbids"}


@pytest.mark.parametrize("keys", ["", "12a", "1 2", "1" * 65])
async def test_what_is_no_key_is_refused(api: RunningApi, keys: str) -> None:
    async with api.client(api.token("ann", "agent")) as ann:
        answer = await ann.post(f"{CALL}/keys", json={"keys": keys})

    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (422, "/keys")


async def test_a_supervisor_listens_whispers_and_leaves_each_with_one_audit_row(api: RunningApi) -> None:
    async with api.client(api.token("sue", "supervisor")) as sue:
        answers = [
            await sue.post(OF_ANN, json={"mode": "spy"}, headers={"idempotency-key": "k1"}),
            await sue.post(OF_ANN, json={"mode": "spy"}, headers={"idempotency-key": "k1"}),
            await sue.post(OF_ANN, json={"mode": "whisper"}),
            await sue.delete(OF_ANN),
        ]
    told = await commands(api)

    assert [answer.status_code for answer in answers] == [202] * 4
    assert [event.id for event in told] == [answer.json()["request_id"] for answer in answers]
    assert [event.data.mode for event in told] == ["spy", "spy", "whisper", "over"]  # type: ignore[attr-defined]  # of the type
    data = told[0].data
    assert isinstance(data, SuperviseCall)
    assert (data.supervisor_id, data.agent_id, data.assignment_id) == ("sue", "ann", "i-voice.t1.o1.a")
    assert (data.command_id, data.interaction_id, data.announced) == (told[0].id, "i-voice", True)
    assert data.assignment_sequence == "0001-000000000000001-00000"
    rows = await audited(api)
    assert [(row["actor"], row["action"], row["target"]) for row in rows] == [
        ("sue", "call.supervise", "i-voice.t1.o1.a")
    ] * 3
    assert [json.loads(row["content"])["mode"] for row in rows] == ["spy", "whisper", "over"]


async def test_whether_the_agent_is_told_stands_in_the_configuration(api: RunningApi) -> None:
    async with api.client(api.token("root", "admin")) as admin:
        document = (await admin.get("/configuration")).json()
        document["domains"][0]["supervision"] = {"announced": False}
        answer = await admin.put("/configuration", json=document, headers={"if-match": '"1"'})
        assert answer.status_code == 200, answer.text
    async with api.client(api.token("sue", "supervisor")) as sue:
        await sue.post(OF_ANN, json={"mode": "spy"})

    [event] = await commands(api)
    assert isinstance(event.data, SuperviseCall)
    assert not event.data.announced


@pytest.mark.parametrize(
    ("subject", "roles", "path", "status", "code"),
    [
        ("sue", ["agent"], OF_ANN, 403, "role_missing"),
        ("sue", ["integrator"], OF_ANN, 403, "role_missing"),
        ("uma", ["supervisor"], OF_ANN, 409, "no_phone"),
        ("stranger", ["supervisor"], OF_ANN, 409, "no_phone"),
        ("tom", ["supervisor"], OF_ANN, 403, "client_forbidden"),
        ("ann", ["supervisor"], OF_ANN, 422, "own_call"),
        ("sue", ["supervisor"], OF_ANN.replace("ann", "bob"), 404, "assignment_gone"),
        ("sue", ["supervisor"], OF_ANN.replace("ann", "nobody"), 404, "agent_unknown"),
        ("sue", ["supervisor"], OF_ANN.replace("i-voice", "i-chat"), 409, "not_a_call"),
    ],
)
async def test_who_may_not_listen_is_refused_and_nothing_is_asked(
    api: RunningApi, subject: str, roles: list[Role], path: str, status: int, code: str
) -> None:
    async with api.client(api.token(subject, *roles)) as client:
        answer = await client.post(path, json={"mode": "spy"})

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await commands(api) == []
    assert await audited(api) == []


async def test_a_supervisor_of_another_tenant_finds_nobody(api: RunningApi) -> None:
    async with api.client(api.token("sue", "supervisor", tenant_id="stranger")) as sue:
        answer = await sue.post(OF_ANN, json={"mode": "spy"})

    assert (answer.status_code, answer.json()["code"]) == (404, "agent_unknown")
    assert await commands(api) == []


async def test_a_supervisor_of_some_clients_hears_calls_of_those(api: RunningApi) -> None:
    async with api.client(api.token("root", "admin")) as admin:
        document = (await admin.get("/configuration")).json()
        document["agents"][3]["clients"] = ["brand"]
        await admin.put("/configuration", json=document, headers={"if-match": '"1"'})
    async with api.client(api.token("tom", "supervisor")) as tom:
        before = await tom.post(OF_ANN, json={"mode": "spy"})
        await begun(api, "i-voice", f"tel:{api.tenant_id}")
        after = await tom.post(OF_ANN, json={"mode": "spy"})

    assert (before.status_code, after.status_code) == (403, 202)


async def test_an_integrator_attaches_a_transcript_whose_words_stand_in_no_audit(api: RunningApi) -> None:
    wish: Json = {"transcript_id": "tr-1", "language": "it", "recording_id": "r-1", "text": "a secret"}
    segments = [{"from_ms": 0, "to_ms": 900, "party": "customer", "text": "hello"}]
    path = "/interactions/i-voice/transcripts"
    async with api.client(api.token("root", "admin")) as admin:
        key = (await admin.post("/api-keys", json={"integration": "scribe"})).json()["key"]
    async with api.client(key) as scribe:
        answers = [
            await scribe.post(path, json=wish, headers={"idempotency-key": "k1"}),
            await scribe.post(path, json=wish, headers={"idempotency-key": "k1"}),
            await scribe.post(path, json={**wish, "text": "other words"}, headers={"idempotency-key": "k1"}),
            await scribe.post(path, json={"transcript_id": "tr-2", "language": "it", "segments": segments}),
        ]
    told = [event.data for event in await commands(api)]

    assert [answer.status_code for answer in answers] == [202] * 4
    assert [each.personal for each in told if isinstance(each, AttachTranscript)] == [
        {"text": "a secret"},
        {"text": "a secret"},
        {"text": "other words"},
        {"segments": segments},
    ]
    ids = [answer.json()["request_id"] for answer in answers]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    rows = await audited(api)
    assert [(row["action"], row["target"]) for row in rows] == [("call.attach_transcript", "i-voice")] * 3
    assert "secret" not in "".join(row["content"] for row in rows)


async def test_transcripts_of_chats_and_by_agents_are_refused(api: RunningApi) -> None:
    await begun(api, "i-chat", f"web:{api.tenant_id}")
    wish = {"transcript_id": "tr-1", "language": "it", "text": "x"}
    async with api.client(api.token("scribe", "integrator")) as scribe, api.client(api.token("ann", "agent")) as ann:
        chat = await scribe.post("/interactions/i-chat/transcripts", json=wish)
        both = await scribe.post("/interactions/i-voice/transcripts", json={**wish, "segments": []})
        other = await scribe.post("/interactions/i-voice/transcripts", json={**wish, "domain": "elsewhere"})
        by_ann = await ann.post("/interactions/i-voice/transcripts", json=wish)

    assert (chat.status_code, chat.json()["code"]) == (409, "not_a_call")
    assert (both.status_code, by_ann.status_code) == (422, 403)
    assert (other.status_code, other.json()["code"]) == (422, "domain_unknown")
    assert await commands(api) == []


async def test_nothing_is_written_in_a_call(api: RunningApi) -> None:
    path = CALL.replace("/call", "/messages")
    async with api.client(api.token("ann", "agent")) as ann:
        answers = [
            await ann.post(path, json={"message_id": "m1", "text": "hi"}),
            await ann.post(path, json={"message_id": "m2", "text": "hi", "visibility": "internal"}),
        ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [(409, "channel_has_no_messages")] * 2
    assert await commands(api) == []


async def test_agents_are_told_what_happens_but_not_of_keys_nor_of_who_listens_in_silence(api: RunningApi) -> None:
    await api.live.push([taken(api)])
    of_all = {"interaction_id": "i-voice", "domain": api.place.domain}
    leg: Json = {"leg_id": "l", "direction": "outbound", "started_at_ms": 1, **of_all}
    supervised: Json = {"supervisor_id": "sue", "agent_id": "ann", "mode": "spy", "supervised_at_ms": 1, **of_all}
    for data in (
        LegStarted(party="customer", **leg),
        LegStarted(party="supervisor", **leg),
        KeysPressed(leg_id="l", pressed_at_ms=1, personal={"keys": "4111"}, **of_all),
        Supervised(announced=False, **supervised),
        Supervised(announced=True, **supervised),
        CallCommandRefused(command_id="c1", reason="leg_unknown", refused_at_ms=1, agent_id="bob", **of_all),
        CallCommandRefused(command_id="c2", reason="leg_unknown", refused_at_ms=1, agent_id=None, **of_all),
        RecordingChanged(recording_id="r", state="paused", changed_at_ms=1, **of_all),
    ):
        await write(api, data)

    of_ann = await frames(api, "ann", last="call.recording_changed")
    of_bob = await frames(api, "bob", last="call.command_refused")
    assert [each["type"] for each in of_ann] == [
        "task.assigned",
        "call.leg_started",
        "call.supervised",
        "call.recording_changed",
    ]
    assert of_ann[1]["data"]["party"] == "customer"
    assert [each["data"]["command_id"] for each in of_bob] == ["c1"]


def taken(api: RunningApi) -> EventPush:
    return EventPush(
        api.place,
        "take",
        "ann",
        sequence="0001-000000000000001-00000",
        frame='{"type":"task.assigned"}',
        interaction_id="i-voice",
        assignment_id="i-voice.t1.o1.a",
    )


async def frames(api: RunningApi, agent_id: str, *, last: str) -> list[Json]:
    """What the agent was told up to the frame of this type."""

    async def there() -> list[Json] | None:
        entries: Any = await api.redis.xrange(api.place.key(f"push:{agent_id}"))
        found = [json.loads(fields[b"frame"]) for _, fields in entries]
        return found if found and found[-1]["type"] == last else None

    found = await eventually(there)
    assert found is not None
    return found
