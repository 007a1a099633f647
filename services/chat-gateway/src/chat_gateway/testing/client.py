"""A visitor's page without the page: HTTP and one WebSocket, for tests and trials."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from servicekit.testing.clients import api_client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError
from websockets.typing import Origin, Subprotocol

from chat_gateway.sockets import SUBPROTOCOL
from chat_gateway.testing.samples import ADDRESS, SHOP

WAIT_SECONDS: Final = 10.0

Json = dict[str, Any]  # Any: whatever the gateway sent; the test looks


class Page:
    """One socket; `frames` holds everything that came."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.frames: list[Json] = []

    async def send(self, frame: object) -> None:
        """An object as JSON, or text as it is."""
        await self._connection.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def say(self, text: str, client_message_id: str) -> None:
        """Send a message."""
        await self.send({"type": "message", "client_message_id": client_message_id, "text": text})

    async def until(self, kind: str, **members: object) -> Json:
        """The next frame of a type with these members; those before it are kept in `frames`."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                frame: Json = json.loads(await self._connection.recv())
                self.frames.append(frame)
                if frame["type"] == kind and members.items() <= frame.items():
                    return frame

    async def closed(self) -> int | None:
        """The close code, once the gateway has closed."""
        async with asyncio.timeout(WAIT_SECONDS):
            with suppress(ConnectionClosedError):
                async for raw in self._connection:
                    self.frames.append(json.loads(raw))
        return self._connection.close_code


@asynccontextmanager
async def page(
    url: str, token: str, *, after: int = 0, origin: str = SHOP, hello: bool = True
) -> AsyncGenerator[Page, None]:
    """Open the socket as a browser would; with `hello` wait for the first frame."""
    address = f"{url.replace('http', 'ws', 1)}/chat/v1/socket?after={after}"
    protocols = [Subprotocol(SUBPROTOCOL), *([Subprotocol(token)] if token else [])]
    async with connect(address, origin=Origin(origin), subprotocols=protocols, proxy=None) as connection:
        opened = Page(connection)
        if hello:
            await opened.until("hello")
        yield opened


async def open_window(url: str, *, origin: str = SHOP, **wanted: object) -> tuple[int, Json]:
    """POST /chat/v1/windows; the status and the body."""
    body = {"address": ADDRESS, "name": "Ada", **wanted}
    async with api_client(url, "none") as http:
        answer = await http.post("/chat/v1/windows", json=body, headers={"origin": origin})
    return answer.status_code, answer.json()


async def token_of(url: str) -> str:
    """The window token of a new window."""
    _, opened = await open_window(url)
    return str(opened["window_token"])
