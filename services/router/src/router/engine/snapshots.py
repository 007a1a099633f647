"""Snapshots bound the fold. A snapshot is good once a confirmed journal record names it with its checksum.

Key of a chunk: partition, journal offset, writer's nonce, chunk; never overwritten. A snapshot of offset S is the
fold of all journal records before S, and S never lies behind what is published: so no event before S is ever
published again, and the journal may be shortened up to the older good snapshot.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
from contracts.topics import ROUTING_SNAPSHOTS
from servicekit.ports import LogFactory, LogReader, LogWriter, Outgoing, Partition

from router.domain.internal import SnapshotNamed
from router.domain.snapshot import dump, load
from router.domain.state import SNAPSHOTS_KEPT
from router.engine.collector import collector_paused
from router.engine.journal import JournalFold, journal_of
from router.engine.reading import read_to
from router.engine.sequences import Sequences
from router.engine.traces import Traces

CHUNK_BYTES: Final = 512 * 1024


class SnapshotFailedError(Exception):
    """The snapshot could not be made or read back; the engine tries again later and routes on meanwhile."""


class SnapshotMaker(Protocol):
    """Makes snapshots off the owner's loop."""

    async def make(self, partition: int, upto: int) -> SnapshotNamed:
        """Fold the journal before offset `upto`, write it, read it back. Raises SnapshotFailedError."""
        ...


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds: a JournalFold at `next_offset`, all before it being published."""

    generation: int
    epoch: int
    nonce: str
    number: int
    next_offset: int
    next_inputs: tuple[tuple[str, int, int], ...]
    now_ms: int
    sequences: dict[str, str]
    state: bytes
    traces: dict[str, str] = {}


@dataclass(slots=True)
class Stored:
    """A snapshot as the topic has it; `torn` while chunks are missing or the checksum is another."""

    name: SnapshotNamed
    generation: int
    chunks: dict[int, bytes] = field(default_factory=dict)

    @property
    def torn(self) -> bool:
        """Whether it must not be used."""
        return len(self.chunks) != self.name.chunks or _checksum(self._content()) != self.name.checksum

    def open(self) -> JournalFold:
        """The fold to go on from. Raises ValueError when this release cannot read it."""
        content = _DECODER.decode(self._content())
        with collector_paused():
            state = load(content.state)
        return JournalFold(
            state=state,
            sequences=Sequences(content.sequences),
            traces=Traces(content.traces),
            generation=content.generation,
            epoch=content.epoch,
            nonce=content.nonce,
            number=content.number,
            next_offset=content.next_offset,
            next_inputs={(topic, partition): position for topic, partition, position in content.next_inputs},
            watermark=content.next_offset,
            now_ms=content.now_ms,
        )

    def _content(self) -> bytes:
        return b"".join(self.chunks[index] for index in sorted(self.chunks))


async def read_snapshots(reader: LogReader, partition: int) -> list[Stored]:
    """All snapshots that were not removed, newest first, torn ones among them."""
    topic = Partition(ROUTING_SNAPSHOTS.name, partition)
    first, end = await reader.bounds(topic)
    found: dict[tuple[int, str], Stored] = {}
    async for record in read_to(reader, topic, first, end):
        _, offset, nonce, chunk = (record.key or b"///").decode().split("/")
        place = (int(offset), nonce)
        if record.value is None:
            found.pop(place, None)
            continue
        headers = dict(record.headers)
        name = SnapshotNamed(
            offset=place[0], nonce=nonce, checksum=headers["checksum"].decode(), chunks=int(headers["chunks"])
        )
        stored = found.setdefault(place, Stored(name, int(headers["generation"])))
        stored.chunks[int(chunk)] = record.value
    return sorted(found.values(), key=lambda stored: (stored.name.offset, stored.name.nonce), reverse=True)


async def write_snapshot(writer: LogWriter, partition: int, fold: JournalFold, nonce: str) -> SnapshotNamed:
    """Append the chunks of a fold all of whose events are published."""
    content = _ENCODER.encode(_content_of(fold))
    chunks = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    name = SnapshotNamed(offset=fold.next_offset, nonce=nonce, checksum=_checksum(content), chunks=len(chunks))
    headers = {"checksum": name.checksum, "chunks": len(chunks), "generation": fold.generation}
    for index, chunk in enumerate(chunks):
        await writer.append(_chunk_record(partition, name, index, value=chunk, headers=headers))
    return name


async def remove_superseded(
    log: LogFactory, partition: int, stored: Iterable[Stored], good: Sequence[SnapshotNamed]
) -> None:
    """Remove what is older than the two newest good snapshots, then shorten the journal to the older of them.

    Never removes anything newer than the older good one: a follower that fell behind does no harm. The older one's
    offset is not after the published watermark, by the rule of what may be snapshot.
    """
    if len(good) < SNAPSHOTS_KEPT:
        return
    older = good[0]
    async with log.writer(f"snapshots-{partition}") as writer:
        for snapshot in stored:
            if snapshot.name.offset < older.offset:
                for index in sorted(snapshot.chunks):
                    await writer.append(_chunk_record(partition, snapshot.name, index, value=None, headers={}))
    async with log.admin() as admin:
        await admin.delete_before(journal_of(partition), older.offset)


def _content_of(fold: JournalFold) -> Content:
    with collector_paused():
        state = dump(fold.state)
    return Content(
        generation=fold.generation,
        epoch=fold.epoch,
        nonce=fold.nonce,
        number=fold.number,
        next_offset=fold.next_offset,
        next_inputs=tuple((topic, number, position) for (topic, number), position in sorted(fold.next_inputs.items())),
        now_ms=fold.now_ms,
        sequences=dict(fold.sequences),
        traces=dict(fold.traces),
        state=state,
    )


def _chunk_record(
    partition: int, name: SnapshotNamed, index: int, *, value: bytes | None, headers: Mapping[str, object]
) -> Outgoing:
    return Outgoing(
        topic=ROUTING_SNAPSHOTS.name,
        key=f"{partition}/{name.offset:015d}/{name.nonce}/{index:05d}".encode(),
        value=value,
        headers=tuple((header, str(content).encode()) for header, content in headers.items()),
        partition=partition,
    )


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Content)
