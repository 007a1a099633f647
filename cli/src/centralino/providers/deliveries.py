"""Delivering events to webhooks: signed, in batches, repeated with back-off, doubled and shuffled by the seed."""

import asyncio
import contextlib
import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from centralino.providers.people import World
from centralino.providers.vendor import Attempt, Event, Simulation, UnableError, Vendor
from centralino.providers.wire import Answered, Parcel, send

WAITING_MAX: Final = 200_000
TOLD_MAX: Final = 5000
JITTER: Final = 0.1
Signature = Literal["right", "wrong", "missing", "tampered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """One event is to be delivered otherwise. What is not signed as it should be, or is old, is never repeated."""

    signature: Signature = "right"
    """`wrong`: another signature; `tampered`: another body than was signed."""
    age_seconds: int = 0
    """Signed so long ago (negative: in the future)."""
    copies: int = 1
    delay_ms: int = 0

    @property
    def is_honest(self) -> bool:
        """As the vendor does it."""
        return self.signature == "right" and self.age_seconds == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One attempt of a delivery, for whoever asks what became of it."""

    number: int
    """Counts up."""
    deliveries: list[int]
    """What was delivered together; the same for all attempts."""
    kinds: list[str]
    attempt: int
    url: str
    status: int
    """0: no answer, for the reason in `failure`."""
    failure: str
    answer: str
    at_ms: int
    milliseconds: int
    next_seconds: float | None
    """None: there is no further attempt."""


@dataclass(order=True, slots=True)
class _Due:
    at_seconds: float
    number: int
    event: Event = field(compare=False)
    how: How = field(compare=False)
    key: int = field(compare=False)
    """The same for copies."""
    attempt: int = field(compare=False, default=1)
    reason: str = field(compare=False, default="")
    batch: "Sequence[_Due]" = field(compare=False, default=())
    """Of a repetition: what was told together is repeated together."""


class Deliveries:
    """Those of one vendor."""

    def __init__(self, vendor: Vendor, world: World, simulation: Simulation) -> None:
        self.told: deque[Told] = deque(maxlen=TOLD_MAX)
        self._vendor, self._world, self._simulation = vendor, world, simulation
        # Apart from each other: when an answer comes must not change what is doubled, nor this the ids.
        self._chance, self._jitter = (random.Random(world.seed) for _ in range(2))  # noqa: S311 - to be repeated
        self._due: list[_Due] = []
        self.under_way = 0
        """So many requests are being answered just now."""
        self._forgotten = False
        self._more = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Events that nobody has answered yet."""
        return len(self._due) + self.under_way

    def forget(self) -> None:
        """Deliver nothing of what waits, and nothing again."""
        self._due.clear()
        self._forgotten = True
        self._world.notice()

    def put(self, event: Event, how: How | None = None) -> list[int]:
        """Deliver it, and say under which numbers. Raises UnableError if too much waits."""
        how = how or How()
        if not self._vendor.wants(event):
            return []
        if self.waiting + how.copies > WAITING_MAX:
            raise UnableError(f"{self.waiting} events wait to be delivered: no more can be taken")
        chance = self._chance
        numbers: list[int] = []
        copies = how.copies + (chance.random() < self._simulation.duplicate_share)
        for _ in range(copies):
            shuffled_ms = chance.uniform(0, self._simulation.shuffle_within_ms)
            at_seconds = _now() + (how.delay_ms + shuffled_ms) / 1000
            number = self._world.next_number()
            numbers.append(number)
            heapq.heappush(self._due, _Due(at_seconds, number, event, how, numbers[0]))
        self._more.set()
        return numbers

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await self._until_due()
                batch = self._next()
                task = asyncio.create_task(self._deliver(batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _until_due(self) -> None:
        while True:
            self._more.clear()
            free = self.under_way < self._simulation.concurrency
            if free and self._due and self._due[0].at_seconds <= _now():
                return
            left = max(0.0, self._due[0].at_seconds - _now()) if free and self._due else None
            # Not wait_for: in Python 3.11 it may swallow a cancellation that comes with what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._more.wait()

    def _next(self) -> list[_Due]:
        """What is due now and may go together."""
        batch = [heapq.heappop(self._due)]
        most = min(self._simulation.batch_max, self._vendor.batch_max)
        first = batch[0]
        while first.attempt == 1 and len(batch) < most and self._due:
            head = self._due[0]
            fits = head.attempt == 1 and head.how == first.how and head.event.url == first.event.url
            if not fits or head.at_seconds > _now():
                break
            batch.append(heapq.heappop(self._due))
        self.under_way += 1
        return batch

    async def _deliver(self, batch: Sequence[_Due]) -> None:
        first = batch[0]
        together = first.batch or batch
        url = first.event.url or self._simulation.webhook_url
        try:
            started = _now()
            answered = await self._sent(first, [due.event for due in together], url)
            seconds = self._retry_seconds(first, answered, url)
            told = Told(
                number=self._world.next_number(),
                deliveries=[due.number for due in together],
                kinds=[due.event.kind for due in together],
                attempt=first.attempt,
                url=url,
                status=answered.status,
                failure=answered.failure,
                answer=answered.body[:500].decode("utf-8", "replace"),
                at_ms=self._world.now_ms(),
                milliseconds=round((_now() - started) * 1000),
                next_seconds=seconds,
            )
            self.told.append(told)
            if seconds is not None:
                self._again(first, together, answered, seconds)
        finally:
            self.under_way -= 1
            self._more.set()
            self._world.notice()

    async def _sent(self, due: _Due, events: Sequence[Event], url: str) -> Answered:
        if not url:
            return Answered(status=0, failure="no webhook is set")
        at_ms = self._world.now_ms() - due.how.age_seconds * 1000
        attempt = Attempt(number=due.attempt, key=f"{due.key:032x}", at_ms=at_ms, reason=due.reason)
        parcel = spoiled(self._vendor.parcel(events, attempt, url), due.how.signature, self._vendor.signature_header)
        return await send(parcel, timeout_seconds=self._vendor.answer_seconds, pool=self._world.pool)

    def _retry_seconds(self, due: _Due, answered: Answered, url: str) -> float | None:
        if 200 <= answered.status < 300 or not url or self._forgotten:
            return None
        wanted = due.how.is_honest and self._simulation.retries
        seconds = self._vendor.retry_seconds(due.attempt, answered, url) if wanted else None
        if seconds is None:
            return None
        return seconds * self._jitter.uniform(1 - JITTER, 1 + JITTER) / self._simulation.time_scale

    def _again(self, due: _Due, batch: Sequence[_Due], answered: Answered, seconds: float) -> None:
        repeated = replace(
            due,
            at_seconds=_now() + seconds,
            attempt=due.attempt + 1,
            reason=answered.failure or "status",
            batch=tuple(batch),
        )
        heapq.heappush(self._due, repeated)


def spoiled(parcel: Parcel, signature: Signature, header: str) -> Parcel:
    """As somebody would send it who does not know the secret, or has changed what was said."""
    if signature == "right":
        return parcel
    if signature == "tampered":
        more = b"&Added=1" if b"=" in parcel.body[:64] and not parcel.body.startswith(b"{") else b" "
        return replace(parcel, body=parcel.body + more)
    headers = {name: value for name, value in parcel.headers.items() if name != header}
    if signature == "wrong" and header in parcel.headers:
        value = parcel.headers[header]
        begin = len(value) - len(value.removeprefix("sha256=").removeprefix("v0="))
        other = "1" if value[begin] != "1" else "2"
        headers[header] = value[:begin] + other + value[begin + 1 :]
    return replace(parcel, headers=headers)


def _now() -> float:
    return asyncio.get_running_loop().time()
