"""When an engine makes snapshots. What one holds and when it is good: test_takeover.py."""

import asyncio
from dataclasses import replace

from router.domain.internal import SnapshotNamed
from router.engine.configuration import open_configuration
from router.engine.journal import BatchRecord, EpochRecord, to_append
from router.engine.owner import Owner
from router.engine.snapshots import SnapshotFailedError
from router.engine.testing import MemoryEngineLive, engine_topics, simulated_world
from router.settings import EngineSettings
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock, run_virtual

PARTITIONS = 3
EVERY = 10


class SlowSnapshots:
    """SnapshotMaker that takes a while, knows how many it makes at once, and fails the first."""

    def __init__(self, clock: VirtualClock) -> None:
        self.made: list[int] = []
        self.at_once_most = 0
        self._at_once = 0
        self._clock = clock

    async def make(self, partition: int, upto: int) -> SnapshotNamed:
        """Nothing is kept."""
        self._at_once += 1
        self.at_once_most = max(self.at_once_most, self._at_once)
        try:
            await self._clock.sleep(30)
        finally:
            self._at_once -= 1
        self.made.append(partition)
        if len(self.made) == 1:
            raise SnapshotFailedError("the first")
        return SnapshotNamed(offset=upto, nonce=f"n{partition}", checksum="c", chunks=1)


async def grown_journals(log: MemoryLog) -> None:
    """A snapshot is due in every partition."""
    async with log.writer("test") as writer:
        for partition in range(PARTITIONS):
            await writer.append(to_append(partition, EpochRecord(owner="a", nonce="a", generation=1)))
            for number in range(1, EVERY + 1):
                batch = BatchRecord(
                    epoch=0, number=number, causes=(), now=number, facts=(), origins=(), published=number
                )
                await writer.append(to_append(partition, batch))


def test_an_engine_makes_one_snapshot_at_a_time_and_each_partition_has_its_turn() -> None:
    async def story() -> None:
        clock = VirtualClock()
        log = MemoryLog(engine_topics(PARTITIONS), clock=clock)
        snapshots = SlowSnapshots(clock)
        await grown_journals(log)
        async with open_configuration(log) as configuration:
            world = simulated_world(
                log,
                MemoryEngineLive(clock),
                configuration,
                clock=clock,
                ids=SeededIds(),
                chance=SeededChance(0),
                settings=EngineSettings(domain_partitions=PARTITIONS, snapshot_every_records=EVERY),
            )
            world = replace(world, snapshots=snapshots)
            stop, owners = asyncio.Event(), [Owner(world, partition) for partition in range(PARTITIONS)]
            async with asyncio.TaskGroup() as running:
                for owner in owners:
                    running.create_task(owner.run(stop))
                await eventually(lambda: set(snapshots.made) == set(range(PARTITIONS)), timeout_seconds=600)
                troubles = [owner.trouble() for owner in owners if owner.reign is not None]
                stop.set()

        assert snapshots.at_once_most == 1
        assert troubles == [None] * PARTITIONS

    run_virtual(story())
