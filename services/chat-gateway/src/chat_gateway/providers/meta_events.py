"""What a delivery of Messenger or Instagram says; the two differ in a few words.

Vendor's pages: "Messenger Platform: Webhook events" with its page for each (messages, message_echoes,
message_deliveries, message_reads, message_edits, message_reactions, messaging_postbacks, messaging_referrals),
"Instagram Messaging: Webhooks", "Story mention", "Messenger Platform and IG Messaging API policy". What one customer
does opens the window for 24 hours; an advertisement that was clicked opens it for seven days.

Some events have no id of their own: a reaction or an edit gets one made of the message's id and the time or number of
the event, so that its repetition is the same. What another app handles (`standby`) is passed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gatewaykit.domain.content import Identifier, MediaRef, Window
from gatewaykit.domain.provider import (
    Account,
    Echo,
    Item,
    Passed,
    Received,
    StatusReport,
    StatusWord,
    Unsent,
    WindowChanged,
)

from chat_gateway.providers.meta import CUSTOMER_WINDOW_MS, attributes_of, referral_attributes
from chat_gateway.providers.reading import (
    Node,
    clean,
    flag_in,
    id_in,
    id_of,
    milliseconds_in,
    node_in,
    node_of,
    nodes_in,
    text_in,
    text_of,
    texts_in,
    whole_in,
)

_ADVERTISEMENT_WINDOW_MS: Final = 7 * CUSTOMER_WINDOW_MS
_FILES: Final = ("image", "audio", "video", "file", "sticker", "animated_image", "story_mention", "reel", "ig_reel")
"""Attachments whose URL is Meta's copy of a file. The URLs of others are links anywhere: text, and never fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """What tells the two apart."""

    object: str
    """The delivery's `object`."""
    identifier: str
    """Type of the customers' identifiers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    account_id: str
    customer: str
    at_ms: int | None
    now_ms: int
    app_id: str | None
    flavour: Flavour

    def window(self, referral: Node | None) -> Window:
        """Open since the event."""
        opens_at_ms = self.now_ms if self.at_ms is None else min(self.at_ms, self.now_ms)
        if referral is not None and (text_in(referral, "source") or "").upper() == "ADS":
            closes_at_ms = opens_at_ms + _ADVERTISEMENT_WINDOW_MS
            return Window(opens_at_ms=opens_at_ms, closes_at_ms=closes_at_ms, basis="advertisement")
        closes_at_ms = opens_at_ms + CUSTOMER_WINDOW_MS
        return Window(opens_at_ms=opens_at_ms, closes_at_ms=closes_at_ms, basis="customer_message")

    def identifiers(self) -> tuple[Identifier, ...]:
        """The customer's only one."""
        return (Identifier(type=self.flavour.identifier, value=self.customer, verified=True),)


def items_of(body: Node, account: Account, flavour: Flavour, *, now_ms: int) -> Iterator[Item]:
    """In the delivery's order. Raises NotUnderstoodError."""
    if text_of(body, "object") != flavour.object:
        yield Passed(kind="object")
        return
    for entry in nodes_in(body, "entry"):
        account_id = id_of(entry, "id")
        for node in nodes_in(entry, "messaging"):
            yield from _items(node, account_id, account.options.get("app_id"), flavour, now_ms)
        for _ in nodes_in(entry, "standby"):
            yield Passed(kind="standby")
        for change in nodes_in(entry, "changes"):
            yield Passed(kind=text_of(change, "field")[:100])


def _items(node: Node, account_id: str, app_id: str | None, flavour: Flavour, now_ms: int) -> Iterator[Item]:
    kind = next((key for key in _READERS if node.get(key) is not None), None)
    sender, recipient = (id_in(node_in(node, key) or {}, "id") for key in ("sender", "recipient"))
    if kind is None or sender is None:
        yield Passed(kind=kind or next((clean(key)[:100] for key in node if key not in _ENVELOPE), "nothing"))
        return
    content = node_of(node, kind)
    ours = sender == account_id or (kind == "message" and flag_in(content, "is_echo"))
    customer = recipient if ours else sender
    if customer is None or (ours and (kind != "message" or customer == account_id)):
        yield Passed(kind=f"our own {kind}")
        return
    event = _Event(
        account_id=account_id,
        customer=customer,
        at_ms=milliseconds_in(node, "timestamp"),
        now_ms=now_ms,
        app_id=app_id,
        flavour=flavour,
    )
    yield from [_echo(content, event)] if ours else _READERS[kind](content, event)


def _echo(node: Node, event: _Event) -> Item:
    """`metadata` is our reference if our app sent it; another app or the vendor's inbox may write there what it
    likes."""
    if flag_in(node, "is_deleted"):
        return Passed(kind="echo deleted")
    app_id, metadata = id_in(node, "app_id"), text_in(node, "metadata")
    return Echo(
        provider_message_id=id_of(node, "mid"),
        account_id=event.account_id,
        counterpart=event.customer,
        reference=metadata if metadata and app_id is not None and app_id == event.app_id else None,
        text=_text_and_media(node)[0],
        sent_at_ms=event.at_ms,
    )


def _message(node: Node, event: _Event) -> Iterator[Item]:
    mid = id_of(node, "mid")
    if flag_in(node, "is_deleted"):
        yield Unsent(provider_message_id=mid, account_id=event.account_id, counterpart=event.customer)
        return
    text, media = _text_and_media(node)
    reply, referral = node_in(node, "reply_to") or {}, node_in(node, "referral")
    story = node_in(reply, "story")
    if story is not None:
        media = (*media, *_media(text_in(story, "url")))
    yield Received(
        provider_message_id=mid,
        account_id=event.account_id,
        counterpart=event.customer,
        identifiers=event.identifiers(),
        text=text,
        media=media,
        reply_to=id_in(reply, "mid"),
        sent_at_ms=event.at_ms,
        window=event.window(referral),
        attributes={
            **attributes_of(
                kind=_kind(node, story=story is not None, empty=not text and not media),
                payload=text_in(node_in(node, "quick_reply") or {}, "payload"),
            ),
            **referral_attributes(referral),
        },
    )


def _kind(node: Node, *, story: bool, empty: bool) -> str | None:
    types = {text_in(attachment, "type") for attachment in nodes_in(node, "attachments")}
    if story:
        return "story_reply"
    if "story_mention" in types:
        return "story_mention"
    return "unsupported" if empty or flag_in(node, "is_unsupported") else None


def _text_and_media(node: Node) -> tuple[str, tuple[MediaRef, ...]]:
    lines = [text_in(node, "text")]
    media: list[MediaRef] = []
    for attachment in nodes_in(node, "attachments"):
        payload = node_in(attachment, "payload") or {}
        url = text_in(payload, "url") or text_in(attachment, "url")
        if text_in(attachment, "type") in _FILES:
            media += _media(url)
            continue
        title = text_in(payload, "title") or text_in(attachment, "title")
        lines += [part for part in (title, url) if part not in lines]
    return "\n".join(filter(None, lines)), tuple(media)


def _media(url: str | None) -> Sequence[MediaRef]:
    return [MediaRef(url=url)] if url else []


def _postback(node: Node, event: _Event) -> Iterator[Item]:
    """A button that was pressed: `title` is what the customer sees of it."""
    referral = node_in(node, "referral")
    yield Received(
        provider_message_id=id_in(node, "mid") or f"postback:{event.customer}:{event.at_ms}",
        account_id=event.account_id,
        counterpart=event.customer,
        identifiers=event.identifiers(),
        text=text_in(node, "title") or "",
        sent_at_ms=event.at_ms,
        window=event.window(referral),
        attributes={
            **attributes_of(kind="postback", payload=text_in(node, "payload")),
            **referral_attributes(referral),
        },
    )


def _reaction(node: Node, event: _Event) -> Iterator[Item]:
    mid, text = id_of(node, "mid"), text_in(node, "emoji") or text_in(node, "reaction")
    if text_of(node, "action") != "react" or not text:
        yield Passed(kind="reaction taken back")
        return
    yield Received(
        provider_message_id=f"reaction:{mid}:{event.customer}:{event.at_ms}",
        account_id=event.account_id,
        counterpart=event.customer,
        identifiers=event.identifiers(),
        text=text,
        reply_to=mid,
        sent_at_ms=event.at_ms,
        window=event.window(None),
        attributes={"kind": "reaction"},
    )


def _edit(node: Node, event: _Event) -> Iterator[Item]:
    mid, text = id_of(node, "mid"), text_in(node, "text")
    if text is None:
        yield Passed(kind="message_edit without text")
        return
    yield Received(
        provider_message_id=f"edit:{mid}:{whole_in(node, 'num_edit') or event.at_ms}",
        account_id=event.account_id,
        counterpart=event.customer,
        identifiers=event.identifiers(),
        text=text,
        edits=mid,
        sent_at_ms=event.at_ms,
    )


def _delivery(node: Node, event: _Event) -> Iterator[Item]:
    for mid in filter(None, texts_in(node, "mids")):
        yield _report("delivered", event, mid=mid)
    yield from _watermark("delivered", node, event)


def _read(node: Node, event: _Event) -> Iterator[Item]:
    """Messenger says until when all is read, Instagram names a message."""
    mid = id_in(node, "mid")
    if mid is not None:
        yield _report("read", event, mid=mid)
    yield from _watermark("read", node, event)


def _watermark(status: StatusWord, node: Node, event: _Event) -> Iterator[Item]:
    up_to_ms = milliseconds_in(node, "watermark")
    if up_to_ms is not None:
        yield _report(status, event, up_to_ms=up_to_ms)


def _report(status: StatusWord, event: _Event, *, mid: str | None = None, up_to_ms: int | None = None) -> StatusReport:
    return StatusReport(
        account_id=event.account_id,
        status=status,
        provider_message_id=mid,
        up_to_ms=up_to_ms,
        counterpart=event.customer,
        at_ms=event.at_ms,
    )


def _referral(node: Node, event: _Event) -> Iterator[Item]:
    """The customer came back by a link or an advertisement and has said nothing yet."""
    yield WindowChanged(account_id=event.account_id, counterpart=event.customer, window=event.window(node))


_ENVELOPE: Final = ("sender", "recipient", "timestamp")
_READERS: Final[Mapping[str, Callable[[Node, _Event], Iterator[Item]]]] = {
    "message": _message,
    "message_edit": _edit,
    "postback": _postback,
    "reaction": _reaction,
    "delivery": _delivery,
    "read": _read,
    "referral": _referral,
}
