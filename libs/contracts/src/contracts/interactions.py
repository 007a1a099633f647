"""Life of an interaction, written by its gateway alone (topic `interactions`)."""

from dataclasses import dataclass, field
from typing import Literal

from contracts.fields import Attributes, Channel, Code, Id, InstantMs, Personal

EndReason = Literal["customer_left", "agent_closed", "idle", "never_answered", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionStarted:
    """A customer opened a conversation; asks the router for a task."""

    interaction_id: Id
    domain: Id
    client: Id
    channel: Channel
    address: Id
    """The registered channel address that was contacted; configuration maps it to a queue."""
    started_at_ms: InstantMs
    queue_hint: Code | None = None
    """What the customer chose beforehand; the router uses it only if the address allows this queue."""
    language: Code | None = None
    attributes: Attributes = field(default_factory=dict)
    personal: Personal = field(default_factory=dict)
    """`text` and `subject`: what the customer wrote first, which classification rules read; `name`, `identifiers`."""
    callback_possible: bool | None = None
    """Whether this customer can be called back; none: what the configuration says of the address (`callbacks`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionUpdated:
    """Something about the customer or the conversation became known after the start."""

    interaction_id: Id
    domain: Id
    updated_at_ms: InstantMs
    attributes: Attributes = field(default_factory=dict)
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityChanged:
    """The customer has fallen silent, or is back: a silent one takes no capacity of the agent."""

    interaction_id: Id
    domain: Id
    active: bool
    changed_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionRequested:
    """An open interaction needs an agent again; joins its live task if there is one."""

    interaction_id: Id
    domain: Id
    client: Id
    channel: Channel
    address: Id
    request_id: Id
    message_id: Id
    requested_at_ms: InstantMs
    queue_hint: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionEnded:
    """The conversation is over: a waiting or offered task is abandoned, an assigned one goes to wrap-up."""

    interaction_id: Id
    domain: Id
    reason: EndReason
    ended_at_ms: InstantMs
    cause: Code | None = None
    """The router's reason, where it gave the task up: that of `task.transferred_out` (`overflowed`, `closed`, ...)."""
