"""Record batches, version 2 (Kafka's message format): checked on the way in, kept as the client wrote them."""

import struct
from collections.abc import Callable
from typing import NamedTuple

from aiokafka import errors
from aiokafka.record._protocols import DefaultRecordProtocol
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

HEADER = struct.Struct(">qiibIhiqqqhii")
LENGTH_END, CRC_START, CRC_END = 12, 17, 21
CODEC_MASK = 0x07
TRANSACTIONAL_OR_CONTROL = 0x30
SIZE_UNLIMITED = 2**31 - 1


class Header(NamedTuple):
    """The fixed first 61 bytes, field for field."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        return LENGTH_END + self.length

    @property
    def end_offset(self) -> int:
        """The offset after the batch's last one."""
        return self.base_offset + self.last_offset_delta + 1


def parse(buffer: bytes, position: int = 0) -> Header | None:
    """The header of a whole, version 2 batch at `position`; None if the bytes there are not one."""
    if position + HEADER.size > len(buffer):
        return None
    header = Header._make(HEADER.unpack_from(buffer, position))
    whole = HEADER.size <= header.size <= len(buffer) - position
    return header if whole and header.magic == 2 and header.last_offset_delta >= 0 else None


def is_intact(batch: bytes, header: Header) -> bool:
    return bool(calc_crc32c(batch[CRC_END : header.size]) == header.crc)


def check(batch: bytes, size_max: int) -> Header:
    """Refuse what a real broker refuses: aiokafka's errors, whose `errno` is the protocol's code."""
    header = parse(batch)
    if header is None or header.size != len(batch) or not is_intact(batch, header):
        raise errors.CorruptRecordException
    if len(batch) > size_max:
        raise errors.MessageSizeTooLargeError
    if header.attributes & TRANSACTIONAL_OR_CONTROL or header.record_count != header.last_offset_delta + 1:
        raise errors.InvalidRequestError
    return header


def records_of(batch: bytes) -> list[DefaultRecordProtocol] | None:
    """The records; None when the library of the batch's codec is not installed (such batches pass through unread)."""
    try:
        return list(DefaultRecordBatch(batch))
    except errors.UnsupportedCodecError:
        return None


def retain(batch: bytes, keep: Callable[[DefaultRecordProtocol], bool]) -> tuple[bytes, int]:
    """The batch without the records that `keep` refuses, and how many are left.

    Offsets, last offset and sequence stay what they were, so there are gaps, as a real compaction leaves them.
    """
    header, records = Header._make(HEADER.unpack_from(batch)), records_of(batch)
    if records is None:
        return batch, header.record_count
    kept = [record for record in records if keep(record)]
    if len(kept) == len(records):
        return batch, len(kept)
    codec = header.attributes & CODEC_MASK if kept else 0
    producer = (header.producer_id, header.producer_epoch, header.base_sequence)
    builder = DefaultRecordBatchBuilder(2, codec, 0, *producer, SIZE_UNLIMITED)
    for record in kept:
        delta = record.offset - header.base_offset
        builder.append(delta, record.timestamp, record.key, record.value, record.headers)
    rewritten = bytearray(builder.build())
    fields = Header._make(HEADER.unpack_from(rewritten))._replace(
        base_offset=header.base_offset,
        last_offset_delta=header.last_offset_delta,
        max_timestamp_ms=header.max_timestamp_ms,
    )
    HEADER.pack_into(rewritten, 0, *fields)
    struct.pack_into(">I", rewritten, CRC_START, calc_crc32c(bytes(rewritten[CRC_END:])))
    return bytes(rewritten), len(kept)
