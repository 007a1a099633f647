"""Who can serve which queue, whatever anybody does now. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from contracts.configuration import TenantConfiguration
from contracts.routing_parts import Agent, Queue, RequiredSkill, Step

NOTHING_IS_PAST: Final = date.min


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an agent needs for a queue, from some instant of waiting on."""

    all_of: tuple[RequiredSkill, ...]
    any_of: tuple[tuple[RequiredSkill, ...], ...]
    none_of: tuple[RequiredSkill, ...]
    teams: tuple[str, ...]

    def fits(self, agent: Agent) -> bool:
        """Whether the agent has it all."""
        return (
            all(_has(agent, each) for each in self.all_of)
            and all(any(_has(agent, each) for each in group) for group in self.any_of)
            and not any(_has(agent, each) for each in self.none_of)
            and (not self.teams or agent.team in self.teams)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What holds for a stretch of waiting: from the beginning (`place` none), or from a step of the plan on."""

    need: Need
    place: int | None
    from_seconds: int
    to_seconds: int | None
    """None: for ever."""
    agents: tuple[str, ...] = ()
    """These alone."""


class Serving:
    """Who serves what in a configuration. Agents alike, and queues that ask for the same, are looked at once: there
    may be 15 000 of the one and 5000 of the other."""

    def __init__(self, configuration: TenantConfiguration, today: date = NOTHING_IS_PAST) -> None:
        self.configuration = configuration
        self.today = today
        self._known: dict[tuple[object, ...], list[Agent]] = {}
        self._fitting: dict[tuple[str, str, Need], frozenset[str]] = {}
        self._plans = {(plan.domain, plan.id): plan for plan in configuration.plans}
        self._alike: defaultdict[str, defaultdict[tuple[object, ...], list[Agent]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._homes = {agent.id: agent.domain for agent in configuration.agents}
        for agent in configuration.agents:
            profile = (tuple(sorted(agent.skills.items())), agent.team, tuple(agent.directions))
            self._alike[agent.domain][profile].append(agent)

    def agents(self, domain: str) -> list[Agent]:
        """All of the domain."""
        return [agent for alike in self._alike[domain].values() for agent in alike]

    def servers(self, queue: Queue) -> list[Agent]:
        """Who may ever get a task of the queue: at once, or after a step of its plan."""
        needs = tuple(self.needs(queue))
        asked = (queue.domain, queue.direction, needs)
        if asked not in self._known:
            self._known[asked] = [
                agent
                for alike in self._alike[queue.domain].values()
                if queue.direction in alike[0].directions and any(need.fits(alike[0]) for need in needs)
                for agent in alike
            ]
        return self._known[asked]

    def needs(self, queue: Queue) -> Iterator[Need]:
        """What the queue asks for, then what is left of it after each step of its plan."""
        yield from (stage.need for stage in self.stages(queue))

    def stages(self, queue: Queue, requirements: Sequence[RequiredSkill] | None = None) -> Iterator[Stage]:
        """How a task waits in the queue until it gives the task up; `requirements`: a rule's, instead of the queue's.

        A stage may last 0 seconds.
        """
        need = Need(
            all_of=tuple(queue.requirements if requirements is None else requirements),
            any_of=_groups(queue.any_of),
            none_of=tuple(queue.none_of),
            teams=tuple(queue.teams),
        )
        place, since, agents = None, 0, tuple[str, ...]()
        for number, step in enumerate(self.steps(queue)):
            yield Stage(need=need, place=place, from_seconds=since, to_seconds=step.after_seconds, agents=agents)
            if step.overflow is not None:
                return
            need, place, since = _after(step, need), number, step.after_seconds
            agents = () if step.last_agent else tuple(step.agents)
        yield Stage(need=need, place=place, from_seconds=since, to_seconds=None, agents=agents)

    def is_served(self, queue: Queue, stage: Stage) -> bool:
        """Whether there is anybody for the stage. Named agents of whom none works in the domain are passed over."""
        asked = (queue.domain, queue.direction, stage.need)
        if asked not in self._fitting:
            self._fitting[asked] = frozenset(
                agent.id
                for alike in self._alike[queue.domain].values()
                if queue.direction in alike[0].directions and stage.need.fits(alike[0])
                for agent in alike
            )
        fitting = self._fitting[asked]
        at_home = [name for name in stage.agents if self._homes.get(name) == queue.domain]
        return not fitting.isdisjoint(at_home) if at_home else bool(fitting)

    def steps(self, queue: Queue) -> Sequence[Step]:
        """Of its plan."""
        plan = self._plans.get((queue.domain, queue.plan)) if queue.plan else None
        return plan.steps if plan else ()


def _after(step: Step, before: Need) -> Need:
    """What the step does not say stays as it was."""
    return Need(
        all_of=before.all_of if step.requirements is None else tuple(step.requirements),
        any_of=before.any_of if step.any_of is None else _groups(step.any_of),
        none_of=before.none_of if step.none_of is None else tuple(step.none_of),
        teams=before.teams if step.teams is None else tuple(step.teams),
    )


def _groups(groups: Sequence[Sequence[RequiredSkill]]) -> tuple[tuple[RequiredSkill, ...], ...]:
    return tuple(tuple(group) for group in groups)


def _has(agent: Agent, required: RequiredSkill) -> bool:
    return required.minimum <= agent.skills.get(required.skill, 0) <= required.maximum
