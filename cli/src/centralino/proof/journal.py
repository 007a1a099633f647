"""The journal against what was published of it: each public fact of a batch that counts is there, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.envelope import adapter_of
from contracts.registry import BY_NAME
from servicekit.ports import Record

from centralino.proof.faults import Fault
from centralino.proof.history import History, Stood


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where in the journal a routing event was decided; orders as its `sequence` does."""

    generation: int
    offset: int
    index: int = -1


@dataclass(frozen=True, slots=True)
class Epoch:
    """A take-over: from here on every agent is unconfirmed."""

    partition: int
    position: Position


def position_of(sequence: str) -> Position:
    """`<generation>-<journal offset>-<index in batch>`."""
    generation, offset, index = sequence.split("-")
    return Position(int(generation), int(offset), int(index))


def seen(routing: Sequence[Stood]) -> Iterator[Stood]:
    """The consumers' rule: passes over what is not newer than the last one of its partition."""
    last: dict[int, str] = {}
    for stood in routing:
        sequence = stood.event.sequence or ""
        if sequence > last.get(stood.at.number, ""):
            last[stood.at.number] = sequence
            yield stood


def epochs(journal: Sequence[Record]) -> list[Epoch]:
    """The take-overs that the journal still holds."""
    found = []
    for record in journal:
        entry = json.loads(record.value or b"")
        if entry["kind"] == "epoch":
            found.append(Epoch(record.partition, Position(entry["generation"], record.offset)))
    return found


def journal_faults(history: History) -> Iterator[Fault]:
    """What was published and not decided, decided and not published, or published otherwise."""
    decided = {(partition, position): (name, data) for partition, position, name, data in _public(history.journal)}
    first = {epoch.partition: epoch.position for epoch in reversed(epochs(history.journal))}
    for stood in seen(history.routing):
        event, number = stood.event, stood.at.number
        position = position_of(event.sequence or "")
        if number not in first or position < first[number]:
            continue  # the journal is shortened to behind it
        found = decided.pop((number, position), None)
        if found is None:
            yield Fault("S1", str(event.sequence), f"{event.type.name} was published and never decided")
        elif found != (event.type.name, event.data):
            yield Fault("S1", str(event.sequence), f"{event.type.name} was decided as {found[0]} with other data")
    for (partition, position), (name, _) in decided.items():
        yield Fault("S1", f"journal[{partition}]@{position.offset}", f"{name} was decided and never published")


def _public(journal: Sequence[Record]) -> Iterator[tuple[int, Position, str, object]]:
    """Public facts of batches that count: of the latest epoch, numbered one more than the last that counted."""
    latest: dict[int, tuple[int, int, int]] = {}
    for record in journal:
        entry = json.loads(record.value or b"")
        if entry["kind"] == "epoch":
            latest[record.partition] = (entry["generation"], record.offset, 0)
            continue
        generation, epoch, number = latest.get(record.partition, (0, -1, 0))
        if (entry["epoch"], entry["number"]) != (epoch, number + 1):
            continue
        latest[record.partition] = (generation, epoch, number + 1)
        facts = [(name, data) for _, name, data in entry["facts"] if name in BY_NAME]
        for index, (name, data) in enumerate(facts):
            typed = adapter_of(BY_NAME[name].data).validate_json(json.dumps(data))
            yield record.partition, Position(generation, record.offset, index), name, typed
