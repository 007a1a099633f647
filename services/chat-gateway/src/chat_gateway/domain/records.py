"""What only a chat has: visitors' windows, places in line, which are shown them, and files that are not here yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.records import Opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visitor's open chat window, as their token holds it; an interaction comes of it with the first message.

    `identifiers` is `[{type, value, verified}]`; `opened_at_ms` is when the window opened, renewals aside.
    """

    tenant_id: str
    interaction_id: str
    address: str
    identifiers: list[dict[str, object]]
    opened_at_ms: int
    expires_at_ms: int
    name: str | None = None
    queue: str | None = None
    language: str | None = None
    attributes: dict[str, str]

    @property
    def opening(self) -> Opening:
        """What the conversation begins with."""
        return Opening(
            identifiers=self.identifiers,
            name=self.name,
            queue=self.queue,
            language=self.language,
            attributes=self.attributes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTask:
    """A task of any channel and its place in line, which it has while it waits, and gets back when it is requeued."""

    tenant_id: str
    task_id: str
    interaction_id: str
    domain: str
    queue: str
    priority: int
    queued_at_ms: int
    waiting: bool = True
    band: int = 0
    expected_at_ms: int | None = None
    """When an agent was expected to come, as far as the router could tell."""


FileState = Literal["fetch", "delete", "failed"]
"""It waits to be fetched, or to be deleted; or it cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFile:
    """A file of a customer's message that is not here, or is not to be here any more."""

    tenant_id: str
    message_id: str
    place: int
    """Its place in the message: 1, 2, ..."""
    interaction_id: str
    address: str
    state: FileState = "fetch"
    media: MediaRef | None
    """As the provider names it, while it is to be fetched."""
    attempts: int = 0
    created_at_ms: int
    due_at_ms: int

    @property
    def blob_id(self) -> str:
        """Where it is kept: it follows from the message, so that a second attempt is the same file."""
        return f"{self.message_id}.{self.place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """A privileged action, written down before it is done."""

    tenant_id: str
    audit_id: str
    at_ms: int
    actor: str
    action: str
    """`address.register`, `address.replay`, ..."""
    target: str
    """The address."""
    content: Mapping[str, object] = field(default_factory=dict)
    """What was asked beside it, in JSON's types; no personal data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingStop:
    """Nothing is sent by an address any more, since its system answered that it wants nothing."""

    tenant_id: str
    address: str
    mark: str
    """A digest of the account as it was configured then."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookNote:
    """What was seen last of an address' webhooks."""

    tenant_id: str
    address: str
    delivered_at_ms: int | None = None
    refused_at_ms: int | None = None
    refused_because: str | None = None
    """`forged`, `stale`, `not_understood`, `secret_missing`."""
