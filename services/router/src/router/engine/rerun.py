"""Decide a stretch of a journal again, from the inputs that its batches name, and compare fact by fact.

The state begins with the newest good snapshot before the stretch, or with the journal, and then moves by what is
decided anew. What cannot be decided again - an input that its topic has dropped, a batch of a release that did not note
where inputs came from - is folded as it stands, counted and said. Inputs that led to nothing are not in the journal and
are not decided again. Everything is read without a group, and nothing is written.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Final

from contracts import MalformedEventError, UnknownTypeError, decode
from servicekit.ports import LogAwayError, LogFactory, LogReader, Partition, Record

from router.domain.decide import decide
from router.domain.facts import Fact, decode_facts
from router.domain.fold import begin_epoch, fold
from router.domain.inputs import ConfigurationStep, Input, TimersDue
from router.domain.internal import ConfigurationPartApplied, ConfigurationRecordApplied
from router.domain.state import State
from router.engine.deciding import Decide
from router.engine.errors import JournalGapError
from router.engine.inputs import INPUT_TOPICS, decidable
from router.engine.journal import BatchRecord, EpochRecord, JournalFold, decode_record, journal_of, journaled
from router.engine.reading import READ_SECONDS, SILENT_READS_MAX, read_to
from router.engine.snapshots import Stored, read_snapshots
from router.engine.sources import FromConfiguration, FromEngine, FromLeases, FromPresence, FromTopic, Source

READ_RECORDS_MAX: Final = 500
Skipped = str
NOT_NOTED: Final[Skipped] = "facts of batches that do not say where their inputs came from (an earlier release)"
GONE: Final[Skipped] = "inputs that their topics have dropped"
UNREADABLE: Final[Skipped] = "inputs that this release does not understand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first fact that is decided otherwise now. Facts are JSON; none: there is no such fact."""

    offset: int
    """Of the batch in the journal."""
    source: str
    number: int
    """Which one of the input's facts, 1 being the first."""
    recorded: str | None
    decided: str | None


@dataclass(slots=True)
class Report:
    """What was compared."""

    first_offset: int = 0
    """The first offset after the snapshot that the state began with."""
    journal: tuple[int, int] = (0, 0)
    """The first offset that the journal still has, and the one that its next record will get."""
    batches: int = 0
    decisions: int = 0
    """Inputs that were decided again."""
    facts: int = 0
    skipped: Counter[Skipped] = field(default_factory=Counter)
    difference: Difference | None = None


async def rerun(
    log: LogFactory, partition: int, *, start: int | None = None, end: int | None = None, decide: Decide = decide
) -> Report:
    """Compare the batches from journal offset `start` up to but not including `end`; as far as there is a journal.

    Raises JournalGapError when no good snapshot stands before `start`, JournalDamagedError, LogAwayError.
    """
    async with AsyncExitStack() as opened:
        reader = await opened.enter_async_context(log.reader("rerun"))
        first, last = journal = await reader.bounds(journal_of(partition))
        start, end = first if start is None else max(first, start), last if end is None else min(last, end)
        base = await _base(reader, partition, first, start, last)
        topics = {
            topic.name: _Topic(
                await opened.enter_async_context(log.reader("rerun-inputs")), Partition(topic.name, partition)
            )
            for topic in INPUT_TOPICS
        }
        again = _Again(base, topics, decide, start)
        again.report.first_offset, again.report.journal = base.next_offset, journal
        async with aclosing(read_to(reader, journal_of(partition), base.next_offset, end)) as records:
            async for record in records:
                await again.take(record)
                if again.report.difference is not None:
                    break
        return again.report


async def _base(reader: LogReader, partition: int, first: int, start: int, last: int) -> JournalFold:
    """The newest snapshot up to `start` that the journal names, else the beginning."""
    for stored in await read_snapshots(reader, partition):  # the newest first
        if (
            first <= stored.name.offset <= start
            and not stored.torn
            and await _is_named(reader, partition, stored, last)
        ):
            return stored.open()
    if first > 0:
        raise JournalGapError(f"partition {partition} begins at offset {first}, no snapshot stands before {start}")
    return JournalFold()


async def _is_named(reader: LogReader, partition: int, stored: Stored, last: int) -> bool:
    try:
        follower = stored.open()
    except ValueError:  # of another release
        return False
    async with aclosing(read_to(reader, journal_of(partition), follower.next_offset, last)) as records:
        async for record in records:
            follower.apply(record)
            if follower.is_good(stored.name):
                return True
    return False


class _Again:
    """The state as it is decided anew, and what was found on the way."""

    def __init__(self, base: JournalFold, topics: dict[str, "_Topic"], decide: Decide, start: int) -> None:
        self.report = Report()
        self._state: State = base.state
        self._epoch = base.epoch
        self._number = base.number
        self._topics = topics
        self._decide = decide
        self._start = start

    async def take(self, record: Record) -> None:
        """The journal's next record; the fold rule says whether it counts."""
        entry = decode_record(record)
        if isinstance(entry, EpochRecord):
            self._epoch, self._number = record.offset, 0
            begin_epoch(self._state)
        elif (entry.epoch, entry.number) == (self._epoch, self._number + 1):
            self._number = entry.number
            await self._batch(entry, record.offset)

    async def _batch(self, batch: BatchRecord, offset: int) -> None:
        recorded = decode_facts(batch.facts)
        if offset < self._start:
            self._fold(recorded, batch.now)
            return
        self.report.batches += 1
        if len(batch.sources) != len(batch.origins):
            self.report.skipped[NOT_NOTED] += len(recorded)
            self._fold(recorded, batch.now)
            return
        for source, facts in zip(batch.sources, _shares(batch, recorded), strict=True):
            given = await self._input(source, facts)
            if given is None:
                self._fold(facts, batch.now)
                continue
            decided = self._decide(self._state, given, batch.now)
            self.report.decisions += 1
            self.report.facts += len(facts)
            difference = _difference(facts, decided)
            if difference is not None:
                number, was, now = difference
                self.report.difference = Difference(
                    offset=offset, source=_named(source), number=number, recorded=was, decided=now
                )
                return

    def _fold(self, facts: Sequence[Fact], now_ms: int) -> None:
        for fact in facts:
            fold(self._state, fact, now_ms)

    async def _input(self, source: Source, facts: Sequence[Fact]) -> Input | None:
        match source:
            case FromTopic():
                return await self._from_topic(source)
            case FromConfiguration():
                return _step(source, facts)
            case FromPresence():
                return source.observed
            case FromLeases():
                return source.read
            case FromEngine():
                return None
        return TimersDue()

    async def _from_topic(self, source: FromTopic) -> Input | None:
        topic = self._topics.get(source.topic)
        record = await topic.at(source.offset) if topic is not None else None
        if record is None:
            self.report.skipped[GONE] += 1
            return None
        try:
            [given] = decidable(decode(record.value, record.headers), record)
        except (MalformedEventError, UnknownTypeError, ValueError):
            self.report.skipped[UNREADABLE] += 1
            return None
        return given.input


class _Topic:
    """Records of one partition by offset, which for the most part rises from question to question."""

    def __init__(self, reader: LogReader, partition: Partition) -> None:
        self._reader = reader
        self._partition = partition
        self._kept: dict[int, Record] = {}
        self._from = self._next = -1

    async def at(self, offset: int) -> Record | None:
        """The record, or none when the topic does not have it. Raises LogAwayError."""
        if not self._from <= offset < self._next:
            first, end = await self._reader.bounds(self._partition)
            if not first <= offset < end:
                return None
            await self._read(offset)
        return self._kept.get(offset)

    async def _read(self, offset: int) -> None:
        if offset != self._next:
            await self._reader.assign({self._partition: offset})
        for _ in range(SILENT_READS_MAX):
            records = await self._reader.read(records_max=READ_RECORDS_MAX, timeout_seconds=READ_SECONDS)
            if records:
                self._kept = {record.offset: record for record in records}
                self._from, self._next = offset, records[-1].offset + 1
                return
        raise LogAwayError(f"{self._partition.topic}[{self._partition.number}] does not answer at offset {offset}")


def _shares(batch: BatchRecord, facts: Sequence[Fact]) -> Iterator[Sequence[Fact]]:
    """Each input's facts."""
    begin = 0
    for count, _, _ in batch.origins:
        yield facts[begin : begin + count]
        begin += count


def _step(source: FromConfiguration, facts: Sequence[Fact]) -> ConfigurationStep:
    applied = [fact.data for fact in facts]
    return ConfigurationStep(
        tenant_id=source.tenant_id,
        domain=source.domain,
        version=source.version,
        hash=source.hash,
        records=tuple(
            data.record if isinstance(data, ConfigurationRecordApplied) else data.part
            for data in applied
            if isinstance(data, ConfigurationRecordApplied | ConfigurationPartApplied)
        ),
        last=source.last,
    )


def _difference(recorded: Sequence[Fact], decided: Sequence[Fact]) -> tuple[int, str | None, str | None] | None:
    """Compared as they read back from the journal, so that a default that a release added is no difference."""
    again = decode_facts(journaled(decided))
    for index in range(max(len(recorded), len(again))):
        was = recorded[index] if index < len(recorded) else None
        now = again[index] if index < len(again) else None
        if was != now:
            return index + 1, _text(was), _text(now)
    return None


def _text(fact: Fact | None) -> str | None:
    if fact is None:
        return None
    [(tenant, name, data)] = journaled([fact])
    return f"{tenant} {name} {bytes(data).decode()}"


def _named(source: Source) -> str:
    if isinstance(source, FromTopic):
        return f"{source.topic}@{source.offset}"
    if isinstance(source, FromConfiguration):
        return f"configuration version {source.version}"
    return type(source).__name__.removeprefix("From").lower()
