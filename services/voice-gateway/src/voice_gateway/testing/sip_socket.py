"""SIP over UDP (RFC 3261 §17): requests are sent until they are answered, and what comes twice is answered twice."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Final

from typing_extensions import override

from voice_gateway.testing.sip_messages import Message, parsed

AGAIN_SECONDS: Final = 0.5
TIMEOUT_SECONDS: Final = 32.0
_ANSWERS_MAX: Final = 1_000
Address = tuple[str, int]


class SipAwayError(Exception):
    """Nobody answered in time."""


class SipSocket(asyncio.DatagramProtocol):
    """One port for all telephones of a test."""

    def __init__(self, taken: Callable[[Message], None]) -> None:
        """`taken` gets each new request."""
        self._taken = taken
        self._transport: asyncio.DatagramTransport | None = None
        self._asked: dict[tuple[str, str], asyncio.Queue[Message]] = {}
        self._answers: dict[tuple[str, str, str], tuple[bytes, Address] | None] = {}
        self._from: dict[int, Address] = {}
        self._numbers = itertools.count(1)

    @classmethod
    async def opened(cls, taken: Callable[[Message], None]) -> "SipSocket":
        """With a port of its own."""
        socket = cls(taken)
        loop = asyncio.get_running_loop()
        socket._transport, _ = await loop.create_datagram_endpoint(lambda: socket, local_addr=("127.0.0.1", 0))
        return socket

    @property
    def port(self) -> int:
        """Where it hears."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """It hears nothing more."""
        if self._transport is not None:
            self._transport.close()

    def new_number(self) -> int:
        """For tags, branches, calls."""
        return next(self._numbers)

    def new_via(self) -> str:
        """The header of a new transaction."""
        return f"SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{self.port}x{self.new_number()}"

    async def responses(self, request: Message, to: Address) -> AsyncIterator[Message]:
        """All responses to a request, the final one last. Raises SipAwayError."""
        key = request.branch, request.cseq[1]
        queue = self._asked[key] = asyncio.Queue()
        sender = asyncio.create_task(self._send_again(request.written(), to))
        try:
            status = 0
            while status < 200:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    response = await queue.get()
                sender.cancel()
                status = response.status
                yield response
        except TimeoutError:
            raise SipAwayError(request.method) from None
        finally:
            sender.cancel()
            del self._asked[key]

    def send(self, message: Message, to: Address) -> None:
        """Once: an ACK."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message.written(), to)

    def respond(self, request: Message, response: Message) -> None:
        """Answer a request; again, if it comes again."""
        to = self._from[id(request)]
        self._answers[_transaction(request)] = response.written(), to
        self.send(response, to)

    @override
    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        message = parsed(data)
        if message is None:
            return
        if message.status:
            if queue := self._asked.get((message.branch, message.cseq[1])):
                queue.put_nowait(message)
            return
        if message.method != "ACK":
            key = _transaction(message)
            if key in self._answers:
                if (answered := self._answers[key]) and self._transport is not None:
                    self._transport.sendto(*answered)
                return
            self._answers[key] = None
            while len(self._answers) > _ANSWERS_MAX:
                del self._answers[next(iter(self._answers))]
        self._from[id(message)] = (str(addr[0]), addr[1])
        self._taken(message)

    async def _send_again(self, data: bytes, to: Address) -> None:
        for times in itertools.count():
            if self._transport is None or self._transport.is_closing():
                return
            self._transport.sendto(data, to)
            try:
                await asyncio.wait_for(asyncio.Event().wait(), min(AGAIN_SECONDS * 2**times, 4))
            except TimeoutError:
                continue


def _transaction(request: Message) -> tuple[str, str, str]:
    return request.branch, request.method, request.get("CSeq")
