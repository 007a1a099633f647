"""What written channels tell beside the words themselves: what became of a message, and how long one may write (topic
`messages`)."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Code, Count, Id, InstantMs, Number, Personal, Text

MessageStatus = Literal["sent", "delivered", "read", "failed", "unknown"]
"""unknown: nobody can say whether the provider has it; it is never sent again blindly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatusChanged:
    """What became of a message to the customer. Only news: a status never goes back, but after `failed` and `unknown`
    it may turn out delivered after all, or an agent has it sent again.

    A message to several recipients is failed if nobody got it, else as far as the last of those who did; it is told
    again with the same status when one more of them failed or has it."""

    message_id: Id
    interaction_id: Id
    domain: Id
    status: MessageStatus
    changed_at_ms: InstantMs
    reason: Code | None = None
    detail: Text | None = None
    recipients_failed: Count | None = None
    """How many of several recipients did not get it; none: it went to one."""
    personal: Personal = field(default_factory=dict)
    """`recipients`: of several, what became of it for each, `[{address, status, reason}]`. A reason beside `delivered`:
    `complained`, they called it unwanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited:
    """The customer changed their words; `personal.text` holds what they are now."""

    message_id: Id
    interaction_id: Id
    domain: Id
    edited_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageErased:
    """The customer took the message back: who keeps its words and files erases them."""

    message_id: Id
    interaction_id: Id
    domain: Id
    erased_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilesChanged:
    """Files of a customer's message have come since it was told of, or cannot be had: `personal.files` is all that it
    has now. An event of the same message with more `fetched` and `failed` in sum is the later one."""

    message_id: Id
    interaction_id: Id
    domain: Id
    changed_at_ms: InstantMs
    fetched: Annotated[int, Field(ge=0, le=1000)]
    pending: Annotated[int, Field(ge=0, le=1000)]
    """Still to be fetched."""
    failed: Annotated[int, Field(ge=0, le=1000)]
    """Which will not come."""
    reason: Code | None = None
    """Why not, of the last that failed: `file_gone`, `file_too_large`, `provider_away`, ..."""
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChanged:
    """Until when the customer may be written to freely; beyond it only a template goes. A provider that refuses a
    message for its window closes it."""

    interaction_id: Id
    domain: Id
    opens_at_ms: InstantMs
    closes_at_ms: InstantMs | None
    """None: without end."""
    basis: Code
    """`customer_message`, `advertisement`; `human_agent`: a person alone may write, and nobody once it is closed;
    `blocked`: closed, for the customer blocked us."""
    changed_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A message and its place in the conversation that it belongs to now."""

    message_id: Id
    number: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesMoved:
    """An agent split a conversation, or joined two: these messages are another interaction's now. The subject is the
    interaction that they leave; whoever keeps messages moves them, whatever else of the two it has read by then."""

    interaction_id: Id
    """Which they leave."""
    to_interaction_id: Id
    domain: Id
    moved: Annotated[tuple[Moved, ...], Field(min_length=1, max_length=200)]
    reason: Literal["split", "joined"]
    agent_id: Id
    moved_at_ms: InstantMs
