"""A world without sockets for tests: the WebSocket port with a server that says what the test tells it to."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from servicekit.ports import SocketClosedError


class FakeSockets:
    """See Sockets; `asked` are the URLs that were connected to, oldest first."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuses = False
        self._open: list[_FakeSocket] = []

    def say(self, text: str) -> None:
        """To all who are connected."""
        for socket in self._open:
            socket.texts.put_nowait(text)

    def cut(self) -> None:
        """All connections end, once what was said has been received."""
        for socket in self._open:
            socket.texts.put_nowait(None)

    @asynccontextmanager
    async def connect(
        self, url: str, *, headers: Mapping[str, str], timeout_seconds: float, bytes_max: int
    ) -> AsyncGenerator["_FakeSocket"]:
        """See Sockets."""
        self.asked.append(url)
        if self.refuses:
            raise SocketClosedError("refused")
        socket = _FakeSocket(bytes_max)
        self._open.append(socket)
        try:
            yield socket
        finally:
            self._open.remove(socket)


class _FakeSocket:
    def __init__(self, bytes_max: int) -> None:
        self.texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._bytes_max = bytes_max
        self._closed = False

    async def receive(self) -> str:
        """See Socket."""
        text = None if self._closed else await self.texts.get()
        if text is None or len(text.encode()) > self._bytes_max:
            self._closed = True
            raise SocketClosedError("cut")
        return text
