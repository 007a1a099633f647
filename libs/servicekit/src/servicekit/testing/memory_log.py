"""MemoryLog: the log port in memory, with Kafka's ordering contract and faults from a seed.

It passes the same laws as Kafka (`servicekit.testing.log_laws`). Time is the running loop's, so that under a
VirtualLoop a story of hours takes a moment and repeats exactly.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal
from zlib import crc32

from servicekit.ports import (
    AppendRefusedError,
    AppendUnknownError,
    Chance,
    Clock,
    GroupMember,
    GroupReader,
    LogAdmin,
    LogReader,
    LogWriter,
    Outgoing,
    Partition,
    Record,
    TopicAwayError,
)
from servicekit.testing.memory_group import MemoryGroup
from servicekit.testing.memory_partition import MemoryPartition, MemoryReader
from servicekit.testing.virtual import SeededChance, VirtualClock

RECORD_BYTES_MAX: Final = 1024 * 1024 - 16 * 1024
TICK_SECONDS: Final = 1e-6
Kind = Literal["lost", "late", "doubled", "slow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often (0 to 1) an append goes wrong, by kind, and how long one takes at most.

    lost: never acknowledged; half of these are in the log. late: lands after its sender's deadline, up to
    `late_seconds_max` later. doubled: stands twice in the log, acknowledged with the first offset. slow: lands at once
    and is acknowledged up to `late_seconds_max` later, or too late. After a lost or late one, and one that is
    acknowledged too late, the writer is broken, as the port says.
    """

    lost: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    slow: float = 0.0
    latency_seconds_max: float = 0.0
    late_seconds_max: float = 5.0


class MemoryLog:
    """LogFactory. `topics` maps each topic to its number of partitions; no other topic exists."""

    def __init__(
        self,
        topics: Mapping[str, int],
        *,
        clock: Clock | None = None,
        chance: Chance | None = None,
        faults: Faults = Faults(),
        delivery_timeout_seconds: float = 10.0,
    ) -> None:
        self.faults = faults
        self.clock = clock or VirtualClock()
        self.chance = chance or SeededChance(0)
        self.delivery_timeout_seconds = delivery_timeout_seconds
        self.partitions = {
            Partition(topic, number): MemoryPartition() for topic, count in topics.items() for number in range(count)
        }
        self.happened: Counter[str] = Counter()
        """The faults so far, by kind; and by topic what landed when its writer had given up or was closed."""
        self._groups: defaultdict[str, MemoryGroup] = defaultdict(lambda: MemoryGroup(self.partitions))

    def records(self, topic: str, partition: int | None = None) -> list[Record]:
        """What a topic holds, for assertions: all of it, or one partition."""
        return [
            record
            for at, held in self.partitions.items()
            if at.topic == topic and partition in (None, at.number)
            for record in held.records
        ]

    def committed(self, group: str) -> Mapping[Partition, int]:
        """The offsets that a group has committed."""
        return self._groups[group].committed

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncGenerator[LogWriter]:
        """A new writer."""
        writer = _MemoryWriter(self)
        try:
            yield writer
        finally:
            writer.close()

    @asynccontextmanager
    async def reader(self, name: str) -> AsyncGenerator[LogReader]:
        """A new reader."""
        yield MemoryReader(self.partitions)

    @asynccontextmanager
    async def group(self, group: str, topics: Sequence[str], member: GroupMember) -> AsyncGenerator[GroupReader]:
        """A new member of a group; the members share the partitions evenly, anew at each join and leave."""
        async with self._groups[group].joined(topics, member) as reader:
            yield reader

    @asynccontextmanager
    async def admin(self) -> AsyncGenerator[LogAdmin]:
        """The log itself can do it."""
        yield self

    async def partitions_of(self, topic: str) -> int:
        """How many partitions the topic has."""
        return sum(partition.topic == topic for partition in self.partitions)

    async def delete_before(self, partition: Partition, offset: int) -> None:
        """Delete all records before the offset."""
        held = self.partitions[partition]
        held.first = max(held.first, offset)
        held.records = [record for record in held.records if record.offset >= offset]

    def land(self, outgoing: Outgoing, partition: Partition) -> Record:
        """Append now."""
        held = self.partitions[partition]
        record = Record(
            topic=partition.topic,
            partition=partition.number,
            offset=held.end,
            key=outgoing.key,
            value=outgoing.value,
            headers=outgoing.headers,
            timestamp_ms=self.clock.now_ms(),
        )
        held.append(record)
        return record


class _MemoryWriter:
    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._landing_at: defaultdict[Partition, float] = defaultdict(float)
        self._under_way: Counter[Partition] = Counter()
        self._stuck: set[Partition] = set()
        self._pending: dict[asyncio.Future[Record], tuple[Partition, asyncio.TimerHandle]] = {}
        self._broken: dict[Partition, str] = {}
        self._closed = False

    async def append(self, outgoing: Outgoing) -> Record:
        """`send` and wait."""
        return await (await self.send(outgoing))

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        """`send` each, after all are known to be acceptable, and wait."""
        for each in outgoing:
            self._choose(each)
        for appended in [await self.send(each) for each in outgoing]:
            await appended

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        """Hand a record over; it lands after its predecessors in the same partition."""
        partition = self._choose(outgoing)
        if self._closed or partition in self._broken:
            raise AppendUnknownError(f"this writer is broken: {self._broken.get(partition, 'closed')}")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._log.delivery_timeout_seconds
        appended: asyncio.Future[Record] = loop.create_future()
        self._pending[appended] = partition, loop.call_at(deadline, self._break, partition, "deadline passed")
        fault = self._draw()
        landing_at = self._landing(partition, deadline if fault == "late" else loop.time(), late=fault == "late")
        if fault == "lost" and self._log.chance.uniform(0, 1) < 0.5:
            self._stuck.add(partition)
        if landing_at <= loop.time() and not self._under_way[partition]:
            self._land(outgoing, partition, appended, fault)
        else:
            self._under_way[partition] += 1
            loop.call_at(landing_at, self._land_later, outgoing, partition, appended, fault)
        return appended

    def close(self) -> None:
        """What is not confirmed by now is unknown; it may still land."""
        self._closed = True
        for partition in {partition for partition, _ in self._pending.values()}:
            self._break(partition, "closed")

    def _choose(self, outgoing: Outgoing) -> Partition:
        count = sum(partition.topic == outgoing.topic for partition in self._log.partitions)
        number = outgoing.partition
        if number is None:
            number = crc32(outgoing.key or b"") % max(count, 1)
        if number >= count:
            raise TopicAwayError(f"there is no partition {outgoing.topic}[{number}]")
        if len(outgoing.value or b"") + len(outgoing.key or b"") > RECORD_BYTES_MAX:
            raise AppendRefusedError("the record is too large")
        return Partition(outgoing.topic, number)

    def _draw(self) -> Kind | None:
        faults, drawn = self._log.faults, self._log.chance.uniform(0, 1)
        odds: dict[Kind, float] = {
            "lost": faults.lost,
            "late": faults.late,
            "doubled": faults.doubled,
            "slow": faults.slow,
        }
        for kind, share in odds.items():
            if drawn < share:
                self._log.happened[kind] += 1
                return kind
            drawn -= share
        return None

    def _landing(self, partition: Partition, begins_at: float, *, late: bool) -> float:
        """When it lands: after a random while, and never before its predecessor."""
        faults = self._log.faults
        longest = faults.late_seconds_max if late else faults.latency_seconds_max
        landing_at = begins_at + (self._log.chance.uniform(0, longest) if longest else 0.0)
        previous = self._landing_at[partition]
        if previous >= begins_at:
            landing_at = max(landing_at, previous + TICK_SECONDS)
        self._landing_at[partition] = landing_at
        return landing_at

    def _land_later(
        self, outgoing: Outgoing, partition: Partition, appended: "asyncio.Future[Record]", fault: str | None
    ) -> None:
        self._under_way[partition] -= 1
        self._land(outgoing, partition, appended, fault)

    def _land(
        self, outgoing: Outgoing, partition: Partition, appended: "asyncio.Future[Record]", fault: str | None
    ) -> None:
        if partition in self._stuck:
            return
        record = self._log.land(outgoing, partition)
        if fault == "doubled":
            self._log.land(outgoing, partition)
        if fault == "slow":
            wait_seconds = self._log.chance.uniform(0, self._log.faults.late_seconds_max)
            asyncio.get_running_loop().call_later(wait_seconds, self._acknowledge, appended, record)
        elif fault != "lost":
            self._acknowledge(appended, record)
        else:
            self._log.happened[f"unknown but landed in {partition.topic}"] += 1

    def _acknowledge(self, appended: "asyncio.Future[Record]", record: Record) -> None:
        pending = self._pending.pop(appended, None)
        if pending is None:
            self._log.happened[f"unknown but landed in {record.topic}"] += 1
            return
        pending[1].cancel()
        if not appended.done():
            appended.set_result(record)

    def _break(self, partition: Partition, reason: str) -> None:
        self._broken.setdefault(partition, reason)
        for appended, (there, timer) in list(self._pending.items()):
            if there == partition:
                del self._pending[appended]
                timer.cancel()
                if not appended.done():
                    appended.set_exception(AppendUnknownError(reason))
                    appended.exception()  # seen: whoever sent it may be gone already
