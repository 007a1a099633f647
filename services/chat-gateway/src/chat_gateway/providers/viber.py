"""Viber's bots: "Viber REST Bot API", developers.viber.com/docs/api/rest-bot-api.

New bots exist on commercial terms only since February 2024. Whoever writes is subscribed and may be written to without
end, until they unsubscribe. The one welcome message that a bot may send to somebody who only opened the chat
(`conversation_started`) is not used: it is Passed. Bots know no groups.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Final

from gatewaykit.domain.content import Identifier, MediaRef, Window
from gatewaykit.domain.provider import (
    Account,
    Again,
    Capabilities,
    ForgedError,
    HttpReply,
    HttpRequest,
    Item,
    Outcome,
    Outgoing,
    OutgoingFile,
    Received,
    Refused,
    Sent,
    StatusReport,
    StatusWord,
    Uncertain,
    WebAnswer,
    WebRequest,
    WindowChanged,
)

from chat_gateway.providers.reading import (
    Node,
    fits_any,
    id_in,
    id_of,
    milliseconds_in,
    node_of,
    read_object,
    reply_object,
    text_in,
    text_of,
    whole_in,
    whole_of,
)
from chat_gateway.providers.shared import check, judged, passed, place, wait_ms

STATUSES: Final[Mapping[str, StatusWord]] = {"delivered": "delivered", "seen": "read", "failed": "failed"}
EVENTS: Final = ("delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started")
"""What `set_webhook` asks for; `message` comes always."""
CODES: Final = {
    1: "content_refused",
    2: "not_authorised",
    3: "content_refused",
    4: "content_refused",
    5: "recipient_unknown",
    6: "recipient_opted_out",
    7: "not_authorised",
    8: "not_authorised",
    9: "not_authorised",
    10: "not_authorised",
    13: "content_refused",
    14: "content_refused",
    15: "not_authorised",
}
"""Of `status` ("Error codes"); 11 and 16 to 24 keep their number."""
NUMBERED_MAX: Final = 24
TOO_MANY: Final = 12
SENDER_NAME_MAX: Final = 28
WAIT_MS: Final = 10_000
"""After status 12: its period is not published; that of broadcasts is 10 s."""
PICTURE_BYTES_MAX: Final = 1_000_000
VIDEO_BYTES_MAX: Final = 26_000_000


class Viber:
    """A bot. Option `sender_name` (at most 28 characters) is what customers see; without it the address."""

    name = "viber"
    channel = "viber"
    secrets: tuple[str, ...] = ("auth_token",)
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ("sender_name",)
    # Only pictures have a caption, so a text beside a file goes by itself. Rates are published for broadcasts alone.
    capabilities = Capabilities(
        text_max=7000,
        file_types=("*/*",),
        file_bytes_max=50_000_000,
        uploads="url",
        statuses=("delivered", "read", "failed"),
        account_per_second=30.0,
    )

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """`set_webhook` waits for a 200 to an event named `webhook`, signed like any other."""
        if b'"webhook"' not in request.body:
            return None
        return WebAnswer() if read_object(request.body).get("event") == "webhook" else None

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """Hexadecimal HMAC-SHA256 of the body under the token; no instant is signed, so nothing can be stale."""
        _verify(request, account)

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """One event."""
        event = read_object(request.body)
        kind = text_of(event, "event")
        if kind == "message":
            return [_message(event, account)]
        if kind in STATUSES:
            return [
                StatusReport(
                    account_id=account.account_id,
                    status=STATUSES[kind],
                    provider_message_id=id_of(event, "message_token"),
                    counterpart=id_in(event, "user_id"),
                    at_ms=milliseconds_in(event, "timestamp"),
                    detail=text_in(event, "desc"),
                )
            ]
        at_ms = milliseconds_in(event, "timestamp")
        if kind == "unsubscribed":
            user_id = id_of(event, "user_id")
            return [WindowChanged(account_id=account.account_id, counterpart=user_id, window=None, at_ms=at_ms)]
        if kind == "subscribed" and at_ms is not None:
            window = Window(opens_at_ms=at_ms, closes_at_ms=None, basis="always")
            user_id = id_of(node_of(event, "user"), "id")
            return [WindowChanged(account_id=account.account_id, counterpart=user_id, window=window, at_ms=at_ms)]
        return [passed(kind)]

    def answer(self, request: WebRequest) -> WebAnswer:
        """An empty 200."""
        return WebAnswer()

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """`send_message`; nothing names our reference."""
        check(outgoing, self.capabilities)
        said = {"type": "text", "text": outgoing.text} if outgoing.file is None else _file(outgoing.file)
        sender = account.options.get("sender_name") or account.address
        message = {"receiver": outgoing.counterpart, "sender": {"name": sender[:SENDER_NAME_MAX]}, **said}
        return _call(account, "send_message", message)

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """By `status`: HTTP says 200 to everything that was understood."""
        return judged(_outcome, reply)

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """A public URL of Viber's that holds for a short time; the token is not shown to it."""
        return HttpRequest(method="GET", url=media.url or "")

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """None: the reply is the file."""
        return None

    def registration(self, account: Account) -> HttpRequest:
        """`set_webhook`; Viber asks the URL before it answers."""
        return _call(account, "set_webhook", {"url": account.webhook_url, "event_types": EVENTS, "send_name": True})


def _verify(request: WebRequest, account: Account) -> None:
    def signature(secret: bytes) -> str:
        return hmac.new(secret, request.body, hashlib.sha256).hexdigest()

    if not fits_any(request.headers.get("x-viber-content-signature"), account.secrets["auth_token"], signature):
        raise ForgedError("the signature is missing or wrong")


def _message(event: Node, account: Account) -> Item:
    sender, message = node_of(event, "sender"), node_of(event, "message")
    kind = text_of(message, "type")
    text, media = _words(kind, message)
    return Received(
        provider_message_id=id_of(event, "message_token"),
        account_id=account.account_id,
        counterpart=id_of(sender, "id"),
        identifiers=(Identifier(type="viber_user_id", value=id_of(sender, "id"), verified=True),),
        text=text,
        media=media,
        name=text_in(sender, "name") or None,
        language=text_in(sender, "language"),
        sent_at_ms=milliseconds_in(event, "timestamp"),
        attributes={} if kind in {"text", "url"} or media else {"kind": kind},
    )


def _words(kind: str, message: Node) -> tuple[str, tuple[MediaRef, ...]]:
    """Its text and its files; stickers and what is new show by their kind alone."""
    text, url = text_in(message, "text") or "", text_in(message, "media")
    if kind == "contact":
        contact = node_of(message, "contact")
        return " ".join(filter(None, (text_in(contact, "name"), text_in(contact, "phone_number")))), ()
    if kind == "location":
        location = node_of(message, "location")
        return place(location, "lat", "lon", text_in(location, "address")), ()
    if kind == "url":
        return "\n".join(filter(None, (text, url))), ()
    if kind in {"picture", "video", "file", "sticker"} and url:
        size = whole_in(message, "size") if kind != "sticker" else None
        return text, (MediaRef(url=url, name=text_in(message, "file_name"), size_bytes=size),)
    return text, ()


def _file(file: OutgoingFile) -> Mapping[str, object]:
    if file.mime == "image/jpeg" and file.size_bytes <= PICTURE_BYTES_MAX:
        return {"type": "picture", "text": "", "media": file.url}
    if file.mime == "video/mp4" and file.size_bytes <= VIDEO_BYTES_MAX:
        return {"type": "video", "media": file.url, "size": file.size_bytes}
    return {"type": "file", "media": file.url, "size": file.size_bytes, "file_name": file.name[-256:]}


def _outcome(reply: HttpReply) -> Outcome:
    if reply.status == 429:
        return Again(after_ms=wait_ms(reply, otherwise_ms=WAIT_MS), scope="account", detail="HTTP 429")
    answer = reply_object(reply)
    if answer is None:
        return Uncertain(detail=f"HTTP {reply.status} without JSON")
    status = whole_of(answer, "status")
    detail = f"status {status}"
    if status == 0:
        return Sent(provider_message_id=id_in(answer, "message_token"))
    if status == TOO_MANY:
        return Again(after_ms=WAIT_MS, scope="account", detail=detail)
    if 0 < status <= NUMBERED_MAX:
        return Refused(code=CODES.get(status, str(status)), detail=detail)
    return Uncertain(detail=f"{detail}, a general error")


def _call(account: Account, method: str, fields: Mapping[str, object]) -> HttpRequest:
    # A request may have 30 kB, so letters are not escaped: 7,000 characters may become 42,000 bytes.
    body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = {"Content-Type": "application/json", "X-Viber-Auth-Token": account.secret("auth_token")}
    return HttpRequest(method="POST", url=f"{account.api_url}/{method}", headers=headers, body=body)
