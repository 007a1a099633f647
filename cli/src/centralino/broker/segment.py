"""One append-only file of whole batches and, in memory, 24 bytes of index for each batch. No file stays open."""

import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from aiokafka import errors

from centralino.broker import batch as batches
from centralino.broker.batch import Header


class DamagedLogError(Exception):
    """A closed segment is not what was written (the disk or a person changed it): restore it, or start afresh."""


class Segment:
    """Holds the offsets from `base` on. A write is in the kernel before it is acknowledged: kill -9 loses nothing."""

    def __init__(self, directory: Path, base: int) -> None:
        self.base = base
        self.path = directory / f"{base:020d}.log"
        self._forget()
        self.path.touch()

    @property
    def end_offset(self) -> int:
        return self._ends[-1] if self._ends else self.base

    def append(self, batch: bytes, header: Header) -> None:
        """Raises KafkaStorageError, and then the file is as it was before."""
        with self.path.open("ab", buffering=0) as file:
            try:
                written = file.write(batch)
            except OSError:
                written = 0
            if written != len(batch):
                file.truncate(self.size)
                raise errors.KafkaStorageError
        self._index(header)

    def read(self, offset: int, bytes_max: int, *, at_least_one: bool) -> bytes:
        """Whole batches from the first that reaches beyond `offset`; empty if there is none, or it does not fit."""
        first = bisect_right(self._ends, offset)
        if first == len(self._ends):
            return b""
        start = self._positions[first]
        stop = bisect_right(self._positions, start + bytes_max) - 1
        if stop == first and at_least_one:
            stop = first + 1
        return self._bytes(start, self._positions[stop])

    def since(self, timestamp_ms: int) -> Iterator[bytes]:
        """Each batch that has a record of that time or later."""
        for index, newest in enumerate(self._timestamps):
            if newest >= timestamp_ms:
                yield self._bytes(self._positions[index], self._positions[index + 1])

    def load(self, *, is_last: bool) -> Iterator[tuple[Header, bytes]]:
        """Read the file and index it. A torn tail is cut off the last segment; elsewhere raises DamagedLogError."""
        self._forget()
        content = self.path.read_bytes()
        while self.size < len(content):
            header = batches.parse(content, self.size)
            batch = content[self.size : self.size + header.size] if header else b""
            if header is None or header.base_offset < self.end_offset or not batches.is_intact(batch, header):
                break
            self._index(header)
            yield header, batch
        if self.size < len(content):
            if not is_last:
                raise DamagedLogError(f"{self.path} is damaged at byte {self.size}")
            os.truncate(self.path, self.size)

    def replace(self, content: bytes) -> None:
        """Put other content in place at once; `load` must follow."""
        write_at_once(self.path, content)

    @property
    def size(self) -> int:
        return self._positions[-1]

    def _forget(self) -> None:
        self._ends, self._timestamps, self._positions = array("q"), array("q"), array("q", [0])
        self.max_timestamp_ms = -1

    def _index(self, header: Header) -> None:
        self._ends.append(header.end_offset)
        self._timestamps.append(header.max_timestamp_ms)
        self.max_timestamp_ms = max(self.max_timestamp_ms, header.max_timestamp_ms)
        self._positions.append(self.size + header.size)

    def _bytes(self, start: int, stop: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), stop - start, start)


def write_at_once(path: Path, content: bytes) -> None:
    """The file has the old content or the new one, never a part."""
    scratch = path.with_suffix(".tmp")
    scratch.write_bytes(content)
    scratch.replace(path)
