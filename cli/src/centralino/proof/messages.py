"""S6: each message is in history exactly once and in order, and all who keep it agree."""

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set

from contracts.messages import MessageFailed, MessageNoted, MessageSent

from centralino.proof.afterwards import Afterwards, Moves
from centralino.proof.faults import Fault
from centralino.proof.history import History, Said, Spoken, Stood, said


def message_faults(history: History, assignments: Set[tuple[str, str, str]]) -> Iterator[Fault]:
    """`assignments`: interaction, agent and assignment id of every assignment there ever was."""
    faults: list[Fault] = []
    told = first_copies(history.messages, faults)
    afterwards = Afterwards(history.messages)
    yield from faults
    yield from afterwards.faults([message for _, message in told])
    yield from order_faults(told, afterwards.moves)
    as_told = {(message.interaction_id, message.number): message for _, message in told}
    yield from _promise_faults(history.accepted, as_told)
    now = [afterwards.applied(message) for _, message in told]
    by_number = {(message.interaction_id, message.number): message for message in now}
    shown = {key: message for key, message in by_number.items() if not message.internal}
    yield from _table_faults("table message of the gateway", history.tables.gateway, shown)
    yield from _table_faults("table message of the CRM", history.tables.crm, by_number)
    yield from _sender_faults(history.messages, assignments)


def first_copies(messages: Sequence[Stood], faults: list[Fault]) -> list[tuple[str, Said]]:
    """What was said, each with its place. Consumers drop repeats by their id; one that differs is added to `faults`."""
    told: dict[str, tuple[str, Said]] = {}
    for stood in messages:
        data = stood.event.data
        if not isinstance(data, Spoken):
            continue
        message = said(data)
        _, first = told.setdefault(stood.event.id, (stood.place, message))
        if first != message:
            faults.append(Fault("S6", stood.place, f"message {data.message_id} differs from its first copy"))
    return list(told.values())


def order_faults(told: Sequence[tuple[str, Said]], moves: Moves) -> Iterator[Fault]:
    """Of first copies with their places: they come by number, and those that were moved in fill the gaps."""
    last: defaultdict[str, int] = defaultdict(int)
    for place, message in told:
        expected = last[message.interaction_id] + 1
        while (message.interaction_id, expected) in moves:
            expected += 1
        if message.number != expected:
            text = f"{message.interaction_id} has number {message.number} where {expected} is next"
            yield Fault("S6", place, text)
        last[message.interaction_id] = message.number
    for (interaction_id, number), moved in sorted(moves.items()):
        if len(moved) > 1:
            yield Fault("S6", moved[1], f"{_named((interaction_id, number))} is where a message was moved before")
        if number > last[interaction_id] + 1:
            text = f"a message is moved to number {number} of {interaction_id} where {last[interaction_id] + 1} is next"
            yield Fault("S6", moved[0], text)
        last[interaction_id] = max(last[interaction_id], number)


def _promise_faults(accepted: Sequence[Said], told: dict[tuple[str, int], Said]) -> Iterator[Fault]:
    promised: set[tuple[str, int]] = set()
    for message in accepted:
        key = (message.interaction_id, message.number)
        kept = told.get(key)
        if key in promised:
            yield Fault("S6", _named(key), "two messages of the customer were acknowledged by this number")
        promised.add(key)
        if kept is None:
            yield Fault("S6", _named(key), "was acknowledged to the customer and is lost")
        elif (kept.sender, kept.text) != (message.sender, message.text):
            yield Fault("S6", _named(key), f"the customer sent {message.text!r}; {kept.sender} {kept.text!r} was told")


def _table_faults(table: str, rows: Sequence[Said], told: dict[tuple[str, int], Said]) -> Iterator[Fault]:
    missing = dict(told)
    for row in rows:
        key = (row.interaction_id, row.number)
        kept = missing.pop(key, None)
        if kept is None:
            how = "stands twice" if key in told else "was never told"
            yield Fault("S6", table, f"{_named(key)} {how}")
        elif kept != row:
            yield Fault("S6", table, f"{_named(key)} is {row}; {kept} was told")
    for key in missing:
        yield Fault("S6", table, f"{_named(key)} is missing")


def _sender_faults(messages: Sequence[Stood], assignments: Set[tuple[str, str, str]]) -> Iterator[Fault]:
    sent: set[str] = set()
    failed: dict[str, str] = {}
    for stood in messages:
        data = stood.event.data
        if isinstance(data, MessageSent | MessageNoted):
            sent.add(data.message_id)
            if (data.interaction_id, data.agent_id, data.assignment_id) not in assignments:
                text = f"{data.agent_id} spoke in {data.interaction_id} by {data.assignment_id}, which was never theirs"
                yield Fault("S3", stood.place, text)
        elif isinstance(data, MessageFailed):
            failed[data.message_id] = stood.place
    for message_id in failed.keys() & sent:
        yield Fault("S6", failed[message_id], f"message {message_id} was sent and failed")


def _named(key: tuple[str, int]) -> str:
    return f"message {key[1]} of {key[0]}"
