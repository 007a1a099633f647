"""A visitor's WebSocket: frames in, and whatever the conversation has that the page has not shown yet out.

There is no queue of frames towards the page: what goes out is read from the store by number, so a slow page is only
behind, and its own requests wait until it has read the answers.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Query
from gatewaykit.domain.records import Conversation, Message
from opentelemetry.trace import SpanKind
from servicekit.errors import RetryLaterError
from servicekit.telemetry import log
from starlette.websockets import WebSocket, WebSocketDisconnect

from chat_gateway import frames, handlers
from chat_gateway.domain.records import Visit
from chat_gateway.frames import DeliveredFrame, Frame, FrameError, MessageFrame, SignalFrame
from chat_gateway.limits import TokenBucket
from chat_gateway.parts import Parts
from chat_gateway.rooms import Closing, Room, TooManyError
from chat_gateway.tokens import TokenError

LOG: Final = log("sockets")
SUBPROTOCOL: Final = "centralino.chat.v1"
SEND_SECONDS: Final = 10.0
RENEW_MS: Final = 240_000
"""So long before the token expires the socket closes for the page to come back with a renewed one."""
REFUSALS_MAX: Final = 20
# Deliveries are coalesced, and a ping costs no more than its pong, which is waited for.
_LIMITED: Final = ("message", "typing", "callback")

RESTART: Final = 1012
AWAY: Final = Closing(1013, "try_later", "Nothing was lost. Connect again.")
SLOW: Final = Closing(1013, "too_slow", "The page does not read. Connect again.")


def create_socket_router(parts: Parts) -> APIRouter:
    """The WebSocket under `/chat/v1`."""
    router = APIRouter()

    @router.websocket("/socket")
    async def socket(websocket: WebSocket, after: Annotated[int, Query(ge=0)] = 0) -> None:
        await serve_visitor(websocket, parts, after=after)

    return router


async def serve_visitor(websocket: WebSocket, parts: Parts, *, after: int) -> None:
    """Let a visitor in, or say why not (the close code needs an accepted socket); ends when the socket does.

    The token comes as second sub-protocol: a query string would put it, with the visitor's name, into every log on
    the way. `after` is the number of the last message that the page has.
    """
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    closing: Closing | None
    try:
        visit = parts.tokens.read(next((each for each in offered if each != SUBPROTOCOL), ""))
        if not parts.origins.allows(websocket, visit.address):
            closing = Closing(4403, "origin_forbidden", "This page may not chat with this address.")
        elif parts.rooms.closed.is_set():
            closing = Closing(RESTART, "restarting", "Connect again.", reconnect_after_ms=1000)
        else:
            with parts.rooms.enter((visit.tenant_id, visit.interaction_id)) as room:
                closing = await VisitorSocket(websocket, parts, visit, room, after).serve()
    except TokenError as error:
        closing = Closing(4401, error.code, error.reason)
    except TooManyError:
        closing = Closing(4429, "too_many_sockets", "Too many sockets are open.")
    if closing:
        await _say_goodbye(websocket, closing)


class VisitorSocket:
    """One accepted socket."""

    def __init__(self, websocket: WebSocket, parts: Parts, visit: Visit, room: Room, after: int) -> None:
        self._websocket = websocket
        self._parts = parts
        self._visit = visit
        self._room = room
        self._shown_number = after
        self._shown: dict[str, Frame] = {}
        settings = parts.settings
        every_ms = 60_000 // settings.messages_per_minute
        self._frames_allowed = TokenBucket(parts.clock, burst=settings.messages_burst, every_ms=every_ms)
        may_renew = visit.expires_at_ms - parts.clock.now_ms() > RENEW_MS
        self._leave_at_ms = visit.expires_at_ms - (RENEW_MS if may_renew else 0)
        self._delivered_number = 0
        self._confirmed_number = 0
        self._confirmed = asyncio.Event()
        self._refusals = 0

    async def serve(self) -> Closing | None:
        """Until the page goes (none) or has to go."""
        duties = [self._receive, self._follow, self._confirm]
        tasks = [asyncio.create_task(_ended(duty)) for duty in duties]
        try:
            await self._note_connection(connected=True)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except RetryLaterError:
            return AWAY
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(RetryLaterError):  # then the timers find out, and the page confirms again
                await self._confirm_delivery()
                await self._note_connection(connected=False)
        return next(iter(done)).result()

    async def _receive(self) -> Closing | None:
        idle_seconds = self._parts.settings.socket_idle_seconds
        while True:
            try:
                async with asyncio.timeout(idle_seconds):
                    message = await self._websocket.receive()
            except TimeoutError:
                return Closing(4408, "idle", "The page has said nothing for too long.")
            if message["type"] == "websocket.disconnect":
                return None
            raw = message.get("text")
            if raw is None:
                return Closing(4400, "bad_frame", "Frames are text.")
            if len(raw.encode(errors="replace")) > frames.FRAME_BYTES_MAX:
                return Closing(4413, "frame_too_large", f"A frame has at most {frames.FRAME_BYTES_MAX} bytes.")
            closing = await self._take(raw)
            if closing:
                return closing

    async def _take(self, raw: str) -> Closing | None:
        """One frame; a refused one is answered, and too many of those end the socket."""
        try:
            await self._do(self._allowed(frames.read_frame(raw)))
        except FrameError as error:
            await self._send(frames.error(error.code, error.reason, client_message_id=error.client_message_id))
            self._refusals += 1
            if self._refusals >= REFUSALS_MAX:
                close_code = 4429 if error.code == "too_many" else 4400
                return Closing(close_code, error.code, "Too many frames were refused.")
        return None

    def _allowed(self, frame: frames.ClientFrame) -> frames.ClientFrame:
        if frame.type in _LIMITED and not self._frames_allowed.take():
            given = frame.client_message_id if isinstance(frame, MessageFrame) else None
            raise FrameError("too_many", "Too many messages; wait a moment.", given)
        return frame

    async def _do(self, frame: frames.ClientFrame) -> None:
        match frame:
            case MessageFrame():
                await self._accept(frame)
            case DeliveredFrame(number=number):
                self._delivered_number = max(self._delivered_number, number)
                self._confirmed.set()
            case SignalFrame(type="typing"):
                await self._parts.signals.typing(self._visit.interaction_id)
            case SignalFrame(type="end"):
                async with self._parts.store.transaction(self._visit.tenant_id) as tx:
                    await handlers.end_by_customer(tx, self._visit, now_ms=self._parts.clock.now_ms())
            case SignalFrame(type="callback"):
                await self._ask_for_callback()
            case SignalFrame(type="ping"):
                await self._send({"type": "pong"})

    async def _accept(self, frame: MessageFrame) -> None:
        given = frame.client_message_id
        try:
            with self._parts.telemetry.span("take message", kind=SpanKind.SERVER):
                number = await self._committed(frame)
        except handlers.EndedError:
            raise FrameError("ended", "This conversation is over.", given) from None
        except handlers.UnknownAddressError:
            raise FrameError("address_unknown", "Nobody answers at this address any more.", given) from None
        self._parts.metrics.acknowledged(number)
        await self._send(frames.acknowledged(given, number))

    async def _ask_for_callback(self) -> None:
        place = self._parts.directory.place(self._visit.address)
        try:
            async with self._parts.store.transaction(self._visit.tenant_id) as tx:
                await handlers.request_callback(tx, self._visit, place, now_ms=self._parts.clock.now_ms())
        except handlers.NoCallbackError:
            raise FrameError("no_callback", "Only who waits, and can be called, may ask to be called back.") from None

    async def _committed(self, frame: MessageFrame) -> int:
        async with self._parts.store.transaction(self._visit.tenant_id) as tx:
            return await handlers.accept_message(
                tx,
                self._visit,
                self._parts.directory.place(self._visit.address),
                client_message_id=frame.client_message_id,
                text=frame.text,
                now_ms=self._parts.clock.now_ms(),
            )

    async def _confirm(self) -> Closing | None:
        """Deliveries, one at a time: what comes meanwhile counts as its highest number only."""
        while True:
            await self._confirmed.wait()
            self._confirmed.clear()
            await self._confirm_delivery()

    async def _confirm_delivery(self) -> None:
        number = self._delivered_number
        if number > self._confirmed_number:
            async with self._parts.store.transaction(self._visit.tenant_id) as tx:
                await handlers.confirm_delivery(tx, self._visit, number=number, now_ms=self._parts.clock.now_ms())
            self._confirmed_number = number

    async def _follow(self) -> Closing | None:
        await self._greet()
        while True:
            self._room.news.clear()
            closing = self._room.closing or await self._show_news()
            if closing:
                return closing
            with suppress(TimeoutError):
                async with asyncio.timeout((self._leave_at_ms - self._parts.clock.now_ms()) / 1000):
                    await self._room.news.wait()

    async def _greet(self) -> None:
        async with self._parts.store.transaction(self._visit.tenant_id) as tx:
            conversation = await tx.conversation(self._visit.tenant_id, self._visit.interaction_id)
        last_number = conversation.last_number if conversation else 0
        queues = self._parts.directory.queues(self._visit.address)
        place = self._parts.directory.place(self._visit.address)
        await self._send(frames.hello(conversation, queues, callbacks=place is not None and place.callbacks))
        self._shown["state"] = frames.state(conversation)
        if self._shown_number > last_number:
            self._shown_number = 0
            await self._send({"type": "resync"})

    async def _show_news(self) -> Closing | None:
        """Everything that the page has not got, from the store; then hints."""
        conversation, messages = await self._read()
        while messages:
            for message in messages:
                await self._send(frames.said(message))
                self._shown_number = message.number
            conversation, messages = await self._read()
        if conversation:
            self._room.revision = conversation.revision
            await self._send_if_new(frames.state(conversation))
            if self._room.place and conversation.state == "waiting":
                await self._send_if_new(frames.position(self._room.place))
        if self._room.agent_types:
            self._room.agent_types = False
            await self._send({"type": "typing"})
        return self._expiry()

    async def _read(self) -> tuple[Conversation | None, Sequence[Message]]:
        tenant_id, interaction_id = self._room.key
        async with self._parts.store.transaction(tenant_id) as tx:
            conversation = await tx.conversation(tenant_id, interaction_id)
            if conversation is None or conversation.last_number <= self._shown_number:
                return conversation, ()
            return conversation, await tx.messages_after(tenant_id, interaction_id, self._shown_number)

    def _expiry(self) -> Closing | None:
        if self._parts.clock.now_ms() < self._leave_at_ms:
            return None
        if self._leave_at_ms < self._visit.expires_at_ms:
            return Closing(RESTART, "token_expires", "Renew the token and connect again.", reconnect_after_ms=0)
        return Closing(4401, "token_expired", "The token has expired.")

    async def _note_connection(self, *, connected: bool) -> None:
        if len(self._parts.rooms.of(self._visit.interaction_id)) > 1:
            return
        async with self._parts.store.transaction(self._visit.tenant_id) as tx:
            await handlers.note_connection(tx, self._visit, connected=connected, now_ms=self._parts.clock.now_ms())

    async def _send_if_new(self, frame: Frame) -> None:
        kind = str(frame["type"])
        if self._shown.get(kind) != frame:
            self._shown[kind] = frame
            await self._send(frame)

    async def _send(self, frame: Frame) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._websocket.send_text(json.dumps(frame, ensure_ascii=False))


async def _ended(duty: Callable[[], Awaitable[Closing | None]]) -> Closing | None:
    """Why a duty of a socket ended; none: the page is gone."""
    try:
        return await duty()
    except WebSocketDisconnect:
        return None
    except RetryLaterError:
        return AWAY
    except TimeoutError:
        return SLOW


async def _say_goodbye(websocket: WebSocket, closing: Closing) -> None:
    frame = frames.error(closing.code, closing.reason, reconnect_after_ms=closing.reconnect_after_ms)
    with suppress(WebSocketDisconnect, TimeoutError):
        async with asyncio.timeout(SEND_SECONDS):
            await websocket.send_text(json.dumps(frame))
            await websocket.close(closing.close_code, closing.code)
