"""The open channel: for what has no provider, such as in-app messages, forms and kiosks. A tenant's own system tells by
signed requests what its customers say, and is told by signed requests what agents answer (docs/open-channel.md,
docs/open-channel.schema.json).

What has no id of its own is known by the id of its webhook and its place in it, so that the same webhook again is the
same message, and so is the same message in another webhook.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gatewaykit.domain.content import Identifier, MediaRef
from gatewaykit.domain.provider import (
    Account,
    Again,
    Capabilities,
    HttpReply,
    HttpRequest,
    Item,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    Received,
    Refused,
    RefusedError,
    Sent,
    StatusReport,
    Typing,
    Uncertain,
    Unsent,
    WebAnswer,
    WebRequest,
)

from chat_gateway.providers import standard_webhooks
from chat_gateway.providers.reading import (
    Node,
    flag_in,
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
from chat_gateway.providers.shared import check, passed, wait_ms

TEXT_MAX: Final = 20_000
NAME_MAX: Final = 200
LIST_MAX: Final = 20
URL_MAX: Final = 4096
ATTRIBUTES_MAX: Final = 30
"""An event has room for 32; the gateway adds some."""
ATTRIBUTE_MAX: Final = 500
PAUSE_MS: Final = 5000
"""Until the second attempt, where the answer names no later time: the specification's example schedule. Further ones
come twice as late each time until PAUSE_MS_MAX, for a day. The specification goes on for several; but who is back after
an outage should not wait hours for what agents said meanwhile."""
PAUSE_MS_MAX: Final = 1_800_000
REFUSED_CONTENT: Final = (400, 413, 415, 422)
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Open:
    """One system of a tenant. `account_id` is what the tenant likes to call it; the option `url` is where the system
    is told of answers. Without it, and without an operator's URL (a simulator's), the channel only takes in."""

    name = "open"
    channel = "open"
    secrets: tuple[str, ...] = ("inbound_secret", "outbound_secret")
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ("url",)
    capabilities = Capabilities(
        text_max=TEXT_MAX,
        caption_max=TEXT_MAX,
        file_types=("*/*",),
        file_bytes_max=100_000_000,
        uploads="url",
        statuses=("delivered", "read", "failed"),
        replies=True,
        idempotent=True,
        echoes=True,
        pause_ms=(PAUSE_MS, PAUSE_MS_MAX),
        attempts_max=60,
        replays=True,
        guarded=True,
    )

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """None: there is no question."""
        return None

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """See standard_webhooks."""
        standard_webhooks.verify(request.headers, request.body, account.secrets["inbound_secret"], now_ms=now_ms)

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """One event, or several as `events`."""
        delivery = read_object(request.body)
        events = nodes_in(delivery, "events") if "type" not in delivery else [delivery]
        if not events and "events" not in delivery:
            raise NotUnderstoodError("neither type nor events")
        webhook_id = request.headers.get("webhook-id", "")
        return within_bound(
            _item(event, f"{webhook_id}.{number}", account.account_id) for number, event in enumerate(events)
        )

    def answer(self, request: WebRequest) -> WebAnswer:
        """An empty 200."""
        return WebAnswer()

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """The message under the id that it has at each attempt, signed with both secrets while one is rotated."""
        check(outgoing, self.capabilities)
        url = account.options.get("url") or (account.api_url and f"{account.api_url}/messages")
        if not url:
            raise RefusedError("not_authorised", "the account has no option `url`")
        body = json_bytes(_sent(outgoing, account))
        try:
            signed = standard_webhooks.headers_of(
                outgoing.reference, body, account.secrets["outbound_secret"], at_ms=outgoing.attempt_at_ms
            )
        except ValueError as error:
            raise RefusedError("not_authorised", f"outbound_secret: {error}") from error
        return HttpRequest(method="POST", url=url, headers={**signed, "content-type": "application/json"}, body=body)

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """What is not certain is asked again under the same id. A 4xx is the receiver's last word, as its author and
        not a network gives it, so that the agent learns of it at once."""
        detail = f"HTTP {reply.status}"
        match reply.status:
            case status if 200 <= status < 300:
                return Sent(provider_message_id=_word(reply, "message_id") or outgoing.reference)
            case 429 | 503:
                return Again(after_ms=wait_ms(reply, otherwise_ms=PAUSE_MS), scope="account", detail=detail)
            case 410:
                return Refused(code="gone", detail=detail)
            case 401 | 403:
                return Refused(code="not_authorised", detail=detail)
            case 408 | 409 | 425:
                return Uncertain(detail=detail, after_ms=wait_ms(reply, otherwise_ms=0))
            case status if 300 <= status < 400:
                return Refused(code="redirected", detail=detail)
            case status if 400 <= status < 500:
                code = _word(reply, "code") or ""
                otherwise = "content_refused" if status in REFUSED_CONTENT else f"http_{status}"
                return Refused(code=code if _CODE.fullmatch(code) else otherwise, detail=detail)
            case status:  # 502 and 504: behind a gateway is too much to do
                throttles = status in (502, 504)
                return Uncertain(detail=detail, after_ms=wait_ms(reply, otherwise_ms=0), throttles=throttles)

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """The file's own URL, which is all that is needed to get it."""
        return HttpRequest(method="GET", url=media.url or "")

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """None: the reply is the file."""
        return None

    def registration(self, account: Account) -> HttpRequest | None:
        """None: the tenant's system is told the webhook's URL by its own people."""
        return None


def _item(event: Node, own_id: str, account_id: str) -> Item:
    kind = text_of(event, "type")
    match kind:
        case "message.received" | "message.edited":
            return _received(event, own_id, account_id, is_edit=kind == "message.edited")
        case "message.unsent":
            counterpart = id_of(node_of(event, "customer"), "id")
            return Unsent(
                provider_message_id=id_of(event, "message_id"), account_id=account_id, counterpart=counterpart
            )
        case "message.status":
            return _status(event, account_id)
        case "customer.typing" if "customer" in event:
            return Typing(account_id=account_id, counterpart=id_of(node_of(event, "customer"), "id"))
        case _:
            return passed(kind.replace(".", "_"))


def _received(event: Node, own_id: str, account_id: str, *, is_edit: bool) -> Received:
    customer = node_of(event, "customer")
    customer_id, text = id_of(customer, "id"), _short(event, "text", TEXT_MAX) or ""
    media = tuple(_media(file) for file in _few(event, "files"))
    if not text and not media:
        raise NotUnderstoodError("a message with neither text nor files")
    own = Identifier(type="open_user_id", value=f"{account_id}/{customer_id}", verified=True)
    return Received(
        provider_message_id=id_in(event, "id") or own_id,
        account_id=account_id,
        counterpart=customer_id,
        identifiers=(own, *(_identifier(node) for node in _few(customer, "identifiers"))),
        text=text,
        media=media,
        name=_short(customer, "name", NAME_MAX),
        language=_short(customer, "language", NAME_MAX),
        reply_to=id_in(event, "reply_to"),
        edits=id_of(event, "message_id") if is_edit else None,
        sent_at_ms=milliseconds_in(event, "at_ms"),
        attributes=_attributes(event),
    )


def _status(event: Node, account_id: str) -> StatusReport:
    status, reference, message_id = text_of(event, "status"), id_in(event, "reference"), id_in(event, "message_id")
    known = next((word for word in Open.capabilities.statuses if word == status), None)
    if known is None or not (reference or message_id):
        raise NotUnderstoodError("a status that is none, or of no message")
    return StatusReport(
        account_id=account_id,
        status=known,
        provider_message_id=message_id,
        reference=reference,
        at_ms=milliseconds_in(event, "at_ms"),
        code=_code(event, "code") if "code" in event else None,
        detail=_short(event, "detail", NAME_MAX),
    )


def _identifier(node: Node) -> Identifier:
    return Identifier(type=_code(node, "type"), value=id_of(node, "value"), verified=flag_in(node, "verified"))


def _media(file: Node) -> MediaRef:
    url, size_bytes, sha256 = text_of(file, "url"), whole_in(file, "size_bytes"), text_in(file, "sha256")
    if not url.startswith(("https://", "http://")) or len(url) > URL_MAX:
        raise NotUnderstoodError("a file's url is none")
    if (size_bytes or 0) < 0 or (sha256 is not None and not _SHA256.fullmatch(sha256)):
        raise NotUnderstoodError("a file's size_bytes or sha256 is none")
    return MediaRef(
        url=url,
        name=_short(file, "name", NAME_MAX),
        mime=_short(file, "mime", NAME_MAX),
        size_bytes=size_bytes,
        sha256=sha256,
    )


def _attributes(event: Node) -> Mapping[str, str]:
    node = node_in(event, "attributes") or {}
    if len(node) > ATTRIBUTES_MAX or not all(_CODE.fullmatch(name) for name in node):
        raise NotUnderstoodError("too many attributes, or names that are none")
    return {name: _short(node, name, ATTRIBUTE_MAX) or "" for name in node}


def _few(node: Node, key: str) -> Sequence[Node]:
    nodes = nodes_in(node, key)
    if len(nodes) > LIST_MAX:
        raise NotUnderstoodError(f"{len(nodes)} {key}, {LIST_MAX} are allowed")
    return nodes


def _short(node: Node, key: str, length_max: int) -> str | None:
    text = text_in(node, key)
    if text is not None and len(text) > length_max:
        raise NotUnderstoodError(f"{key} has {len(text)} characters, {length_max} are allowed")
    return text


def _code(node: Node, key: str) -> str:
    code = text_of(node, key)
    if not _CODE.fullmatch(code):
        raise NotUnderstoodError(f"{key} is no code")
    return code


def _sent(outgoing: Outgoing, account: Account) -> Mapping[str, object]:
    file = outgoing.file
    told: dict[str, object] = {
        "type": "message.sent",
        "reference": outgoing.reference,
        "account_id": account.account_id,
        "customer": {"id": outgoing.counterpart},
        "text": outgoing.text,
        "files": [] if file is None else [{key: getattr(file, key) for key in ("name", "mime", "size_bytes", "url")}],
        "reply_to": outgoing.reply_to,
        "agent": None if outgoing.author is None else {"name": outgoing.author},
        "at_ms": outgoing.said_at_ms,
    }
    return {key: value for key, value in told.items() if value not in (None, "", [])}


def _word(reply: HttpReply, key: str) -> str | None:
    """Of an answer that may be JSON."""
    try:
        return id_in(reply_object(reply) or {}, key)
    except NotUnderstoodError:
        return None
