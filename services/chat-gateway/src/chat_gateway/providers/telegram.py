"""Telegram's Bot API (10.3, August 2026): "Telegram Bot API", core.telegram.org/bots/api.

Private chats only: in a group several people talk to each other, which no queue can answer, so its messages are Passed.
So are those of Telegram Business accounts (`business_message`), which need the connection's id to be answered.
There are no statuses, no echoes and no window; blocking the bot is told (`my_chat_member`). Deletions are not told.
A request's URL holds the bot's token: it is never to be logged.
"""

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
    Outcome,
    Outgoing,
    OutgoingFile,
    Received,
    Refused,
    RefusedError,
    Sent,
    Uncertain,
    WebAnswer,
    WebRequest,
    WindowChanged,
)

from chat_gateway.providers.reading import (
    Node,
    equals_any,
    flag_in,
    id_in,
    id_of,
    json_bytes,
    node_in,
    node_of,
    nodes_in,
    read_object,
    reply_object,
    seconds_in,
    text_in,
    text_of,
    whole_in,
    whole_of,
    within_bound,
)
from chat_gateway.providers.shared import WAIT_MS_MAX, check, judged, passed, place

MEDIA: Final = ("animation", "audio", "document", "live_photo", "sticker", "video", "video_note", "voice")
"""Files of a message, by the key that holds them; an animation stands under `document` as well."""
OTHER_WORDS: Final = ("checklist", "dice", "game", "giveaway", "paid_media", "poll", "rich_message", "story")
"""Said by a customer and not carried over: the agent learns that there was one (`kind`)."""
PHOTO_BYTES_MAX: Final = 10_000_000
METHODS: Final = {
    "image/jpeg": ("sendPhoto", "photo"),
    "image/png": ("sendPhoto", "photo"),
    "video/mp4": ("sendVideo", "video"),
    "audio/mpeg": ("sendAudio", "audio"),
    "audio/mp4": ("sendAudio", "audio"),
}


class Telegram:
    """A bot. `account_id` is the bot's id; messages are named `<chat>:<message_id>`."""

    name = "telegram"
    channel = "telegram"
    secrets: tuple[str, ...] = ("bot_token", "webhook_secret")
    secrets_optional: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    # "Bots FAQ: My bot is hitting limits": 30 a second, 1 a second in one chat, where short bursts may go over.
    capabilities = Capabilities(
        text_max=4096,
        caption_max=1024,
        file_types=("*/*",),
        file_bytes_max=50_000_000,
        uploads="content",
        replies=True,
        account_per_second=30.0,
        pair_every_ms=1000,
        pair_burst=3,
    )

    def handshake(self, request: WebRequest, account: Account) -> WebAnswer | None:
        """None: Telegram asks nothing."""
        return None

    def verify(self, request: WebRequest, account: Account, *, now_ms: int) -> None:
        """The secret that `setWebhook` was given, as a header. Nothing is signed, so nothing can be stale."""
        if not equals_any(request.headers.get("x-telegram-bot-api-secret-token"), account.secrets["webhook_secret"]):
            raise ForgedError("the secret token is missing or wrong")

    def parse(self, request: WebRequest, account: Account, *, now_ms: int) -> Sequence[Item]:
        """One update."""
        update = read_object(request.body)
        return within_bound(_items(update, account, whole_of(update, "update_id")))

    def answer(self, request: WebRequest) -> WebAnswer:
        """An empty one: any 2xx will do."""
        return WebAnswer()

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """`sendMessage`, or what fits the file. The text is plain: no `parse_mode`."""
        check(outgoing, self.capabilities)
        fields: dict[str, object] = {"chat_id": outgoing.counterpart}
        if outgoing.reply_to is not None:
            message_id = outgoing.reply_to.rpartition(":")[2]
            if not (message_id.isascii() and message_id.isdigit()):
                raise RefusedError("content_refused", "the message that is answered is none of Telegram's")
            fields["reply_parameters"] = {"message_id": int(message_id), "allow_sending_without_reply": True}
        if outgoing.file is None:
            return _call(account, "sendMessage", {**fields, "text": outgoing.text})
        if outgoing.text:
            fields["caption"] = outgoing.text
        return _upload(account, outgoing.file, fields, boundary=f"centralino-{outgoing.reference}")

    def outcome_of(self, reply: HttpReply, outgoing: Outgoing) -> Outcome:
        """By `ok` and `error_code`; sending has no idempotency, so an uncertain one stays so."""
        return judged(_outcome, reply)

    def media_request(self, media: MediaRef, account: Account) -> HttpRequest:
        """`getFile`, for files up to 20 MB."""
        return _call(account, "getFile", {"file_id": media.id})

    def media_next(self, media: MediaRef, account: Account, reply: HttpReply) -> HttpRequest | None:
        """The file itself, at a path that holds for an hour. A customer's own JSON file does not lead anywhere: files
        are served as bytes."""
        answer = reply_object(reply) if reply.status == 200 and _is_json(reply) else None
        path = None if answer is None else text_of(node_of(answer, "result"), "file_path")
        if path is None or ".." in path.split("/"):
            return None
        return HttpRequest(method="GET", url=f"{account.api_url}/file/bot{account.secret('bot_token')}/{quote(path)}")

    def registration(self, account: Account) -> HttpRequest:
        """`setWebhook`; whoever repeats it changes nothing."""
        return _call(
            account,
            "setWebhook",
            {
                "url": account.webhook_url,
                "secret_token": account.secret("webhook_secret"),
                "allowed_updates": ["message", "edited_message", "message_reaction", "my_chat_member"],
            },
        )


def _items(update: Node, account: Account, update_id: int) -> Iterator[Item]:
    for key in ("message", "edited_message"):
        message = node_in(update, key)
        if message is not None:
            yield _message(message, account, edit=update_id if key == "edited_message" else None)
            return
    member = node_in(update, "my_chat_member")
    if member is not None:
        yield _membership(member, account)
        return
    reaction = node_in(update, "message_reaction")
    if reaction is not None:
        yield _reaction(reaction, account, update_id)
        return
    yield passed(next((key for key in update if key != "update_id"), "nothing"))


def _message(message: Node, account: Account, *, edit: int | None) -> Item:
    """`edit` is the update's number: two edits may have one `edit_date`, of whole seconds."""
    chat, sender = node_of(message, "chat"), node_in(message, "from")
    if text_of(chat, "type") != "private":
        return passed("group_message")
    if sender is None or flag_in(sender, "is_bot"):
        return passed("bot_message")
    chat_id, message_id = id_of(chat, "id"), f"{id_of(chat, 'id')}:{whole_of(message, 'message_id')}"
    kind, text = _words(message)
    if kind is None:
        return passed("service_message")
    if edit is not None and kind == "location":
        return passed("live_location")
    answered = node_in(message, "reply_to_message")
    attributes = {} if kind in {"text", "photo", *MEDIA} else {"kind": kind}
    if text.startswith("/start "):  # the page "Deep links": what the operator wrote into the link
        attributes["ref"] = text.removeprefix("/start ")[:64]
    return Received(
        provider_message_id=message_id if edit is None else f"{message_id}:{edit}",
        account_id=account.account_id,
        counterpart=chat_id,
        identifiers=tuple(_identifiers(sender, message)),
        text=text,
        media=tuple(_media(message)),
        name=_name(sender),
        language=text_in(sender, "language_code"),
        reply_to=None if answered is None else f"{chat_id}:{whole_of(answered, 'message_id')}",
        edits=None if edit is None else message_id,
        sent_at_ms=seconds_in(message, "date" if edit is None else "edit_date"),
        attributes=attributes,
    )


def _words(message: Node) -> tuple[str | None, str]:
    """What it is and what it says; none: nobody said it (somebody joined, a message was pinned, ...)."""
    text = text_in(message, "text")
    if text is not None:
        return "text", text
    for key in ("photo", *MEDIA, *OTHER_WORDS):
        if message.get(key) is not None:
            return key, text_in(message, "caption") or ""
    for key, words in (("contact", _contact), ("venue", _venue), ("location", _location)):
        node = node_in(message, key)
        if node is not None:
            return key, words(node)
    return None, ""


def _contact(contact: Node) -> str:
    said = (text_in(contact, "first_name"), text_in(contact, "last_name"), text_in(contact, "phone_number"))
    return " ".join(filter(None, said))


def _venue(venue: Node) -> str:
    words = (text_in(venue, "title"), text_in(venue, "address"))
    return place(node_of(venue, "location"), "latitude", "longitude", *words)


def _location(location: Node) -> str:
    return place(location, "latitude", "longitude")


def _media(message: Node) -> Iterator[MediaRef]:
    photos = nodes_in(message, "photo")
    if photos:
        yield _file(max(photos, key=lambda photo: whole_in(photo, "width") or 0), mime="image/jpeg")
    for key in MEDIA:
        node = node_in(message, key)
        if node is not None:
            yield _file(node, mime=text_in(node, "mime_type"))
            return


def _file(node: Node, *, mime: str | None) -> MediaRef:
    return MediaRef(
        id=id_of(node, "file_id"), name=text_in(node, "file_name"), mime=mime, size_bytes=whole_in(node, "file_size")
    )


def _identifiers(sender: Node, message: Node) -> Iterator[Identifier]:
    """A user name passes from one person to another. A contact with the sender's own id is their own number: Telegram
    finds the id by the number."""
    user_id = id_of(sender, "id")
    yield Identifier(type="telegram_user_id", value=user_id, verified=True)
    username = text_in(sender, "username")
    if username:
        yield Identifier(type="telegram_username", value=username)
    contact = node_in(message, "contact")
    if contact is not None and id_in(contact, "user_id") == user_id and text_in(contact, "phone_number"):
        number = text_of(contact, "phone_number").removeprefix("+")
        yield Identifier(type="phone", value=f"+{number}", verified=True)


def _membership(member: Node, account: Account) -> Item:
    chat, status = node_of(member, "chat"), text_of(node_of(member, "new_chat_member"), "status")
    at_ms = seconds_in(member, "date")
    if text_of(chat, "type") != "private" or status not in {"kicked", "member"} or at_ms is None:
        return passed("my_chat_member")
    window = Window(opens_at_ms=at_ms, closes_at_ms=None, basis="always") if status == "member" else None
    return WindowChanged(account_id=account.account_id, counterpart=id_of(chat, "id"), window=window, at_ms=at_ms)


def _reaction(event: Node, account: Account, update_id: int) -> Item:
    """The customer's last emoji on a message; without one they took it back."""
    chat, user = node_of(event, "chat"), node_in(event, "user")
    emojis = [emoji for emoji in (text_in(one, "emoji") for one in nodes_in(event, "new_reaction")) if emoji]
    if text_of(chat, "type") != "private" or user is None or not emojis:
        return passed("message_reaction")
    chat_id, message_id = id_of(chat, "id"), f"{id_of(chat, 'id')}:{whole_of(event, 'message_id')}"
    return Received(
        provider_message_id=f"{message_id}:{update_id}",
        account_id=account.account_id,
        counterpart=chat_id,
        identifiers=tuple(_identifiers(user, {})),
        text=emojis[-1],
        name=_name(user),
        language=text_in(user, "language_code"),
        reply_to=message_id,
        sent_at_ms=seconds_in(event, "date"),
        attributes={"kind": "reaction"},
    )


def _name(user: Node) -> str | None:
    return " ".join(filter(None, (text_in(user, "first_name"), text_in(user, "last_name")))) or None


def _is_json(reply: HttpReply) -> bool:
    return reply.headers.get("content-type", "application/json").startswith("application/json")


def _outcome(reply: HttpReply) -> Outcome:
    if reply.status == 413:
        return Refused(code="content_refused", detail="the file is too large")
    answer = reply_object(reply)
    if answer is None:
        return Uncertain(detail=f"HTTP {reply.status} without JSON")
    if flag_in(answer, "ok"):
        result = node_of(answer, "result")
        return Sent(provider_message_id=f"{id_of(node_of(result, 'chat'), 'id')}:{whole_of(result, 'message_id')}")
    return _error(whole_of(answer, "error_code"), (text_in(answer, "description") or "")[:200], answer)


def _error(code: int, detail: str, answer: Node) -> Outcome:
    said = detail.lower()
    if code == 429:
        seconds = whole_in(node_in(answer, "parameters") or {}, "retry_after") or 1
        return Again(after_ms=min(max(seconds, 1) * 1000, WAIT_MS_MAX), scope="account", detail=detail)
    if code >= 500:
        return Uncertain(detail=detail)
    if code == 403:
        gone = "deactivated" in said or "kicked" in said
        return Refused(code="recipient_unknown" if gone else "recipient_opted_out", detail=detail)
    if code in {401, 404}:
        return Refused(code="not_authorised", detail=detail)
    if code == 400:
        unknown = any(words in said for words in ("chat not found", "user not found", "peer_id_invalid"))
        return Refused(code="recipient_unknown" if unknown else "content_refused", detail=detail)
    return Refused(code=str(code), detail=detail)


def _call(account: Account, method: str, fields: Mapping[str, object]) -> HttpRequest:
    return HttpRequest(
        method="POST",
        url=f"{account.api_url}/bot{account.secret('bot_token')}/{method}",
        headers={"Content-Type": "application/json"},
        body=json_bytes(fields),
    )


def _upload(account: Account, file: OutgoingFile, fields: Mapping[str, object], *, boundary: str) -> HttpRequest:
    """multipart/form-data (RFC 7578): by URL Telegram takes smaller files of fewer kinds."""
    if file.content is None:
        raise RefusedError("content_refused", "the file's bytes are missing")
    method, key = METHODS.get(file.mime, ("sendDocument", "document"))
    if key == "photo" and file.size_bytes > PHOTO_BYTES_MAX:
        method, key = "sendDocument", "document"
    parts = [
        _part(boundary, f'name="{name}"', value.encode() if isinstance(value, str) else json_bytes(value))
        for name, value in fields.items()
    ]
    # As HTML's "Multipart form data" escapes names.
    name = file.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    parts.append(_part(boundary, f'name="{key}"; filename="{name}"', file.content, mime=file.mime))
    return HttpRequest(
        method="POST",
        url=f"{account.api_url}/bot{account.secret('bot_token')}/{method}",
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        body=b"".join(parts) + f"--{boundary}--\r\n".encode(),
    )


def _part(boundary: str, disposition: str, content: bytes, *, mime: str = "text/plain; charset=utf-8") -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {mime}\r\n\r\n"
    return head.encode("utf-8", "replace") + content + b"\r\n"
