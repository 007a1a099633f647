"""The port between whoever gets a message - SMTP, IMAP - and what takes it."""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """How a message came."""

    mail_from: str | None
    """Empty: `<>`, a bounce's. None: not known (IMAP)."""
    recipients: tuple[str, ...]
    """For IMAP the mailbox's address."""
    received_at_ms: int
    source: Literal["smtp", "imap"]
    peer_ip: str | None = None
    helo: str | None = None
    tls: bool = False
    vouched: bool = False
    """It came through our own mail server: Authentication-Results of our id are that server's."""
    authserv_id: str | None = None
    """It was read from a mailbox whose server writes Authentication-Results under this name. That server may have left
    others' of this name below its own."""
    whole_bytes: int | None = None
    """The message is so large that only its header is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """It is committed, was so before, or needs no keeping (a loop): never send it again."""

    interaction_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Nothing of it is certain to be kept: send it again. `reason` is a code."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It can never be taken. `reason` is a code."""

    reason: str


Answer = Accepted | Later | Refused


class AcceptMail(Protocol):
    """Takes a message, each exactly once however often it comes."""

    async def __call__(self, raw: bytes, envelope: Envelope) -> Answer:
        """Never raises for what the world does: a database that is away is Later."""
        ...


class Recipients(Protocol):
    """Whose mail we take."""

    def takes(self, address: str) -> bool | None:
        """It is a configured address or a reply address of ours; none: the configuration is not read yet."""
        ...
