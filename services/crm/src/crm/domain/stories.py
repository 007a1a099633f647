"""What the CRM keeps of interactions and messages, and what an event makes of it.

Each topic has its own kinds of rows, so that it does not matter which topic is read first: an interaction's messages
and tasks may stand here before it does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from contracts.interactions import EndReason, InteractionEnded, InteractionStarted, InteractionUpdated
from contracts.messages import MessageAnnounced, MessageNoted, MessageReceived, MessageSent, Visibility

from crm.domain.words import cleaned

NAME_LENGTH_MAX = 200
FILES_MAX: Final = 100
PARTIES: Final = ("from", "to", "cc", "bcc")
PARTIES_MAX: Final = 1000
"""So many addresses of each kind are kept."""
CONTINUES: Final = "continues"
"""The attribute of an interaction that names the one before."""

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
    continues: str | None = None
    """The interaction that this one goes on from."""


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
    subject: str | None = None
    html: str | None = None
    """Sanitised by the gateway."""
    quoted: str | None = None
    """What an e-mail repeats of those before."""
    in_reply_to: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    parties: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Addresses by PARTIES."""
    files: Sequence[Mapping[str, object]] = field(default_factory=list)
    """`{blob_id, name, mime, size_bytes, sha256, inline_id}`: the bytes are the gateway's."""


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
        continues=cleaned(data.attributes.get(CONTINUES, "")) or None,
    )


def updated(before: Interaction, data: InteractionUpdated) -> Interaction:
    """More is known."""
    return replace(before, attributes=before.attributes | _cleaned(data.attributes))


def ended(before: Interaction, data: InteractionEnded) -> Interaction:
    """It is over, for good."""
    return replace(before, ended_at_ms=data.ended_at_ms, end_reason=data.reason, end_cause=data.cause)


def message_of(tenant_id: str, data: Said) -> Message:
    """The message that the event tells of; without words where it holds none that can be read."""
    personal = data.personal
    received = data if isinstance(data, MessageReceived) else None
    return Message(
        tenant_id=tenant_id,
        interaction_id=data.interaction_id,
        number=data.number,
        message_id=data.message_id,
        direction="inbound" if isinstance(data, MessageReceived) else "outbound",
        agent_id=data.agent_id if isinstance(data, MessageSent | MessageNoted) else None,
        text=_text(personal.get("text")) or "",
        at_ms=_said_at_ms(data),
        visibility="internal" if isinstance(data, MessageNoted) else "customer",
        subject=_text(personal.get("subject")),
        html=_text(personal.get("html")),
        quoted=_text(personal.get("quoted")),
        in_reply_to=received.in_reply_to if received else None,
        attributes=_cleaned(received.attributes) if received else {},
        parties={kind: addresses for kind in PARTIES if (addresses := _addresses(personal.get(kind)))},
        files=files_of(personal.get("files")),
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
    name = _text(personal.get("name"))
    return (name.strip()[:NAME_LENGTH_MAX] or None) if name else None


def searched(message: Message) -> str:
    """What a message is found by."""
    names = (str(file["name"]) for file in message.files)
    return " ".join([message.subject or "", message.text, *names])


def _text(told: object) -> str | None:
    return cleaned(told) if isinstance(told, str) else None


def _addresses(told: object) -> list[str]:
    """One address or several."""
    each = told if isinstance(told, list) else [told]
    return [cleaned(address) for address in each if isinstance(address, str)][:PARTIES_MAX]


def files_of(told: object) -> list[Mapping[str, object]]:
    """What has no name or no bytes that could be asked for is no file."""
    files = [_file(each) for each in (told if isinstance(told, list) else [])]
    return [file for file in files if file][:FILES_MAX]


def _file(told: object) -> Mapping[str, object] | None:
    match told:
        case {"blob_id": str(blob_id), "name": str(name), **rest}:
            return {
                "blob_id": cleaned(blob_id),
                "name": cleaned(name),
                "mime": _text(rest.get("mime")),
                "size_bytes": size if isinstance(size := rest.get("size_bytes"), int) else None,
                "sha256": _text(rest.get("sha256")),
                "inline_id": _text(rest.get("inline_id")),
            }
    return None


def _cleaned(attributes: dict[str, str]) -> dict[str, str]:
    return {cleaned(name): cleaned(value) for name, value in attributes.items()}
