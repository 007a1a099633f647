"""Accepting a message: once, into the right conversation, with what was found out about it."""

import asyncio
import smtplib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from contracts.interactions import AttentionRequested, InteractionStarted, InteractionUpdated
from contracts.messages import MessageReceived
from contracts.written import MessageStatusChanged
from email_gateway.domain.threading import own_message_id, reply_address
from email_gateway.handlers import MailAddresses
from email_gateway.receiving import Accepted, Later, Refused
from email_gateway.reports import OutgoingReports
from email_gateway.sending_side import Ours
from email_gateway.settings import EmailSettings
from email_gateway.smtp_in import SmtpServer
from email_gateway.store import PostgresMailStore
from email_gateway.testing.corpus import SAMPLES
from email_gateway.testing.corpus.writing import mail, multipart, text
from email_gateway.testing.memory import MemoryMailStore
from email_gateway.testing.reception import Reception, desk, in_memory, only
from email_gateway.testing.samples import (
    ANNA,
    HELP,
    KEYS,
    SALES,
    TENANT,
    address_value,
    directory,
    letter,
)
from gatewaykit.blobs import BlobsAwayError
from gatewaykit.domain.outgoing import Part
from gatewaykit.outgoings import Outgoings, reference_of
from gatewaykit.testing.memory_blobs import MemoryBlobs
from gatewaykit.testing.outgoing_samples import SampleMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from servicekit.database import open_database
from servicekit.outbox import PostgresOutbox
from servicekit.system import SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from typing_extensions import override

BOUNCE = "Content-Type: text/plain\n\nNot there.\n"
AUTOMATIC = "Auto-Submitted: auto-replied"
FAILED = "Authentication-Results: mx.shop.example; dmarc=fail header.from=customer.example"
PASSED = "Authentication-Results: mx.shop.example; dmarc=pass header.from=customer.example"


class AwayBlobs(MemoryBlobs):
    @override
    async def put(self, *args: object, **more: object) -> Any:  # Any: it never answers
        raise BlobsAwayError


@pytest.fixture(params=["memory", "postgres"])
async def here(request: pytest.FixtureRequest, postgres: FreshDatabase) -> AsyncIterator[Reception]:
    if request.param == "memory":
        yield in_memory()
        return
    async with migrated(postgres.admin_url, "email_gateway") as kept:
        yield desk(PostgresMailStore(kept.database), PostgresOutbox(kept.database))


async def test_a_first_message_starts_an_interaction_with_all_that_is_known(here: Reception) -> None:
    interaction_id = only(await here.get(letter("m1", PASSED, "Cc: x@other.example"), vouched=True))
    started, message = await here.said()

    assert isinstance(started, InteractionStarted)
    assert isinstance(message, MessageReceived)
    assert (started.interaction_id, started.channel, started.address) == (interaction_id, "email", HELP)
    assert started.personal == {
        "identifiers": [{"type": "email", "value": ANNA, "verified": True}],
        "name": "Anna Muster",
        "subject": "Where is my order?",
        "text": "Hello,\nwhere is it?",
    }
    assert message.personal | {"text": ""} == {
        "from": ANNA,
        "to": [HELP],
        "cc": ["x@other.example"],
        "subject": "Where is my order?",
        "text": "",
    }
    assert message.attributes == {"authenticated": "pass", "dmarc": "pass"}
    assert here.sending.originals == here.sending.acknowledged == [message.message_id]


async def test_what_comes_again_is_accepted_again_and_changes_nothing(here: Reception) -> None:
    first = only(await here.get(letter()))
    before = await here.said()
    again = await here.get(b"Received: from elsewhere\r\n" + letter())

    assert (only(again), await here.said()) == (first, before)
    assert len(here.sending.acknowledged) == 1


async def test_the_same_message_at_once_is_one(here: Reception) -> None:
    answers = await asyncio.gather(*(here.get(letter()) for _ in range(4)))

    assert len({only(answer) for answer in answers}) == 1
    assert len(await here.said(MessageReceived)) == 1


async def test_messages_without_an_id_are_told_apart_by_what_they_say(here: Reception) -> None:
    one, other = mail(without=("Message-ID",), body="one"), mail(without=("Message-ID",), body="other")
    answers = [only(await here.get(raw)) for raw in (one, other, one)]

    assert answers[0] == answers[2] != answers[1]
    assert [message.personal["text"] for message in await here.said(MessageReceived)] == ["one", "other"]


async def test_an_id_that_is_used_again_for_other_words_loses_none(here: Reception) -> None:
    for body in ("one", "two", "one", "two", "three"):
        await here.get(letter(body=body))

    assert [message.personal["text"] for message in await here.said(MessageReceived)] == ["one", "two", "three"]


@pytest.mark.parametrize("by", ["reply_address", "in_reply_to", "references", "own_id", "own_id_in_text"])
async def test_an_answer_joins_its_conversation_and_says_why(here: Reception, by: str) -> None:
    interaction_id = only(await here.get(letter()))
    ours = own_message_id("0a-1", "shop.example", KEYS)
    here.sending.sent["0a-1"] = Ours(interaction_id, "agents-1")
    recipients: tuple[str, ...] = (HELP,)
    fields: tuple[str, ...] = ()
    body = "Yes."
    match by:
        case "reply_address":
            recipients = (reply_address(interaction_id, "shop.example", KEYS),)
        case "in_reply_to":
            fields = ("In-Reply-To: <m1@customer.example>",)
        case "references":
            fields = ("References: <m0@elsewhere> <m1@customer.example>",)
        case "own_id":
            fields = (f"In-Reply-To: <{ours}>",)
        case _:
            body = f"Yes.\n> Message-ID: <{ours}>\n"
    answer = only(await here.get(letter("m2", "Subject: something else", *fields, body=body), *recipients))
    message = (await here.said(MessageReceived))[-1]

    assert (answer, message.number) == (interaction_id, 2)
    assert message.attributes["joined_by"] == by.replace("own_id_in_text", "quoted_message_id").replace(
        "own_id", "in_reply_to"
    )
    assert message.in_reply_to == ("agents-1" if by == "own_id" else message.in_reply_to)
    assert len(await here.said(InteractionStarted)) == 1


async def test_a_subject_joins_nothing(here: Reception) -> None:
    first = only(await here.get(letter()))

    assert only(await here.get(letter("m2", "Subject: Re: Where is my order?"))) != first


async def test_a_stranger_cannot_write_into_a_conversation_by_naming_its_message(here: Reception) -> None:
    first = only(await here.get(letter()))
    answer = letter("m2", "In-Reply-To: <m1@customer.example>", sender="eve@evil.example")

    assert only(await here.get(answer, mail_from="eve@evil.example")) != first


async def test_nobody_forged_goes_on_with_a_conversation_or_is_acknowledged(here: Reception) -> None:
    first = only(await here.get(letter()))
    forged = letter("m2", "In-Reply-To: <m1@customer.example>", FAILED)
    second = only(await here.get(forged, vouched=True))
    started = (await here.said(InteractionStarted))[-1]

    assert second != first
    assert started.attributes["authenticated"] == "fail"
    assert started.personal["identifiers"][0]["verified"] is False
    assert len(here.sending.acknowledged) == 1


async def test_a_claim_of_our_own_verdict_is_not_believed_from_strangers(here: Reception) -> None:
    await here.get(letter("m1", PASSED))

    assert (await here.said(MessageReceived))[0].attributes == {"authenticated": "none"}


async def test_who_has_the_reply_address_joins_and_is_not_made_one_with_the_customer(here: Reception) -> None:
    interaction_id = only(await here.get(letter()))
    raw = letter("m2", sender="colleague@customer.example")
    joined = only(await here.get(raw, reply_address(interaction_id, "shop.example", KEYS)))
    async with here.store.transaction(TENANT) as tx:
        conversation = await tx.conversation(TENANT, interaction_id)

    assert joined == interaction_id
    assert (await here.said(MessageReceived))[-1].attributes["sender"] == "other"
    assert conversation
    assert [each.value for each in conversation.identifiers] == [ANNA]


async def test_an_answer_after_the_end_goes_on_in_a_new_interaction(here: Reception) -> None:
    first = only(await here.get(letter()))
    await here.end(first)
    here.clock.at_ms += 3_600_000
    address = reply_address(first, "shop.example", KEYS)
    second = only(await here.get(letter("m2"), address))
    third = only(await here.get(letter("m3", "References: <m1@customer.example>")))
    started = (await here.said(InteractionStarted))[-1]

    assert first != second == third
    assert started.attributes["continues"] == first
    assert started.personal["identifiers"][0]["value"] == ANNA


async def test_whoever_goes_on_after_the_end_the_customer_stays_who_it_was(here: Reception) -> None:
    first = only(await here.get(letter("m1", PASSED), vouched=True))
    await here.end(first)
    here.clock.at_ms += 3_600_000
    address = reply_address(first, "shop.example", KEYS)
    second = only(await here.get(letter("m2", sender="colleague@customer.example"), address))
    third = only(await here.get(letter("m3", "In-Reply-To: <m2@customer.example>")))
    started = (await here.said(InteractionStarted))[-1]
    messages = await here.said(MessageReceived)

    assert first != second == third
    assert started.personal["identifiers"] == [{"type": "email", "value": ANNA, "verified": True}]
    assert (started.personal.get("name"), started.attributes["continues"]) == (None, first)
    assert [each.attributes.get("sender") for each in messages] == [None, "other", None]
    assert await here.said(InteractionUpdated) == []


async def test_who_answers_what_a_form_sent_after_the_end_is_the_customer(here: Reception) -> None:
    first = only(await here.get(letter(sender=HELP)))
    await here.end(first)
    here.clock.at_ms += 3_600_000
    only(await here.get(letter("m2"), reply_address(first, "shop.example", KEYS)))
    started = (await here.said(InteractionStarted))[-1]

    assert [each["value"] for each in started.personal["identifiers"]] == [ANNA]
    assert "sender" not in started.attributes


async def test_a_forged_reply_address_is_no_address(here: Reception) -> None:
    interaction_id = only(await here.get(letter()))
    good = reply_address(interaction_id, "shop.example", KEYS)
    forged = good.replace(f"+{interaction_id}", f"+{'0' * 32}")

    assert await here.get(letter("m2"), forged) == Refused(reason="no_such_address")


async def test_a_message_to_several_of_our_addresses_is_taken_at_each(here: Reception) -> None:
    answer = await here.get(letter(), SALES, "Help+tag@Shop.example", HELP)
    started = await here.said(InteractionStarted)

    assert isinstance(answer, Accepted)
    assert len(set(answer.interaction_ids)) == 2
    assert sorted(each.address for each in started) == [HELP, SALES]


async def test_a_machines_answer_joins_what_is_open_and_calls_nobody(here: Reception) -> None:
    first = only(await here.get(letter()))
    before = await here.said(AttentionRequested)
    joins = letter("m2", AUTOMATIC, "In-Reply-To: <m1@customer.example>")
    assert only(await here.get(joins)) == first
    assert await here.get(letter("m3", AUTOMATIC)) == Accepted()
    assert await here.get(letter("m4", "List-Id: <news.example>")) == Accepted()
    message = (await here.said(MessageReceived))[-1]

    assert (message.attributes["automatic"], message.attributes["kind"]) == ("auto_reply", "automatic")
    assert await here.said(AttentionRequested) == before
    assert len(await here.said(InteractionStarted)) == 1
    assert len(here.sending.acknowledged) == 1


async def test_machines_open_conversations_where_that_is_configured() -> None:
    here = in_memory(automatic_opens=True)
    only(await here.get(letter("m1", AUTOMATIC)))

    assert (await here.said(InteractionStarted))[0].attributes["automatic"] == "auto_reply"
    assert here.sending.acknowledged == []


@pytest.mark.parametrize(
    "fields", [("Subject: Out of office",), ("From: noreply@forms.example",), ("X-Auto-Response-Suppress: All",)]
)
async def test_what_may_be_a_persons_opens_a_conversation_without_acknowledgement(fields: tuple[str, ...]) -> None:
    here = in_memory()
    only(await here.get(mail(*fields)))

    assert len(await here.said(InteractionStarted)) == 1
    assert here.sending.acknowledged == []


def bounce(original: str, *, to: str = "gone@customer.example", status: str = "5.1.1") -> bytes:
    fields = ("From: MAILER-DAEMON@mx.example", "Message-ID: <b1@mx.example>", "Auto-Submitted: auto-replied")
    content = 'Content-Type: multipart/report; report-type=delivery-status; boundary="=_b1"'
    status_part = (
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; {to}\nAction: failed\nStatus: {status}\n"
    )
    returned = f"Content-Type: text/rfc822-headers\n\nMessage-ID: <{original}>\n"
    parts = [text("Sorry."), *(each.replace("\n", "\r\n").encode() for each in (status_part, returned))]
    body = b"".join(b"--=_b1\r\n" + part + b"\r\n" for part in parts) + b"--=_b1--\r\n"
    return mail(*fields, content) + body


async def test_a_bounce_is_told_of_the_message_that_failed_and_opens_nothing(here: Reception) -> None:
    interaction_id = only(await here.get(letter()))
    here.sending.sent["0a-1"] = Ours(interaction_id, "agents-1")
    ours = own_message_id("0a-1", "shop.example", KEYS)
    answers = [await here.get(bounce(ours), mail_from="") for _ in range(2)]
    [(unique, report)] = here.sending.reports

    assert answers == [Accepted(), Accepted()]
    assert (unique, report.final_recipient, report.is_lasting) == ("0a-1", "gone@customer.example", True)
    assert len(await here.said(MessageReceived)) == 1


@pytest.mark.parametrize(
    ("status", "code"), [("5.1.1", "recipient_unknown"), ("5.7.1", "content_refused"), ("4.4.7", "bounced")]
)
async def test_the_message_that_came_back_has_failed_and_says_why(here: Reception, status: str, code: str) -> None:
    here.receive.sending = OutgoingReports()
    interaction_id = only(await here.get(letter()))
    async with here.store.transaction(TENANT) as tx:
        conversation = await tx.conversation(TENANT, interaction_id)
        assert conversation
        await Outgoings().put(tx, SampleMessage(message_id="agents-1"), conversation, [Part(text="Here.")])
    unique = reference_of(TENANT, "agents-1", 1)
    raw = bounce(own_message_id(unique, "shop.example", KEYS), status=status)
    answers = [await here.get(raw, mail_from="") for _ in range(2)]
    told = await here.said(MessageStatusChanged)

    assert answers == [Accepted(), Accepted()]
    assert [(each.message_id, each.status, each.reason) for each in told] == [("agents-1", "failed", code)]
    answer = letter("m2", f"In-Reply-To: <{own_message_id(unique, 'shop.example', KEYS)}>")
    assert only(await here.get(answer)) == interaction_id
    assert (await here.said(MessageReceived))[-1].in_reply_to == "agents-1"


async def test_a_forged_bounce_fails_nothing(here: Reception) -> None:
    ours = own_message_id("0a-1", "shop.example", KEYS)
    forged = ours.replace("0a-1", "0a-2")
    here.sending.sent["0a-2"] = Ours("i", "m")

    assert await here.get(bounce(forged), mail_from="") == Accepted()
    assert here.sending.reports == []


async def test_files_are_kept_before_and_once(here: Reception) -> None:
    image = "Content-Type: image/png\nContent-ID: <c1>\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n"
    invite = "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\nEND:VCALENDAR\n"
    parts = [text('<p>Look <img src="cid:c1"></p>', kind="html")]
    raw = multipart("related", *parts, *(each.replace("\n", "\r\n").encode() for each in (image, invite)))
    await here.get(raw)
    await here.get(raw)
    [message] = await here.said(MessageReceived)
    files = message.personal["files"]

    assert [(each["mime"], each["inline_id"]) for each in files] == [("image/png", "c1"), ("text/calendar", None)]
    assert 'src="cid:c1"' in message.personal["html"]
    assert await here.blobs.get(TENANT, files[0]["blob_id"]) == b"\x89PNG\r\n\x1a\n"
    assert isinstance(here.blobs, MemoryBlobs)
    assert len(here.blobs.kept) == 2


async def test_what_is_cut_is_kept_whole() -> None:
    here = in_memory()
    raw = letter(body="x" * 200_000)
    await here.get(raw)
    [message] = await here.said(MessageReceived)
    [file] = message.personal["files"]

    assert len(message.personal["text"]) == 65_536
    assert (file["name"], file["mime"], file["size_bytes"]) == ("message.eml", "message/rfc822", len(raw))


async def test_without_the_store_of_files_nothing_is_taken() -> None:
    here = in_memory(blobs=AwayBlobs())
    raw = multipart("mixed", text("x"), b"Content-Type: application/pdf\r\n\r\n%PDF-1\r\n")

    assert await here.get(raw) == Later(reason="backend_away")
    assert await here.said() == []


async def test_a_file_beyond_the_limit_is_refused() -> None:
    here = in_memory(file_bytes_max=3)
    raw = multipart("mixed", text("x"), b"Content-Type: application/pdf\r\n\r\n%PDF-1\r\n")

    assert await here.get(raw) == Refused(reason="file_too_large")


async def test_before_the_configuration_is_read_the_sender_waits() -> None:
    here = in_memory(known=directory(address_value(SALES), complete=False))

    assert await here.get(letter(), HELP) == Later(reason="not_ready")


async def test_without_postgresql_the_sender_waits() -> None:
    async with open_database("postgresql://nobody@127.0.0.1:1/none", schema="email_gateway") as database:
        here = desk(PostgresMailStore(database), MemoryMailStore().outbox)

        assert await here.get(letter()) == Later(reason="backend_away")


async def test_every_message_of_the_corpus_is_taken_once() -> None:
    here = in_memory()
    for _ in range(2):
        for sample in SAMPLES:
            assert not isinstance(await here.get(sample.raw), Later), sample.name
    messages = await here.said(MessageReceived)

    assert len(messages) == len({each.message_id for each in messages}) > 60


@asynccontextmanager
async def by_smtp(here: Reception) -> AsyncGenerator[int]:
    """The port of a server that accepts with it."""
    told = {"reply_secret": "k" * 32, "files_url": "file:///x", "file_link_secrets": "l" * 32, "secrets_path": "x"}
    server = SmtpServer(
        EmailSettings.model_validate(told),
        accept=here.receive,
        recipients=MailAddresses(directory(), KEYS),
        clock=SystemClock(),
        telemetry=Telemetry("test"),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(server.run(stop))
    await server.ready.wait()
    yield server.port
    await eventually(lambda: not server.sessions)
    stop.set()
    await task


def sent(port: int, raw: bytes) -> int:
    """The server's answer to the message."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo()
        client.mail(ANNA)
        client.rcpt(HELP)
        code, _ = client.data(raw)
        return code


SESSION = [
    b"EHLO c.example\r\n",
    b"MAIL FROM:<anna@customer.example>\r\n",
    b"RCPT TO:<help@shop.example>\r\n",
    b"DATA\r\n",
    letter()[:40],
    letter()[40:],
    b".",
    b"\r\n",
    b"QUIT\r\n",
]


async def test_wherever_the_connection_breaks_off_the_message_is_taken_once_when_it_is_sent_again(
    here: Reception,
) -> None:
    async with by_smtp(here) as port:
        for steps in range(len(SESSION) + 1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"".join(SESSION[:steps]))
            await writer.drain()
            if steps == len(SESSION):
                assert b"250 2.6.0" in await reader.read()
            writer.close()
        taken_before = len(await here.said(MessageReceived))
        code = await asyncio.to_thread(sent, port, letter())

    assert (taken_before, code) == (1, 250)
    assert len(await here.said(MessageReceived)) == 1


async def test_without_postgresql_smtp_answers_451() -> None:
    async with (
        open_database("postgresql://nobody@127.0.0.1:1/none", schema="email_gateway") as database,
        by_smtp(desk(PostgresMailStore(database), MemoryMailStore().outbox)) as port,
    ):
        assert await asyncio.to_thread(sent, port, letter()) == 451


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 5)), max_size=25))
def test_in_any_order_each_message_is_taken_once_and_numbers_have_no_gaps(deliveries: list[tuple[int, int]]) -> None:
    """(name of the message, name of what it answers); again and again, also with another parent (other words)."""

    async def story() -> None:
        here = in_memory()
        for name, parent in deliveries:
            fields = () if parent < 0 else (f"In-Reply-To: <m{parent}@customer.example>",)
            only(await here.get(letter(f"m{name}", *fields, body=f"{name} to {parent}")))
        messages = await here.said(MessageReceived)
        assert sorted(each.personal["text"] for each in messages) == sorted({f"{n} to {p}" for n, p in deliveries})
        numbers: dict[str, list[int]] = {}
        for each in messages:
            numbers.setdefault(each.interaction_id, []).append(each.number)
        assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
        assert len(await here.said(InteractionStarted)) == len(numbers)

    asyncio.run(story())


async def test_a_failed_commit_leaves_nothing_and_the_retry_takes_it(here: Reception) -> None:
    async def broken(*args: object) -> None:
        raise OSError

    good = here.sending.keep_original
    here.sending.keep_original = broken  # type: ignore[method-assign, assignment]  # it fails within the transaction
    assert await here.get(letter()) == Later(reason="backend_away")
    assert await here.said() == []
    here.sending.keep_original = good  # type: ignore[method-assign]  # and does not any more
    only(await here.get(letter()))

    assert len(await here.said(MessageReceived)) == 1
