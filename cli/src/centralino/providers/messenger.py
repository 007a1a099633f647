"""Messenger and Instagram's direct messages, simulated.

Vendor's pages: "Messenger Platform: Send API Reference", "Common Error Codes", "Message tags", "Webhook events" with
its page for each (messages, message_echoes, message_deliveries, message_reads, message_edits, message_reactions,
messaging_postbacks), "Instagram Messaging: Send a Message" and "Webhooks". Files lie at public URLs that expire.
"""

import base64
from typing import Final

from typing_extensions import override

from centralino.providers.graph import Graph
from centralino.providers.people import DAY_MS, Customer, Message
from centralino.providers.vendor import Event, UnableError
from centralino.providers.wire import Call, Reply, json_reply, words

APP_ID: Final = "1517776481860111"
INBOX_APP_ID: Final = "263902037430900"
HUMAN_AGENT_MS: Final = 7 * DAY_MS
TYPES: Final = ("RESPONSE", "UPDATE", "MESSAGE_TAG")
FILE_BYTES_MAX: Final = 25 * 1024 * 1024


class Messenger(Graph):
    """A page."""

    name = provider = channel = "messenger"
    title = "Messenger"
    can = frozenset(
        {
            "text",
            "file",
            "reaction",
            "reply",
            "button",
            "edit",
            "echo",
            "own_echo",
            "read",
            "block",
            "delivered",
            "window",
            "human_agent",
            "handshake",
            "batch",
            "signed_body",
            "media",
        }
    )
    told_of = "page"
    account_per_second = 300
    window_ms = DAY_MS
    text_max = 2000
    window_subcode = 2018278
    unknown_subcode = 2018001

    @property
    @override
    def account_id(self) -> str:
        return "1906385232743451"

    @override
    def options(self) -> dict[str, str]:
        return {"app_id": APP_ID}

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        return Customer(id=self.world.digits(16), name=name)

    @override
    def new_message_id(self, customer: Customer) -> str:
        return "m_" + base64.urlsafe_b64encode(bytes.fromhex(self.world.hexadecimal(96))).decode()

    @override
    async def call(self, call: Call) -> Reply:
        path = call.path.strip("/").split("/")
        if path[0] == "media" and len(path) > 1 and call.method == "GET":
            file = self.world.file(path[1])
            return Reply(status=404) if file is None else Reply(body=file.content, headers={"content-type": file.mime})
        refusal = self.unauthorised(call)
        if refusal is not None:
            return refusal
        match path:
            case [_, ("me" | self.account_id), "messages"] if call.method == "POST":
                return await self._send(call.json())
            case _:
                return self.nothing_there(path[1] if len(path) > 1 else "")

    @override
    def too_many(self, after_seconds: int) -> Reply:
        return self.error("(#613) Calls to this api have exceeded the rate limit.", 613)

    def length(self, text: str) -> int:
        """As the vendor counts a text."""
        return len(text)

    def _fault(self, body: dict[str, object]) -> Reply | None:
        text, url = words(body, "message", "text"), words(body, "message", "attachment", "payload", "url")
        if not words(body, "recipient", "id"):
            return self.error("(#100) The parameter recipient is required", 100)
        if words(body, "messaging_type") not in TYPES:
            return self.error("(#100) Param messaging_type must be one of RESPONSE, UPDATE, MESSAGE_TAG", 100)
        if bool(text) == bool(url):
            return self.error("(#100) Message must have either text or an attachment", 100, subcode=2018034)
        if self.length(text) > self.text_max:
            sentence = f"(#100) Length of param message[text] must be less than or equal to {self.text_max}"
            return self.error(sentence, 100)
        if len(words(body, "message", "metadata")) > 1000:
            return self.error("(#100) Length of param message[metadata] must be less than or equal to 1000", 100)
        return None

    def _not_now(self, body: dict[str, object], customer: Customer | None) -> Reply | None:
        if customer is None:
            return self.error("(#100) No matching user found", 100, subcode=self.unknown_subcode)
        if customer.blocked:
            return self.error("(#551) This person isn't available right now.", 551, subcode=1545041)
        by_person = words(body, "messaging_type") == "MESSAGE_TAG" and words(body, "tag") == "HUMAN_AGENT"
        if not self.window_is_open(customer, HUMAN_AGENT_MS if by_person else None):
            sentence = "(#10) This message is sent outside of allowed window."
            return self.error(sentence, 10, subcode=self.window_subcode)
        if self.too_fast(customer.id) is not None:
            return self.too_many(1)
        return None

    async def _send(self, body: dict[str, object]) -> Reply:
        customer = self.world.customer(words(body, "recipient", "id"))
        refusal = self._fault(body) or self._not_now(body, customer)
        if refusal is not None or customer is None:
            return refusal or self.broken()
        file, url = None, words(body, "message", "attachment", "payload", "url")
        if url:
            file = await self.fetched(url)
            if file is None:
                return self.error("(#100) Failed to fetch the file from the url", 100, subcode=2018008)
            if len(file.content) > FILE_BYTES_MAX:
                return self.error("(#100) Attachment size exceeds allowable limit", 100, subcode=2018109)
        message = self.to_customer(customer, words(body, "message", "text"), file)
        message.reference = words(body, "message", "metadata") or None
        message.reply_to = words(body, "reply_to", "mid") or None
        self.accept(customer, message)
        self.own_events.append(self._echo(customer, message, APP_ID))
        return json_reply({"recipient_id": customer.id, "message_id": message.id})

    def _event(self, kind: str, sender: str, recipient: str, **rest: object) -> Event:
        at_ms = self.world.now_ms()
        messaging = {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": at_ms, **rest}
        return Event(kind=kind, body={"messaging": [messaging]})

    @override
    def stamped(self, event: Event, at_ms: int) -> dict[str, object]:
        return {"time": at_ms, **event.body}

    def _content(self, message: Message) -> dict[str, object]:
        content: dict[str, object] = {"mid": message.id}
        if message.text:
            content["text"] = message.text
        if message.file is not None:
            family = message.file.mime.partition("/")[0]
            kind = family if family in {"image", "audio", "video"} else "file"
            url = f"{self.base_url}/media/{message.file.id}"
            content["attachments"] = [{"type": kind, "payload": {"url": url}}]
        if message.reply_to:
            content["reply_to"] = {"mid": message.reply_to}
        return content

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        if message.emoji is not None:
            action = "react" if message.emoji else "unreact"
            reaction = {"action": action, "mid": message.reply_to, "reaction": "other", "emoji": message.emoji}
            return self._event("reaction", customer.id, self.account_id, reaction=reaction)
        if message.payload is not None:
            postback = {"mid": message.id, "title": message.text, "payload": message.payload}
            return self._event("postback", customer.id, self.account_id, postback=postback)
        return self._event("message", customer.id, self.account_id, message=self._content(message))

    @override
    def edited(self, customer: Customer, message: Message) -> Event:
        edit = {"mid": message.id, "text": message.text, "num_edit": message.edits}
        return self._event("edit", customer.id, self.account_id, message_edit=edit)

    @override
    def echoed(self, customer: Customer, message: Message) -> Event:
        return self._echo(customer, message, INBOX_APP_ID)

    def _echo(self, customer: Customer, message: Message, app_id: str) -> Event:
        content = {**self._content(message), "is_echo": True, **self._echo_words(message, app_id)}
        return self._event("echo", self.account_id, customer.id, message=content)

    def _echo_words(self, message: Message, app_id: str) -> dict[str, object]:
        """Which app sent it, and what it gave it to recognise it by."""
        return {"app_id": int(app_id), **({"metadata": message.reference} if message.reference else {})}

    @override
    def reported(self, message: Message, status: str, code: str | None) -> Event | None:
        if status == "delivered":
            told: dict[str, object] = {"mids": [message.id], "watermark": message.at_ms}
            return self._event("delivered", message.customer, self.account_id, delivery=told)
        if status == "read":
            return self._event("read", message.customer, self.account_id, read={"watermark": message.at_ms})
        return None


class Instagram(Messenger):
    """A professional account."""

    name = provider = channel = "instagram"
    title = "Instagram"
    can = frozenset(
        {
            "text",
            "file",
            "reaction",
            "reply",
            "button",
            "unsend",
            "echo",
            "read",
            "block",
            "window",
            "human_agent",
            "handshake",
            "batch",
            "signed_body",
            "media",
        }
    )
    told_of = "instagram"
    text_max = 1000
    window_subcode = 2534022
    unknown_subcode = 2534014

    @property
    @override
    def account_id(self) -> str:
        return "17841405822304914"

    @override
    def new_message_id(self, customer: Customer) -> str:
        return base64.urlsafe_b64encode(b"aWdfZAG06MTpJR01" + bytes.fromhex(self.world.hexadecimal(96))).decode()

    @override
    def length(self, text: str) -> int:
        return len(text.encode())

    @override
    def edited(self, customer: Customer, message: Message) -> Event:
        raise UnableError("Instagram tells of no edits")

    @override
    def unsent(self, customer: Customer, message: Message) -> Event:
        deleted = {"mid": message.id, "is_deleted": True}
        return self._event("unsend", customer.id, self.account_id, message=deleted)

    @override
    def _echo_words(self, message: Message, app_id: str) -> dict[str, object]:
        return {}

    @override
    def reported(self, message: Message, status: str, code: str | None) -> Event | None:
        if status == "read":
            return self._event("read", message.customer, self.account_id, read={"mid": message.id})
        return None
