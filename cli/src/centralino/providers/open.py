"""A system that speaks the open channel, simulated: docs/open-channel.md and docs/open-channel.schema.json, and the
Standard Webhooks specification, whose example schedule its retries follow.

It knows a message by its webhook-id, and answers a repetition as it answered the first.
"""

import base64
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from typing_extensions import override

from centralino.open_channel.signing import SecretError, fault, signed
from centralino.providers.people import MESSAGES_MAX, Customer, File, Message, World
from centralino.providers.vendor import Attempt, Event, Simulation, Vendor
from centralino.providers.wire import Call, Parcel, Reply, dig, json_reply, words

TEXT_MAX: Final = 20_000


class Open(Vendor):
    """An app with an inbox."""

    name = provider = channel = "open"
    title = "Open channel"
    uses = ("inbound_secret", "outbound_secret")
    can = frozenset(
        {
            *("text", "file", "reply", "edit", "unsend", "delivered", "read", "failed", "block"),
            *("signed_body", "stale", "batch", "media", "idempotent"),
        }
    )
    signature_header = "webhook-signature"
    retries_seconds = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
    answer_seconds = 15.0
    batch_max = 100

    def __init__(self, world: World, simulation: Simulation, *, seed: int, secrets: Mapping[str, str]) -> None:
        super().__init__(world, simulation, seed=seed, secrets=secrets)
        for use in self.uses:
            if use not in secrets:
                self.secrets[use] = "whsec_" + base64.b64encode(self.secrets[use].encode()).decode()
        self._taken: OrderedDict[str, Reply] = OrderedDict()

    @property
    @override
    def account_id(self) -> str:
        return "simulated-app"

    @override
    def options(self) -> Mapping[str, str]:
        return {"url": f"{self.base_url}/messages"}

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        return Customer(id=f"u-{self.world.hexadecimal(12)}", name=name, phone=phone)

    @override
    def new_message_id(self, customer: Customer) -> str:
        return f"m-{self.world.hexadecimal(16)}"

    @override
    def is_send(self, call: Call) -> bool:
        return call.path == "/messages"

    @override
    def too_many(self, after_seconds: int) -> Reply:
        return Reply(status=429, headers={"retry-after": str(after_seconds)})

    @override
    def broken(self) -> Reply:
        return Reply(status=500)

    @override
    async def call(self, call: Call) -> Reply:
        path = call.path.strip("/").split("/")
        if path[0] == "files" and call.method == "GET":
            file = self.world.file(path[-1])
            return Reply(status=404) if file is None else Reply(body=file.content, headers={"content-type": file.mime})
        if path != ["messages"] or call.method != "POST":
            return Reply(status=404)
        try:
            why = fault(
                self.secrets["outbound_secret"], call.headers, call.body, now_seconds=self.world.now_ms() // 1000
            )
        except SecretError as error:
            why = str(error)
        if why:
            return json_reply({"detail": why}, status=401)
        return await self._once(call.headers["webhook-id"], call.json())

    async def _once(self, webhook_id: str, told: Mapping[str, object]) -> Reply:
        """409 while the first is under way; what was refused is looked at anew."""
        if webhook_id in self._taken:
            return self._taken[webhook_id]
        reply = self._taken[webhook_id] = Reply(status=409)
        try:
            reply = await self._take(told)
        finally:
            if reply.status == 200:
                self._taken[webhook_id] = reply
            else:
                del self._taken[webhook_id]
            if len(self._taken) > MESSAGES_MAX:
                self._taken.popitem(last=False)
        return reply

    async def _take(self, told: Mapping[str, object]) -> Reply:
        text, links = words(told, "text"), dig(told, "files") or []
        if words(told, "type") != "message.sent":
            return json_reply({"detail": "passed over"})
        if not words(told, "reference") or not (text or links) or len(text) > TEXT_MAX or not isinstance(links, list):
            return _refused(422, "content_refused")
        customer = self.world.customers.get(words(told, "customer", "id"))
        if customer is None:
            return _refused(404, "recipient_unknown")
        if customer.blocked:
            return _refused(422, "recipient_opted_out")
        if self.too_fast(customer.id) is not None:
            return self.too_many(1)
        files = [await self.fetched(words(link, "url"), words(link, "name")) for link in links]
        if None in files:
            return _refused(422, "content_refused")
        message = self.to_customer(customer, text, files[0] if files else None)
        message.reference = words(told, "reference")
        message.reply_to = words(told, "reply_to") or None
        self.accept(customer, message)
        return json_reply({"message_id": message.id})

    def _event(self, kind: str, customer: Customer, **rest: object) -> Event:
        told: dict[str, object] = {"id": customer.id, "name": customer.name, "language": "en"}
        if customer.phone:
            told["identifiers"] = [{"type": "phone", "value": customer.phone}]
        return Event(kind=kind, body={"type": kind, "customer": told, "at_ms": self.world.now_ms(), **rest})

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        rest: dict[str, object] = {"id": message.id, "text": message.text, "attributes": {"screen": "inbox"}}
        if message.file is not None:
            rest["files"] = [self._link(message.file)]
        if message.reply_to is not None:
            rest["reply_to"] = message.reply_to
        return self._event("message.received", customer, **rest)

    def _link(self, file: File) -> Mapping[str, object]:
        told = {"url": f"{self.base_url}/files/{file.id}", "name": file.name, "mime": file.mime}
        return {**told, "size_bytes": len(file.content), "sha256": file.sha256}

    @override
    def edited(self, customer: Customer, message: Message) -> Event:
        return self._event("message.edited", customer, message_id=message.id, text=message.text)

    @override
    def unsent(self, customer: Customer, message: Message) -> Event:
        return self._event("message.unsent", customer, message_id=message.id)

    @override
    def reported(self, message: Message, status: str, code: str | None) -> Event | None:
        if status not in self.can:
            return None
        body = {"type": "message.status", "message_id": message.id, "status": status, "at_ms": self.world.now_ms()}
        if message.reference is not None:
            body["reference"] = message.reference
        return Event(kind=f"message.status.{status}", body=body | ({"code": code} if code else {}))

    @override
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        bodies = [dict(event.body) for event in events]
        body = json.dumps(bodies[0] if len(bodies) == 1 else {"events": bodies}, separators=(",", ":")).encode()
        headers = signed(self.secrets["inbound_secret"], f"msg_{attempt.key}", body, at_seconds=attempt.at_ms // 1000)
        return Parcel(url=url, body=body, headers={**headers, "content-type": "application/json"})


def _refused(status: int, code: str) -> Reply:
    return json_reply({"code": code}, status=status)
