"""Taking over a partition: epochs, snapshots, generations."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest
import pytest_asyncio
from contracts.topics import ROUTING_EVENTS, ROUTING_JOURNAL, ROUTING_SNAPSHOTS
from router.domain.facts import Fact
from router.domain.internal import SnapshotNamed
from router.domain.snapshot import dump
from router.engine.errors import FencedError, GenerationRefusedError, JournalGapError
from router.engine.journal import BatchRecord, EpochRecord, JournalFold, journal_of, journaled, to_append
from router.engine.rerun import rerun
from router.engine.snapshot import InProcessSnapshots
from router.engine.snapshots import Content, SnapshotFailedError, read_snapshots, write_snapshot
from router.engine.takeover import Claim, load_fold, take_over
from router.engine.testing import engine_topics
from servicekit.ports import AppendUnknownError, LogWriter, Outgoing, Partition, Record
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import SeededIds
from typing_extensions import override

CLAIM = Claim(partition=0, owner="me", nonce="mine", generation=1)


@pytest_asyncio.fixture
async def log() -> AsyncIterator[MemoryLog]:
    yield MemoryLog(engine_topics(1), delivery_timeout_seconds=0.05)


async def put(log: MemoryLog, entry: EpochRecord | BatchRecord) -> Record:
    async with log.writer("test") as writer:
        return await writer.append(to_append(0, entry))


async def put_batches(log: MemoryLog, *, until: int) -> None:
    """A journal of one epoch with an empty batch at every further offset."""
    if not log.records(ROUTING_JOURNAL.name):
        await put(log, EpochRecord(owner="a", nonce="a", generation=1))
    for number in range(log.partitions[journal_of(0)].end, until):
        await put(log, batch(number))


def batch(number: int, *facts: Fact) -> BatchRecord:
    return BatchRecord(
        epoch=0,
        number=number,
        causes=(("interactions", 0, number),),
        now=number,
        facts=tuple(journaled(facts)),
        origins=((len(facts), None, None),),
        published=0,
    )


async def name(log: MemoryLog, snapshot: SnapshotNamed) -> None:
    await put(log, batch(log.partitions[journal_of(0)].end, Fact("", snapshot)))


async def load(log: MemoryLog, upto: int | None = None) -> JournalFold:
    async with log.reader("test") as reader:
        return await load_fold(reader, 0, upto=upto)


async def claim(log: MemoryLog, wanted: Claim = CLAIM) -> JournalFold:
    async with log.writer("test") as writer:
        return await take_over(log, writer, wanted)


async def test_the_offset_of_the_epoch_record_is_the_epoch(log: MemoryLog) -> None:
    await put_batches(log, until=5)

    fold = await claim(log)

    assert (fold.epoch, fold.nonce, fold.number, fold.next_offset) == (5, "mine", 0, 6)
    assert fold.next_inputs == {("interactions", 0): 4}


async def test_an_epoch_record_of_unknown_outcome_makes_no_owner(log: MemoryLog) -> None:
    log.faults = Faults(lost=1.0)

    with pytest.raises(AppendUnknownError):
        await claim(log)


async def test_a_doubled_epoch_record_fences_its_own_writer_at_the_first_batch(log: MemoryLog) -> None:
    log.faults = Faults(doubled=1.0)
    fold = await claim(log)
    log.faults = Faults()

    landed = await put(log, replace_epoch(batch(1), fold.epoch))

    assert landed.offset != fold.epoch + 1


def replace_epoch(entry: BatchRecord, epoch: int) -> BatchRecord:
    return BatchRecord(**{field: getattr(entry, field) for field in entry.__struct_fields__} | {"epoch": epoch})


async def test_a_named_snapshot_spares_the_journal_before_it(log: MemoryLog) -> None:
    await put_batches(log, until=6)
    snapshot = await InProcessSnapshots(log, SeededIds()).make(0, 4)
    await name(log, snapshot)
    whole = await load(log)
    await log.delete_before(journal_of(0), 4)

    shortened = await load(log)

    assert shortened.next_offset == whole.next_offset == 7
    assert (shortened.epoch, shortened.number) == (whole.epoch, whole.number) == (0, 6)
    assert dump(shortened.state) == dump(whole.state)
    assert shortened.next_inputs == whole.next_inputs
    assert shortened.watermark == 4


async def test_an_unnamed_snapshot_is_passed_over(log: MemoryLog) -> None:
    await put_batches(log, until=6)
    await InProcessSnapshots(log, SeededIds()).make(0, 4)
    await log.delete_before(journal_of(0), 4)

    with pytest.raises(JournalGapError):
        await load(log)


async def test_a_snapshot_named_only_in_a_void_batch_is_passed_over(log: MemoryLog) -> None:
    await put_batches(log, until=6)
    snapshot = await InProcessSnapshots(log, SeededIds()).make(0, 4)
    await put(log, EpochRecord(owner="b", nonce="b", generation=1))
    await name(log, snapshot)
    await log.delete_before(journal_of(0), 4)

    with pytest.raises(JournalGapError):
        await load(log)


async def test_a_torn_snapshot_is_passed_over_for_the_older_one(log: MemoryLog) -> None:
    await put_batches(log, until=6)
    maker = InProcessSnapshots(log, SeededIds())
    await name(log, await maker.make(0, 4))
    await put_batches(log, until=12)
    newer = await maker.make(0, 10)
    await name(log, newer)
    async with log.writer("test") as writer:
        await tear(writer, newer)

    fold = await load(log)

    assert fold.next_offset == 13
    assert [each.offset for each in fold.state.snapshots] == [4, 10]


async def tear(writer: LogWriter, snapshot: SnapshotNamed) -> None:
    """Replace a chunk's content, as a broken disk would."""
    await put_chunk(writer, snapshot, b"torn")


async def put_chunk(writer: LogWriter, snapshot: SnapshotNamed, value: bytes) -> None:
    key = f"0/{snapshot.offset:015d}/{snapshot.nonce}/00000".encode()
    headers = (("checksum", snapshot.checksum.encode()), ("chunks", b"1"), ("generation", b"1"))
    chunk = Outgoing(topic=ROUTING_SNAPSHOTS.name, key=key, value=value, headers=headers, partition=0)
    await writer.append(chunk)


async def put_foreign_snapshot(log: MemoryLog) -> None:
    """One of a later release, at offset 4, named as it should be."""
    await put_batches(log, until=4)
    fold = await load(log)
    content = Content(
        generation=1,
        epoch=0,
        nonce="a",
        number=3,
        next_offset=4,
        next_inputs=(),
        now_ms=fold.now_ms,
        sequences={},
        state=b'{"format":99}',
    )
    value = msgspec.msgpack.encode(content)
    named = SnapshotNamed(offset=4, nonce="later", checksum=sha256(value).hexdigest(), chunks=1)
    async with log.writer("test") as writer:
        await put_chunk(writer, named, value)
    await name(log, named)


async def test_a_snapshot_of_another_release_is_passed_over_as_long_as_there_is_the_journal(log: MemoryLog) -> None:
    await put_foreign_snapshot(log)

    assert (await load(log)).next_offset == 5
    assert (await rerun(log, 0, start=4)).difference is None

    await log.delete_before(journal_of(0), 4)
    with pytest.raises(JournalGapError, match="snapshot of offset 4 cannot be read: snapshot format 99"):
        await load(log)


async def test_all_but_the_two_newest_good_snapshots_are_removed_and_the_journal_follows(log: MemoryLog) -> None:
    maker = InProcessSnapshots(log, SeededIds())
    for upto in (5, 10, 15, 20):
        await put_batches(log, until=upto)
        await name(log, await maker.make(0, upto))
    async with log.reader("test") as reader:
        kept = [stored.name.offset for stored in await read_snapshots(reader, 0)]

    assert kept == [20, 15, 10]
    assert log.partitions[journal_of(0)].first == 10


async def test_a_follower_that_fell_behind_removes_nothing_that_is_needed(log: MemoryLog) -> None:
    maker = InProcessSnapshots(log, SeededIds())
    for upto in (5, 10, 15, 20):
        await put_batches(log, until=upto)
        await name(log, await maker.make(0, upto))
    before = await load(log)

    await InProcessSnapshots(log, SeededIds(9)).make(0, 16)

    assert dump((await load(log)).state) == dump(before.state)


class Corrupting(MemoryLog):
    """Keeps something else than what was written to the snapshots."""

    @override
    def land(self, outgoing: Outgoing, partition: Partition) -> Record:
        torn = partition.topic == ROUTING_SNAPSHOTS.name
        return super().land(replace(outgoing, value=b"torn") if torn else outgoing, partition)


async def test_a_snapshot_that_reads_back_otherwise_is_not_named() -> None:
    log = Corrupting(engine_topics(1))
    await put_batches(log, until=6)

    with pytest.raises(SnapshotFailedError, match="reads back otherwise"):
        await InProcessSnapshots(log, SeededIds()).make(0, 4)


async def test_a_large_snapshot_is_kept_in_chunks(log: MemoryLog) -> None:
    await put_batches(log, until=3)
    fold = await load(log)
    fold.sequences.update({f"offer-{number}": "x" * 100 for number in range(10_000)})
    async with log.writer("test") as writer:
        written = await write_snapshot(writer, 0, fold, "nonce")
    async with log.reader("test") as reader:
        [stored] = await read_snapshots(reader, 0)

    assert written.chunks > 1
    assert not stored.torn
    assert stored.open().sequences == fold.sequences


async def test_an_empty_journal_beside_events_is_refused_until_the_generation_is_raised(log: MemoryLog) -> None:
    headers = (("ce_sequence", b"0002-000000000000012-00000"),)
    async with log.writer("test") as writer:
        await writer.append(Outgoing(topic=ROUTING_EVENTS.name, key=b"k", value=b"{}", headers=headers, partition=0))

    with pytest.raises(GenerationRefusedError):
        await claim(log, replace(CLAIM, generation=2))
    assert not log.records(ROUTING_JOURNAL.name)
    assert (await claim(log, replace(CLAIM, generation=3))).generation == 3


async def test_an_empty_journal_beside_snapshots_is_refused(log: MemoryLog) -> None:
    async with log.writer("test") as writer:
        await write_snapshot(writer, 0, JournalFold(generation=1), "nonce")

    with pytest.raises(GenerationRefusedError):
        await claim(log)


async def test_the_journals_generation_wins_over_the_setting(log: MemoryLog) -> None:
    await put_batches(log, until=3)

    assert (await claim(log, replace(CLAIM, generation=7))).generation == 1


async def test_somebody_elses_epoch_record_is_never_taken_for_ones_own(log: MemoryLog) -> None:
    await put_batches(log, until=3)
    async with log.writer("test") as writer:
        with pytest.raises(FencedError):
            await take_over(log, Misled(writer), CLAIM)


class Misled:
    """Says the offset of another record than the one appended."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    async def append(self, outgoing: Outgoing) -> Record:
        record = await self._writer.append(outgoing)
        await self._writer.append(to_append(0, EpochRecord(owner="b", nonce="b", generation=1)))
        return replace(record, offset=record.offset + 1)

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        await self._writer.append_all(outgoing)

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        return await self._writer.send(outgoing)
