"""The API while Kafka is away: callers are told at once, and it goes on by itself."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager

from contracts import Event
from contracts.agents import CommandResult
from contracts.commands import AcceptOffer
from contracts.topics import ROUTING_EVENTS, ROUTING_INPUTS
from router.api.alerts import AlertNews
from router.api.command_log import CommandLog
from router.api.results import Results, ResultsLoop
from router.api.testing import TOPIC_PARTITIONS, append
from servicekit.ports import AppendUnknownError, LogAwayError, LogReader, LogWriter
from servicekit.system import SystemChance, SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import Faults, MemoryLog
from servicekit.testing.virtual import run_virtual
from typing_extensions import override

ACCEPT = AcceptOffer(command_id="c1", domain="d", agent_id="ann", offer_id="o1")
COMMAND = Event(id="c1", source="/test", tenant_id="t", subject="ann", time_ms=0, data=ACCEPT)
DONE = CommandResult(
    command_id="c1", domain="d", agent_id="ann", outcome="done", refusal=None, decided_at_ms=0, assignment_id=None
)
RESULT = Event(id="e1", source="/test", tenant_id="t", subject="ann", time_ms=0, data=DONE, sequence="1")


class AwayLog(MemoryLog):
    """A log that cannot be reached the first time, and says so when it is told to."""

    def __init__(self) -> None:
        super().__init__(TOPIC_PARTITIONS)
        self.asked = 0
        self.say_so = asyncio.Event()

    @override
    @asynccontextmanager
    async def writer(self, name: str) -> AsyncGenerator[LogWriter]:
        await self._reach()
        async with super().writer(name) as writer:
            yield writer

    @override
    @asynccontextmanager
    async def reader(self, name: str) -> AsyncGenerator[LogReader]:
        await self._reach()
        async with super().reader(name) as reader:
            yield reader

    async def _reach(self) -> None:
        self.asked += 1
        if self.asked == 1:
            await asyncio.wait_for(self.say_so.wait(), 5)
            raise LogAwayError("away")


class CountingLog(MemoryLog):
    """Knows how many of its writers are open."""

    open = 0

    @override
    @asynccontextmanager
    async def writer(self, name: str) -> AsyncGenerator[LogWriter]:
        self.open += 1
        try:
            async with super().writer(name) as writer:
                yield writer
        finally:
            self.open -= 1


async def unknown(appending: Awaitable[None]) -> bool:
    """Whether nobody can say what became of it."""
    try:
        await appending
    except AppendUnknownError:
        return True
    return False


async def test_commands_do_not_wait_for_the_log_one_after_another() -> None:
    log = AwayLog()
    async with CommandLog(log) as commands:
        together = [asyncio.create_task(commands.append(COMMAND, key="ann", partition=0)) for _ in range(5)]
        await eventually(lambda: log.asked)
        log.say_so.set()
        outcomes = await asyncio.gather(*together, return_exceptions=True)
        asked = log.asked
        await commands.append(COMMAND, key="ann", partition=0)

    assert [type(outcome) for outcome in outcomes] == [LogAwayError] * 5
    assert asked == 1
    assert len(log.records(ROUTING_INPUTS.name)) == 1


def test_commands_under_way_to_other_partitions_are_not_unknown_when_one_is() -> None:
    async def story() -> None:
        log = CountingLog(TOPIC_PARTITIONS, delivery_timeout_seconds=3)
        async with CommandLog(log) as commands, asyncio.TaskGroup() as group:
            log.faults = Faults(lost=1.0)
            lost = group.create_task(unknown(commands.append(COMMAND, key="ann", partition=0)))
            await log.clock.sleep(1.5)
            log.faults = Faults(slow=1.0, late_seconds_max=2.9)
            others = [group.create_task(commands.append(COMMAND, key="ann", partition=1)) for _ in range(20)]
            await lost
            under_way = sum(not each.done() for each in others)
            log.faults = Faults()
            await commands.append(COMMAND, key="ann", partition=0)
            open_meanwhile = log.open
            await asyncio.gather(*others)
            open_in_the_end = log.open

        assert under_way > 0
        assert lost.result()
        assert (open_meanwhile, open_in_the_end, log.open) == (2, 1, 0)

    run_virtual(story())


async def test_results_are_read_again_once_the_log_is_back() -> None:
    log, results, stop = AwayLog(), Results(), asyncio.Event()
    log.say_so.set()
    loop = ResultsLoop(log, results, AlertNews(), partitions=1, clock=SystemClock(), chance=SystemChance())
    reading = asyncio.create_task(loop.run(stop))

    async def told() -> CommandResult | None:
        async with MemoryLog.writer(log, "engine") as writer:
            await append(writer, RESULT, key="ann", partition=0)
        return results.known("t", "c1")

    found = await eventually(told, timeout_seconds=10)
    stop.set()
    await asyncio.wait_for(reading, 5)

    assert found == DONE
    assert log.records(ROUTING_EVENTS.name)
