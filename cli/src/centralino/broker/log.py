"""The log of one partition: segments, retention, compaction, and what idempotent producers last wrote (KIP-98)."""

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from aiokafka import errors
from aiokafka.record._protocols import DefaultRecordProtocol

from centralino.broker import batch as batches
from centralino.broker.batch import Header
from centralino.broker.segment import Segment, write_at_once

PRODUCERS_MAX = 1000
BATCHES_REMEMBERED = 5  # as many as a real broker; a client has at most that many in flight
SEQUENCE_MASK = 2**31 - 1


@dataclass(frozen=True)
class LogSettings:
    """A topic's settings under Kafka's names; -1 means no limit."""

    cleanup_policy: str = "delete"
    retention_bytes: int = 256 * 2**20
    retention_ms: int = 7 * 24 * 3_600_000
    segment_bytes: int = 16 * 2**20
    max_message_bytes: int = 1_048_588  # Kafka's default: 1 MiB of batch and its length field
    delete_retention_ms: int = 24 * 3_600_000  # how long compaction keeps a tombstone for slow readers

    @property
    def compacted(self) -> bool:
        return "compact" in self.cleanup_policy

    @property
    def deleted(self) -> bool:
        return "delete" in self.cleanup_policy


class PartitionLog:
    """Opening it rebuilds index and producer state from the files, and compacts when the topic wants it."""

    def __init__(self, directory: Path, settings: LogSettings, now_ms: int) -> None:
        self.waiters: set[asyncio.Event] = set()  # readers at the end of the log
        self._directory, self._settings = directory, settings
        self._producers = Producers()
        directory.mkdir(parents=True, exist_ok=True)
        bases = sorted(int(path.stem) for path in directory.glob("*.log"))
        self._segments = [Segment(directory, base) for base in bases or [0]]
        for segment in self._segments:
            for header, _ in segment.load(is_last=segment is self._segments[-1]):
                self._producers.remember(header)
        if settings.compacted:
            self._compact(now_ms)
        self._start_path = directory / "start"
        recorded = int(self._start_path.read_text()) if self._start_path.exists() else 0
        self.start_offset = min(max(recorded, self._segments[0].base), self.end_offset)

    @property
    def end_offset(self) -> int:
        return self._segments[-1].end_offset

    def append(self, batch: bytes, now_ms: int) -> int:
        """The offset of the batch's first record; for a repeated batch the one it got the first time.

        Raises aiokafka's errors with the protocol's codes.
        """
        header = batches.check(batch, self._settings.max_message_bytes)
        if self._settings.compacted and any(r.key is None for r in batches.records_of(batch) or ()):
            raise InvalidRecordError
        known = self._producers.offset_of(header)
        if known is not None:
            return known
        header = header._replace(base_offset=self.end_offset)
        if self._segments[-1].size and self._segments[-1].size + len(batch) > self._settings.segment_bytes:
            self._roll()
            self.expire(now_ms)
        self._segments[-1].append(header.base_offset.to_bytes(8, "big") + batch[8:], header)
        self._producers.remember(header)
        self.wake()
        return header.base_offset

    def wake(self) -> None:
        for event in self.waiters:
            event.set()

    def read(self, offset: int, bytes_max: int, *, at_least_one: bool) -> bytes:
        """Whole batches of one segment. Raises OffsetOutOfRangeError."""
        if not self.start_offset <= offset <= self.end_offset:
            raise errors.OffsetOutOfRangeError
        # Compaction may have emptied a segment, which then ends where it begins.
        segment = next((s for s in self._segments if s.size and s.end_offset > offset), self._segments[-1])
        return segment.read(offset, bytes_max, at_least_one=at_least_one)

    def first_since(self, timestamp_ms: int) -> tuple[int, int]:
        """Time and offset of the first record of that time or later; -1, -1 if there is none."""
        for segment in self._segments:
            for batch in segment.since(timestamp_ms):
                for record in batches.records_of(batch) or ():
                    if record.timestamp >= timestamp_ms and record.offset >= self.start_offset:
                        return record.timestamp, record.offset
        return -1, -1

    def delete_before(self, offset: int) -> int:
        """Forget the records before `offset` (-1: all); returns the new start."""
        if not self._settings.deleted:
            raise errors.PolicyViolationError
        offset = self.end_offset if offset == -1 else offset
        if not 0 <= offset <= self.end_offset:
            raise errors.OffsetOutOfRangeError
        self.start_offset = max(self.start_offset, offset)
        write_at_once(self._start_path, str(self.start_offset).encode())
        if self.start_offset == self.end_offset and self._segments[-1].size:
            self._roll()
        while len(self._segments) > 1 and self._segments[1].base <= self.start_offset:
            self._segments.pop(0).path.unlink()
        return self.start_offset

    def expire(self, now_ms: int) -> None:
        """Drop whole old segments: beyond the age, or while the rest alone fills the bytes (two more may stay)."""
        if not self._settings.deleted:
            return
        oldest_ms = now_ms - self._settings.retention_ms if self._settings.retention_ms >= 0 else -1
        if self._segments[-1].size and self._segments[-1].max_timestamp_ms < oldest_ms:
            self._roll()
        bytes_max = self._settings.retention_bytes
        while len(self._segments) > 1:
            first, *rest = self._segments
            too_many = bytes_max >= 0 and sum(segment.size for segment in rest) >= bytes_max
            if first.max_timestamp_ms >= oldest_ms and not too_many:
                break
            self._segments.pop(0).path.unlink()
            self.start_offset = max(self.start_offset, self._segments[0].base)

    def _roll(self) -> None:
        self._segments.append(Segment(self._directory, self.end_offset))

    def _compact(self, now_ms: int) -> None:
        """Keep the last record of each key, oldest segment first, so that a crash never revives a deleted key."""
        newest: dict[bytes | None, int] = {}
        for segment in self._segments:
            for _, batch in segment.load(is_last=True):
                newest.update((record.key, record.offset) for record in batches.records_of(batch) or ())
        forget_before_ms = now_ms - self._settings.delete_retention_ms

        def keep(record: DefaultRecordProtocol) -> bool:
            lasting = record.value is not None or record.timestamp >= forget_before_ms
            return newest[record.key] == record.offset and lasting

        end_offset = self.end_offset
        for segment in self._segments:
            kept = bytearray()
            for header, batch in segment.load(is_last=True):
                rewritten, count = batches.retain(batch, keep)
                # An empty batch stays where it alone tells the log's end or a producer's last sequence.
                if count or header.end_offset == end_offset or self._producers.ends_with(header):
                    kept += rewritten
            if len(kept) < segment.size:
                segment.replace(bytes(kept))
                for _ in segment.load(is_last=True):
                    pass


class Producers:
    """Per producer id: its epoch and last batches as (first sequence, last sequence, offset); the least recent go."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, deque[tuple[int, int, int]]]] = {}

    def offset_of(self, header: Header) -> int | None:
        """The offset of a batch seen before, None for the next one; anything else is refused."""
        known = self._known.get(header.producer_id)
        if known is None:  # new, or forgotten with its records: any sequence is taken, as on a real broker
            return None
        epoch, recent = known
        if header.producer_epoch < epoch:
            raise errors.InvalidProducerEpoch
        expected = 0
        if header.producer_epoch == epoch:
            for first, last, offset in recent:
                if (first, last) == _sequences(header):
                    return offset
            expected = (recent[-1][1] + 1) & SEQUENCE_MASK
        if header.base_sequence != expected:
            raise errors.OutOfOrderSequenceNumber
        return None

    def remember(self, header: Header) -> None:
        if header.producer_id < 0:
            return
        epoch, recent = self._known.pop(header.producer_id, (-1, deque()))
        if epoch != header.producer_epoch:
            recent = deque(maxlen=BATCHES_REMEMBERED)
        recent.append((*_sequences(header), header.base_offset))
        self._known[header.producer_id] = header.producer_epoch, recent
        if len(self._known) > PRODUCERS_MAX:
            del self._known[next(iter(self._known))]

    def ends_with(self, header: Header) -> bool:
        known = self._known.get(header.producer_id)
        return known is not None and known[1][-1][2] == header.base_offset


def _sequences(header: Header) -> tuple[int, int]:
    return header.base_sequence, (header.base_sequence + header.last_offset_delta) & SEQUENCE_MASK


class InvalidRecordError(errors.BrokerResponseError):
    """A record that the topic cannot take, here one without key in a compacted topic; aiokafka has no class for it."""

    errno = 87
