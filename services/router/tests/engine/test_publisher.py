"""Publishing to `routing.events`: in order, nothing passed over, few and large appends, bounded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

import pytest
from contracts.tasks import TaskQueued
from contracts.topics import ROUTING_EVENTS, ROUTING_JOURNAL, ROUTING_SNAPSHOTS
from router.domain.facts import Fact
from router.engine.journal import BatchRecord, Confirmed, confirmed, journaled
from router.engine.publisher import BATCHES_MAX, BEHIND_BATCHES_MAX, Publisher
from router.engine.story import open_story
from router.engine.testing import engine_topics
from router.engine.traces import Traces
from router.settings import EngineSettings
from servicekit.ports import LogWriter, Outgoing, Record
from servicekit.shared_log import SharedWriter
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual
from typing_extensions import override


def batch(offset: int) -> Confirmed:
    queued = TaskQueued(
        task_id=f"t{offset}",
        interaction_id=f"i{offset}",
        domain="d",
        client="c",
        channel="webchat",
        queue="q",
        priority=5,
        cost=1,
        requirements=(),
        queued_at_ms=1,
    )
    facts = [Fact("acme", queued)]
    record = BatchRecord(
        epoch=0,
        number=offset,
        causes=(),
        now=1,
        facts=tuple(journaled(facts)),
        origins=((1, None, None),),
        published=0,
    )
    return confirmed(facts, record, Traces(), 1, offset)


def publisher(log: MemoryLog) -> Publisher:
    return Publisher(SharedWriter(log, "events"), 0, 0, clock=VirtualClock(), chance=SeededChance(0))


def test_nothing_is_passed_over_and_the_watermark_waits_while_an_event_is_not_confirmed() -> None:
    async def telling() -> None:
        log = MemoryLog(engine_topics(1), delivery_timeout_seconds=1, faults=Faults(lost=1.0))
        publishing = publisher(log)
        task = asyncio.create_task(publishing.run((batch(1), batch(2))))
        await asyncio.sleep(60)
        stuck_at = publishing.watermark
        log.faults = Faults()
        await asyncio.sleep(60)
        task.cancel()

        assert stuck_at == 0
        assert publishing.watermark == 3
        keys = [record.key for record in log.records(ROUTING_EVENTS.name)]
        assert list(dict.fromkeys(keys)) == [b"t1", b"t2"]

    run_virtual(telling())


async def test_what_comes_while_an_append_is_under_way_is_published_by_the_next_one() -> None:
    slow = Slow()
    publishing = Publisher(SharedWriter(slow, "events"), 0, 0, clock=VirtualClock(), chance=SeededChance(0))
    task = asyncio.create_task(publishing.run(()))
    await publishing.put(batch(1))
    await asyncio.wait_for(slow.begun.wait(), 5)
    for offset in range(2, 2 + BATCHES_MAX):
        await publishing.put(batch(offset))
    slow.answers.set()
    await asyncio.wait_for(publishing.drained(), 5)
    task.cancel()

    assert slow.appends == [[b"t1"], [b"t%d" % offset for offset in range(2, 2 + BATCHES_MAX)]]
    assert publishing.watermark == 2 + BATCHES_MAX


async def test_publishing_that_is_stuck_beyond_its_bound_holds_deciding_back() -> None:
    publishing = publisher(MemoryLog(engine_topics(1)))
    for offset in range(BEHIND_BATCHES_MAX):
        await publishing.put(batch(offset))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await publishing.put(batch(BEHIND_BATCHES_MAX))


class EventsAway(MemoryLog):
    """Never answers who writes routing events."""

    @override
    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[LogWriter]:
        async with super().writer(name) as writer:
            yield Silent() if name == "events" else writer


class Slow(MemoryLog):
    """Its writers note what is appended at once, and wait for `answers`."""

    def __init__(self) -> None:
        super().__init__(engine_topics(1))
        self.begun, self.answers = asyncio.Event(), asyncio.Event()
        self.appends: list[list[bytes | None]] = []

    @override
    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator[LogWriter]:
        yield Noting(self)


class Silent:
    """A writer whose appends take for ever."""

    async def append(self, outgoing: Outgoing) -> Record:
        return await asyncio.Future()

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        await asyncio.Future()

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        return asyncio.Future()


class Noting(Silent):
    """A writer of Slow."""

    def __init__(self, log: Slow) -> None:
        self._log = log

    @override
    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        self._log.begun.set()
        self._log.appends.append([each.key for each in outgoing])
        await self._log.answers.wait()


def test_no_snapshot_is_made_of_what_is_not_published() -> None:
    async def telling() -> None:
        async with open_story() as story:
            story.settings = EngineSettings(domain_partitions=1, snapshot_every_records=10)
            away = EventsAway(engine_topics(1), clock=story.clock)
            away.partitions = story.log.partitions
            await story.configure(agents={})
            engine = story.start_engine(log=away)
            await eventually(lambda: engine.owner.reign is not None)
            for number in range(40):
                await story.customer_arrives(f"i{number}")
                await story.clock.sleep(1)

            assert len(story.log.records(ROUTING_JOURNAL.name)) > 30
            assert story.log.records(ROUTING_SNAPSHOTS.name) == []

    run_virtual(telling())
