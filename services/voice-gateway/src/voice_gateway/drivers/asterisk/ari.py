"""A thin client of Asterisk's REST interface (ARI, docs.asterisk.org): requests, and the socket that events come by."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode, urlsplit

from pydantic import SecretStr
from servicekit.errors import RetryLaterError
from servicekit.ports import (
    Chance,
    Clock,
    Http,
    HttpNotSentError,
    HttpTooLargeError,
    HttpUnknownError,
    SocketClosedError,
    Sockets,
)
from servicekit.store import wait_for_event
from servicekit.telemetry import log

ANSWER_SECONDS: Final = 5.0
CONNECT_SECONDS: Final = 5.0
DOWNLOAD_SECONDS: Final = 600.0
IN_FLIGHT_MAX: Final = 16
"""Requests at once: Asterisk has no back-pressure, it only becomes slower."""
REPLY_BYTES_MAX: Final = 16 * 2**20
EVENT_BYTES_MAX: Final = 2**20
EVENTS_WAITING_MAX: Final = 10_000
"""Beyond it the connection is dropped, and how things stand is asked anew."""
PAUSE_SECONDS_MIN: Final = 0.1
PAUSE_SECONDS_MAX: Final = 2.0
REPLACED_SECONDS: Final = 20.0
"""So long whoever took the application over is left alone: an owner has stepped down by then."""
RECORDING_BYTES_MAX: Final = 2**30
_PIECES_WAITING_MAX: Final = 16
Json = Mapping[str, Any]
LOG: Final = log("ari")


@dataclass(frozen=True, slots=True, kw_only=True)
class AriSettings:
    """Where a node is, and how to speak to it."""

    url: str
    """`http://host:8088`, or https."""
    user: str
    password: SecretStr
    app: str = "centralino"
    """One gateway at a time may have it: the next who connects takes it over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. `path` are its parts; `done` the statuses by which it has been done before."""

    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    body: Json | None = None
    done: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of a request."""

    status: int
    body: Any

    @property
    def is_fine(self) -> bool:
        """Whether Asterisk has done it."""
        return self.status < 300

    @property
    def reason(self) -> str:
        """Why not."""
        told = self.body.get("message") or self.body.get("error") if isinstance(self.body, dict) else None
        return f"{self.status} {told or ''}".strip()


class Listener(Protocol):
    """What happens with the socket. `opened` may ask; its RetryLaterError closes the socket again."""

    async def opened(self) -> None:
        """Events are kept until this returns."""
        ...

    def told(self, event: Json) -> None:
        """An event, in order."""
        ...

    def closed(self, reason: str, *, replaced: bool) -> None:
        """After each `opened` that returned: nothing comes any more. `replaced`: another client has the application."""
        ...


class ReplacedError(Exception):
    """Another client took the application over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


class Ari:
    """See the module."""

    def __init__(self, settings: AriSettings, *, http: Http, sockets: Sockets, clock: Clock, chance: Chance) -> None:
        self._url = settings.url.rstrip("/") + "/ari/"
        self._app = settings.app
        secret = f"{settings.user}:{settings.password.get_secret_value()}"
        self._headers = {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
        self._http, self._sockets, self._clock, self._chance = http, sockets, clock, chance
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def ask(self, ask: Ask) -> Answered:
        """The answer, whatever it is. Raises RetryLaterError if there is none, or none of Asterisk's."""
        headers, body = dict(self._headers), b""
        if ask.body is not None:
            headers["content-type"] = "application/json"
            body = json.dumps(ask.body).encode()
        request = _Request(method=ask.method, url=self._url_of(ask), headers=headers, body=body)
        async with self._slots:
            try:
                reply = await self._http.send(request, timeout_seconds=ANSWER_SECONDS, bytes_max=REPLY_BYTES_MAX)
            except (HttpNotSentError, HttpUnknownError, HttpTooLargeError) as error:
                raise RetryLaterError(f"{ask.method} {ask.path[0]}: {error}") from error
        if reply.status in (401, 403, 503):
            raise RetryLaterError(f"{ask.method} {ask.path[0]}: {reply.status}")
        try:
            return Answered(status=reply.status, body=json.loads(reply.body) if reply.body else None)
        except ValueError as error:
            raise RetryLaterError(f"{ask.method} {ask.path[0]}: no JSON") from error

    async def download(self, ask: Ask) -> AsyncIterator[bytes]:
        """A file in pieces, no more than a few held. Raises LookupError if there is none, RetryLaterError."""
        sink = _Pieces()
        request = _Request(method=ask.method, url=self._url_of(ask), headers=self._headers)
        fetching = asyncio.create_task(
            self._http.send(request, timeout_seconds=DOWNLOAD_SECONDS, bytes_max=RECORDING_BYTES_MAX, sink=sink)
        )
        fetching.add_done_callback(lambda _: sink.done.set())
        try:
            async for piece in sink.pieces():
                yield piece
            status = (await fetching).status
        except (HttpNotSentError, HttpUnknownError, HttpTooLargeError) as error:
            raise RetryLaterError(f"{ask.path[-1]}: {error}") from error
        finally:
            fetching.cancel()
        if status == 404:
            raise LookupError("there is no such file")
        if status != 200:
            raise RetryLaterError(f"{ask.path[-1]}: {status}")

    async def run(self, stop: asyncio.Event, listener: Listener) -> None:
        """Keep the socket open until `stop`."""
        pause_seconds, told = PAUSE_SECONDS_MIN, ""
        while not stop.is_set():
            began_ms = self._clock.now_ms()
            try:
                await _until(stop, self._listen(listener))
            except ReplacedError:
                pause_seconds = REPLACED_SECONDS
            except (SocketClosedError, RetryLaterError) as error:
                if str(error) != told:
                    told = str(error)
                    LOG.warning("not_connected", extra={"url": self._url, "reason": told})
                lasted = self._clock.now_ms() - began_ms > 1000 * PAUSE_SECONDS_MAX
                pause_seconds = PAUSE_SECONDS_MIN if lasted else min(2 * pause_seconds, PAUSE_SECONDS_MAX)
            wait_seconds = self._chance.uniform(pause_seconds / 2, pause_seconds)
            await wait_for_event(stop, timeout_seconds=wait_seconds)

    async def _listen(self, listener: Listener) -> None:
        query = urlencode({"app": self._app, "subscribeAll": "true"})
        scheme = "wss" if urlsplit(self._url).scheme == "https" else "ws"
        url = f"{scheme}{self._url[self._url.index(':') :]}events?{query}"
        async with self._sockets.connect(
            url, headers=self._headers, timeout_seconds=CONNECT_SECONDS, bytes_max=EVENT_BYTES_MAX
        ) as socket:
            waiting: asyncio.Queue[str | SocketClosedError] = asyncio.Queue(EVENTS_WAITING_MAX)
            reading = asyncio.create_task(_read(socket.receive, waiting))
            try:
                await listener.opened()
                reason, replaced = "the gateway stops", False
                try:
                    while True:
                        _tell(listener, await waiting.get())
                except (SocketClosedError, ReplacedError) as error:
                    reason, replaced = str(error) or type(error).__name__, isinstance(error, ReplacedError)
                    raise
                finally:
                    listener.closed(reason, replaced=replaced)
            finally:
                reading.cancel()

    def _url_of(self, ask: Ask) -> str:
        path = "/".join(quote(part, safe="") for part in ask.path)
        return self._url + path + (f"?{urlencode(ask.query)}" if ask.query else "")


class _Pieces:
    """See HttpSink: hands pieces over as they are asked for."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_PIECES_WAITING_MAX)
        self.done = asyncio.Event()

    async def start(self) -> None:
        """See HttpSink."""

    async def write(self, piece: bytes) -> None:
        """See HttpSink."""
        await self._waiting.put(piece)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Until all is written, or the request has failed."""
        while not (self.done.is_set() and self._waiting.empty()):
            getting = asyncio.create_task(self._waiting.get())
            finished = asyncio.create_task(self.done.wait())
            await asyncio.wait((getting, finished), return_when=asyncio.FIRST_COMPLETED)
            finished.cancel()
            if getting.done():
                yield getting.result()
            else:
                getting.cancel()


async def _read(receive: Callable[[], Awaitable[str]], waiting: "asyncio.Queue[str | SocketClosedError]") -> None:
    try:
        while True:
            waiting.put_nowait(await receive())
    except SocketClosedError as error:
        await waiting.put(error)
    except asyncio.QueueFull:
        await waiting.put(SocketClosedError(f"more than {EVENTS_WAITING_MAX} events wait"))


def _tell(listener: Listener, text: str | SocketClosedError) -> None:
    if isinstance(text, SocketClosedError):
        raise text
    try:
        event = json.loads(text)
    except ValueError:
        return
    if event.get("type") == "ApplicationReplaced":
        raise ReplacedError("another client has the application")
    listener.told(event)


async def _until(stop: asyncio.Event, work: Awaitable[None]) -> None:
    """Work until it ends or `stop` is set."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
