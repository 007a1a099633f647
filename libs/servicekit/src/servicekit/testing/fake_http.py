"""A world without sockets for tests: the Http port answered by a function."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from servicekit.ports import HttpReply, HttpRequest, HttpSink, HttpTooLargeError, HttpUnknownError, HttpUpload

PIECE_BYTES: Final = 65_536
Answer = Callable[[HttpRequest], Awaitable[HttpReply]]
"""What the server does: answers, raises HttpNotSentError or HttpUnknownError, or takes its time."""


class FakeHttp:
    """See Http; `requests` and `addresses` tell what was asked of whom, oldest first."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[HttpRequest] = []
        self.addresses: list[str | None] = []
        self._answer = answer

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout_seconds: float,
        bytes_max: int,
        address: str | None = None,
        sink: HttpSink | None = None,
        upload: HttpUpload | None = None,
    ) -> HttpReply:
        """See Http."""
        if upload is not None:
            request = _Uploaded(request, b"".join([piece async for piece in upload.pieces()]))
            assert len(request.body) == upload.size_bytes
        self.requests.append(request)
        self.addresses.append(address)
        try:
            async with asyncio.timeout(timeout_seconds):
                reply = await self._answer(request)
        except TimeoutError:
            raise HttpUnknownError("TimeoutError") from None
        if sink is not None:
            await sink.start()
            for start in range(0, min(len(reply.body), bytes_max), PIECE_BYTES):
                await sink.write(reply.body[start : min(start + PIECE_BYTES, bytes_max)])
        if len(reply.body) > bytes_max:
            raise HttpTooLargeError(reply.status)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return HttpReply(status=reply.status, headers=headers, body=reply.body if sink is None else b"")


class _Uploaded:
    """The request with the body that was uploaded."""

    def __init__(self, request: HttpRequest, body: bytes) -> None:
        self.method, self.url, self.headers, self.body = request.method, request.url, request.headers, body


def programmed(*answers: HttpReply | Exception) -> Answer:
    """Gives these, one for each request; a request too many fails the test."""
    left = list(answers)

    async def answer(request: HttpRequest) -> HttpReply:
        assert left, f"nothing is programmed for {request.method} {request.url}"
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    return answer
