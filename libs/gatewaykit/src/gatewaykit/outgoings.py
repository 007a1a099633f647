"""What enters and changes the parts that go to providers: agents' messages, and what providers tell of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol
from uuid import NAMESPACE_URL, uuid5

from contracts import Event
from servicekit.telemetry import log

from gatewaykit.domain.outgoing import (
    EarlyReport,
    OutgoingRow,
    Part,
    news,
    reached,
    reported,
    to_send_again,
)
from gatewaykit.domain.provider import Echo, StatusReport
from gatewaykit.domain.recipients import RANK, Recipient, once_more
from gatewaykit.outgoing_store import Line, OutgoingTransaction

LOG: Final = log("outgoings")


class Said(Protocol):
    """What the sending needs of a message: gatewaykit.domain.records.Message."""

    @property
    def message_id(self) -> str:
        """Unique within the tenant."""
        ...

    @property
    def at_ms(self) -> int:
        """When the gateway took it."""
        ...


class Correspondence(Protocol):
    """What the sending needs of a conversation with a counterpart: gatewaykit.domain.records.Conversation."""

    @property
    def tenant_id(self) -> str:
        """Whose it is."""
        ...

    @property
    def interaction_id(self) -> str:
        """Which it is."""
        ...

    @property
    def domain(self) -> str:
        """Where it belongs."""
        ...

    @property
    def address(self) -> str:
        """Of which channel address."""
        ...

    @property
    def counterpart(self) -> str | None:
        """The provider's key of the customer."""
        ...


class Outgoings:
    """Takes messages to be sent, and reports of what became of them, in the transactions of others."""

    async def put(
        self, tx: OutgoingTransaction, message: Said, conversation: Correspondence, parts: Sequence[Part]
    ) -> None:
        """Have these sent, in this order, behind all that goes to the counterpart already. A message put a second time
        changes nothing."""
        tenant_id, address, counterpart = conversation.tenant_id, conversation.address, conversation.counterpart
        if not counterpart:
            raise ValueError("a conversation without a counterpart has no provider")
        if not parts or await tx.parts_of(tenant_id, message.message_id, lock=False):
            return
        first = await tx.allot(tenant_id, address, counterpart, parts=len(parts), now_ms=message.at_ms)
        for place, part in enumerate(parts):
            row = OutgoingRow(
                tenant_id=tenant_id,
                outgoing_id=reference_of(tenant_id, message.message_id, place + 1),
                message_id=message.message_id,
                interaction_id=conversation.interaction_id,
                domain=conversation.domain,
                address=address,
                counterpart=counterpart,
                part=place + 1,
                number=first + place,
                payload=part,
                created_at_ms=message.at_ms,
                due_at_ms=message.at_ms,
                changed_at_ms=message.at_ms,
                recipients=tuple(Recipient(address=each) for each in part.recipients),
            )
            await tx.add_outgoing(row)

    async def again(
        self, tx: OutgoingTransaction, tenant_id: str, message_id: str, *, request_id: str, agent_id: str, now_ms: int
    ) -> str | None:
        """Send once more, under new references, what of the message has failed, or of what nobody knows whether it was
        sent: only because an agent says so. A request repeated changes nothing.

        Returns why not, if not: `message_unknown`, `nothing_to_resend`, `words_gone`.
        """
        known = await tx.parts_of(tenant_id, message_id, lock=False)
        if not known:
            return "message_unknown"
        await tx.lock_pair(tenant_id, known[0].address, known[0].counterpart)
        rows = await tx.parts_of(tenant_id, message_id, lock=True)
        if any(row.request_id == request_id for row in rows):
            return None
        doubtful = to_send_again(rows)
        if not doubtful:
            return "nothing_to_resend"
        if any(row.payload is None for row in doubtful):
            return "words_gone"
        pair = (tenant_id, rows[0].address, rows[0].counterpart)
        first = await tx.allot(*pair, parts=len(doubtful), now_ms=now_ms)
        for place, row in enumerate(doubtful):
            await tx.add_outgoing(_once_more(row, first + place, request_id, now_ms))
        told = {"tenant": tenant_id, "message_id": message_id, "agent_id": agent_id, "request_id": request_id}
        LOG.info("message_sent_again", extra={**told, "parts": [row.part for row in doubtful]})
        return None

    async def told(
        self, tx: OutgoingTransaction, line: Line, items: Sequence[StatusReport | Echo], now_ms: int
    ) -> list[Echo]:
        """What the provider of this account tells of messages of ours; returns the echoes of what left past us.

        A report about an id that nothing has yet is kept, for the answer that brings the id may be about to be kept.
        """
        marks = [item for item in items if isinstance(item, StatusReport) and item.up_to_ms is not None]
        single = [item for item in items if item not in marks]
        await tx.lock_provider_ids(line, {item.provider_message_id for item in single if item.provider_message_id})
        for mark in sorted(marks, key=lambda mark: mark.counterpart or ""):
            await self._reach(tx, line, mark, now_ms)
        known = [await self._report(tx, line, item, now_ms) for item in single]
        return [item for item, ours in zip(single, known, strict=True) if isinstance(item, Echo) and not ours]

    async def _reach(self, tx: OutgoingTransaction, line: Line, mark: StatusReport, now_ms: int) -> None:
        if mark.counterpart is None or mark.status not in ("delivered", "read"):
            return
        read = mark.status == "read"
        pair = await tx.raise_watermark(line, mark.counterpart, up_to_ms=mark.up_to_ms or 0, read=read)
        for message_id in dict.fromkeys(row.message_id for row in await tx.reached_by(pair)) if pair else ():
            await change(tx, line[0], message_id, lambda row: reached(row, pair, now_ms) if pair else row, now_ms)

    async def _report(self, tx: OutgoingTransaction, line: Line, item: StatusReport | Echo, now_ms: int) -> bool:
        """False: it is about nothing that we know."""
        rows = await self.meant(tx, line, item)
        for row in rows:
            await change_one(tx, row, lambda kept: reported(kept, item, now_ms), now_ms)
            if item.provider_message_id and row.provider_message_id is None:
                await apply_early(tx, row, item.provider_message_id, now_ms)
        if not rows and isinstance(item, StatusReport) and storable(item.provider_message_id):
            await tx.keep_early_report(
                EarlyReport(
                    tenant_id=line[0],
                    address=line[1],
                    provider_message_id=item.provider_message_id or "",
                    status=item.status,
                    code=(item.code or "").replace("\x00", "")[:500] or None,
                    detail=(item.detail or "").replace("\x00", "")[:500] or None,
                    kept_at_ms=now_ms,
                )
            )
        return bool(rows)

    async def meant(self, tx: OutgoingTransaction, line: Line, item: StatusReport | Echo) -> Sequence[OutgoingRow]:
        """The parts that it is about, not locked; none: nothing that we know (yet)."""
        if item.reference and storable(item.reference):
            row = await tx.outgoing(line[0], item.reference)
            if row and row.address == line[1]:
                return [row]
        if item.provider_message_id and storable(item.provider_message_id):
            return await tx.outgoing_of_provider(line, item.provider_message_id)
        return []


def reference_of(tenant_id: str, message_id: str, part: int, round_: int = 1) -> str:
    """What the provider is told, and tells us of the part: it follows from what the part is."""
    return str(uuid5(NAMESPACE_URL, f"centralino:outgoing:{tenant_id}/{message_id}/{part}/{round_}"))


def storable(text: str | None) -> bool:
    """PostgreSQL keeps no NUL, and no id is so long."""
    return bool(text) and "\x00" not in str(text) and len(str(text)) <= 1000


async def apply_early(tx: OutgoingTransaction, row: OutgoingRow, provider_message_id: str, now_ms: int) -> None:
    """What was reported of this id before the row had it."""
    if not storable(provider_message_id):
        return
    for early in await tx.take_early_reports((row.tenant_id, row.address), provider_message_id):
        await change_one(tx, row, lambda kept, early=early: reported(kept, early, now_ms), now_ms)  # type: ignore[misc]  # mypy infers no type for a lambda's default


async def change_one(
    tx: OutgoingTransaction, row: OutgoingRow, changed: Callable[[OutgoingRow], OutgoingRow], now_ms: int
) -> OutgoingRow:
    """Change this part alone, as it is now, and tell what that makes of its message; returns it."""
    rows = await change(
        tx, row.tenant_id, row.message_id, lambda kept: changed(kept) if _same(kept, row) else kept, now_ms
    )
    return next((kept for kept in rows if _same(kept, row)), row)


async def change(
    tx: OutgoingTransaction,
    tenant_id: str,
    message_id: str,
    changed: Callable[[OutgoingRow], OutgoingRow],
    now_ms: int,
) -> Sequence[OutgoingRow]:
    """Change a message's parts under their lock, and announce what that makes of the message."""
    before = await tx.parts_of(tenant_id, message_id, lock=True)
    after = [changed(row) for row in before]
    moved = [row for was, row in zip(before, after, strict=True) if was != row]
    for row in moved:
        await tx.save_outgoing(row)
    data = news(before, after, now_ms)
    if data is not None:
        event = Event(
            id=_id_of_news(moved[0]),
            source=tx.source,
            tenant_id=tenant_id,
            subject=data.interaction_id,
            time_ms=now_ms,
            data=data,
        )
        await tx.announce(event)
    return after


def _once_more(row: OutgoingRow, number: int, request_id: str, now_ms: int) -> OutgoingRow:
    return replace(
        row,
        outgoing_id=reference_of(row.tenant_id, row.message_id, row.part, row.round + 1),
        round=row.round + 1,
        number=number,
        state="pending",
        attempts=0,
        created_at_ms=now_ms,
        due_at_ms=now_ms,
        changed_at_ms=now_ms,
        tried_at_ms=None,
        lease_until_ms=None,
        provider_message_id=None,
        reason=None,
        detail=None,
        request_id=request_id,
        recipients=once_more(row.recipients),
    )


def _id_of_news(row: OutgoingRow) -> str:
    """A part enters each state once, and each of its recipients only moves on, at last by a reason."""
    steps = sum(2 * RANK[each.state] + bool(each.reason) for each in row.recipients)
    return f"{row.outgoing_id}.{row.state}" + (f".{steps}" if row.recipients else "")


def _same(one: OutgoingRow, other: OutgoingRow) -> bool:
    return one.outgoing_id == other.outgoing_id
