"""What a gateway keeps of a conversation, and what a change of it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from contracts.commands import ConnectAssignment, RequestCallback
from contracts.interactions import (
    ActivityChanged,
    AttentionRequested,
    EndReason,
    InteractionEnded,
    InteractionStarted,
    InteractionUpdated,
)
from contracts.messages import (
    MessageAnnounced,
    MessageDelivered,
    MessageFailed,
    MessageNoted,
    MessageReceived,
    MessageSent,
)
from contracts.tasks import Role
from contracts.written import MessageEdited, MessageErased, MessageFilesChanged, MessagesMoved, WindowChanged

from gatewaykit.domain.content import File, Identifier, Window

CHECK_MS: Final = 30_000
"""A conversation is looked at by the timers at least so often."""
RECHECK_MS: Final = 5_000
"""And so soon again when nobody could say whether the visitor is there."""
QUIET_CHECK_MS: Final = 300_000
"""And so often where nobody's presence matters."""
PRESENCE_MS: Final = 15_000
"""A replica that died without a word is noticed after so long."""
HISTORY_MS: Final = 30 * 24 * 3_600_000
"""The gateway's own copy of an ended conversation is kept so long; the CRM has it for ever."""

State = Literal["open", "waiting", "assigned", "ended"]
Sender = Literal["customer", "agent", "system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A channel address as configured: where its interactions belong and how long they may be silent."""

    tenant_id: str
    channel: str
    address: str
    client: str
    domain: str
    partition: int
    idle_close_seconds: int
    abandon_seconds: int
    idle_release_seconds: int | None = None
    callbacks: bool = False
    """Its customers can be called back."""
    reopen_seconds: int = 0
    """Who writes within so long after the end goes on with what was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is known when a conversation begins; `identifiers` is `[{type, value, verified}]`."""

    identifiers: list[dict[str, object]]
    name: str | None = None
    queue: str | None = None
    """What the customer chose."""
    language: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A customer's message, before it has a number."""

    message_id: str
    text: str
    client_message_id: str | None = None
    provider_message_id: str | None = None
    files: tuple[File, ...] = ()
    html: str | None = None
    in_reply_to: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    personal: Mapping[str, object] = field(default_factory=dict)
    """Told beside text, HTML and files, and not kept here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """An agent's place in a conversation: an assignment and the part that it gives."""

    assignment_id: str
    task_id: str
    agent_id: str
    agent_name: str | None
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """An interaction as its gateway keeps it; the fields are the columns of table `conversation`."""

    tenant_id: str
    interaction_id: str
    channel: str
    address: str
    client: str
    domain: str
    partition: int
    queue_hint: str | None
    idle_close_seconds: int
    abandon_seconds: int
    state: State
    active_at_ms: int
    """When somebody wrote last or an agent came."""
    check_at_ms: int
    idle_release_seconds: int | None = None
    silent: bool = False
    """The router was told that the customer is silent, and not yet that they are back."""
    unanswered_since_ms: int | None = None
    """Since when it has been for the customer to speak; none while it is not."""
    gone_at_ms: int | None = None
    """Since when no socket of the visitor is known."""
    task_id: str | None = None
    assignment_id: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None
    helpers: tuple[Seat, ...] = ()
    """Whom transfers have brought in beside the owner, who is the agent above."""
    parked: bool = False
    """The agent has put it by: the customer's next word asks for attention."""
    awaits_answer: bool = False
    """The router wants to know of the owner's first message."""
    routed_sequence: str = ""
    """Of the last routing event that concerned this interaction."""
    last_number: int = 0
    customer_number: int = 0
    customer_message_id: str = ""
    """Number and id of the customer's last message."""
    delivered_number: int = 0
    end_reason: EndReason | None = None
    end_cause: str | None = None
    """The router's own reason, where it gave the task up."""
    revision: int = 0
    """Rises with every change, so that a socket's holder sees that there was one."""
    counterpart: str | None = None
    """The provider's key of the customer, of whom one conversation is open at the address; none: a web chat."""
    identifiers: tuple[Identifier, ...] = ()
    """By what the channel knows them; empty for a web chat."""
    subject: str | None = None
    """Of an e-mail."""
    continues: str | None = None
    """The interaction before, with which this one goes on."""
    reopen_seconds: int = 0
    reply_window: Window | None = None
    """Until when the customer may be written to freely; none: nothing is known of such a rule."""
    ended_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing said; the fields are the columns of table `message`."""

    tenant_id: str
    interaction_id: str
    number: int
    message_id: str
    sender: Sender
    text: str
    at_ms: int
    client_message_id: str | None = None
    agent_name: str | None = None
    address: str | None = None
    provider_message_id: str | None = None
    """The provider's, unique at the address; none: a web chat's, or ours that went to the provider."""
    files: tuple[File, ...] = ()
    html: str | None = None
    edited_at_ms: int | None = None
    erased_at_ms: int | None = None
    """Since when its words and files are gone: the customer took it back."""


Announced = (
    InteractionStarted
    | ActivityChanged
    | AttentionRequested
    | InteractionUpdated
    | InteractionEnded
    | MessageReceived
    | MessageSent
    | MessageNoted
    | MessageAnnounced
    | MessageDelivered
    | MessageFailed
    | MessageEdited
    | MessageErased
    | MessageFilesChanged
    | MessagesMoved
    | WindowChanged
    | RequestCallback
    | ConnectAssignment
)


@dataclass(frozen=True, slots=True)
class Change:
    """The conversation afterwards, what to announce in this order, the message that was added, and the one that is
    another now, if any."""

    conversation: Conversation
    announce: tuple[Announced, ...] = ()
    message: Message | None = None
    changed: Message | None = None
