"""The commit protocol as steps from world to world. Each step carries its name, so that a story can be told.

Some things need no step of their own. An engine that does nothing any more has crashed; what it had sent may still
land, and if it does go on later, it is a zombie. An append that never lands is lost. An acknowledgement that comes late
is an engine that is slow, so that landing and its acknowledgement are one step. Time-outs may pass at any moment.
What a zombie decides is void whatever it is: so it decides nothing in particular, which makes many worlds one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from router.testing.model.domain import decide, fold
from router.testing.model.journal import Folder
from router.testing.model.rules import NO_OWNER, REDIS_BACK, Rules
from router.testing.model.world import (
    AGENTS,
    UNLANDED,
    Copy,
    Facts,
    Input,
    Owner,
    Snapshot,
    State,
    View,
    World,
    seal,
)

Step = tuple[str, World]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How small the world is. `faults`: how many of the `kinds` of faults happen in one story."""

    contacts: int = 2
    engines: int = 2
    in_flight: int = 2
    offers: int = 1
    """How often a contact may be offered before agents always answer: all but the last may expire."""
    faults: int = 1
    kinds: frozenset[str] = frozenset()
    accepts: bool = True
    presence: bool = False
    redis: bool = False
    snapshot: bool = False


class Protocol:
    """All rules, or all but one, in worlds of a scope."""

    def __init__(self, scope: Scope, rules: Rules) -> None:
        self.scope = scope
        self.rules = rules
        self.folder = Folder(rules, scope.contacts, presence=scope.presence)

    def start(self) -> World:
        """Every contact has arrived and nobody has read it."""
        inputs = tuple(Input("start", contact) for contact in range(self.scope.contacts))
        return World(inputs, faults=self.scope.faults)

    def steps(self, world: World) -> Iterator[Step]:
        """What may happen next."""
        if len(world.owners) < self.scope.engines:
            yield self.take_over(world)
        for at, owner in enumerate(world.owners):
            for place in self._unlanded(owner):
                yield from self._landings(world, at, owner, place)
            if not owner.stepped_down:
                yield from self._owner_steps(world, at, owner)
        yield from self.accepts(world)
        if world.faults:
            yield from self._troubles(world._replace(faults=world.faults - 1))

    def _owner_steps(self, world: World, at: int, owner: Owner) -> Iterator[Step]:
        if at < len(world.owners) - 1:
            if not owner.flying:
                yield self.decide(world, at, owner, Input("nothing"))
        elif len(owner.flying) < self.scope.in_flight:
            for given in self.due(world, owner):
                yield self.decide(world, at, owner, given)
        if len(owner.flying) == 1 and not self.rules.keep("unknown is never failed"):
            yield self._decided_again(world, at, owner)
        if owner.to_publish:
            yield from self.publishings(world, at, owner)
        yield from self.projections(world, at, owner)
        yield from self._snapshots(world, owner)

    # Take-over, decide

    def take_over(self, world: World) -> Step:
        """Append an epoch record and fold up to it."""
        journal = (*world.journal, None)
        epoch = len(journal) - 1
        folded = self.folder.load(journal, world.first, world.snapshot)
        if folded is None:
            return "finds the journal's beginning gone", world._replace(broken=NO_OWNER)
        known = folded
        if epoch and not self.rules.keep("the fold goes up to the epoch record"):
            known = self.folder.load(world.journal[:-1], world.first, world.snapshot) or folded
        state, next_input = known.state, known.next_input
        if world.owners and not self.rules.keep("the whole state is dropped"):
            state, next_input = world.owners[-1].state, world.owners[-1].next_input
        if not self.rules.keep("the causes say where to read on"):
            next_input = world.committed
        again = folded.unpublished if self.rules.keep("a new owner publishes again") else ()
        owner = Owner(epoch, state, next_input, folded.watermark, again)
        name = "takes over by a snapshot" if folded.state.snapshot else "takes over"
        if again:
            name += " and publishes again"
        zombies = tuple(self._zombie(each) for each in world.owners)
        return name, world._replace(journal=journal, owners=(*zombies, owner))

    def _zombie(self, owner: Owner) -> Owner:
        if not self.rules.keep("the whole state is dropped"):
            return owner
        return owner._replace(state=self.start_state(), next_input=0, watermark=0)

    def due(self, world: World, owner: Owner) -> Iterator[Input]:
        """What an owner may decide next."""
        if owner.next_input < len(world.inputs):
            yield world.inputs[owner.next_input]
        if self.scope.presence:
            yield from self._observations(world, owner.state.presence)
        for number, contact in enumerate(owner.state.contacts):
            mine = self.rules.keep("timers are in the state") or (number, contact.offers) in owner.timers
            if mine and contact.state == "offered" and contact.offers < self.scope.offers:
                yield Input("expire", number, contact.agent, contact.offers)
        if world.snapshot and not world.snapshot.torn and owner.state.snapshot != world.snapshot.upto:
            yield Input("name", upto=world.snapshot.upto)

    def _observations(self, world: World, presence: tuple[str, ...]) -> Iterator[Input]:
        seen = tuple(agent for agent in AGENTS if world.devices[agent] and presence[agent] != "present")
        gone = tuple(agent for agent in AGENTS if not world.devices[agent] and presence[agent] != "gone")
        if seen or gone:
            yield Input("observe", seen=seen, gone=gone)

    def decide(self, world: World, at: int, owner: Owner, given: Input) -> Step:
        """Decide one input on the state that runs ahead, and send the batch."""
        facts = decide(self.rules, owner.state, given, owner.confirmed_state)
        next_input = owner.next_input + (given.kind in {"start", "accept"})
        number = owner.number + 1
        ahead = not self.rules.keep("the watermark follows publishing")
        published = owner.epoch + number if ahead else owner.watermark
        batch = seal(owner.epoch, number, facts, next_input, published, owner.state)
        moved = owner._replace(
            state=_folded(owner.state, facts),
            next_input=next_input,
            number=number,
            flying=(*owner.flying, (batch, UNLANDED)),
        )
        if not self.rules.keep("nothing leaves before it is confirmed"):
            moved = moved._replace(to_publish=(*moved.to_publish, (owner.epoch + number, facts)))
        if not self.rules.keep("timers are in the state"):
            own = tuple((fact.contact, fact.offer) for fact in facts if fact.kind == "offered")
            moved = moved._replace(timers=owner.timers + own)
        if not self.rules.keep("the causes say where to read on"):
            world = world._replace(committed=max(world.committed, next_input))
        return f"decides {given.kind}", _with(world, at, moved)

    # Append

    def _unlanded(self, owner: Owner) -> list[int]:
        return [place for place, (_, landed) in enumerate(owner.flying) if landed == UNLANDED]

    def _landings(self, world: World, at: int, owner: Owner, place: int) -> Iterator[Step]:
        whose = "a batch" if at == len(world.owners) - 1 else "a zombie's batch"
        if any(fact.kind == "expired" for fact in owner.flying[place][0].facts):
            whose += " that expires"
        faulty = world._replace(faults=world.faults - 1)
        if place == self._unlanded(owner)[0]:
            yield self.land(world, at, place, whose)
            if world.faults and "doubled" in self.scope.kinds:
                yield self.land(faulty, at, place, whose, copies=2)
        elif world.faults and "overtaken" in self.scope.kinds:
            yield self.land(faulty, at, place, f"{whose} overtakes another and")

    def land(self, world: World, at: int, place: int, whose: str = "a batch", *, copies: int = 1) -> Step:
        """Append what was sent. What is acknowledged is confirmed in order: at the right place, or it is the fence."""
        owner = world.owners[at]
        batch, _ = owner.flying[place]
        flying = [*owner.flying[:place], (batch, len(world.journal)), *owner.flying[place + 1 :]]
        name = f"{whose} lands" + " twice" * (copies - 1)
        world = world._replace(journal=world.journal + (batch,) * copies)
        to_publish = owner.to_publish
        while flying and flying[0][1] >= 0 and not owner.stepped_down:
            batch, offset = flying.pop(0)
            if offset != owner.epoch + batch.number and self.rules.keep("a batch lands right after the one before"):
                fenced = self._stepped_down(world, at, owner._replace(flying=tuple(flying)))
                return f"{name}; the fence", fenced
            if self.rules.keep("nothing leaves before it is confirmed"):
                to_publish = (*to_publish, (offset, batch.facts))
        if owner.stepped_down:
            del flying[place]
        return name, _with(world, at, owner._replace(flying=tuple(flying), to_publish=to_publish))

    def _stepped_down(self, world: World, at: int, owner: Owner) -> World:
        """Everything is dropped; what was sent may land all the same."""
        still = tuple((batch, landed) for batch, landed in owner.flying if landed == UNLANDED)
        gone = Owner(0, self.start_state(), 0, 0, (), flying=still, stepped_down=True)
        if not self.rules.keep("the whole state is dropped"):
            gone = gone._replace(state=owner.state, next_input=owner.next_input)
        return _with(world, at, gone)

    def start_state(self) -> State:
        """Of an empty journal."""
        return self.folder.fold(()).state

    def _decided_again(self, world: World, at: int, owner: Owner) -> Step:
        [(batch, landed)] = owner.flying
        stray = Owner(0, self.start_state(), 0, 0, (), flying=((batch, UNLANDED),), stepped_down=True)
        back = owner._replace(flying=(), state=batch.base, next_input=batch.next_input - 1)
        world = _with(world, at, back)
        strays = (stray,) if landed == UNLANDED else ()
        return "takes a time-out for a failure", world._replace(owners=(*strays, *world.owners))

    # Publish, and the reader of what is published

    def publishings(self, world: World, at: int, owner: Owner) -> Iterator[Step]:
        (offset, facts), *rest = owner.to_publish
        published = _with(world, at, owner._replace(to_publish=tuple(rest), watermark=max(owner.watermark, offset + 1)))
        yield "publishes", self.hear(published, self._sequence(owner, offset), facts)
        if world.faults and "unknown event" in self.scope.kinds:
            faulty = world._replace(faults=world.faults - 1)
            yield "publishes and does not know it", self.hear(faulty, self._sequence(owner, offset), facts)
            if not self.rules.keep("publishing stops at the first unconfirmed"):
                yield "passes over an event", published._replace(faults=world.faults - 1)
        if rest and not self.rules.keep("events are published in order"):
            offset, facts = rest[0]
            swapped = owner._replace(to_publish=(owner.to_publish[0], *rest[1:]))
            yield "publishes out of order", self.hear(_with(world, at, swapped), self._sequence(owner, offset), facts)

    def _sequence(self, owner: Owner, offset: int) -> tuple[int, int]:
        by_place = self.rules.keep("the sequence is the place in the journal")
        return (0, offset if by_place else offset - owner.epoch)

    def hear(self, world: World, sequence: tuple[int, int], facts: Facts) -> World:
        """An event lands in `routing.events`; its reader takes it in at once."""
        if "reader restarts" in self.scope.kinds:
            world = world._replace(events=(*world.events, (sequence, facts)))
        if sequence <= world.heard and self.rules.keep("readers ignore what is not later"):
            return world
        return world._replace(heard=sequence, seen=(*world.seen, facts))

    def accepts(self, world: World) -> Iterator[Step]:
        """Agents accept what they were offered, once."""
        for facts in world.seen if self.scope.accepts else ():
            for fact in facts:
                if fact.kind == "offered":
                    accept = Input("accept", fact.contact, fact.agent, fact.offer)
                    if accept not in world.inputs:
                        yield "an agent accepts", world._replace(inputs=(*world.inputs, accept))

    # Redis

    def projections(self, world: World, at: int, owner: Owner) -> Iterator[Step]:
        """Write what is confirmed, or look whether it still stands there."""
        if not self.scope.redis:
            return
        here, found = self.copy_at(world, owner.confirmed), world.redis
        stands = found is not None and (found.epoch, found.position) == (owner.epoch, owner.projected)
        if owner.projected == owner.confirmed and (
            stands or not self.rules.keep("the owner looks whether Redis still has it")
        ):
            return
        written = _with(world, at, owner._replace(projected=owner.confirmed))
        if found and found.epoch > owner.epoch and self.rules.keep("an older epoch does not write Redis"):
            yield "finds a later epoch in Redis", self._stepped_down(world, at, owner)
            return
        if found and found.position > here.position:
            written = written._replace(broken=None if found.epoch == owner.epoch else REDIS_BACK)
        if owner.projected is None or (not stands and self.rules.keep("Redis changes only from where it stands")):
            name = "rewrites Redis" if owner.projected is None else "finds a gap and rewrites Redis"
            yield name, written._replace(redis=here)
        else:
            before = self.folder.fold(world.journal[: owner.projected + 1]).state.view
            stood = found.view if found else self.start_state().view
            yield "changes Redis", written._replace(redis=here._replace(view=_changed(stood, before, here.view)))

    # Snapshots

    def _snapshots(self, world: World, owner: Owner) -> Iterator[Step]:
        if not self.scope.snapshot:
            return
        if world.snapshot is None:
            published = self.rules.keep("a snapshot holds what is published")
            upto = owner.watermark if published else len(world.journal)
            if upto > 1:
                yield "a snapshot is taken", world._replace(snapshot=Snapshot(upto))
                if world.faults and "torn" in self.scope.kinds:
                    torn = world._replace(snapshot=Snapshot(upto, torn=True), faults=world.faults - 1)
                    yield "a snapshot is torn", torn
            return
        named = self.folder.fold(world.journal).state.snapshot == world.snapshot.upto
        if named or not self.rules.keep("the journal is shortened only behind a good snapshot"):
            upto = world.snapshot.upto
            if not self.rules.keep("the journal is shortened up to the snapshot"):
                upto = max(upto, owner.watermark)
            if world.first < upto:
                yield "the journal is shortened", world._replace(first=upto)

    # What else goes wrong

    def _troubles(self, world: World) -> Iterator[Step]:
        kinds = self.scope.kinds
        if "repeated" in kinds:
            for given in dict.fromkeys(world.inputs):
                yield f"{given.kind} is said again", world._replace(inputs=(*world.inputs, given))
        if "device" in kinds:
            for agent in AGENTS:
                if world.devices[agent]:
                    devices = tuple(each != agent and world.devices[each] for each in AGENTS)
                    yield "a device dies", world._replace(devices=devices)
        if "roll-back" in kinds and world.redis is not None:
            yield "Redis is wiped", world._replace(redis=None)
            yield from self._older_copies(world, world.redis.position)
        if "reader restarts" in kinds:
            for begin in range(len(world.events)):
                yield "the reader restarts", self._restarted(world, begin)

    def _older_copies(self, world: World, position: int) -> Iterator[Step]:
        for older in self.folder.fold(world.journal).counted:
            if older < position:
                yield "Redis is rolled back", world._replace(redis=self.copy_at(world, older))

    def copy_at(self, world: World, position: int) -> Copy:
        """What Redis held when it stood there."""
        folded = self.folder.fold(world.journal[: position + 1])
        return Copy(folded.epoch, position, folded.state.view)

    def _restarted(self, world: World, begin: int) -> World:
        """It reads again from an offset that it had committed."""
        if not self.rules.keep("the last sequence is kept with the effect"):
            world = world._replace(heard=(-1, -1))
        again, world = world.events[begin:], world._replace(events=world.events[:begin])
        for sequence, facts in again:
            world = self.hear(world, sequence, facts)
        return world


def _folded(state: State, facts: Facts) -> State:
    for fact in facts:
        state = fold(state, fact)
    return state


def _changed(stood: View, before: View, after: View) -> View:
    """What stood there with every change from `before` to `after`."""
    contacts = tuple(new if new != old else kept for kept, old, new in zip(stood[0], before[0], after[0], strict=True))
    presence = tuple(new if new != old else kept for kept, old, new in zip(stood[1], before[1], after[1], strict=True))
    return (contacts, presence)


def _with(world: World, at: int, owner: Owner) -> World:
    return world._replace(owners=(*world.owners[:at], owner, *world.owners[at + 1 :]))
