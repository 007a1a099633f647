"""What the lanes are made of: profiles of agents, signatures of tasks, and where an agent stands."""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from contracts.quick import quick

from router.domain.agent import Agent
from router.domain.heaps import Heads, Key
from router.domain.need import Need, Offering, Room, Size, has_room, proficiency
from router.domain.task import Task

ELIGIBLE: Final = 0
NOT_READY: Final = 1
NOT_PRESENT: Final = 2
BACKED_OFF: Final = 3
AT_CAPACITY: Final = 4

Kind = str
"""By what agents of a group are ordered."""
KINDS: Final = {
    "least_loaded": "load",
    "best_proficiency": "load",
    "longest_idle": "idle",
    "round_robin": "turn",
}
Priority = tuple[int, Key]
"""A task's place with what goes before it: the longest wait, then a client below its share."""


@quick
@dataclass(frozen=True, slots=True)
class Census:
    """How many agents a task can choose from, and for which first reason the others cannot have it."""

    agents: int
    eligible: int
    excluded: dict[str, int]


@dataclass(slots=True)
class Profile:
    """Agents who offer the same."""

    offering: Offering
    skills: dict[str, int]
    signatures: dict[Size, dict[int, "Signature"]] = field(default_factory=dict)
    """Signatures that this offering satisfies, by size and number."""
    lanes: dict[Size, Heads] = field(default_factory=dict)
    """Their lanes, by size."""
    tops: dict[Kind, dict[Size, dict[int, Heads]]] = field(default_factory=dict)
    """Where the first agent of a group is posted, by order, size and number: in the heads of each such signature."""
    groups: dict[tuple[Room, Kind], int] = field(default_factory=dict)
    """Number of the group, by room and order."""
    standings: dict[tuple[int, Room], int] = field(default_factory=dict)
    """How many agents are barred for which reason (or not) with how much room."""


@dataclass(slots=True)
class Signature:
    """Tasks that ask the same."""

    number: int
    need: Need
    kind: Kind
    idle: dict[int, Heads] = field(default_factory=dict)
    """The groups of agents who can take such a task, by score; one score unless the best proficiency is wanted."""
    profiles: list[Profile] = field(default_factory=list)
    tasks: int = 0
    """How many such tasks are in line."""
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])
    """Agents with what is asked for: eligible, not ready, not present, backed off, at capacity."""

    def score(self, profile: Profile) -> int:
        """The larger, the better; the same for all unless the best proficiency is wanted."""
        return proficiency(profile.skills, self.need) if self.need.choice == "best_proficiency" else 0

    def best(self) -> Key | None:
        """The first agent of the best score that has any."""
        for score in sorted(self.idle, reverse=True) if len(self.idle) > 1 else self.idle:
            head = self.idle[score].best()
            if head is not None:
                return head
        return None


class NamedTasks:
    """Tasks that only one agent, or one of few, may have: by id, and in the order of the line."""

    __slots__ = ("_places", "tasks")

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self._places: list[Key] = []

    def add(self, task: Task) -> None:
        """The task comes into line."""
        self.tasks[task.task_id] = task
        insort(self._places, task.place)

    def discard(self, task: Task) -> bool:
        """The task goes from the place at which it stood; whether none is left."""
        if self.tasks.pop(task.task_id, None) is not None:
            del self._places[bisect_left(self._places, task.place)]
        return not self.tasks

    def some(self, behind: Key | None, most: int) -> list[Task]:
        """So many behind this place in line, or of all."""
        first = 0 if behind is None else bisect_right(self._places, behind)
        return [self.tasks[place[2]] for place in self._places[first : first + most]]


class Standing(NamedTuple):
    profile: int
    bar: int
    room: Room
    load: float
    idle_since_ms: int
    turn: int
    agent_id: str

    def rank(self, kind: Kind) -> Key:
        """Smallest is chosen first; the id breaks ties."""
        if kind == "load":
            return (self.load, self.idle_since_ms, self.agent_id)
        return (0.0, self.idle_since_ms if kind == "idle" else self.turn, self.agent_id)


def seen_by(bar: int, room: Room, size: Size) -> int:
    """The first reason why an agent with the skills cannot have a task of this size, or eligible."""
    return AT_CAPACITY if bar == ELIGIBLE and not has_room(room, size) else bar


def idles(standing: Standing) -> int:
    return standing.bar == ELIGIBLE and standing.load == 0


def bar_of(agent: Agent) -> int:
    if agent.routable:
        return ELIGIBLE
    if agent.state != "ready" or agent.pending is not None:
        return NOT_READY
    if agent.presence != "present":
        return NOT_PRESENT
    return BACKED_OFF if agent.backoff_ends_at_ms is not None else NOT_READY
