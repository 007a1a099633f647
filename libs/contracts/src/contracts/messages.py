"""What was said, in both directions (topic `messages`; its offset is the order of the conversation)."""

from dataclasses import dataclass, field
from typing import Literal

from contracts.fields import Attributes, Channel, Code, Id, InstantMs, Number, Personal, Text

Visibility = Literal["customer", "internal"]
"""internal: a note between agents of one conversation; the customer never gets it. Events say so by their type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """The customer said something; `personal.text` holds the words."""

    message_id: Id
    interaction_id: Id
    domain: Id
    channel: Channel
    number: Number
    received_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)
    in_reply_to: Id | None = None
    """The message that the customer answered, where the channel tells."""
    attributes: Attributes = field(default_factory=dict)
    """What the gateway found out about it: `authenticated`, `automatic`, `joined_by`, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """The gateway took an agent's message for the customer; `personal.text` holds the words."""

    message_id: Id
    interaction_id: Id
    domain: Id
    channel: Channel
    number: Number
    agent_id: Id
    assignment_id: Id
    sent_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageNoted:
    """The gateway took an agent's note to the other agents: the customer never gets it, though it has a number of the
    conversation; `personal.text` holds the words."""

    message_id: Id
    interaction_id: Id
    domain: Id
    channel: Channel
    number: Number
    agent_id: Id
    assignment_id: Id
    noted_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAnnounced:
    """The gateway itself told the customer something, as the configuration words it; `personal.text` holds it."""

    message_id: Id
    interaction_id: Id
    domain: Id
    channel: Channel
    number: Number
    reason: Code
    """Of what asked for it: of the `task.transferred_out`; `callback` of a `task.rerouted`; of the refusal
    (`task_assigned`, `task_gone`) where the customer had asked to be called back."""
    announced_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered:
    """The customer's device has every message up to `number`."""

    interaction_id: Id
    domain: Id
    number: Number
    delivered_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFailed:
    """An agent's message was refused or could not be delivered; it is not part of the conversation."""

    message_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    reason: Code
    detail: Text
    failed_at_ms: InstantMs
