"""A whole voice gateway for stories: owners, one simulated node with phones, a log, a store, and a small router that
hears and tells by the log alone."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from contracts.topics import CONFIG, INTERACTIONS, MESSAGES, ROUTING_EVENTS, ROUTING_INPUTS
from servicekit.outbox import OutboxRelay
from servicekit.ports import (
    AppendUnknownError,
    GroupMember,
    GroupReader,
    LogAdmin,
    LogAwayError,
    LogReader,
    LogWriter,
    Outgoing,
    Partition,
    Record,
)
from servicekit.run import Shell
from servicekit.store import Outbox
from servicekit.testing.memory_log import MemoryLog

from voice_gateway.domain.driver import Driver, Sink
from voice_gateway.domain.events import Event as NodeEvent
from voice_gateway.domain.words import Party
from voice_gateway.drivers.simulated import SimulatedDriver
from voice_gateway.metrics import VoiceInstruments
from voice_gateway.owner import Owner, OwnerParts
from voice_gateway.resolving import VoiceDirectory, endpoint_of
from voice_gateway.settings import VoiceNode
from voice_gateway.store import VoiceStore
from voice_gateway.testing.owning import ADA, NUMBER, TENANT, configured
from voice_gateway.testing.router_beside import RouterBeside

CALLER = "+393331234567"
PHONE = endpoint_of(TENANT, ADA)


class SwitchedLog:
    """A LogFactory that can be away; whoever writes then does not know what became of it."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.away = False

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncGenerator[LogWriter]:
        """See LogFactory."""
        self.check()
        async with self._log.writer(name) as writer:
            yield _SwitchedWriter(self, writer)

    @asynccontextmanager
    async def reader(self, name: str) -> AsyncGenerator[LogReader]:
        """See LogFactory."""
        self.check()
        async with self._log.reader(name) as reader:
            yield _SwitchedReader(self, reader)

    @asynccontextmanager
    async def admin(self) -> AsyncGenerator[LogAdmin]:
        """See LogFactory."""
        self.check()
        yield self._log

    def group(self, group: str, topics: Sequence[str], member: GroupMember) -> AbstractAsyncContextManager[GroupReader]:
        """See LogFactory."""
        return self._log.group(group, topics, member)

    def check(self) -> None:
        """Raises LogAwayError."""
        if self.away:
            raise LogAwayError("the log is away")


class _SwitchedWriter:
    def __init__(self, log: SwitchedLog, writer: LogWriter) -> None:
        self._log = log
        self._writer = writer

    async def send(self, outgoing: Outgoing) -> Awaitable[Record]:
        if self._log.away:
            raise AppendUnknownError("the log is away")
        return await self._writer.send(outgoing)

    async def append(self, outgoing: Outgoing) -> Record:
        return await (await self.send(outgoing))

    async def append_all(self, outgoing: Sequence[Outgoing]) -> None:
        for each in outgoing:
            await self.append(each)


class _SwitchedReader:
    def __init__(self, log: SwitchedLog, reader: LogReader) -> None:
        self._log = log
        self._reader = reader

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        self._log.check()
        return await self._reader.bounds(partition)

    async def assign(self, positions: Mapping[Partition, int]) -> None:
        await self._reader.assign(positions)

    async def read(self, *, records_max: int, timeout_seconds: float) -> Sequence[Record]:
        records = await self._reader.read(records_max=records_max, timeout_seconds=timeout_seconds)
        self._log.check()
        return records


class Plug:
    """The Sink of a node that outlives its owners; what nobody hears is lost to them, and stands in `missed`."""

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.missed: list[NodeEvent] = []

    def tell(self, event: NodeEvent) -> None:
        """See Sink."""
        if self.sink is not None:
            self.sink.tell(event)
        else:
            self.missed.append(event)


class House(RouterBeside):
    """See the module."""

    def __init__(self, shell: Shell, store: VoiceStore, outbox: Outbox, *, node: VoiceNode | None = None) -> None:
        super().__init__(shell)
        self.store = store
        self.outbox = outbox
        self.directory: VoiceDirectory = configured()
        self.node = node or VoiceNode(name="n1", driver="simulated")
        self.plug = Plug()
        self.driver = SimulatedDriver("n1", self.plug, shell.clock)
        self.phones = self.driver.phones
        self.instruments = VoiceInstruments(shell.telemetry)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self.phones.behave(PHONE, "answers")

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator["House"]:
        """The node, the relay and the router run."""
        shell = self.shell
        relay = OutboxRelay(
            self.outbox, log=shell.log, clock=shell.clock, chance=shell.chance, telemetry=shell.telemetry
        )
        runs = [self.driver.run(self._stop), relay.run(self._stop), self.hear(), self.tell()]
        self._tasks = [asyncio.create_task(each) for each in runs]
        try:
            yield self
        finally:
            self._stop.set()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def owner(self, *, lease_seconds: float = 3.0, changes_max: int = 1000) -> Owner:
        """One replica's."""
        parts = OwnerParts(
            store=self.store,
            directory=self.directory,
            shell=self.shell,
            open_driver=self._plugged,
            instruments=self.instruments,
            lease_seconds=lease_seconds,
            changes_max=changes_max,
        )
        return Owner(self.node, parts, is_outbound=True)

    @asynccontextmanager
    async def _plugged(self, node: VoiceNode, sink: Sink) -> AsyncGenerator[Driver]:
        self.plug.sink = sink
        try:
            yield self.driver
        finally:
            if self.plug.sink is sink:
                self.plug.sink = None

    def call_in(self, caller: str = CALLER, number: str = NUMBER) -> None:
        """A customer dials our number."""
        self.phones.call(caller, number, Party(number=caller))

    def talk(self, caller: str = CALLER) -> bool:
        """Customer and agent hear one another."""
        return PHONE in self.phones.hears(caller) and caller in self.phones.hears(PHONE)


TOPICS = {
    CONFIG.name: 1,
    INTERACTIONS.name: 4,
    MESSAGES.name: 4,
    ROUTING_INPUTS.name: 4,
    ROUTING_EVENTS.name: 4,
}
"""Of a log in memory, beside the commands."""
