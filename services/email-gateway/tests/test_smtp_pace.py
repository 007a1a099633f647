"""How long a message is waited for, in virtual time."""

import asyncio
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

import pytest
from email_gateway.receiving import Accepted, Answer, Envelope
from email_gateway.settings import EmailSettings
from email_gateway.smtp_in import SmtpServer
from email_gateway.smtp_session import SmtpSession
from servicekit.telemetry import Telemetry
from servicekit.testing.virtual import VirtualClock, run_virtual
from typing_extensions import override

TOLD = {"reply_secret": "r" * 32, "files_url": "file:///tmp", "file_link_secrets": "l" * 32, "secrets_path": Path("s")}
START = [b"EHLO c.example\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<help@shop.example>\r\n", b"DATA\r\n"]
LINE = b"x" * 1022 + b"\r\n"


class Wire(asyncio.Transport):
    """A connection that is no socket; keeps what it is told."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.lines: list[bytes] = []
        self.closed = asyncio.Event()

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.lines += bytes(data).splitlines()

    @override
    def is_closing(self) -> bool:
        return self.closed.is_set()

    @override
    def close(self) -> None:
        self.closed.set()

    @override
    def pause_reading(self) -> None:
        """It is told all the same."""

    @override
    def resume_reading(self) -> None:
        """It never stopped."""


class Everything:
    """Takes every message, at every address."""

    def takes(self, address: str) -> bool | None:
        return True

    async def __call__(self, raw: bytes, envelope: Envelope) -> Answer:
        return Accepted()


async def sent(pieces: Iterable[bytes], every_seconds: float) -> tuple[str, float]:
    """The answer to a message that comes so, and after how many seconds."""
    clock, loop = VirtualClock(), asyncio.get_running_loop()
    settings = EmailSettings.model_validate(TOLD)
    front = SmtpServer(settings, accept=Everything(), recipients=Everything(), clock=clock, telemetry=Telemetry("test"))
    session, wire = SmtpSession(front, name="mx.example", tls=None, tls_required=False), Wire()
    session.connection_made(wire)
    for line in START:
        session.data_received(line)
        await clock.sleep(0.01)
    began, answered = loop.time(), len(wire.lines)

    async def answer() -> None:
        while len(wire.lines) == answered:
            await clock.sleep(0.01)

    answering = asyncio.create_task(answer())
    for piece in pieces:
        if answering.done():
            break
        session.data_received(piece)
        await clock.sleep(every_seconds)
    await answering
    took, code = loop.time() - began, wire.lines[answered][:3].decode()
    wire.close()
    session.connection_lost(None)

    assert front.turnstile.held == front.turnstile.connections == 0
    return code, took


END = b".\r\n"


@pytest.mark.parametrize(
    ("pieces", "every_seconds", "code", "seconds"),
    [
        ([], 1, "421", 30),
        (repeat(b"x"), 5, "421", 30),
        (repeat(LINE[512:]), 1, "421", 60),
        ([LINE * 10_000], 1, "421", 30),
        ([*[LINE * 5] * 60, END], 4, "250", 240),
        ([*[LINE] * 20, LINE * 5, *[LINE * 2] * 100, END], 1, "250", 121),
        ([LINE, LINE, *[LINE * 20] * 5, END], 14, "250", 98),
        (repeat(LINE * 2), 1, "421", 600),
    ],
    ids=["silent", "trickle", "half-as-fast", "burst", "slow", "slower", "with-pauses", "endless"],
)
def test_a_message_is_waited_for_as_long_as_it_comes_on(
    pieces: Iterable[bytes], every_seconds: float, code: str, seconds: float
) -> None:
    answer, took = run_virtual(sent(pieces, every_seconds))

    assert answer == code
    assert took == pytest.approx(seconds, abs=every_seconds + 1)
