"""What became of messages of ours, as bounces tell it."""

from dataclasses import replace
from typing import Final

from gatewaykit.domain.outgoing import OutgoingRow
from gatewaykit.domain.provider import StatusReport
from gatewaykit.domain.records import Place
from gatewaykit.outgoings import Outgoings
from typing_extensions import override

from email_gateway.domain.bounces import DeliveryReport
from email_gateway.handlers import NoSending, Ours
from email_gateway.store import MailTransaction

_CODES: Final = (("5.1.", "recipient_unknown"), ("5.6.", "content_refused"), ("5.7.", "content_refused"))
BOUNCED: Final = "bounced"


class OutgoingReports(NoSending):
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
        if report.is_permanent and report.final_recipient:
            await self.gone(tx, row, report.final_recipient, now_ms)
        return True

    async def gone(self, tx: MailTransaction, row: OutgoingRow, recipient: str, now_ms: int) -> None:
        """Nobody is there for good, says whoever has a Message-ID of ours: whoever heeds it looks whether the message
        went there."""


def _recipient(row: OutgoingRow, report: DeliveryReport) -> str | None:
    """Which of several it is about: whom we named, else who it became on the way."""
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
