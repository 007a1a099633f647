"""The laws of the log port. MemoryLog, the development broker and Apache Kafka all pass them.

A test class inherits `LogLaws` and gives the fixtures `log` (a LogFactory with a delivery time-out of at most 10 s) and
`topic` (the name of a new topic with two partitions).
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence

import pytest

from servicekit.ports import (
    AppendRefusedError,
    GroupReader,
    LogFactory,
    LogReader,
    LogWriter,
    OffsetGoneError,
    Outgoing,
    Partition,
    Record,
)
from servicekit.testing.eventually import eventually


class LogLaws:
    """What every log does."""

    async def test_a_record_comes_back_as_it_was_appended(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer, log.reader("laws") as reader:
            sent = await writer.append(_outgoing(topic, b"said", key=b"k", headers=(("a", b"1"), ("a", b"2"))))
            await reader.assign({Partition(topic, 0): 0})
            [record] = await read_some(reader, 1)

        assert record.value == b"said"
        assert (record.key, record.headers) == (b"k", (("a", b"1"), ("a", b"2")))
        assert (record.at, record.offset) == (sent.at, sent.offset) == (Partition(topic, 0), 0)

    async def test_offsets_follow_one_another_without_a_hole(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer:
            pending = [await writer.send(_outgoing(topic, b"%d" % number)) for number in range(200)]
            offsets = [(await appended).offset for appended in pending]

        assert offsets == list(range(200))

    async def test_a_large_record_is_not_overtaken_by_smaller_ones(self, log: LogFactory, topic: str) -> None:
        sizes = [300, 200_000, 10, 500_000, 10, 250_000, 20] * 4
        async with log.writer("laws") as writer, log.reader("laws") as reader:
            handed = [asyncio.create_task(_hand_over(writer, topic, size)) for size in sizes]
            await asyncio.gather(*handed)
            await reader.assign({Partition(topic, 0): 0})
            records = await read_some(reader, len(sizes))

        assert [len(record.value or b"") for record in records] == sizes

    async def test_many_appended_at_once_keep_their_order_with_what_is_sent_before_and_after(
        self, log: LogFactory, topic: str
    ) -> None:
        sizes = [10, 300_000, 20, 700_000, 5, *[900] * 600]
        many = [_outgoing(topic, b"%d" % number + b"x" * size) for number, size in enumerate(sizes)]
        async with log.writer("laws") as writer, log.reader("laws") as reader:
            before = await writer.send(_outgoing(topic, b"before"))
            at_once = asyncio.create_task(writer.append_all(many))
            also = asyncio.create_task(writer.append_all([_outgoing(topic, b"also", headers=(("a", b"1"),))]))
            await at_once
            await writer.append_all([])
            after = await writer.append(_outgoing(topic, b"after"))
            await also
            await reader.assign({Partition(topic, 0): 0})
            records = await read_some(reader, len(many) + 3)

        told = [record for record in records if record.value != b"also"]
        assert [record.value for record in told] == [b"before", *[each.value for each in many], b"after"]
        assert [record.headers for record in records if record.value == b"also"] == [(("a", b"1"),)]
        assert ((await before).offset, after.value) == (0, b"after")

    async def test_of_many_with_one_that_is_refused_none_is_appended(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer:
            with pytest.raises(AppendRefusedError):
                await writer.append_all([_outgoing(topic, b"small"), _outgoing(topic, b"x" * 1_100_000)])
            with pytest.raises(AppendRefusedError):
                await writer.append_all([Outgoing(topic=topic, key=None, value=b"x", partition=7)])
            record = await writer.append(_outgoing(topic, b"small"))

        assert record.offset == 0

    async def test_the_same_key_goes_to_the_same_partition(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer:
            outgoing = Outgoing(topic=topic, key=b"conversation-7", value=b"x")
            partitions = {(await writer.append(outgoing)).partition for _ in range(5)}

        assert len(partitions) == 1

    async def test_a_record_over_the_limit_is_refused_and_the_writer_goes_on(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer:
            with pytest.raises(AppendRefusedError):
                await writer.append(_outgoing(topic, b"x" * 1_100_000))
            record = await writer.append(_outgoing(topic, b"small"))

        assert record.offset == 0

    async def test_a_topic_or_partition_that_is_not_there_is_refused(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer:
            with pytest.raises(AppendRefusedError):
                await writer.append(_outgoing(f"{topic}.absent", b"x"))
            with pytest.raises(AppendRefusedError):
                await writer.append(Outgoing(topic=topic, key=None, value=b"x", partition=7))

    async def test_a_tombstone_is_kept(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer, log.reader("laws") as reader:
            await writer.append(Outgoing(topic=topic, key=b"k", value=None, partition=0))
            await reader.assign({Partition(topic, 0): 0})
            [record] = await read_some(reader, 1)

        assert record.value is None

    async def test_reading_starts_at_the_given_offset_and_can_be_moved(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer, log.reader("laws") as reader:
            for number in range(10):
                await writer.append(_outgoing(topic, b"%d" % number))
            await reader.assign({Partition(topic, 0): 7})
            late = await read_some(reader, 3)
            await reader.assign({Partition(topic, 0): 2})
            early = await read_some(reader, 1)

        assert [record.value for record in late] == [b"7", b"8", b"9"]
        assert early[0].value == b"2"

    async def test_a_reader_that_waits_gets_a_record_at_once(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer, log.reader("laws") as reader:
            await reader.assign({Partition(topic, 0): 0, Partition(topic, 1): 0})
            waiting = asyncio.create_task(reader.read(records_max=10, timeout_seconds=8))
            await asyncio.wait({waiting}, timeout=0.5)
            started_at = asyncio.get_running_loop().time()
            await writer.append(Outgoing(topic=topic, key=None, value=b"now", partition=1))
            records = await waiting
            waited_seconds = asyncio.get_running_loop().time() - started_at

        assert [record.value for record in records] == [b"now"]
        assert waited_seconds < 2

    async def test_nothing_is_read_from_nothing(self, log: LogFactory, topic: str) -> None:
        async with log.reader("laws") as reader:
            await reader.assign({Partition(topic, 0): 0})
            before = await reader.read(records_max=10, timeout_seconds=0.05)
            await reader.assign({})
            after = await reader.read(records_max=10, timeout_seconds=0.05)

        assert (list(before), list(after)) == ([], [])

    async def test_partitions_are_counted_and_a_topic_that_is_not_there_has_none(
        self, log: LogFactory, topic: str
    ) -> None:
        async with log.admin() as admin:
            assert await admin.partitions_of(topic) == 2
            assert await admin.partitions_of(f"{topic}.absent") == 0

    async def test_deleted_records_are_gone_and_bounds_tell_it(self, log: LogFactory, topic: str) -> None:
        partition = Partition(topic, 0)
        async with log.writer("laws") as writer, log.reader("laws") as reader, log.admin() as admin:
            for number in range(6):
                await writer.append(_outgoing(topic, b"%d" % number))
            await admin.delete_before(partition, 4)
            await admin.delete_before(partition, 2)
            bounds = await reader.bounds(partition)
            await reader.assign({partition: 4})
            record, *_ = await read_some(reader, 1)
            await reader.assign({partition: 1})
            with pytest.raises(OffsetGoneError):
                await read_some(reader, 1)

        assert bounds == (4, 6)
        assert record.value == b"4"

    async def test_a_group_goes_on_where_it_committed(self, log: LogFactory, topic: str) -> None:
        member = _Member()
        async with log.writer("laws") as writer:
            for number in range(4):
                await writer.append(_outgoing(topic, b"%d" % number))
        async with log.group(f"{topic}.group", [topic], member) as reader:
            first = await read_some(reader, 4)
            kept = await reader.commit({Partition(topic, 0): 3})
        async with log.group(f"{topic}.group", [topic], member) as reader:
            second = await read_some(reader, 1)

        assert kept
        assert member.starts == {Partition(topic, 0): 3, Partition(topic, 1): 0}
        assert [record.value for record in first] == [b"0", b"1", b"2", b"3"]
        assert [record.value for record in second] == [b"3"]

    async def test_a_commit_for_what_is_not_assigned_is_refused_and_says_so(self, log: LogFactory, topic: str) -> None:
        async with log.group(f"{topic}.group", [topic], _Member()) as reader, log.writer("laws") as writer:
            await writer.append(_outgoing(topic, b"0"))
            await read_some(reader, 1)
            kept = await reader.commit({Partition(topic, 0): 1, Partition(f"{topic}.other", 0): 3})

        assert not kept

    async def test_a_group_starts_with_the_first_record_that_is_still_there(self, log: LogFactory, topic: str) -> None:
        member = _Member()
        async with log.writer("laws") as writer, log.admin() as admin:
            for number in range(3):
                await writer.append(_outgoing(topic, b"%d" % number))
            async with log.group(f"{topic}.group", [topic], member) as reader:
                await read_some(reader, 3)
                await reader.commit({Partition(topic, 0): 1})
            await admin.delete_before(Partition(topic, 0), 2)
            async with log.group(f"{topic}.group", [topic], member) as reader:
                records = await read_some(reader, 1)

        assert member.starts[Partition(topic, 0)] == 2
        assert [record.value for record in records] == [b"2"]

    async def test_a_second_member_gets_its_share_and_the_first_is_told(self, log: LogFactory, topic: str) -> None:
        first, second, group = _Member(), _Member(), f"{topic}.group"
        async with log.group(group, [topic], first) as reader, log.writer("laws") as writer:
            reading = asyncio.create_task(_keep_reading(reader))
            await eventually(lambda: len(first.owned) == 2, timeout_seconds=20)
            async with log.group(group, [topic], second) as other:
                also_reading = asyncio.create_task(_keep_reading(other))
                await eventually(lambda: len(first.owned) == len(second.owned) == 1, timeout_seconds=20)
                for number in (0, 1):
                    await writer.append(Outgoing(topic=topic, key=None, value=b"x", partition=number))
                shared = first.owned | second.owned
                also_reading.cancel()
            await eventually(lambda: len(first.owned) == 2, timeout_seconds=20)
            reading.cancel()

        assert shared == {Partition(topic, 0), Partition(topic, 1)}

    async def test_a_read_that_outlasts_a_rebalance_answers_what_comes_after_it(
        self, log: LogFactory, topic: str
    ) -> None:
        first, second, group = _Member(), _Member(), f"{topic}.group"
        async with log.group(group, [topic], first) as reader, log.writer("laws") as writer:
            await eventually(lambda: len(first.owned) == 2, timeout_seconds=20)
            reading = asyncio.create_task(reader.read(records_max=5, timeout_seconds=40))
            async with log.group(group, [topic], second):
                await eventually(lambda: len(first.owned) == len(second.owned) == 1, timeout_seconds=20)
                [mine] = first.owned
                await writer.append(Outgoing(topic=topic, key=None, value=b"x", partition=mine.number))
                records = await reading

        assert [record.value for record in records] == [b"x"]

    async def test_a_seek_wins_over_what_was_committed(self, log: LogFactory, topic: str) -> None:
        member = _Member(start=2)
        async with log.writer("laws") as writer:
            for number in range(4):
                await writer.append(_outgoing(topic, b"%d" % number))
        async with log.group(f"{topic}.group", [topic], member) as reader:
            records = await read_some(reader, 2)

        assert [record.value for record in records] == [b"2", b"3"]

    async def test_a_paused_partition_is_silent_until_resumed(self, log: LogFactory, topic: str) -> None:
        async with log.writer("laws") as writer, log.group(f"{topic}.group", [topic], _Member()) as reader:
            await writer.append(_outgoing(topic, b"0"))
            await read_some(reader, 1)
            reader.pause(Partition(topic, 0))
            await writer.append(_outgoing(topic, b"1"))
            silent = await reader.read(records_max=5, timeout_seconds=0.3)
            reader.resume(Partition(topic, 0))
            [record] = await read_some(reader, 1)
            ends = await reader.ends()

        assert list(silent) == []
        assert record.value == b"1"
        assert ends[Partition(topic, 0)] == 2


async def read_some(reader: LogReader | GroupReader, count: int, *, timeout_seconds: float = 20) -> list[Record]:
    """At least `count` records; AssertionError when they do not come in time."""
    records: list[Record] = []
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while len(records) < count:
        assert asyncio.get_running_loop().time() < deadline, f"{len(records)} of {count} records came"
        records += await reader.read(records_max=500, timeout_seconds=1)
    return records


class _Member:
    def __init__(self, *, start: int | None = None) -> None:
        self.owned: frozenset[Partition] = frozenset()
        self.starts: Mapping[Partition, int] = {}
        self._start = start

    def assigned(self, reader: GroupReader, starts: Mapping[Partition, int]) -> None:
        self.owned, self.starts = frozenset(starts), starts
        if self._start is not None:
            reader.seek(min(starts, key=lambda partition: partition.number), self._start)

    async def revoked(self, reader: GroupReader, partitions: Collection[Partition]) -> None:
        self.owned -= frozenset(partitions)


async def _keep_reading(reader: GroupReader) -> None:
    while True:
        await reader.read(records_max=100, timeout_seconds=0.2)


async def _hand_over(writer: LogWriter, topic: str, size: int) -> None:
    await (await writer.send(_outgoing(topic, b"x" * size)))


def _outgoing(
    topic: str, value: bytes, *, key: bytes | None = b"k", headers: Sequence[tuple[str, bytes]] = ()
) -> Outgoing:
    return Outgoing(topic=topic, key=key, value=value, headers=tuple(headers), partition=0)
