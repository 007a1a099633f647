"""Telegram's Bot API, simulated: "Telegram Bot API" (sendMessage, sendPhoto, ..., getFile, setWebhook, Update),
"Bots FAQ" (30 messages a second, one a second in a chat). A plain-http webhook is taken, which Telegram would refuse.
"""

import re
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.policy import HTTP
from hmac import compare_digest
from json import dumps
from typing import Final
from urllib.parse import parse_qsl

from typing_extensions import override

from centralino.providers.people import Customer, File, Message
from centralino.providers.vendor import Attempt, Event, Vendor
from centralino.providers.wire import Call, Parcel, Reply, dig, json_reply, words

FILES: Final = {
    "sendPhoto": ("photo", 10_000_000),
    "sendVideo": ("video", 50_000_000),
    "sendAudio": ("audio", 50_000_000),
    "sendVoice": ("voice", 50_000_000),
    "sendDocument": ("document", 50_000_000),
}
DOWNLOAD_BYTES_MAX: Final = 20_000_000
PATH_MS: Final = 3_600_000
NOT_BY_DEFAULT: Final = ("message_reaction", "message_reaction_count", "chat_member")
LOCAL: Final = re.compile(r"https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/]")


class Telegram(Vendor):
    """A bot."""

    name = provider = channel = "telegram"
    title = "Telegram"
    uses = ("bot_token", "webhook_secret")
    can = frozenset({"text", "file", "location", "reaction", "reply", "edit", "block", "media", "registration"})
    signature_header = "X-Telegram-Bot-Api-Secret-Token"
    retries_seconds = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 3600.0, 3 * 3600.0, 6 * 3600.0)
    answer_seconds = 60.0
    account_per_second = 30
    pair_every_ms = 1000
    pair_burst = 3
    allowed_updates: Sequence[str] | None = None
    """Of `setWebhook`; none: all but NOT_BY_DEFAULT."""

    @property
    @override
    def account_id(self) -> str:
        return "7123456789"

    @property
    @override
    def address(self) -> str:
        return "centralino_test_bot"

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        return Customer(id=self.world.digits(10), name=name, phone=phone)

    @override
    def new_message_id(self, customer: Customer) -> str:
        return f"{customer.id}:{self.world.next_number()}"

    @override
    def is_send(self, call: Call) -> bool:
        return call.path.rpartition("/")[2] in {"sendMessage", *FILES}

    @override
    def too_many(self, after_seconds: int) -> Reply:
        sentence = f"Too Many Requests: retry after {after_seconds}"
        return _error(429, sentence, parameters={"retry_after": after_seconds})

    @override
    def broken(self) -> Reply:
        return _error(500, "Internal Server Error")

    @override
    async def call(self, call: Call) -> Reply:
        match call.path.strip("/").split("/"):
            case ["file", bot, *path]:
                return self._download(path[-1]) if self._is_ours(bot) and path else _error(404, "Not Found")
            case [bot, _] if not self._is_ours(bot):
                return _error(401, "Unauthorized")
            case [_, "getMe"]:
                return _result(self._me())
            case [_, "getFile"]:
                return self._file(words(await self._fields(call), "file_id"))
            case [_, "setWebhook"]:
                return self._webhook(await self._fields(call))
            case [_, "deleteWebhook"]:
                self.simulation.webhook_url = ""
                return _result(value=True)
            case [_, "getWebhookInfo"]:
                info = {"url": self.simulation.webhook_url, "has_custom_certificate": False, "pending_update_count": 0}
                return _result(info)
            case [_, method] if method in {"sendMessage", *FILES}:
                return await self._send(method, await self._fields(call))
            case _:
                return _error(404, "Not Found")

    def _is_ours(self, bot: str) -> bool:
        return compare_digest(bot.encode(), f"bot{self.secrets['bot_token']}".encode())

    def _me(self) -> dict[str, object]:
        return {"id": int(self.account_id), "is_bot": True, "first_name": "Centralino", "username": self.address}

    async def _fields(self, call: Call) -> dict[str, object]:
        """JSON, a form, or multipart with files (under their field's name, as a File)."""
        mime = call.headers.get("content-type", "")
        if mime.startswith("application/json"):
            return {**call.query, **call.json()}
        if not mime.startswith("multipart/form-data"):
            return {**call.query, **dict(parse_qsl(call.body.decode("utf-8", "replace")))}
        whole = message_from_bytes(f"Content-Type: {mime}\r\n\r\n".encode() + call.body, policy=HTTP)
        fields: dict[str, object] = dict(call.query)
        for part in whole.iter_parts():
            name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
            if not isinstance(name, str) or not isinstance(content, bytes):
                continue
            filename = part.get_filename()
            fields[name] = (
                content.decode("utf-8", "replace")
                if filename is None
                else self.keep(filename, part.get_content_type(), content)
            )
        return fields

    def _webhook(self, fields: Mapping[str, object]) -> Reply:
        url, secret = words(fields, "url"), words(fields, "secret_token")
        if url and LOCAL.match(url) is None:
            return _error(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if secret and re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret) is None:
            return _error(400, "Bad Request: secret token contains unallowed characters")
        self.simulation.webhook_url, self.secrets["webhook_secret"] = url, secret
        allowed = dig(fields, "allowed_updates")
        self.allowed_updates = [str(one) for one in allowed] if isinstance(allowed, list) and allowed else None
        return json_reply(
            {"ok": True, "result": True, "description": "Webhook was set" if url else "Webhook was deleted"}
        )

    def _file(self, file_id: str) -> Reply:
        file = self.world.file(file_id)
        if file is None:
            return _error(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(file.content) > DOWNLOAD_BYTES_MAX:
            return _error(400, "Bad Request: file is too big")
        copy = self.keep(file.name, file.mime, file.content, lives_ms=PATH_MS)
        told = {
            "file_id": file.id,
            "file_unique_id": file.id[:8],
            "file_size": len(file.content),
            "file_path": f"documents/{copy.id}",
        }
        return _result(told)

    def _download(self, file_id: str) -> Reply:
        file = self.world.file(file_id)
        if file is None:
            return _error(404, "Not Found")
        return Reply(body=file.content, headers={"content-type": "application/octet-stream"})

    async def _send(self, method: str, fields: Mapping[str, object]) -> Reply:
        chat = dig(fields, "chat_id")
        customer = self.world.customers.get(str(chat))
        text, file = words(fields, "text"), None
        if method == "sendMessage":
            if not text.strip():
                return _error(400, "Bad Request: message text is empty")
            if len(text) > 4096:
                return _error(400, "Bad Request: message is too long")
        else:
            key, bytes_max = FILES[method]
            found = await self._given(dig(fields, key))
            if isinstance(found, Reply):
                return found
            file, text = found, words(fields, "caption")
            if len(file.content) > bytes_max:
                return _error(413, "Request Entity Too Large")
            if len(text) > 1024:
                return _error(400, "Bad Request: message caption is too long")
        if customer is None:
            return _error(400, "Bad Request: chat not found")
        if customer.blocked:
            return _error(403, "Forbidden: bot was blocked by the user")
        fast = self.too_fast(customer.id)
        if fast is not None:
            return self.too_many(max(1, round(fast[1] / 1000)))
        return self._taken(customer, text, file, fields)

    async def _given(self, file: object) -> File | Reply:
        """Uploaded, by id, or by URL."""
        if isinstance(file, File):
            return file
        named = str(file or "")
        found = await self.fetched(named) if "://" in named else self.world.file(named)
        if found is not None:
            return found
        return _error(400, "Bad Request: failed to get HTTP URL content" if named else "Bad Request: there is no file")

    def _taken(self, customer: Customer, text: str, file: File | None, fields: Mapping[str, object]) -> Reply:
        message = self.to_customer(customer, text, file)
        answered = dig(fields, "reply_parameters", "message_id")
        message.reply_to = f"{customer.id}:{answered}" if answered else None
        self.accept(customer, message)
        told = {**self._message(customer, message), "from": self._me()}
        return _result(told)

    def _user(self, customer: Customer) -> dict[str, object]:
        return {"id": int(customer.id), "is_bot": False, "first_name": customer.name, "language_code": "en"}

    def _chat(self, customer: Customer) -> dict[str, object]:
        return {"id": int(customer.id), "first_name": customer.name, "type": "private"}

    def _message(self, customer: Customer, message: Message) -> dict[str, object]:
        told: dict[str, object] = {
            "message_id": _number(message.id),
            "from": self._user(customer),
            "chat": self._chat(customer),
            "date": message.at_ms // 1000,
        }
        if message.reply_to:
            answered = self.world.message(message.reply_to)
            told["reply_to_message"] = {
                "message_id": _number(message.reply_to),
                "chat": self._chat(customer),
                "date": (answered or message).at_ms // 1000,
                "text": answered.text if answered else "",
            }
        if message.location is not None:
            latitude, longitude = message.location
            return {**told, "location": {"latitude": latitude, "longitude": longitude}}
        if message.file is None:
            return {**told, "text": message.text}
        return {**told, **_media(message.file), **({"caption": message.text} if message.text else {})}

    def _update(self, kind: str, body: object) -> Event:
        number = 100_000_000 + self.world.next_number()
        return Event(kind=kind, body={"update_id": number, kind: body})

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        if message.emoji is None:
            return self._update("message", self._message(customer, message))
        reaction = {
            "chat": self._chat(customer),
            "message_id": _number(message.reply_to or ""),
            "user": self._user(customer),
            "date": message.at_ms // 1000,
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": message.emoji}] if message.emoji else [],
        }
        return self._update("message_reaction", reaction)

    @override
    def edited(self, customer: Customer, message: Message) -> Event:
        told = {**self._message(customer, message), "edit_date": self.world.now_ms() // 1000}
        return self._update("edited_message", told)

    @override
    def blocked(self, customer: Customer) -> Event | None:
        before, after = ("member", "kicked") if customer.blocked else ("kicked", "member")
        bot = self._me()
        member = {
            "chat": self._chat(customer),
            "from": self._user(customer),
            "date": self.world.now_ms() // 1000,
            "old_chat_member": {"user": bot, "status": before, **({"until_date": 0} if before == "kicked" else {})},
            "new_chat_member": {"user": bot, "status": after, **({"until_date": 0} if after == "kicked" else {})},
        }
        return self._update("my_chat_member", member)

    @override
    def wants(self, event: Event) -> bool:
        allowed = self.allowed_updates
        return event.kind not in NOT_BY_DEFAULT if allowed is None else event.kind in allowed

    @override
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        secret = self.secrets["webhook_secret"]
        signed = {self.signature_header: secret} if secret else {}
        body = dumps(dict(events[0].body)).encode()
        return Parcel(url=url, body=body, headers={"Content-Type": "application/json", **signed})


def _number(message_id: str) -> int:
    """Of `<chat>:<message_id>`; only that part is Telegram's."""
    number = message_id.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


def _media(file: File) -> dict[str, object]:
    named = {"file_id": file.id, "file_unique_id": file.id[:8], "file_size": len(file.content)}
    family = file.mime.partition("/")[0]
    if file.mime == "image/jpeg":
        return {"photo": [{**named, "width": 90, "height": 90}, {**named, "width": 800, "height": 800}]}
    told = {**named, "mime_type": file.mime, "file_name": file.name}
    if family == "video":
        return {"video": {**told, "width": 640, "height": 480, "duration": 1}}
    if family == "audio":
        return {"audio": {**told, "duration": 1}}
    return {"document": told}


def _result(value: object) -> Reply:
    return json_reply({"ok": True, "result": value})


def _error(code: int, description: str, **rest: object) -> Reply:
    return json_reply({"ok": False, "error_code": code, "description": description, **rest}, status=code)
