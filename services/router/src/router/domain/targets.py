"""To whom a task may be transferred: found, and looked at before anybody is asked."""

from dataclasses import dataclass, replace

from contracts.agents import Refusal
from contracts.commands import TransferTask
from contracts.tasks import Requirement, Terms, TransferTarget

from router.domain.need import OPEN, Need, skills_of
from router.domain.outcomes import refusal_of
from router.domain.plans import Times, Waits, asked_by, on_entry, stages
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import assignment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """In which queue a transfer's task is to wait, and for whom."""

    kind: TransferTarget
    line: QueueLine
    asked: Waits
    to_agent_id: str | None = None


def target_of(domain: DomainState, first: Task, data: TransferTask) -> Target | Refusal:
    """The one target that the command names, with the priority and band of the first task at least."""
    named = [data.queue is not None, data.to_agent_id is not None, bool(data.requirements), data.escalate]
    if sum(named) != 1:
        return refusal_of("target_unclear", 422, "Name one target: a queue, an agent, requirements, or the next tier.")
    own = domain.queues[first.queue]
    if data.to_agent_id is not None:
        return _agent(domain, own, first, data, data.to_agent_id)
    if data.requirements:
        known = {skill for agent in domain.agents.values() for skill in agent.skills}
        if any(required.skill not in known for required in data.requirements):
            return refusal_of("skill_unknown", 409, "No agent of this domain has one of these skills.")
        asked = Waits(
            requirements=_merged(first.requirements, data.requirements),
            priority=min(9, first.base_priority + data.priority_add),
            priority_fixed=first.priority_fixed,
            terms=_unnamed(first.terms),
        )
        return Target(kind="skills", line=own, asked=asked)
    line = domain.line(data.queue if data.queue is not None else own.settings.escalates_to)
    if line is None:
        return refusal_of("target_unknown", 409, "There is no such queue, or no next tier.")
    priority = min(9, max(first.base_priority, line.settings.priority) + data.priority_add)
    asked = asked_by(line, priority=priority, band=max(first.terms.band, line.settings.band))
    return Target(kind="tier" if data.escalate else "queue", line=line, asked=asked)


def target_refusal(domain: DomainState, first: Task, target: Target, now_ms: int) -> Refusal | None:
    """Why it is of no use to ask there: closed, full, nobody at work who may have the task, now or as plans relax."""
    if target.kind in {"queue", "tier"}:
        if not domain.open_at(target.line, now_ms):
            return refusal_of("target_closed", 409, "The queue is closed.")
        if target.line.is_full:
            return refusal_of("target_full", 409, "As many wait in the queue as may.")
    if not _staffed(domain, first, target, now_ms):
        return refusal_of("target_unstaffed", 409, "Nobody who could take the task is at work.")
    return None


def _agent(domain: DomainState, own: QueueLine, first: Task, data: TransferTask, agent_id: str) -> Target | Refusal:
    agent = domain.agents.get(agent_id)
    if agent is None or agent.shed == "agent_removed":
        return refusal_of("target_unknown", 409, "The configuration of this domain has no such agent.")
    if agent_id == data.agent_id:
        return refusal_of("target_is_owner", 409, "The task is this agent's already.")
    terms = replace(_unnamed(first.terms), agents=(agent_id,))
    requirements = first.requirements
    if data.forced:  # this person, whatever their skills
        terms = Terms(band=terms.band, agents=terms.agents, longest_wait=terms.longest_wait)
        requirements = ()
    asked = Waits(
        requirements=requirements,
        priority=min(9, first.base_priority + data.priority_add),
        priority_fixed=first.priority_fixed,
        terms=terms,
    )
    return Target(kind="agent", line=own, asked=asked, to_agent_id=agent_id)


def _staffed(domain: DomainState, first: Task, target: Target, now_ms: int) -> bool:
    times = Times(
        since_ms=first.since_ms,
        entered_at_ms=now_ms,
        last_agent_id=first.last_agent_id,
        planned=target.kind in {"queue", "tier"},
    )
    owner_id = assignment_of(first).agent_id
    waits = on_entry(domain, target.line, target.asked, times, now_ms)
    open_to_all: list[Need] = []
    for stage in stages(domain, target.line, waits, times):
        need = _need(first, stage)
        if not stage.terms.agents:
            open_to_all.append(need)
        elif _any_of(domain, domain.lanes.serving([need]), owner_id, stage.terms.agents):
            return True
    return bool(open_to_all) and _any_of(domain, domain.lanes.serving(open_to_all), owner_id)


def _any_of(domain: DomainState, profiles: set[int], owner_id: str, names: tuple[str, ...] | None = None) -> bool:
    known = domain.agents
    agents = known.values() if names is None else [known[name] for name in names if name in known]
    return any(
        agent.profile in profiles and agent.agent_id != owner_id and domain.available(agent.agent_id)
        for agent in agents
    )


def _need(first: Task, waits: Waits) -> Need:
    terms = waits.terms
    return Need(
        skills_of(waits.requirements),
        tuple(skills_of(group) for group in terms.any_of),
        skills_of(terms.none_of),
        terms.teams,
        first.channel,
        first.client,
        first.direction,
        "least_loaded",
        (first.cost, first.channel, first.interruptible, OPEN),
    )


def _unnamed(terms: Terms) -> Terms:
    return replace(terms, agents=(), agents_until_ms=None, next_step_at_ms=None)


def _merged(own: tuple[Requirement, ...], more: tuple[Requirement, ...]) -> tuple[Requirement, ...]:
    """Both; of a skill that stands in both what the transfer says."""
    merged = {each.skill: each for each in own} | {each.skill: each for each in more}
    return tuple(merged[skill] for skill in sorted(merged))
