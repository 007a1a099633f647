"""What a journal says: the fold rule, snapshots, and the promises about what was decided."""

from functools import cache
from typing import NamedTuple

from router.testing.model.domain import fold
from router.testing.model.rules import INPUT_LOST, OTHER_STATE, TOO_MUCH, TWICE, TWO_AGENTS, TWO_ANSWERS, UNSEEN, Rules
from router.testing.model.world import AGENTS, Batch, Contact, Fact, Facts, Journal, Snapshot, State


class Fold(NamedTuple):
    """The fold of a journal; what stands below `unpublished` is there for the promises only."""

    state: State
    epoch: int = -1
    number: int = 0
    next_input: int = 0
    watermark: int = 0
    unpublished: tuple[tuple[int, Facts], ...] = ()
    """By offset: a new owner publishes it again."""
    history: tuple[Facts, ...] = ()
    """Of every batch that counted."""
    counted: tuple[int, ...] = ()
    """The offsets of the records that counted."""
    met: frozenset[int] = frozenset()
    """Who was seen in this epoch."""
    broken: str | None = None
    """The first promise that was broken."""


class Folder:
    """Folds journals by the rules; remembers every fold."""

    def __init__(self, rules: Rules, contacts: int, *, presence: bool) -> None:
        self._rules = rules
        self._presence = presence
        self._met = frozenset[int]() if presence else frozenset(AGENTS)
        word = "unconfirmed" if presence else "present"
        self._empty = Fold(State((Contact(),) * contacts, (word,) * len(AGENTS)), met=self._met)
        self.fold = cache(self._fold)

    def load(self, journal: Journal, first: int, snapshot: Snapshot | None) -> Fold | None:
        """As a new owner does: the good snapshot and what comes after it. None when the beginning is missing."""
        if snapshot is not None and first <= snapshot.upto <= len(journal):
            loaded = self._opened(journal, first, snapshot)
            if loaded.state.snapshot == snapshot.upto or not self._rules.keep("a snapshot is good once it is named"):
                return loaded
        return None if first else self.fold(journal)

    def _opened(self, journal: Journal, first: int, snapshot: Snapshot) -> Fold:
        content = self._empty if snapshot.torn else self.fold(journal[: snapshot.upto])
        found = content._replace(watermark=snapshot.upto, unpublished=())
        start = snapshot.upto if self._rules.keep("a snapshot says up to where it goes") else first
        for offset in range(start, len(journal)):
            found = self._next(found, offset, journal[offset])
        return found

    def _fold(self, journal: Journal) -> Fold:
        if not journal:
            return self._empty
        return self._next(self.fold(journal[:-1]), len(journal) - 1, journal[-1])

    def _next(self, found: Fold, offset: int, batch: Batch | None) -> Fold:
        if batch is None:
            state = found.state
            if self._presence and self._rules.keep("an epoch record makes every agent unconfirmed"):
                state = state._replace(presence=("unconfirmed",) * len(AGENTS))
            counted = (*found.counted, offset)
            return found._replace(state=state, epoch=offset, number=0, counted=counted, met=self._met)
        if batch.epoch != found.epoch and self._rules.keep("a batch of an old epoch is void"):
            return found
        if batch.number != found.number + 1 and self._rules.keep("a batch counts only right after its predecessor"):
            return found
        return self._count(found, offset, batch)

    def _count(self, found: Fold, offset: int, batch: Batch) -> Fold:
        state, met = found.state, found.met
        broken = found.broken or (OTHER_STATE if batch.base != state else None)
        if batch.next_input > found.next_input + 1:
            broken = broken or INPUT_LOST
        for fact in batch.facts:
            met = met | {fact.agent} if fact.kind == "seen" else met - {fact.agent} if fact.kind == "gone" else met
            broken = broken or _broken(state, fact, met)
            state = fold(state, fact)
        watermark = max(found.watermark, batch.published)
        unpublished = (*found.unpublished, (offset, batch.facts))
        return Fold(
            state,
            found.epoch,
            batch.number,
            batch.next_input,
            watermark,
            tuple(each for each in unpublished if each[0] >= watermark),
            (*found.history, batch.facts),
            (*found.counted, offset),
            met,
            broken,
        )


def _broken(state: State, fact: Fact, met: frozenset[int]) -> str | None:
    """The promise that a fact breaks."""
    contact = state.contacts[fact.contact]
    match fact.kind:
        case "queued":
            return None if contact.state == "new" else TWICE
        case "offered":
            if contact.state != "waiting":
                return TWO_AGENTS
            if fact.agent not in met:
                return UNSEEN
            return TOO_MUCH if any(other.agent == fact.agent for other in state.contacts) else None
        case "assigned":
            return None if contact == Contact("offered", fact.agent, fact.offer) else TWO_AGENTS
        case "answered":
            return TWO_ANSWERS if fact.command in dict(state.answers) else None
        case _:
            return None
