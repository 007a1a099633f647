"""What became of messages of ours, as bounces and complaints tell it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gatewaykit.domain.outgoing import OutgoingRow
from gatewaykit.domain.provider import StatusReport
from gatewaykit.domain.records import Conversation, Place
from gatewaykit.outgoings import Outgoings
from typing_extensions import override

from email_gateway.domain.bounces import DeliveryReport
from email_gateway.domain.complaints import Complaint
from email_gateway.domain.suppression import suppression_of
from email_gateway.sending_side import Ours, SendingSide
from email_gateway.store import MailTransaction

_CODES: Final = (("5.1.", "recipient_unknown"), ("5.6.", "content_refused"), ("5.7.", "content_refused"))
BOUNCED: Final = "bounced"
COMPLAINED: Final = "complained"


class OutgoingReports(SendingSide):
    """The part of SendingSide that gatewaykit's table `outgoing` answers: our Message-IDs begin with its references."""

    def __init__(self) -> None:
        self._outgoings = Outgoings()

    @override
    async def find(self, tx: MailTransaction, tenant_id: str, unique: str) -> Ours | None:
        row = await tx.outgoing(tenant_id, unique)
        return Ours(row.interaction_id, row.message_id) if row else None

    @override
    async def returned(
        self, tx: MailTransaction, place: Place, unique: str, report: DeliveryReport, now_ms: int
    ) -> bool:
        """See SendingSide. A delay is no news: its end will be told."""
        row = await tx.outgoing(place.tenant_id, unique)
        if row is None or row.address != place.address:
            return False
        recipient = _recipient(row, report)
        told = _told(place, unique, report, now_ms)
        if told and row.recipients and recipient is None:
            return False
        if told:
            told = replace(told, recipient=recipient)
            await self._outgoings.told(tx, (place.tenant_id, place.address), [told], now_ms)
        gone = (report.final_recipient or "").lower()
        if report.is_lasting and gone in {each.address.lower() for each in row.recipients}:
            # A report is easily forged by who has the message: only its own recipients are ever written to no more.
            await tx.suppress(suppression_of(row.tenant_id, gone, "bounced", now_ms=now_ms))
        return True

    @override
    async def complained(
        self, tx: MailTransaction, tenant_id: str, unique: str, complaint: Complaint, now_ms: int
    ) -> bool:
        """See SendingSide."""
        row = await tx.outgoing(tenant_id, unique)
        if row is None:
            return False
        if not complaint.is_unwanted:
            return True
        people = [each.address for each in row.recipients]
        complaining = await self._suppress_all(tx, tenant_id, people, complaint, now_ms)
        told = [_unwanted(row, each, now_ms) for each in complaining]
        await self._outgoings.told(tx, (tenant_id, row.address), told, now_ms)
        return bool(complaining)

    @override
    async def complained_in(
        self, tx: MailTransaction, conversation: Conversation, complaint: Complaint, now_ms: int
    ) -> None:
        """See SendingSide."""
        people = [each.value for each in conversation.identifiers if each.type == "email"]
        if complaint.is_unwanted:
            await self._suppress_all(tx, conversation.tenant_id, people, complaint, now_ms)

    async def _suppress_all(
        self, tx: MailTransaction, tenant_id: str, people: Sequence[str], complaint: Complaint, now_ms: int
    ) -> Sequence[str]:
        """Who complained: whom it names of these people, and if there is but one, that one."""
        found = people if len(people) == 1 else [each for each in people if each.lower() in complaint.recipients]
        for each in found:
            await tx.suppress(suppression_of(tenant_id, each, "complained", now_ms=now_ms))
        return found


def _unwanted(row: OutgoingRow, address: str, now_ms: int) -> StatusReport:
    """Who calls it unwanted has it."""
    return StatusReport(
        account_id=row.address,
        status="delivered",
        reference=row.outgoing_id,
        at_ms=now_ms,
        code=COMPLAINED,
        recipient=address,
    )


def _recipient(row: OutgoingRow, report: DeliveryReport) -> str | None:
    """Which of its recipients it is about: whom we named, else who that became on the way. Of one alone it is that."""
    if len(row.recipients) == 1:
        return row.recipients[0].address
    named = {each.address.lower(): each.address for each in row.recipients}
    said = [each.lower() for each in (report.original_recipient, report.final_recipient) if each]
    return next((named[each] for each in said if each in named), None)


def _told(place: Place, unique: str, report: DeliveryReport, now_ms: int) -> StatusReport | None:
    if report.action not in ("failed", "delivered"):
        return None
    status = report.status or ""
    code = next((code for start, code in _CODES if status.startswith(start)), BOUNCED)
    failed = report.action == "failed"
    return StatusReport(
        account_id=place.address,
        status="failed" if failed else "delivered",
        reference=unique,
        at_ms=now_ms,
        code=code if failed else None,
        detail=f"status {status}" if failed and status else None,
    )
