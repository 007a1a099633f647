"""What of a parsed message the corpus compares, by name."""

from collections.abc import Callable
from typing import Any, Final

from email_gateway.domain.automatic import classify
from email_gateway.domain.mail import ParsedMail


def kind_of(mail: ParsedMail) -> str:
    """`bounce`, `complaint`, `loop`, `auto_reply`, `bulk`, or `person`."""
    found = classify(mail.headers, envelope_sender=None, own_addresses=frozenset({"help@shop.example"}))
    return next(
        (name for name in ("bounce", "complaint", "loop", "auto_reply", "bulk") if getattr(found, name)), "person"
    )


VIEWS: Final[dict[str, Callable[[ParsedMail], Any]]] = {
    "from": lambda mail: mail.from_ and mail.from_.address,
    "from_name": lambda mail: mail.from_ and mail.from_.name,
    "to": lambda mail: [one.address for one in mail.to],
    "to_names": lambda mail: [one.name for one in mail.to],
    "cc": lambda mail: [one.address for one in mail.cc],
    "files": lambda mail: [(one.name, one.mime) for one in mail.attachments],
    "data": lambda mail: [one.data for one in mail.attachments],
    "inline": lambda mail: [one.inline_id for one in mail.attachments if one.is_inline],
    "invites": lambda mail: [(one.method, one.uid, one.summary, one.organiser) for one in mail.invites],
    "starts": lambda mail: [
        one.starts and (one.starts.written, one.starts.zone, one.starts.at_ms) for one in mail.invites
    ],
    "reports": lambda mail: [
        (one.original_message_id, one.final_recipient, one.action, one.status) for one in mail.reports
    ],
    "complaint": lambda mail: (
        mail.complaint and (mail.complaint.original_message_id, mail.complaint.kind, list(mail.complaint.recipients))
    ),
    "kind": kind_of,
    "reasons": lambda mail: list(classify(mail.headers, envelope_sender=None).reasons),
    "warns": lambda mail: set(mail.warnings),
}


def view(mail: ParsedMail, name: str) -> Any:
    """A view or a field; the test itself compares `html_has`, `visible_html_has` and `html_lacks`."""
    return VIEWS[name](mail) if name in VIEWS else getattr(mail, name)
