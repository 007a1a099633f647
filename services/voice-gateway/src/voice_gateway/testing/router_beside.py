"""The router beside a gateway, of which it hears and to which it tells by the log alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any  # Any: an event of any type

from contracts import Event, decode, encode
from contracts.configuration_records import ConfigurationPart, ConfigurationRecord
from contracts.interactions import InteractionStarted
from contracts.topics import INTERACTIONS, MESSAGES, ROUTING_INPUTS
from servicekit.ports import LogAwayError, Outgoing, Partition
from servicekit.run import Shell

from voice_gateway.testing.owning import TENANT, configuration
from voice_gateway.testing.small_router import SmallRouter

PARTITION = 1
"""Of the domain."""


class RouterBeside:
    """A small router for each interaction. `hear` and `tell` are its loops."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.routers: dict[str, SmallRouter] = {}
        self.said: list[Any] = []
        """The data of all that was published, each event once."""
        self.event_ids: list[str] = []
        """Of all that was read; one that was appended twice is in it twice."""
        self._known: set[str] = set()
        self.taken_by: str | None = None
        """An agent who accepts every new call at once, however many there are."""
        self.on_taken: Callable[[InteractionStarted], object] = lambda _: None
        """Called when a call is taken so."""
        self._sequence = 0
        self._to_tell: asyncio.Queue[tuple[Any, str]] = asyncio.Queue()

    def started(self) -> list[str]:
        """The interactions that were started."""
        return [each.interaction_id for each in self.said if isinstance(each, InteractionStarted)]

    def of(self, kind: type) -> list[Any]:
        """What was said of a type."""
        return [each for each in self.said if isinstance(each, kind)]

    async def configure(self, *more: ConfigurationRecord | ConfigurationPart) -> None:
        """Write the configuration into the log."""
        async with self.shell.log.writer("configure") as writer:
            for each in (*configuration(), *more):
                await writer.append(_outgoing(each, event_id=f"{each.id}.1", subject=each.id, partition=0))

    async def command(self, data: Any) -> None:
        """Somebody asks for something by the API."""
        async with self.shell.log.writer("api") as writer:
            await writer.append(_outgoing(data, event_id=data.command_id, subject=data.interaction_id))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Its loops run."""
        tasks = [asyncio.create_task(each) for each in (self.hear(), self.tell())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def hear(self) -> None:
        """Read all that the gateway says, from the beginning."""
        topics = [Partition(topic.name, PARTITION) for topic in (INTERACTIONS, ROUTING_INPUTS)]
        async with self.shell.log.admin() as admin:
            topics += [Partition(MESSAGES.name, each) for each in range(await admin.partitions_of(MESSAGES.name))]
        async with self.shell.log.reader("router") as reader:
            await reader.assign(dict.fromkeys(topics, 0))
            while True:
                try:
                    records = await reader.read(records_max=100, timeout_seconds=0.2)
                except LogAwayError:
                    continue
                for record in records:
                    event = decode(record.value, record.headers)
                    self.event_ids.append(event.id)
                    if event.id in self._known:
                        continue
                    self._known.add(event.id)
                    self.said.append(event.data)
                    if record.topic != MESSAGES.name:
                        self._routed(event.data)

    def _routed(self, data: Any) -> None:
        router = self.routers.get(data.interaction_id)
        if router is None:
            router = SmallRouter(
                tell=lambda told, _: self._to_tell.put_nowait((told, data.interaction_id)),
                now_ms=self.shell.clock.now_ms,
            )
            self.routers[data.interaction_id] = router
        router.hears(data)
        if self.taken_by is not None and isinstance(data, InteractionStarted):
            self.on_taken(data)
            router.accept(self.taken_by)

    async def tell(self) -> None:
        """Write what the routers say."""
        async with self.shell.log.writer("engine") as writer:
            while True:
                data, subject = await self._to_tell.get()
                self._sequence += 1
                await writer.append(
                    _outgoing(
                        data,
                        event_id=f"r{self._sequence}",
                        subject=subject,
                        sequence=f"1-{self._sequence:08}-0",
                        partition=PARTITION,
                    )
                )

    @property
    def sequence(self) -> str:
        """Of the last event of the router's."""
        return f"1-{self._sequence:08}-0"


def _outgoing(
    data: Any, *, event_id: str, subject: str, sequence: str | None = None, partition: int | None = None
) -> Outgoing:
    event = Event(
        id=event_id, source="/test", tenant_id=TENANT, subject=subject, time_ms=1, data=data, sequence=sequence
    )
    value, headers = encode(event)
    return Outgoing(
        topic=event.type.topic.name, key=subject.encode(), value=value, headers=tuple(headers), partition=partition
    )
