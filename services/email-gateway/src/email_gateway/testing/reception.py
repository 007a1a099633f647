"""Receiving on any store, and what came of it."""

from dataclasses import dataclass, field
from typing import Any

from contracts import decode
from gatewaykit.blobs import Blobs
from gatewaykit.domain import decisions
from gatewaykit.domain.records import Conversation, Place
from gatewaykit.keep import keep
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.store import Outbox
from servicekit.telemetry import Telemetry
from servicekit.testing.set_clock import SetClock
from typing_extensions import override

from email_gateway.domain.bounces import DeliveryReport
from email_gateway.domain.incoming import Judged
from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.parse import parse_mail
from email_gateway.handlers import MailAddresses, Receiving, ReceivingRules
from email_gateway.receiving import Accepted, Answer
from email_gateway.sending_side import Ours, SendingSide
from email_gateway.store import MailStore, MailTransaction
from email_gateway.testing.memory import MemoryMailStore
from email_gateway.testing.samples import (
    KEYS,
    NOW_MS,
    TENANT,
    directory,
    envelope,
)


@dataclass
class Sending(SendingSide):
    """Remembers what it is told; `sent` are messages of ours by the unique part of their ids."""

    sent: dict[str, Ours] = field(default_factory=dict)
    originals: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    reports: list[tuple[str, DeliveryReport]] = field(default_factory=list)

    @override
    async def find(self, tx: MailTransaction, tenant_id: str, unique: str) -> Ours | None:
        """See SendingSide."""
        return self.sent.get(unique)

    @override
    async def keep_original(
        self, tx: MailTransaction, conversation: Conversation, message_id: str, judged: Judged, now_ms: int
    ) -> None:
        """See SendingSide."""
        self.originals.append(message_id)

    @override
    async def acknowledge(
        self, tx: MailTransaction, conversation: Conversation, message_id: str, judged: Judged, now_ms: int
    ) -> None:
        """See SendingSide."""
        self.acknowledged.append(message_id)

    @override
    async def returned(
        self, tx: MailTransaction, place: Place, unique: str, report: DeliveryReport, now_ms: int
    ) -> bool:
        """See SendingSide."""
        self.reports.append((unique, report))
        return unique in self.sent


@dataclass
class Reception:
    """Receiving, and what came of it."""

    store: MailStore
    outbox: Outbox
    blobs: Blobs
    sending: Sending
    receive: Receiving
    clock: SetClock

    async def get(self, raw: bytes, *recipients: str, **more: Any) -> Answer:  # Any: fields of Envelope
        """What the sender is told."""
        return await self.receive(raw, envelope(*recipients, **more))

    async def said(self, kind: type | None = None) -> list[Any]:  # Any: data of any event
        """What was told, oldest first; of one kind."""
        async with self.outbox.batch(rows_max=1000) as batch:
            data = [decode(row.outgoing.value, row.outgoing.headers).data for row in batch.rows]
        return [each for each in data if kind is None or isinstance(each, kind)]

    async def end(self, interaction_id: str) -> None:
        """An agent closes it."""
        async with self.store.transaction(TENANT) as tx:
            conversation = await tx.lock_conversation(TENANT, interaction_id)
            if conversation is None:
                raise LookupError(interaction_id)
            now_ms = self.clock.now_ms()
            await keep(tx, conversation, decisions.ended(conversation, "agent_closed", now_ms), now_ms)


async def _read(raw: bytes) -> ParsedMail:
    return parse_mail(raw)


def desk(
    store: MailStore,
    outbox: Outbox,
    blobs: Blobs | None = None,
    **rules: Any,  # Any: fields of rules
) -> Reception:
    """With the two usual mailboxes, unless `known` names others."""
    blobs, sending, clock = blobs or MemoryBlobs(), Sending(), SetClock(NOW_MS)
    known = rules.pop("known", None) or directory()
    told: dict[str, Any] = {"authserv_id": "mx.shop.example", "sealers": frozenset(), "automatic_opens": False}
    receive = Receiving(
        store,
        blobs,
        MailAddresses(known, KEYS),
        rules=ReceivingRules(**(told | {"file_bytes_max": 1_000_000} | rules)),
        read=_read,
        sending=sending,
        clock=clock,
        telemetry=Telemetry("test"),
    )
    return Reception(store, outbox, blobs, sending, receive, clock)


def in_memory(**more: Any) -> Reception:  # Any: see desk
    """Without PostgreSQL."""
    store = MemoryMailStore()
    return desk(store, store.outbox, **more)


def only(answer: Answer) -> str:
    """The interaction of a message that was accepted."""
    if not isinstance(answer, Accepted):
        raise TypeError(answer)
    [interaction_id] = answer.interaction_ids
    return interaction_id
