"""What customers and agents asked for, what they were answered, and whether that was true.

An answer `ok` must have had its effect, `failed` must have had none, and after `unknown` either may be so. Nobody who
asks looks into the platform for this: a try is noted with what came back over the wire.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from contracts.agents import AgentStateChanged, CommandResult
from contracts.messages import MessageFailed, MessageReceived, MessageSent
from contracts.offers import OfferRejected
from contracts.tasks import TaskAssigned, TaskCompleted

from centralino.proof.faults import Fault, Invariant
from centralino.proof.history import History, Outcome, Request, Stood
from centralino.proof.journal import seen


@dataclass(slots=True)
class _Effects:
    """How often each effect stands in the topics, by what it is about."""

    history: History
    ready: set[str] = field(default_factory=set)
    accepted: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    rejected: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    completed: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    sent: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: set[str] = field(default_factory=set)
    written: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        for stood in seen(self.history.routing):
            self._note_routing(stood.event.data)
        for stood in first_copies(self.history.messages):
            self._note_message(stood.event.data)

    def _note_routing(self, data: object) -> None:
        match data:
            case AgentStateChanged(state="ready"):
                self.ready.add(data.agent_id)
            case TaskAssigned():
                self.accepted[data.offer_id] += 1
            case OfferRejected():
                self.rejected[data.offer_id] += 1
            case TaskCompleted(reason="completed_by_agent"):
                self.completed[data.assignment_id] += 1
            case _:
                pass

    def _note_message(self, data: object) -> None:
        match data:
            case MessageReceived():
                self.written[writing(data.interaction_id, str(data.personal.get("text")))] += 1
            case MessageSent():
                self.sent[data.message_id] += 1
            case MessageFailed():
                self.failed.add(data.message_id)
            case _:
                pass

    def count(self, request: Request) -> int:
        """Effects of what was asked."""
        return _COUNT[request.kind](self, request.about)

    def answered(self, request: Request) -> bool:
        """Whether an `ok` came true: a message that was taken over may also be told to have failed."""
        return self.count(request) > 0 or (request.kind == "say" and request.about in self.failed)


_COUNT: Final[dict[str, Callable[[_Effects, str], int]]] = {
    "ready": lambda effects, about: int(about in effects.ready),
    "accept": lambda effects, about: effects.accepted[about],
    "reject": lambda effects, about: effects.rejected[about],
    "complete": lambda effects, about: effects.completed[about],
    "say": lambda effects, about: effects.sent[about],
    "write": lambda effects, about: effects.written[about],
}
_INVARIANT: Final[dict[str, Invariant]] = {"say": "S6", "write": "S6"}


def writing(interaction_id: str, text: str) -> str:
    """What a customer's message is about: no text is written twice in an interaction."""
    return f"{interaction_id}: {text}"


def request_faults(history: History) -> Iterator[Fault]:
    """Answers that were not true."""
    effects = _Effects(history)
    tries: defaultdict[tuple[str, str], list[Request]] = defaultdict(list)
    for request in history.requests:
        tries[request.kind, request.key].append(request)
    for asked in tries.values():
        yield from _answer_faults(asked, effects)


def command_faults(history: History) -> Iterator[Fault]:
    """Every command that Kafka holds has a result in the end, also a refused one."""
    answered = {stood.event.data.command_id for stood in history.routing if isinstance(stood.event.data, CommandResult)}
    for stood in history.inputs:
        command_id = getattr(stood.event.data, "command_id", None)
        if command_id is not None and command_id not in answered:
            place = stood.place
            yield Fault("L2", place, f"{stood.event.type.name} {command_id} was never answered")


def ambiguous(requests: Sequence[Request]) -> int:
    """How many of them ended in `unknown`."""
    return sum(request.outcome == "unknown" for request in requests)


def first_copies(stoods: Sequence[Stood]) -> Iterator[Stood]:
    """Consumers drop repeats by their id."""
    told: set[str] = set()
    for stood in stoods:
        if stood.event.id not in told:
            told.add(stood.event.id)
            yield stood


def _answer_faults(asked: Sequence[Request], effects: _Effects) -> Iterator[Fault]:
    """One request with all its tries under one key."""
    request, outcomes = asked[0], {one.outcome for one in asked}
    invariant = _INVARIANT.get(request.kind, "S3")
    place = f"{request.kind} of {request.who}"
    if "ok" in outcomes and not effects.answered(request):
        yield Fault(invariant, place, f"{request.about} was answered ok and has had no effect")
    if "failed" in outcomes and _is_final(request, outcomes) and effects.count(request):
        yield Fault(invariant, place, f"{request.about} was answered failed and has had its effect")
    if {"ok", "failed"} <= outcomes and request.kind in _BY_KEY:
        yield Fault(invariant, place, f"{request.about} was answered ok and failed under one key")
    if effects.count(request) > 1:
        yield Fault(invariant, place, f"{request.about} has had its effect {effects.count(request)} times")


_BY_KEY: Final = frozenset({"ready", "accept", "reject", "complete"})
"""The engine remembers these by their key: every try gets the first answer."""


def _is_final(request: Request, outcomes: Set[Outcome]) -> bool:
    """Whether `failed` speaks for every try. A readiness has many reasons; a message's earlier try may have got in."""
    return request.kind != "ready" and (request.kind in _BY_KEY or "unknown" not in outcomes)
