"""Reports of those who called a message of ours unwanted: RFC 5965 (ARF), as mailbox providers send them."""

from dataclasses import dataclass
from typing import Final

from email_gateway.domain.addresses import parse_addresses, parse_message_ids, valid_address
from email_gateway.domain.headers import Headers, read_headers
from email_gateway.domain.limits import Limits, Notes

TYPE: Final = "message/feedback-report"
_UNWANTED: Final = frozenset(("abuse", "fraud", "opt-out", "opt-out-list"))
_KIND_CHARS_MAX: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What a feedback report says. Providers often leave out who complained."""

    kind: str
    """`abuse`, `not-spam`, `auth-failure`, ... in lower case; empty: it says none."""
    original_message_id: str | None
    recipients: tuple[str, ...] = ()
    """To whom the message went that it is about, in lower case, as far as it says so."""
    reply_addresses: tuple[str, ...] = ()
    """Where answers to that message and its bounces would have gone."""

    @property
    def is_unwanted(self) -> bool:
        """They do not want such mail; a `not-spam` or `auth-failure` says nothing of the kind."""
        return self.kind in _UNWANTED


def read_complaint(report: bytes, returned: Headers, limits: Limits, notes: Notes) -> Complaint:
    """`report` is the part message/feedback-report, `returned` the header of the message that it is about."""
    start = len(report) - len(report.lstrip())
    fields, _ = read_headers(report, start, len(report), limits, notes)
    named = [*fields.all("original-rcpt-to"), *fields.all("removal-recipient")]
    answers = [fields.first("original-mail-from"), returned.first("return-path"), returned.first("reply-to")]
    return Complaint(
        kind=fields.word("feedback-type")[:_KIND_CHARS_MAX],
        original_message_id=next(iter(parse_message_ids(returned.first("message-id"))), None),
        recipients=tuple(_addresses(named[: limits.reports_max], limits, notes)),
        reply_addresses=tuple(_addresses(answers, limits, notes)),
    )


def _addresses(values: list[bytes], limits: Limits, notes: Notes) -> dict[str, None]:
    found = [each.address for value in values for each in parse_addresses(value, limits, notes)[: limits.reports_max]]
    return dict.fromkeys(each.lower() for each in found if valid_address(each))
