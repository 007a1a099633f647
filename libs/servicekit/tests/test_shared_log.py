"""Shared readers and writers: each user's is like one of its own, and one user's trouble stays with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
from servicekit.kafka import KafkaLog
from servicekit.ports import (
    AppendUnknownError,
    GroupMember,
    GroupReader,
    LogAdmin,
    LogAwayError,
    LogFactory,
    LogReader,
    LogWriter,
    OffsetGoneError,
    Outgoing,
    Partition,
)
from servicekit.shared_log import HELD_RECORDS_MAX, LOOK_SECONDS, READ_RECORDS_MAX, SharedReader, SharedWriter
from servicekit.system import SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.log_laws import LogLaws, read_some
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.plugin import NewTopics
from servicekit.testing.virtual import VirtualClock, run_virtual
from typing_extensions import override


class Sharing:
    """LogFactory: whoever opens a reader or writer shares it with a neighbour, who reads another topic."""

    def __init__(self, log: LogFactory, neighbour: str) -> None:
        self._log, self._neighbour = log, neighbour
        self._readers = SharedReader(log, "shared", SystemClock())
        self._writers = SharedWriter(log, "shared")

    @asynccontextmanager
    async def reader(self, name: str) -> AsyncIterator[LogReader]:
        async with self._readers.open() as neighbour, self._readers.open() as reader:
            await neighbour.assign({Partition(self._neighbour, 0): 0})
            yield reader

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[LogWriter]:
        async with self._writers.open(), self._writers.open() as writer:
            yield writer

    def group(self, group: str, topics: Sequence[str], member: GroupMember) -> AbstractAsyncContextManager[GroupReader]:
        return self._log.group(group, topics, member)

    def admin(self) -> AbstractAsyncContextManager[LogAdmin]:
        return self._log.admin()


class TestSharedMemoryLog(LogLaws):
    @pytest.fixture
    def log(self, topic: str) -> LogFactory:
        return Sharing(MemoryLog({topic: 2, "neighbour": 1}), "neighbour")

    @pytest.fixture
    def topic(self) -> str:
        return "laws"


class TestSharedKafka(LogLaws):
    """On whatever broker the run has."""

    @pytest.fixture
    async def log(self, kafka_url: str, new_topic: NewTopics) -> LogFactory:
        log = KafkaLog(kafka_url, client_id="shared", delivery_timeout_seconds=10, telemetry=Telemetry("test"))
        return Sharing(log, await new_topic("neighbour", 1))

    @pytest.fixture
    async def topic(self, new_topic: NewTopics) -> str:
        return await new_topic("laws", 2)


class Counting(MemoryLog):
    """Knows how many of its clients are open, and how many ever were."""

    def __init__(self, partitions: int, faults: Faults | None = None) -> None:
        super().__init__({"t": partitions}, faults=faults or Faults())
        self.open = self.opened = 0

    @override
    @asynccontextmanager
    async def reader(self, name: str) -> AsyncIterator[LogReader]:
        async with self._counted(), super().reader(name) as reader:
            yield reader

    @override
    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[LogWriter]:
        async with self._counted(), super().writer(name) as writer:
            yield writer

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self.open, self.opened = self.open + 1, self.opened + 1
        try:
            yield
        finally:
            self.open -= 1


def test_users_have_one_client_that_closes_after_the_last_of_them() -> None:
    async def story() -> None:
        log = Counting(2)
        readers, writers = SharedReader(log, "r", VirtualClock()), SharedWriter(log, "w")
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            for stack in (first, second):
                await stack.enter_async_context(readers.open())
                await stack.enter_async_context(writers.open())
            assert (log.open, log.opened) == (3, 3)  # one asks for bounds
            await first.aclose()
            assert log.open == 3
            await second.aclose()
            assert log.open == 0
        async with readers.open(), writers.open():
            assert (log.open, log.opened) == (3, 6)

    run_virtual(story())


def test_what_was_opened_before_the_log_went_away_is_closed() -> None:
    class Away(Counting):
        """Gone when the second client is opened."""

        @override
        @asynccontextmanager
        async def reader(self, name: str) -> AsyncIterator[LogReader]:
            if self.opened:
                raise LogAwayError("away")
            async with super().reader(name) as reader:
                yield reader

    async def story() -> None:
        log = Away(1)
        with pytest.raises(LogAwayError):
            async with SharedReader(log, "r", VirtualClock()).open():
                pass
        assert (log.open, log.opened) == (0, 1)

    run_virtual(story())


def test_an_unknown_append_leaves_the_other_users_theirs_and_gives_who_comes_next_a_new_one() -> None:
    async def story() -> None:
        log = Counting(2, Faults(lost=1.0))
        writers = SharedWriter(log, "w")
        async with writers.open() as other:
            async with writers.open() as writer:
                with pytest.raises(AppendUnknownError):
                    await writer.append(_record(b"1", partition=0))
                log.faults = Faults()
                with pytest.raises(AppendUnknownError):
                    await writer.append(_record(b"2", partition=0))
            await other.append(_record(b"1", partition=1))
            async with writers.open() as anew:
                await anew.append(_record(b"3", partition=0))
                await other.append(_record(b"2", partition=1))
                assert (log.open, log.opened) == (2, 2)

        assert [record.value for record in log.records("t", 1)] == [b"1", b"2"]
        assert [record.value for record in log.records("t", 0)][-1] == b"3"
        assert log.open == 0

    run_virtual(story())


def test_an_unknown_answer_that_is_awaited_later_spends_the_writer_too() -> None:
    async def story() -> None:
        log = Counting(1, Faults(lost=1.0))
        writers = SharedWriter(log, "w")
        async with writers.open() as writer:
            pending = await writer.send(_record(b"1", partition=0))
            with pytest.raises(AppendUnknownError):
                await pending
            log.faults = Faults()
            async with writers.open() as anew:
                await anew.append(_record(b"2", partition=0))

    run_virtual(story())


def test_a_user_that_does_not_read_holds_up_no_other_and_loses_nothing() -> None:
    count = 5 * HELD_RECORDS_MAX

    async def story() -> None:
        log = Counting(2)
        readers = SharedReader(log, "r", VirtualClock())
        async with readers.open() as slow, readers.open() as quick, log.writer("w") as writer:
            await slow.assign({Partition("t", 0): 0})
            await quick.assign({Partition("t", 1): 0})
            for number in range(count):
                for partition in (0, 1):
                    await writer.append(_record(b"%d" % number, partition=partition))
            got = await read_some(quick, count, timeout_seconds=600)
            held = await slow.read(records_max=count, timeout_seconds=1)
            late = [*held, *await read_some(slow, count - len(held), timeout_seconds=600)]

        assert HELD_RECORDS_MAX <= len(held) < HELD_RECORDS_MAX + READ_RECORDS_MAX
        for records in (got, late):
            assert [record.offset for record in records] == list(range(count))

    run_virtual(story())


def test_when_one_user_moves_or_leaves_the_others_get_each_record_once() -> None:
    async def story() -> None:
        log = Counting(2)
        readers = SharedReader(log, "r", VirtualClock())
        got: list[int] = []
        async with readers.open() as steady, log.writer("w") as writer:
            await steady.assign({Partition("t", 0): 0})
            for number in range(200):
                async with readers.open() as restless:
                    await restless.assign({Partition("t", 1): number // 2})
                    await writer.append(_record(b"x", partition=0))
                    await writer.append(_record(b"%d" % number, partition=1))
                    [first, *_] = await read_some(restless, 1)
                    assert first.offset == number // 2
                    got += [record.offset for record in await steady.read(records_max=10, timeout_seconds=0.001)]
            while len(got) < 200:
                got += [record.offset for record in await read_some(steady, 1)]

        assert got == list(range(200))

    run_virtual(story())


def test_a_record_that_comes_while_its_user_goes_back_does_not_lead_past_those_before_it() -> None:
    async def story() -> None:
        log = Counting(1)
        readers = SharedReader(log, "r", VirtualClock())
        async with readers.open() as reader, log.writer("w") as writer:
            await writer.append(_record(b"0", partition=0))
            await reader.assign({Partition("t", 0): 1})
            assert await reader.read(records_max=1, timeout_seconds=2.5 * LOOK_SECONDS) == []
            await writer.append(_record(b"1", partition=0))  # the read that is under way brings it
            await reader.assign({Partition("t", 0): 0})

            assert [record.offset for record in await read_some(reader, 2)] == [0, 1]

    run_virtual(story())


def test_what_ends_the_reading_is_raised_to_every_user_and_who_comes_next_reads_anew() -> None:
    async def story() -> None:
        log = Counting(2)
        readers = SharedReader(log, "r", VirtualClock())
        async with log.writer("w") as writer:
            for partition in (0, 0, 1):
                await writer.append(_record(b"x", partition=partition))
        await log.delete_before(Partition("t", 0), 1)
        async with readers.open() as gone, readers.open() as other:
            await other.assign({Partition("t", 1): 1})
            waiting = asyncio.create_task(other.read(records_max=1, timeout_seconds=100 * LOOK_SECONDS))
            await gone.assign({Partition("t", 0): 0})
            for reading in (waiting, gone.read(records_max=1, timeout_seconds=1)):
                with pytest.raises(OffsetGoneError):
                    await reading
            async with readers.open() as anew:
                await anew.assign({Partition("t", 1): 0})
                assert len(await read_some(anew, 1)) == 1

    run_virtual(story())


def _record(value: bytes, *, partition: int) -> Outgoing:
    return Outgoing(topic="t", key=b"k", value=value, partition=partition)
