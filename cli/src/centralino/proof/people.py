"""Customers and agents who behave as pages do: they come back, try again under the same id, and take no for an answer.

What they talk through is given: real sockets and HTTP in `centralino.proof.clients`, simulated ones in
`centralino.proof.simulation`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from contracts.tasks import Then
from servicekit.ports import Chance, Clock

from centralino.proof.faults import Fault
from centralino.proof.history import Outcome, Request, RequestKind, Said
from centralino.proof.requests import writing

Frame = Mapping[str, Any]  # Any: JSON
AGAIN_SECONDS: Final = (0.2, 1.0)
LISTEN_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 0.4
SAY_AGAIN_SECONDS: Final = 8.0
PATIENCE_SECONDS: Final = 120.0
SHOWN_SECONDS_MAX: Final = 30.0
"""So long a desk may go on showing an assignment that was completed, or refused to be (L3)."""


class AwayError(Exception):
    """Nobody answers now; try again."""


class Line(Protocol):
    """A customer's open socket."""

    async def send(self, frame: Frame) -> None:
        """Raises AwayError when the socket is gone."""
        ...

    async def receive(self, *, timeout_seconds: float) -> Frame | None:
        """The next frame; none when none came in time. Raises AwayError when the socket is gone."""
        ...


Connect = Callable[[int], AbstractAsyncContextManager[Line]]
"""Opens a socket after a message number; raises AwayError."""


@dataclass(slots=True, kw_only=True)
class Customer:
    """One chat: says its first texts at once, then one after each answer or when left alone; then waits for the end."""

    interaction_id: str
    connect: Connect
    clock: Clock
    chance: Chance
    texts: Sequence[str]
    at_once: int = 1
    leaves_after_seconds: float | None = None
    """So long after the first message the customer ends the chat, answered or not."""
    accepted: list[Said] = field(default_factory=list)
    """What was acknowledged."""
    requests: list[Request] = field(default_factory=list)
    """Every try to say something, and how it went."""
    answers: int = 0
    over: bool = False
    _last_number: int = 0
    _upto: int = 0
    _unacknowledged: dict[str, str] = field(default_factory=dict)
    _asked_at_ms: dict[str, int] = field(default_factory=dict)
    """When each try began that nothing has come of yet, by the customer's id of the message."""
    _said: int = 0
    _said_at_ms: int = 0
    _state: str = "open"
    _attended: bool = False
    """Whether an agent was asked for or there: after that, open means left alone, answered or not."""

    async def chat(self) -> None:
        """Until the conversation has ended."""
        while not self.over:
            try:
                async with self.connect(self._last_number) as line:
                    await self._talk(line)
            except AwayError:
                self.give_up()
                await self.clock.sleep(self.chance.uniform(*AGAIN_SECONDS))

    def give_up(self) -> None:
        """The socket is gone, or the story is over: what is not acknowledged may have been taken or not."""
        for given in list(self._asked_at_ms):
            self._note(given, self._unacknowledged[given], "unknown")

    async def _talk(self, line: Line) -> None:
        for given, text in self._unacknowledged.items():
            await self._say(line, given, text)
        while not self.over:
            await self._say_next(line)
            frame = await line.receive(timeout_seconds=LISTEN_SECONDS)
            if frame is not None:
                await self._hear(line, frame)

    async def _say_next(self, line: Line) -> None:
        left_alone = self._state == "open" and self._attended and not self._unacknowledged
        due = min(max(self.at_once, self.answers + 1, self._said + left_alone), len(self.texts))
        while self._said < due:
            given, text = f"{self.interaction_id[-12:]}-{self._said:04d}", self.texts[self._said]
            self._unacknowledged[given] = text
            self._said += 1
            self._said_at_ms = self.clock.now_ms()
            await self._say(line, given, text)
        if not self._unacknowledged and self._wants_to_go():
            await line.send({"type": "end"})

    def _wants_to_go(self) -> bool:
        waited_ms = self.clock.now_ms() - self._said_at_ms
        if self.leaves_after_seconds is not None and waited_ms >= self.leaves_after_seconds * 1000:
            return True
        return self._state == "open" and self._said == len(self.texts) and self._attended

    async def _hear(self, line: Line, frame: Frame) -> None:
        match frame["type"]:
            case "hello" | "state":
                self._state = frame["state"]
                self._attended |= self._state in {"waiting", "assigned"}
                self._upto = frame.get("number", self._last_number)
            case "message":
                await self._see(line, frame)
            case "ack":
                text = self._unacknowledged.pop(frame["client_message_id"], None)
                if text is not None:
                    self._note(frame["client_message_id"], text, "ok")
                    self._accept(frame["number"], text)
            case "resync":
                self._last_number = 0
            case "error":
                self._refused(frame)
            case _:
                pass
        # `hello` comes before what was said, a later `state` behind it.
        self.over |= self._state == "ended" and self._last_number >= self._upto

    async def _see(self, line: Line, frame: Frame) -> None:
        if frame["number"] <= self._last_number:
            return
        self._last_number = frame["number"]
        if frame["from"] == "agent":
            self.answers += 1
            self._attended = True
            await line.send({"type": "delivered", "number": self._last_number})

    def _accept(self, number: int, text: str) -> None:
        said = Said(interaction_id=self.interaction_id, number=number, sender="customer", text=text)
        self.accepted.append(said)

    def _refused(self, frame: Frame) -> None:
        if frame["code"] == "ended":
            given = frame.get("client_message_id", "")
            text = self._unacknowledged.pop(given, None)
            if text is not None:
                self._note(given, text, "failed")
            self.over = not self._unacknowledged
            return
        raise AwayError(frame["code"])

    async def _say(self, line: Line, given: str, text: str) -> None:
        self._asked_at_ms[given] = self.clock.now_ms()
        await line.send({"type": "message", "client_message_id": given, "text": text})

    def _note(self, given: str, text: str, outcome: Outcome) -> None:
        self.requests.append(
            Request(
                who=self.interaction_id,
                kind="write",
                about=writing(self.interaction_id, text),
                key=given,
                asked_at_ms=self._asked_at_ms.pop(given, 0),
                answered_at_ms=self.clock.now_ms(),
                outcome=outcome,
            )
        )


@dataclass(frozen=True, slots=True)
class Held:
    """An assignment on an agent's desk."""

    assignment_id: str
    interaction_id: str
    wrapup: bool


@dataclass(frozen=True, slots=True)
class DeskView:
    """What an agent's page shows."""

    ready: bool
    offer_ids: Sequence[str]
    held: Sequence[Held]


class AgentDesk(Protocol):
    """An agent's page. Commands carry an id: the same one again is the same command."""

    async def look(self) -> DeskView:
        """Raises AwayError."""
        ...

    async def be_ready(self, command_id: str) -> Outcome: ...

    async def accept(self, offer_id: str, command_id: str) -> Outcome: ...

    async def reject(self, offer_id: str, command_id: str) -> Outcome: ...

    async def say(self, assignment_id: str, message_id: str, text: str) -> Outcome:
        """Hand it to the gateway; `fate` tells what became of it."""
        ...

    async def complete(
        self, assignment_id: str, command_id: str, *, then: Then, seen_number: int | None
    ) -> Outcome: ...

    def fate(self, message_id: str) -> Literal["sent", "failed"] | None:
        """Whether the message is part of the conversation, as far as is known."""
        ...

    def customer_number(self, interaction_id: str) -> int | None:
        """Of the customer's last message, as far as is known."""
        ...


@dataclass(slots=True, kw_only=True)
class AgentAtWork:
    """Takes offers and answers conversations, until cancelled. Odds are from 0 to 1.

    What stays on the desk is served again, under new ids; that it stays although it was answered is a fault.
    """

    agent_id: str
    desk: AgentDesk
    clock: Clock
    chance: Chance
    answers: int = 1
    reject_odds: float = 0.0
    ignore_odds: float = 0.0
    keep_open_odds: float = 0.0
    requests: list[Request] = field(default_factory=list)
    """Every try of a command or message, and how it went."""
    faults: list[Fault] = field(default_factory=list)
    """What no desk may show, or keep to itself."""
    _commands: int = 0
    _offers: set[str] = field(default_factory=set)
    _serving: dict[str, asyncio.Task[Outcome]] = field(default_factory=dict)
    _shown_since_ms: dict[str, int] = field(default_factory=dict)
    """Of assignments that were answered: since when each look has shown them nevertheless."""

    async def work(self) -> None:
        """Look at the desk now and then and do what is there."""
        try:
            while True:
                try:
                    await self._turn()
                except AwayError:
                    self._shown_since_ms.clear()
                    await self.clock.sleep(self.chance.uniform(*AGAIN_SECONDS))
                await self.clock.sleep(LOOK_SECONDS)
        finally:
            for task in self._serving.values():
                task.cancel()

    async def _turn(self) -> None:
        view = await self.desk.look()
        if not view.ready:
            await self._insist("ready", self.agent_id, self.desk.be_ready)
        for offer_id in view.offer_ids:
            if offer_id not in self._offers:
                self._offers.add(offer_id)
                await self._answer_offer(offer_id)
        for held in view.held:
            task = self._serving.get(held.assignment_id)
            if task is None or (task.done() and self._is_left(held, task.result())):
                self._serving[held.assignment_id] = asyncio.create_task(self._serve(held))
        for assignment_id in self._shown_since_ms.keys() - {held.assignment_id for held in view.held}:
            del self._shown_since_ms[assignment_id]

    def _is_left(self, held: Held, outcome: Outcome) -> bool:
        """Whether what was served is still there to do."""
        if outcome == "unknown":
            return True
        now_ms = self.clock.now_ms()
        shown_ms = now_ms - self._shown_since_ms.setdefault(held.assignment_id, now_ms)
        if shown_ms <= SHOWN_SECONDS_MAX * 1000:
            return False
        del self._shown_since_ms[held.assignment_id]
        self._note_fault(f"shows {held.assignment_id} {shown_ms} ms after its completion was answered {outcome}")
        return True

    def _note_fault(self, text: str) -> None:
        self.faults.append(Fault("L3", f"desk of {self.agent_id}", text))

    async def _answer_offer(self, offer_id: str) -> None:
        drawn = self.chance.uniform(0, 1)
        if drawn < self.ignore_odds:
            return
        if drawn < self.ignore_odds + self.reject_odds:
            await self._insist("reject", offer_id, lambda command_id: self.desk.reject(offer_id, command_id))
        else:
            await self._insist("accept", offer_id, lambda command_id: self.desk.accept(offer_id, command_id))

    async def _serve(self, held: Held) -> Outcome:
        """What came of its completion."""
        for number in range(0 if held.wrapup else self.answers):
            if not await self._say(held, number):
                break
        then: Then = "keep_open" if self.chance.uniform(0, 1) < self.keep_open_odds else "close"
        # Once: with another number a repeat under the same key would be another command.
        seen_number = self.desk.customer_number(held.interaction_id)
        return await self._insist(
            "complete",
            held.assignment_id,
            lambda command_id: self.desk.complete(held.assignment_id, command_id, then=then, seen_number=seen_number),
        )

    async def _say(self, held: Held, number: int) -> bool:
        """Until it is known to be sent; False when it never will be."""
        message_id = f"{held.assignment_id}.m{number}"
        text = f"answer {number} of {self.agent_id} in {held.interaction_id}"
        deadline_ms = self.clock.now_ms() + round(PATIENCE_SECONDS * 1000)
        said_at_ms = None
        while self.clock.now_ms() < deadline_ms:
            fate = self.desk.fate(message_id)
            if fate is not None:
                return fate == "sent"
            if said_at_ms is None or self.clock.now_ms() - said_at_ms > SAY_AGAIN_SECONDS * 1000:
                outcome = await self._try(
                    "say", message_id, message_id, self.desk.say(held.assignment_id, message_id, text)
                )
                if outcome == "failed":
                    return False
                said_at_ms = self.clock.now_ms() if outcome == "ok" else None
            await self.clock.sleep(self.chance.uniform(*AGAIN_SECONDS))
        if said_at_ms is not None:
            self._note_fault(f"is not told what became of {message_id}, which was taken {PATIENCE_SECONDS:.0f} s ago")
        return False

    async def _insist(self, kind: RequestKind, about: str, command: Callable[[str], Awaitable[Outcome]]) -> Outcome:
        """Under one command id until its outcome is known, or patience is at its end."""
        self._commands += 1
        command_id = f"{self.agent_id}.c{self._commands}"
        deadline_ms = self.clock.now_ms() + round(PATIENCE_SECONDS * 1000)
        while (outcome := await self._try(kind, about, command_id, command(command_id))) == "unknown":
            if self.clock.now_ms() > deadline_ms:
                break
            await self.clock.sleep(self.chance.uniform(*AGAIN_SECONDS))
        return outcome

    async def _try(self, kind: RequestKind, about: str, key: str, answer: Awaitable[Outcome]) -> Outcome:
        """One try; one that is cut short by the end of the story has an unknown outcome."""
        asked_at_ms = self.clock.now_ms()
        outcome: Outcome = "unknown"
        try:
            outcome = await answer
        finally:
            self.requests.append(
                Request(
                    who=self.agent_id,
                    kind=kind,
                    about=about,
                    key=key,
                    asked_at_ms=asked_at_ms,
                    answered_at_ms=self.clock.now_ms(),
                    outcome=outcome,
                )
            )
        return outcome
