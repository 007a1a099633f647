"""Messages to be sent, and what providers make of them, for tests."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from contracts import decode
from contracts.written import MessageStatusChanged
from servicekit.store import EVERY_TENANT, Outbox, Tenant
from servicekit.testing.set_clock import NOW_MS

from gatewaykit.domain.outgoing import OutgoingRow, Part
from gatewaykit.domain.provider import (
    Capabilities,
    Echo,
    Outcome,
    StatusReport,
    StatusWord,
)
from gatewaykit.outgoing_store import OutgoingTransaction
from gatewaykit.outgoings import Outgoings
from gatewaykit.sending import SendingLimits, claim, settle

LINE: Final = ("acme", "whatsapp:1")
FAST: Final = Capabilities(text_max=1000, account_per_second=1000, statuses=("sent", "delivered", "read", "failed"))
PARTS: Final = (Part(text="first"), Part(text="second"))


class OutgoingKeeper(Protocol):
    """A store under test."""

    @property
    def outbox(self) -> Outbox:
        """What was announced."""
        ...

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[OutgoingTransaction]:
        """See OutgoingStore."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleMessage:
    """A message to be sent."""

    message_id: str
    at_ms: int = NOW_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConversation:
    """A conversation to send it in."""

    tenant_id: str = "acme"
    interaction_id: str = "i1"
    domain: str = "acme.main"
    address: str = "whatsapp:1"
    counterpart: str | None = "anna"


async def put(
    keeper: OutgoingKeeper,
    message_id: str,
    *parts: Part,
    counterpart: str = "anna",
    tenant_id: str = "acme",
    at_ms: int = NOW_MS,
) -> None:
    """Have parts (one, unless told otherwise) sent."""
    conversation = SampleConversation(tenant_id=tenant_id, counterpart=counterpart, interaction_id=f"i-{counterpart}")
    message = SampleMessage(message_id=message_id, at_ms=at_ms)
    async with keeper.transaction(EVERY_TENANT) as tx:
        await Outgoings().put(tx, message, conversation, parts or [Part(text="hi")])


async def claimed(
    keeper: OutgoingKeeper, *, now_ms: int = NOW_MS, capabilities: Capabilities = FAST, rows_max: int = 64
) -> list[OutgoingRow]:
    """What a process would send now."""
    async with keeper.transaction(EVERY_TENANT) as tx:
        return await claim(tx, LINE, capabilities, now_ms, rows_max=rows_max, limits=SendingLimits())


async def answered(
    keeper: OutgoingKeeper,
    row: OutgoingRow,
    outcome: Outcome,
    *,
    now_ms: int = NOW_MS,
    capabilities: Capabilities = FAST,
) -> None:
    """The provider's answer is kept."""
    async with keeper.transaction(EVERY_TENANT) as tx:
        await settle(tx, row, outcome, capabilities, now_ms=now_ms, jitter=0.0)


async def told(keeper: OutgoingKeeper, *items: StatusReport | Echo, tenant: str = "acme") -> list[Echo]:
    """The provider tells something."""
    async with keeper.transaction(EVERY_TENANT) as tx:
        return await Outgoings().told(tx, (tenant, LINE[1]), items, NOW_MS)


def report(status: StatusWord, provider_message_id: str | None = None, *, reference: str | None = None) -> StatusReport:
    """About one message."""
    return StatusReport(account_id="1", status=status, provider_message_id=provider_message_id, reference=reference)


def watermark(status: StatusWord, up_to_ms: int) -> StatusReport:
    """About all to Anna."""
    return StatusReport(account_id="1", status=status, up_to_ms=up_to_ms, counterpart="anna")


async def rows_of(keeper: OutgoingKeeper, message_id: str) -> Sequence[OutgoingRow]:
    """As they are now."""
    async with keeper.transaction(EVERY_TENANT) as tx:
        return await tx.parts_of("acme", message_id, lock=False)


async def states(keeper: OutgoingKeeper, message_id: str) -> list[str]:
    """Of the message's rows."""
    return [row.state for row in await rows_of(keeper, message_id)]


async def news(keeper: OutgoingKeeper) -> list[tuple[str, str]]:
    """What was announced: messages and their statuses. Each event has an id of its own."""
    async with keeper.outbox.batch(rows_max=1000) as batch:
        events = [decode(row.outgoing.value, row.outgoing.headers) for row in batch.rows]
    assert len({event.id for event in events}) == len(events)
    changes = [event.data for event in events if isinstance(event.data, MessageStatusChanged)]
    return [(each.message_id, each.status) for each in changes]


async def resent(keeper: OutgoingKeeper, message_id: str, request_id: str = "r1") -> str | None:
    """An agent has it sent again."""
    async with keeper.transaction(EVERY_TENANT) as tx:
        return await Outgoings().again(
            tx, "acme", message_id, request_id=request_id, agent_id="ada", now_ms=NOW_MS + 5000
        )
