"""What a delivery of the WhatsApp Business Platform says.

Vendor's pages: "Webhooks: messages webhook reference" with its page for each type (edit and revoke of December 2025),
"Status messages webhook reference", "smb_message_echoes webhook reference", "Business-scoped user IDs" (March 2026).

Who writes is a set of identifiers. The business-scoped user id (BSUID) is in every message since April 2026 and the
phone number may be missing, so the first is the counterpart's key where it is there. It changes when the customer
changes their number, which a system message tells ("System messages webhook reference", August 2026: both ids).
An advertisement gives 72 hours without a price, not of free writing: that stays 24 hours after each message.
"""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gatewaykit.domain.content import Identifier, MediaRef, Window
from gatewaykit.domain.provider import (
    Echo,
    IdentityChanged,
    Item,
    NotUnderstoodError,
    Passed,
    Received,
    StatusReport,
    StatusWord,
    Unsent,
)

from chat_gateway.providers.meta import (
    CUSTOMER_WINDOW_MS,
    Meanings,
    account_again,
    attributes_of,
    pair_again,
    referral_attributes,
)
from chat_gateway.providers.reading import (
    Node,
    id_in,
    id_of,
    node_in,
    node_of,
    nodes_in,
    number_of,
    seconds_in,
    text_in,
    text_of,
    whole_in,
)
from chat_gateway.providers.shared import digits, place

MEANINGS: Final = Meanings(
    codes={
        80007: account_again(),
        130429: account_again(1_000),
        130497: "not_authorised",
        131005: "not_authorised",
        131026: "recipient_unknown",
        131031: "not_authorised",
        131042: "not_authorised",
        131045: "not_authorised",
        131047: "window_closed",
        131048: account_again(15 * 60_000),
        131050: "recipient_opted_out",
        131051: "content_refused",
        131052: "content_refused",
        131053: "content_refused",
        131056: pair_again(6_000),
        131057: account_again(60_000),
        132000: "content_refused",
        132001: "content_refused",
        132005: "content_refused",
        132007: "content_refused",
        132012: "content_refused",
        132015: "content_refused",
        132016: "content_refused",
        133010: "not_authorised",
    }
)
"""The page "Cloud API: Error Codes". 131049 (Meta does not deliver this advertisement now) and others
that are not here keep their numbers; 131000 and 131016 come with 5xx and do not say whether it was sent."""

_MEDIA: Final = ("image", "audio", "video", "document", "sticker")
_STATUS_WORDS: Final[Mapping[str, StatusWord]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",
    "failed": "failed",
}


def items_of(body: Node, *, now_ms: int) -> Iterator[Item]:
    """In the delivery's order. Raises NotUnderstoodError."""
    if text_of(body, "object") != "whatsapp_business_account":
        yield Passed(kind="object")
        return
    for entry in nodes_in(body, "entry"):
        for change in nodes_in(entry, "changes"):
            value = node_of(change, "value")
            if value.get("message_echoes") is not None:
                yield from _echoes(value)
            elif text_of(change, "field") == "messages":
                yield from _changed(value, now_ms)
            else:
                yield Passed(kind=text_of(change, "field")[:100])


def _changed(value: Node, now_ms: int) -> Iterator[Item]:
    account_id = _account_id(value)
    messages, contacts = nodes_in(value, "messages"), nodes_in(value, "contacts")
    senders = {(id_in(message, "from"), id_in(message, "from_user_id")) for message in messages}
    lone = contacts[0] if len(contacts) == len(senders) == 1 else None
    for message in messages:
        if text_of(message, "type") == "system":  # some name no sender
            yield _system(node_in(message, "system") or {}, account_id)
        else:
            yield _message(message, _person(message, contacts, lone), account_id, now_ms)
    for status in nodes_in(value, "statuses"):
        yield _status(status, account_id)
    for _ in nodes_in(value, "errors"):
        yield Passed(kind="errors")


def _account_id(value: Node) -> str:
    return id_of(node_of(value, "metadata"), "phone_number_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    key: str
    name: str | None
    identifiers: tuple[Identifier, ...]


def _person(message: Node, contacts: Sequence[Node], lone: Node | None) -> _Person:
    """The sender. A wa_id is not always the phone number that a message names, so a lone contact belongs to a lone
    sender whatever its number."""
    phone, user_id = id_in(message, "from"), id_in(message, "from_user_id")
    contact = next((one for one in contacts if _is_of(one, phone, user_id)), lone) or {}
    phone, user_id = phone or id_in(contact, "wa_id"), user_id or id_in(contact, "user_id")
    key = user_id or phone
    if key is None:
        raise NotUnderstoodError("a message names no sender")
    profile = node_in(contact, "profile") or {}
    identifiers = _identifiers(phone, user_id, id_in(contact, "parent_user_id"), id_in(profile, "username"))
    return _Person(key=key, name=text_in(profile, "name"), identifiers=identifiers)


def _identifiers(
    phone: str | None, user_id: str | None, parent_id: str | None, username: str | None = None
) -> tuple[Identifier, ...]:
    known = {
        "phone": f"+{phone}" if phone and phone.isascii() and phone.isdigit() else None,
        "whatsapp_user_id": user_id,
        "whatsapp_parent_user_id": parent_id,
        "whatsapp_username": username,
    }
    return tuple(Identifier(type=type_, value=value, verified=True) for type_, value in known.items() if value)


def _is_of(contact: Node, phone: str | None, user_id: str | None) -> bool:
    return (user_id is not None and id_in(contact, "user_id") == user_id) or (
        phone is not None and id_in(contact, "wa_id") == phone
    )


def _message(message: Node, person: _Person, account_id: str, now_ms: int) -> Item:
    kind = text_of(message, "type")
    if message.get("group_id") is not None:
        return Passed(kind="group")
    if kind == "request_welcome":
        return Passed(kind=kind)
    if kind == "revoke":
        original = id_of(node_of(message, kind), "original_message_id")
        return Unsent(provider_message_id=original, account_id=account_id, counterpart=person.key)
    edit = node_of(message, kind) if kind == "edit" else None
    content = _content(message if edit is None else node_of(edit, "message"))
    if content.attributes.get("kind") == "reaction" and not content.text:
        return Passed(kind="reaction taken back")
    sent_at_ms = seconds_in(message, "timestamp")
    opens_at_ms = now_ms if sent_at_ms is None else min(sent_at_ms, now_ms)
    window = Window(opens_at_ms=opens_at_ms, closes_at_ms=opens_at_ms + CUSTOMER_WINDOW_MS, basis="customer_message")
    return Received(
        provider_message_id=id_of(message, "id"),
        account_id=account_id,
        counterpart=person.key,
        identifiers=person.identifiers,
        text=content.text,
        media=content.media,
        name=person.name,
        reply_to=content.reply_to or id_in(node_in(message, "context") or {}, "id"),
        edits=None if edit is None else id_of(edit, "original_message_id"),
        sent_at_ms=sent_at_ms,
        window=window if edit is None else None,
        attributes={**content.attributes, **referral_attributes(node_in(message, "referral"))},
    )


def _system(node: Node, account_id: str) -> Item:
    """The number before becomes somebody else's, also if the new one is not told."""
    before, after = id_in(node, "previous_user_id"), id_in(node, "user_id")
    if before is None or after is None or before == after:
        return Passed(kind="system")
    return IdentityChanged(
        account_id=account_id,
        counterpart=before,
        to=after,
        identifiers=_identifiers(id_in(node, "wa_id"), after, id_in(node, "parent_user_id")),
        gone=("phone", "whatsapp_user_id", "whatsapp_parent_user_id"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """What of a message depends on its type."""

    text: str = ""
    media: tuple[MediaRef, ...] = ()
    reply_to: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def _content(message: Node) -> _Content:
    """A type that is new to us is like one that WhatsApp itself does not support: that the customer sent something is
    said, what it was is not."""
    kind = text_of(message, "type")
    if kind in _READERS:
        return _READERS[kind](message)
    if kind in _MEDIA:
        return _media(node_of(message, kind))
    return _Content(attributes={"kind": "unsupported"})


def _text(message: Node) -> _Content:
    return _Content(text=text_of(node_of(message, "text"), "body"))


def _media(node: Node) -> _Content:
    media = MediaRef(
        id=id_of(node, "id"),
        name=text_in(node, "filename"),
        mime=text_in(node, "mime_type"),
        sha256=_sha256(text_in(node, "sha256") or ""),
    )
    return _Content(text=text_in(node, "caption") or "", media=(media,))


def _sha256(text: str) -> str | None:
    """In hexadecimal; WhatsApp writes base64 or hexadecimal."""
    try:
        digest = bytes.fromhex(text) if len(text) == 64 else b64decode(text, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None


def _location(message: Node) -> _Content:
    node = node_of(message, "location")
    words = [text_in(node, key) for key in ("name", "address", "url")]
    return _Content(text=place(node, "latitude", "longitude", *words), attributes={"kind": "location"})


def _contacts(message: Node) -> _Content:
    lines = []
    for contact in nodes_in(message, "contacts"):
        name = text_in(node_in(contact, "name") or {}, "formatted_name")
        phones = [text_in(phone, "phone") for phone in nodes_in(contact, "phones")]
        emails = [text_in(email, "email") for email in nodes_in(contact, "emails")]
        lines.append(", ".join(filter(None, [name, *phones, *emails])))
    return _Content(text="\n".join(lines), attributes={"kind": "contacts"})


def _reaction(message: Node) -> _Content:
    node = node_of(message, "reaction")
    text = text_in(node, "emoji") or ""
    return _Content(text=text, reply_to=id_of(node, "message_id"), attributes={"kind": "reaction"})


def _button(message: Node) -> _Content:
    node = node_of(message, "button")
    return _Content(text=text_in(node, "text") or "", attributes=attributes_of(payload=text_in(node, "payload")))


def _interactive(message: Node) -> _Content:
    """The answer to a button or a list, or a form that was filled in (`nfm_reply`), whose fields come as JSON."""
    node = node_of(message, "interactive")
    kind = text_of(node, "type")
    reply = node_in(node, kind) or {}
    text = text_in(reply, "title") or text_in(reply, "response_json") or text_in(reply, "body") or ""
    return _Content(text=text, attributes=attributes_of(kind=kind, payload=id_in(reply, "id")))


def _order(message: Node) -> _Content:
    node = node_of(message, "order")
    lines = [text_in(node, "text") or ""]
    for item in nodes_in(node, "product_items"):
        price = f"{digits(number_of(item, 'item_price'))} {text_in(item, 'currency') or ''}"
        lines.append(f"{digits(number_of(item, 'quantity'))} x {id_of(item, 'product_retailer_id')}, {price}".strip())
    return _Content(text="\n".join(filter(None, lines)), attributes={"kind": "order"})


_READERS: Final[Mapping[str, Callable[[Node], _Content]]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "button": _button,
    "interactive": _interactive,
    "order": _order,
}


def _status(status: Node, account_id: str) -> Item:
    word = text_of(status, "status")
    if word not in _STATUS_WORDS:
        return Passed(kind=f"status {word[:90]}")
    error = next(iter(nodes_in(status, "errors")), None)
    number = None if error is None else whole_in(error, "code")
    return StatusReport(
        account_id=account_id,
        status=_STATUS_WORDS[word],
        provider_message_id=id_of(status, "id"),
        reference=id_in(status, "biz_opaque_callback_data"),
        at_ms=seconds_in(status, "timestamp"),
        code=_failure(number) if number is not None and number >= 0 else None,
        detail=None if error is None else f"Meta's error {number}: {(text_in(error, 'title') or '')[:200]}",
    )


def _failure(number: int) -> str:
    meaning = MEANINGS.of(number, None)
    return meaning if isinstance(meaning, str) else str(number)


def _echoes(value: Node) -> Iterator[Item]:
    """Messages of the WhatsApp Business app on the same number; what was sent through the API has none."""
    account_id = _account_id(value)
    for echo in nodes_in(value, "message_echoes"):
        kind = text_of(echo, "type")
        if kind in ("edit", "revoke"):
            yield Passed(kind=f"echo {kind}")
            continue
        yield Echo(
            provider_message_id=id_of(echo, "id"),
            account_id=account_id,
            counterpart=id_in(echo, "to_user_id") or id_of(echo, "to"),
            text=_content(echo).text,
            sent_at_ms=seconds_in(echo, "timestamp"),
        )
