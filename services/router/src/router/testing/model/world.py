"""What the model's worlds are made of: the journal, engines, Redis, the reader of `routing.events`, and the little
that they route.

All values are immutable, so that worlds can be kept and compared.
"""

from functools import cache
from typing import Final, NamedTuple

AGENTS: Final = (0, 1)
"""Each can hold one contact."""
NOBODY: Final = -1
UNLANDED: Final = -1


class Contact(NamedTuple):
    state: str = "new"
    """new, waiting, offered or assigned."""
    agent: int = NOBODY
    offers: int = 0
    """How many were made; the last one's number is its name."""


class State(NamedTuple):
    """What the journal is about."""

    contacts: tuple[Contact, ...]
    presence: tuple[str, ...] = ("unconfirmed",) * len(AGENTS)
    """unconfirmed, present or gone, by agent."""
    answers: tuple[tuple[str, str], ...] = ()
    """By command id."""
    snapshot: int = 0
    """Up to where the good snapshot goes: a record that counts has named it."""
    facts: int = 0
    """How many it is made of: a fact that is folded twice shows."""

    @property
    def view(self) -> "View":
        return (self.contacts, self.presence)


View = tuple[tuple[Contact, ...], tuple[str, ...]]
"""What Redis shows of it."""


class Input(NamedTuple):
    """start, accept, expire, observe (`seen`, `gone`: agents), name (a snapshot that goes up to `upto`) or nothing."""

    kind: str
    contact: int = -1
    agent: int = NOBODY
    offer: int = 0
    seen: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    upto: int = 0

    @property
    def command(self) -> str:
        return f"accept {self.contact}.{self.offer}"


class Fact(NamedTuple):
    """queued, offered, assigned, expired, lost, seen, gone, answered or named."""

    kind: str
    contact: int = -1
    agent: int = NOBODY
    offer: int = 0
    command: str = ""
    answer: str = ""
    upto: int = 0


Facts = tuple[Fact, ...]
Sequence = tuple[int, int]
"""Generation and place in the journal; the facts of one batch are published as one."""


class Batch:
    """A journal record. Two equal ones are the same object (see `seal`): comparing worlds would take long otherwise."""

    __slots__ = ("base", "epoch", "facts", "next_input", "number", "published")

    def __init__(self, epoch: int, number: int, facts: Facts, next_input: int, published: int, base: State) -> None:
        self.epoch = epoch
        self.number = number
        self.facts = facts
        self.next_input = next_input
        """The causes: where to read on."""
        self.published = published
        """The watermark: all before this offset is published."""
        self.base = base
        """Not part of the record: the state it was decided on, for the promise that it counts on no other."""


seal = cache(Batch)
Journal = tuple[Batch | None, ...]
"""None is an epoch record."""


class Owner(NamedTuple):
    """An engine from its epoch record on. One that does nothing any more is a crashed one; later it is a zombie."""

    epoch: int
    state: State
    """As if all in flight were confirmed."""
    next_input: int
    watermark: int
    to_publish: tuple[tuple[int, Facts], ...]
    number: int = 0
    flying: tuple[tuple[Batch, int], ...] = ()
    """Unconfirmed batches, and where they landed."""
    projected: int | None = None
    """The position at which it left Redis; none: unknown."""
    timers: tuple[tuple[int, int], ...] = ()
    """Only without their rule: contact and offer."""
    stepped_down: bool = False

    @property
    def confirmed(self) -> int:
        """The offset of the last confirmed record."""
        return self.epoch + self.number - len(self.flying)

    @property
    def confirmed_state(self) -> State:
        return self.flying[0][0].base if self.flying else self.state


class Copy(NamedTuple):
    """What Redis holds."""

    epoch: int
    position: int
    view: View


class Snapshot(NamedTuple):
    """It holds the fold of all before `upto`; a torn one lacks a chunk."""

    upto: int
    torn: bool = False


class World(NamedTuple):
    inputs: tuple[Input, ...]
    devices: tuple[bool, ...] = (True,) * len(AGENTS)
    """Whose device is alive."""
    journal: Journal = ()
    first: int = 0
    """The journal's first offset that is still there; the promises remember the rest."""
    snapshot: Snapshot | None = None
    owners: tuple[Owner, ...] = ()
    redis: Copy | None = None
    events: tuple[tuple[Sequence, Facts], ...] = ()
    """What stands in `routing.events`; kept only where its reader may restart."""
    heard: Sequence = (-1, -1)
    """The last sequence that the reader processed."""
    seen: tuple[Facts, ...] = ()
    """What it did."""
    committed: int = 0
    """Only without the rule of the causes: the offset in the consumer group."""
    faults: int = 0
    """How much may still go wrong."""
    broken: str | None = None
    """A promise that the last step broke."""
