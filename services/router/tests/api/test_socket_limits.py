"""How a socket ends when its client does not read or does not speak."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from router.api.parts import Parts
from router.api.sockets import ClientFrame, Close, Socket, SocketLimits
from servicekit.auth import Principal
from servicekit.system import SystemClock
from starlette.websockets import WebSocket
from typing_extensions import override

LIMITS = SocketLimits(silence_seconds_max=0.2, send_seconds_max=0.05, close_seconds_max=0.05, heartbeat_seconds=0.05)


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


async def served(client: SilentClient) -> int | None:
    principal = Principal(
        subject="ann", tenant_id="t", roles=frozenset({"agent"}), expires_at_ms=SystemClock().now_ms() + 60_000
    )
    parts = cast(Parts, SimpleNamespace(clock=SystemClock()))  # all that a socket itself uses
    await asyncio.wait_for(ChattySocket(cast(WebSocket, client), principal, parts, LIMITS).run(), 5)
    return client.closed_with


async def test_a_client_that_does_not_read_is_closed_and_may_come_back() -> None:
    assert await served(SilentClient(reads=False)) == 1013


async def test_a_client_that_says_nothing_is_closed() -> None:
    assert await served(SilentClient(reads=True)) == 4408
