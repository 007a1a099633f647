"""What is kept of messages and mailboxes beside the conversations."""

from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMail:
    """A message that was taken at an address. `thread` none: it belongs to no conversation."""

    tenant_id: str
    address: str
    id_hash: str
    content_sha256: str
    thread: str | None = None
    """The counterpart of its conversations: whoever answers in it goes on there."""
    interaction_id: str | None = None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Home:
    """Where an interaction belongs."""

    tenant_id: str
    address: str
    thread: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxPosition:
    """How far a mailbox was read. `validity` none: never."""

    validity: int | None
    last_uid: int
    read_at_ms: int | None = field(default=None, compare=False)
    """When all that was there was kept; none: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxHealth:
    """How reading a mailbox goes, whichever replica does it."""

    address: str
    is_read: bool
    """A replica has the lease now."""
    validity: int | None
    """UIDVALIDITY of the folder; none: it was never read."""
    last_uid: int
    read_at_ms: int | None
    """When all that the server told of was kept last."""
    waiting: int | None
    """Messages that the server told of and that are not kept yet."""
    failed_at_ms: int | None
    error: str | None
    """What failed last, by a word; over if it is read again."""


def hash_of_id(message_id: str) -> str:
    """64 hex digits: an id may be long, and may tell of its sender."""
    return sha256(f"id:{message_id}".encode("utf-8", "replace")).hexdigest()


def hash_of_interaction(interaction_id: str) -> str:
    """Of no message: marks where an interaction went that was joined to another."""
    return sha256(f"interaction:{interaction_id}".encode()).hexdigest()


def hash_of_content(message_id: str | None, content_sha256: str) -> str:
    """Of a message without an id, or with one that another message had before."""
    return sha256(f"content:{content_sha256}:{message_id or ''}".encode("utf-8", "replace")).hexdigest()
