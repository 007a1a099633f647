"""Become the owner of a partition: load, append an epoch record, fold up to it.

The offset of the epoch record is the epoch. Whatever an earlier owner still appends afterwards is void by the fold
rule, so this needs no lock: the lease only keeps engines from taking over from each other all the time.
"""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from contracts.topics import ROUTING_EVENTS
from servicekit.ports import LogFactory, LogReader, LogWriter, Partition
from servicekit.telemetry import log

from router.engine.errors import FencedError, GenerationRefusedError, JournalGapError
from router.engine.journal import EpochRecord, JournalFold, journal_of, to_append
from router.engine.reading import read_to
from router.engine.snapshots import read_snapshots

LOG: Final = log("engine.takeover")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who takes over; `nonce` is new each time. `generation` is the setting for a journal that is created anew."""

    partition: int
    owner: str
    nonce: str
    generation: int


async def take_over(log_factory: LogFactory, writer: LogWriter, claim: Claim) -> JournalFold:
    """The fold up to this claim's epoch record, which is its last record.

    Raises AppendUnknownError when nobody knows whether the epoch record was appended: try again with a new nonce and
    writer; if it lands later, it fences the next attempt, which is harmless. Raises GenerationRefusedError,
    JournalGapError and JournalDamagedError when an operator has to act.
    """
    async with log_factory.reader(f"takeover-{claim.partition}") as reader:
        fold = await load_fold(reader, claim.partition)
        if fold.next_offset == 0:
            await _refuse_old_traces(reader, claim)
        generation = fold.generation or claim.generation
        record = EpochRecord(owner=claim.owner, nonce=claim.nonce, generation=generation)
        appended = await writer.append(to_append(claim.partition, record))
        await fold_to(reader, claim.partition, fold, appended.offset + 1)
    if (fold.epoch, fold.nonce) != (appended.offset, claim.nonce):
        raise FencedError(f"epoch {fold.epoch} follows {appended.offset}")
    return fold


async def load_fold(reader: LogReader, partition: int, *, upto: int | None = None) -> JournalFold:
    """The newest good snapshot and the journal from there, up to but not including `upto` (else the end).

    A snapshot is used only if the journal after it names it in a batch that counts, with nonce and checksum: one that
    is torn, whose naming was lost, or that this release cannot read, is passed over for an older one.
    """
    first, end = await reader.bounds(journal_of(partition))
    end = end if upto is None else min(end, upto)
    unread = ""
    for stored in await read_snapshots(reader, partition):
        place = {"partition": partition, "offset": stored.name.offset}
        if first <= stored.name.offset <= end and not stored.torn:
            try:
                fold = stored.open()
            except ValueError as error:
                unread = f"; the snapshot of offset {stored.name.offset} cannot be read: {error}"
                LOG.warning("snapshot_not_read", extra=place | {"reason": str(error)})
                continue
            await fold_to(reader, partition, fold, end)
            if fold.is_good(stored.name):
                return fold
        LOG.warning("snapshot_passed_over", extra=place)
    if first > 0:
        raise JournalGapError(f"partition {partition} begins at offset {first}{unread}")
    fold = JournalFold()
    await fold_to(reader, partition, fold, end)
    return fold


async def fold_to(reader: LogReader, partition: int, fold: JournalFold, end: int) -> None:
    """Apply the records up to but not including `end`."""
    async with aclosing(read_to(reader, journal_of(partition), fold.next_offset, end)) as records:
        async for record in records:
            fold.apply(record)


async def _refuse_old_traces(reader: LogReader, claim: Claim) -> None:
    """An empty journal beside snapshots or events begins only as a later generation than theirs."""
    generations = [stored.generation for stored in await read_snapshots(reader, claim.partition)]
    events = Partition(ROUTING_EVENTS.name, claim.partition)
    first, end = await reader.bounds(events)
    if end > 0:
        generations.append(1)
    async with aclosing(read_to(reader, events, max(first, end - 1), end)) as records:
        generations += [int(dict(record.headers)["ce_sequence"][:4]) async for record in records]
    if generations and max(generations) >= claim.generation:
        raise GenerationRefusedError(f"partition {claim.partition} knows generation {max(generations)}")
