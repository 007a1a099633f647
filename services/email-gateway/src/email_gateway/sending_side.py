"""The port between receiving and sending: what a mail that comes may ask of what was sent."""

from dataclasses import dataclass

from gatewaykit.domain.records import Conversation, Place

from email_gateway.domain.bounces import DeliveryReport
from email_gateway.domain.complaints import Complaint
from email_gateway.domain.incoming import Judged
from email_gateway.store import MailTransaction


@dataclass(frozen=True, slots=True)
class Ours:
    """A message of ours that went out, by the unique part of its Message-ID."""

    interaction_id: str
    message_id: str


class SendingSide:
    """What receiving needs of sending, each within the accepting transaction; this one has sent nothing."""

    async def find(self, tx: MailTransaction, tenant_id: str, unique: str) -> Ours | None:
        """The message whose Message-ID (`threading.own_message_id`) begins so."""
        return None

    async def keep_original(
        self, tx: MailTransaction, conversation: Conversation, message_id: str, judged: Judged, now_ms: int
    ) -> None:
        """What an answer to it will need of its header and words."""

    async def acknowledge(
        self, tx: MailTransaction, conversation: Conversation, message_id: str, judged: Judged, now_ms: int
    ) -> None:
        """Have the mailbox's acknowledgement sent, at most once a day to each sender."""

    async def returned(
        self, tx: MailTransaction, place: Place, unique: str, report: DeliveryReport, now_ms: int
    ) -> bool:
        """What became of a message of ours for one recipient: its status changes, and who is not there for good is
        written to no more, if the message went to them. False: we know of no such message, or the report names none
        of its several recipients."""
        return False

    async def complained(
        self, tx: MailTransaction, tenant_id: str, unique: str, complaint: Complaint, now_ms: int
    ) -> bool:
        """Somebody calls a message of ours unwanted: it says so, and they are written to no more. False: we know of no
        such message, or cannot tell who of its recipients it was."""
        return False

    async def complained_in(
        self, tx: MailTransaction, conversation: Conversation, complaint: Complaint, now_ms: int
    ) -> None:
        """The same of one of this conversation, nobody knows which."""
