"""How a socket ends when its client does not read or speak, a backend is away, the agent works elsewhere now, or there
are too many."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from router.api.live import PushRead
from router.api.open_sockets import OpenSockets
from router.api.parts import Parts
from router.api.routes_sockets import AgentSocket
from router.api.signals import Signals
from router.api.sockets import ClientFrame, Close, Socket, SocketLimits
from router.api.store import Seat
from servicekit.auth import Principal
from servicekit.live import LiveAwayError
from servicekit.problems import ProblemError
from servicekit.system import SystemChance, SystemClock
from starlette.websockets import WebSocket
from typing_extensions import override

LIMITS = SocketLimits(silence_seconds_max=0.2, send_seconds_max=0.05, close_seconds_max=0.05, heartbeat_seconds=0.05)
PRINCIPAL = Principal(subject="ann", tenant_id="t", roles=frozenset({"agent"}), expires_at_ms=2**53)
SEAT = Seat(tenant_id="t", agent_id="ann", name="Ann", domain="here", partition=0)


class SilentClient:
    """A client that says nothing; where it does not read either, nothing can be sent."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.closed_with: int | None = None

    async def receive(self) -> Any:
        await asyncio.Event().wait()

    async def send_text(self, _: str) -> None:
        if not self._reads:
            await asyncio.Event().wait()

    async def close(self, code: int, _: str) -> None:
        self.closed_with = code


class ChattySocket(Socket):
    """Sends one frame, then waits."""

    @override
    async def feed(self) -> Close | None:
        await self.send("{}")
        await asyncio.Event().wait()
        return None

    @override
    async def take(self, frame: ClientFrame) -> None: ...

    @override
    async def tick(self) -> None: ...


class DeafSocket(ChattySocket):
    """Cannot read what it is to send."""

    @override
    async def feed(self) -> Close | None:
        raise LiveAwayError


class EmptyLive:
    """A Redis in which nothing ever happens."""

    def __init__(self) -> None:
        self.alive: list[bool] = []

    async def heartbeat(self, *_: object, alive: bool = True) -> None:
        self.alive.append(alive)

    async def agent_view(self, *_: object) -> None: ...

    async def assignments(self, *_: object) -> list[Any]:
        return []

    async def push_read(self, *_: object) -> PushRead:
        return PushRead(complete=True, last=0, frames=[])

    async def push_start(self, *_: object) -> int:
        return 0


class DeskOf:
    """Knows where the agent works now."""

    def __init__(self, seat: Seat | None) -> None:
        self._seat = seat

    async def seat(self, _: Principal) -> Seat:
        if self._seat is None:
            raise ProblemError(403, "not_an_agent", "The active configuration has no agent of this name.")
        return self._seat


async def worked(now_at: Seat | None) -> tuple[int | None, bool]:
    """How the socket of an agent who works there now ended, and whether the last word on the device was "alive"."""
    client, live, clock = SilentClient(reads=True), EmptyLive(), SystemClock()
    parts = SimpleNamespace(
        clock=clock,
        live=live,
        desk=DeskOf(now_at),
        signals=Signals(),
        open_sockets=OpenSockets(sockets_max=1),
        chance=SystemChance(),
    )
    socket = AgentSocket(
        cast(WebSocket, client),
        PRINCIPAL,
        cast(Parts, parts),  # all that the socket uses
        replace(LIMITS, seat_seconds=0.05, silence_seconds_max=0.5),
        seat=SEAT,
        device="desktop/d",
        after=None,
    )
    await asyncio.wait_for(socket.run(), 5)
    return client.closed_with, live.alive[-1]


async def served(
    client: SilentClient,
    kind: type[ChattySocket] = ChattySocket,
    *,
    principal: Principal = PRINCIPAL,
    open_sockets: OpenSockets | None = None,
) -> int | None:
    parts = SimpleNamespace(clock=SystemClock(), open_sockets=open_sockets or OpenSockets(sockets_max=1))
    socket = kind(cast(WebSocket, client), principal, cast(Parts, parts), LIMITS)  # all that a socket itself uses
    await asyncio.wait_for(socket.run(), 5)
    return client.closed_with


async def test_a_client_that_does_not_read_is_closed_and_may_come_back() -> None:
    assert await served(SilentClient(reads=False)) == 1013


async def test_a_client_that_says_nothing_is_closed() -> None:
    assert await served(SilentClient(reads=True)) == 4408


async def test_a_client_whose_backend_is_away_is_closed_and_may_come_back() -> None:
    assert await served(SilentClient(reads=True), DeafSocket) == 1013


@pytest.mark.parametrize(
    ("now_at", "code", "alive"),
    [(replace(SEAT, domain="there"), 1012, False), (None, 4403, True), (replace(SEAT, name="Anna"), 4408, True)],
)
async def test_an_agent_who_works_elsewhere_now_comes_back_there_and_one_who_is_none_does_not(
    now_at: Seat | None, code: int, *, alive: bool
) -> None:
    assert await worked(now_at) == (code, alive)


async def test_a_caller_and_a_replica_have_a_bounded_number_of_sockets_and_a_closed_one_leaves_its_place() -> None:
    open_sockets = OpenSockets(sockets_max=3, sockets_per_caller_max=2)
    of_another_tenant = replace(PRINCIPAL, tenant_id="u")

    async def opened(*principals: Principal) -> list[int | None]:
        sockets = (served(SilentClient(reads=True), principal=each, open_sockets=open_sockets) for each in principals)
        return await asyncio.gather(*sockets)

    by_one = await opened(PRINCIPAL, PRINCIPAL, PRINCIPAL, of_another_tenant)
    in_all = await opened(*(replace(PRINCIPAL, subject=f"a{number}") for number in range(4)))

    assert by_one == [4408, 4408, 4429, 4408]
    assert in_all == [4408, 4408, 4408, 4429]
