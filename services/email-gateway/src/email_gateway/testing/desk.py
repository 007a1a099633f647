"""The gateway without its edges: customers' mail, agents' commands, and what was told of them."""

from typing import Any

from contracts import Event, decode
from contracts.commands import JoinInteraction, SendMessage, SplitInteraction
from contracts.interactions import InteractionStarted
from contracts.topics import COMMANDS_EMAIL
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.domain import routed
from gatewaykit.domain.records import Conversation, Message, Seat
from gatewaykit.keep import keep
from gatewaykit.moves import Moves
from gatewaykit.outgoings import Outgoings
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.ports import Record
from servicekit.reactions import Delivery
from servicekit.store import EVERY_TENANT, Outbox
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import SetClock

from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.parse import parse_mail
from email_gateway.handlers import MailAddresses, Receiving, ReceivingRules
from email_gateway.mailboxes import ConfiguredMailboxes
from email_gateway.moving_mail import MailIndex
from email_gateway.receiving import Accepted, Answer
from email_gateway.store import MailStore, MailTransaction
from email_gateway.testing.samples import (
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
)
from email_gateway.writing_mail import MailSending, MailWriting

RECORD = Record(COMMANDS_EMAIL.name, 0, 0, None, None, (), 0)


class Desk:
    """On any store. Agents are known by their ids; the assignment of one is `<interaction>.<agent>`."""

    def __init__(self, store: MailStore, outbox: Outbox) -> None:
        known = directory(address_value(HELP), address_value(SALES))
        mailboxes, outgoings = ConfiguredMailboxes(known), Outgoings()
        self.store, self.outbox, self.clock = store, outbox, SetClock(NOW_MS)
        self._receive = Receiving(
            store,
            MemoryBlobs(),
            MailAddresses(known, KEYS),
            rules=ReceivingRules(
                authserv_id="mx.shop.example", sealers=frozenset(), automatic_opens=False, file_bytes_max=1_000_000
            ),
            read=_read,
            sending=MailSending(mailboxes, outgoings),
            clock=self.clock,
            telemetry=Telemetry("test"),
        )
        self._agents = AgentMessages[MailTransaction](self.clock, MailWriting(known, mailboxes, outgoings))
        self.moves = Moves[MailTransaction](self.clock, MailIndex())

    async def get(self, name: str, *fields: str, to: str = HELP, **more: Any) -> str:  # Any: of `letter`
        """A message with this name as its words; the interaction that has it."""
        answer = await self._receive(letter(name, *fields, body=f"{name}\n", **more), envelope(to))
        if not isinstance(answer, Accepted):
            raise TypeError(answer)
        [interaction_id] = answer.interaction_ids
        return interaction_id

    async def take(self, raw: bytes, to: str = HELP, **more: Any) -> Answer:  # Any: fields of Envelope
        """Any message."""
        return await self._receive(raw, envelope(to, **more))

    async def assign(self, interaction_id: str, agent_id: str = "gia") -> None:
        """The agent has the conversation."""
        async with self.store.transaction(TENANT) as tx:
            before = await tx.lock_conversation(TENANT, interaction_id)
            if before is None:
                raise LookupError(interaction_id)
            seat = Seat(
                assignment_id=f"{interaction_id}.{agent_id}",
                task_id=f"{interaction_id}.t",
                agent_id=agent_id,
                agent_name=None,
                role="owner",
            )
            await keep(tx, before, routed.assigned(before, seat, self.clock.now_ms()), self.clock.now_ms())

    async def answer(self, interaction_id: str, name: str, **more: Any) -> None:  # Any: fields of the command
        """The agent says their message's name."""
        personal = {"text": name} | more.pop("personal", {})
        command = SendMessage(message_id=name, **_fence(interaction_id, "gia"), personal=personal, **more)
        async with self.store.transaction(EVERY_TENANT) as tx:
            await self._agents.send(tx, _delivery(command))

    async def split(
        self, interaction_id: str, *message_ids: str, request_id: str = "r1", agent_id: str = "gia"
    ) -> None:
        """The agent splits these off."""
        command = SplitInteraction(request_id=request_id, message_ids=message_ids, **_fence(interaction_id, agent_id))
        async with self.store.transaction(EVERY_TENANT) as tx:
            await self.moves.split(tx, _delivery(command))

    async def join(self, interaction_id: str, other: str, *, request_id: str = "r1", agent_id: str = "gia") -> None:
        """The agent joins the other to it."""
        command = JoinInteraction(
            request_id=request_id, joined_interaction_id=other, **_fence(interaction_id, agent_id)
        )
        async with self.store.transaction(EVERY_TENANT) as tx:
            await self.moves.join(tx, _delivery(command))

    async def events(self) -> list[Event]:
        """What was told, oldest first."""
        async with self.outbox.batch(rows_max=1000) as batch:
            return [decode(row.outgoing.value, row.outgoing.headers) for row in batch.rows]

    async def said(self, kind: type) -> list[Any]:  # Any: data of any event
        """The data of what was told, of one kind."""
        return [event.data for event in await self.events() if isinstance(event.data, kind)]

    async def messages(self, interaction_id: str) -> list[Message]:
        """What the conversation has."""
        async with self.store.transaction(TENANT) as tx:
            return list(await tx.messages_after(TENANT, interaction_id, 0))

    async def conversation(self, interaction_id: str) -> Conversation:
        """As it is kept."""
        async with self.store.transaction(TENANT) as tx:
            found = await tx.conversation(TENANT, interaction_id)
        if found is None:
            raise LookupError(interaction_id)
        return found

    async def numbers(self, interaction_id: str) -> dict[str, int]:
        """By the words, which are names, of what the conversation has."""
        return {each.text: each.number for each in await self.messages(interaction_id)}

    async def ids(self, interaction_id: str, *names: str) -> list[str]:
        """Of its messages with these words."""
        return [each.message_id for each in await self.messages(interaction_id) if each.text in names]

    async def begun(self) -> str:
        """The interaction that was started last."""
        started = await self.said(InteractionStarted)
        return str(started[-1].interaction_id)


async def _read(raw: bytes) -> ParsedMail:
    return parse_mail(raw)


def _fence(interaction_id: str, agent_id: str) -> dict[str, Any]:  # Any: fields of commands
    return {
        "interaction_id": interaction_id,
        "domain": DOMAIN,
        "agent_id": agent_id,
        "assignment_id": f"{interaction_id}.{agent_id}",
        "assignment_sequence": "",
        "requested_at_ms": NOW_MS,
    }


def _delivery(command: Any) -> Delivery[Any]:  # Any: of any command
    event = Event(
        id="command", source="/router", tenant_id=TENANT, subject=command.interaction_id, time_ms=0, data=command
    )
    return Delivery(event=event, data=command, record=RECORD)
