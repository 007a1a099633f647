"""The real WebSocket client against a server, and the fake beside it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from servicekit.ports import SocketClosedError
from servicekit.socket_client import SocketClient
from servicekit.testing.fake_sockets import FakeSockets
from servicekit.testing.socket_laws import SocketLaws
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.utils import accept_key


class ServedSpeaker:
    """See Speaker."""

    def __init__(self) -> None:
        self.url = ""
        self.headers: list[str] = []
        self._server: Server | None = None

    async def open(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/events"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers.append(connection.request.headers.get("authorization", ""))
        await connection.wait_closed()

    async def say(self, text: str) -> None:
        assert self._server is not None
        for connection in self._server.connections:
            await connection.send(text)

    async def cut(self) -> None:
        assert self._server is not None
        for connection in list(self._server.connections):
            await connection.close()

    async def refuse(self) -> None:
        await self.close()


class FakedSpeaker:
    """See Speaker."""

    url = "ws://node.example/events"

    def __init__(self, sockets: FakeSockets) -> None:
        self._sockets = sockets

    async def say(self, text: str) -> None:
        self._sockets.say(text)

    async def cut(self) -> None:
        self._sockets.cut()

    async def refuse(self) -> None:
        self._sockets.refuses = True


class TestFakeSockets(SocketLaws):
    @pytest.fixture
    def sockets(self) -> FakeSockets:
        return FakeSockets()

    @pytest.fixture
    def speaker(self, sockets: FakeSockets) -> FakedSpeaker:
        return FakedSpeaker(sockets)


class TestSocketClient(SocketLaws):
    @pytest.fixture
    def sockets(self) -> SocketClient:
        return SocketClient()

    @pytest_asyncio.fixture
    async def speaker(self) -> AsyncIterator[ServedSpeaker]:
        speaker = ServedSpeaker()
        await speaker.open()
        yield speaker
        await speaker.close()

    async def test_headers_go_with_the_first_request(self, sockets: SocketClient, speaker: ServedSpeaker) -> None:
        headers = {"Authorization": "Basic eDp5"}
        async with sockets.connect(speaker.url, headers=headers, timeout_seconds=5, bytes_max=100) as socket:
            await speaker.cut()
            with pytest.raises(SocketClosedError):
                await socket.receive()

        assert speaker.headers == ["Basic eDp5"]


async def test_a_server_that_shows_no_sign_of_life_counts_as_gone() -> None:
    async def serve_mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        key = next(line for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")).split()[1]
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode() + b"\r\n\r\n"
        )
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve_mute, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    sockets = SocketClient(sign_seconds=0.1)
    async with sockets.connect(url, headers={}, timeout_seconds=5, bytes_max=100) as socket, asyncio.timeout(10):
        with pytest.raises(SocketClosedError):
            await socket.receive()
    server.close()
