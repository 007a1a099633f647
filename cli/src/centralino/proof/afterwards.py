"""What became of messages after they were told: how far they got, what they were changed to, where they were moved."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from contracts.written import MessageEdited, MessageErased, MessagesMoved, MessageStatus, MessageStatusChanged

from centralino.proof.faults import Fault
from centralino.proof.history import Said, Stood, text_of

Moves = Mapping[tuple[str, int], Sequence[str]]
"""By interaction and number: the places of the events that moved a message there."""
Changed = MessageStatusChanged | MessageEdited | MessageErased
After = MessageStatusChanged | MessageEdited | MessageErased | MessagesMoved


class Move(NamedTuple):
    """Of one message; in the order of these fields."""

    at_ms: int
    number: int
    left: str
    to: str
    place: str


class Afterwards:
    """All such events, each once. Those of one message may stand in several partitions once it was moved: then what
    they tell of their times decides."""

    def __init__(self, messages: Sequence[Stood]) -> None:
        self._events: dict[str, Stood] = {}
        self._faults: list[Fault] = []
        for stood in messages:
            if isinstance(stood.event.data, After):
                first = self._events.setdefault(stood.event.id, stood)
                if first.event.data != stood.event.data:
                    text = f"{stood.event.type.name} {stood.event.id} differs from its first copy"
                    self._faults.append(Fault("S6", stood.place, text))
        self._edits: dict[str, MessageEdited] = {}
        self._erased: set[str] = set()
        self._moved: defaultdict[str, list[Move]] = defaultdict(list)
        for stood in self._events.values():
            self._keep(stood)

    @property
    def moves(self) -> Moves:
        """What was moved where."""
        found: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for moves in self._moved.values():
            for move in moves:
                found[move.to, move.number].append(move.place)
        return found

    def applied(self, message: Said) -> Said:
        """The message as it has to stand in tables at the end."""
        name = message.message_id or ""
        if name in self._moved:
            last = max(self._moved[name])
            message = replace(message, interaction_id=last.to, number=last.number)
        if name in self._erased:
            return replace(message, text="")
        edit = self._edits.get(name)
        return replace(message, text=text_of(edit.personal)) if edit else message

    def faults(self, told: Sequence[Said]) -> Iterator[Fault]:
        """What is wrong about the events themselves."""
        yield from self._faults
        where = {message.message_id: message.interaction_id for message in told}
        for stood in self._events.values():
            for name in _names(stood.event.data):
                if name not in where:
                    text = f"{stood.event.type.name} is about {name}, which was never told"
                    yield Fault("S6", stood.place, text)
        yield from self._move_faults(where)
        yield from self._status_faults()

    def _keep(self, stood: Stood) -> None:
        data = stood.event.data
        if isinstance(data, MessageErased):
            self._erased.add(data.message_id)
        elif isinstance(data, MessageEdited):
            before = self._edits.get(data.message_id, data)
            self._edits[data.message_id] = data if before.edited_at_ms <= data.edited_at_ms else before
        elif isinstance(data, MessagesMoved):
            for each in data.moved:
                move = Move(data.moved_at_ms, each.number, data.interaction_id, data.to_interaction_id, stood.place)
                self._moved[each.message_id].append(move)

    def _move_faults(self, where: Mapping[str | None, str]) -> Iterator[Fault]:
        for name, moves in self._moved.items():
            at = where.get(name)
            for move in sorted(moves):
                if at not in (move.left, None):
                    yield Fault("S6", move.place, f"message {name} is moved from {move.left}, and is in {at}")
                at = move.to

    def _status_faults(self) -> Iterator[Fault]:
        """The same status comes again when it has become another's of several recipients, or somebody complained."""
        told: defaultdict[tuple[int, str], list[MessageStatus]] = defaultdict(list)
        for stood in self._events.values():
            data = stood.event.data
            if isinstance(data, MessageStatusChanged):
                before = told[stood.at.number, data.message_id]
                again = data.recipients_failed is not None or (data.status == "delivered" and data.reason is not None)
                if not follows(data.status, before) and not (again and data.status == before[-1]):
                    text = f"message {data.message_id} is {data.status} after it was {', '.join(before)}"
                    yield Fault("S6", stood.place, text)
                before.append(data.status)


def follows(status: MessageStatus, before: Sequence[MessageStatus]) -> bool:
    """Whether a gateway can tell this status of a message of which it told those before (gatewaykit.domain.outgoing).

    What has arrived has arrived. What was sent goes on or fails. Once a part of it had failed, or nobody knew whether
    it was sent, an agent may have it sent again: then each status may come, the same one too.
    """
    if not before:
        return True
    if before[-1] in ("delivered", "read"):
        return (before[-1], status) == ("delivered", "read")
    doubted = not {"failed", "unknown"}.isdisjoint(before)
    return doubted or status in ("delivered", "read", "failed")


def _names(data: object) -> Sequence[str]:
    if isinstance(data, MessagesMoved):
        return [each.message_id for each in data.moved]
    return [data.message_id] if isinstance(data, Changed) else []
