"""A message, as it was understood."""

from dataclasses import dataclass

from email_gateway.domain.addresses import Address
from email_gateway.domain.bounces import DeliveryReport
from email_gateway.domain.complaints import Complaint
from email_gateway.domain.headers import Headers
from email_gateway.domain.invites import Invite


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file. A forwarded message is one too, `.eml`; its text is not part of what the sender wrote."""

    name: str
    """Safe: no path, no controls."""
    mime: str
    """Seen from the bytes."""
    declared_mime: str
    data: bytes
    sha256: str
    """64 hex digits."""
    inline_id: str | None = None
    """Its Content-ID."""
    is_inline: bool = False
    """The HTML shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """All of it is bounded by the limits; texts hold no controls but tab and line end. Ids stand without brackets."""

    headers: Headers
    from_: Address | None
    """The first one; none: there is no such field, or nobody in it."""
    sender: Address | None
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[str, ...]
    """Where servers say they delivered it, or for whom they got it."""
    subject: str
    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    """Oldest first."""
    sent_at_ms: int | None
    """As the sender's clock had it."""
    text: str
    """The whole text, from HTML where there is no other."""
    visible_text: str
    """Without what is quoted and without programs' signatures."""
    quoted_text: str
    html: str
    """Safe to show; empty where there is none."""
    visible_html: str
    has_remote_images: bool
    """They were taken out."""
    attachments: tuple[Attachment, ...]
    invites: tuple[Invite, ...]
    reports: tuple[DeliveryReport, ...]
    """Of a bounce."""
    complaint: Complaint | None
    """Of a feedback report."""
    language: str | None
    """A guess, ISO 639-1."""
    content_sha256: str
    """Of From, Date, subject and bodies: the same for two deliveries of one message, also one without a Message-ID."""
    warnings: tuple[str, ...]
    """What was cut or guessed (`limits.Notes`)."""

    @property
    def reported_ids(self) -> tuple[str, ...]:
        """Of the messages that a bounce or complaint is about."""
        told = [each.original_message_id for each in self.reports]
        told += [self.complaint.original_message_id] if self.complaint else []
        return tuple(dict.fromkeys(each for each in told if each))
