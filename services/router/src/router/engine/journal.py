"""The journal's records and the fold over them.

Fold rule: a batch counts if and only if its epoch is that of the latest epoch record before it and its number is one
more than the last counted batch of that epoch (1, 2, 3...). So a batch whose predecessor was lost, doubled or
overtaken is void, like one of an old epoch. Model-checked: `router.testing.model`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Final

import msgspec
from contracts.topics import ROUTING_JOURNAL
from servicekit.ports import Outgoing, Partition, Record

from router.domain.facts import Fact, JournaledFact, decode_facts, encode_facts, is_public
from router.domain.fold import begin_epoch, fold
from router.domain.internal import SnapshotNamed
from router.domain.state import State
from router.engine.errors import JournalDamagedError
from router.engine.sequences import Published, Sequences, sequence_of
from router.engine.sources import Source
from router.engine.traces import Traces

BATCH_BYTES_MAX: Final = 512 * 1024

Cause = tuple[str, int, int]
"""Topic, partition and the offset to read next: how input positions are stored."""
Origin = tuple[int, str | None, str | None]
"""How many of the batch's facts an input led to, its event id, its W3C trace context."""


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="epoch"):
    """An owner begins; the record's offset is its epoch."""

    owner: str
    nonce: str
    generation: int


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="batch"):
    """What several inputs led to. Everything before offset `published` stands in `routing.events`."""

    epoch: int
    number: int
    causes: tuple[Cause, ...]
    now: int
    facts: tuple[JournaledFact, ...]
    origins: tuple[Origin, ...]
    published: int
    sources: tuple[Source, ...] = ()
    """Where each of `origins` came from; none in batches of earlier releases."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A batch that counts: what `routing.events` is told about it."""

    offset: int
    now_ms: int
    events: tuple[Published, ...]


@dataclass(slots=True)
class JournalFold:
    """What a journal says so far. `apply` every record in order; `next_offset` is the next one."""

    state: State = field(default_factory=State)
    sequences: Sequences = field(default_factory=Sequences)
    traces: Traces = field(default_factory=Traces)
    generation: int = 0
    epoch: int = -1
    nonce: str = ""
    number: int = 0
    next_offset: int = 0
    next_inputs: dict[tuple[str, int], int] = field(default_factory=dict)
    watermark: int = 0
    now_ms: int = 0
    unpublished: deque[Confirmed] = field(default_factory=deque)
    """Batches at or after the watermark: a new owner publishes them again."""
    void: int = 0

    def apply(self, record: Record) -> bool:
        """Take the journal's next record; answers whether it counted (an epoch record always does)."""
        entry = decode_record(record)
        self.next_offset = record.offset + 1
        if isinstance(entry, EpochRecord):
            self.generation, self.epoch, self.nonce, self.number = entry.generation, record.offset, entry.nonce, 0
            begin_epoch(self.state)
            return True
        if entry.epoch != self.epoch or entry.number != self.number + 1:
            self.void += 1
            return False
        self._count(entry, record.offset)
        return True

    def is_good(self, snapshot: SnapshotNamed) -> bool:
        """Whether a confirmed record named this very snapshot."""
        return snapshot in self.state.snapshots

    def _count(self, batch: BatchRecord, offset: int) -> None:
        self.number = batch.number
        self.now_ms = batch.now
        self.next_inputs.update({(topic, partition): position for topic, partition, position in batch.causes})
        facts = decode_facts(batch.facts)
        for fact in facts:
            fold(self.state, fact, batch.now)
        self.unpublished.append(confirmed(facts, batch, self.traces, self.generation, offset))
        self.sequences.note(self.unpublished[-1].events)
        self.watermark = max(self.watermark, batch.published)
        while self.unpublished and self.unpublished[0].offset < self.watermark:
            self.unpublished.popleft()


def confirmed(facts: Iterable[Fact], batch: BatchRecord, traces: Traces, generation: int, offset: int) -> Confirmed:
    """The events of a batch, whose decoded facts are given, at a journal offset; `traces` follows them.

    The index in `sequence` counts public facts.
    """
    origins = chain.from_iterable(repeat((event_id, context), count) for count, event_id, context in batch.origins)
    public = [each for each in zip(facts, batch.facts, origins, strict=True) if is_public(each[0].data)]
    return Confirmed(
        offset,
        batch.now,
        tuple(
            Published(
                sequence_of(generation, offset, index), fact, encoded, event_id, traces.context_of(fact.data, context)
            )
            for index, (fact, (_, _, encoded), (event_id, context)) in enumerate(public)
        ),
    )


def journaled(facts: Iterable[Fact]) -> list[JournaledFact]:
    """Facts with their data encoded once."""
    return [(tenant, name, msgspec.Raw(_ENCODER.encode(data))) for tenant, name, data in encode_facts(facts)]


def size_of(facts: Iterable[JournaledFact]) -> int:
    """Bytes that they take in a batch's record, rounded up."""
    return sum([len(memoryview(data)) + len(tenant) + len(name) + 16 for tenant, name, data in facts])


def journal_of(partition: int) -> Partition:
    """The journal of a partition."""
    return Partition(ROUTING_JOURNAL.name, partition)


def to_append(partition: int, entry: EpochRecord | BatchRecord) -> Outgoing:
    """The record to append."""
    return Outgoing(topic=ROUTING_JOURNAL.name, key=None, value=_ENCODER.encode(entry), partition=partition)


def decode_record(record: Record) -> EpochRecord | BatchRecord:
    """Raises JournalDamagedError, naming the offset."""
    try:
        return _DECODER.decode(record.value or b"")
    except msgspec.DecodeError as error:
        raise JournalDamagedError(f"{record.topic}[{record.partition}]@{record.offset}") from error


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[EpochRecord | BatchRecord]] = msgspec.json.Decoder(EpochRecord | BatchRecord)
