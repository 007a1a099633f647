"""A consumer group in memory: members share the partitions, eagerly, anew at each join and leave."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from servicekit.ports import GroupMember, Partition, Record
from servicekit.testing.memory_partition import MemoryPartition, MemoryReader


class MemoryGroup:
    """The coordinator of one group, with its committed offsets, which outlive the members."""

    def __init__(self, partitions: Mapping[Partition, MemoryPartition]) -> None:
        self.committed: dict[Partition, int] = {}
        self.refusals = 0
        """How many commits will be refused, as while a coordinator moves."""
        self.commits = 0
        """How many were asked for."""
        self.partitions = partitions
        self._members: list[_MemoryMember] = []
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def joined(self, topics: Sequence[str], member: GroupMember) -> AsyncGenerator["_MemoryMember"]:
        """Be a member; as in Kafka the first assignment comes in the background."""
        reader = _MemoryMember(self, frozenset(topics), member)
        joining = asyncio.create_task(self._join(reader))
        try:
            yield reader
        finally:
            await joining
            await self._leave(reader)

    async def _join(self, reader: "_MemoryMember") -> None:
        async with self._turn:
            await self._revoke()
            self._members.append(reader)
            await self._assign()

    async def _leave(self, reader: "_MemoryMember") -> None:
        async with self._turn:
            self._members.remove(reader)
            reader.owned = frozenset()
            await self._revoke()
            await self._assign()

    async def _revoke(self) -> None:
        for member in self._members:
            await member.lose()

    async def _assign(self) -> None:
        if not self._members:
            return
        shares: list[list[Partition]] = [[] for _ in self._members]
        for index, partition in enumerate(self.partitions):
            candidates = [share for share, member in zip(shares, self._members, strict=True) if member.wants(partition)]
            if candidates:
                candidates[index % len(candidates)].append(partition)
        for member, share in zip(self._members, shares, strict=True):
            await member.get(share)


class _MemoryMember:
    """GroupReader."""

    def __init__(self, group: MemoryGroup, topics: frozenset[str], member: GroupMember) -> None:
        self.owned: frozenset[Partition] = frozenset()
        self._group = group
        self._topics = topics
        self._member = member
        self._reader = MemoryReader(group.partitions)
        self._settled = asyncio.Event()

    def wants(self, partition: Partition) -> bool:
        """Whether the member reads its topic."""
        return partition.topic in self._topics

    async def lose(self) -> None:
        """The coordinator takes everything away."""
        self._settled.clear()
        held, self._reader.positions = self.owned, {}
        await self._member.revoked(self, held)
        self.owned = frozenset()

    async def get(self, partitions: Sequence[Partition]) -> None:
        """The coordinator gives these."""
        self.owned = frozenset(partitions)
        self._reader.paused.clear()
        first = {partition: self._group.partitions[partition].first for partition in partitions}
        self._reader.positions = {
            partition: max(self._group.committed.get(partition, 0), first[partition]) for partition in partitions
        }
        self._member.assigned(self, dict(self._reader.positions))
        self._settled.set()

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        """The next records of what is owned now."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._settled.wait()
        except TimeoutError:
            return ()
        return await self._reader.read(records_max=records_max, timeout_seconds=timeout_seconds)

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Keep the offsets to read next; whether they are kept."""
        self._group.commits += 1
        if self._group.refusals:
            self._group.refusals -= 1
            return False
        if not positions.keys() <= self.owned:
            return False
        self._group.committed.update(positions)
        return True

    async def ends(self) -> Mapping[Partition, int]:
        """The end of each owned partition."""
        return {partition: self._group.partitions[partition].end for partition in self.owned}

    def seek(self, partition: Partition, offset: int) -> None:
        """Read from this offset on."""
        self._reader.positions[partition] = offset

    def pause(self, partition: Partition) -> None:
        """Answer no records of it until `resume`."""
        self._reader.paused.add(partition)

    def resume(self, partition: Partition) -> None:
        """End a pause."""
        self._reader.paused.discard(partition)
        self._reader.wake()
