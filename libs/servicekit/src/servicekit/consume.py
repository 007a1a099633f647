"""The consumer loop: at least once, in order within a partition, with retries, dead letters and a watchdog.

One task (a lane) per partition hands batches to the processor; Kafka's committed offset follows what is done. Handlers
must be idempotent: after a crash, a rebalance or a failed batch records come again.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from servicekit.dead_letters import DeadLetters
from servicekit.lane import Lane, LaneLimits
from servicekit.ports import Chance, Clock, GroupReader, LogAwayError, LogFactory, Partition, Record
from servicekit.reactions import Delivery, PartitionProcessor, Reactions, ReactionsProcessor
from servicekit.telemetry import Telemetry, log

__all__ = ["ConsumerLimits", "ConsumerLoop", "Delivery", "PartitionProcessor", "Reactions", "ReactionsProcessor"]

LOG: Final = log("consume")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerLimits:
    """The bounds of a ConsumerLoop; `lane` holds those of one partition's work."""

    read_records_max: int = 500
    read_seconds_max: float = 0.5
    commit_seconds: float = 1.0
    probe_seconds: float = 15.0
    reopen_seconds_max: float = 2.0
    stuck_seconds: float = 60.0
    lane: LaneLimits = field(default_factory=LaneLimits)


class ConsumerLoop:
    """A Loop that reads topics as a member of a group and lets `processor` handle every record in order.

    `trouble` knows three ways in which a Kafka client gets stuck without saying so: the loop does not turn, a rebalance
    does not end, records lie in a partition that does not move (reliability.md section 1.1).
    """

    def __init__(
        self,
        *,
        group: str,
        topics: Sequence[str],
        processor: PartitionProcessor,
        log: LogFactory,
        clock: Clock,
        chance: Chance,
        telemetry: Telemetry,
        limits: ConsumerLimits = ConsumerLimits(),
    ) -> None:
        self.name = f"consumer {group}"
        self._group = group
        self._topics = tuple(topics)
        self._processor = processor
        self._log = log
        self._clock = clock
        self._chance = chance
        self._telemetry = telemetry
        self._limits = limits
        self._dead_letters = DeadLetters(group, log, clock, telemetry)
        self._lanes: dict[Partition, Lane] = {}
        self._watch = _Watch(limits.stuck_seconds)
        self._committed_at = 0.0
        self._probed_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; then finish the batches in flight, commit and leave the group."""
        while not stop.is_set():
            try:
                await self._consume(stop)
            except LogAwayError:
                self._watch.forget()
                LOG.warning("log_away", extra={"group": self._group})
                await self._clock.sleep(self._chance.uniform(0, self._limits.reopen_seconds_max))

    def trouble(self) -> str | None:
        """Why this consumer is stuck, or none. A backend that is away is no trouble: restarting would not help."""
        return self._watch.trouble()

    def assigned(self, reader: GroupReader, starts: Mapping[Partition, int]) -> None:
        """GroupMember: a lane for each partition."""
        for partition, start in starts.items():
            self._lanes[partition] = Lane(
                partition,
                start,
                processor=self._processor,
                reader=reader,
                dead_letters=self._dead_letters,
                chance=self._chance,
                telemetry=self._telemetry,
                limits=self._limits.lane,
            )
        self._watch.settled()
        LOG.info("partitions_assigned", extra={"group": self._group, "partitions": len(starts)})

    async def revoked(self, reader: GroupReader, partitions: Collection[Partition]) -> None:
        """GroupMember: finish the batches in flight, commit what is done."""
        self._watch.rebalancing()
        lanes = [self._lanes.pop(partition) for partition in partitions if partition in self._lanes]
        if not lanes:
            return
        await asyncio.gather(*(lane.close() for lane in lanes))
        await self._commit(reader, lanes)
        LOG.info("partitions_revoked", extra={"group": self._group, "partitions": len(lanes)})

    async def _consume(self, stop: asyncio.Event) -> None:
        self._watch.rebalancing()
        async with self._log.group(self._group, self._topics, self) as reader:
            try:
                while not stop.is_set():
                    self._watch.turned()
                    records = await reader.read(
                        records_max=self._limits.read_records_max, timeout_seconds=self._limits.read_seconds_max
                    )
                    self._feed(records)
                    self._raise_failures()
                    await self._now_and_then(reader)
            except asyncio.CancelledError:
                self._abandon()
                raise
            finally:
                await self.revoked(reader, tuple(self._lanes))

    def _abandon(self) -> None:
        """Cut short, as by a crash: nothing is finished and nothing committed."""
        for lane in self._lanes.values():
            lane.cancel()
        self._lanes.clear()

    def _feed(self, records: Sequence[Record]) -> None:
        for partition, run in groupby(records, key=lambda record: record.at):
            lane = self._lanes.get(partition)
            if lane is not None:
                lane.feed(list(run))

    def _raise_failures(self) -> None:
        for lane in self._lanes.values():
            lane.raise_failure()

    async def _now_and_then(self, reader: GroupReader) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._committed_at >= self._limits.commit_seconds:
            self._committed_at = now
            await self._commit(reader, self._lanes.values())
        if now - self._probed_at >= self._limits.probe_seconds:
            self._probed_at = now
            self._measure(await reader.ends())

    async def _commit(self, reader: GroupReader, lanes: Collection[Lane]) -> None:
        moved = [(lane, offset) for lane in lanes if (offset := lane.uncommitted) is not None]
        if moved and await reader.commit({lane.partition: offset for lane, offset in moved}):
            for lane, offset in moved:
                lane.committed(offset)

    def _measure(self, ends: Mapping[Partition, int]) -> None:
        for partition, end in ends.items():
            lane = self._lanes.get(partition)
            if lane is None:
                continue
            self._telemetry.lag_records.labels(self._group, partition.topic, partition.number).set(end - lane.position)
            self._watch.looked(partition, behind=end > lane.position, idle=lane.idle, position=lane.position)


class _Watch:
    """Remembers since when each sign of being stuck has been there, in seconds of the event loop."""

    def __init__(self, stuck_seconds: float) -> None:
        self._stuck_seconds = stuck_seconds
        self._since: dict[str, float] = {}
        self._positions: dict[Partition, int] = {}

    def turned(self) -> None:
        self._since["the consumer loop does not turn"] = _now()

    def forget(self) -> None:
        """The brokers are away: no fault of this process, and a restart would not bring them back."""
        self._since.clear()

    def rebalancing(self) -> None:
        self._since.setdefault("the group's rebalance does not end", _now())

    def settled(self) -> None:
        self._since.pop("the group's rebalance does not end", None)

    def looked(self, partition: Partition, *, behind: bool, idle: bool, position: int) -> None:
        sign = f"{partition.topic}[{partition.number}] has records that are not read"
        moved = self._positions.get(partition) != position
        self._positions[partition] = position
        if behind and idle and not moved:
            self._since.setdefault(sign, _now())
        else:
            self._since.pop(sign, None)

    def trouble(self) -> str | None:
        limit = _now() - self._stuck_seconds
        return next((sign for sign, since in self._since.items() if since < limit), None)


def _now() -> float:
    return asyncio.get_running_loop().time()
