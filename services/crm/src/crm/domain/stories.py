"""What the CRM keeps of interactions and messages, and what an event makes of it.

Each topic has its own kinds of rows, so that it does not matter which topic is read first: an interaction's messages
and tasks may stand here before it does.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from contracts.interactions import EndReason, InteractionEnded, InteractionStarted, InteractionUpdated
from contracts.messages import MessageAnnounced, MessageNoted, MessageReceived, MessageSent, Visibility

from crm.domain.words import cleaned

NAME_LENGTH_MAX = 200

Direction = Literal["inbound", "outbound"]
Said = MessageReceived | MessageSent | MessageNoted | MessageAnnounced


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A conversation; the fields are the columns of table `interaction`.

    What its `interaction.started` tells is missing while only a later event of it was readable.
    """

    tenant_id: str
    interaction_id: str
    domain: str
    customer_id: str | None = None
    client: str | None = None
    channel: str | None = None
    address: str | None = None
    language: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    end_reason: EndReason | None = None
    end_cause: str | None = None
    """The router's own reason, where it gave the task up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing said; the fields are the columns of table `message`."""

    tenant_id: str
    interaction_id: str
    number: int
    message_id: str
    direction: Direction
    agent_id: str | None
    """None of an outbound one: the gateway itself said it."""
    text: str
    at_ms: int
    delivered_at_ms: int | None = None
    visibility: Visibility = "customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedMessage:
    """An agent's message that did not become part of the conversation; the columns of table `failed_message`."""

    tenant_id: str
    message_id: str
    interaction_id: str
    agent_id: str
    reason: str
    detail: str
    failed_at_ms: int


def started(before: Interaction, data: InteractionStarted) -> Interaction:
    """It begins; what a later event told stays."""
    return replace(
        before,
        client=data.client,
        channel=data.channel,
        address=data.address,
        language=data.language,
        attributes=_cleaned(data.attributes) | before.attributes,
        started_at_ms=data.started_at_ms,
    )


def updated(before: Interaction, data: InteractionUpdated) -> Interaction:
    """More is known."""
    return replace(before, attributes=before.attributes | _cleaned(data.attributes))


def ended(before: Interaction, data: InteractionEnded) -> Interaction:
    """It is over, for good."""
    return replace(before, ended_at_ms=data.ended_at_ms, end_reason=data.reason, end_cause=data.cause)


def message_of(tenant_id: str, data: Said) -> Message:
    """The message that the event tells of; without words where it holds none that can be read."""
    text = data.personal.get("text")
    return Message(
        tenant_id=tenant_id,
        interaction_id=data.interaction_id,
        number=data.number,
        message_id=data.message_id,
        direction="inbound" if isinstance(data, MessageReceived) else "outbound",
        agent_id=data.agent_id if isinstance(data, MessageSent | MessageNoted) else None,
        text=cleaned(text) if isinstance(text, str) else "",
        at_ms=_said_at_ms(data),
        visibility="internal" if isinstance(data, MessageNoted) else "customer",
    )


def _said_at_ms(data: Said) -> int:
    match data:
        case MessageReceived():
            return data.received_at_ms
        case MessageSent():
            return data.sent_at_ms
        case MessageNoted():
            return data.noted_at_ms
        case MessageAnnounced():
            return data.announced_at_ms


def name_of(personal: dict[str, object]) -> str | None:
    """The customer's name, if one was told."""
    name = personal.get("name")
    return cleaned(name).strip()[:NAME_LENGTH_MAX] or None if isinstance(name, str) else None


def _cleaned(attributes: dict[str, str]) -> dict[str, str]:
    return {cleaned(name): cleaned(value) for name, value in attributes.items()}
