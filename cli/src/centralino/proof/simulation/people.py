"""How simulated customers and agents reach the simulated services."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

from chat_gateway.app import Gateway
from chat_gateway.domain.records import Visit
from chat_gateway.sockets import SUBPROTOCOL, serve_visitor
from contracts import decode
from contracts.commands import AcceptOffer, CompleteTask, RejectOffer
from contracts.messages import MessageFailed, MessageReceived, MessageSent
from contracts.tasks import Then
from contracts.topics import MESSAGES
from router.api.models import AgentView, AssignmentView, StateChoice
from router.api.models_written import MessageRequest
from router.api.store import Seat
from servicekit.errors import RetryLaterError
from servicekit.ports import Partition
from servicekit.problems import ProblemError
from servicekit.testing.memory_log import MemoryLog
from starlette.types import Message
from starlette.websockets import WebSocket

from centralino.proof.history import Outcome
from centralino.proof.people import AwayError, Connect, DeskView, Frame, Held, Line
from centralino.proof.simulation.process import GoneError, Process
from centralino.proof.simulation.services import AgentsApi, World

UNKNOWN_STATUSES: Final = range(500, 600)
Ask = Callable[[AgentsApi], Coroutine[Any, Any, object]]  # Any: what coroutines yield and take


def connecting(gateway: Process[Gateway], visit: Visit) -> Connect:
    """Opens sockets of this visit, by ASGI, at whatever life of the gateway answers."""

    @asynccontextmanager
    async def connect(after: int) -> AsyncGenerator[Line]:
        line = SimulatedLine()
        serving = asyncio.create_task(_served(gateway, line, visit, after))
        try:
            yield line
        finally:
            line.hang_up()
            await asyncio.wait([serving])

    return connect


class SimulatedLine:
    """Both ends of a socket: `send` and `receive` are the customer's, `websocket` is the gateway's."""

    def __init__(self) -> None:
        self._to_gateway: asyncio.Queue[Message] = asyncio.Queue()
        self._to_customer: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._to_gateway.put_nowait({"type": "websocket.connect"})
        self._gone = False

    def websocket(self, token: str) -> WebSocket:
        """The gateway's end."""
        scope = {"type": "websocket", "path": "/", "headers": [], "subprotocols": [SUBPROTOCOL, token]}
        return WebSocket(scope, self._to_gateway.get, self._take)

    def hang_up(self) -> None:
        """Either side is gone."""
        self._to_gateway.put_nowait({"type": "websocket.disconnect", "code": 1001})
        self._to_customer.put_nowait(None)

    async def send(self, frame: Frame) -> None:
        """See Line."""
        if self._gone:
            raise AwayError("closed")
        self._to_gateway.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def receive(self, *, timeout_seconds: float) -> Frame | None:
        """See Line."""
        try:
            async with asyncio.timeout(timeout_seconds):
                frame = await self._to_customer.get()
        except TimeoutError:
            return None
        if frame is None:
            self._gone = True
            raise AwayError("closed")
        return frame

    async def _take(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            self._to_customer.put_nowait(json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self._to_customer.put_nowait(None)


async def _served(gateway: Process[Gateway], line: SimulatedLine, visit: Visit, after: int) -> None:
    async def serve(service: Gateway) -> None:
        token, _ = service.parts.tokens.issue(visit)
        await serve_visitor(line.websocket(token), service.parts, after=after)

    try:
        await gateway.call(serve)
    except GoneError:
        pass
    finally:
        line.hang_up()


class Heard:
    """What an agent's page hears of conversations: the first copies in topic `messages`, as they come."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._read: dict[Partition, int] = {}
        self.fates: dict[str, Literal["sent", "failed"]] = {}
        self.customer_numbers: dict[str, int] = {}

    def listen(self) -> None:
        """Take in what is new."""
        for partition, held in self._log.partitions.items():
            if partition.topic == MESSAGES.name:
                for record in held.records[self._read.get(partition, 0) :]:
                    self._take(decode(record.value, record.headers).data)
                self._read[partition] = len(held.records)

    def _take(self, data: object) -> None:
        match data:
            case MessageSent():
                self.fates[data.message_id] = "sent"
            case MessageFailed():
                self.fates[data.message_id] = "failed"
            case MessageReceived():
                known = self.customer_numbers.get(data.interaction_id, 0)
                self.customer_numbers[data.interaction_id] = max(known, data.number)
            case _:
                pass


class SimulatedDesk:
    """AgentDesk over the simulated API."""

    def __init__(self, api: Process[AgentsApi], world: World, seat: Seat, heard: Heard) -> None:
        self._api = api
        self._world = world
        self._seat = seat
        self._heard = heard

    async def look(self) -> DeskView:
        """See AgentDesk; from the engine's projection, as `GET /me` does."""
        views = self._world.live.views(f"{self._seat.tenant_id}/{self._seat.domain}")
        raw = views["agents"].get(self._seat.agent_id)
        if raw is None or self._world.live.away:
            raise AwayError("not projected")
        view = AgentView.model_validate_json(raw)
        shown = [views["assignments"][name] for name in view.assignments if name in views["assignments"]]
        held = [AssignmentView.model_validate_json(each) for each in shown]
        return DeskView(
            ready=view.state == "ready",
            offer_ids=[offer.offer_id for offer in view.offers],
            held=[Held(each.assignment_id, each.interaction_id, each.state == "wrapup") for each in held],
        )

    async def be_ready(self, command_id: str) -> Outcome:
        """See AgentDesk."""
        choice = StateChoice(state="ready")
        return await self._ask(lambda api: api.desk.set_state(self._seat, choice, command_id))

    async def accept(self, offer_id: str, command_id: str) -> Outcome:
        """See AgentDesk."""
        seat = self._seat
        command = AcceptOffer(command_id=command_id, domain=seat.domain, agent_id=seat.agent_id, offer_id=offer_id)
        return await self._ask(lambda api: api.desk.submit(seat, command))

    async def reject(self, offer_id: str, command_id: str) -> Outcome:
        """See AgentDesk."""
        seat = self._seat
        command = RejectOffer(command_id=command_id, domain=seat.domain, agent_id=seat.agent_id, offer_id=offer_id)
        return await self._ask(lambda api: api.desk.submit(seat, command))

    async def say(self, assignment_id: str, message_id: str, text: str) -> Outcome:
        """See AgentDesk."""
        message = MessageRequest(message_id=message_id, text=text)

        async def send(api: AgentsApi) -> bool:
            await api.conversations.say(self._seat, assignment_id, message)
            return True

        return await self._ask(send)

    async def complete(self, assignment_id: str, command_id: str, *, then: Then, seen_number: int | None) -> Outcome:
        """See AgentDesk."""
        seat = self._seat
        command = CompleteTask(
            command_id=command_id,
            domain=seat.domain,
            agent_id=seat.agent_id,
            assignment_id=assignment_id,
            then=then,
            seen_number=seen_number,
        )
        return await self._ask(lambda api: api.desk.submit(seat, command))

    def fate(self, message_id: str) -> Literal["sent", "failed"] | None:
        """See AgentDesk."""
        self._heard.listen()
        return self._heard.fates.get(message_id)

    def customer_number(self, interaction_id: str) -> int | None:
        """See AgentDesk."""
        self._heard.listen()
        return self._heard.customer_numbers.get(interaction_id)

    async def _ask(self, ask: Ask) -> Outcome:
        try:
            result = await self._api.call(ask)
        except (GoneError, RetryLaterError):
            return "unknown"
        except ProblemError as problem:
            return "unknown" if problem.status in UNKNOWN_STATUSES else "failed"
        return "unknown" if result is None else "ok"
