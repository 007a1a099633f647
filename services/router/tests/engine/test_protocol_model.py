"""The commit protocol, as an explicit-state model: every order of steps and faults in a small world is tried.

Two engines overlap at will (the older one is a zombie), each with two appends in flight; appends are lost, doubled,
overtaken or late, engines crash anywhere, and a third engine has to bring everything to its end. With all rules no
order breaks a promise; without any one of them some order does, and the failure names the broken promise. Whoever
simplifies the protocol changes this model first.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import pytest

INPUTS: Final = 2
"""With three, and one fault, 285 thousand worlds were looked at: too many for every run."""
FAULTS: Final = 2
ENGINES_MAX: Final = 2
IN_FLIGHT_MAX: Final = 2
LOST: Final = -2
UNLANDED: Final = -1
RULES: Final = {
    "a batch of an old epoch is void": "decided on another state",
    "a batch counts only right after its predecessor": "decided on another state",
    "the fold goes up to the epoch record": "decided on another state",
    "the whole state is dropped": "decided on another state",
    "the causes say where to read on": "an input is lost",
    "a batch lands right after the one before": "consumers saw what is not so",
    "nothing leaves before it is confirmed": "consumers saw what is not so",
    "unknown is never failed": "decided on another state",
    "a new owner publishes again": "consumers miss something",
    "the watermark follows publishing": "consumers miss something",
    "publishing stops at the first unconfirmed": "consumers miss something",
    "consumers ignore what is not later": "consumers saw what is not so",
    "the sequence is the place in the journal": "consumers miss something",
    "a snapshot lies not behind what is published": "consumers miss something",
}
"""Each rule, and the promise that breaks first without it."""


class Batch(NamedTuple):
    """It decides one input. `base`: the decisions before it, as its owner knew them."""

    epoch: int
    number: int
    decides: int
    base: tuple[int, ...]
    published: int


Journal = tuple[Batch | None, ...]
"""None is an epoch record."""


class Fold(NamedTuple):
    epoch: int = -1
    number: int = 0
    facts: tuple[int, ...] = ()
    watermark: int = 0
    unpublished: tuple[tuple[int, int], ...] = ()
    """Offset and fact."""
    sound: bool = True
    """Whether each batch was decided on the state that it landed on."""


class Owner(NamedTuple):
    epoch: int
    facts: tuple[int, ...]
    """As if all in flight were confirmed."""
    next_input: int
    watermark: int
    to_publish: tuple[tuple[int, int], ...]
    number: int = 0
    flying: tuple[tuple[Batch, int], ...] = ()
    """Unconfirmed batches and where they landed."""
    alive: bool = True


class World(NamedTuple):
    journal: Journal = ()
    owners: tuple[Owner, ...] = ()
    strays: tuple[Batch, ...] = ()
    """Appends of dead owners that may land at any time, or never."""
    stray_event: tuple[tuple[int, int], int] | None = None
    heard: tuple[int, int] = (-1, -1)
    """The last sequence that the consumer processed."""
    seen: tuple[int, ...] = ()
    snapshot: tuple[int, Fold] = (0, Fold())
    """The fold before an offset; the journal before it is gone."""
    faults: int = FAULTS


class Model:
    """The protocol without one of its rules, or with all."""

    def __init__(self, without: str = "") -> None:
        self._without = without
        self.fold = cache(self._fold)

    def lacks(self, rule: str) -> bool:
        assert rule in RULES
        return rule == self._without

    # What may happen next

    def steps(self, world: World) -> Iterator[World]:
        if len(world.owners) < ENGINES_MAX:
            yield self.take_over(world)
        for at, owner in enumerate(world.owners):
            if owner.alive:
                yield from self._owner_steps(world, at, owner)
        for stray in set(world.strays):
            rest = list(world.strays)
            rest.remove(stray)
            yield world._replace(journal=(*world.journal, stray), strays=tuple(rest))
        if world.stray_event is not None:
            yield self._heard(world._replace(stray_event=None), *world.stray_event)

    def _owner_steps(self, world: World, at: int, owner: Owner) -> Iterator[World]:
        yield self._dead(world, at, owner)  # a crash, or a step-down after an unknown append
        if owner.next_input < INPUTS and len(owner.flying) < IN_FLIGHT_MAX:
            yield self.decide(world, at, owner)
        yield from self._landings(world, at, owner)
        if owner.flying and owner.flying[0][1] >= 0:
            yield self.confirm(world, at, owner)
        if len(owner.flying) == 1 and self.lacks("unknown is never failed"):
            yield self._decided_again(world, at, owner)
        if owner.to_publish:
            yield from self._publishings(world, at, owner)
        if world.snapshot[0] == 0:
            upto = len(world.journal) if self.lacks("a snapshot lies not behind what is published") else owner.watermark
            if upto:
                fold = self.fold(world.journal[:upto], world.snapshot)
                yield world._replace(snapshot=(upto, fold._replace(watermark=upto, unpublished=())))

    def _landings(self, world: World, at: int, owner: Owner) -> Iterator[World]:
        waiting = [place for place, (_, landed) in enumerate(owner.flying) if landed == UNLANDED]
        for order, place in enumerate(waiting):
            faults = world.faults - (order > 0)  # overtaken its predecessor
            if faults >= 0:
                yield self._landed(world._replace(faults=faults), at, owner, place)
        if waiting and world.faults:
            faulty = world._replace(faults=world.faults - 1)
            yield self._landed(faulty, at, owner, waiting[0], copies=2)
            yield self._landed(faulty, at, owner, waiting[0], copies=0)

    def _publishings(self, world: World, at: int, owner: Owner) -> Iterator[World]:
        (offset, fact), *rest = owner.to_publish
        published = _with(world, at, owner._replace(to_publish=tuple(rest), watermark=offset + 1))
        sequence = self._sequence(owner, offset)
        yield self._heard(published, sequence, fact)
        if world.faults:  # unknown: it stands there, and is sent again
            yield self._heard(world._replace(faults=world.faults - 1), sequence, fact)
            if self.lacks("publishing stops at the first unconfirmed"):
                yield published._replace(faults=world.faults - 1)

    # The steps

    def take_over(self, world: World) -> World:
        journal = (*world.journal, None)
        fold = self.fold(journal, world.snapshot)
        epoch = len(journal) - 1
        known = fold
        if self.lacks("the fold goes up to the epoch record") and len(world.journal) > world.snapshot[0]:
            known = self.fold(world.journal[:-1], world.snapshot)
        facts, next_input = known.facts, len(known.facts)
        if self.lacks("the whole state is dropped") and world.owners:
            facts, next_input = world.owners[-1].facts, world.owners[-1].next_input
        if self.lacks("the causes say where to read on"):
            next_input = max((owner.next_input for owner in world.owners), default=0)
        again = () if self.lacks("a new owner publishes again") else known.unpublished
        owner = Owner(epoch, facts, next_input, fold.watermark, again)
        return world._replace(journal=journal, owners=(*world.owners, owner))

    def decide(self, world: World, at: int, owner: Owner) -> World:
        number = owner.number + 1
        ahead = self.lacks("the watermark follows publishing")
        published = owner.epoch + number if ahead else owner.watermark
        batch = Batch(owner.epoch, number, owner.next_input, owner.facts, published)
        early = ((owner.epoch + number, batch.decides),) if self.lacks("nothing leaves before it is confirmed") else ()
        moved = owner._replace(
            facts=(*owner.facts, owner.next_input),
            next_input=owner.next_input + 1,
            number=number,
            flying=(*owner.flying, (batch, UNLANDED)),
            to_publish=owner.to_publish + early,
        )
        return _with(world, at, moved)

    def _landed(self, world: World, at: int, owner: Owner, place: int, *, copies: int = 1) -> World:
        batch, _ = owner.flying[place]
        offset = len(world.journal) if copies else LOST
        flying = (*owner.flying[:place], (batch, offset), *owner.flying[place + 1 :])
        landed = world._replace(journal=world.journal + (batch,) * copies)
        return _with(landed, at, owner._replace(flying=flying))

    def confirm(self, world: World, at: int, owner: Owner) -> World:
        (batch, offset), *rest = owner.flying
        if offset != owner.epoch + batch.number and not self.lacks("a batch lands right after the one before"):
            return self._dead(world, at, owner)
        news = () if self.lacks("nothing leaves before it is confirmed") else ((offset, batch.decides),)
        return _with(world, at, owner._replace(flying=tuple(rest), to_publish=owner.to_publish + news))

    def _decided_again(self, world: World, at: int, owner: Owner) -> World:
        [(batch, landed)] = owner.flying
        strays = (*world.strays, batch) if landed == UNLANDED else world.strays
        back = owner._replace(flying=(), facts=batch.base, next_input=batch.decides)
        return _with(world._replace(strays=strays), at, back)

    def _dead(self, world: World, at: int, owner: Owner) -> World:
        strays = tuple(batch for batch, landed in owner.flying if landed == UNLANDED)
        event = world.stray_event
        if owner.to_publish and event is None:
            offset, fact = owner.to_publish[0]
            event = (self._sequence(owner, offset), fact)
        dead = owner._replace(alive=False, flying=(), to_publish=())
        return _with(world._replace(strays=world.strays + strays, stray_event=event), at, dead)

    def _heard(self, world: World, sequence: tuple[int, int], fact: int) -> World:
        if sequence <= world.heard and not self.lacks("consumers ignore what is not later"):
            return world
        return world._replace(heard=sequence, seen=(*world.seen, fact))

    def _sequence(self, owner: Owner, offset: int) -> tuple[int, int]:
        return (0, offset - owner.epoch if self.lacks("the sequence is the place in the journal") else offset)

    # What is so

    def _fold(self, journal: Journal, snapshot: tuple[int, Fold]) -> Fold:
        start, fold = snapshot
        for offset in range(start, len(journal)):
            batch = journal[offset]
            fold = fold._replace(epoch=offset, number=0) if batch is None else self._counted(fold, offset, batch)
        return fold

    def _counted(self, fold: Fold, offset: int, batch: Batch) -> Fold:
        if batch.epoch != fold.epoch and not self.lacks("a batch of an old epoch is void"):
            return fold
        if batch.number != fold.number + 1 and not self.lacks("a batch counts only right after its predecessor"):
            return fold
        watermark = max(fold.watermark, batch.published)
        unpublished = (*fold.unpublished, (offset, batch.decides))
        return Fold(
            fold.epoch,
            batch.number,
            (*fold.facts, batch.decides),
            watermark,
            tuple(each for each in unpublished if each[0] >= watermark),
            fold.sound and batch.base == fold.facts,
        )

    def broken(self, world: World) -> str | None:
        """The promise that the world breaks."""
        fold = self.fold(world.journal, world.snapshot)
        if fold.facts != tuple(range(len(fold.facts))) and fold.sound:
            return "an input is lost"
        if not fold.sound:
            return "decided on another state"
        if world.seen != fold.facts[: len(world.seen)]:
            return "consumers saw what is not so"
        if any(owner.alive for owner in world.owners):
            return None
        finished = self._finished(world)
        fold = self.fold(finished.journal, finished.snapshot)
        if not fold.sound:
            return "decided on another state"
        if fold.facts != tuple(range(INPUTS)):
            return "an input is lost"
        return None if finished.seen == tuple(range(INPUTS)) else "consumers miss something"

    def _finished(self, world: World) -> World:
        """A last engine takes over and nothing goes wrong any more."""
        world = self.take_over(world)
        at = len(world.owners) - 1
        while True:
            owner = world.owners[at]
            if owner.to_publish:
                world = next(self._publishings(world, at, owner))
            elif owner.flying:
                world = self._landed(world, at, owner, 0) if owner.flying[0][1] < 0 else self.confirm(world, at, owner)
            elif owner.next_input < INPUTS:
                world = self.decide(world, at, owner)
            else:
                return world


def _with(world: World, at: int, owner: Owner) -> World:
    return world._replace(owners=(*world.owners[:at], owner, *world.owners[at + 1 :]))


def search(model: Model) -> tuple[str | None, int]:
    """The first broken promise, nearest worlds first, and how many worlds were looked at."""
    known = {World()}
    edge = [World()]
    while edge:
        following = []
        for world in edge:
            promise = model.broken(world)
            if promise is not None:
                return promise, len(known)
            for step in model.steps(world):
                if step not in known:
                    known.add(step)
                    following.append(step)
        edge = following
    return None, len(known)


def test_no_order_of_steps_and_faults_breaks_a_promise() -> None:
    promise, worlds = search(Model())

    assert promise is None
    assert worlds > 30_000


@pytest.mark.parametrize("rule", RULES)
def test_without_the_rule_some_order_breaks_a_promise(rule: str) -> None:
    promise, _ = search(Model(without=rule))

    assert promise == RULES[rule]
