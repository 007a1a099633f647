"""No frame is lost or late, whenever it is pushed: around hello, before the first look, while Redis subscribes.

The orders of events are forced. Sockets look by themselves once an hour here, so that only signals are in time.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from router.api.live import SIGNALS, ApiLive, EventPush, Place, PushRead
from router.api.parts import Parts
from router.api.routes_sockets import AgentSocket
from router.api.signals import Listener, Signals, SignalsLoop
from router.api.sockets import SocketLimits
from router.api.store import Seat
from servicekit.auth import Principal
from servicekit.live import Redis, open_redis
from servicekit.system import SystemChance, SystemClock
from servicekit.testing.eventually import eventually
from starlette.websockets import WebSocket

PLACE = Place("t", "here")
SEAT = Seat(tenant_id="t", agent_id="ann", name="Ann", domain="here", partition=0)
PRINCIPAL = Principal(subject="ann", tenant_id="t", roles=frozenset({"agent"}), expires_at_ms=2**53)
LIMITS = SocketLimits(look_seconds=3600)


@dataclass(slots=True)
class Centre:
    """Ann's stream, its signals and her client. `meanwhile` happens once when that moment comes for the given time."""

    signals: Signals = field(default_factory=Signals)
    stream: list[int] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    meanwhile: tuple[str, int, Callable[[], None]] | None = None
    moments: Counter[str] = field(default_factory=Counter)

    def push(self, count: int = 1) -> None:
        """As push_events.lua does: a lone frame goes with its signal, several are to be read."""
        for _ in range(count):
            self.stream.append(self.last + 1)
        self.signal("" if count > 1 else f"\n{self.last}\n{self.frame(self.last)}")

    def signal(self, told: str) -> None:
        self.signals.pushed(f"{PLACE.tag}|ann{told}".encode())

    @property
    def last(self) -> int:
        return self.stream[-1] if self.stream else 100

    def frame(self, number: int) -> str:
        return f'{{"n":{number}}}'

    def moment(self, name: str) -> None:
        self.moments[name] += 1
        if self.meanwhile is not None and self.meanwhile[:2] == (name, self.moments[name]):
            self.meanwhile[2]()

    async def send_text(self, text: str) -> None:
        self.moment("before a frame is sent")
        self.sent.append(json.loads(text))
        self.moment("after a frame is sent")

    async def agent_view(self, *_: object) -> None:
        self.moment("before hello")

    async def assignments(self, *_: object) -> list[Any]:
        return []

    async def push_start(self, *_: object) -> int:
        last = self.last
        self.moment("after the start is read")
        return last

    async def push_read(self, _: Place, __: str, after: int | None) -> PushRead:
        self.moment("before the stream is read")
        frames = [(number, self.frame(number)) for number in self.stream if after is not None and number > after]
        read = PushRead(complete=True, last=self.last, frames=frames)
        self.moment("after the stream is read")
        return read


@asynccontextmanager
async def fed(centre: Centre) -> AsyncGenerator[list[dict[str, Any]]]:
    parts = SimpleNamespace(clock=SystemClock(), live=centre, signals=centre.signals, chance=SystemChance())
    socket = AgentSocket(
        cast(WebSocket, centre),
        PRINCIPAL,
        cast(Parts, parts),  # all that feeding uses
        LIMITS,
        seat=SEAT,
        device="desktop/d",
        after=None,
    )
    feeding = asyncio.create_task(socket.feed())
    try:
        yield centre.sent
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding


async def looked(centre: Centre) -> None:
    """Until the socket has read what the stream had when it opened."""
    await eventually(lambda: centre.moments["after the stream is read"] >= 2)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("moment", "time"),
    [
        ("before hello", 1),
        ("before the stream is read", 1),
        ("after the stream is read", 1),
        ("before a frame is sent", 1),
        ("after a frame is sent", 1),
        ("after the start is read", 1),
        ("before the stream is read", 2),
        ("after the stream is read", 2),
    ],
)
async def test_what_is_pushed_while_a_socket_opens_comes_once_and_at_once(moment: str, time: int, count: int) -> None:
    centre = Centre()
    centre.meanwhile = (moment, time, lambda: centre.push(count))
    async with fed(centre) as sent:
        await looked(centre)
        await eventually(lambda: centre.last in (sent[0]["data"]["sequence"], sent[-1].get("n")))
        centre.push()
        await eventually(lambda: sent[-1].get("n") == centre.last)

    [hello, *frames] = sent
    numbers = [frame["n"] for frame in frames]
    assert numbers == list(range(numbers[0], centre.last + 1))
    assert numbers[0] <= hello["data"]["sequence"] + 1
    assert [frame["sequence"] for frame in frames] == numbers
    assert centre.moments[moment] >= time


async def test_a_frame_comes_with_its_signal_and_a_gap_is_read_from_the_stream() -> None:
    centre = Centre()
    async with fed(centre) as sent:
        await looked(centre)
        # A signal whose frame fits is believed; this one the stream does not have.
        centre.signal('\n101\n{"n":"heard"}')
        await eventually(lambda: len(sent) == 2)
        reads = centre.moments["after the stream is read"]
        centre.stream += [101, 102]
        centre.signal('\n109\n{"n":"too early"}')
        await eventually(lambda: len(sent) == 3)

    assert sent[1:] == [{"sequence": 101, "n": "heard"}, {"sequence": 102, "n": 102}]
    assert reads == 2


class AskedRedis:
    """A Redis that has been asked to subscribe and has not done it yet."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def pubsub(self) -> "AskedRedis":
        return self

    async def __aenter__(self) -> "AskedRedis":
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def subscribe(self, _: str) -> None: ...

    async def psubscribe(self, _: str) -> None: ...

    async def get_message(self, **_: object) -> dict[str, Any]:
        return await self.messages.get()

    def says(self, what: str, data: object) -> None:
        self.messages.put_nowait({"type": what, "channel": SIGNALS.encode(), "data": data})


@asynccontextmanager
async def hearing(redis: object, signals: Signals) -> AsyncGenerator[Listener]:
    """A listener of Ann's that has looked before anything is heard."""
    stop = asyncio.Event()
    loop = SignalsLoop(cast(Redis, redis), signals, clock=SystemClock(), chance=SystemChance())  # all that it uses
    with signals.listening(PLACE, "ann") as listener:
        listener.must_look = False
        running = asyncio.create_task(loop.run(stop))
        try:
            yield listener
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def test_sockets_look_again_when_redis_has_subscribed_and_not_when_it_was_asked() -> None:
    redis = AskedRedis()
    async with hearing(redis, Signals()) as listener:
        redis.says("psubscribe", 2)
        await eventually(redis.messages.empty)
        asked = listener.must_look
        redis.says("subscribe", 1)
        await asyncio.wait_for(listener.event.wait(), 5)

    assert (asked, listener.must_look) == (False, True)


async def test_signals_are_heard_of_a_real_redis_from_then_on(redis_url: str) -> None:
    async with open_redis(redis_url) as redis, hearing(redis, Signals()) as listener:
        await asyncio.wait_for(listener.event.wait(), 5)
        listener.event.clear()
        pushed = EventPush(PLACE, "tell", "ann", sequence=f"{SystemClock().now_ms():020}", frame='{"n":1}')
        await ApiLive(redis).push([pushed])
        await asyncio.wait_for(listener.event.wait(), 5)

    [(_, frame)] = listener.frames
    assert frame == '{"n":1}'
