"""Who writes to the centre and what was said: all of it in memory, all of it bounded."""

import asyncio
import contextlib
import hashlib
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, Protocol, TypeVar

CUSTOMERS_MAX: Final = 10_000
MESSAGES_MAX: Final = 20_000
FILES_BYTES_MAX: Final = 128 * 1024 * 1024
DAY_MS: Final = 24 * 3_600_000
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Customer:
    """Somebody with a phone. `id` is what the vendor calls them in its webhooks."""

    id: str
    name: str
    phone: str | None = None
    chat: str = ""
    """The conversation's own id where the vendor has one (Slack)."""
    blocked: bool = False
    wrote_at_ms: int | None = None
    """When they last wrote: what the window is reckoned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that the vendor keeps until it expires."""

    id: str
    name: str
    mime: str
    content: bytes = field(repr=False)
    expires_at_ms: int

    @property
    def sha256(self) -> str:
        """In hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(slots=True, kw_only=True)
class Message:
    """What one side said to the other."""

    number: int = 0
    """Counts up since it is kept: what a reader asks after."""
    id: str
    customer: str
    from_customer: bool
    at_ms: int
    text: str = ""
    file: File | None = None
    location: tuple[float, float] | None = None
    emoji: str | None = None
    """A reaction to `reply_to`."""
    payload: str | None = None
    """A button was pressed whose text is `text`."""
    reply_to: str | None = None
    reference: str | None = None
    """What the centre gave it to be recognised by."""
    callback_url: str | None = None
    template: str | None = None
    status: str = "accepted"
    edits: int = 0


class Numbered(Protocol):
    """What counts up."""

    @property
    def number(self) -> int:
        """Its place."""
        ...


N = TypeVar("N", bound=Numbered)


def since(each: deque[N], after: int) -> list[N]:
    """What is numbered higher, where numbers only grow: the old is not looked at."""
    return list(takewhile(lambda one: one.number > after, reversed(each)))[::-1]


class World:
    """The customers of one simulated account."""

    def __init__(self, seed: int, *, now_ms: Callable[[], int] | None = None, pool: Executor | None = None) -> None:
        self.pool, self.seed = pool, seed
        self.chance = random.Random(seed)  # noqa: S311 - a simulation is to be repeated, not to be secret
        self.customers: OrderedDict[str, Customer] = OrderedDict()
        self.messages: deque[Message] = deque(maxlen=MESSAGES_MAX)
        self.changed = asyncio.Event()
        self._by_id: dict[str, Message] = {}
        self._aliases: dict[str, str] = {}
        self._files: OrderedDict[str, File] = OrderedDict()
        self._files_bytes = 0
        self._number = 0
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)

    def now_ms(self) -> int:
        """Of the wall clock."""
        return self._now_ms()

    def next_number(self) -> int:
        """The next of one sequence for everything."""
        self._number += 1
        return self._number

    def hexadecimal(self, length: int) -> str:
        """Chosen by the seed."""
        return f"{self.chance.getrandbits(4 * length):0{length}x}"

    def digits(self, length: int) -> str:
        """Chosen by the seed; the first is no 0."""
        return str(self.chance.randrange(10 ** (length - 1), 10**length))

    def keep_customer(self, customer: Customer) -> Customer:
        """Beyond CUSTOMERS_MAX the one who has been there longest is forgotten."""
        self.customers[customer.id] = customer
        self._aliases |= dict.fromkeys(_aliases(customer), customer.id)
        while len(self.customers) > CUSTOMERS_MAX:
            _, gone = self.customers.popitem(last=False)
            for alias in _aliases(gone):
                self._aliases.pop(alias, None)
        return customer

    def customer(self, key: str) -> Customer | None:
        """By id, by phone number (with or without +), by name, or by the conversation's id."""
        if key in self.customers:
            return self.customers[key]
        return self.customers.get(self._aliases.get(key.removeprefix("+"), ""))

    def keep_message(self, message: Message) -> Message:
        """Number it. The oldest is forgotten beyond MESSAGES_MAX; whoever waits for messages is woken."""
        message.number = self.next_number()
        if len(self.messages) == MESSAGES_MAX:
            self._by_id.pop(self.messages[0].id, None)
        self.messages.append(message)
        self._by_id[message.id] = message
        self.notice()
        return message

    def message(self, message_id: str) -> Message | None:
        """By the vendor's id."""
        return self._by_id.get(message_id)

    def keep_file(self, name: str, mime: str, content: bytes, *, file_id: str, lives_ms: int) -> File:
        """The oldest files are forgotten beyond FILES_BYTES_MAX."""
        file = File(id=file_id, name=name, mime=mime, content=content, expires_at_ms=self.now_ms() + lives_ms)
        self._files[file_id] = file
        self._files_bytes += len(content)
        while self._files_bytes > FILES_BYTES_MAX and len(self._files) > 1:
            self._files_bytes -= len(self._files.popitem(last=False)[1].content)
        return file

    def file(self, file_id: str) -> File | None:
        """None if it is unknown or has expired."""
        file = self._files.get(file_id)
        return file if file is not None and file.expires_at_ms > self.now_ms() else None

    def notice(self) -> None:
        """Wake whoever waits for something new."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def until(self, look: Callable[[], Sequence[T]], wait_ms: int) -> Sequence[T]:
        """What `look` finds, as soon as it finds something; empty after `wait_ms`."""
        deadline = asyncio.get_running_loop().time() + wait_ms / 1000
        while not (found := look()):
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.changed.wait()
        return found


def _aliases(customer: Customer) -> set[str]:
    return {(customer.phone or "").removeprefix("+"), customer.chat, customer.name} - {""}


class Buckets:
    """Token buckets by key: `every_ms` between two, `burst` at once. Bounded: full ones are forgotten first."""

    def __init__(self, *, every_ms: float, burst: int) -> None:
        self._every_ms = every_ms
        self._burst = burst
        self._free_at_ms: OrderedDict[str, float] = OrderedDict()

    def wait_ms(self, key: str, now_ms: int) -> float:
        """Take one; 0, or in how many milliseconds there is one (then none was taken)."""
        if not self._every_ms:
            return 0
        free_at_ms = max(self._free_at_ms.get(key, 0), now_ms - self._every_ms * (self._burst - 1))
        if free_at_ms > now_ms:
            return free_at_ms - now_ms
        self._free_at_ms[key] = free_at_ms + self._every_ms
        self._free_at_ms.move_to_end(key)
        if len(self._free_at_ms) > CUSTOMERS_MAX:
            self._free_at_ms.popitem(last=False)
        return 0
