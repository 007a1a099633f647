"""WhatsApp's Cloud API, simulated.

Vendor's pages: "Cloud API: Messages", "Media" (two steps, URLs for five minutes), "Error Codes", "Webhooks: messages
webhook reference" with its page for each type, "Status messages webhook reference", "smb_message_echoes",
"Business-scoped user IDs", "Webhook overrides", "Pair rate limits". What cannot be delivered may be refused at once
or by a status `failed`; which, is the setting `late_refusals`.
"""

import base64
from typing import ClassVar, Final

from typing_extensions import override

from centralino.providers.graph import Graph
from centralino.providers.people import DAY_MS, Customer, File, Message
from centralino.providers.vendor import Event, Template
from centralino.providers.wire import Call, Reply, dig, json_reply, words

TEXT_MAX: Final = 4096
MEDIA_MS: Final = 300_000
MEGABYTE: Final = 1024 * 1024
KINDS: Final = {"image": 5 * MEGABYTE, "video": 16 * MEGABYTE, "audio": 16 * MEGABYTE, "document": 100 * MEGABYTE}
TITLES: Final = {
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131052: "Media download error",
    131053: "Media upload error",
}


class WhatsApp(Graph):
    """A number of a business account."""

    name = provider = channel = "whatsapp"
    title = "WhatsApp"
    can = frozenset(
        {
            "text",
            "file",
            "location",
            "reaction",
            "reply",
            "button",
            "edit",
            "unsend",
            "echo",
            "read",
            "block",
            "sent",
            "delivered",
            "failed",
            "template",
            "window",
            "handshake",
            "batch",
            "signed_body",
            "media",
            "late_refusals",
        }
    )
    told_of = "whatsapp_business_account"
    retries_seconds: ClassVar[tuple[float, ...]] = (*Graph.retries_seconds, *(24 * 3600.0,) * 5)
    pair_every_ms = 6000
    pair_burst = 45
    account_per_second = 80
    window_ms = DAY_MS

    @property
    @override
    def account_id(self) -> str:
        return "106540352242922"

    @property
    @override
    def address(self) -> str:
        return "+15550783881"

    @property
    @override
    def entry_id(self) -> str:
        return "102290129340398"

    @override
    def options(self) -> dict[str, str]:
        return {"business_account_id": self.entry_id}

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        """The business-scoped user id; the number may be missing (an empty `phone`)."""
        number = f"1650555{self.world.digits(4)}" if phone is None else phone.removeprefix("+")
        return Customer(id=f"US.{self.world.digits(16)}", name=name, phone=f"+{number}" if number else None)

    @override
    def new_message_id(self, customer: Customer) -> str:
        return "wamid." + base64.b64encode(bytes.fromhex(self.world.hexadecimal(72))).decode()

    @override
    async def call(self, call: Call) -> Reply:
        refusal = self.unauthorised(call)
        if refusal is not None:
            return refusal
        match call.path.strip("/").split("/"):
            case [_, self.account_id, "messages"] if call.method == "POST":
                return await self._send(call.json())
            case [_, self.entry_id, "subscribed_apps"] if call.method == "POST":
                return await self._override(call.json())
            case ["media", media_id] if call.method == "GET":
                return self._file(media_id)
            case [_, media_id] if call.method == "GET":
                return self._where(media_id, call.base_url)
            case path:
                return self.nothing_there(path[1] if len(path) > 1 else "")

    @override
    def too_many(self, after_seconds: int) -> Reply:
        return self.error("(#130429) Rate limit hit", 130429)

    async def _override(self, body: dict[str, object]) -> Reply:
        url = words(body, "override_callback_uri")
        if not url:
            return json_reply({"success": True})
        if words(body, "verify_token") != self.secrets["verify_token"] or await self.handshake(url):
            return self.error("(#2200) Callback verification failed", 2200)
        self.simulation.webhook_url = url
        return json_reply({"success": True})

    def _where(self, media_id: str, base_url: str) -> Reply:
        file = self.world.file(media_id)
        if file is None:
            return self.nothing_there(media_id)
        link = self.keep(file.name, file.mime, file.content, lives_ms=MEDIA_MS)
        told = {
            "messaging_product": "whatsapp",
            "url": f"{base_url}/media/{link.id}",
            "mime_type": file.mime,
            "sha256": file.sha256,
            "file_size": str(len(file.content)),
            "id": file.id,
        }
        return json_reply(told)

    def _file(self, media_id: str) -> Reply:
        file = self.world.file(media_id)
        if file is None:
            return Reply(status=404)
        return Reply(body=file.content, headers={"content-type": file.mime})

    async def _send(self, body: dict[str, object]) -> Reply:
        if words(body, "messaging_product") != "whatsapp":
            return self.error("(#100) The parameter messaging_product is required.", 100)
        if words(body, "status") == "read":
            return json_reply({"success": True})
        to, kind = words(body, "to") or words(body, "recipient"), words(body, "type") or "text"
        fault = self._fault(body, to, kind)
        if fault is not None:
            return fault
        fast = self.too_fast(to)
        if fast is not None:
            code = 131056 if fast[0] == "pair" else 130429
            return self.error(f"(#{code}) Rate limit hit", code)
        customer = self.world.customer(to)
        late, file = await self._late(body, customer, kind)
        if late is not None and not self.simulation.late_refusals:
            return self.error(f"(#{late}) {TITLES[late]}", late)
        customer = customer or Customer(id=to, name="", phone=f"+{to}" if to.isdigit() else None)
        message = self._message(customer, body, kind, file)
        if late is not None:
            self.refused_later.append((message, str(late)))
        else:
            self.accept(customer, message)
        contact = {"input": to, **({"wa_id": customer.phone.removeprefix("+")} if customer.phone else {})}
        return json_reply(
            {
                "messaging_product": "whatsapp",
                "contacts": [contact if customer.id == to.removeprefix("+") else {**contact, "user_id": customer.id}],
                "messages": [{"id": message.id}],
            }
        )

    def _fault(self, body: dict[str, object], to: str, kind: str) -> Reply | None:
        if not to:
            return self.error("(#100) The parameter to is required.", 100)
        if kind == "text":
            text = words(body, "text", "body")
            if not text or len(text) > TEXT_MAX:
                return self.error(f"(#100) Param text['body'] must be 1 to {TEXT_MAX} characters long.", 100)
            return None
        if kind == "template":
            return self._template_fault(body)
        if kind in KINDS:
            return None if words(body, kind, "link") else self.error(f"(#131008) {kind}['link'] is missing", 131008)
        return self.error("(#131051) Unsupported message type", 131051)

    def _template_fault(self, body: dict[str, object]) -> Reply | None:
        name, language = words(body, "template", "name"), words(body, "template", "language", "code")
        known = next((one for one in self.templates if (one.name, one.language) == (name, language)), None)
        if known is None:
            sentence = "(#132001) Template name does not exist in the translation"
            return self.error(sentence, 132001, status=404)
        components = dig(body, "template", "components")
        parameters = dig(components, 0, "parameters")
        given = len(parameters) if isinstance(parameters, list) else 0
        if given != known.variables:
            return self.error("(#132000) Number of parameters does not match the expected number of params", 132000)
        return None

    async def _late(
        self, body: dict[str, object], customer: Customer | None, kind: str
    ) -> tuple[int | None, File | None]:
        """What is only found out afterwards, and the file that was fetched."""
        if customer is None or customer.blocked:
            return 131026, None
        if kind != "template" and not self.window_is_open(customer):
            return 131047, None
        if kind not in KINDS:
            return None, None
        file = await self.fetched(words(body, kind, "link"), words(body, kind, "filename"))
        return (None, file) if file is not None and len(file.content) <= KINDS[kind] else (131053, None)

    def _message(self, customer: Customer, body: dict[str, object], kind: str, file: File | None) -> Message:
        message = self.to_customer(customer, words(body, "text", "body") or words(body, kind, "caption"), file)
        message.reply_to = words(body, "context", "message_id") or None
        message.reference = words(body, "biz_opaque_callback_data") or None
        if kind == "template":
            message.template = words(body, "template", "name")
            parameters = dig(body, "template", "components", 0, "parameters")
            texts = [words(one, "text") for one in parameters] if isinstance(parameters, list) else []
            message.text = " ".join([f"[{message.template}]", *texts])
        return message

    def _value(self, **rest: object) -> dict[str, object]:
        metadata = {"display_phone_number": self.address.removeprefix("+"), "phone_number_id": self.account_id}
        return {"messaging_product": "whatsapp", "metadata": metadata, **rest}

    def _changes(self, field: str, **rest: object) -> dict[str, object]:
        return {"changes": [{"value": self._value(**rest), "field": field}]}

    def _from(self, customer: Customer, message: Message, content: dict[str, object]) -> Event:
        phone = (customer.phone or "").removeprefix("+")
        contact: dict[str, object] = {"profile": {"name": customer.name}, "user_id": customer.id}
        said: dict[str, object] = {"from_user_id": customer.id, "id": message.id}
        if phone:
            contact["wa_id"] = said["from"] = phone
        said |= {"timestamp": str(self.world.now_ms() // 1000), **content}
        if message.reply_to and content["type"] not in {"reaction", "edit", "revoke"}:
            said["context"] = {"from": self.address.removeprefix("+"), "id": message.reply_to}
        body = self._changes("messages", contacts=[contact], messages=[said])
        return Event(kind=str(content["type"]), body=body)

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        return self._from(customer, message, _content(message))

    @override
    def edited(self, customer: Customer, message: Message) -> Event:
        inner = {"id": message.id, **_content(message)}
        fresh = Message(id=self.new_message_id(customer), customer=customer.id, from_customer=True, at_ms=message.at_ms)
        return self._from(
            customer, fresh, {"type": "edit", "edit": {"original_message_id": message.id, "message": inner}}
        )

    @override
    def unsent(self, customer: Customer, message: Message) -> Event:
        fresh = Message(id=self.new_message_id(customer), customer=customer.id, from_customer=True, at_ms=message.at_ms)
        return self._from(customer, fresh, {"type": "revoke", "revoke": {"original_message_id": message.id}})

    @override
    def echoed(self, customer: Customer, message: Message) -> Event:
        echo = {
            "from": self.address.removeprefix("+"),
            **({"to": customer.phone.removeprefix("+")} if customer.phone else {}),
            "to_user_id": customer.id,
            "id": message.id,
            "timestamp": str(message.at_ms // 1000),
            **_content(message),
        }
        return Event(kind="echo", body=self._changes("smb_message_echoes", message_echoes=[echo]))

    @override
    def reported(self, message: Message, status: str, code: str | None) -> Event | None:
        customer = self.world.customer(message.customer)
        stranger = f"+{message.customer}" if message.customer.isdigit() else None
        phone = customer.phone if customer else stranger
        told: dict[str, object] = {
            "id": message.id,
            "status": status,
            "timestamp": str(self.world.now_ms() // 1000),
            **({"recipient_id": phone.removeprefix("+")} if phone else {}),
            **({} if stranger else {"recipient_user_id": message.customer}),
        }
        if message.reference:
            told["biz_opaque_callback_data"] = message.reference
        if status == "failed":
            number = int(code) if code and code.isdigit() else 131000
            title = TITLES.get(number, "Something went wrong")
            details = {"details": "Of the simulator"}
            told["errors"] = [{"code": number, "title": title, "message": title, "error_data": details}]
        return Event(kind=status, body=self._changes("messages", statuses=[told]))


def _content(message: Message) -> dict[str, object]:
    if message.emoji is not None:
        return {"type": "reaction", "reaction": {"message_id": message.reply_to, "emoji": message.emoji}}
    if message.location is not None:
        latitude, longitude = message.location
        return {"type": "location", "location": {"latitude": latitude, "longitude": longitude}}
    if message.payload is not None:
        return {"type": "button", "button": {"text": message.text, "payload": message.payload}}
    if message.file is None:
        return {"type": "text", "text": {"body": message.text}}
    file = message.file
    family = file.mime.partition("/")[0]
    kind = family if family in KINDS else "document"
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    content: dict[str, object] = {"mime_type": file.mime, "sha256": digest, "id": file.id}
    if message.text:
        content["caption"] = message.text
    if kind == "document":
        content["filename"] = file.name
    return {"type": kind, kind: content}


TEMPLATES: Final = [
    Template(name="hello_world", language="en_US", variables=0),
    Template(name="order_update", language="en", variables=2),
]
"""Approved from the beginning."""
