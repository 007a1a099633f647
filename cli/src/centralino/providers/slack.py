"""Slack, simulated: direct messages with an app.

Vendor's pages: "Verifying requests from Slack", "The Events API" (three seconds; three retries: at once, after a
minute, after five; X-Slack-Retry-Num, X-Slack-Retry-Reason, X-Slack-No-Retry), "url_verification event", "message
event" with its subtypes, "message_metadata_posted event", "chat.postMessage", "files.info", "Rate limits".
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl

from typing_extensions import override

from centralino.providers.people import Customer, File, Message
from centralino.providers.vendor import Attempt, Event, Vendor
from centralino.providers.wire import Answered, Call, Parcel, Reply, dig, json_reply, send, words

TEXT_MAX: Final = 40_000
APP_ID: Final = "A0SIMULATED"
BOT_ID: Final = "B0SIMULATED"
BOT_USER: Final = "U0SIMULATED"
REASONS: Final = {"timeout": "http_timeout", "connection": "connection_failed", "status": "http_error"}


class Slack(Vendor):
    """A workspace that has the app."""

    name = provider = channel = "slack"
    title = "Slack"
    uses = ("signing_secret", "bot_token")
    can = frozenset(
        {"text", "file", "reaction", "edit", "unsend", "echo", "own_echo", "handshake", "signed_body", "stale", "media"}
    )
    signature_header = "X-Slack-Signature"
    retries_seconds = (0.0, 60.0, 300.0)
    answer_seconds = 3.0
    pair_every_ms = 1000
    pair_burst = 3

    @property
    @override
    def account_id(self) -> str:
        return "T0SIMULATED"

    @override
    def options(self) -> Mapping[str, str]:
        return {}

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        user = f"U0{self.world.hexadecimal(9).upper()}"
        return Customer(id=user, name=name, chat=f"D{user[1:]}")

    def _stamp(self) -> str:
        """A `ts`: unique within its channel."""
        seconds, rest = divmod(self.world.now_ms(), 1000)
        return f"{seconds}.{rest * 1000 + self.world.next_number() % 1000:06d}"

    @override
    def new_message_id(self, customer: Customer) -> str:
        return f"{customer.chat}:{self._stamp()}"

    @override
    def is_send(self, call: Call) -> bool:
        return call.path.endswith("/chat.postMessage")

    @override
    def too_many(self, after_seconds: int) -> Reply:
        refused = {"ok": False, "error": "ratelimited"}
        return json_reply(refused, status=429, headers={"retry-after": str(after_seconds)})

    @override
    def broken(self) -> Reply:
        return json_reply({"ok": False, "error": "internal_error"}, status=500)

    @override
    async def call(self, call: Call) -> Reply:
        path = call.path.strip("/").split("/")
        bearer = call.headers.get("authorization", "").removeprefix("Bearer ")
        authorised = compare_digest(bearer.encode(), self.secrets["bot_token"].encode())
        if path[0] == "files-pri":
            file = self.world.file(path[-1])
            if not authorised:
                return Reply(status=302, headers={"location": f"{call.base_url}/signin"})
            return Reply(status=404) if file is None else Reply(body=file.content, headers={"content-type": file.mime})
        if not authorised:
            return _error("invalid_auth" if bearer else "not_authed")
        match path:
            case ["auth.test"]:
                told = {"ok": True, "team_id": self.account_id, "user_id": BOT_USER, "bot_id": BOT_ID}
                return json_reply(told)
            case ["files.info"]:
                file = self.world.file(call.query.get("file", ""))
                return _error("file_not_found") if file is None else json_reply({"ok": True, "file": self._file(file)})
            case ["chat.postMessage"]:
                return await self._post(call)
            case _:
                return _error("unknown_method")

    async def _post(self, call: Call) -> Reply:
        is_json = call.headers.get("content-type", "").startswith("application/json")
        body = call.json() if is_json else dict(parse_qsl(call.body.decode("utf-8", "replace")))
        text, customer = words(body, "text"), self.world.customer(words(body, "channel"))
        blocks = dig(body, "blocks")
        if not text and not blocks:
            return _error("no_text")
        if len(text) > TEXT_MAX:
            return _error("msg_too_long")
        if customer is None:
            return _error("channel_not_found")
        fast = self.too_fast(customer.id)
        if fast is not None:
            return self.too_many(max(1, round(fast[1] / 1000)))
        file, fault = None, ""
        for block in blocks if isinstance(blocks, list) else ():
            if words(block, "type") == "image":
                file = await self.fetched(words(block, "image_url"))
                if file is None or not words(block, "alt_text"):
                    fault = "downloading image failed [json-pointer:/blocks/0/image_url]"
        if fault:
            return _error("invalid_blocks", errors=[fault], response_metadata={"messages": [f"[ERROR] {fault}"]})
        message = self.to_customer(customer, _unescaped(text), file)
        message.reference = words(body, "metadata", "event_payload", "reference") or None
        self.accept(customer, message)
        return json_reply(self._posted(customer, message, text, dig(body, "metadata")))

    def _posted(self, customer: Customer, message: Message, text: str, metadata: object) -> dict[str, object]:
        stamp = message.id.partition(":")[2]
        said = {
            "user": BOT_USER,
            "type": "message",
            "ts": stamp,
            "bot_id": BOT_ID,
            "app_id": APP_ID,
            "text": text,
            "team": self.account_id,
        }
        told = {**said, "channel": customer.chat, "channel_type": "im", "event_ts": stamp}
        self.own_events.append(self._event("echo", told, customer))
        if metadata:
            posted = {
                "type": "message_metadata_posted",
                "app_id": APP_ID,
                "bot_id": BOT_ID,
                "user_id": BOT_USER,
                "team_id": self.account_id,
                "channel_id": customer.chat,
                "metadata": metadata,
                "message_ts": stamp,
                "event_ts": self._stamp(),
            }
            self.own_events.append(self._event("metadata", posted, customer))
        return {"ok": True, "channel": customer.chat, "ts": stamp, "message": said}

    def _file(self, file: File) -> dict[str, object]:
        url = f"{self.base_url}/files-pri/{self.account_id}-{file.id}/{file.id}"
        return {
            "id": file.id,
            "name": file.name,
            "title": file.name,
            "mimetype": file.mime,
            "filetype": file.name.rpartition(".")[2],
            "size": len(file.content),
            "mode": "hosted",
            "is_external": False,
            "url_private": url,
            "url_private_download": url,
        }

    def _event(self, kind: str, event: Mapping[str, object], customer: Customer) -> Event:
        installed = {
            "enterprise_id": None,
            "team_id": self.account_id,
            "user_id": BOT_USER,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        body = {
            "token": "deprecated",
            "team_id": self.account_id,
            "api_app_id": APP_ID,
            "event": dict(event),
            "type": "event_callback",
            "event_id": f"Ev{self.world.hexadecimal(10).upper()}",
            "event_time": self.world.now_ms() // 1000,
            "authorizations": [installed],
            "is_ext_shared_channel": False,
        }
        return Event(kind=kind, body=body)

    def _message(self, customer: Customer, message: Message) -> dict[str, object]:
        said: dict[str, object] = {
            "type": "message",
            "user": customer.id,
            "text": _escaped(message.text),
            "ts": message.id.partition(":")[2],
            "team": self.account_id,
        }
        if message.file is not None:
            said |= {"subtype": "file_share", "files": [self._file(message.file)]}
        return said

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        if message.emoji is not None:
            item = {"type": "message", "channel": customer.chat, "ts": (message.reply_to or "").partition(":")[2]}
            reaction = {
                "type": "reaction_added",
                "user": customer.id,
                "reaction": message.emoji,
                "item": item,
                "item_user": BOT_USER,
                "event_ts": self._stamp(),
            }
            return self._event("reaction", reaction, customer)
        said = self._message(customer, message)
        told = {**said, "channel": customer.chat, "channel_type": "im", "event_ts": said["ts"]}
        return self._event("message", told, customer)

    def _hidden(self, subtype: str, customer: Customer, **rest: object) -> Event:
        stamp = self._stamp()
        told = {
            "type": "message",
            "subtype": subtype,
            "hidden": True,
            "channel": customer.chat,
            "channel_type": "im",
            "ts": stamp,
            "event_ts": stamp,
            **rest,
        }
        return self._event(subtype, told, customer)

    @override
    def edited(self, customer: Customer, message: Message) -> Event:
        said = self._message(customer, message)
        after = {**said, "edited": {"user": customer.id, "ts": f"{self.world.now_ms() // 1000}.000000"}}
        before = {**said, "text": f"{said['text']} (before)"}
        return self._hidden("message_changed", customer, message=after, previous_message=before)

    @override
    def unsent(self, customer: Customer, message: Message) -> Event:
        said = self._message(customer, message)
        return self._hidden("message_deleted", customer, deleted_ts=said["ts"], previous_message=said)

    @override
    def echoed(self, customer: Customer, message: Message) -> Event:
        said = {**self._message(customer, message), "user": BOT_USER, "bot_id": "B0ANOTHER", "app_id": "A0ANOTHER"}
        told = {**said, "channel": customer.chat, "channel_type": "im", "event_ts": said["ts"]}
        return self._event("echo", told, customer)

    @override
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        retried = {
            "X-Slack-Retry-Num": str(attempt.number - 1),
            "X-Slack-Retry-Reason": REASONS.get(attempt.reason, "unknown_error"),
        }
        return self._signed(events[0].body, url, attempt.at_ms, retried if attempt.number > 1 else {})

    def _signed(self, value: Mapping[str, object], url: str, at_ms: int, more: Mapping[str, str]) -> Parcel:
        body, stamp = json.dumps(dict(value)).encode(), str(at_ms // 1000)
        text = f"v0:{stamp}:".encode() + body
        signature = hmac.new(self.secrets["signing_secret"].encode(), text, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": stamp,
            self.signature_header: f"v0={signature}",
            **more,
        }
        return Parcel(url=url, body=body, headers=headers)

    @override
    async def handshake(self, url: str) -> str:
        challenge = self.world.hexadecimal(40)
        asked = {"token": "deprecated", "challenge": challenge, "type": "url_verification"}
        answered = await send(
            self._signed(asked, url, self.world.now_ms(), {}), timeout_seconds=self.answer_seconds, pool=self.world.pool
        )
        if answered.status == 200 and challenge.encode() in answered.body:
            return ""
        return f"answered {answered.status or answered.failure} without the challenge"

    @override
    def retry_seconds(self, attempt: int, answered: Answered, url: str) -> float | None:
        if answered.headers.get("x-slack-no-retry") == "1":
            return None
        return super().retry_seconds(attempt, answered, url)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _error(word: str, **rest: object) -> Reply:
    return json_reply({"ok": False, "error": word, **rest})
