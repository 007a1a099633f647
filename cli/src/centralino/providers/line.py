"""LINE's Messaging API, simulated: "Messaging API reference" (push, content, webhook endpoint), "Retry failed API
requests" (X-Line-Retry-Key), "Redeliver webhooks that failed to be received", "Check webhook error causes" (two seconds
for an answer). How often LINE redelivers is not published; the figures are ours. Plain-http URLs are taken.
"""

import base64
import hashlib
import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Final
from uuid import UUID

from typing_extensions import override

from centralino.providers.people import Customer, Message
from centralino.providers.vendor import Attempt, Event, Vendor
from centralino.providers.wire import Call, Parcel, Reply, dig, json_reply, send, words

RETRY_KEYS_MAX: Final = 10_000
TEXT_MAX: Final = 5000
INVALID_TO: Final = "The property, 'to', in the request body is invalid (line: -, column: -)"


class Line(Vendor):
    """An official account."""

    name = provider = channel = "line"
    title = "LINE"
    uses = ("channel_secret", "access_token")
    can = frozenset(
        {
            "text",
            "file",
            "location",
            "reply",
            "button",
            "unsend",
            "block",
            "handshake",
            "registration",
            "batch",
            "signed_body",
            "media",
            "idempotent",
        }
    )
    signature_header = "x-line-signature"
    retries_seconds = (60.0, 300.0, 900.0, 3600.0)
    answer_seconds = 2.0
    batch_max = 100
    account_per_second = 2000
    _taken: OrderedDict[str, tuple[str, Reply]]

    @property
    @override
    def account_id(self) -> str:
        return "U" + "b" * 32

    @property
    @override
    def address(self) -> str:
        return "@centralino"

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        return Customer(id="U" + self.world.hexadecimal(32), name=name)

    @override
    def new_message_id(self, customer: Customer) -> str:
        return self.world.digits(18)

    @override
    def is_send(self, call: Call) -> bool:
        return call.path.endswith("/message/push")

    @override
    def too_many(self, after_seconds: int) -> Reply:
        return self._error(429, "The API rate limit has been exceeded. Try again later.")

    @override
    def broken(self) -> Reply:
        return self._error(500, "Internal Server Error")

    def _error(self, status: int, message: str, details: Sequence[tuple[str, str]] = ()) -> Reply:
        told: dict[str, object] = {"message": message}
        if details:
            told["details"] = [{"message": fault, "property": where} for where, fault in details]
        return json_reply(told, status=status, headers=self._request_id())

    def _request_id(self) -> dict[str, str]:
        return {"x-line-request-id": str(UUID(self.world.hexadecimal(32)))}

    @override
    async def call(self, call: Call) -> Reply:
        bearer = call.headers.get("authorization", "").removeprefix("Bearer ")
        if not compare_digest(bearer.encode(), self.secrets["access_token"].encode()):
            why = "Authentication failed due to the following reason: invalid token."
            return self._error(401, f"{why} Confirm that the access token in the authorization header is valid.")
        match call.path.strip("/").split("/"):
            case ["v2", "bot", "message", "push"] if call.method == "POST":
                return await self._push(call)
            case ["v2", "bot", "message", message_id, "content"] if call.method == "GET":
                message = self.world.message(message_id)
                file = None if message is None or message.file is None else self.world.file(message.file.id)
                if file is None:
                    return self._error(404, "Not found")
                return Reply(body=file.content, headers={"content-type": file.mime})
            case ["v2", "bot", "channel", "webhook", "endpoint"] if call.method == "PUT":
                self.simulation.webhook_url = words(call.json(), "endpoint")
                return json_reply({}, headers=self._request_id())
            case ["v2", "bot", "channel", "webhook", "endpoint"]:
                return json_reply({"endpoint": self.simulation.webhook_url, "active": True})
            case _:
                return self._error(404, "Not found")

    async def _push(self, call: Call) -> Reply:
        key = call.headers.get("x-line-retry-key", "")
        if key and re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", key) is None:
            return self._error(400, "The value for the 'X-Line-Retry-Key' header is invalid")
        taken = self._keys().get(key)
        if taken is not None:
            request_id, before = taken
            told = {"message": "The retry key is already accepted", **json.loads(before.body)}
            headers = {**self._request_id(), "x-line-accepted-request-id": request_id}
            return json_reply(told, status=409, headers=headers)
        if self.too_fast("") is not None:
            return self.too_many(1)
        reply = await self._pushed(call.json(), key)
        if key and reply.status == 200:
            self._keys()[key] = (reply.headers["x-line-request-id"], reply)
            if len(self._keys()) > RETRY_KEYS_MAX:
                self._keys().popitem(last=False)
        return reply

    def _keys(self) -> OrderedDict[str, tuple[str, Reply]]:
        if not hasattr(self, "_taken"):
            self._taken = OrderedDict()
        return self._taken

    async def _pushed(self, body: Mapping[str, object], key: str) -> Reply:
        said, customer = dig(body, "messages"), self.world.customers.get(words(body, "to"))
        if customer is None:
            return self._error(400, INVALID_TO)
        if not isinstance(said, list) or not 1 <= len(said) <= 5:
            return self._error(400, "The request body has 1 error(s)", [("messages", "Size must be between 1 and 5")])
        faults = [fault for number, one in enumerate(said) for fault in _faults(number, one)]
        if faults:
            return self._error(400, f"The request body has {len(faults)} error(s)", faults)
        sent = []
        for one in said:
            url = words(one, "originalContentUrl")
            message = self.to_customer(customer, words(one, "text"), await self.fetched(url) if url else None)
            message.reference = key or None
            sent.append({"id": message.id, "quoteToken": self.world.hexadecimal(40)})
            if not customer.blocked:  # LINE says 200 all the same
                self.accept(customer, message)
        return json_reply({"sentMessages": sent}, headers=self._request_id())

    def _event(self, kind: str, customer: Customer, *, replies: bool = True, **rest: object) -> Event:
        body = {
            "type": kind,
            **rest,
            "webhookEventId": f"01{self.world.hexadecimal(24).upper()}",
            "deliveryContext": {"isRedelivery": False},
            "timestamp": self.world.now_ms(),
            "source": {"type": "user", "userId": customer.id},
            **({"replyToken": self.world.hexadecimal(32)} if replies else {}),
            "mode": "active",
        }
        return Event(kind=kind, body=body)

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        if message.payload is not None:
            return self._event("postback", customer, postback={"data": message.payload})
        content: dict[str, object] = {"id": message.id}
        if message.location is not None:
            latitude, longitude = message.location
            content |= {"type": "location", "title": message.text, "address": "", "latitude": latitude}
            content["longitude"] = longitude
        elif message.file is None:
            content |= {"type": "text", "text": message.text, "quoteToken": self.world.hexadecimal(40)}
        else:
            family = message.file.mime.partition("/")[0]
            if family in {"image", "video", "audio"}:
                content |= {"type": family, "contentProvider": {"type": "line"}}
            else:
                content |= {"type": "file", "fileName": message.file.name, "fileSize": len(message.file.content)}
        if message.reply_to:
            content["quotedMessageId"] = message.reply_to
        return self._event("message", customer, message=content)

    @override
    def unsent(self, customer: Customer, message: Message) -> Event:
        return self._event("unsend", customer, replies=False, unsend={"messageId": message.id})

    @override
    def blocked(self, customer: Customer) -> Event | None:
        if customer.blocked:
            return self._event("unfollow", customer, replies=False)
        return self._event("follow", customer, follow={"isUnblocked": True})

    @override
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        """A redelivery has the same ids, and says that it is one."""
        again = {"deliveryContext": {"isRedelivery": attempt.number > 1}}
        value = {"destination": self.account_id, "events": [{**event.body, **again} for event in events]}
        body = json.dumps(value, ensure_ascii=False).encode()
        signature = hmac.new(self.secrets["channel_secret"].encode(), body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "LineBotWebhook/2.0",
            self.signature_header: base64.b64encode(signature).decode(),
        }
        return Parcel(url=url, body=body, headers=headers)

    @override
    async def handshake(self, url: str) -> str:
        parcel = self.parcel([], Attempt(number=1, key="", at_ms=self.world.now_ms()), url)
        answered = await send(parcel, timeout_seconds=self.answer_seconds, pool=self.world.pool)
        return "" if answered.status == 200 else f"answered {answered.status or answered.failure}"


def _faults(number: int, message: object) -> list[tuple[str, str]]:
    kind, where = words(message, "type"), f"messages[{number}]"
    if kind == "text":
        text = words(message, "text")
        if not text:
            return [(f"{where}.text", "May not be empty")]
        return [(f"{where}.text", f"Length must be between 0 and {TEXT_MAX}")] if len(text) > TEXT_MAX else []
    if kind == "image":
        names = ("originalContentUrl", "previewImageUrl")
        return [(f"{where}.{name}", "May not be empty") for name in names if not words(message, name)]
    return [(f"{where}.type", "Must be one of the following values: [text, image, ...]")]
