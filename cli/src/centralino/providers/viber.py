"""Viber's bots, simulated: "Viber REST Bot API" (set_webhook, send_message, callbacks, error codes). Viber repeats a
failed callback "several times for an hour"; the figures are ours.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Final

from typing_extensions import override

from centralino.providers.people import Customer, Message
from centralino.providers.vendor import Attempt, Event, Vendor
from centralino.providers.wire import Call, Parcel, Reply, dig, json_reply, send, words

BODY_BYTES_MAX: Final = 30 * 1024
TEXT_MAX: Final = 7000
WORDS: Final = {
    0: "ok",
    1: "invalidUrl",
    2: "invalidAuthToken",
    3: "badData",
    4: "missingData",
    5: "receiverNotRegistered",
    6: "receiverNotSubscribed",
    10: "webhookNotSet",
    12: "tooManyRequests",
}
NEEDED: Final = {"text": ("text",), "picture": ("media",), "video": ("media", "size")}
NEEDED_BY_FILES: Final = ("media", "size", "file_name")
KINDS: Final = ("text", "picture", "video", "file")
BYTES_MAX: Final = {"picture": 1024 * 1024, "video": 26 * 1024 * 1024, "file": 50 * 1024 * 1024}
MANDATORY: Final = ("message", "subscribed", "unsubscribed", "opt_out")


class Viber(Vendor):
    """A bot."""

    name = provider = channel = "viber"
    title = "Viber"
    uses = ("auth_token",)
    can = frozenset(
        {
            "text",
            "file",
            "location",
            "read",
            "block",
            "delivered",
            "failed",
            "handshake",
            "registration",
            "signed_body",
            "media",
        }
    )
    signature_header = "X-Viber-Content-Signature"
    retries_seconds = (30.0, 120.0, 600.0, 1200.0, 1600.0)
    answer_seconds = 10.0
    event_types: Sequence[str] | None = None
    """Of `set_webhook`; none: all."""

    @property
    @override
    def account_id(self) -> str:
        return "pa:5234567890123456789"

    @property
    @override
    def address(self) -> str:
        return "centralino"

    @override
    def options(self) -> Mapping[str, str]:
        return {"sender_name": "Centralino"}

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        return Customer(id=f"{self.world.hexadecimal(22)}==", name=name)

    @override
    def new_message_id(self, customer: Customer) -> str:
        return "5" + self.world.digits(18)

    @override
    def is_send(self, call: Call) -> bool:
        return call.path.endswith("/send_message")

    @override
    def too_many(self, after_seconds: int) -> Reply:
        return self._status(12)

    @override
    def broken(self) -> Reply:
        return Reply(status=500, body=b"Internal Server Error")

    def _status(self, status: int, **rest: object) -> Reply:
        told = {"status": status, "status_message": WORDS[status], "chat_hostname": "SN-CHAT-01_", **rest}
        return json_reply(told)

    @override
    async def call(self, call: Call) -> Reply:
        path = call.path.strip("/").split("/")
        if path[0] == "media" and call.method == "GET":
            file = self.world.file(path[-1])
            return Reply(status=404) if file is None else Reply(body=file.content, headers={"content-type": file.mime})
        body = call.json()
        token = call.headers.get("x-viber-auth-token") or words(body, "auth_token")
        if not compare_digest(token.encode(), self.secrets["auth_token"].encode()):
            return self._status(2)
        if not body or len(call.body) > BODY_BYTES_MAX:
            return self._status(3)
        match path:
            case ["set_webhook"]:
                return await self._webhook(body)
            case ["send_message"]:
                return await self._send(body)
            case ["get_account_info"]:
                told = {"id": self.account_id, "name": "Centralino", "webhook": self.simulation.webhook_url}
                return self._status(0, **told)
            case _:
                return Reply(status=404)

    async def _webhook(self, body: Mapping[str, object]) -> Reply:
        url = words(body, "url")
        if url and await self.handshake(url):
            return self._status(1)
        wanted = dig(body, "event_types")
        self.event_types = [str(one) for one in wanted] if isinstance(wanted, list) else None
        self.simulation.webhook_url = url
        return self._status(0, event_types=self.event_types or ["message"])

    async def _send(self, body: Mapping[str, object]) -> Reply:
        kind, customer = words(body, "type"), self.world.customers.get(words(body, "receiver"))
        if not words(body, "receiver") or not words(body, "sender", "name") or not kind:
            return self._status(4)
        needed = NEEDED.get(kind, NEEDED_BY_FILES)
        if any(dig(body, name) in (None, "") for name in needed):
            return self._status(4)
        text = words(body, "text")
        if kind not in KINDS or len(text) > TEXT_MAX or len(words(body, "sender", "name")) > 28:
            return self._status(3)
        if customer is None:
            return self._status(5)
        if customer.blocked:
            return self._status(6)
        if self.too_fast(customer.id) is not None:
            return self.too_many(1)
        message = self.to_customer(customer, text)
        if kind != "text":
            file = await self.fetched(words(body, "media"), words(body, "file_name"))
            if file is None or len(file.content) > BYTES_MAX[kind]:
                return self._status(3)
            message.file = file
        self.accept(customer, message)
        return self._status(0, message_token=int(message.id), billing_status=1)

    def _event(self, kind: str, message_token: str, **rest: object) -> Event:
        body = {
            "event": kind,
            "timestamp": self.world.now_ms(),
            "chat_hostname": "SN-CHAT-01_",
            "message_token": int(message_token),
            **rest,
        }
        return Event(kind=kind, body=body)

    def _user(self, customer: Customer) -> dict[str, object]:
        return {"id": customer.id, "name": customer.name, "language": "en", "country": "US", "api_version": 10}

    @override
    def wants(self, event: Event) -> bool:
        return self.event_types is None or event.kind in self.event_types or event.kind in MANDATORY

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        content: dict[str, object] = {"type": "text", "text": message.text}
        if message.location is not None:
            latitude, longitude = message.location
            content = {"type": "location", "location": {"lat": latitude, "lon": longitude}}
        if message.file is not None:
            family = message.file.mime.partition("/")[0]
            kind = {"image": "picture", "video": "video"}.get(family, "file")
            content |= {"type": kind, "media": f"{self.base_url}/media/{message.file.id}"}
            content |= {"file_name": message.file.name, "size": len(message.file.content)}
        return self._event("message", message.id, sender=self._user(customer), message=content, silent=False)

    @override
    def blocked(self, customer: Customer) -> Event | None:
        token = self.new_message_id(customer)
        if customer.blocked:
            return self._event("unsubscribed", token, user_id=customer.id)
        return self._event("subscribed", token, user=self._user(customer))

    @override
    def reported(self, message: Message, status: str, code: str | None) -> Event | None:
        word = {"delivered": "delivered", "read": "seen", "failed": "failed"}.get(status)
        if word is None:
            return None
        rest: dict[str, object] = {"desc": code or "failed"} if word == "failed" else {}
        return self._event(word, message.id, user_id=message.customer, **rest)

    @override
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        body = json.dumps(dict(events[0].body), separators=(",", ":")).encode()
        signature = hmac.new(self.secrets["auth_token"].encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", self.signature_header: signature}
        return Parcel(url=url, body=body, headers=headers)

    @override
    async def handshake(self, url: str) -> str:
        event = self._event("webhook", self.new_message_id(Customer(id="", name="")))
        parcel = self.parcel([event], Attempt(number=1, key="", at_ms=self.world.now_ms()), url)
        answered = await send(parcel, timeout_seconds=self.answer_seconds, pool=self.world.pool)
        return "" if answered.status == 200 else f"answered {answered.status or answered.failure}"
