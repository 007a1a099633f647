"""What must be so in every world, and in the end of every story."""

from functools import cache

from router.testing.model.protocol import Protocol
from router.testing.model.rules import INPUT_LOST, NOT_SO, REDIS_BEHIND, REDIS_WRONG, STUCK, UNANSWERED, UNTOLD
from router.testing.model.world import AGENTS, NOBODY, Contact, Owner, State, World

ENDING_STEPS_MAX = 100


class Promises:
    """Judges the worlds of a protocol."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._fold = protocol.folder.fold
        self._ending = cache(self._broken_in_the_end)

    def broken(self, world: World) -> str | None:
        """The promise that does not hold now."""
        found = world.broken or self._fold(world.journal).broken or self._broken_to_reader(world)
        if found is None and self._protocol.scope.redis:
            found = self._broken_redis(world)
        return found

    def broken_in_the_end(self, world: World) -> str | None:
        """Every engine may crash here and now: then a new one has to bring everything to its end."""
        return self._ending(world._replace(owners=(), faults=0, events=()))

    def _broken_to_reader(self, world: World) -> str | None:
        history = self._fold(world.journal).history
        if world.seen == history[: len(world.seen)]:
            return None
        ahead = iter(history)
        return UNTOLD if all(facts in ahead for facts in world.seen) else NOT_SO

    def _broken_redis(self, world: World) -> str | None:
        if world.redis is not None and world.redis != self._protocol.copy_at(world, world.redis.position):
            return REDIS_WRONG
        for at, owner in enumerate(world.owners[-1:], len(world.owners) - 1):
            idle = not owner.stepped_down and not any(self._protocol.projections(world, at, owner))
            if idle and world.redis != self._protocol.copy_at(world, owner.confirmed):
                return REDIS_BEHIND
        return None

    def _broken_in_the_end(self, world: World) -> str | None:
        _, world = self._protocol.take_over(world)
        for _ in range(ENDING_STEPS_MAX):
            if world.broken:
                return world.broken
            following = self._next(world, world.owners[-1])
            if following is None:
                break
            world = following
        found = self.broken(world)
        if found is not None:
            return found
        folded = self._fold(world.journal)
        if folded.next_input != len(world.inputs):
            return INPUT_LOST
        if world.seen != folded.history:
            return UNTOLD
        accepts = self._protocol.scope.accepts
        if any(_is_stuck(contact, folded.state, accepts=accepts) for contact in folded.state.contacts):
            return STUCK
        commands = {given.command for given in world.inputs if given.kind == "accept"}
        return None if commands == {command for command, _ in folded.state.answers} else UNANSWERED

    def _next(self, world: World, owner: Owner) -> World | None:
        """Nothing goes wrong any more, and agents answer the last offer of a contact only."""
        protocol, at = self._protocol, len(world.owners) - 1
        if owner.stepped_down:
            return None
        if owner.flying:
            return protocol.land(world, at, 0)[1]
        if owner.to_publish:
            return next(protocol.publishings(world, at, owner))[1]
        for _, projected in protocol.projections(world, at, owner):
            return projected
        for given in protocol.due(world, owner):
            return protocol.decide(world, at, owner, given)[1]
        for _, accepted in protocol.accepts(world):
            given = accepted.inputs[-1]
            live = owner.state.contacts[given.contact] == Contact("offered", given.agent, given.offer)
            if live and given.offer >= protocol.scope.offers:
                return accepted
        return None


def _is_stuck(contact: Contact, state: State, *, accepts: bool) -> bool:
    """It waits although an agent is free, has an offer that never ends, or is with somebody who is gone."""
    if contact.agent != NOBODY:
        return state.presence[contact.agent] == "gone" or (accepts and contact.state == "offered")
    busy = {other.agent for other in state.contacts}
    return any(state.presence[agent] == "present" and agent not in busy for agent in AGENTS)
