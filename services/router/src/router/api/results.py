"""What every replica reads of `routing.events` for itself: results of commands, and alerts."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from contracts import MalformedEventError, UnknownTypeError, decode
from contracts.agents import CommandResult
from contracts.queues import AlertChanged
from contracts.registry import BY_DATA
from contracts.topics import ROUTING_EVENTS
from servicekit.ports import Chance, Clock, LogAwayError, LogFactory, LogReader, OffsetGoneError, Partition, Record
from servicekit.telemetry import log

from router.api.alerts import AlertNews

LOG: Final = log("router.api.results")
RESULTS_MAX: Final = 10_000
READ_RECORDS_MAX: Final = 500
READ_SECONDS_MAX: Final = 0.5
STUCK_SECONDS: Final = 60.0
PAUSE_SECONDS_MAX: Final = 2.0
_READ: Final = frozenset({None, *(BY_DATA[data].name.encode() for data in (CommandResult, AlertChanged))})
"""Types of event; none where the header does not say it."""

Key = tuple[str, str]


class Results:
    """The newest RESULTS_MAX results seen by this replica, and who waits for the next."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, CommandResult] = OrderedDict()
        self._waiting: dict[Key, list[asyncio.Future[CommandResult]]] = {}

    def known(self, tenant_id: str, command_id: str) -> CommandResult | None:
        """The result, if it was read here."""
        return self._known.get((tenant_id, command_id))

    @contextmanager
    def expected(self, tenant_id: str, command_id: str) -> Iterator[asyncio.Future[CommandResult]]:
        """The next result of this command that is read; begin before the command is appended."""
        key = (tenant_id, command_id)
        future: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        try:
            yield future
        finally:
            future.cancel()
            waiting = self._waiting[key]
            waiting.remove(future)
            if not waiting:
                del self._waiting[key]

    def add(self, tenant_id: str, result: CommandResult) -> None:
        """A result was read."""
        key = (tenant_id, result.command_id)
        self._known[key] = result
        self._known.move_to_end(key)
        if len(self._known) > RESULTS_MAX:
            self._known.popitem(last=False)
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(result)


class ResultsLoop:
    """A Loop: reads every partition of `routing.events` from its end, without a group."""

    name = "command results"

    def __init__(
        self,
        log: LogFactory,
        results: Results,
        alerts: AlertNews,
        *,
        partitions: int,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._log = log
        self._results = results
        self._alerts = alerts
        self._partitions = [Partition(ROUTING_EVENTS.name, number) for number in range(partitions)]
        self._clock = clock
        self._chance = chance
        self._turned_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`; results that are written while Kafka is away from here are told to a retry only, and the
        live view alone shows alerts that are raised meanwhile."""
        while not stop.is_set():
            try:
                await self._follow(stop)
            except LogAwayError:
                self._turned_at = None  # no fault of this process, and a restart would not bring Kafka back
                LOG.warning("log_away")
                await self._clock.sleep(self._chance.uniform(0, PAUSE_SECONDS_MAX))

    def trouble(self) -> str | None:
        """Why the duty is stuck, or none."""
        if self._turned_at is None or asyncio.get_running_loop().time() - self._turned_at < STUCK_SECONDS:
            return None
        return "results of commands are not read"

    async def _follow(self, stop: asyncio.Event) -> None:
        async with self._log.reader("router-api-results") as reader:
            await self._go_to_the_end(reader)
            while not stop.is_set():
                self._turned_at = asyncio.get_running_loop().time()
                try:
                    records = await reader.read(records_max=READ_RECORDS_MAX, timeout_seconds=READ_SECONDS_MAX)
                except OffsetGoneError:
                    await self._go_to_the_end(reader)
                    continue
                for record in records:
                    self._take(record)

    async def _go_to_the_end(self, reader: LogReader) -> None:
        await reader.assign({partition: (await reader.bounds(partition))[1] for partition in self._partitions})

    def _take(self, record: Record) -> None:
        if dict(record.headers).get("ce_type") not in _READ:
            return
        try:
            event = decode(record.value, record.headers)
        except (MalformedEventError, UnknownTypeError):
            return  # the consumer group parks it
        if isinstance(event.data, CommandResult):
            self._results.add(event.tenant_id, event.data)
        elif isinstance(event.data, AlertChanged):
            self._alerts.changed(event, record.partition)
