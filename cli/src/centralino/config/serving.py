"""Who can serve which queue, whatever anybody does now. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.configuration import TenantConfiguration
from contracts.routing_parts import Agent, Queue, RequiredSkill, Step


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


class Serving:
    """Who serves what in a configuration. Agents alike, and queues that ask for the same, are looked at once: there
    may be 15 000 of the one and 5000 of the other."""

    def __init__(self, configuration: TenantConfiguration) -> None:
        self.configuration = configuration
        self._known: dict[tuple[object, ...], list[Agent]] = {}
        self._plans = {(plan.domain, plan.id): plan for plan in configuration.plans}
        self._alike: defaultdict[str, defaultdict[tuple[object, ...], list[Agent]]] = defaultdict(
            lambda: defaultdict(list)
        )
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
        need = Need(
            all_of=tuple(queue.requirements),
            any_of=_groups(queue.any_of),
            none_of=tuple(queue.none_of),
            teams=tuple(queue.teams),
        )
        yield need
        for step in self.steps(queue):
            need = _after(step, need)
            yield need

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
