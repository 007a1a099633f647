"""One epoch of one partition: its parts, wired. Ends by `stop` or by the first failure of any part."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from servicekit.dead_letters import DeadLetters
from servicekit.ports import Chance, Clock, Ids, LogFactory, LogWriter
from servicekit.shared_log import SharedReader, SharedWriter
from servicekit.telemetry import Telemetry, log

from router.domain.decide import decide
from router.domain.facts import Fact
from router.engine.configuration import Configuration
from router.engine.deciding import Decide, Decider, Sealed
from router.engine.inbox import Given, Inbox
from router.engine.inputs import GROUP, Failures, InputReader
from router.engine.journal import JournalFold
from router.engine.live import EngineLive
from router.engine.metrics import EngineMetrics
from router.engine.pipeline import JournalPipeline
from router.engine.presence import PresenceWatch
from router.engine.projection import Projection
from router.engine.publisher import Publisher
from router.engine.questions import Questions
from router.engine.snapshots import SnapshotFailedError, SnapshotMaker
from router.engine.views import all_views
from router.settings import EngineSettings

LOG: Final = log("engine.reign")
INBOX_MAX: Final = 1000
DRAIN_SECONDS: Final = 5.0
SNAPSHOT_LOOK_SECONDS: Final = 5.0
SNAPSHOT_PAUSE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What an engine works with; a simulated story gives fakes."""

    settings: EngineSettings
    log: LogFactory
    live: EngineLive
    clock: Clock
    ids: Ids
    chance: Chance
    inputs: SharedReader
    journal: SharedWriter
    events: SharedWriter
    forwards: SharedWriter
    configuration: Configuration
    snapshots: SnapshotMaker
    metrics: EngineMetrics
    telemetry: Telemetry
    decide: Decide = decide
    one_snapshot: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever makes a snapshot holds it: each takes memory for a whole state, beside those of all partitions."""


class Reign:
    """The owner's work from the fold up to its epoch record onwards."""

    def __init__(self, world: World, partition: int, fold: JournalFold, writer: LogWriter, failures: Failures) -> None:
        self._world = world
        self._partition = partition
        self._next_inputs = dict(fold.next_inputs)
        self._unpublished = tuple(fold.unpublished)
        self._snapshot_at = max((named.offset for named in fold.state.snapshots), default=0)
        self._failures = failures
        self._inbox: Inbox = asyncio.Queue(maxsize=INBOX_MAX)
        clock, chance = world.clock, world.chance
        self.publisher = Publisher(
            world.events, partition, fold.watermark, clock=clock, chance=chance, telemetry=world.telemetry
        )
        self.projection = Projection(
            world.live,
            f"{fold.generation:04d}-{fold.epoch:015d}",
            fold.epoch,
            all_views(fold.state, fold.sequences),
            clock,
            chance,
        )
        self.pipeline = JournalPipeline(writer, partition, fold.epoch)
        self.decider = Decider(
            fold,
            clock,
            watermark=lambda: self.publisher.watermark,
            decide=world.decide,
            telemetry=world.telemetry,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Own the partition until `stop`, then let out what is decided. Raises an ExceptionGroup on any failure."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            inputs = await self._inputs(stack)
            presence = PresenceWatch(self._world.live, self._world.clock, lambda: self.decider.state)
            duties = [
                group.create_task(duty)
                for duty in (
                    self.pipeline.append(),
                    self.pipeline.confirm(self._deliver),
                    self.publisher.run(self._unpublished),
                    self.projection.run(),
                    self._make_snapshots(),
                    presence.run(self._inbox),
                    Questions(self._world.live, self._world.clock, lambda: self.decider.state).run(),
                    inputs.run(self._inbox, self._next_inputs),
                )
            ]
            while not stop.is_set():
                sealed = await self.decider.next_batch(self._inbox)
                if sealed is not None:
                    await self.pipeline.put(sealed)
            await self._drain()
            for duty in duties:
                duty.cancel()

    def waiting_inputs(self) -> int:
        """Inputs that are read and not decided yet."""
        return self._inbox.qsize()

    def stuck_since_ms(self) -> int:
        """When deciding last went round."""
        return self.decider.turned_at_ms

    async def _inputs(self, stack: AsyncExitStack) -> InputReader:
        world, partition = self._world, self._partition
        return InputReader(
            partition=partition,
            reader=await stack.enter_async_context(world.inputs.open()),
            forwards=await stack.enter_async_context(world.forwards.open()),
            dead_letters=DeadLetters(GROUP, world.log, world.clock, world.telemetry),
            configuration=world.configuration,
            state=lambda: self.decider.state,
            failures=self._failures,
        )

    async def _deliver(self, sealed: Sealed) -> None:
        """A batch is confirmed: only now may anything of it be seen outside."""
        self.projection.advance(sealed.confirmed.offset, sealed.views)
        await self.publisher.put(sealed.confirmed)
        self._world.metrics.confirmed(str(self._partition), sealed, self._world.clock.now_ms())

    async def _make_snapshots(self) -> None:
        """Whenever enough is published since the last good one. Never beyond what is published."""
        metrics, label = self._world.metrics, str(self._partition)
        while True:
            await self._world.clock.sleep(SNAPSHOT_LOOK_SECONDS)
            if not self._snapshot_due():
                continue
            try:
                async with self._world.one_snapshot:  # other partitions' come first, each within its bound
                    upto = self.publisher.watermark
                    named = await self._world.snapshots.make(self._partition, upto)
            except SnapshotFailedError as error:
                LOG.warning("snapshot_failed", extra={"partition": self._partition, "reason": str(error)})
                metrics.snapshots.labels(label, "failed").inc()
                await self._world.clock.sleep(SNAPSHOT_PAUSE_SECONDS)
                continue
            await self._inbox.put(Given(fact=Fact("", named)))
            self._snapshot_at = upto
            metrics.snapshots.labels(label, "named").inc()

    def _snapshot_due(self) -> bool:
        return self.publisher.watermark - self._snapshot_at >= self._world.settings.snapshot_every_records

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.pipeline.drained()
                await self.publisher.drained()
        except TimeoutError:
            # The next owner publishes it: nothing is lost.
            LOG.warning("drain_cut_short", extra={"partition": self._partition})
