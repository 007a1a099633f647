"""What a task asks of an agent, and who has it. Tasks that ask the same have one *signature*."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from contracts.routing_parts import Choice
from contracts.tasks import Requirement

Skills = tuple[tuple[str, int, int], ...]
"""Skill, lowest and highest proficiency that will do."""
Gate = tuple[str, bool]
"""What may stand closed while agents are free: a client with a share (else empty), and whether outbound."""
Size = tuple[int, str, bool, Gate]
"""What an agent has to have room for: cost, channel, whether interruptible; and through which gate it comes."""
Room = tuple[int, int, frozenset[str]]
"""What an agent can still take: units for what may not be interrupted, for what may, and channels that are full."""

OPEN: Final[Gate] = ("", False)


class Need(NamedTuple):
    """What a task asks of an agent, but for the agents whom it names and those who refused it."""

    all_of: Skills
    any_of: tuple[Skills, ...]
    none_of: Skills
    teams: tuple[str, ...]
    channel: str
    client: str
    direction: str
    choice: Choice
    size: Size


class Offering(NamedTuple):
    """What agents of one profile have in common: skills, and whom and what they serve."""

    skills: frozenset[tuple[str, int]]
    team: str | None
    channels: frozenset[str]
    """Empty: all."""
    clients: frozenset[str]
    """Empty: all."""
    directions: frozenset[str]


def skills_of(requirements: Iterable[Requirement]) -> Skills:
    """Requirements as plain tuples, which are quick to compare."""
    return tuple((each.skill, each.minimum, each.maximum) for each in requirements)


def satisfies(offering: Offering, skills: dict[str, int], need: Need) -> bool:
    """Whether agents of the profile may serve the task at all; `skills` are the offering's as a dictionary."""
    if need.teams and offering.team not in need.teams:
        return False
    if offering.channels and need.channel not in offering.channels:
        return False
    if offering.clients and need.client not in offering.clients:
        return False
    if need.direction not in offering.directions:
        return False
    return has_skills(skills, need.all_of, need.any_of, need.none_of)


def has_skills(skills: dict[str, int], all_of: Skills, any_of: tuple[Skills, ...], none_of: Skills) -> bool:
    """All of the first, of each group of the second at least one, none of the third."""
    return (
        all(_has(skills, each) for each in all_of)
        and all(any(_has(skills, each) for each in group) for group in any_of)
        and not any(_has(skills, each) for each in none_of)
    )


def proficiency(skills: dict[str, int], need: Need) -> int:
    """How good these skills are at what is asked for: the sum of proficiencies over every skill that is named."""
    named = {skill for skill, _, _ in need.all_of}
    named.update(skill for group in need.any_of for skill, _, _ in group)
    return sum(skills.get(skill, 0) for skill in named)


def has_room(room: Room, size: Size) -> bool:
    """Whether an agent with this room can take a task of this size."""
    cost, channel, interruptible, _ = size
    return (room[1] if interruptible else room[0]) >= cost and channel not in room[2]


def _has(skills: dict[str, int], required: tuple[str, int, int]) -> bool:
    skill, minimum, maximum = required
    return minimum <= skills.get(skill, 0) <= maximum
