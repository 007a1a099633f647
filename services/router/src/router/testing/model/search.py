"""Tries every order of steps in a small world, nearest worlds first."""

from collections import Counter
from dataclasses import dataclass, field

from router.testing.model.promises import Promises
from router.testing.model.protocol import Protocol, Scope
from router.testing.model.rules import Rules
from router.testing.model.world import World


@dataclass(slots=True)
class Found:
    """What a search saw."""

    worlds: int = 0
    whole: bool = True
    """Whether there are no others."""
    steps: Counter[str] = field(default_factory=Counter)
    """How often each step was tried, by its name."""
    broken: str | None = None
    story: list[str] = field(default_factory=list)
    """The shortest way to the broken promise."""


def search(scope: Scope, without: str | None = None, *, worlds_max: int = 1_000_000) -> Found:
    """All worlds of a scope, up to the first that breaks a promise, or to a bound."""
    protocol = Protocol(scope, Rules(without))
    promises = Promises(protocol)
    found = Found()
    begin = protocol.start()
    came_from: dict[World, tuple[World, str] | None] = {begin: None}
    edge = [begin]
    while edge and len(came_from) < worlds_max:
        following: list[World] = []
        for world in edge:
            now = promises.broken(world)
            found.broken = now or promises.broken_in_the_end(world)
            if found.broken is not None:
                ending = [] if now else ["every engine crashes, and a last one brings all to its end"]
                found.worlds, found.story = len(came_from), _story(came_from, world) + ending
                return found
            for name, step in protocol.steps(world):
                found.steps[name] += 1
                if step not in came_from:
                    came_from[step] = (world, name)
                    following.append(step)
        edge = following
    found.worlds, found.whole = len(came_from), not edge
    return found


def _story(came_from: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    story: list[str] = []
    while (before := came_from[world]) is not None:
        world, name = before
        story.append(name)
    return story[::-1]
