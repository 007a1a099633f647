"""The WebSocket port over `websockets`."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from servicekit.ports import SocketClosedError

SIGN_SECONDS: Final = 10.0
"""How often a sign of life is asked for, and how long it may take."""
CLOSE_SECONDS: Final = 2.0
_WAITING_MAX: Final = 64
"""Messages that wait to be received before the other side has to wait."""


class SocketClient:
    """See Sockets."""

    def __init__(self, *, sign_seconds: float = SIGN_SECONDS) -> None:
        self._sign_seconds = sign_seconds

    @asynccontextmanager
    async def connect(
        self, url: str, *, headers: Mapping[str, str], timeout_seconds: float, bytes_max: int
    ) -> AsyncGenerator["_Connected"]:
        """See Sockets."""
        connecting = connect(
            url,
            additional_headers=dict(headers),
            open_timeout=timeout_seconds,
            max_size=bytes_max,
            max_queue=_WAITING_MAX,
            ping_interval=self._sign_seconds,
            ping_timeout=self._sign_seconds,
            close_timeout=CLOSE_SECONDS,
            proxy=None,
            compression=None,
        )
        try:
            connection = await connecting
        except (OSError, WebSocketException) as error:  # TimeoutError is an OSError
            raise SocketClosedError(f"{type(error).__name__}: {error}") from error
        try:
            yield _Connected(connection)
        finally:
            await connection.close()


class _Connected:
    """See Socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> str:
        """See Socket. What is no text is passed over."""
        while True:
            try:
                message = await self._connection.recv()
            except ConnectionClosed as error:
                raise SocketClosedError(str(error)) from error
            if isinstance(message, str):
                return message
