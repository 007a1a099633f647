"""Who serves what, without scanning: signature lanes and capability profiles.

Waiting tasks with the same requirements and cost have one *signature* and stand in one lane. Agents with the same
skills have one *profile* and stand, while they can take something, in a group per number of free units. Each profile
keeps a lazy heap over the heads of the lanes it can serve, each signature one over the heads of the groups that can
serve it. An answer costs O(log n + log S), S being the number of signatures; a new lane head costs one post a profile,
a changed agent one post a signature. All of it is derived from the tasks and agents of a domain, and rebuilt on load.

No structure answers "which requirements are a subset of these skills" in logarithmic time for arbitrary many distinct
requirements (partial match); S stands for what a centre configures: tens to hundreds.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from router.domain.agent import Agent
from router.domain.heaps import Bucket, Heads, Key
from router.domain.task import Task

ELIGIBLE: Final = 0
NOT_READY: Final = 1
NOT_PRESENT: Final = 2
AT_CAPACITY: Final = 3

Requirements = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Census:
    """How many agents a task can choose from, and for which first reason the others cannot have it."""

    agents: int
    eligible: int
    excluded: dict[str, int]


@dataclass(slots=True)
class _Profile:
    """Agents with the same skills."""

    skills: dict[str, int]
    signatures: dict[int, list["_Signature"]] = field(default_factory=dict)
    """Signatures that these skills satisfy, by cost."""
    lanes: dict[int, Heads] = field(default_factory=dict)
    """Their lanes, by cost."""
    groups: dict[int, int] = field(default_factory=dict)
    """Number of the group, by free units."""
    standings: dict[tuple[int, int], int] = field(default_factory=dict)
    """How many agents are barred for which reason (or not) with how many free units."""


@dataclass(slots=True)
class _Signature:
    """Tasks with the same requirements and cost."""

    number: int
    requirements: Requirements
    cost: int
    idle: Heads
    """The groups of agents who can take such a task."""
    profiles: list[_Profile] = field(default_factory=list)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    """Agents with the skills: eligible, not ready, not present, at capacity."""


class _Standing(NamedTuple):
    profile: int
    bar: int
    free: int
    rank: Key


class Lanes:
    """The waiting tasks and the agents of one domain.

    Tell it what waits, what leaves and which agents changed; it takes notice when asked the next question, so that a
    task that finds an agent at once, or an agent who finds a task at once, is never filed.
    """

    __slots__ = (
        "_changed", "_filed", "_fresh", "_groups", "_lanes", "_moved", "_profile_numbers", "_profiles",
        "_signature_numbers", "_signatures", "_standings",
    )  # fmt: skip

    def __init__(self) -> None:
        self._signatures: list[_Signature] = []
        self._signature_numbers: dict[tuple[Requirements, int], int] = {}
        self._lanes: list[Bucket] = []
        self._profiles: list[_Profile] = []
        self._profile_numbers: dict[frozenset[tuple[str, int]], int] = {}
        self._groups: list[Bucket] = []
        self._standings: dict[str, _Standing] = {}  # as counted
        self._filed: dict[str, _Standing] = {}  # as the groups have them
        self._moved: dict[str, _Standing] = {}  # counted, not filed yet
        self._fresh: dict[str, Task] = {}
        self._changed: dict[str, Agent] = {}

    def task_waits(self, task: Task) -> None:
        """The task waits from now on."""
        if task.signature < 0:
            task.signature = self._signature_of(task)
        self._fresh[task.task_id] = task

    def task_leaves(self, task: Task) -> None:
        """The task does not wait any more."""
        if self._fresh.pop(task.task_id, None) is None:
            self._lanes[task.signature].discard(task.task_id)

    def agent_changed(self, agent: Agent) -> None:
        """The agent is new, or their skills, load, state or presence changed."""
        self._changed[agent.agent_id] = agent

    def agent_removed(self, agent: Agent) -> None:
        """The agent is not of this domain any more."""
        self._changed.pop(agent.agent_id, None)
        self._moved.pop(agent.agent_id, None)
        filed = self._filed.pop(agent.agent_id, None)
        if filed is not None:
            self._leave(filed)
        counted = self._standings.pop(agent.agent_id, None)
        if counted is not None:
            self._count(counted, -1)

    def best_agent(self, task: Task) -> str | None:
        """The eligible agent with the smallest rank."""
        self._count_agents()
        self._file_agents()
        signature = self._signatures[task.signature]
        refused = [standing for standing in map(self._filed.get, task.refused_by) if standing is not None]
        refused = [standing for standing in refused if self._fits(standing, signature)]
        for standing in refused:
            self._leave(standing)
        best = signature.idle.best()
        for standing in refused:
            self._enter(standing)
        return None if best is None else best[2]

    def best_task(self, agent: Agent) -> str | None:
        """The first in line of the waiting tasks that the agent may serve and has the capacity for."""
        self._settle_tasks()
        refused = [task for task in agent.refused.values() if task.state == "waiting"]
        for task in refused:
            self._lanes[task.signature].discard(task.task_id)
        free = agent.free
        best: Key | None = None
        for cost, lanes in self._profile_of(agent).lanes.items():
            head = lanes.best() if cost <= free else None
            if head is not None and (best is None or head < best):
                best = head
        for task in refused:
            self._file(task)
        return None if best is None else best[2]

    def census(self, task: Task) -> Census:
        """The agents as this task sees them; a sum over its signature, not over agents."""
        self._count_agents()
        signature = self._signatures[task.signature]
        refusing = 0
        for agent_id in task.refused_by:
            standing = self._standings.get(agent_id)
            refusing += standing is not None and self._fits(standing, signature)
        eligible, not_ready, not_present, at_capacity = signature.counts
        excluded = {
            "lacks_skill": len(self._standings) - sum(signature.counts),
            "not_ready": not_ready,
            "not_present": not_present,
            "at_capacity": at_capacity,
            "refused_before": refusing,
        }
        present = {reason: count for reason, count in excluded.items() if count}
        return Census(len(self._standings), eligible - refusing, present)

    def wasteful(self) -> bool:
        """Whether most signatures and profiles are of configurations long past."""
        used = len({standing.profile for standing in self._standings.values()})
        lanes = sum(1 for lane in self._lanes if lane.keys)
        return len(self._profiles) > 2 * used + 64 or len(self._lanes) > 2 * lanes + 1024

    # Tasks

    def _settle_tasks(self) -> None:
        for task in self._fresh.values():
            self._file(task)
        self._fresh.clear()

    def _file(self, task: Task) -> None:
        place = task.place
        lane = self._lanes[task.signature]
        lane.add(place)
        if lane.head() == place:
            signature = self._signatures[task.signature]
            for profile in signature.profiles:
                profile.lanes[signature.cost].post(signature.number, place)

    def _signature_of(self, task: Task) -> int:
        requirements = tuple((required.skill, required.minimum) for required in task.requirements)
        number = self._signature_numbers.get((requirements, task.cost))
        if number is None:
            number = self._signature_numbers[requirements, task.cost] = len(self._signatures)
            signature = _Signature(number, requirements, task.cost, Heads(self._groups))
            self._signatures.append(signature)
            self._lanes.append(Bucket())
            for profile in self._profiles:
                self._link(profile, signature)
        return number

    # Agents

    def _count_agents(self) -> None:
        for agent in self._changed.values():
            self._profile_of(agent)
            old = self._standings.get(agent.agent_id)
            new = _Standing(agent.profile, _bar(agent), agent.free, agent.rank)
            if new == old:
                continue
            self._standings[agent.agent_id] = self._moved[agent.agent_id] = new
            if old is None or old.profile != new.profile:
                self._count(new, 1)
                if old is not None:
                    self._count(old, -1)
            elif (old.bar, old.free) != (new.bar, new.free):
                self._recount(old, new)
        self._changed.clear()

    def _file_agents(self) -> None:
        """Later than counting, so that an agent who is offered a task at once is never filed in between."""
        for agent_id, new in self._moved.items():
            old = self._filed.get(agent_id)
            if new != old:
                if old is not None:
                    self._leave(old)
                self._filed[agent_id] = new
                self._enter(new)
        self._moved.clear()

    def _profile_of(self, agent: Agent) -> _Profile:
        if agent.profile < 0:
            skills = frozenset(agent.skills.items())
            number = self._profile_numbers.get(skills)
            if number is None:
                number = self._profile_numbers[skills] = len(self._profiles)
                profile = _Profile(dict(agent.skills))
                self._profiles.append(profile)
                for signature in self._signatures:
                    self._link(profile, signature)
            agent.profile = number
        return self._profiles[agent.profile]

    def _enter(self, standing: _Standing) -> None:
        """Into the group, and to the top of the signatures if first there."""
        if standing.bar != ELIGIBLE or standing.free <= 0:
            return
        profile = self._profiles[standing.profile]
        number = profile.groups.get(standing.free)
        if number is None:
            number = profile.groups[standing.free] = len(self._groups)
            self._groups.append(Bucket())
        group = self._groups[number]
        group.add(standing.rank)
        if group.head() == standing.rank:
            for cost, signatures in profile.signatures.items():
                if cost <= standing.free:
                    for signature in signatures:
                        signature.idle.post(number, standing.rank)

    def _leave(self, standing: _Standing) -> None:
        number = self._profiles[standing.profile].groups.get(standing.free)
        if number is not None:
            self._groups[number].discard(standing.rank[2])

    # Who can serve what

    def _link(self, profile: _Profile, signature: _Signature) -> None:
        if not _satisfies(profile.skills, signature.requirements):
            return
        signature.profiles.append(profile)
        profile.signatures.setdefault(signature.cost, []).append(signature)
        head = self._lanes[signature.number].head()
        lanes = profile.lanes.setdefault(signature.cost, Heads(self._lanes))
        if head is not None:
            lanes.post(signature.number, head)
        for (bar, free), agents in profile.standings.items():
            signature.counts[_seen_by(bar, free, signature.cost)] += agents
        for free, number in profile.groups.items():
            rank = self._groups[number].head() if signature.cost <= free else None
            if rank is not None:
                signature.idle.post(number, rank)

    def _fits(self, standing: _Standing, signature: _Signature) -> bool:
        eligible = standing.bar == ELIGIBLE and standing.free >= signature.cost
        return eligible and _satisfies(self._profiles[standing.profile].skills, signature.requirements)

    def _count(self, standing: _Standing, change: int) -> None:
        profile = self._profiles[standing.profile]
        key = (standing.bar, standing.free)
        profile.standings[key] = profile.standings.get(key, 0) + change
        for cost, signatures in profile.signatures.items():
            place = _seen_by(standing.bar, standing.free, cost)
            for signature in signatures:
                signature.counts[place] += change

    def _recount(self, old: _Standing, new: _Standing) -> None:
        """`_count` for both, without touching signatures that see no difference."""
        profile = self._profiles[new.profile]
        profile.standings[old.bar, old.free] -= 1
        key = (new.bar, new.free)
        profile.standings[key] = profile.standings.get(key, 0) + 1
        for cost, signatures in profile.signatures.items():
            before = _seen_by(old.bar, old.free, cost)
            after = _seen_by(new.bar, new.free, cost)
            if before != after:
                for signature in signatures:
                    signature.counts[before] -= 1
                    signature.counts[after] += 1


def _seen_by(bar: int, free: int, cost: int) -> int:
    """The first reason why an agent with the skills cannot have a task of this cost, or eligible."""
    return AT_CAPACITY if bar == ELIGIBLE and free < cost else bar


def _satisfies(skills: dict[str, int], requirements: Requirements) -> bool:
    return all(skills.get(skill, 0) >= minimum for skill, minimum in requirements)


def _bar(agent: Agent) -> int:
    if agent.routable:
        return ELIGIBLE
    return NOT_PRESENT if agent.state == "ready" and agent.presence != "present" else NOT_READY
