"""Whoever is at the other end of a stream of media: it sends a tone, and tells what it hears.

Asterisk sends PCMU in binary messages and tells its own state in text (chan_websocket).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from voice_gateway.testing.phones import BOT, Seen
from voice_gateway.testing.sip_sound import HEARD_SECONDS, PACKET, PACKET_SECONDS, coded, decoded, tone
from voice_gateway.testing.tones import WINDOW, names_in


class StreamBot:
    """One at a time may stream to it."""

    def __init__(self, tones: Mapping[str, int]) -> None:
        self._tones = tones
        self._heard = b""
        self._heard_at = 0.0
        self._streams = 0
        self._server: Server | None = None

    async def open(self) -> None:
        """Take a port."""
        self._server = await serve(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        """Nobody is heard any more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/bot"

    def seen(self) -> Seen:
        """As if it were a phone."""
        fresh = asyncio.get_running_loop().time() - self._heard_at <= HEARD_SECONDS and len(self._heard) == WINDOW
        hears = names_in(decoded(self._heard), self._tones) - {BOT} if fresh else frozenset[str]()
        return Seen(talks=self._streams > 0, hears=hears)

    async def _serve(self, connection: ServerConnection) -> None:
        self._streams += 1
        speaking = asyncio.create_task(self._speak(connection))
        try:
            async for message in connection:
                if isinstance(message, bytes):
                    self._heard = (self._heard + message)[-WINDOW:]
                    self._heard_at = asyncio.get_running_loop().time()
        except ConnectionClosed:
            pass
        finally:
            self._streams -= 1
            speaking.cancel()

    async def _speak(self, connection: ServerConnection) -> None:
        voice = coded(tone(self._tones[BOT], WINDOW))
        loop = asyncio.get_running_loop()
        due, place = loop.time(), 0
        with suppress(ConnectionClosed):
            while True:
                await connection.send(voice[place : place + PACKET])
                place, due = (place + PACKET) % WINDOW, due + PACKET_SECONDS
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.Event().wait(), max(0.0, due - loop.time()))
