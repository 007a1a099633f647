"""Ports through which a simulated process dies at awaits between durable steps, and after which it leaves no trace."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, Literal, TypeVar

from router.engine.live import EngineLive, Leases, Views
from servicekit.errors import RetryLaterError
from servicekit.live import LiveAwayError
from servicekit.ports import (
    AppendUnknownError,
    Chance,
    GroupMember,
    GroupReader,
    LogAdmin,
    LogFactory,
    LogReader,
    LogWriter,
    Outgoing,
    Partition,
    Record,
)
from servicekit.store import Outbox, OutboxBatch, Store, Tenant, TransactionBase

Tx = TypeVar("Tx", bound=TransactionBase)


class DeadError(RetryLaterError):
    """The process is dead: what its last finally blocks still try has no effect."""


class Doom:
    """One life of a process. `risk`, asked at each durable step, is how likely (0 to 1) the process dies there."""

    def __init__(self, chance: Chance) -> None:
        self.risk = 0.0
        self.struck = asyncio.Event()
        self.last_step = ""
        self.freezes = 0
        self._running = asyncio.Event()
        self._running.set()
        self._chance = chance

    def freeze(self) -> None:
        """Stop, as SIGSTOP does: nothing gets out any more, and no answer gets in, until `thaw`."""
        self.freezes += 1
        self._running.clear()

    def thaw(self) -> None:
        """Go on, as if no time had passed."""
        self._running.set()

    async def running(self) -> None:
        """Wait while the process is frozen."""
        await self._running.wait()

    async def step(self, name: str) -> None:
        """A durable step comes, or has just been. Never returns when the process dies here."""
        await self.running()
        self.check()
        if self.risk and self._chance.uniform(0, 1) < self.risk:
            self.strike(name)
            await asyncio.Event().wait()

    def strike(self, name: str) -> None:
        """Die."""
        self.last_step = name
        self.struck.set()

    def check(self) -> None:
        """Raises DeadError after death."""
        if self.struck.is_set():
            raise DeadError(self.last_step)


class DoomedStore(Generic[Tx]):
    """A store whose process may die just before and just after each commit."""

    def __init__(self, store: Store[Tx], doom: Doom) -> None:
        self._store = store
        self._doom = doom

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[Tx]:
        """See Store."""
        self._doom.check()
        async with self._store.transaction(tenant) as transaction:
            yield transaction
            await self._doom.step("before a commit")
        await self._doom.step("after a commit")


class DoomedOutbox:
    """An outbox whose relay may die before it has noted what is published."""

    def __init__(self, outbox: Outbox, doom: Doom) -> None:
        self._outbox = outbox
        self._doom = doom

    @asynccontextmanager
    async def batch(self, *, rows_max: int) -> AsyncGenerator[OutboxBatch]:
        """See Outbox."""
        async with self._outbox.batch(rows_max=rows_max) as batch:
            yield batch
            if batch.rows:
                await self._doom.step("before published rows are removed")

    async def wait(self, *, timeout_seconds: float) -> None:
        """See Outbox."""
        await self._outbox.wait(timeout_seconds=timeout_seconds)

    async def depth(self) -> int:
        """See Outbox."""
        return await self._outbox.depth()


class DoomedLive:
    """An engine's own connection to Redis: a frozen engine does not use it, a dead one has none."""

    def __init__(self, live: EngineLive, doom: Doom) -> None:
        self._live = live
        self._doom = doom

    async def hold(self, partition: int, owner: str, lease_ms: int) -> bool:
        """See EngineLive."""
        return await (await self._through()).hold(partition, owner, lease_ms)

    async def release(self, partition: int, owner: str) -> None:
        """See EngineLive."""
        await (await self._through()).release(partition, owner)

    async def project(
        self, domain: str, epoch: str, before: int, after: int, views: Views
    ) -> Literal["written", "gap", "stale"]:
        """See EngineLive."""
        return await (await self._through()).project(domain, epoch, before, after, views)

    async def rewrite(self, domain: str, epoch: str, position: int, views: Views) -> Literal["written", "stale"]:
        """See EngineLive."""
        return await (await self._through()).rewrite(domain, epoch, position, views)

    async def read_leases(self, domain: str, lease_ms: int) -> Leases:
        """See EngineLive."""
        return await (await self._through()).read_leases(domain, lease_ms)

    async def take_questions(self, domain: str, questions_max: int) -> Sequence[bytes]:
        """See EngineLive."""
        return await (await self._through()).take_questions(domain, questions_max)

    async def answer(self, question_id: str, answer: bytes, kept_ms: int) -> None:
        """See EngineLive."""
        await (await self._through()).answer(question_id, answer, kept_ms)

    async def _through(self) -> EngineLive:
        await self._doom.running()
        if self._doom.struck.is_set():
            raise LiveAwayError("dead")
        return self._live


class DoomedLog:
    """A log whose user may die before and after each append and each commit of an offset."""

    def __init__(self, log: LogFactory, doom: Doom) -> None:
        self._log = log
        self._doom = doom

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncGenerator[LogWriter]:
        """See LogFactory."""
        async with self._log.writer(name) as writer:
            yield _DoomedWriter(writer, self._doom)

    def reader(self, name: str) -> AbstractAsyncContextManager[LogReader]:
        """See LogFactory."""
        return self._log.reader(name)

    @asynccontextmanager
    async def group(self, group: str, topics: Sequence[str], member: GroupMember) -> AsyncGenerator[GroupReader]:
        """See LogFactory."""
        async with self._log.group(group, topics, member) as reader:
            yield _DoomedReader(reader, self._doom)

    @asynccontextmanager
    async def admin(self) -> AsyncGenerator[LogAdmin]:
        """See LogFactory."""
        await self._doom.step("before the log is shortened")
        async with self._log.admin() as admin:
            yield admin


class _DoomedWriter:
    def __init__(self, writer: LogWriter, doom: Doom) -> None:
        self._writer = writer
        self._doom = doom

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        try:
            await self._doom.step(f"before an append to {outgoing.topic}")
        except DeadError as error:
            raise AppendUnknownError(str(error)) from error
        return _Landed(await self._writer.send(outgoing), self._doom, outgoing.topic)

    async def append(self, outgoing: Outgoing) -> Record:
        return await (await self.send(outgoing))

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        for appended in [await self.send(each) for each in outgoing]:
            await appended


class _Landed:
    """An acknowledgement, after which the process may die; nobody has to wait for it."""

    def __init__(self, appended: Awaitable[Record], doom: Doom, topic: str) -> None:
        self._appended = appended
        self._doom = doom
        self._topic = topic

    def __await__(self) -> Generator[Any, None, Record]:  # Any: the event loop's own
        return self._wait().__await__()

    async def _wait(self) -> Record:
        record = await self._appended
        await self._doom.step(f"after an append to {self._topic}")
        return record


class _DoomedReader:
    """GroupReader."""

    def __init__(self, reader: GroupReader, doom: Doom) -> None:
        self._reader = reader
        self._doom = doom

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        return await self._reader.read(records_max=records_max, timeout_seconds=timeout_seconds)

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        if self._doom.struck.is_set():
            return False
        await self._doom.step("before offsets are committed")
        kept = await self._reader.commit(positions)
        await self._doom.step("after offsets are committed")
        return kept

    async def ends(self) -> Mapping[Partition, int]:
        return await self._reader.ends()

    def seek(self, partition: Partition, offset: int) -> None:
        self._reader.seek(partition, offset)

    def pause(self, partition: Partition) -> None:
        self._reader.pause(partition)

    def resume(self, partition: Partition) -> None:
        self._reader.resume(partition)
