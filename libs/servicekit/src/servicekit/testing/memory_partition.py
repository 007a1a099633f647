"""One partition in memory, and reading it."""

import asyncio
from collections.abc import Mapping, Sequence

from servicekit.ports import OffsetGoneError, Partition, Record


class MemoryPartition:
    """Records of one partition, from `first` up to `end`."""

    def __init__(self) -> None:
        self.first = 0
        self.end = 0
        self.records: list[Record] = []
        self._arrivals: dict[asyncio.Event, None] = {}  # not a set: that has another order each time

    def append(self, record: Record) -> None:
        """One more record; wakes who waits for it."""
        self.records.append(record)
        self.end = record.offset + 1
        for arrival in self._arrivals:
            arrival.set()

    def since(self, offset: int, records_max: int) -> list[Record]:
        """Records from an offset on; raises OffsetGoneError when it was deleted or never was."""
        if not self.first <= offset <= self.end:
            raise OffsetGoneError(f"offset {offset} is not within {self.first} and {self.end}")
        start = max(0, len(self.records) - (self.end - offset))
        return self.records[start : start + records_max]

    def watch(self, arrival: asyncio.Event) -> None:
        """Set the event at each append."""
        self._arrivals[arrival] = None

    def unwatch(self, arrival: asyncio.Event) -> None:
        """No longer."""
        self._arrivals.pop(arrival, None)


class MemoryReader:
    """LogReader."""

    def __init__(self, partitions: Mapping[Partition, MemoryPartition]) -> None:
        self._partitions = partitions
        self._arrival = asyncio.Event()
        self.positions: dict[Partition, int] = {}
        self.paused: set[Partition] = set()

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        """First offset still there, and the offset that the next record will get."""
        held = self._partitions[partition]
        return held.first, held.end

    async def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read from exactly these offsets on."""
        self.positions = dict(positions)

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        """The next records; waits for one."""
        await asyncio.sleep(0)  # as every read from a network lets others run
        watched = [self._partitions[partition] for partition in self.positions]
        for held in watched:
            held.watch(self._arrival)
        try:
            async with asyncio.timeout(timeout_seconds):
                while not (records := self._next(records_max)):
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            return ()
        finally:
            for held in watched:
                held.unwatch(self._arrival)
        return records

    def wake(self) -> None:
        """Look again: a pause ended."""
        self._arrival.set()

    def _next(self, records_max: int) -> list[Record]:
        records: list[Record] = []
        for partition, position in self.positions.items():
            if partition not in self.paused and len(records) < records_max:
                records += self._partitions[partition].since(position, records_max - len(records))
        for record in records:
            self.positions[record.at] = record.offset + 1
        return records
