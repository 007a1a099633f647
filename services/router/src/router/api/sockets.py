"""What every WebSocket of the API has in common: ticket, origin, limits, and a way to end.

Close codes: 4400 bad frame, 4401 not (or no longer) authenticated, 4403 forbidden, 4408 silent, 4413 frame too large,
4429 too many frames or sockets, 1013 too slow or a backend away, 1012 the server restarts or the agent works elsewhere
now: after these two come back with `after`.
"""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from contracts.fields import Id
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from servicekit.auth import Principal
from servicekit.errors import RetryLaterError
from servicekit.telemetry import log
from starlette.websockets import WebSocket, WebSocketDisconnect

from router.api.open_sockets import TooManySocketsError
from router.api.parts import Parts

LOG: Final = log("router.api.sockets")
FRAME_BYTES_MAX: Final = 16 * 1024
RESTART_SECONDS_MAX: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """The bounds of a socket. A hidden page's timers fire once a minute: silence must last longer than that."""

    silence_seconds_max: float = 75
    send_seconds_max: float = 10
    close_seconds_max: float = 1
    frames_per_second: float = 10
    frames_burst: float = 40
    look_seconds: float = 3
    view_seconds: float = 1
    heartbeat_seconds: float = 3
    seat_seconds: float = 30


@dataclass(frozen=True, slots=True)
class Close:
    """Why a socket is closed by us."""

    code: int
    reason: str


class ClientFrame(BaseModel):
    """What a client may send; any frame is a sign of life."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["heartbeat", "typing", "bye"]
    interaction_id: Id | None = None


_FRAME: Final = TypeAdapter(ClientFrame)


class Socket(ABC):
    """One accepted WebSocket; three tasks serve it, and the first to end, ends it."""

    def __init__(self, websocket: WebSocket, principal: Principal, parts: Parts, limits: SocketLimits) -> None:
        self._websocket = websocket
        self._principal = principal
        self._parts = parts
        self.limits = limits
        self._heard_at_ms = parts.clock.now_ms()
        self._allowance = limits.frames_burst
        self.said_bye = False

    @abstractmethod
    async def feed(self) -> Close | None:
        """Send what the client is to see, until there is a reason to close."""

    @abstractmethod
    async def take(self, frame: ClientFrame) -> None:
        """Act on a client's frame."""

    @abstractmethod
    async def tick(self) -> Close | None:
        """Every `heartbeat_seconds` while the socket is open; a reason to close, if there is one."""

    async def run(self) -> None:
        """Serve until the client is gone or we close; one socket too many is closed at once."""
        try:
            with self._parts.open_sockets.one_more(self._principal):
                await self._serve()
        except TooManySocketsError:
            await self._close(Close(4429, "too many sockets are open"))

    async def send(self, text: str) -> None:
        """Send a frame. Raises TimeoutError when the client does not read."""
        async with asyncio.timeout(self.limits.send_seconds_max):
            await self._websocket.send_text(text)

    async def _serve(self) -> None:
        duties = [asyncio.create_task(duty) for duty in (self._receive(), self._feed(), self._watch())]
        try:
            ended, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
        for duty in ended:
            close = duty.result()
            if close is not None:
                await self._close(close)

    async def _feed(self) -> Close | None:
        try:
            return await self.feed()
        except TimeoutError:
            return Close(1013, "too slow")
        except RetryLaterError:
            return Close(1013, "a part that this needs is away")
        except WebSocketDisconnect:
            return None

    async def _receive(self) -> Close | None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            refusal = await self._heard(message.get("text"))
            if refusal is not None:
                return refusal

    async def _heard(self, text: str | None) -> Close | None:
        now_ms = self._parts.clock.now_ms()
        earned = max(0, now_ms - self._heard_at_ms) / 1000 * self.limits.frames_per_second
        self._allowance = min(self._allowance + earned, self.limits.frames_burst) - 1
        self._heard_at_ms = now_ms
        if self._allowance < 0:
            return Close(4429, "too many frames")
        if text is None:
            return Close(4400, "frames are JSON texts")
        if len(text.encode()) > FRAME_BYTES_MAX:
            return Close(4413, f"a frame may have {FRAME_BYTES_MAX} bytes")
        try:
            frame = _FRAME.validate_json(text)
        except ValidationError:
            return Close(4400, "unknown frame")
        self.said_bye |= frame.type == "bye"
        with suppress(RetryLaterError):  # a lost sign of life or of typing comes again
            await self.take(frame)
        return None

    async def _watch(self) -> Close:
        while True:
            now_ms = self._parts.clock.now_ms()
            if now_ms >= self._principal.expires_at_ms:
                return Close(4401, "the token has expired")
            if now_ms - self._heard_at_ms > self.limits.silence_seconds_max * 1000:
                return Close(4408, "silent for too long")
            with suppress(RetryLaterError):
                close = await self.tick()
                if close is not None:
                    return close
            until_expiry_seconds = max(0.0, (self._principal.expires_at_ms - now_ms) / 1000)
            await self._parts.clock.sleep(min(self.limits.heartbeat_seconds, until_expiry_seconds))

    async def _close(self, close: Close) -> None:
        LOG.info("socket_closed", extra={"code": close.code})
        # A client that does not read holds up the close frame as well; the server then drops the connection.
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(self.limits.close_seconds_max):
                await self._websocket.close(close.code, close.reason)


async def admitted(websocket: WebSocket, parts: Parts) -> Principal | None:
    """Accept the socket and redeem its ticket; none when it was refused and closed."""
    if not _is_origin_allowed(websocket, parts.origins):
        await websocket.close(4403)  # before it is accepted: HTTP 403
        return None
    await websocket.accept()
    try:
        principal = await parts.tickets.redeem(websocket.query_params.get("ticket", ""))
    except RetryLaterError:
        await websocket.close(1013, "try again")
        return None
    if principal is None:
        await websocket.close(4401, "the ticket is used up, too old or none of ours")
    return principal


def _is_origin_allowed(websocket: WebSocket, allowed: frozenset[str]) -> bool:
    """Programs send no origin; pages must be of this host or of a listed origin (cross-site WebSocket hijacking)."""
    origin = websocket.headers.get("origin")
    return origin is None or origin in allowed or urlsplit(origin).netloc == websocket.headers.get("host")
