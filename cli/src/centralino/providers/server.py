"""Everything behind one port: each vendor's API under its name, the control API, the page."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import FastAPI
from servicekit.http_server import AsgiApp, Receive, Scope, Send, http_server
from starlette.responses import RedirectResponse, Response

from centralino.providers.catalogue import made
from centralino.providers.control import Controlled, router_of
from centralino.providers.simulated import Simulated
from centralino.providers.wire import BODY_BYTES_MAX, Call, Reply

POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
PAGE: Final = {
    "": ("index.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
}


@asynccontextmanager
async def providers_server(
    names: Sequence[str],
    *,
    webhook: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    secrets: MutableMapping[str, str] | None = None,
    url: str | None = None,
    mounted: Mapping[str, AsgiApp] | None = None,
) -> AsyncGenerator[tuple[str, dict[str, Simulated]]]:
    """Serve until the block is left; yields the base URL and the simulated providers.

    `webhook` may hold `{provider}`, which becomes the name of each. `port` 0: any free one. `url`: where clients find
    the server, and its links lead, if that is not where it listens. `mounted`: other applications below their names.
    """
    simulated = {
        name: Simulated(
            partial(made, name), seed=seed, webhook_url=webhook.replace("{provider}", name), secrets=secrets
        )
        for name in names
    }
    async with http_server(application(simulated, mounted or {}), host, port, drain_seconds=1) as listening:
        base = url or listening
        for name, one in simulated.items():
            one.serve_at(f"{base}/{name}")
        running = [asyncio.create_task(one.run()) for one in simulated.values()]
        try:
            yield listening, simulated
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def application(simulated: dict[str, Simulated], mounted: Mapping[str, AsgiApp]) -> AsgiApp:
    """What is under a provider's name goes to its vendor, all else to the control API and the page."""
    control = _control(simulated)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = scope["path"].lstrip("/").partition("/") if scope["type"] == "http" else ("", "", "")
        if name in simulated:
            await _vendor(simulated[name], rest, scope, receive, send)
        elif name in mounted:
            path = f"/{rest}"
            await mounted[name]({**scope, "path": path, "raw_path": path.encode()}, receive, send)
        else:
            await control(scope, receive, send)

    return serve


def _control(simulated: dict[str, Simulated]) -> FastAPI:
    app = FastAPI(title="Provider simulators", docs_url=None, redoc_url=None)
    app.include_router(router_of(Controlled(simulated)))
    folder = files("centralino.providers").joinpath("page")

    @app.get("/", include_in_schema=False)
    async def start() -> Response:
        return RedirectResponse("/page/")

    @app.get("/page/{name:path}", include_in_schema=False)
    async def page(name: str) -> Response:
        if name not in PAGE:
            return Response(status_code=404)
        file, mime = PAGE[name]
        headers = {
            "content-security-policy": f"{POLICY}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            "x-content-type-options": "nosniff",
            "cache-control": "no-cache",
        }
        return Response(folder.joinpath(file).read_bytes(), media_type=mime, headers=headers)

    return app


async def _vendor(simulated: Simulated, path: str, scope: Scope, receive: Receive, send: Send) -> None:
    body = await _body(receive)
    if body is None:
        await _answer(Reply(status=413), send)
        return
    call = Call(
        method=scope["method"],
        path=f"/{path}",
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        base_url=simulated.base_url,
    )
    reply = await simulated.asked(call, partial(_hang, receive))
    if reply is None:
        _reset(receive)
    else:
        await _answer(reply, send)


async def _body(receive: Receive) -> bytes | None:
    """None: it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _hang(receive: Receive, milliseconds: int) -> None:
    """So long, or until the client has gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(milliseconds / 1000):
            while (await receive())["type"] != "http.disconnect":
                continue


def _reset(receive: Receive) -> None:
    """End the connection as a crash does (RST). ASGI has no word for it, so uvicorn's transport is looked for; without
    one an exception ends the request, and the client sees 500."""
    transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)  # Any: uvicorn tells no type
    if transport is None:
        raise ConnectionResetError
    peer = transport.get_extra_info("socket")
    if peer is not None:
        with contextlib.suppress(OSError):  # the client has gone by itself
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _answer(reply: Reply, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    pairs = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    await send({"type": "http.response.body", "body": reply.body})
