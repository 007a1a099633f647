"""Agents in written conversations, over HTTP: messages of every channel, what it can carry, texts, files."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from contracts import Event, decode
from contracts.channel_limits import limits_of
from contracts.commands import AddNote, JoinInteraction, ResendMessage, SendMessage, SplitInteraction
from contracts.interactions import InteractionStarted
from contracts.topics import COMMANDS_CHAT, COMMANDS_EMAIL, Topic
from contracts.written import WindowChanged
from gatewaykit.file_blobs import FileBlobs
from gatewaykit.links import LinkKeys
from router.api.store import ApiStore, Seat
from router.api.testing import PARTITIONS, TOPIC_PARTITIONS, RunningApi, append, running_api
from router.api.uploads import KEPT_MS, SLACK_MS, FileParts, Uploads, UploadSweep
from servicekit.ports import Partition
from servicekit.problems import ProblemError
from servicekit.system import SystemClock, SystemIds
from servicekit.testing.clients import AsyncClient
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import SetClock

HOUR_MS = 3_600_000
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
CHANNELS = ("whatsapp", "email", "webchat", "sms")
REPLIES: list[dict[str, Any]] = [
    {"id": "hi", "name": "Hi", "text": "Hello {customer_name}, {agent_name} of {client} ({queue}, {address}) {{:}}"},
    {"id": "hola", "name": "Hola", "text": "Hola", "language": "es"},
    {"id": "mail", "name": "Mail", "text": "Yours", "channels": ["email"]},
    {"id": "other", "name": "Other", "text": "Other", "queues": ["other"]},
]
Json = dict[str, Any]


@pytest.fixture
async def api(redis_url: str, postgres: FreshDatabase, tmp_path: Path) -> AsyncIterator[RunningApi]:
    log = MemoryLog(TOPIC_PARTITIONS)
    values: Json = {"files_url": (tmp_path / "files").as_uri(), "file_link_secrets": "s" * 32}
    async with running_api(
        log, redis_url=redis_url, admin_url=postgres.admin_url, folder=tmp_path, **values
    ) as running:
        await configure(running)
        mine = [{**running.assignment(f"i-{channel}"), "channel": channel} for channel in CHANNELS]
        await running.project("ann", assignments=mine)
        yield running


async def configure(api: RunningApi) -> None:
    document, domain = api.configuration(), api.place.domain
    web = document["channels"][0]
    accounts = {"whatsapp": "whatsapp", "sms": "twilio"}
    for channel, provider in accounts.items():
        account: Json = {"provider": provider, "account_id": "1"}
        address = f"{channel}:{api.tenant_id}"
        document["channels"].append({**web, "address": address, "channel": channel, "account": account})
    mailbox = {"sender_name": "Brand"}
    mail = {**web, "address": f"help@{api.tenant_id}.example", "channel": "email", "mailbox": mailbox}
    document["channels"].append(mail)
    document["queues"].append({**document["queues"][0], "id": "other", "name": "Other"})
    template: Json = {"domain": domain, "address": f"whatsapp:{api.tenant_id}", "language": "es", "name": "hola"}
    document["templates"] = [{**template, "id": "hola", "text": "Hola {name}, {what}"}]
    document["replies"] = [{**reply, "domain": domain} for reply in REPLIES]
    async with api.client(api.token("root", "admin")) as admin:
        answer = await admin.put("/configuration", json=document, headers={"if-match": '"0"'})
        assert answer.status_code == 200, answer.text


def ann(api: RunningApi) -> AsyncClient:
    return api.client(api.token("ann", "agent"))


def path(channel: str, rest: str) -> str:
    return f"/assignments/i-{channel}.t1.o1.a/{rest}"


async def commands(api: RunningApi, topic: Topic) -> list[Event]:
    async with api.log.reader("test") as reader:
        await reader.assign({Partition(topic.name, number): 0 for number in range(PARTITIONS)})
        records = await reader.read(records_max=100, timeout_seconds=1)
        return [decode(record.value, record.headers) for record in records]


async def write(api: RunningApi, data: Any) -> None:
    event = Event(id="e", source="/test", tenant_id=api.tenant_id, subject=data.interaction_id, time_ms=0, data=data)
    async with api.log.writer("test") as writer:
        await append(writer, event, key=data.interaction_id)


async def window(api: RunningApi, *, closes_in_hours: float) -> None:
    now_ms = SystemClock().now_ms()
    changed = WindowChanged(
        interaction_id="i-whatsapp",
        domain=api.place.domain,
        opens_at_ms=now_ms - 24 * HOUR_MS,
        closes_at_ms=now_ms + round(closes_in_hours * HOUR_MS),
        basis="customer_message",
        changed_at_ms=now_ms,
    )
    await write(api, changed)
    about = changed.closes_at_ms

    async def known() -> bool:
        return str(about) in (await api.live.about(api.place, "i-whatsapp")).get("window", "")

    assert await eventually(known)


@pytest.mark.parametrize(
    "wrong", ["anna", "Anna <anna@x.example>", "a@x.example, b@x.example", "", "a" * 400 + "@x.example"]
)
async def test_a_wrong_address_is_refused_with_what_to_do(api: RunningApi, wrong: str) -> None:
    written = {"message_id": "m1", "text": "hello", "cc": ["a@b.example", wrong]}
    async with ann(api) as client:
        answer = await client.post(path("email", "messages"), json=written)

    [fault] = answer.json()["faults"]
    assert (answer.status_code, fault["path"]) == (422, "/cc/1")
    assert fault["message"].startswith("must be an e-mail address alone, as in anna@shop.example")


async def test_the_command_goes_to_the_gateway_of_the_channel_notes_too(api: RunningApi) -> None:
    mail = {"subject": "Your tent", "html": "<p>x</p>", "mode": "reply_all", "cc": ["a@b.example"], "in_reply_to": "m0"}
    async with ann(api) as client:
        answers = [
            await client.post(path("email", "messages"), json={"message_id": "m1", "text": "hello", **mail}),
            await client.post(
                path("email", "messages"), json={"message_id": "m2", "text": "x", "visibility": "internal"}
            ),
            await client.post(path("sms", "messages"), json={"message_id": "m3", "text": "hi"}),
        ]
    by_mail, by_chat = await commands(api, COMMANDS_EMAIL), await commands(api, COMMANDS_CHAT)

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert [(event.id, type(event.data)) for event in by_mail] == [("m1", SendMessage), ("m2", AddNote)]
    assert [event.id for event in by_chat] == ["m3"]
    sent: Any = by_mail[0].data
    assert (sent.mode, sent.in_reply_to, sent.template) == ("reply_all", "m0", None)
    assert sent.personal == {"text": "hello", "cc": ["a@b.example"], "subject": "Your tent", "html": "<p>x</p>"}


async def test_what_the_channel_cannot_carry_is_told_and_not_sent(api: RunningApi) -> None:
    body = {"message_id": "m1", "text": "x" * 1601, "subject": "Hi"}
    async with ann(api) as client:
        answer = await client.post(path("sms", "messages"), json=body)
        shape = (await client.get(path("sms", "channel"))).json()

    assert (answer.status_code, answer.json()["code"]) == (422, "channel_cannot")
    assert [fault["path"] for fault in answer.json()["faults"]] == ["/text", "/subject"]
    assert (shape["provider"], shape["text_max"], shape["subject"]) == ("twilio", 1600, False)
    assert (shape["free_text"], shape["window"]["basis"]) == (True, "always")
    assert await commands(api, COMMANDS_CHAT) == []


async def test_the_window_decides_between_free_text_and_a_template(api: RunningApi) -> None:
    use = {"message_id": "m2", "template": "hola", "variables": {"what": "ya está", "name": "Marta"}}
    async with ann(api) as client:
        unknown = (await client.get(path("whatsapp", "channel"))).json()
        await window(api, closes_in_hours=1)
        opened = (await client.get(path("whatsapp", "channel"))).json()
        await window(api, closes_in_hours=-1)
        closed = (await client.get(path("whatsapp", "channel"))).json()
        refused = await client.post(path("whatsapp", "messages"), json={"message_id": "m1", "text": "hi"})
        taken = await client.post(path("whatsapp", "messages"), json=use)
    [event] = await commands(api, COMMANDS_CHAT)
    sent: Any = event.data

    states = [
        (each["free_text"], each["template_needed"], each["window"]["basis"]) for each in (unknown, opened, closed)
    ]
    assert states == [(None, False, "unknown"), (True, False, "customer_message"), (False, True, "customer_message")]
    assert opened["free_text_until_ms"] == opened["window"]["closes_at_ms"]
    assert (refused.status_code, refused.json()["code"], taken.status_code) == (409, "window_closed", 202)
    assert (sent.template, sent.personal["variables"]) == ("hola", ["Marta", "ya está"])
    assert sent.personal["text"] == "Hola Marta, ya está"


async def test_texts_fit_channel_queue_and_language_and_say_what_is_missing(api: RunningApi) -> None:
    begun = InteractionStarted(
        interaction_id="i-whatsapp",
        domain=api.place.domain,
        client="brand",
        channel="whatsapp",
        address=f"whatsapp:{api.tenant_id}",
        started_at_ms=1,
        language="en",
    )
    await write(api, begun)

    async def known() -> bool:
        return "language" in await api.live.about(api.place, "i-whatsapp")

    assert await eventually(known)
    async with ann(api) as client:
        english, every, mail = [
            {each["id"]: each for each in (await client.get(path(channel, "replies"), params=query)).json()}
            for channel, query in (("whatsapp", {}), ("whatsapp", {"language": "any"}), ("email", {"language": "es"}))
        ]
        templates = [
            (await client.get(path(channel, "templates"), params={"language": language})).json()
            for channel, language in (("whatsapp", "es"), ("whatsapp", "en"), ("email", "es"))
        ]

    assert (set(english), set(every), set(mail)) == ({"hi"}, {"hi", "hola"}, {"hi", "hola", "mail"})
    text = f"Hello {{customer_name}}, Ann of brand (Help, whatsapp:{api.tenant_id}) {{{{:}}}}"
    assert (english["hi"]["text"], english["hi"]["missing"]) == (text, ["customer_name"])
    assert [[(each["id"], each["variables"]) for each in found] for found in templates] == [
        [("hola", ["name", "what"])],
        [],
        [],
    ]


async def test_a_file_is_uploaded_sent_and_fetched_by_a_link(api: RunningApi) -> None:
    async with ann(api) as client:
        upload = await client.post(path("whatsapp", "files"), params={"name": "tent.exe"}, content=PNG)
        body = {"message_id": "m1", "files": [upload.json()["blob_id"]]}
        sent = await client.post(path("whatsapp", "messages"), json=body)
        again = await client.post(path("whatsapp", "messages"), json=body)
        elsewhere = await client.post(path("sms", "messages"), json=body)
        link = await client.get(path("whatsapp", f"files/{upload.json()['blob_id']}"), params={"name": "t.png"})
        gone = await client.get(path("whatsapp", "files/none"))
    async with api.client("none") as stranger:
        url = f"{api.url}{link.json()['url']}"
        fetched = await stranger.get(url)
        forged = await stranger.get(url.replace("t.png", "u.png"))
    first, *_ = await commands(api, COMMANDS_CHAT)
    data: Any = first.data

    assert (upload.status_code, upload.json()["mime"], upload.json()["size_bytes"]) == (201, "image/png", len(PNG))
    assert data.personal == {"text": "", "files": [upload.json()]}
    assert (sent.status_code, again.status_code) == (202, 202)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "file_unknown")
    assert (fetched.status_code, fetched.content, forged.status_code, gone.status_code) == (200, PNG, 403, 404)


async def test_the_bytes_and_the_channel_decide_whether_a_file_may_be_sent(api: RunningApi, tmp_path: Path) -> None:
    async with ann(api) as client:
        answers = [
            await client.post(path(channel, "files"), params={"name": "a.png"}, content=content)
            for channel, content in (
                ("whatsapp", b"MZ" + b"\0" * 100),
                ("whatsapp", b""),
                ("sms", PNG + b"\0" * 5_000_000),
                ("webchat", PNG),
                ("email", b"<html><script>"),
            )
        ]

    told = [(answer.status_code, answer.json().get("code") or answer.json()["mime"]) for answer in answers]
    assert told == [
        (415, "file_type_not_allowed"),
        (422, "file_empty"),
        (413, "file_too_large"),
        (409, "no_files"),
        (201, "text/plain"),
    ]
    assert len([found for found in (tmp_path / "files").rglob("up-*") if found.is_file()]) == 1


async def test_files_that_no_message_took_are_removed_after_a_day(api: RunningApi, tmp_path: Path) -> None:
    clock = SetClock(SystemClock().now_ms() + KEPT_MS - SLACK_MS)
    blobs = FileBlobs(tmp_path / "files", SystemIds())
    sweep = UploadSweep(ApiStore(api.database), blobs, clock)
    async with ann(api) as client:
        one, other = [
            (await client.post(path("email", "files"), params={"name": "a.png"}, content=PNG)).json() for _ in range(2)
        ]
        await client.post(path("email", "messages"), json={"message_id": "m1", "files": [one["blob_id"]]})
        early = await sweep.run_once()
        clock.at_ms += 2 * SLACK_MS
        late = await sweep.run_once()
        refused = await client.post(path("email", "messages"), json={"message_id": "m2", "files": [other["blob_id"]]})

    kept = {found.name for found in (tmp_path / "files").rglob("up-*") if found.is_file()}
    assert (early, late, kept) == (0, 2, {one["blob_id"]})
    assert (refused.status_code, refused.json()["faults"][0]["path"]) == (422, "/files/0")


async def test_a_message_is_sent_again_and_mail_is_split_and_joined(api: RunningApi) -> None:
    key = {"idempotency-key": "k1"}
    async with ann(api) as client:
        answers = [
            await client.post(path("email", "messages/m1/resend"), headers=key),
            await client.post(path("email", "split"), json={"message_ids": ["m1", "m2", "m1"]}),
            await client.post(path("email", "join"), json={"interaction_id": "i9"}),
            await client.post(path("email", "join"), json={"interaction_id": "i-email"}),
            await client.post(path("whatsapp", "split"), json={"message_ids": ["m1"]}),
        ]
        again = await client.post(path("email", "messages/m1/resend"), headers=key)
    events = await commands(api, COMMANDS_EMAIL)
    resend, split, join, repeat = [event.data for event in events]

    assert [answer.status_code for answer in answers] == [202, 202, 202, 422, 409]
    assert again.json() == answers[0].json()
    assert isinstance(resend, ResendMessage)
    assert (resend.message_id, resend.request_id) == ("m1", answers[0].json()["request_id"])
    assert isinstance(repeat, ResendMessage)
    assert repeat.request_id == resend.request_id
    assert isinstance(split, SplitInteraction)
    assert split.message_ids == ("m1", "m2")
    assert isinstance(join, JoinInteraction)
    assert (join.interaction_id, join.joined_interaction_id) == ("i-email", "i9")
    assert {event.subject for event in events} == {"i-email"}


async def test_a_consultant_sends_nothing_again_and_splits_nothing(api: RunningApi) -> None:
    await api.project("ann", assignments=[{**api.assignment("i-email"), "channel": "email", "role": "consultant"}])
    async with ann(api) as client:
        answers = [
            await client.post(path("email", "messages/m1/resend")),
            await client.post(path("email", "split"), json={"message_ids": ["m1"]}),
        ]

    assert [answer.json()["code"] for answer in answers] == ["role_forbids", "role_forbids"]
    assert await commands(api, COMMANDS_EMAIL) == []


async def test_a_file_that_goes_soon_is_not_taken_any_more(api: RunningApi, tmp_path: Path) -> None:
    clock = SetClock(SystemClock().now_ms())
    parts = FileParts(blobs=FileBlobs(tmp_path / "files", SystemIds()), keys=LinkKeys(["s" * 32]), prefix="")
    uploads = Uploads(ApiStore(api.database), parts, clock, SystemIds())
    seat = Seat(tenant_id=api.tenant_id, agent_id="ann", name="Ann", domain=api.place.domain, partition=0)
    conversation = ("i-email", "email", limits_of("email", None))
    async with ann(api) as client:
        file = (await client.post(path("email", "files"), params={"name": "a.png"}, content=PNG)).json()
    taken = await uploads.taken(seat, [file["blob_id"]], *conversation)
    clock.at_ms = SystemClock().now_ms() + KEPT_MS - SLACK_MS
    with pytest.raises(ProblemError) as caught:
        await uploads.taken(seat, [file["blob_id"]], *conversation)

    assert taken == [file]
    assert caught.value.code == "file_unknown"
