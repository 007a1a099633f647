"""An HTTP and WebSocket server inside a service's own event loop: uvicorn, without its signals and its logging."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn
from typing_extensions import override

Scope = MutableMapping[str, Any]  # ASGI's own shape
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

FRAME_BYTES_MAX: Final = 1024 * 1024
BACKLOG: Final = 2048


class Leaving:
    """The application of a server that will stop: once `begun`, each answer asks its client for a new connection.

    A client that keeps one open would send its next request into the closing of it, and nobody could say whether it
    was taken.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.begun = False
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if not self.begun or scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_last(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_last)


@asynccontextmanager
async def http_server(
    app: AsgiApp, host: str, port: int, *, drain_seconds: float, trusted_proxies: str = "127.0.0.1"
) -> AsyncGenerator[str]:
    """Serve until the block is left; yields the base URL with the real port.

    `trusted_proxies`: addresses and networks, comma-separated, whose X-Forwarded-For names the client.
    Leaving it stops accepting, closes WebSockets with 1012, waits `drain_seconds` for requests, then cancels them.
    The application's lifespan is not run: what it needs is opened by the service.
    """
    listener = socket.create_server((host, port), backlog=BACKLOG, family=_family(host))
    server = _Server(
        uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            # The other implementation stands on a deprecated part of `websockets`.
            ws="websockets-sansio",
            ws_max_size=FRAME_BYTES_MAX,
            # Frames are a few hundred bytes: compressing one costs more time than sending it, and memory per socket.
            ws_per_message_deflate=False,
            # A peer that vanished without a word is noticed within 20 s: presence depends on it.
            ws_ping_interval=10,
            ws_ping_timeout=10,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            forwarded_allow_ips=trusted_proxies,
            timeout_graceful_shutdown=max(1, round(drain_seconds)),
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {port}")
    try:
        await server.accepting.wait()
        yield f"http://{_literal(host)}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextmanager
    @override
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # signals are the run shell's

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _literal(host: str) -> str:
    return f"[{host}]" if ":" in host else host
