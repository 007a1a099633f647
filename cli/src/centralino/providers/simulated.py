"""One simulated account: the vendor, its customers, its deliveries, and what goes wrong when it is asked to."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Literal

from centralino.providers.deliveries import Deliveries, How
from centralino.providers.people import Customer, File, Message, World
from centralino.providers.vendor import Event, Simulation, UnableError, Vendor
from centralino.providers.wire import Call, Reply

CALLS_MAX: Final = 5000
THREADS_MAX: Final = 72
"""As many as deliveries at a time, and some to fetch files."""
FILE_MS: Final = 7 * 24 * 3_600_000
FaultKind = Literal["error", "too_many", "timeout", "reset", "garbage"]
Making = Callable[..., Vendor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What one send meets. `accepted`: the customer gets the message all the same."""

    kind: FaultKind
    accepted: bool
    after_seconds: int = 1
    """Of `too_many`: when to come again."""
    hold_ms: int = 30_000
    """Of `timeout`: so long nothing is answered, then the connection ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call of the vendor's API, for whoever counts them."""

    number: int
    method: str
    path: str
    status: int
    """0: it was not answered."""
    is_send: bool
    fault: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a customer says."""

    text: str = ""
    file: File | None = None
    location: tuple[float, float] | None = None
    emoji: str | None = None
    payload: str | None = None
    reply_to: str | None = None


class Simulated:
    """Everything about one provider. Tell it `run` in a task."""

    def __init__(
        self, making: Making, *, seed: int, webhook_url: str = "", secrets: Mapping[str, str] | None = None
    ) -> None:
        self._making, self._seed, self._secrets = making, seed, dict(secrets or {})
        self._webhook_url = webhook_url
        self.base_url = ""
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="webhook")
        self._begin()

    def _begin(self) -> None:
        self.world = World(self._seed, pool=self._pool)
        self.simulation = Simulation(webhook_url=self._webhook_url)
        self.vendor = self._making(self.world, self.simulation, seed=self._seed, secrets=self._secrets)
        self.vendor.base_url = self.base_url
        self.deliveries = Deliveries(self.vendor, self.world, self.simulation)
        self.faults: deque[Fault] = deque()
        self.calls: deque[Asked] = deque(maxlen=CALLS_MAX)
        self._restart = asyncio.Event()

    def serve_at(self, base_url: str) -> None:
        """Where its API is."""
        self.base_url = self.vendor.base_url = base_url

    async def run(self) -> None:
        """Deliver until cancelled, also after a reset."""
        try:
            await self._run()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        while True:
            restart = self._restart
            running = asyncio.create_task(self.deliveries.run())
            try:
                await restart.wait()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def reset(self) -> None:
        """Everybody and everything is forgotten; the seed begins anew, secrets and webhook are those of the start.
        What is under way to the webhook is waited for, so that nothing of before comes after."""
        world, deliveries, restart = self.world, self.deliveries, self._restart
        deliveries.forget()
        wait_ms = round(self.vendor.answer_seconds * 1000)
        await world.until(lambda: [] if deliveries.under_way else [True], wait_ms)
        self._begin()
        world.notice()
        restart.set()

    async def asked(self, call: Call, hang: Callable[[int], Awaitable[None]]) -> Reply | None:
        """The vendor's API, with what goes wrong; none: the connection is to be reset. `hang` waits so many
        milliseconds or until the client has gone."""
        is_send = self.vendor.is_send(call)
        fault = self.faults.popleft() if is_send and self.faults else None
        reply: Reply | None = None
        if fault is None or fault.accepted:
            reply = await self.vendor.call(call)
            self._after_call()
        if fault is not None:
            reply = await self._failing(fault, hang)
        asked = Asked(
            number=self.world.next_number(),
            method=call.method,
            path=call.path,
            status=reply.status if reply else 0,
            is_send=is_send,
            fault=fault.kind if fault else "",
            at_ms=self.world.now_ms(),
        )
        self.calls.append(asked)
        self.world.notice()
        return reply

    async def _failing(self, fault: Fault, hang: Callable[[int], Awaitable[None]]) -> Reply | None:
        match fault.kind:
            case "error":
                return self.vendor.broken()
            case "too_many":
                return self.vendor.too_many(fault.after_seconds)
            case "garbage":
                return Reply(body=b"<html>one moment, please</html>", headers={"content-type": "text/html"})
            case "timeout":
                await hang(fault.hold_ms)
        return None

    def _after_call(self) -> None:
        """What the vendor tells of by itself: echoes, statuses."""
        vendor, delay_ms = self.vendor, self.simulation.status_delay_ms
        own, vendor.own_events = vendor.own_events, []
        for event in own:
            self.deliveries.put(event)
        accepted, vendor.accepted = vendor.accepted, []
        for message in accepted:
            for number, status in enumerate(self.simulation.statuses):
                self.report(message, status, None, How(delay_ms=delay_ms * (number + 1)))
        refused, vendor.refused_later = vendor.refused_later, []
        for message, code in refused:
            self.report(message, "failed", code, How(delay_ms=delay_ms))

    def report(self, message: Message, status: str, code: str | None, how: How | None = None) -> list[int]:
        """What became of a message of the centre; nothing if the vendor does not tell that."""
        message.status = status
        event = self.vendor.reported(message, status, code)
        return [] if event is None else self.deliveries.put(event, how)

    def somebody(self, key: str | None, *, name: str | None = None, phone: str | None = None) -> Customer:
        """Whom the key names (id, phone number or name), made if there is nobody."""
        if key is not None:
            known = self.world.customer(key)
            if known is not None:
                return known
        fresh = self.vendor.new_customer(name or key or f"Customer {len(self.world.customers) + 1}", phone)
        return self.world.keep_customer(fresh)

    def kept(self, name: str, mime: str, content: bytes) -> File:
        """A customer's file."""
        return self.vendor.keep(name, mime, content, lives_ms=FILE_MS)

    def say(self, customer: Customer, words: Words, how: How | None = None) -> tuple[Message, list[int]]:
        """A customer writes. Raises UnableError."""
        self._check(words)
        message = self._message(customer, words, from_customer=True)
        event = self.vendor.said(customer, message)
        numbers = self.deliveries.put(event, how)
        customer.wrote_at_ms = message.at_ms
        self.world.keep_message(message)
        return message, numbers

    def echo(self, customer: Customer, text: str, how: How | None = None) -> tuple[Message, list[int]]:
        """Somebody of the centre writes past the API. Raises UnableError."""
        message = self._message(customer, Words(text=text), from_customer=False)
        numbers = self.deliveries.put(self.vendor.echoed(customer, message), how)
        self.world.keep_message(message)
        return message, numbers

    def edit(self, message: Message, text: str, how: How | None = None) -> list[int]:
        """A customer changes a text. Raises UnableError."""
        changed = replace(message, text=text, edits=message.edits + 1)
        event = self.vendor.edited(self._theirs(message), changed)
        message.text, message.edits = text, changed.edits
        return self.deliveries.put(event, how)

    def unsend(self, message: Message, how: How | None = None) -> list[int]:
        """A customer takes a message back. Raises UnableError."""
        event = self.vendor.unsent(self._theirs(message), message)
        message.status = "unsent"
        return self.deliveries.put(event, how)

    def block(self, customer: Customer, *, blocked: bool) -> list[int]:
        """A customer wants to hear no more, or again. Raises UnableError."""
        if "block" not in self.vendor.can:
            raise UnableError(f"on {self.vendor.title} nobody can block the centre")
        customer.blocked = blocked
        event = self.vendor.blocked(customer)
        return [] if event is None else self.deliveries.put(event)

    def _theirs(self, message: Message) -> Customer:
        customer = self.world.customers.get(message.customer)
        if customer is None or not message.from_customer:
            raise UnableError("that is no message of a customer")
        return customer

    def _check(self, words: Words) -> None:
        wanted = {
            "file": words.file,
            "location": words.location,
            "reaction": words.emoji,
            "button": words.payload,
            "reply": words.reply_to if words.emoji is None else None,
        }
        for ability, value in wanted.items():
            if value is not None and ability not in self.vendor.can:
                raise UnableError(f"{self.vendor.title} has no {ability}")
        if words.emoji is not None and words.reply_to is None:
            raise UnableError("a reaction is one to a message: `reply_to`")

    def _message(self, customer: Customer, words: Words, *, from_customer: bool) -> Message:
        return Message(
            id=self.vendor.new_message_id(customer),
            customer=customer.id,
            from_customer=from_customer,
            at_ms=self.world.now_ms(),
            text=words.text,
            file=words.file,
            location=words.location,
            emoji=words.emoji,
            payload=words.payload,
            reply_to=words.reply_to,
        )

    def raw(self, body: Mapping[str, object], how: How | None = None) -> list[int]:
        """Deliver an event of anybody's making, signed as the vendor signs."""
        return self.deliveries.put(Event(kind="raw", body=body), how)
