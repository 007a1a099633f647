"""The two WebSockets: an agent's stream, a supervisor's live view."""

import asyncio
import json
import re
from contextlib import suppress
from typing import Final

from fastapi import APIRouter
from servicekit.auth import Principal
from servicekit.errors import RetryLaterError
from servicekit.live import LiveAwayError
from servicekit.problems import ProblemError
from starlette.websockets import WebSocket
from typing_extensions import override

from router.api.alerts import Ear
from router.api.handlers import place_of
from router.api.parts import Parts, parts_of
from router.api.signals import Listener
from router.api.sockets import RESTART_SECONDS_MAX, ClientFrame, Close, Socket, SocketLimits, admitted
from router.api.store import Seat

ROUTES: Final = APIRouter()
LIMITS: Final = SocketLimits()
_ENDS: Final = ("task.requeued", "task.unassigned", "task.completed", "task.transferred_out")
_DEVICE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}/[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


class AgentSocket(Socket):
    """Sends the agent's push stream from a number on, keeps the device's lease, passes typing on."""

    def __init__(
        self,
        websocket: WebSocket,
        principal: Principal,
        parts: Parts,
        limits: SocketLimits = LIMITS,
        *,
        seat: Seat,
        device: str,
        after: int | None,
    ) -> None:
        super().__init__(websocket, principal, parts, limits)
        self._seat = seat
        self._place = place_of(seat)
        self._device = device
        self._cursor = after
        self._live = parts.live
        self._seat_seen_at_ms = parts.clock.now_ms()

    @override
    async def run(self) -> None:
        """See Socket; a client that said bye gives its lease back."""
        await super().run()
        if self.said_bye:
            with suppress(RetryLaterError):
                await self._live.heartbeat(self._place, self._seat.agent_id, self._device, alive=False)

    @override
    async def feed(self) -> Close | None:
        with self._parts.signals.listening(self._place, self._seat.agent_id) as listener:
            await self._greet(listener)
            while True:
                listener.event.clear()
                await self._send_heard(listener)
                if listener.must_look:
                    await self._look(listener)
                else:
                    await self._wait(listener)

    @override
    async def take(self, frame: ClientFrame) -> None:
        if frame.type != "typing" or frame.interaction_id is None:
            return
        if await self._live.talks_to_customer(self._place, self._seat.agent_id, frame.interaction_id):
            await self._live.typing(frame.interaction_id)

    @override
    async def tick(self) -> Close | None:
        await self._live.heartbeat(self._place, self._seat.agent_id, self._device)
        now_ms = self._parts.clock.now_ms()
        if now_ms - self._seat_seen_at_ms < self.limits.seat_seconds * 1000:
            return None
        self._seat_seen_at_ms = now_ms
        return await self._moved()

    async def _moved(self) -> Close | None:
        """The configuration may have given the agent another domain, or none: what this socket shows is not theirs."""
        try:
            seat = await self._parts.desk.seat(self._principal)
        except ProblemError as error:
            return Close(4403, error.code)
        if seat.domain == self._seat.domain:
            return None
        await self._live.heartbeat(self._place, self._seat.agent_id, self._device, alive=False)
        return Close(1012, "the agent works in another domain now")

    async def _greet(self, listener: Listener) -> None:
        """`hello` first. The client may go on where it was, or must look at its desk anew."""
        place, agent_id, after = self._place, self._seat.agent_id, self._cursor
        view = await self._live.agent_view(place, agent_id)
        assignments = await self._live.assignments(place, view.assignments if view else [])
        listener.interactions |= {assignment.interaction_id for assignment in assignments}
        if after is None:
            # Before the number that hello names: what is pushed in between would be in neither.
            self._cursor = await self._live.push_start(place, agent_id)
        read = await self._live.push_read(place, agent_id, after)
        resumed = after is not None and read.complete
        jitter = self._parts.chance.uniform(0, RESTART_SECONDS_MAX * 1000)
        data = {"sequence": read.last, "resumed": resumed, "reconnect_after_ms": round(jitter)}
        await self.send(json.dumps({"type": "hello", "data": data}))
        if after is not None and not resumed:
            await self._resync()

    async def _send_heard(self, listener: Listener) -> None:
        """What came with signals, as far as it follows what was sent before."""
        while listener.typing:
            data = {"interaction_id": listener.typing.pop(), "from": "customer"}
            await self.send(json.dumps({"type": "typing", "data": data}))
        for number, frame in listener.take_frames():
            if number - 1 != self._cursor:
                listener.must_look = True
            if listener.must_look:
                break
            await self._send_frame(listener, number, frame)

    async def _look(self, listener: Listener) -> None:
        """What the stream has after what was sent before."""
        listener.must_look = False
        try:
            more = await self._send_stored(listener)
        except LiveAwayError:
            await self._wait(listener)
            more = True
        if more:
            listener.must_look = True

    async def _send_stored(self, listener: Listener) -> bool:
        """Whether there may be more."""
        read = await self._live.push_read(self._place, self._seat.agent_id, self._cursor)
        if not read.complete:
            await self._resync()
            return True
        for number, frame in read.frames:
            await self._send_frame(listener, number, frame)
        return bool(read.frames)

    async def _send_frame(self, listener: Listener, number: int, frame: str) -> None:
        await self.send(f'{{"sequence":{number},{frame[1:]}')
        self._cursor = number
        _follow(listener, frame)

    async def _resync(self) -> None:
        """Frames are gone: the client reads its desk and the timelines again; the stream goes on from here."""
        self._cursor = await self._live.push_start(self._place, self._seat.agent_id)
        await self.send(json.dumps({"sequence": self._cursor, "type": "resync", "data": {}}))

    async def _wait(self, listener: Listener) -> None:
        try:
            async with asyncio.timeout(self.limits.look_seconds):
                await listener.event.wait()
        except TimeoutError:
            listener.must_look = True


class LiveSocket(Socket):
    """Sends the live view of the tenant whenever it changed, at most once a second, and alerts as they change."""

    def __init__(self, websocket: WebSocket, principal: Principal, parts: Parts, limits: SocketLimits = LIMITS) -> None:
        super().__init__(websocket, principal, parts, limits)
        self._tenant_id = principal.tenant_id

    @override
    async def feed(self) -> Close | None:
        shown = ""
        views, alerts = self._parts.live_views, self._parts.alerts
        # Alerts are heard before the view that lists those that stand is read: none falls in between.
        with alerts.hearing(self._tenant_id) as heard, views.showing(self._tenant_id) as view:
            while True:
                try:
                    frame = await view.frame(age_seconds_max=self.limits.view_seconds / 2)
                    if frame is not shown:
                        await self.send(frame)
                        shown = frame
                except LiveAwayError:
                    shown = ""
                await self._tell(heard)

    async def _tell(self, heard: Ear) -> None:
        """Alerts, until the view may be sent again."""
        until = asyncio.get_running_loop().time() + self.limits.view_seconds
        while True:
            try:
                async with asyncio.timeout_at(until):
                    frame = await heard.get()
            except TimeoutError:
                return
            await self.send(frame)

    @override
    async def take(self, frame: ClientFrame) -> None:
        """Nothing but a sign of life."""

    @override
    async def tick(self) -> Close | None:
        """Nothing to keep."""
        return None


@ROUTES.websocket("/agent-socket")
async def agent_socket(websocket: WebSocket) -> None:
    """Query: `ticket`, `after` (last frame's number or `push_sequence`), `device` (stable per browser), its `kind`."""
    parts = parts_of(websocket)
    principal = await admitted(websocket, parts)
    if principal is None:
        return
    query = websocket.query_params
    after, device = query.get("after", ""), f"{query.get('kind', 'desktop')}/{query.get('device', 'default')}"
    if not re.fullmatch(r"\d{0,15}", after) or not _DEVICE.fullmatch(device):
        await websocket.close(4400, "after is a number, device an id, kind a word")
        return
    if "agent" not in principal.roles:
        await websocket.close(4403, "role_missing")
        return
    try:
        seat = await parts.desk.seat(principal)
    except ProblemError as error:
        await websocket.close(4403, error.code)
        return
    except RetryLaterError:
        await websocket.close(1013, "try again")
        return
    start = int(after) if after else None
    await AgentSocket(websocket, principal, parts, seat=seat, device=device, after=start).run()


@ROUTES.websocket("/live-socket")
async def live_socket(websocket: WebSocket) -> None:
    """Query: `ticket` of a supervisor."""
    parts = parts_of(websocket)
    principal = await admitted(websocket, parts)
    if principal is None:
        return
    if "supervisor" not in principal.roles:
        await websocket.close(4403, "role_missing")
        return
    await LiveSocket(websocket, principal, parts).run()


def _follow(listener: Listener, frame: str) -> None:
    """Which conversations are the agent's, for typing signals."""
    if not frame.startswith('{"type":"task.'):
        return
    document = json.loads(frame)
    interaction_id = document["data"]["interaction_id"]
    if document["type"] == "task.assigned":
        listener.interactions.add(interaction_id)
    elif document["type"] in _ENDS or document["data"].get("handed_over_to"):
        listener.interactions.discard(interaction_id)
