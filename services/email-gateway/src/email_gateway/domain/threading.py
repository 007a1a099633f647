"""Which conversation a message belongs to. Never by its subject alone, which anybody may write.

Every answer of ours carries two things that come back: a reply address `reply+<interaction>.<mac>@domain`, and a
Message-ID `<id.mac@domain>`. Both are signed, so nobody can write into a conversation by guessing its number.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

Reason = Literal["reply_address", "in_reply_to", "references", "quoted_message_id"]
_MAC_BYTES: Final = 10
_MAC_CHARS: Final = 16
_ID_CHARS_MAX: Final = 36
_ID: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyz-")
_PREFIX: Final = "reply+"
_SEARCHED_CHARS: Final = 200_000
_CANDIDATES_MAX: Final = 50
_KEY_BYTES_MIN: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The first signs; all of them are believed, so that a key can be changed while answers are under way."""

    active: bytes
    previous: bytes | None = None

    def __post_init__(self) -> None:
        for key in self._all():
            if len(key) < _KEY_BYTES_MIN:
                raise ValueError(f"a key has at least {_KEY_BYTES_MIN} bytes")

    def _all(self) -> tuple[bytes, ...]:
        return (self.active,) if self.previous is None else (self.active, self.previous)

    def sign(self, purpose: str, domain: str, text: str) -> str:
        """80 bits of HMAC-SHA256 in letters and digits of one case: servers change the case of addresses."""
        return _mac(self.active, purpose, domain, text)

    def accept(self, purpose: str, domain: str, text: str, mac: str) -> bool:
        """It was signed by one of the keys; takes the same time whatever is wrong."""
        given = mac.encode("ascii", "replace")
        hits = [hmac.compare_digest(_mac(key, purpose, domain, text).encode(), given) for key in self._all()]
        return any(hits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A conversation that the message may join. Either `interaction_id`, signed; or `message_id`, to be looked up."""

    reason: Reason
    interaction_id: str | None = None
    message_id: str | None = None
    signed: bool = False
    """It is ours for certain; another's id must be in the store, and the sender one of its people."""


def reply_address(interaction_id: str, domain: str, keys: Keys) -> str:
    """Where the answer to a message goes; at most 64 characters before the @ (RFC 5321). The id: hex and hyphens."""
    _must_be_id(interaction_id)
    return f"{_PREFIX}{interaction_id}.{keys.sign('reply', domain.lower(), interaction_id)}@{domain}"


def own_message_id(unique: str, domain: str, keys: Keys) -> str:
    """A Message-ID without its brackets."""
    _must_be_id(unique)
    return f"{unique}.{keys.sign('message', domain.lower(), unique)}@{domain}"


def read_reply_address(address: str, domain: str, keys: Keys) -> str | None:
    """The interaction that it names, if we made it."""
    local, _, host = address.strip().lower().rpartition("@")
    if host != domain.lower() or not local.startswith(_PREFIX):
        return None
    return _signed(local.removeprefix(_PREFIX), "reply", host, keys)


def is_own_message_id(message_id: str, domain: str, keys: Keys) -> bool:
    """We made it."""
    local, _, host = message_id.strip().strip("<>").lower().rpartition("@")
    return host == domain.lower() and _signed(local, "message", host, keys) is not None


def join_candidates(
    *,
    recipients: Iterable[str],
    in_reply_to: Iterable[str],
    references: Iterable[str],
    text: str,
    domain: str,
    keys: Keys,
) -> tuple[Candidate, ...]:
    """In the order in which to try them, each once. `recipients`: To, Cc, Delivered-To and of the envelope."""
    found: dict[tuple[str | None, str | None], Candidate] = {}

    def add(reason: Reason, *, interaction_id: str | None = None, message_id: str | None = None) -> None:
        if len(found) < _CANDIDATES_MAX:
            signed = interaction_id is not None or is_own_message_id(message_id or "", domain, keys)
            found.setdefault(
                (interaction_id, message_id),
                Candidate(reason=reason, interaction_id=interaction_id, message_id=message_id, signed=signed),
            )

    for address in recipients:
        interaction_id = read_reply_address(address, domain, keys)
        if interaction_id is not None:
            add("reply_address", interaction_id=interaction_id)
    for message_id in in_reply_to:
        add("in_reply_to", message_id=message_id)
    for message_id in reversed(list(references)):
        add("references", message_id=message_id)
    for message_id in _quoted_ids(text, domain):
        if is_own_message_id(message_id, domain, keys):
            add("quoted_message_id", message_id=message_id)
    return tuple(sorted(found.values(), key=_may_be_stale))


def _may_be_stale(candidate: Candidate) -> bool:
    """A reply address names the interaction of the day on which it was sent: the message may be another's by now."""
    return not (candidate.signed and candidate.reason == "in_reply_to")


def _quoted_ids(text: str, domain: str) -> Iterator[str]:
    """Whatever looks like an id of ours in the text, as often as it may."""
    lowered, mark = text[:_SEARCHED_CHARS].lower(), f"@{domain.lower()}"
    position = lowered.find(mark)
    while position >= 0:
        start = position
        while start > 0 and position - start < _ID_CHARS_MAX + 1 + _MAC_CHARS and lowered[start - 1] in _ID | {"."}:
            start -= 1
        yield lowered[start : position + len(mark)]
        position = lowered.find(mark, position + len(mark))


def _signed(text: str, purpose: str, domain: str, keys: Keys) -> str | None:
    name, _, mac = text.rpartition(".")
    good = _is_id(name) and len(mac) == _MAC_CHARS and mac.isascii()
    return name if good and keys.accept(purpose, domain, name, mac) else None


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _ID_CHARS_MAX and _ID.issuperset(text)


def _must_be_id(text: str) -> None:
    if not _is_id(text):
        raise ValueError("an id has at most 36 small letters, digits and hyphens")


def _mac(key: bytes, purpose: str, domain: str, text: str) -> str:
    digest = hmac.new(key, f"{purpose}\0{domain}\0{text}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:_MAC_BYTES]).decode("ascii").lower()
