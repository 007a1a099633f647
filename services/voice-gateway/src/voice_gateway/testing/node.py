"""What the laws of drivers need of a node: its driver, what it told, its phones.

A test module gives each law of `driver_laws.LAWS` a started `NodeUnderTest` of its own, or one that is as good as new.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from voice_gateway.domain.driver import Driver
from voice_gateway.domain.events import Event
from voice_gateway.domain.words import EndCause, Media, RefusedBecause
from voice_gateway.testing.phones import Phones, Seen

E = TypeVar("E", bound=Event)
SETTLED_SECONDS: Final = 0.3
"""What a phone hears counts once it has heard it for so long."""


class Told:
    """A Sink that keeps what it is told and can be waited on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._more = asyncio.Event()

    def tell(self, event: Event) -> None:
        """See Sink."""
        self.events.append(event)
        self._more.set()

    def of(self, kind: type[E], **fields: object) -> list[E]:
        """All events of this type with these fields, in order."""
        return [event for event in self.events if isinstance(event, kind) and _has(event, fields)]

    async def until(self, kind: type[E], *, within_seconds: float = 10, **fields: object) -> E:
        """The first event of this type with these fields, told already or soon."""
        await self.until_true(lambda: self.of(kind, **fields), f"{kind.__name__} {fields}", within_seconds)
        return self.of(kind, **fields)[0]

    async def until_true(self, check: Callable[[], object], what: str, within_seconds: float = 10) -> None:
        """Once something is true of the events."""
        try:
            async with asyncio.timeout(within_seconds):
                while not check():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {within_seconds} s; told: {self.events}") from None


class NodeUnderTest(Protocol):
    """One node, its driver and its phones. `start` and `close` are the test module's to call."""

    @property
    def driver(self) -> Driver:
        """The one under test."""
        ...

    @property
    def phones(self) -> Phones:
        """Its other side."""
        ...

    @property
    def told(self) -> Told:
        """The driver's sink."""
        ...

    @property
    def number(self) -> str:
        """One of ours, that phones call."""
        ...

    @property
    def sounds(self) -> Mapping[str, Media]:
        """By the names in `SOUNDS`: files of SOUND_SECONDS that the node can play, each a tone."""
        ...

    @property
    def told_as(self) -> Mapping[EndCause, EndCause]:
        """What this node's network cannot tell apart: declined -> busy."""
        ...

    @property
    def refuses_as(self) -> Mapping[RefusedBecause, RefusedBecause]:
        """What a caller is told of a refusal for which the network has no word: congested -> busy."""
        ...

    async def start(self) -> None:
        """The driver is connected, and its loop runs."""
        ...

    async def close(self) -> None:
        """All that was started is over, also after a law that failed."""
        ...

    def new_id(self) -> str:
        """An id that this node has never seen."""
        ...

    async def lets_pass(self, seconds: float) -> None:
        """Time goes by, for what is measured in time: a recording, a leg that nobody keeps alive."""
        ...

    async def lose(self) -> None:
        """Driver and node can no longer reach one another; calls go on. Returns at once: `DriverLost` is waited for."""
        ...

    async def regain(self) -> None:
        """They can again."""
        ...

    def tone(self, name: str) -> int:
        """The frequency in Hz that a phone sends, or that a sound is."""
        ...

    def bot_url(self) -> str:
        """Where the bot listens for streams; it sends its tone, and is seen among the phones as `bot`."""
        ...


async def until_seen(
    node: NodeUnderTest, phone: str, check: Callable[[Seen], object], *, within_seconds: float = 10
) -> Seen:
    """A phone once it is as it should be."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while not check(seen := node.phones.seen(phone)):
        if loop.time() > deadline:
            raise AssertionError(f"{phone} is still {seen} after {within_seconds} s; told: {node.told.events}")
        await node.lets_pass(0.02)
    return seen


async def until_hears(node: NodeUnderTest, within_seconds: float = 10, **wanted: set[str]) -> None:
    """Once all these phones hear just this, all at once and for a while."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    since: float | None = None
    while since is None or loop.time() < since + SETTLED_SECONDS:
        heard = {phone: set(node.phones.seen(phone).hears) for phone in wanted}
        if heard != wanted:
            since = None
        elif since is None:
            since = loop.time()
        if since is None and loop.time() > deadline:
            raise AssertionError(f"after {within_seconds} s {heard}, wanted {wanted}; told: {node.told.events}")
        await node.lets_pass(0.02)


def _has(event: Event, fields: Mapping[str, object]) -> bool:
    return all(getattr(event, name) == value for name, value in fields.items())
