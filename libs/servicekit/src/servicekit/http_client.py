"""The HTTP port over httpcore2, which does what it is told and nothing by itself: no redirects, cookies, proxies from
the environment, decoding or second tries."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpcore2
from typing_extensions import override

from servicekit.ports import (
    HttpNotSentError,
    HttpReply,
    HttpRequest,
    HttpSink,
    HttpTooLargeError,
    HttpUnknownError,
    HttpUpload,
)

CONNECTIONS_MAX: Final = 100
# Shorter than servers' own (uvicorn's is 5 s): what is written into a connection while it is closed is unknown.
KEPT_SECONDS: Final = 4.0

_SENDING: Final = "http11.send_request_headers.started"
_BODILESS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS"})
_FAILURES: Final = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.ConnectionNotAvailable,
    OSError,  # TimeoutError is one
)


class HttpClient:
    """See Http. Made by `http_client`."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool, context: ssl.SSLContext) -> None:
        self._pool = pool
        self._context = context

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
        asked = _asked(request, upload)
        sending = False

        async def trace(event: str, _: object) -> None:
            nonlocal sending
            sending = sending or event == _SENDING

        asked.extensions["trace"] = trace
        try:
            async with asyncio.timeout(timeout_seconds):
                if address is None:
                    return await _answer(self._pool, asked, bytes_max, sink)
                alone = httpcore2.AsyncHTTPConnection(
                    asked.url.origin, ssl_context=self._context, network_backend=_Pinned(address)
                )
                async with alone:
                    return await _answer(alone, asked, bytes_max, sink)
        except httpcore2.LocalProtocolError as error:
            raise ValueError("the request cannot be written as HTTP") from error
        except _FAILURES as error:
            name = type(error).__name__
            raise (HttpUnknownError(name) if sending else HttpNotSentError(name)) from error


@asynccontextmanager
async def http_client(
    *, ca_file: Path | None = None, connections_max: int = CONNECTIONS_MAX
) -> AsyncGenerator[HttpClient]:
    """A client until the block is left. Trusts the system's authorities, and those in `ca_file` (PEM) as well."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    async with httpcore2.AsyncConnectionPool(
        ssl_context=context,
        max_connections=connections_max,
        max_keepalive_connections=connections_max,
        keepalive_expiry=KEPT_SECONDS,
        network_backend=httpcore2.AnyIOBackend(),
    ) as pool:
        yield HttpClient(pool, context)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system knows for a name, the one to try first in front. Raises HttpNotSentError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HttpNotSentError(type(error).__name__) from error
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


class _Pinned(httpcore2.AnyIOBackend):
    """Connects to one address, whatever the name."""

    def __init__(self, address: str) -> None:
        self._address = address

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return await super().connect_tcp(self._address, port, timeout, local_address, socket_options)


def _asked(request: HttpRequest, upload: HttpUpload | None) -> httpcore2.Request:
    headers = {"user-agent": "centralino", "accept-encoding": "identity"}
    headers |= {name.lower(): value for name, value in request.headers.items()}
    if upload is not None or request.body or request.method not in _BODILESS:
        headers["content-length"] = str(len(request.body) if upload is None else upload.size_bytes)
    try:
        url = httpcore2.URL(request.url)
        if url.scheme not in (b"http", b"https") or not url.host:
            raise ValueError("the URL must begin with http: or https: and name a host")
        standard = url.port in (None, {b"http": 80, b"https": 443}[url.scheme])
        headers.setdefault("host", url.host.decode() if standard else f"{url.host.decode()}:{url.port}")
        content = request.body if upload is None else upload.pieces()
        return httpcore2.Request(request.method, url, headers=list(headers.items()), content=content, extensions={})
    except TypeError as error:  # how httpcore2 tells of what is not ASCII
        raise ValueError("method, URL and headers must be ASCII") from error


async def _answer(
    way: httpcore2.AsyncConnectionPool | httpcore2.AsyncHTTPConnection,
    asked: httpcore2.Request,
    bytes_max: int,
    sink: HttpSink | None,
) -> HttpReply:
    response = await way.handle_async_request(asked)
    try:
        headers: dict[str, str] = {}
        for raw_name, raw_value in response.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        body, size_bytes = bytearray(), 0
        if sink is not None:
            await sink.start()
        async for chunk in response.aiter_stream():
            size_bytes += len(chunk)
            if size_bytes > bytes_max:
                raise HttpTooLargeError(response.status)
            if sink is None:
                body += chunk
            else:
                await sink.write(chunk)
    finally:
        await response.aclose()
    return HttpReply(status=response.status, headers=headers, body=bytes(body))
