"""The laws of the WebSocket port: the real client against a server, and the fake, pass them.

A test class inherits `SocketLaws` and gives the fixtures `sockets` and `speaker`, the server behind it.
"""

from typing import Protocol

import pytest

from servicekit.ports import SocketClosedError, Sockets


class Speaker(Protocol):
    """A server that says what it is told to."""

    url: str

    async def say(self, text: str) -> None:
        """To all who are connected."""
        ...

    async def cut(self) -> None:
        """All connections end."""
        ...

    async def refuse(self) -> None:
        """Nobody is let in from now on."""
        ...


class SocketLaws:
    """What every WebSocket client does."""

    async def test_texts_come_in_order_until_the_end_and_then_only_the_end(
        self, sockets: Sockets, speaker: Speaker
    ) -> None:
        async with sockets.connect(speaker.url, headers={}, timeout_seconds=5, bytes_max=100) as socket:
            for text in ("one", "zwei", "tré"):
                await speaker.say(text)
            await speaker.cut()
            texts = [await socket.receive() for _ in range(3)]
            for _ in range(2):
                with pytest.raises(SocketClosedError):
                    await socket.receive()

        assert texts == ["one", "zwei", "tré"]

    async def test_a_text_that_is_too_long_ends_the_connection(self, sockets: Sockets, speaker: Speaker) -> None:
        async with sockets.connect(speaker.url, headers={}, timeout_seconds=5, bytes_max=100) as socket:
            await speaker.say("x" * 100)
            await speaker.say("x" * 101)
            assert await socket.receive() == "x" * 100
            with pytest.raises(SocketClosedError):
                await socket.receive()

    async def test_who_is_refused_learns_it_at_the_door(self, sockets: Sockets, speaker: Speaker) -> None:
        await speaker.refuse()
        with pytest.raises(SocketClosedError):
            async with sockets.connect(speaker.url, headers={}, timeout_seconds=5, bytes_max=100):
                pass
