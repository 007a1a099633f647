"""Who a customer is: decided from the identifiers that an interaction brings, and those that are held already.

An identifier (type and value) is held by one customer of a tenant. A *verified* one was proven by the gateway (signed
by the tenant's backend); an unverified one was only said. The rules, in this order:

1. Verified identifiers count alone. Held verified by one customer: that customer. Held by two: a conflict, nobody is
   merged, the interaction gets a new customer. Held by nobody: a new customer.
2. Without any, an unverified identifier leads to the customer who holds this very identifier; of several such
   customers to that of the first one said. Held by nobody: a new customer.
3. A sender whose domain disowns the mail (attribute `authenticated` is `fail`) is led to nobody by what was only said,
   and no e-mail address counts as verified there: a new customer who holds nothing of it. Whom the claims point to is
   noted, and a person may say whose it is.

An unverified identifier is attached only to a new customer who proved nothing: else whoever types somebody's address
would be led to that somebody later. A verified one takes the identifier away from a customer who only said it.
Wrong merges are what these rules avoid; two customers who are one can still be merged by a person.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from crm.domain.words import cleaned

IDENTIFIERS_MAX: Final = 16
VALUE_LENGTH_MAX: Final = 320
"""The longest e-mail address (RFC 5321, section 4.5.3.1) is a little shorter."""
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_PHONE_TYPES: Final = frozenset({"phone", "whatsapp", "sms"})

Reason = Literal[
    "verified_identifier",
    "unverified_identifier",
    "new_identifier",
    "conflicting_identifiers",
    "no_identifier",
    "sender_disowned",
]

Key = tuple[str, str]
"""Type and normalised value."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """One claim about who somebody is; the value is normalised."""

    type: str
    value: str
    verified: bool

    @property
    def key(self) -> Key:
        """What it is held by."""
        return (self.type, self.value)


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds an identifier now."""

    customer_id: str
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whose interaction it is and why; what `attach` names is held by this customer from now on."""

    customer_id: str
    is_new: bool
    reason: Reason
    attach: tuple[Identifier, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Other customers whom the claims point to; for a person who may merge or correct."""


def disowned(attributes: Mapping[str, str]) -> bool:
    """Whether the interaction's sender is not who they say they are, by the gateway's attributes."""
    return attributes.get("authenticated") == "fail"


def without_proof(claims: Sequence[Identifier]) -> tuple[Identifier, ...]:
    """What a disowned sender claims: no e-mail address of theirs is verified, whatever is said of it."""
    return tuple(replace(claim, verified=False) if claim.type == "email" else claim for claim in claims)


def decide(
    claims: Sequence[Identifier], held: Mapping[Key, Holding], *, new_customer_id: str, disowned: bool = False
) -> Decision:
    """Whose interaction it is; see the rules above. `claims` are in the order in which they were said."""
    verified = [claim for claim in claims if claim.verified]
    if not verified and disowned:
        pointed = tuple(dict.fromkeys(held[claim.key].customer_id for claim in claims if claim.key in held))
        return Decision(customer_id=new_customer_id, is_new=True, reason="sender_disowned", conflicts=pointed)
    if not verified:
        return _decide_by_words(claims, held, new_customer_id)
    proven = [held[claim.key].customer_id for claim in verified if claim.key in held and held[claim.key].verified]
    candidates = tuple(dict.fromkeys(proven))
    free = tuple(claim for claim in verified if claim.key not in held or not held[claim.key].verified)
    if len(candidates) == 1:
        return Decision(customer_id=candidates[0], is_new=False, reason="verified_identifier", attach=free)
    reason: Reason = "conflicting_identifiers" if candidates else "new_identifier"
    return Decision(customer_id=new_customer_id, is_new=True, reason=reason, attach=free, conflicts=candidates)


def _decide_by_words(claims: Sequence[Identifier], held: Mapping[Key, Holding], new_customer_id: str) -> Decision:
    candidates = tuple(dict.fromkeys(held[claim.key].customer_id for claim in claims if claim.key in held))
    if candidates:
        first, *others = candidates
        return Decision(customer_id=first, is_new=False, reason="unverified_identifier", conflicts=tuple(others))
    reason: Reason = "new_identifier" if claims else "no_identifier"
    return Decision(customer_id=new_customer_id, is_new=True, reason=reason, attach=tuple(claims))


def takes_name(name: str | None, named_at_ms: int | None, *, verified: bool, at_ms: int) -> bool:
    """Whether a customer so named takes another name: a proven one that is no older, any for a gap."""
    return name is None or (verified and (named_at_ms or 0) <= at_ms)


def claims_of(personal: Mapping[str, object]) -> tuple[Identifier, ...]:
    """The identifiers in `personal`, normalised, each once, at most IDENTIFIERS_MAX.

    What is not `{type, value, verified}` is passed over, and so is all of it while it is encrypted: an interaction
    without a known customer is better than one that nobody sees.
    """
    entries = personal.get("identifiers")
    claims = [_claim(entry) for entry in (entries if isinstance(entries, list) else [])]
    return merged((), [claim for claim in claims if claim])[:IDENTIFIERS_MAX]


def normalised(kind: str, value: str) -> str:
    """One spelling for one identifier: phone numbers as E.164 writes them (those told without their country as digits),
    e-mail addresses in lower case, also before the @."""
    text = cleaned(value).strip()
    if kind in _PHONE_TYPES:
        digits = re.sub(r"[^0-9]", "", text)
        plus = digits.startswith("00") or re.sub(r"[^0-9+]", "", text).startswith("+")
        return f"+{digits.removeprefix('00')}" if plus and digits else digits
    return text.lower() if kind == "email" else text


def _claim(entry: object) -> Identifier | None:
    match entry:
        case {"type": str(kind), "value": str(value), **rest} if _TYPE.fullmatch(kind):
            spelled = normalised(kind, value)
            if 0 < len(spelled) <= VALUE_LENGTH_MAX:
                return Identifier(kind, spelled, rest.get("verified") is True)
    return None


def merged(earlier: Sequence[Identifier], now: Sequence[Identifier]) -> tuple[Identifier, ...]:
    """All claims of an interaction so far, each once; what was verified stays so."""
    found: dict[Key, Identifier] = {}
    for claim in (*earlier, *now):
        if claim.key not in found or claim.verified:
            found[claim.key] = claim
    return tuple(found.values())
