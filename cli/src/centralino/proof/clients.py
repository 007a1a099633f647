"""Customers' and agents' pages against running services: HTTP and WebSockets."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import httpx
from contracts.tasks import Then
from servicekit.ports import Clock
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from centralino.proof.history import Outcome
from centralino.proof.people import AwayError, Connect, DeskView, Frame, Held, Line

SUBPROTOCOL: Final = "centralino.chat.v1"
REQUEST_SECONDS: Final = 15.0
OPEN_SECONDS: Final = 10.0
BEAT_SECONDS: Final = 4.0
FRESH_MS: Final = 1000
"""So long after a frame the desk is looked at anew each time: a view may be behind the frame."""
STALE_MS: Final = 3000
GONE: Final = (OSError, TimeoutError, WebSocketException, httpx.TransportError)

NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""All is plain HTTP here, and reading the machine's certificates would take longer than a chat."""

Json = dict[str, Any]  # Any: a document
Transport = Callable[[], httpx.AsyncBaseTransport]


@dataclass(frozen=True, slots=True)
class Window:
    """A customer's open chat window; `connect` opens its sockets."""

    interaction_id: str
    connect: Connect


async def open_window(
    gateway: str, source: str, wanted: Mapping[str, object], *, transport: Transport | None = None
) -> Window:
    """Open a chat window from address `source`; `gateway` is the URL with prefix. Raises AwayError.

    Every customer needs an address of their own, because the gateway bounds what one address may open: one in
    127.0.0.0/8, or by another `transport` the one that a proxy in front would name.
    """
    headers = {"x-forwarded-for": source} if transport else {}
    way = transport() if transport else httpx.AsyncHTTPTransport(local_address=source, verify=NO_CERTIFICATES)
    async with httpx.AsyncClient(transport=way, headers=headers, timeout=REQUEST_SECONDS) as client:
        try:
            answer = await client.post(f"{gateway}/windows", json=dict(wanted))
        except GONE as error:
            raise AwayError(str(error)) from error
        if answer.is_server_error:
            raise AwayError(answer.text)
        answer.raise_for_status()
    opened = answer.json()
    url = f"{gateway.replace('http', 'ws', 1)}/socket"
    protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(opened["window_token"])]

    @asynccontextmanager
    async def connect(after: int) -> AsyncGenerator[Line]:
        try:
            socket = await open_socket(f"{url}?after={after}", subprotocols=protocols, open_timeout=OPEN_SECONDS)
        except GONE as error:
            raise AwayError(str(error)) from error
        async with socket:
            yield SocketLine(socket)

    return Window(opened["interaction_id"], connect)


class SocketLine:
    """Line over a WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, frame: Frame) -> None:
        """See Line."""
        try:
            await self._socket.send(json.dumps(frame))
        except GONE as error:
            raise AwayError(str(error)) from error

    async def receive(self, *, timeout_seconds: float) -> Frame | None:
        """See Line."""
        try:
            async with asyncio.timeout(timeout_seconds):
                frame: Json = json.loads(await self._socket.recv())
        except TimeoutError:
            return None
        except GONE as error:
            raise AwayError(str(error)) from error
        return frame


@dataclass(slots=True)
class HttpDesk:
    """AgentDesk over the router's API; `listen` has to run beside it. `client` shows the agent's token.

    `crm` is the URL of the CRM, which tells what was said while frames got lost.
    """

    client: httpx.AsyncClient
    agent_id: str
    clock: Clock
    crm: str | None = None
    fates: dict[str, Literal["sent", "failed"]] = field(default_factory=dict)
    customer_numbers: dict[str, int] = field(default_factory=dict)
    _traces: dict[str, str] = field(default_factory=dict)
    """By offer or assignment id, the trace context that a frame about it came with."""
    _after: int | None = None
    _lacks_frames: bool = False
    _view: DeskView | None = None
    _looked_at_ms: int = 0
    _fresh_until_ms: int = 0

    async def listen(self) -> None:
        """Keep the agent's socket open, until cancelled: it keeps the agent present and tells what happens."""
        while True:
            try:
                await self._listen_once()
            except (AwayError, *GONE):
                await self.clock.sleep(0.3)

    async def look(self) -> DeskView:
        """See AgentDesk."""
        now_ms = self.clock.now_ms()
        if self._view is None or now_ms < self._fresh_until_ms or now_ms - self._looked_at_ms > STALE_MS:
            self._view = await self._look()
            self._looked_at_ms = now_ms
        return self._view

    async def be_ready(self, command_id: str) -> Outcome:
        """See AgentDesk."""
        return await self._ask("PUT", "/me/state", command_id, {"state": "ready"})

    async def accept(self, offer_id: str, command_id: str) -> Outcome:
        """See AgentDesk."""
        return await self._ask("POST", f"/offers/{offer_id}/accept", command_id, None)

    async def reject(self, offer_id: str, command_id: str) -> Outcome:
        """See AgentDesk."""
        return await self._ask("POST", f"/offers/{offer_id}/reject", command_id, {})

    async def say(self, assignment_id: str, message_id: str, text: str) -> Outcome:
        """See AgentDesk."""
        body = {"message_id": message_id, "text": text}
        return await self._ask("POST", f"/assignments/{assignment_id}/messages", None, body, done=202)

    async def complete(self, assignment_id: str, command_id: str, *, then: Then, seen_number: int | None) -> Outcome:
        """See AgentDesk."""
        body = {"then": then, "seen_number": seen_number}
        return await self._ask("POST", f"/assignments/{assignment_id}/complete", command_id, body)

    def fate(self, message_id: str) -> Literal["sent", "failed"] | None:
        """See AgentDesk."""
        return self.fates.get(message_id)

    def customer_number(self, interaction_id: str) -> int | None:
        """See AgentDesk."""
        return self.customer_numbers.get(interaction_id)

    async def _look(self) -> DeskView:
        try:
            answer = await self.client.get("/me")
        except GONE as error:
            raise AwayError(str(error)) from error
        if answer.status_code != httpx.codes.OK:
            raise AwayError(answer.text)
        desk = answer.json()
        if self._after is None:
            self._after = desk["push_sequence"]
        held = [
            Held(each["assignment_id"], each["interaction_id"], each["state"] == "wrapup")
            for each in desk["assignments"]
        ]
        return DeskView(desk["state"] == "ready", [offer["offer_id"] for offer in desk["offers"]], held)

    async def _ask(
        self, method: str, path: str, command_id: str | None, body: Json | None, *, done: int = httpx.codes.OK
    ) -> Outcome:
        headers = {"idempotency-key": command_id} if command_id else {}
        if context := self._traces.get(path.split("/")[2]):
            headers["traceparent"] = context
        try:
            answer = await self.client.request(method, path, headers=headers, json=body)
        except GONE:
            return "unknown"
        if answer.status_code == done:
            return "ok"
        return "failed" if 400 <= answer.status_code < 500 else "unknown"

    async def _listen_once(self) -> None:
        if self._after is None:
            await self._look()
        answer = await self.client.post("/socket-tickets")
        if answer.status_code != httpx.codes.CREATED:
            raise AwayError(answer.text)
        url = f"{str(self.client.base_url).rstrip('/').replace('http', 'ws', 1)}/agent-socket"
        query = f"ticket={answer.json()['ticket']}&after={self._after}&device=proof"
        async with open_socket(f"{url}?{query}", open_timeout=OPEN_SECONDS) as socket:
            beating = asyncio.create_task(_beat(socket, self.clock))
            try:
                async for raw in socket:
                    self._hear(json.loads(raw))
                    if self._lacks_frames:
                        await self._read_up()
            finally:
                beating.cancel()
                await asyncio.wait([beating])

    async def _read_up(self) -> None:
        """Frames are gone: what they told of conversations stands in the CRM."""
        self._view = await self._look()
        for held in self._view.held if self.crm else ():
            url = f"{self.crm}/interactions/{held.interaction_id}"
            conversation, said = await self.client.get(url), await self.client.get(f"{url}/messages")
            if conversation.status_code == said.status_code == httpx.codes.OK:
                self.fates |= {each["message_id"]: "failed" for each in conversation.json()["failed_messages"]}
                for message in said.json()["messages"]:
                    self._know(message, held.interaction_id, is_from_agent=message["direction"] == "outbound")
        self._lacks_frames = False

    def _know(self, message: Json, interaction_id: str, *, is_from_agent: bool) -> None:
        if is_from_agent:
            self.fates[message["message_id"]] = "sent"
            return
        known = self.customer_numbers.get(interaction_id, 0)
        self.customer_numbers[interaction_id] = max(known, message["number"])

    def _hear(self, frame: Json) -> None:
        self._after = frame.get("sequence", self._after)
        self._fresh_until_ms = self.clock.now_ms() + FRESH_MS
        data = frame.get("data", {})
        if context := frame.get("traceparent"):
            self._traces |= {data[name]: context for name in ("offer_id", "assignment_id") if data.get(name)}
        match frame["type"]:
            case "message.sent" | "message.received":
                self._know(data, data["interaction_id"], is_from_agent=frame["type"] == "message.sent")
            case "message.failed":
                self.fates[data["message_id"]] = "failed"
            case "resync":
                self._lacks_frames = True
            case _:
                pass


async def _beat(socket: ClientConnection, clock: Clock) -> None:
    try:
        while True:
            await socket.send(json.dumps({"type": "heartbeat"}))
            await clock.sleep(BEAT_SECONDS)
    except GONE:
        return
