"""Agents' words to customers of providers: kept, announced and handed to the sending in one transaction, or refused."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
from contracts import Event
from contracts.commands import AddNote, ResendMessage, SendMessage
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord, RecordKind
from contracts.interactions import InteractionEnded
from contracts.messages import MessageAnnounced, MessageFailed, MessageNoted, MessageSent
from contracts.tasks import TaskTransferredOut
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.directory import Directory
from gatewaykit.domain.outgoing import Part
from gatewaykit.domain.provider import Capabilities
from gatewaykit.domain.records import Conversation, Message
from gatewaykit.routing import Routing
from gatewaykit.store import ConversationTransaction
from gatewaykit.testing.conversation_laws import FRESH, PHOTO, WRITTEN, message
from gatewaykit.testing.inbound_laws import said
from gatewaykit.testing.memory import MemoryConversationStore
from gatewaykit.writing import Writing
from servicekit.ports import Record
from servicekit.reactions import Delivery
from servicekit.store import EVERY_TENANT
from servicekit.testing.set_clock import NOW_MS, SetClock

CHANNEL = Capabilities(
    text_max=20, file_types=("image/*",), file_bytes_max=100, templates=True, window_hours=24, replies=True
)
ASSIGNED = replace(WRITTEN, state="assigned", task_id="t", assignment_id="a", agent_id="g", routed_sequence="5")
CUSTOMERS = replace(message(1), address=WRITTEN.address, provider_message_id="p1", client_message_id=None)


class Waiting:
    """The sending: keeps what it is given, and resends what it is told to be doubtful."""

    def __init__(self) -> None:
        self.put_down: list[tuple[str, str, list[Part]]] = []
        self.doubtful: set[str] = set()
        self.again_for: list[str] = []

    async def put(
        self, tx: ConversationTransaction, message: Message, conversation: Conversation, parts: Sequence[Part]
    ) -> None:
        kept = await tx.message(conversation.tenant_id, message.message_id)
        assert kept == message  # the same transaction
        self.put_down.append((message.message_id, str(conversation.counterpart), list(parts)))

    async def again(
        self,
        tx: ConversationTransaction,
        tenant_id: str,
        message_id: str,
        *,
        request_id: str,
        agent_id: str,
        now_ms: int,
    ) -> str | None:
        if message_id not in self.doubtful:
            return "nothing_to_resend"
        self.again_for.append(f"{message_id} by {agent_id} as {request_id}")
        return None


class Desk:
    """The handlers of a gateway of providers, on the memory store."""

    def __init__(self) -> None:
        self.clock, self.store, self.sending = SetClock(), MemoryConversationStore(), Waiting()
        self.directory = Directory([], ["whatsapp"])
        address = {
            "address": WRITTEN.address,
            "channel": "whatsapp",
            "client": "shop",
            "domain": "acme.main",
            "queue": "support",
            "account": {"provider": "whatsapp", "account_id": "pn-1"},
        }
        self.configure("channel", WRITTEN.address, address)
        for name, at in (("hello", WRITTEN.address), ("other", "whatsapp:other")):
            value: dict[str, object] = {"id": name, "domain": "acme.main", "address": at, "name": "n", "language": "en"}
            part = {"kind": "template", "id": f"template:acme.main/{name}", "domain": "acme.main", "version": 1}
            self.directory.apply("acme", ConfigurationPart(**part, value=value | {"text": "Hello {name}"}))  # type: ignore[arg-type]  # the fields by name
        writing = Writing(self.directory, {("whatsapp", "whatsapp"): CHANNEL}, self.sending)
        self.agents = AgentMessages(self.clock, writing)
        self.routing = Routing(self.directory, self.clock, writing)

    def configure(self, kind: RecordKind, name: str, value: dict[str, Any] | None) -> None:
        record = ConfigurationRecord(kind=kind, id=f"{kind}:{name}", domain="acme.main", version=1, value=value)
        self.directory.apply("acme", record)

    async def keep(self, conversation: Conversation, *messages: Message) -> None:
        async with self.store.transaction("acme") as tx:
            await tx.open_conversation(conversation)
            for each in messages:
                await tx.add_message(each)

    async def send(self, message_id: str = "m-1", **more: Any) -> list[Any]:
        """The sample agent's message; what was said of it."""
        fields = {"message_id": message_id, "personal": {"text": "hi"}} | more
        data = SendMessage(**fields, **FENCE)
        async with self.store.transaction("acme") as tx:
            await self.agents.send(tx, delivery(data, message_id))
        return await said(self.store)

    async def resend(self, message_id: str, request_id: str = "r-1") -> list[Any]:
        data = ResendMessage(message_id=message_id, request_id=request_id, **FENCE)
        async with self.store.transaction("acme") as tx:
            await self.agents.resend(tx, delivery(data, request_id))
        return await said(self.store, MessageFailed)


FENCE: dict[str, Any] = {
    "interaction_id": "i1",
    "domain": "acme.main",
    "agent_id": "g",
    "assignment_id": "a",
    "assignment_sequence": "5",
    "requested_at_ms": NOW_MS,
}


def delivery(data: Any, name: str, tenant_id: str = "acme") -> Delivery[Any]:
    given: dict[str, Any] = {
        "source": "/router/api",
        "tenant_id": tenant_id,
        "subject": "i1",
        "time_ms": NOW_MS,
        "sequence": "6",
    }
    return Delivery(Event(id=name, data=data, **given), data, Record("topic", 0, 0, None, b"", (), NOW_MS))


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.keep(replace(ASSIGNED, last_number=1), CUSTOMERS)
    return desk


async def test_a_message_is_kept_announced_and_handed_over_once(desk: Desk) -> None:
    await desk.send(personal={"text": "hi", "files": [asdict(PHOTO)]}, in_reply_to="i1-1")
    news = await desk.send(personal={"text": "hi", "files": [asdict(PHOTO)]}, in_reply_to="i1-1")
    async with desk.store.transaction("acme") as tx:
        kept = await tx.message("acme", "m-1")
    (sent,) = news

    assert isinstance(sent, MessageSent)
    assert (sent.number, sent.personal) == (2, {"text": "hi", "files": [asdict(PHOTO)]})
    assert kept is not None
    assert (kept.text, kept.files, kept.sender) == ("hi", (PHOTO,), "agent")
    parts = [Part(text="hi", reply_to="p1"), Part(file=PHOTO)]
    assert desk.sending.put_down == [("m-1", "15550001", parts)]


async def test_a_template_is_told_as_the_customer_reads_it(desk: Desk) -> None:
    (sent,) = await desk.send(template="hello", personal={"variables": ["Ada"]})
    ((_, _, (part,)),) = desk.sending.put_down

    assert sent.personal == {"text": "Hello Ada"}
    assert part.template is not None
    assert part.template.variables == ("Ada",)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"personal": {"text": "x" * 21}}, "text_too_long"),
        ({"personal": {"text": ""}}, "text_invalid"),
        ({"personal": {"files": ["x"]}}, "files_invalid"),
        ({"template": "unknown"}, "template_unknown"),
        ({"template": "other"}, "template_unknown"),
        ({"template": "hello"}, "variables_wrong"),
        ({"in_reply_to": "nothing"}, "message_unknown"),
        ({"in_reply_to": "i2-1"}, "message_unknown"),
    ],
)
async def test_what_cannot_go_is_told_the_agent_and_is_no_part_of_the_conversation(
    desk: Desk, more: dict[str, Any], reason: str
) -> None:
    await desk.keep(replace(FRESH, interaction_id="i2"), message(1, interaction_id="i2"))
    (failed,) = await desk.send(**more)

    assert isinstance(failed, MessageFailed)
    assert (failed.message_id, failed.reason) == ("m-1", reason)
    assert desk.sending.put_down == []
    assert desk.store.database.tables.conversations["acme", "i1"].last_number == 1


async def test_a_closed_window_and_an_address_that_is_gone_are_told(desk: Desk) -> None:
    desk.clock.at_ms += 86_400_000
    await desk.send("m-1")
    await desk.send("m-2", template="hello", personal={"variables": ["Ada"]})
    desk.configure("channel", WRITTEN.address, None)
    await desk.send("m-3")
    failed = await said(desk.store, MessageFailed)

    assert [(each.message_id, each.reason) for each in failed] == [("m-1", "window_closed"), ("m-3", "address_unknown")]
    assert [message_id for message_id, _, _ in desk.sending.put_down] == ["m-2"]


async def test_a_message_that_was_taken_back_is_answered_without_naming_it(desk: Desk) -> None:
    async with desk.store.transaction("acme") as tx:
        await tx.change_message(replace(CUSTOMERS, text="", erased_at_ms=NOW_MS))
    await desk.send(in_reply_to="i1-1")

    assert desk.sending.put_down == [("m-1", "15550001", [Part(text="hi")])]


async def test_notes_and_web_chats_go_to_no_provider(desk: Desk) -> None:
    note = AddNote(message_id="n-1", personal={"text": "hi"}, **FENCE)
    async with desk.store.transaction("acme") as tx:
        await desk.agents.send(tx, delivery(note, "n-1"))
    chat = replace(ASSIGNED, interaction_id="i2", counterpart=None, channel="webchat")
    await desk.keep(chat)
    data = replace(SendMessage(message_id="m-2", personal={"text": "x" * 30}, **FENCE), interaction_id="i2")
    async with desk.store.transaction("acme") as tx:
        await desk.agents.send(tx, delivery(data, "m-2"))

    noted, sent = await said(desk.store)

    assert isinstance(noted, MessageNoted)
    assert isinstance(sent, MessageSent)
    assert desk.sending.put_down == []


async def test_a_gateway_that_sends_nothing_says_so() -> None:
    desk = Desk()
    desk.agents = AgentMessages(desk.clock)
    await desk.keep(ASSIGNED)
    await desk.send()
    await desk.resend("m-1")
    failed = await said(desk.store, MessageFailed)

    assert [each.message_id for each in failed] == ["m-1", "r-1"]
    assert {each.reason for each in failed} == {"channel_unknown"}


async def test_what_failed_is_sent_again_because_the_agent_says_so_once(desk: Desk) -> None:
    await desk.send()
    desk.sending.doubtful.add("m-1")
    await desk.resend("m-1")

    assert await desk.resend("m-1") == []
    assert desk.sending.again_for == ["m-1 by g as r-1"]


async def test_what_cannot_be_sent_again_is_told_of_the_request(desk: Desk) -> None:
    await desk.send()
    for number, message_id in enumerate(["m-1", "i1-1", "nothing"]):
        await desk.resend(message_id, f"r-{number}")
    failed = await said(desk.store, MessageFailed)

    assert [(each.message_id, each.reason) for each in failed] == [
        ("r-0", "nothing_to_resend"),
        ("r-1", "message_unknown"),
        ("r-2", "message_unknown"),
    ]
    assert desk.sending.again_for == []


@pytest.mark.parametrize("field", ["assignment_id", "agent_id"])
async def test_only_who_has_the_conversation_sends_again(desk: Desk, field: str) -> None:
    await desk.send()
    desk.sending.doubtful.add("m-1")
    data = ResendMessage(message_id="m-1", request_id="r-1", **FENCE | {field: "other"})
    async with desk.store.transaction("acme") as tx:
        await desk.agents.resend(tx, delivery(data, "r-1"))
    (failed,) = await said(desk.store, MessageFailed)

    assert failed.reason == "assignment_gone"
    assert desk.sending.again_for == []


async def test_the_routers_last_words_reach_the_customer(desk: Desk) -> None:
    over = TaskTransferredOut(
        task_id="t",
        interaction_id="i1",
        domain="acme.main",
        queue="support",
        to="message",
        reason="closed",
        message="We are closed.",
        transferred_at_ms=NOW_MS,
        waited_ms=5,
    )
    async with desk.store.transaction("acme") as tx:
        await desk.routing.transferred_out(tx, delivery(over, "over"))
    told, ended = await said(desk.store)

    assert isinstance(told, MessageAnnounced)
    assert isinstance(ended, InteractionEnded)
    assert desk.sending.put_down == [(told.message_id, "15550001", [Part(text="We are closed.", automatic=True)])]


async def test_ids_are_a_tenants_own(desk: Desk) -> None:
    data = SendMessage(message_id="m-1", personal={"text": "hi"}, **FENCE)
    async with desk.store.transaction(EVERY_TENANT) as tx:
        await desk.agents.send(tx, delivery(data, "m-1", "other"))
        await desk.agents.send(tx, delivery(data, "m-1"))

    assert [each.message_id for each in await said(desk.store, MessageSent)] == ["m-1"]
    assert [each.reason for each in await said(desk.store, MessageFailed)] == ["interaction_unknown"]


async def test_an_id_that_another_message_has_is_refused_and_a_late_repetition_is_none(desk: Desk) -> None:
    refused = await desk.send(CUSTOMERS.message_id)
    async with desk.store.transaction("acme") as tx:  # one that the inbox has forgotten
        await tx.add_message(replace(message(9), message_id="m-2", sender="agent", client_message_id=None))
    before = await said(desk.store)
    await desk.send("m-2")

    assert [each.reason for each in refused] == ["message_id_taken"]
    assert await said(desk.store) == before


async def test_a_note_and_a_message_have_no_id_in_common(desk: Desk) -> None:
    note = AddNote(message_id="m-1", personal={"text": "careful"}, **FENCE)
    async with desk.store.transaction("acme") as tx:
        await desk.agents.send(tx, delivery(note, "m-1"))
    await desk.send("m-1")

    assert await said(desk.store, MessageSent) == []
