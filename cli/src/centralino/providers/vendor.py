"""What every simulated vendor is: an API that takes messages, and webhooks that tell what customers do."""

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from centralino.providers.people import Buckets, Customer, File, Message, World
from centralino.providers.wire import Answered, Call, Parcel, Reply, send

FETCH_SECONDS: Final = 10.0


class UnableError(Exception):
    """The vendor has no such thing: a sentence for whoever asked the control API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a webhook is told. `body` is what the vendor's documents say; `url` none: the account's."""

    kind: str
    body: Mapping[str, object]
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Of delivering: `number` counts from 1, `key` is the same for every attempt."""

    number: int
    key: str
    at_ms: int
    reason: str = ""
    """Why the one before failed: `timeout`, `connection` or `status`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What the vendor has approved; `variables` counts its places."""

    name: str
    language: str
    variables: int


@dataclass(slots=True, kw_only=True)
class Simulation:
    """What the control API may change."""

    webhook_url: str = ""
    statuses: list[str] = field(default_factory=lambda: ["sent", "delivered"])
    """Told of every message by themselves, in this order."""
    status_delay_ms: int = 0
    duplicate_share: float = 0.0
    shuffle_within_ms: int = 0
    batch_max: int = 1
    concurrency: int = 1
    retries: bool = True
    time_scale: float = 1.0
    """Back-off and retries are so many times faster than the vendor's."""
    late_refusals: bool = True
    """Where the vendor may refuse at once or by a later status: later."""
    rates: bool = True
    media_seconds: float | None = None
    """How long files and their URLs hold; none: as long as the vendor's."""


class Vendor(ABC):
    """One vendor's words. What it cannot do raises UnableError, and is not in `can`."""

    name: ClassVar[str]
    title: ClassVar[str]
    provider: ClassVar[str]
    """As a configuration document names it; `channel` likewise."""
    channel: ClassVar[str]
    uses: ClassVar[tuple[str, ...]]
    """Of its secrets."""
    can: ClassVar[frozenset[str]]
    signature_header: ClassVar[str]
    retries_seconds: ClassVar[tuple[float, ...]]
    answer_seconds: ClassVar[float]
    batch_max: ClassVar[int] = 1
    pair_every_ms: ClassVar[float] = 0
    pair_burst: ClassVar[int] = 1
    account_per_second: ClassVar[float] = 1000
    window_ms: ClassVar[int | None] = None

    def __init__(self, world: World, simulation: Simulation, *, seed: int, secrets: Mapping[str, str]) -> None:
        self.world = world
        self.simulation = simulation
        self.secrets = {use: secrets.get(use) or derived(seed, f"{self.provider} {use}") for use in self.uses}
        self.base_url = ""
        self.accepted: list[Message] = []
        """Taken since the last look; the server looks after every call."""
        self.refused_later: list[tuple[Message, str]] = []
        """Accepted and bound to fail, with the vendor's code."""
        self.own_events: list[Event] = []
        self.templates: list[Template] = []
        self._pairs = Buckets(every_ms=self.pair_every_ms, burst=self.pair_burst)
        self._account = Buckets(every_ms=1000 / self.account_per_second, burst=max(1, int(self.account_per_second)))

    @property
    @abstractmethod
    def account_id(self) -> str:
        """What the vendor calls the centre's account."""

    @property
    def address(self) -> str:
        """What customers see of it."""
        return self.account_id

    def options(self) -> Mapping[str, str]:
        """Of the account in a configuration document."""
        return {}

    @abstractmethod
    async def call(self, call: Call) -> Reply:
        """The vendor's API."""

    @abstractmethod
    def is_send(self, call: Call) -> bool:
        """Whether it sends a message: what faults are for."""

    @abstractmethod
    def too_many(self, after_seconds: int) -> Reply:
        """The vendor's own way of saying 429."""

    @abstractmethod
    def broken(self) -> Reply:
        """The vendor's own 500."""

    @abstractmethod
    def new_customer(self, name: str, phone: str | None) -> Customer:
        """Somebody whom the vendor has not known."""

    @abstractmethod
    def new_message_id(self, customer: Customer) -> str:
        """In the vendor's form."""

    @abstractmethod
    def said(self, customer: Customer, message: Message) -> Event:
        """What the webhook is told of a customer's message."""

    @abstractmethod
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        """Signed as the vendor signs."""

    def wants(self, event: Event) -> bool:
        """Whether the centre has asked to be told of such things."""
        return True

    def edited(self, customer: Customer, message: Message) -> Event:
        """The customer changed what they had said."""
        raise UnableError(f"{self.title} tells of no edits")

    def unsent(self, customer: Customer, message: Message) -> Event:
        """The customer took it back."""
        raise UnableError(f"{self.title} tells of nothing taken back")

    def echoed(self, customer: Customer, message: Message) -> Event:
        """Somebody answered past the API, in the vendor's own inbox."""
        raise UnableError(f"{self.title} has no inbox of its own that it tells of")

    def blocked(self, customer: Customer) -> Event | None:
        """The customer has blocked the centre or not any more; none: the vendor does not tell."""
        return None

    def reported(self, message: Message, status: str, code: str | None) -> Event | None:
        """What became of a message of the centre; none: the vendor does not tell this."""
        return None

    async def handshake(self, url: str) -> str:
        """Ask the webhook as the vendor does before it trusts it; empty, or why not."""
        raise UnableError(f"{self.title} asks a webhook nothing")

    def retry_seconds(self, attempt: int, answered: Answered, url: str) -> float | None:
        """How long after the failed attempt the next one comes; none: never."""
        return self.retries_seconds[attempt - 1] if attempt <= len(self.retries_seconds) else None

    def too_fast(self, key: str) -> tuple[str, float] | None:
        """Take one of the account's and of the pair's rate; or which of the two is used up, and for how many ms."""
        if not self.simulation.rates:
            return None
        now_ms = self.world.now_ms()
        wait_ms = self._pairs.wait_ms(key, now_ms)
        if wait_ms:
            return "pair", wait_ms
        wait_ms = self._account.wait_ms("", now_ms)
        return ("account", wait_ms) if wait_ms else None

    def window_is_open(self, customer: Customer, window_ms: int | None = None) -> bool:
        """Whether the customer wrote lately enough."""
        length_ms = window_ms if window_ms is not None else self.window_ms
        if length_ms is None:
            return True
        return customer.wrote_at_ms is not None and self.world.now_ms() - customer.wrote_at_ms < length_ms

    def accept(self, customer: Customer, message: Message) -> Message:
        """The customer gets it, unless they have blocked the centre."""
        self.world.keep_message(message)
        self.accepted.append(message)
        return message

    def to_customer(self, customer: Customer, text: str = "", file: File | None = None) -> Message:
        """A message of the centre, not accepted yet."""
        return Message(
            id=self.new_message_id(customer),
            customer=customer.id,
            from_customer=False,
            at_ms=self.world.now_ms(),
            text=text,
            file=file,
        )

    async def fetched(self, url: str, name: str = "") -> File | None:
        """A file that the centre named by URL; none if it cannot be had."""
        answered = await send(Parcel(url=url, method="GET"), timeout_seconds=FETCH_SECONDS, pool=self.world.pool)
        if answered.status != 200:
            return None
        mime = answered.headers.get("content-type", "application/octet-stream").partition(";")[0].strip()
        return self.keep(name or url.partition("?")[0].rpartition("/")[2] or "file", mime, answered.body)

    def keep(self, name: str, mime: str, content: bytes, *, lives_ms: int = 3_600_000) -> File:
        """Under a new id of the vendor's form."""
        seconds = self.simulation.media_seconds
        lives_ms = lives_ms if seconds is None else round(seconds * 1000)
        return self.world.keep_file(name, mime, content, file_id=self.world.digits(16), lives_ms=lives_ms)


def derived(seed: int, use: str) -> str:
    """A secret for tests: the same for the same seed."""
    return hmac.new(f"centralino {seed}".encode(), use.encode(), hashlib.sha256).hexdigest()[:32]
