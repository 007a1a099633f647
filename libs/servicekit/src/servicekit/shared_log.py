"""Several users of one consumer or one producer: few, large requests instead of many small ones.

A request of aiokafka costs about 250 us of CPU whatever it carries, and each client sends its own. Partitions that one
process serves at the same time therefore fetch and append together.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, Generic, TypeVar

from typing_extensions import override

from servicekit.ports import AppendUnknownError, Clock, LogFactory, LogReader, LogWriter, Outgoing, Partition, Record

READ_RECORDS_MAX: Final = 1000
HELD_RECORDS_MAX: Final = 1000
"""A user that leaves so many records lying gets no more until half of them are taken."""
LOOK_SECONDS: Final = 0.2
"""Within this a new user's partitions are read too."""
PACE_SECONDS: Final = 0.02
"""A read that brought something is followed by the next no sooner: what comes meanwhile shares its requests, here and
in all that follows from it. A lone record after a silence is read at once."""


class _Client(ABC):
    """An open client and how many use it; `spent` once nobody new may."""

    def __init__(self) -> None:
        self.open = AsyncExitStack()
        self.users = 0
        self.spent = False

    @abstractmethod
    async def start(self, log: LogFactory, name: str) -> None:
        """Open it. Raises LogAwayError."""


C = TypeVar("C", bound=_Client)
T = TypeVar("T")


class _Shared(Generic[C]):
    """Opens a client for the first user and closes it after the last one."""

    def __init__(self, log: LogFactory, name: str) -> None:
        self._log = log
        self._name = name
        self._opening = asyncio.Lock()
        self._client: C | None = None

    @asynccontextmanager
    async def _using(self, new: C) -> AsyncGenerator[C]:
        """The client that others use, or else `new`."""
        async with self._opening:
            if self._client is None or self._client.spent:
                try:
                    await new.start(self._log, self._name)
                except BaseException:
                    await new.open.aclose()  # what of it was opened before the failure
                    raise
                self._client = new
            client = self._client
            client.users += 1
        try:
            yield client
        finally:
            client.users -= 1
            if not client.users:
                client.spent = True
                await client.open.aclose()


class SharedWriter(_Shared["_Producer"]):
    """Writers that are one. After an unknown append whoever comes next has a new one; the others keep theirs."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[LogWriter]:
        """A LogWriter like any other."""
        async with self._using(_Producer()) as producer:
            yield producer


class _Producer(_Client):
    """LogWriter."""

    _writer: LogWriter

    @override
    async def start(self, log: LogFactory, name: str) -> None:
        self._writer = await self.open.enter_async_context(log.writer(name))

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        """See LogWriter."""
        appended = asyncio.ensure_future(await self._noted(self._writer.send(outgoing)))
        appended.add_done_callback(self._note)
        return appended

    async def append(self, outgoing: Outgoing) -> Record:
        """See LogWriter."""
        return await self._noted(self._writer.append(outgoing))

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        """See LogWriter."""
        await self._noted(self._writer.append_all(outgoing))

    async def _noted(self, appending: Awaitable[T]) -> T:
        try:
            return await appending
        except AppendUnknownError:
            self.spent = True
            raise

    def _note(self, appended: asyncio.Future[Record]) -> None:
        if not appended.cancelled() and isinstance(appended.exception(), AppendUnknownError):
            self.spent = True


class SharedReader(_Shared["_Consumer"]):
    """Readers that are one; their partitions must differ."""

    def __init__(self, log: LogFactory, name: str, clock: Clock) -> None:
        super().__init__(log, name)
        self._clock = clock

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[LogReader]:
        """A LogReader like any other; when one raises, all do."""
        async with self._using(_Consumer(self._clock)) as consumer:
            part = _Part(consumer)
            consumer.parts[part] = None
            try:
                yield part
            finally:
                del consumer.parts[part]
                consumer.changed = True


class _Consumer(_Client):
    """Reads for its parts, in a task of its own."""

    reader: LogReader
    asking: LogReader
    """For bounds alone: a reader that waits for records answers late, and who takes over is in a hurry."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.parts: dict[_Part, None] = {}
        self.changed = False
        """What is to be read is not what is assigned."""
        self._clock = clock
        self._reading: asyncio.Task[None] | None = None
        self._takers: dict[Partition, _Part] = {}

    @override
    async def start(self, log: LogFactory, name: str) -> None:
        self.reader = await self.open.enter_async_context(log.reader(name))
        self.asking = await self.open.enter_async_context(log.reader(f"{name}-bounds"))
        self._reading = asyncio.create_task(self._read_on())
        self._reading.add_done_callback(self._ended)
        self.open.push_async_callback(self._stop, self._reading)

    def raise_failure(self) -> None:
        """Raise what ended the reading, if anything has."""
        if self._reading is not None and self._reading.done():
            self._reading.result()

    async def _read_on(self) -> None:
        while True:
            for part in self.parts:
                self.changed |= part.turns()
            if self.changed:
                await self._assign()
            records = await self.reader.read(records_max=READ_RECORDS_MAX, timeout_seconds=LOOK_SECONDS)
            if self.changed:
                continue  # some of these may be nobody's by now; the others come again
            for record in records:
                self._takers[record.at].take(record)
            if records:
                await self._clock.sleep(PACE_SECONDS if len(records) < READ_RECORDS_MAX else 0)

    async def _assign(self) -> None:
        self.changed = False
        self._takers = {partition: part for part in self.parts if not part.full for partition in part.positions}
        await self.reader.assign({partition: part.positions[partition] for partition, part in self._takers.items()})

    def _ended(self, reading: "asyncio.Task[None]") -> None:
        self.spent = True
        if not reading.cancelled():
            reading.exception()  # seen: its users may be gone already
        for part in self.parts:
            part.news.set()

    async def _stop(self, reading: "asyncio.Task[None]") -> None:
        reading.cancel()
        await asyncio.wait([reading])


class _Part:
    """LogReader: one user's share of what a consumer reads."""

    def __init__(self, consumer: _Consumer) -> None:
        self.positions: dict[Partition, int] = {}
        """The next to be taken over from the consumer."""
        self.news = asyncio.Event()
        self.full = False
        self._consumer = consumer
        self._records: deque[Record] = deque()

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        """See LogReader."""
        return await self._consumer.asking.bounds(partition)

    async def assign(self, positions: Mapping[Partition, int]) -> None:
        """See LogReader."""
        self.positions = dict(positions)
        self._records.clear()
        self._consumer.changed = True

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        """See LogReader."""
        if not self._records and not self._consumer.spent:
            self.news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self.news.wait()
        if not self._records:
            self._consumer.raise_failure()
        return [self._records.popleft() for _ in range(min(records_max, len(self._records)))]

    def take(self, record: Record) -> None:
        """A record came."""
        self._records.append(record)
        self.positions[record.at] = record.offset + 1
        self.news.set()

    def turns(self) -> bool:
        """Whether it became full, or has room again, just now."""
        before, self.full = self.full, len(self._records) >= HELD_RECORDS_MAX // (2 if self.full else 1)
        return self.full != before
