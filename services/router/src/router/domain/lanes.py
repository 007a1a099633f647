"""Who serves what, without scanning: signature lanes and capability profiles.

Waiting tasks that ask the same of an agent have one *signature* and stand in one lane. Agents who offer the same have
one *profile* and stand, while they can take something, in a group for each amount of room. Each profile keeps a lazy
heap over the heads of the lanes it can serve, each signature one over the heads of the groups that can serve it. An
answer costs O(log n + log S), S being the number of signatures; a new lane head costs one post a profile, a changed
agent one post a signature. All of it is derived from the tasks and agents of a domain, and rebuilt on load.

No structure answers "which requirements are a subset of these skills" in logarithmic time for arbitrary many distinct
requirements (partial match); S stands for what a centre configures: tens to hundreds. Tasks that only named agents may
have (at most 20 each) are kept by agent and looked through: an agent has few of them.
"""

from collections.abc import Hashable, Iterable, Iterator
from itertools import compress
from typing import Final

from contracts.routing_parts import Choice
from contracts.tasks import Requirement, Terms

from router.domain.agent import Agent
from router.domain.gates import Gates
from router.domain.heaps import Bucket, Key
from router.domain.lane_parts import ELIGIBLE, KINDS, Census, NamedTasks, Priority, Signature, Standing, seen_by
from router.domain.need import Gate, Need, Size, Skills, has_room, has_skills, satisfies, skills_of
from router.domain.roster import Roster
from router.domain.task import LONGEST_WAIT_BAND, Task

ASKED_MAX: Final = 8192
"""Signatures remembered by what was asked; beyond it all are forgotten and found anew."""
EXCLUSIONS: Final = (
    "lacks_skill", "not_ready", "not_present", "backed_off", "at_capacity", "refused_before", "gate_closed",
)  # fmt: skip


class Lanes(Roster):
    """The waiting tasks and the agents of one domain.

    Tell it what waits, what leaves and which agents changed; it takes notice when asked the next question, so that a
    task that finds an agent at once, or an agent who finds a task at once, is never filed.
    """

    __slots__ = ("_asked", "_fresh", "_gated", "_named")

    def __init__(self, gates: Gates | None = None) -> None:
        super().__init__(gates)
        self._fresh: dict[str, Task] = {}
        self._gated: dict[Size, int] = {}  # how many wait behind each gate that can be closed
        self._named: dict[str, NamedTasks] = {}
        self._asked: dict[Hashable, tuple[int, object]] = {}

    def task_waits(self, task: Task) -> None:
        """The task is to be offered from now on."""
        if task.signature not in self._signatures:
            task.signature = self.signature_of(
                task.requirements,
                task.terms,
                client=task.client,
                direction=task.direction,
                choice=task.choice,
                load=(task.cost, task.channel, task.interruptible),
            )
        signature = self._signatures[task.signature]
        self._used(signature, 1)
        size = signature.need.size
        if self.gates.closable(size[3]):
            self._gated[size] = self._gated.get(size, 0) + 1
        if task.terms.agents:
            for agent_id in task.terms.agents:
                self._named.setdefault(agent_id, NamedTasks()).add(task)
        else:
            self._fresh[task.task_id] = task

    def task_leaves(self, task: Task) -> None:
        """The task is not to be offered any more; call it before its terms change."""
        signature = self._signatures[task.signature]
        size = signature.need.size
        if size in self._gated:
            self._gated[size] -= 1
            if not self._gated[size]:
                del self._gated[size]
        if task.terms.agents:
            for agent_id in task.terms.agents:
                named = self._named.get(agent_id)
                if named is not None and named.discard(task):
                    del self._named[agent_id]
        elif self._fresh.pop(task.task_id, None) is None:
            self._lanes[task.signature].discard(task.task_id)
        self._used(signature, -1)

    def best_agent(self, task: Task) -> str | None:
        """The eligible agent who ranks first."""
        self._count_agents()
        signature = self._signatures[task.signature]
        if not self._passes(signature.need.size):
            return None
        if task.terms.agents:
            return self._best_named(task, signature)
        self._file_agents()
        barred: list[Standing] = []
        if task.refused_by or task.offers:
            asked = filter(None, map(self._filed.get, (*task.refused_by, *task.offers)))
            barred = [standing for standing in asked if self._fits(standing, signature)]
        for standing in barred:
            self._leave(standing)
        best = signature.best()
        for standing in barred:
            self._enter(standing)
        return None if best is None else best[2]

    def best_task(self, agent: Agent) -> str | None:
        """The first in line of the tasks that the agent may serve and has the room for."""
        self._settle_tasks()
        barred = [task for task in (*agent.refused.values(), *agent.tasks.values()) if task.in_line]
        barred = [task for task in barred if not task.terms.agents]
        for task in barred:
            self._lanes[task.signature].discard(task.task_id)
        room = agent.room
        best: Priority | None = None
        for size, lanes in self._profile_of(agent).lanes.items():
            head = lanes.best() if has_room(room, size) else None
            if head is not None and self._passes(size):
                before = self._before(head, size)
                if best is None or before < best:
                    best = before
        for task in barred:
            self._file(task)
        return self._first_named(agent, best)

    def unblocked(self, tasks: dict[str, Task], agents: dict[str, Agent]) -> tuple[str, str] | None:
        """A task and an agent whom only a closed gate kept apart, the first in line, now that it is open; or none.

        Costs a question for each signature behind a gate that was found closed.
        """
        if not self.gates.blocked:
            return None
        self._count_agents()
        self._settle_tasks()
        opened = {gate for gate in self.gates.blocked if self.gates.opens(gate, 1, self._idle)}
        if not opened:
            return None
        self.gates.blocked -= opened
        found = min(self._behind(opened, tasks, agents), default=None)
        if found is None:
            return None
        self.gates.blocked |= opened
        return found[1][2], found[2]

    def note_closed(self) -> None:
        """Something is about to change: what waits behind a gate that is closed now may get through afterwards."""
        if self._gated:
            self._count_agents()
            for size in self._gated:
                if not self.gates.opens(size[3], size[0], self._idle):
                    self.gates.blocked.add(size[3])

    def suspect_all(self) -> None:
        """The rules have changed, or matching behind gates was left unfinished: anything that waits may get through."""
        self.gates.blocked = {signature.need.size[3] for signature in self._signatures.values()}

    def names(self, agent_id: str) -> bool:
        """Whether there is something that only this agent, or one of few, may have."""
        return agent_id in self._named

    def named(self, agent_id: str, behind: Key | None, most: int) -> list[Task]:
        """The first of those tasks behind this place in line, in its order."""
        named = self._named.get(agent_id)
        return [] if named is None else named.some(behind, most)

    def census(self, task: Task) -> Census:
        """The agents as this task sees them; a sum over its signature, not over agents."""
        self._count_agents()
        signature = self._signatures[task.signature]
        total = len(self._standings)
        if task.terms.agents:
            return self._census_of_named(task, signature)
        refusing = 0
        for agent_id in task.refused_by.keys() | task.offers.keys() if task.refused_by or task.offers else ():
            standing = self._standings.get(agent_id)
            refusing += standing is not None and self._fits(standing, signature)
        eligible, not_ready, not_present, backed_off, at_capacity = signature.counts
        shut = 0 if self.gates.opens(signature.need.size[3], task.cost, self._idle) else eligible - refusing
        lacking = total - sum(signature.counts)
        counts = (lacking, not_ready, not_present, backed_off, at_capacity, refusing, shut)
        return Census(total, eligible - refusing - shut, dict(compress(zip(EXCLUSIONS, counts, strict=True), counts)))

    def serving(self, needs: Iterable[Need]) -> set[int]:
        """The profiles whose agents may serve any of these; costs a look at each profile."""
        self._count_agents()
        needs = list(needs)
        return {
            number
            for number, profile in enumerate(self._profiles)
            if any(satisfies(profile.offering, profile.skills, need) for need in needs)
        }

    def signature_of(
        self,
        requirements: tuple[Requirement, ...],
        terms: Terms,
        *,
        client: str,
        direction: str,
        choice: Choice,
        load: tuple[int, str, bool],
    ) -> int:
        """The signature of such a task; `load` is its cost, its channel and whether it may be interrupted.

        Quick for the requirements of a queue, which its tasks share: those are known by being the same objects.
        """
        lists = (requirements, terms.any_of, terms.none_of)
        asked = (*map(id, lists), terms.teams, client, direction, choice, load)
        known = self._asked.get(asked)
        if known is None or known[0] not in self._signatures:
            if len(self._asked) >= ASKED_MAX:
                self._asked.clear()
            any_of = tuple(skills_of(group) for group in terms.any_of)
            size = (*load, self.gates.gate_of(client, direction))
            none_of = skills_of(terms.none_of)
            need = Need(skills_of(requirements), any_of, none_of, terms.teams, load[1], client, direction, choice, size)
            known = self._asked[asked] = (self._signature_for(need), lists)  # while these live, their ids are theirs
        return known[0]

    def somebody_is_free(self, number: int, named: Iterable[str], *, but: str | None = None) -> bool:
        """Whether such a task that nobody has refused yet would be offered at once to somebody but this agent."""
        self._count_agents()
        signature = self._signatures[number]
        size = signature.need.size
        if not self.gates.opens(size[3], size[0], self._idle):
            return False
        if named:
            standings = filter(None, map(self._standings.get, named))
            return any(self._fits(each, signature) for each in standings if each.agent_id != but)
        left_out = self._standings.get(but) if but is not None else None
        return signature.counts[ELIGIBLE] > (left_out is not None and self._fits(left_out, signature))

    def could_serve(self, agent: Agent, number: int) -> bool:
        """Whether the agent has all that this signature asks for, free or not."""
        profile = self._profile_of(agent)
        return satisfies(profile.offering, profile.skills, self._signatures[number].need)

    def ready(self, all_of: Skills, any_of: tuple[Skills, ...], none_of: Skills, teams: Iterable[str]) -> int:
        """How many agents have these skills and could take something now; a look at each profile, not at agents."""
        self._count_agents()
        teams = frozenset(teams)
        return sum(
            count
            for profile in self._profiles
            if (not teams or profile.offering.team in teams) and has_skills(profile.skills, all_of, any_of, none_of)
            for (bar, room), count in profile.standings.items()
            if bar == ELIGIBLE and room[0] > 0
        )

    @property
    def signatures(self) -> int:
        """How many different things tasks ask for, or asked for not long ago."""
        return len(self._signatures)

    def wasteful(self) -> bool:
        """Whether most profiles are of configurations long past."""
        used = len({standing.profile for standing in self._standings.values()})
        return len(self._profiles) > 2 * used + 64

    # Tasks

    def _before(self, head: Key, size: Size) -> Priority:
        if head[0] == -LONGEST_WAIT_BAND:
            return (0, head)
        return (1 if self.gates.shares and self.gates.below_minimum(size[3]) else 2, head)

    def _passes(self, size: Size) -> bool:
        if not self.gates.shares and not self.gates.reserve:
            return True
        self._count_agents()
        if self.gates.opens(size[3], size[0], self._idle):
            return True
        self.gates.blocked.add(size[3])
        return False

    def _behind(
        self, gates: set[Gate], tasks: dict[str, Task], agents: dict[str, Agent]
    ) -> Iterator[tuple[int, Key, str]]:
        for signature in self._signatures.values():
            head = self._lanes[signature.number].head() if signature.need.size[3] in gates else None
            if head is not None:
                yield from self._pairs(tasks[head[2]], signature, tasks, agents)
        for task in [task for named in self._named.values() for task in named.tasks.values()]:
            signature = self._signatures[task.signature]
            if signature.need.size[3] in gates:
                yield from self._pairs(task, signature, tasks, agents)

    def _pairs(
        self, task: Task, signature: Signature, tasks: dict[str, Task], agents: dict[str, Agent]
    ) -> Iterator[tuple[int, Key, str]]:
        """Who could take the task; if nobody, what those could take who refused it: somebody behind it in line."""
        agent_id = self.best_agent(task)
        if agent_id is not None:
            yield (*self._before(task.place, signature.need.size), agent_id)
            return
        for refusing in sorted(task.refused_by.keys() | task.offers.keys()):
            agent = agents.get(refusing)
            other = self.best_task(agent) if agent is not None and agent.routable else None
            if other is not None:
                size = self._signatures[tasks[other].signature].need.size
                yield (*self._before(tasks[other].place, size), refusing)

    def _settle_tasks(self) -> None:
        for task in self._fresh.values():
            self._file(task)
        self._fresh.clear()

    def _file(self, task: Task) -> None:
        place: Key = task.place
        lane = self._lanes[task.signature]
        lane.add(place)
        if lane.head() == place:
            signature = self._signatures[task.signature]
            for profile in signature.profiles:
                profile.lanes[signature.need.size].post(signature.number, place)

    def _signature_for(self, need: Need) -> int:
        number = self._signature_numbers.get(need)
        if number is None:
            self._signatures_made += 1
            number = self._signature_numbers[need] = self._signatures_made
            signature = self._signatures[number] = Signature(number, need, KINDS[need.choice])
            self._lanes[number] = Bucket()
            if signature.kind not in self._kinds:
                self._kinds.append(signature.kind)
                for standing in self._filed.values():
                    self._enter_group(standing, signature.kind)
            for profile in self._profiles:
                self._link(profile, signature)
            self._used(signature, 0)
        return number

    # Named agents

    def _best_named(self, task: Task, signature: Signature) -> str | None:
        ranks = [
            (-signature.score(self._profiles[standing.profile]), standing.rank(signature.kind))
            for standing in map(self._standings.get, task.terms.agents)
            if standing is not None
            and self._fits(standing, signature)
            and standing.agent_id not in task.refused_by
            and standing.agent_id not in task.offers
        ]
        return min(ranks)[1][2] if ranks else None

    def _first_named(self, agent: Agent, best: Priority | None) -> str | None:
        named = self._named.get(agent.agent_id)
        if named is not None:
            profile, room = self._profile_of(agent), agent.room
            for task in named.tasks.values():
                need = self._signatures[task.signature].need
                if (
                    agent.agent_id not in task.refused_by
                    and agent.agent_id not in task.offers
                    and has_room(room, need.size)
                    and satisfies(profile.offering, profile.skills, need)
                    and self._passes(need.size)
                ):
                    before = self._before(task.place, need.size)
                    best = before if best is None or before < best else best
        return None if best is None else best[1][2]

    def _census_of_named(self, task: Task, signature: Signature) -> Census:
        total = len(self._standings)
        shut = not self.gates.opens(signature.need.size[3], task.cost, self._idle)
        reasons = ("eligible", "not_ready", "not_present", "backed_off", "at_capacity")
        counts: dict[str, int] = {}
        known = [standing for standing in map(self._standings.get, dict.fromkeys(task.terms.agents)) if standing]
        for standing in known:
            profile = self._profiles[standing.profile]
            reason = reasons[seen_by(standing.bar, standing.room, signature.need.size)]
            if not satisfies(profile.offering, profile.skills, signature.need):
                reason = "lacks_skill"
            elif reason == "eligible" and (standing.agent_id in task.refused_by or standing.agent_id in task.offers):
                reason = "refused_before"
            elif reason == "eligible" and shut:
                reason = "gate_closed"
            counts[reason] = counts.get(reason, 0) + 1
        if total > len(known):
            counts["not_named"] = total - len(known)
        return Census(total, counts.pop("eligible", 0), counts)
