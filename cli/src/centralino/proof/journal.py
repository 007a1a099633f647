"""The journal against what was published of it: each public fact of a batch that counts is there, and nothing else."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    appended_at_ms: int


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


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that counts; `facts` are tenant, type name and data. It was decided at `now_ms`."""

    partition: int
    position: Position
    now_ms: int
    appended_at_ms: int
    facts: Sequence[tuple[str, str, Any]]  # Any: JSON


def counted(journal: Sequence[Record]) -> Iterator[Epoch | Batch]:
    """The fold rule: a batch counts that is of the latest epoch and numbered one more than the last that counted."""
    latest: dict[int, tuple[int, int, int]] = {}
    for record in journal:
        entry = json.loads(record.value or b"")
        if entry["kind"] == "epoch":
            latest[record.partition] = (entry["generation"], record.offset, 0)
            yield Epoch(record.partition, Position(entry["generation"], record.offset), record.timestamp_ms)
            continue
        generation, epoch, number = latest.get(record.partition, (0, -1, 0))
        if (entry["epoch"], entry["number"]) == (epoch, number + 1):
            latest[record.partition] = (generation, epoch, number + 1)
            position = Position(generation, record.offset)
            facts = [(tenant, name, data) for tenant, name, data in entry["facts"]]
            yield Batch(record.partition, position, entry.get("now", 0), record.timestamp_ms, facts)


def epochs(journal: Sequence[Record]) -> list[Epoch]:
    """The take-overs that the journal still holds."""
    return [entry for entry in counted(journal) if isinstance(entry, Epoch)]


def void_batches(journal: Sequence[Record]) -> int:
    """Batches that do not count: what an owner that was no owner any more has appended."""
    return len(journal) - sum(1 for _ in counted(journal))


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


def public_facts(batch: Batch) -> Iterator[tuple[Position, str, Any]]:  # Any: an event's data
    """Those that are published, with the positions of their events."""
    facts = [(name, data) for _, name, data in batch.facts if name in BY_NAME]
    for index, (name, data) in enumerate(facts):
        typed = adapter_of(BY_NAME[name].data).validate_json(json.dumps(data))
        yield replace(batch.position, index=index), name, typed


def _public(journal: Sequence[Record]) -> Iterator[tuple[int, Position, str, object]]:
    for entry in counted(journal):
        if isinstance(entry, Batch):
            for position, name, data in public_facts(entry):
                yield entry.partition, position, name, data
