"""LINE's Messaging API: "Messaging API reference", developers.line.biz/en/reference/messaging-api, and the pages "Retry
failed API requests" and "Handle HTTP status code 429 errors".

One-to-one chats only: in a group or room several people talk to each other, so those are Passed. Edits come from groups
alone. Answers are pushed: the reply token would spare the quota, but it holds for about a minute, once, and a request
with it cannot be repeated safely, which one with our retry key can. LINE says neither what was delivered or read nor
what the account sent, and a message to somebody who has blocked it is answered 200.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from gatewaykit.domain.content import Identifier, MediaRef, Window
from gatewaykit.domain.provider import (
    Account,
    Again,
    Capabilities,
    ForgedError,
    HttpReply,
    HttpRequest,
    Item,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    Received,
    Refused,
    Sent,
    Uncertain,
    Unsent,
    WebAnswer,
    WebRequest,
    WindowChanged,
)

from chat_gateway.providers.reading import (
    Node,
    fits_any,
    id_in,
    id_of,
    json_bytes,
    milliseconds_in,
    node_in,
    node_of,
    nodes_in,
    read_object,
    reply_object,
    text_in,
    text_of,
    whole_in,
    within_bound,
)
from chat_gateway.providers.shared import check, judged, passed, place, wait_ms

API_URL: Final = "https://api.line.me"
DATA_URL: Final = "https://api-data.line.me"
"""Where files are ("Domain name"); a simulator has them where its API is."""
FILES: Final = ("image", "video", "audio", "file")


class Line:
    """An official account. `account_id` is the bot's user id, the `destination` of its deliveries."""

    name = "line"
    channel = "line"
    secrets: tuple[str, ...] = ("channel_secret", "access_token")
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    # A video needs a preview picture and a sound its duration, which we do not have; other files no bot can send. A
    # picture may have 10 MB but its preview 1 MB, and we have one URL for both. To quote needs a token, not an id.
    capabilities = Capabilities(
        text_max=5000,
        caption_max=5000,
        file_types=("image/jpeg", "image/png"),
        file_bytes_max=1_000_000,
        uploads="url",
        idempotent=True,
        account_per_second=2000.0,
    )

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """None: the console's check is a delivery without events."""
        return None

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """Base64 of the body's HMAC-SHA256 under the channel secret; no instant is signed, so nothing can be stale."""

        def signature(secret: bytes) -> str:
            return base64.b64encode(hmac.new(secret, request.body, hashlib.sha256).digest()).decode()

        if not fits_any(request.headers.get("x-line-signature"), account.secrets["channel_secret"], signature):
            raise ForgedError("the signature is missing or wrong")

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """A batch of events of one account; a redelivery has the same ids of messages and events."""
        delivery = read_object(request.body)
        account_id = id_of(delivery, "destination")
        return within_bound(_item(event, account_id) for event in nodes_in(delivery, "events"))

    def answer(self, request: WebRequest) -> WebAnswer:
        """An empty 200."""
        return WebAnswer()

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """A push message; a picture and its text are two messages of one request."""
        check(outgoing, self.capabilities)
        messages: list[Mapping[str, str]] = []
        if outgoing.file is not None:
            url = outgoing.file.url
            messages.append({"type": "image", "originalContentUrl": url, "previewImageUrl": url})
        if outgoing.text:
            messages.append({"type": "text", "text": outgoing.text})
        return HttpRequest(
            method="POST",
            url=f"{account.api_url}/v2/bot/message/push",
            headers={**_headers(account), "X-Line-Retry-Key": outgoing.reference},
            body=json_bytes({"to": outgoing.counterpart, "messages": messages}),
        )

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """Within 24 hours a second request with the same retry key is answered 409 and sends nothing."""
        return judged(_outcome, reply)

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """The content by the message's id: 202 while LINE still prepares a large one, so ask again. A file that is
        elsewhere (`contentProvider`) is not shown the token."""
        if media.url is not None:
            return HttpRequest(method="GET", url=media.url)
        data_url = DATA_URL if account.api_url == API_URL else account.api_url
        return HttpRequest(
            method="GET",
            url=f"{data_url}/v2/bot/message/{quote(media.id or '', safe='')}/content",
            headers={"Authorization": f"Bearer {account.secret('access_token')}"},
        )

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """None: the reply is the file."""
        return None

    def registration(self, account: Account) -> HttpRequest:
        """ "Set webhook endpoint URL"; that webhooks are used at all is switched on in the console."""
        return HttpRequest(
            method="PUT",
            url=f"{account.api_url}/v2/bot/channel/webhook/endpoint",
            headers=_headers(account),
            body=json_bytes({"endpoint": account.webhook_url}),
        )


def _headers(account: Account) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {account.secret('access_token')}", "Content-Type": "application/json"}


def _item(event: Node, account_id: str) -> Item:
    kind, source = text_of(event, "type"), node_in(event, "source")
    if text_in(event, "mode") == "standby":
        return passed("standby")
    if kind not in {"message", "postback", "unsend", "follow", "unfollow"}:
        return passed(kind)
    if source is None or text_of(source, "type") != "user":
        return passed("group_message" if kind == "message" else kind)
    user_id = id_in(source, "userId")
    if user_id is None:
        return passed("nobody")
    match kind:
        case "message":
            return _message(event, account_id, user_id)
        case "postback":
            return _postback(event, account_id, user_id)
        case "unsend":
            message_id = id_of(node_of(event, "unsend"), "messageId")
            return Unsent(provider_message_id=message_id, account_id=account_id, counterpart=user_id)
        case _:
            at_ms = _at_ms(event)
            window = Window(opens_at_ms=at_ms, closes_at_ms=None, basis="always") if kind == "follow" else None
            return WindowChanged(account_id=account_id, counterpart=user_id, window=window, at_ms=at_ms)


def _message(event: Node, account_id: str, user_id: str) -> Received:
    message = node_of(event, "message")
    kind = text_of(message, "type")
    return Received(
        provider_message_id=id_of(message, "id"),
        account_id=account_id,
        counterpart=user_id,
        identifiers=_identifiers(user_id),
        text=_words(kind, message),
        media=tuple(_media(kind, message)),
        reply_to=id_in(message, "quotedMessageId"),
        sent_at_ms=_at_ms(event),
        attributes={} if kind in {"text", *FILES} else {"kind": kind},
    )


def _postback(event: Node, account_id: str, user_id: str) -> Received:
    """A button of a rich menu or of a message made elsewhere."""
    data = text_of(node_of(event, "postback"), "data")
    return Received(
        provider_message_id=id_of(event, "webhookEventId"),
        account_id=account_id,
        counterpart=user_id,
        identifiers=_identifiers(user_id),
        text=data,
        sent_at_ms=_at_ms(event),
        attributes={"kind": "postback", "payload": data},
    )


def _at_ms(event: Node) -> int:
    at_ms = milliseconds_in(event, "timestamp")
    if at_ms is None:
        raise NotUnderstoodError("timestamp is missing")
    return at_ms


def _identifiers(user_id: str) -> tuple[Identifier, ...]:
    """The id is the same for all accounts of one LINE "provider", and another for those of the next."""
    return (Identifier(type="line_user_id", value=user_id, verified=True),)


def _words(kind: str, message: Node) -> str:
    if kind != "location":
        return text_in(message, "text") or ""
    return place(message, "latitude", "longitude", text_in(message, "title"), text_in(message, "address"))


def _media(kind: str, message: Node) -> Iterator[MediaRef]:
    if kind in FILES:
        elsewhere = text_in(node_in(message, "contentProvider") or {}, "originalContentUrl")
        size_bytes = whole_in(message, "fileSize")
        yield MediaRef(id=id_of(message, "id"), url=elsewhere, name=text_in(message, "fileName"), size_bytes=size_bytes)


def _outcome(reply: HttpReply) -> Outcome:
    answer = reply_object(reply)
    if reply.status == 200 and answer is None:
        return Uncertain(detail="HTTP 200 without JSON")
    if reply.status == 200 or (reply.status == 409 and "x-line-accepted-request-id" in reply.headers):
        sent = nodes_in(answer or {}, "sentMessages")
        return Sent(provider_message_id=id_of(sent[0], "id") if sent else None)
    detail = (text_in(answer or {}, "message") or f"HTTP {reply.status}")[:200]
    properties = [text_in(error, "property") for error in nodes_in(answer or {}, "details")]
    match reply.status:
        case 400:
            unknown = "to" in properties or "'to'" in detail
            return Refused(code="recipient_unknown" if unknown else "content_refused", detail=detail)
        case 401 | 403:
            return Refused(code="not_authorised", detail=detail)
        case 429 if "monthly limit" in detail:
            return Refused(code="429", detail=detail)
        case 429:
            return Again(after_ms=wait_ms(reply, otherwise_ms=1000), scope="account", detail=detail)
        case status if 400 <= status < 500 and status != 409:
            return Refused(code=str(status), detail=detail)
        case _:
            return Uncertain(detail=detail)
