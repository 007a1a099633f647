"""From a customer's mail to the agent's answer, to the customer's answer to that; and what bounces."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from contracts import Event, decode
from contracts.channel_limits import CHANNELS
from contracts.commands import SendMessage
from contracts.configuration_records import ConfigurationPart
from contracts.interactions import InteractionStarted
from contracts.messages import MessageAnnounced, MessageFailed, MessageReceived, MessageSent
from contracts.tasks import TaskTransferredOut
from contracts.topics import COMMANDS_EMAIL
from contracts.written import MessageStatusChanged
from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.parse import parse_mail
from email_gateway.domain.suppression import suppression_of
from email_gateway.handlers import MailAddresses, Receiving, ReceivingRules
from email_gateway.mailboxes import ConfiguredMailboxes, SigningKeys
from email_gateway.relay import Delivery, Envelope
from email_gateway.smtp_out import SUPPRESSED, EmailSender, carrier
from email_gateway.testing.memory import MemoryMailStore
from email_gateway.testing.samples import (
    ANNA,
    DOMAIN,
    HELP,
    KEYS,
    NOW_MS,
    SALES,
    TENANT,
    address_value,
    directory,
    envelope,
    letter,
    record,
)
from email_gateway.writing_mail import MailSending, MailWriting
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.domain import routed
from gatewaykit.domain.provider import Sent
from gatewaykit.domain.records import Seat
from gatewaykit.keep import keep
from gatewaykit.outgoings import Outgoings
from gatewaykit.routing import Routing
from gatewaykit.secrets import Secrets
from gatewaykit.sending import Sending, SendingMetrics
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.ports import Record
from servicekit.reactions import Delivery as Delivered
from servicekit.store import EVERY_TENANT
from servicekit.system import SystemChance
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import SetClock

SEAT = Seat(assignment_id="a1", task_id="t1", agent_id="gia", agent_name="Gia", role="owner")
RECORD = Record(COMMANDS_EMAIL.name, 0, 0, None, None, (), 0)
AUTHSERV = "mx.shop.example"
SHIPPED: dict[str, object] = {
    "id": "shipped",
    "domain": DOMAIN,
    "address": HELP,
    "name": "Shipped",
    "language": "en",
    "text": "Order {order} is on its way, {name}.",
    "subject": "{name}: shipped",
    "html": '<p onclick="x()">{order} {{ordered}}</p>',
}
TEMPLATES = [SHIPPED, {**SHIPPED, "id": "elsewhere", "address": "sales@shop.example"}]


class Server:
    """Has everything."""

    def __init__(self) -> None:
        self.given: list[Envelope] = []

    async def deliver(self, envelope: Envelope) -> Delivery:
        self.given.append(envelope)
        return Delivery(outcomes=dict.fromkeys(envelope.recipients, Sent(provider_message_id=envelope.message_id)))


async def read(raw: bytes) -> ParsedMail:
    return parse_mail(raw)


@dataclass
class Desk:
    """The gateway without its edges."""

    store: MemoryMailStore
    clock: SetClock
    server: Server
    receive: Receiving
    agents: AgentMessages[Any]  # Any: of this store's transaction
    routing: Routing[Any]  # Any: as above
    sending: Sending

    async def get(self, raw: bytes, *recipients: str, **more: Any) -> None:  # Any: fields of Envelope
        await self.receive(raw, envelope(*recipients, **more))
        await self.send()

    async def send(self) -> None:
        async with asyncio.TaskGroup() as sends:
            await self.sending.turn(sends)

    async def said(self, kind: type) -> list[Any]:  # Any: data of any event
        rows = self.store.outbox.rows
        return [data for row in rows if isinstance(data := decode(row.outgoing.value, row.outgoing.headers).data, kind)]

    async def assign(self) -> str:
        started = (await self.said(InteractionStarted))[-1]
        async with self.store.transaction(TENANT) as tx:
            conversation = await tx.lock_conversation(TENANT, started.interaction_id)
            assert conversation
            change = routed.assigned(conversation, SEAT, self.clock.now_ms())
            await keep(tx, conversation, change, self.clock.now_ms())
        return str(started.interaction_id)

    async def answer(self, interaction_id: str, name: str = "m1", **more: Any) -> None:  # Any: fields of the command
        personal = more.pop("personal", {"text": "It is on its way."})
        command = SendMessage(
            message_id=name,
            interaction_id=interaction_id,
            domain=DOMAIN,
            agent_id=SEAT.agent_id,
            assignment_id=SEAT.assignment_id,
            assignment_sequence="",
            requested_at_ms=self.clock.now_ms(),
            personal=personal,
            **more,
        )
        event = Event(id=name, source="/router", tenant_id=TENANT, subject=interaction_id, time_ms=0, data=command)
        async with self.store.transaction(EVERY_TENANT) as tx:
            await self.agents.send(tx, Delivered(event=event, data=command, record=RECORD))
        await self.send()


@asynccontextmanager
async def desk(tmp_path: Any) -> AsyncGenerator[Desk]:  # Any: pytest's
    store, clock, server = MemoryMailStore(), SetClock(NOW_MS), Server()
    mailbox = {"acknowledgement": "We have it.", "signature": "{agent_name}, {client}"}
    known = directory(address_value(HELP, **mailbox), address_value(SALES))
    for each in TEMPLATES:
        name = f"template:{DOMAIN}/{each['id']}"
        known.apply(TENANT, ConfigurationPart(id=name, kind="template", domain=DOMAIN, version=1, value=each))
    known.apply(TENANT, record("agent", "gia", {"id": "gia", "name": "Gia"}))
    blobs, mailboxes, outgoings = MemoryBlobs(), ConfiguredMailboxes(known), Outgoings()
    telemetry, email = Telemetry("test"), carrier(1000.0)
    signing = SigningKeys(Secrets(tmp_path, clock))
    receive = Receiving(
        store,
        blobs,
        MailAddresses(known, KEYS),
        rules=ReceivingRules(
            authserv_id=AUTHSERV, sealers=frozenset(), automatic_opens=False, file_bytes_max=1_000_000
        ),
        read=read,
        sending=MailSending(mailboxes, outgoings),
        clock=clock,
        telemetry=telemetry,
    )
    sending = Sending(
        store,
        EmailSender(server, mailboxes, signing, store, blobs, keys=KEYS, clock=clock),
        lambda _tenant_id, _address: email,
        clock=clock,
        chance=SystemChance(),
        metrics=SendingMetrics(telemetry),
    )
    writing = MailWriting(known, mailboxes, outgoings)
    agents, routing = AgentMessages(clock, writing), Routing(known, clock, writing)
    yield Desk(store, clock, server, receive, agents, routing, sending)


@pytest.fixture
async def at(tmp_path: Any) -> AsyncGenerator[Desk]:  # Any: pytest's
    async with desk(tmp_path) as found:
        yield found


async def test_the_answer_to_an_agents_answer_joins_the_conversation(at: Desk) -> None:
    await at.get(letter("m1", "Subject: Kettle", f"To: {HELP}"))
    interaction_id = await at.assign()
    await at.answer(interaction_id)
    sent = at.server.given[-1]
    ours = parse_mail(sent.raw)
    await at.get(letter("m2", f"In-Reply-To: <{ours.message_id}>", body="Thanks!\n"), sent.sender)
    await at.get(letter("m3", f"In-Reply-To: <{ours.message_id}>", body="Really!\n"))

    assert sent.recipients == (ANNA,)
    assert (ours.subject, ours.in_reply_to) == ("Re: Kettle", ("m1@customer.example",))
    assert (ours.visible_text, ours.quoted_text.split("\n")[-2:]) == (
        "It is on its way.",
        ["> Hello,", "> where is it?"],
    )
    assert [each.status for each in await at.said(MessageStatusChanged)] == ["sent", "sent"]
    assert [each.personal["text"] for each in await at.said(MessageSent)] == ["It is on its way."]
    assert [each.interaction_id for each in await at.said(MessageReceived)] == [interaction_id] * 3
    assert len(await at.said(InteractionStarted)) == 1


async def test_who_writes_first_is_acknowledged_once_a_day(at: Desk) -> None:
    for number, day in ((1, 0), (2, 0), (3, 1)):
        at.clock.at_ms = NOW_MS + day * 86_400_000
        await at.get(letter(f"m{number}", body=f"{number}\n"))

    told = [parse_mail(each.raw) for each in at.server.given]
    assert [each.headers.word("auto-submitted") for each in told] == ["auto-replied"] * 2
    assert [(each.sender, each.reports) for each in at.server.given] == [("", False)] * 2
    assert told[0].visible_text == "We have it."
    assert [each.personal["text"] for each in await at.said(MessageAnnounced)] == ["We have it."] * 2


async def test_an_acknowledgement_goes_to_the_sender_alone_and_to_who_opens_a_conversation(at: Desk) -> None:
    await at.get(letter("m1", "Reply-To: victim@elsewhere.example"))
    at.clock.at_ms += 86_400_000
    await at.get(letter("m2", "In-Reply-To: <m1@customer.example>", body="More.\n"))

    assert [each.recipients for each in at.server.given] == [(ANNA,)]
    assert len(await at.said(InteractionStarted)) == 1


async def test_who_is_not_written_to_is_not_acknowledged(at: Desk) -> None:
    async with at.store.transaction(TENANT) as tx:
        await tx.suppress(suppression_of(TENANT, ANNA, "asked", now_ms=NOW_MS))
    await at.get(letter("m1"))

    assert await at.said(MessageAnnounced) == []
    assert at.server.given == []


@pytest.mark.parametrize("field", ["Auto-Submitted: auto-replied", "Precedence: bulk", "X-Auto-Response-Suppress: All"])
async def test_machines_are_not_acknowledged(at: Desk, field: str) -> None:
    await at.get(letter("m1", field))

    assert at.server.given == []


async def test_a_bounce_fails_the_message_and_stops_mail_to_who_is_not_there(at: Desk) -> None:
    await at.get(letter("m1"))
    interaction_id = await at.assign()
    await at.answer(interaction_id)
    sent = at.server.given[-1]
    await at.get(bounce(sent.message_id, "stranger@customer.example"), HELP, mail_from="")
    await at.get(bounce(sent.message_id, ANNA, "2"), HELP, mail_from="")
    await at.answer(interaction_id, "m2")

    news = await news_of(at, "m1")
    assert [(each.status, each.reason) for each in news] == [("sent", None), ("failed", "recipient_unknown")]
    assert [(each.message_id, each.reason) for each in await at.said(MessageFailed)] == [("m2", SUPPRESSED)]
    async with at.store.transaction(TENANT) as tx:
        barred = await tx.suppressed(TENANT, [ANNA, "stranger@customer.example"], now_ms=NOW_MS)
    assert barred == {ANNA}


async def news_of(at: Desk, message_id: str) -> list[MessageStatusChanged]:
    return [each for each in await at.said(MessageStatusChanged) if each.message_id == message_id]


async def test_a_full_mailbox_fails_the_message_and_stops_nothing(at: Desk) -> None:
    await at.get(letter("m1"))
    await at.answer(await at.assign())
    raw = bounce(at.server.given[-1].message_id, ANNA).replace(b"5.1.1", b"5.2.2")
    await at.get(raw, HELP, mail_from="")
    async with at.store.transaction(TENANT) as tx:
        barred = await tx.suppressed(TENANT, [ANNA], now_ms=NOW_MS)

    assert [each.status for each in await news_of(at, "m1")] == ["sent", "failed"]
    assert barred == frozenset()


def bounce(message_id: str, recipient: str, name: str = "1", named: str = "") -> bytes:
    original = f"Original-Recipient: rfc822;{named}\n" if named else ""
    return (
        f"From: MAILER-DAEMON@relay.example\nTo: {HELP}\nMessage-ID: <b{name}@relay.example>\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
        f"--x\n\nNot there {name}.\n--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\n"
        f"{original}Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n\n"
        f"--x\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{message_id}>\nSubject: x\n\n--x--\n"
    ).encode()


@pytest.mark.parametrize(
    ("personal", "more", "reason"),
    [
        ({}, {}, "text_invalid"),
        ({"text": "x", "to": ["nobody"]}, {}, "recipient_invalid"),
        ({"text": "x", "to": "a@b.example"}, {}, "text_invalid"),
        ({"text": "x", "html": 7}, {}, "text_invalid"),
        ({"text": "x"}, {"mode": "forward"}, "recipient_missing"),
        ({"text": "x"}, {"in_reply_to": "unknown"}, "message_unknown"),
        ({"text": "x"}, {"template": "t"}, "template_unknown"),
        ({"text": "x"}, {"template": "elsewhere"}, "template_unknown"),
        ({"variables": ["7"]}, {"template": "shipped"}, "variables_wrong"),
        ({"variables": ["7", "A"], "files": ["f"]}, {"template": "shipped"}, "file_not_allowed"),
    ],
)
async def test_what_cannot_be_sent_is_told_at_once(
    at: Desk, personal: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    await at.get(letter("m1", "Precedence: list", body="x\n"))
    await at.get(letter("m2"))
    before = len(at.server.given)
    await at.answer(await at.assign(), personal=personal, **more)

    assert [each.reason for each in await at.said(MessageFailed)] == [reason]
    assert len(at.server.given) == before


async def test_what_the_agents_see_of_an_answer_is_what_is_sent_and_nothing_that_runs(at: Desk) -> None:
    await at.get(letter("m1", "Subject: Kettle", f"To: {HELP}"))
    html = "<p>Soon, <b>really</b>.</p><script>alert(1)</script>"
    said = {"text": "Soon, really.", "html": html, "cc": ["bo@customer.example"]}
    await at.answer(await at.assign(), personal=said)
    [sent] = await at.said(MessageSent)

    assert sent.personal == {
        "text": "Soon, really.",
        "html": "<p>Soon, <b>really</b>.</p>",
        "subject": "Re: Kettle",
        "to": [ANNA],
        "cc": ["bo@customer.example"],
    }


async def test_a_template_is_filled_in_text_subject_and_html_and_signed(at: Desk) -> None:
    await at.get(letter("m1", "Subject: Kettle", f"To: {HELP}"))
    values = {"variables": ["<b>7\nor 8", "Ann"], "cc": ["bo@customer.example"]}
    await at.answer(await at.assign(), template="shipped", personal=values)
    [sent] = await at.said(MessageSent)
    given = parse_mail(at.server.given[-1].raw)

    assert sent.personal == {
        "text": "Order <b>7\nor 8 is on its way, Ann.",
        "html": "<p>&lt;b&gt;7<br>\nor 8 {ordered}</p>",
        "subject": "Ann: shipped",
        "to": [ANNA],
        "cc": ["bo@customer.example"],
    }
    assert (given.subject, at.server.given[-1].recipients) == ("Ann: shipped", (ANNA, "bo@customer.example"))
    assert "is on its way, Ann." in given.text
    assert "-- \nGia, shop\n" in given.text
    assert "&lt;b&gt;7<br>" in given.html
    assert "Gia, shop" in given.html


async def test_the_agents_subject_goes_before_the_templates(at: Desk) -> None:
    await at.get(letter("m1"))
    values = {"variables": ["7", "Ann"], "subject": "Your parcel"}
    await at.answer(await at.assign(), template="shipped", personal=values)

    assert parse_mail(at.server.given[-1].raw).subject == "Your parcel"


async def test_everybody_is_answered_if_the_agent_says_so(at: Desk) -> None:
    await at.get(letter("m1", f"To: {HELP}, sales@shop.example", "Cc: Bert <bert@customer.example>"))
    await at.answer(await at.assign(), mode="reply_all", personal={"text": "Hi", "bcc": ["chef@customer.example"]})

    assert at.server.given[-1].recipients == (ANNA, "bert@customer.example", "chef@customer.example")


async def test_who_got_a_blind_copy_stays_unseen_in_all_that_follows(at: Desk) -> None:
    await at.get(letter("q1", f"To: {HELP}", "Cc: bo@customer.example"))
    interaction_id = await at.assign()
    await at.answer(interaction_id, "m1", mode="reply_all", personal={"text": "Hi", "bcc": ["eve@customer.example"]})
    ours = at.server.given[-1]
    back = (f"To: {ours.sender}", "Cc: bo@customer.example", f"In-Reply-To: <{ours.message_id}>")
    await at.get(letter("q2", *back, body=f"Thanks.\n\n> {parse_mail(ours.raw).text}"), ours.sender)
    answers = (f"To: {ours.sender}", f"In-Reply-To: <{ours.message_id}>")
    await at.get(letter("q3", *answers, body="I see.\n", sender="eve@customer.example"), ours.sender)
    anna, eve = [each.message_id for each in await at.said(MessageReceived)][1:]
    await at.answer(interaction_id, "m2", mode="reply_all", in_reply_to=anna, personal={"text": "Well"})
    forwarded = {"text": "See", "to": ["boss@shop.example"]}
    await at.answer(interaction_id, "m3", mode="forward", in_reply_to=anna, personal=forwarded)
    later = at.server.given[-2:]
    await at.answer(interaction_id, "m4", mode="reply_all", in_reply_to=eve, personal={"text": "You"})

    assert ours.recipients == (ANNA, "bo@customer.example", "eve@customer.example")
    assert b"eve@" not in ours.raw
    assert [each.recipients for each in later] == [(ANNA, "bo@customer.example"), ("boss@shop.example",)]
    assert [b"eve@" in each.raw for each in later] == [False, False]
    assert at.server.given[-1].recipients == ("eve@customer.example",)
    told = {each.message_id: each.personal.get("bcc") for each in await at.said(MessageSent)}
    assert told == {"m1": ["eve@customer.example"], "m2": None, "m3": None, "m4": None}


async def test_part_of_the_recipients_suppressed_does_not_stop_the_others(at: Desk) -> None:
    async with at.store.transaction(TENANT) as tx:
        await tx.suppress(suppression_of(TENANT, "bert@customer.example", "asked", now_ms=NOW_MS))
    await at.get(letter("m1"))
    await at.answer(await at.assign(), personal={"text": "Hi", "cc": ["bert@customer.example"]})
    [news] = await news_of(at, "m1")

    assert at.server.given[-1].recipients == (ANNA,)
    assert (news.status, news.recipients_failed) == ("sent", 1)
    assert news.personal["recipients"] == [
        {"address": ANNA, "status": "sent"},
        {"address": "bert@customer.example", "status": "failed", "reason": SUPPRESSED},
    ]


async def test_the_bounce_of_one_of_several_is_the_failure_of_that_one(at: Desk) -> None:
    await at.get(letter("m1"))
    interaction_id = await at.assign()
    await at.answer(interaction_id, personal={"text": "Hi", "cc": ["bert@customer.example"]})
    ours = at.server.given[-1].message_id
    await at.get(bounce(ours, "bert@elsewhere.example", "1"), HELP, mail_from="")
    await at.get(bounce(ours, "bert@elsewhere.example", "2", "bert@customer.example"), HELP, mail_from="")
    await at.get(bounce(ours, ANNA, "3"), HELP, mail_from="")
    news = await news_of(at, "m1")

    assert [(each.status, each.reason, each.recipients_failed) for each in news] == [
        ("sent", None, 0),
        ("sent", None, 1),
        ("failed", "recipient_unknown", 2),
    ]
    assert news[1].personal["recipients"] == [
        {"address": ANNA, "status": "sent"},
        {"address": "bert@customer.example", "status": "failed", "reason": "recipient_unknown"},
    ]


@pytest.mark.parametrize("to_mailbox", [False, True])
async def test_a_bounce_that_names_none_of_several_is_shown_in_the_conversation(at: Desk, to_mailbox: bool) -> None:
    await at.get(letter("m1"))
    await at.answer(await at.assign(), personal={"text": "Hi", "cc": ["bert@customer.example"]})
    sent = at.server.given[-1]
    back = HELP if to_mailbox else sent.sender
    await at.get(bounce(sent.message_id, "bert@elsewhere.example"), back, mail_from="")
    shown = (await at.said(MessageReceived))[-1]

    assert [each.status for each in await news_of(at, "m1")] == ["sent"]
    assert (shown.attributes["automatic"], shown.attributes["kind"]) == ("bounce", "automatic")


async def test_a_forward_needs_no_word_and_takes_the_files_along(at: Desk) -> None:
    await at.get(WITH_BILL)
    await at.get(letter("m2", "Precedence: list", body="The newest, by a machine.\n"))
    interaction_id = await at.assign()
    await at.answer(interaction_id, mode="forward", personal={"to": ["it@customer.example"]})
    [sent] = await at.said(MessageSent)
    went = parse_mail(at.server.given[-1].raw)

    assert (went.subject, [each.name for each in went.attachments]) == ("Fwd: Bill", ["bill.pdf"])
    assert "See the bill." in went.text
    assert [each["name"] for each in sent.personal["files"]] == ["bill.pdf"]
    assert at.server.given[-1].recipients == ("it@customer.example",)


WITH_BILL = (
    f"From: {ANNA}\nTo: {HELP}\nMessage-ID: <bill@customer.example>\nSubject: Bill\nMIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nSee the bill.\n--x\nContent-Type: application/pdf\n"
    "Content-Disposition: attachment; filename=bill.pdf\n\n%PDF-1.4\n--x--\n"
).encode()


@pytest.mark.parametrize(
    ("count", "size_bytes", "refused"),
    [(20, 1, []), (21, 1, ["files_invalid"]), (2, 12_000_000, ["message_too_large"])],
)
async def test_an_e_mail_has_as_many_and_as_large_files_as_its_channel_says(
    at: Desk, count: int, size_bytes: int, refused: list[str]
) -> None:
    file = {"name": "a.txt", "mime": "text/plain", "size_bytes": size_bytes, "sha256": "0" * 64}
    await at.get(letter("m1"))
    files = [{**file, "blob_id": f"up-{number}"} for number in range(count)]
    await at.answer(await at.assign(), personal={"text": "x", "files": files})

    assert CHANNELS["email"].files_max == 20
    assert [each.reason for each in await at.said(MessageFailed)] == refused


@pytest.mark.parametrize(("fields", "recipients"), [((), [(ANNA,)]), (("Authentication-Results: mx; dmarc=fail",), [])])
async def test_what_nobody_wrote_goes_to_who_wrote_unless_that_was_forged(
    at: Desk, fields: tuple[str, ...], recipients: list[tuple[str, ...]]
) -> None:
    await at.get(letter("m1", *(each.replace("mx", AUTHSERV) for each in fields)), vouched=True)
    started = (await at.said(InteractionStarted))[-1]
    at.server.given.clear()
    over = TaskTransferredOut(
        task_id="t1",
        interaction_id=started.interaction_id,
        domain=DOMAIN,
        queue="support",
        to="message",
        reason="closed",
        message="We are closed.",
        transferred_at_ms=NOW_MS,
        waited_ms=5,
    )
    event = Event(id="over", source="/router", tenant_id=TENANT, subject="t1", time_ms=0, data=over)
    async with at.store.transaction(TENANT) as tx:
        conversation = await tx.lock_conversation(TENANT, started.interaction_id)
        assert conversation
        await tx.save_conversation(replace(conversation, task_id="t1"))
        await at.routing.transferred_out(tx, Delivered(event=event, data=over, record=RECORD))
    await at.send()

    assert [each.recipients for each in at.server.given] == recipients
    assert [parse_mail(each.raw).visible_text for each in at.server.given] == ["We are closed."] * len(recipients)
    assert [each.sender for each in at.server.given] == [""] * len(recipients)
    assert [each.status for each in await at.said(MessageStatusChanged) if each.status != "sent"] == []
