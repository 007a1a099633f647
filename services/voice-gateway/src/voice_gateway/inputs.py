"""What the owner of a node reads from Kafka: routing events and agents' commands, by assignment, from its positions.

There is no group: every owner reads all of it, and passes over what is about calls of other nodes. Where it goes on is
kept with the effects, in the same transaction (`Commits`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts import Event, MalformedEventError
from contracts.registry import BY_DATA
from contracts.tasks import TaskAssigned
from contracts.topics import COMMANDS_VOICE, ROUTING_EVENTS
from servicekit.ports import Chance, Clock, LogFactory, LogReader, OffsetGoneError, Partition, Record
from servicekit.reactions import BACKEND_AWAY, read_event
from servicekit.store import Position, wait_for_event
from servicekit.telemetry import log

from voice_gateway.store import KeptCall

LOG: Final = log("inputs")
CHANNEL: Final = "voice"
FENCE_WAIT_MS: Final = 5_000
"""A command that is ahead of the routing events waits for them so long."""
HELD_MAX: Final = 5_000
READ_MAX: Final = 500
READ_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 0.05
PAUSE_SECONDS: Final = (0.2, 2.0)
TOPICS: Final = (ROUTING_EVENTS, COMMANDS_VOICE)
Find = Callable[[str, str], Awaitable[KeptCall | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An event as it came. `event` none: it is nothing to us, and only moves the position."""

    record: Record
    event: Event | None
    read_at_ms: int
    kept: KeptCall | None = None
    """The call as it was kept, of an event that may be about one that is over."""
    may_be_over: bool = False
    """It may be about one; none was found, if `kept` is none."""


class Inputs:
    """See the module. `positions` say what was taken (`take`); `news` is set when something came."""

    def __init__(  # noqa: PLR0913 - its parts, each by name
        self,
        name: str,
        log: LogFactory,
        positions: Mapping[Partition, Position],
        *,
        wanted: Callable[[str], bool],
        find: Find,
        partition_of: Callable[[str, str], int | None],
        news: asyncio.Event,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._name = name
        self._log = log
        self._wanted = wanted
        self._find = find
        self._partition_of = partition_of
        self._news = news
        self._clock = clock
        self._chance = chance
        self._read: dict[Partition, deque[Input]] = {}
        self._room = asyncio.Event()
        self._is_gone = False
        """What was to be read next was deleted."""
        self.positions: dict[Partition, Position] = dict(positions)
        self.is_held_up = False
        """Take no more for now."""

    def take(self, inputs_max: int) -> Iterator[Input]:
        """The next ones in their order in each partition, routing events first; a command that is ahead of them, and
        what comes behind it, stays for a time."""
        left = inputs_max
        for partition, line in sorted(self._read.items(), key=lambda item: item[0].topic != ROUTING_EVENTS.name):
            while line and left and not self._waits(line[0]):
                taken = line.popleft()
                if self._moved(partition, taken):
                    left -= 1
                    yield taken
        if self._held < HELD_MAX:
            self._room.set()

    async def run(self) -> None:
        """Read on for ever. Kafka away: what was read is taken, and it goes on behind that."""
        while True:
            try:
                await self._follow()
            except OffsetGoneError:
                LOG.exception("inputs_offset_gone", extra={"reader": self._name})
                self._is_gone = True
            except BACKEND_AWAY as error:
                LOG.warning("inputs_away", extra={"reader": self._name, "error": type(error).__name__})
                await self._clock.sleep(self._chance.uniform(*PAUSE_SECONDS))

    async def _follow(self) -> None:
        async with self._log.reader(self._name) as reader:
            starts = await self._starts(reader)
            self._read = {partition: deque() for partition in starts}
            await reader.assign(starts)
            while True:
                await self._until_room()
                records = await reader.read(records_max=READ_MAX, timeout_seconds=READ_SECONDS)
                for record in records:
                    self._read[record.at].append(await self._input(record))
                if records:
                    self._news.set()

    async def _starts(self, reader: LogReader) -> dict[Partition, int]:
        """Behind what was taken; a node that was never run begins with what comes from now on."""
        starts = {}
        async with self._log.admin() as admin:
            partitions = [
                Partition(topic.name, number)
                for topic in TOPICS
                for number in range(await admin.partitions_of(topic.name))
            ]
        for partition in partitions:
            kept = self.positions.get(partition)
            if kept is None or self._is_gone:
                first, end = await reader.bounds(partition)
                next_offset = end if kept is None else max(first, kept.next_offset)
                kept = self.positions[partition] = Position(next_offset, kept.sequence if kept else None)
            starts[partition] = kept.next_offset
        self._is_gone = False
        return starts

    async def _until_room(self) -> None:
        while self.is_held_up or self._held >= HELD_MAX:
            self._room.clear()
            await wait_for_event(self._room, timeout_seconds=READ_SECONDS)

    @property
    def _held(self) -> int:
        return sum(len(line) for line in self._read.values())

    async def _input(self, record: Record) -> Input:
        now_ms = self._clock.now_ms()
        try:
            event = read_event(record, lambda name: self._wanted(name) or None)
        except MalformedEventError:
            LOG.exception("input_malformed", extra={"topic": record.topic, "offset": record.offset})
            event = None
        data: Any = event.data if event else None
        if event is None or not _may_be_over(data):
            return Input(record=record, event=event, read_at_ms=now_ms)
        kept = await self._find(event.tenant_id, data.interaction_id)
        return Input(record=record, event=event, read_at_ms=now_ms, kept=kept, may_be_over=True)

    def _waits(self, first: Input) -> bool:
        """Whether routing events are to be read first, as far as the agent had seen."""
        data: Any = first.event.data if first.event else None
        sequence = getattr(data, "assignment_sequence", None)
        if not first.event or sequence is None or self._clock.now_ms() - first.read_at_ms >= FENCE_WAIT_MS:
            return False
        number = self._partition_of(first.event.tenant_id, data.domain)
        read = self.positions.get(Partition(ROUTING_EVENTS.name, number)) if number is not None else None
        return read is None or read.sequence is None or read.sequence < sequence

    def _moved(self, partition: Partition, taken: Input) -> bool:
        """Go behind it; whether it counts (consumers' rule, design.md section 3.6)."""
        before = self.positions[partition]
        sequence = taken.event.sequence if taken.event and partition.topic == ROUTING_EVENTS.name else None
        fresh = sequence is None or before.sequence is None or sequence > before.sequence
        self.positions[partition] = Position(
            taken.record.offset + 1, sequence if fresh and sequence is not None else before.sequence
        )
        return fresh and taken.event is not None


def _may_be_over(data: Any) -> bool:  # Any: data of any event
    """Whether it may be about a call that is over: one that is to be made once more, or what somebody asks for."""
    if hasattr(data, "command_id") and BY_DATA[type(data)].topic == COMMANDS_VOICE:
        return True
    return isinstance(data, TaskAssigned) and data.channel == CHANNEL and data.kind in ("callback", "dial")
