"""What an agent wants sent, and what it makes of those who get it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from email_gateway.domain.addresses import Address, valid_address
from email_gateway.domain.writing import wire_address

Mode = Literal["reply", "reply_all", "forward"]
RECIPIENTS_MAX: Final = 100
_REPLY_PREFIX: Final = "reply+"
_LOCAL_BYTES_MAX: Final = 64
_DOMAIN_CHARS_MAX: Final = 253


class UnfitError(Exception):
    """It cannot be sent as it is: `code` for programs, a sentence without personal data for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The message that is answered or passed on, as it was understood. Ids stand without brackets."""

    message_id: str | None = None
    references: tuple[str, ...] = ()
    """Oldest first."""
    from_: Address | None = None
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""
    sent_at_ms: int | None = None
    text: str = ""
    """What its sender wrote, without what they quoted."""
    html: str = ""
    """The same, sanitised."""
    hops: int = 0
    """Of HOPS_HEADER."""
    may_be_answered: bool = True
    """By a machine: no machine wrote it, and nobody forged its sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message of an agent, or an acknowledgement. Lists are what the agent chose, beside what the mode gives."""

    mode: Mode = "reply"
    text: str = ""
    html: str = ""
    to: tuple[str, ...] = ()
    """With `reply` and `reply_all` instead of whom the mode gives."""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    subject: str = ""
    """Empty: the original's."""
    original: Original | None = None
    counterpart: str = ""
    """Who is written to where there is no original."""
    automatic: bool = False
    """An acknowledgement: nothing is sent back for it, whatever becomes of it."""

    @property
    def passes_on(self) -> bool:
        """It says something even without a word of the agent's."""
        return self.mode == "forward" and self.original is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Everybody once, in the first of the three lists where they stand."""

    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of the envelope."""
        return tuple(person.address for person in (*self.to, *self.cc, *self.bcc))


def recipients_of(draft: Draft, own: frozenset[str]) -> Recipients:
    """Who gets it; `own` are the tenant's mailboxes, in lower case. A mode gives nobody of ours; an agent may.

    Raises UnfitError.
    """
    chosen_to, chosen_cc, chosen_bcc = (_chosen(each) for each in (draft.to, draft.cc, draft.bcc))
    seen: set[str] = set()
    to = _new(seen, chosen_to or _answered(draft, own))
    cc_given = _others(draft, own) if draft.mode == "reply_all" else ()
    cc = _new(seen, (*chosen_cc, *cc_given))
    bcc = _new(seen, chosen_bcc)
    if not to and not cc and not bcc:
        raise UnfitError("recipient_missing", "The message goes to nobody.")
    if len(seen) > RECIPIENTS_MAX:
        raise UnfitError("recipients_too_many", f"A message goes to at most {RECIPIENTS_MAX} recipients.")
    return Recipients(to=to, cc=cc, bcc=bcc)


def is_ours(address: str, own: frozenset[str]) -> bool:
    """A mailbox of the tenant, or a reply address of its domain: a token of somebody's conversation."""
    lowered = address.lower()
    domain = lowered.rpartition("@")[2]
    return lowered in own or (
        lowered.startswith(_REPLY_PREFIX) and any(each.rpartition("@")[2] == domain for each in own)
    )


def _answered(draft: Draft, own: frozenset[str]) -> tuple[Address, ...]:
    """Who wrote the original; of one that we wrote, who got it."""
    original = draft.original
    if draft.mode == "forward":
        return ()
    if original is not None:
        wrote = original.reply_to or ((original.from_,) if original.from_ else ())
        for people in (_usable(wrote, own), _usable(original.to, own)):
            if people:
                return people
    return _usable([Address(draft.counterpart)], own)


def _others(draft: Draft, own: frozenset[str]) -> tuple[Address, ...]:
    original = draft.original
    return _usable((*original.to, *original.cc), own) if original else ()


def _usable(people: Iterable[Address], own: frozenset[str]) -> tuple[Address, ...]:
    """Strangers wrote these: what is no address is left out."""
    found = (Address(_address(person.address) or "", person.name) for person in people)
    return tuple(person for person in found if person.address and not is_ours(person.address, own))


def _chosen(addresses: Iterable[str]) -> tuple[Address, ...]:
    found: list[Address] = []
    for place, written in enumerate(addresses):
        address = _address(written)
        if address is None:
            raise UnfitError("recipient_invalid", f"Recipient {place + 1} of a list is no e-mail address.")
        found.append(Address(address))
    return tuple(found)


def _address(text: str) -> str | None:
    address = valid_address(text)
    if address is None:
        return None
    try:
        local, _, domain = wire_address(address).rpartition("@")
    except ValueError:
        return None
    if len(local.encode()) > _LOCAL_BYTES_MAX or len(domain) > _DOMAIN_CHARS_MAX:
        return None
    return f"{local}@{domain}"


def _new(seen: set[str], people: Iterable[Address]) -> tuple[Address, ...]:
    found: list[Address] = []
    for person in people:
        key = person.address.lower()
        if key not in seen:
            seen.add(key)
            found.append(person)
    return tuple(found)
