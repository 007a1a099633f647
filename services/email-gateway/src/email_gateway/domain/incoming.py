"""A message as the conversation gets it: its words bounded, what was found out about it, whom it is from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gatewaykit.domain.content import Identifier
from gatewaykit.domain.provider import Received

from email_gateway.domain.addresses import Address
from email_gateway.domain.authentication import Verdict
from email_gateway.domain.automatic import OWN_SENDER, Automatic
from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.records import hash_of_id

TEXT_BYTES_MAX: Final = 65_536
HTML_BYTES_MAX: Final = 131_072
"""Text, quoted text and HTML go into one record of Kafka, which takes a megabyte of them in JSON."""
ADDRESSES_MAX: Final = 100
_SEVERAL: Final = frozenset(("from_many", "from_repeated"))
_LOST: Final = ("_cut", "_dropped", "_too_costly")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A message and what was found out about it."""

    mail: ParsedMail
    automatic: Automatic
    verdict: Verdict

    @property
    def sender(self) -> str | None:
        """Who it says it is from."""
        return self.mail.from_.address or None if self.mail.from_ else None

    @property
    def is_vouched(self) -> bool:
        """The sender may be believed: DMARC passed, and for this sender."""
        return self.verdict.is_vouched and not self._is_another

    @property
    def is_failed(self) -> bool:
        """Never link it to a customer, nor start anything by itself."""
        return self.verdict.is_failed or (self.verdict.is_vouched and self._is_another)

    @property
    def _is_another(self) -> bool:
        """Servers disagree on which of several senders they judge: what passed need not be whom we read."""
        domain, told = (self.mail.from_.domain if self.mail.from_ else ""), self.verdict.from_domain
        several = not _SEVERAL.isdisjoint(self.mail.warnings)
        return several or (told is not None and not f".{_ascii(domain)}".endswith(f".{_ascii(told)}"))

    @property
    def is_own(self) -> bool:
        """In the name of one of the tenant's own mailboxes, as forms on web pages are: it tells of no customer."""
        return OWN_SENDER in self.automatic.reasons

    @property
    def is_aside(self) -> bool:
        """A machine wrote it, by its own words: a subject alone or a sender called no-reply is no proof of that, and
        forms and shops write so."""
        reasons = set(self.automatic.reasons) - {"subject"}
        replies = self.automatic.auto_reply and bool(reasons - {"sender", "null-sender"})
        return replies or self.automatic.bulk or self.automatic.bounce or self.automatic.complaint

    @property
    def may_be_acknowledged(self) -> bool:
        """An automatic answer disturbs neither machines nor those whose address was forged."""
        return self.automatic.may_be_answered and not self.is_failed and self.sender is not None

    @property
    def is_cut(self) -> bool:
        """Something of it is not shown: it is kept whole as a file."""
        mail = self.mail
        return (
            any(warning.endswith(_LOST) for warning in mail.warnings)
            or len(_text(mail).encode()) > TEXT_BYTES_MAX
            or len(mail.visible_html.encode()) > HTML_BYTES_MAX
        )


def identifiers_of(judged: Judged) -> tuple[Identifier, ...]:
    """By what the sender is known; verified only where DMARC vouches for the address."""
    if judged.sender is None or judged.is_own:
        return ()
    value = judged.sender.lower()
    return (Identifier(type="email", value=value, verified=judged.is_vouched),)


def is_known(judged: Judged, people: Sequence[Identifier]) -> bool:
    """The sender is one of these people."""
    wanted = {each.value for each in identifiers_of(judged)}
    return any(each.type == "email" and each.value.lower() in wanted for each in people)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a message belongs."""

    address: str
    thread: str
    id_hash: str
    joined_by: str | None = None
    """Why it is of that thread; none: it begins it."""
    people: Sequence[Identifier] = ()
    """Those of the conversation that it joins, or goes on with."""
    stranger: bool = False
    """It is from somebody else: they stay its customer."""
    aside: bool = False
    """It opens no conversation and calls nobody."""
    whole_bytes: int | None = None
    """It is so large that only its header was taken."""


def received_of(judged: Judged, placed: Placed) -> Received:
    """As gatewaykit takes it."""
    mail = judged.mail
    html = mail.visible_html if len(mail.visible_html.encode()) <= HTML_BYTES_MAX else ""
    return Received(
        provider_message_id=placed.id_hash,
        account_id=placed.address,
        counterpart=placed.thread,
        identifiers=tuple(placed.people) if placed.stranger else identifiers_of(judged),
        text=_bounded(_text(mail), TEXT_BYTES_MAX),
        html=html or None,
        subject=mail.subject or None,
        name=(mail.from_.name or None) if mail.from_ and not placed.stranger else None,
        language=mail.language,
        reply_to=hash_of_id(mail.in_reply_to[0]) if mail.in_reply_to else None,
        sent_at_ms=mail.sent_at_ms,
        attributes=_attributes(judged, placed),
        personal=_personal(mail),
    )


def _attributes(judged: Judged, placed: Placed) -> dict[str, str]:
    mail, verdict, automatic = judged.mail, judged.verdict, judged.automatic
    found = {"authenticated": "pass" if judged.is_vouched else "fail" if judged.is_failed else "none"}
    found |= {
        name: result
        for name, result in (("spf", verdict.spf), ("dkim", verdict.dkim), ("dmarc", verdict.dmarc))
        if result != "unknown"
    }
    kinds = {
        "bounce": automatic.bounce,
        "complaint": automatic.complaint,
        "list": automatic.bulk,
        "auto_reply": automatic.auto_reply,
    }
    told = {
        "joined_by": placed.joined_by,
        "automatic": next((kind for kind, is_one in kinds.items() if is_one), None),
        "kind": "automatic" if placed.aside else None,
        "sender": "other" if placed.stranger else None,
        "invite": mail.invites[0].method.lower()[:20] if mail.invites else None,
        "too_large": str(placed.whole_bytes) if placed.whole_bytes is not None else None,
        "warnings": ",".join(mail.warnings)[:500],
    }
    return found | {name: value for name, value in told.items() if value}


def _personal(mail: ParsedMail) -> dict[str, object]:
    told: dict[str, object] = {
        "from": mail.from_.address if mail.from_ else "",
        "to": _addresses(mail.to),
        "cc": _addresses(mail.cc),
        "subject": mail.subject,
        "quoted": _bounded(mail.quoted_text, TEXT_BYTES_MAX),
    }
    return {name: value for name, value in told.items() if value}


def _addresses(people: Sequence[Address]) -> list[str]:
    return [person.address for person in people if person.address][:ADDRESSES_MAX]


def _text(mail: ParsedMail) -> str:
    """An answer that is nothing but a quotation is shown whole."""
    return mail.visible_text or mail.text


def _bounded(text: str, bytes_max: int) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= bytes_max else data[:bytes_max].decode("utf-8", "ignore")


def _ascii(domain: str) -> str:
    """Servers write letters of other alphabets in either way."""
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return domain.lower()
