"""Why an agent gets nothing now, what they would get, and whether a task might be sent to them. See `explain`."""

from dataclasses import dataclass, field, replace
from itertools import islice

from router.domain import explain_words as words
from router.domain.agent import Agent
from router.domain.explain import TASKS_MAX
from router.domain.explain_answers import AgentExplained, NextTask, Reason, TargetExplained
from router.domain.explain_census import (
    CHUNK,
    Explaining,
    Why,
    absent,
    at_once,
    claim_of,
    closed_gate,
    refused,
    unsuited,
)
from router.domain.state import DomainState
from router.domain.task import Task

REASONS_MAX = 20
ONE_UNIT = 1


def explain_agent(domain: DomainState, agent_id: str, now_ms: int) -> AgentExplained | None:
    """Why the agent gets nothing; none for one whom the domain does not have."""
    return at_once(explaining_agent(domain, agent_id, now_ms))


def explain_target_agent(domain: DomainState, agent_id: str, now_ms: int) -> TargetExplained | None:
    """Whether a task might be sent to the agent; none for one whom the domain does not have."""
    agent = domain.agents.get(agent_id)
    if agent is None or agent.shed == "agent_removed":
        return None
    why = absent(domain, agent)
    at_work = why is None or why[0] in {"backed_off", "being_served"}
    free = why is None and agent.room[0] >= ONE_UNIT
    said = bars(domain, agent, now_ms)
    return TargetExplained(
        summary=f"{agent_id} is at work{' and free' if free else ''}" + (f": {'; '.join(said)}" if said else "")
        if at_work
        else f"{agent_id} is not at work: {'; '.join(said)}",
        domain=domain.domain,
        queue=None,
        agent_id=agent_id,
        open=True,
        opens_at_ms=None,
        at_work=int(at_work),
        free=int(free),
        waiting=0,
        full=False,
        expected_wait_ms=0 if free else None,
        reasons=(),
        as_of_ms=now_ms,
    )


def explaining_agent(domain: DomainState, agent_id: str, now_ms: int) -> Explaining[AgentExplained | None]:
    """`explain_agent` in pieces."""
    agent = domain.agents.get(agent_id)
    if agent is None:
        return None
    said = bars(domain, agent, now_ms)
    shown = AgentExplained(
        summary="",
        agent_id=agent_id,
        domain=domain.domain,
        state=agent.state,
        reason_code=agent.reason_code,
        presence=agent.presence,
        clocked_in=agent.clocked_in,
        held=agent.held + agent.held_interruptible,
        capacity=agent.capacity,
        bars=said,
        waiting=0,
        looked_at_all=len(domain.tasks) <= TASKS_MAX,
        reasons=(),
        next=None,
        version=domain.version,
        as_of_ms=now_ms,
    )
    idle = (yield from _idle(domain)) if domain.gates.reserve else 0
    found = yield from _look(domain, agent, idle, now_ms)
    best = found.best
    shown = replace(
        shown,
        waiting=found.waiting,
        reasons=found.told(),
        next=None
        if best is None
        else NextTask(task_id=best.task_id, queue=best.queue, waited_ms=max(0, now_ms - best.queued_at_ms)),
    )
    return replace(shown, summary=_summary(shown))


def bars(domain: DomainState, agent: Agent, now_ms: int) -> tuple[str, ...]:
    """What stands in the way of any offer."""
    found = []
    why = absent(domain, agent)
    if why is not None:
        found.append(words.about_agents(*why, 1).removeprefix("1 "))
    if agent.grace_ends_at_ms is not None:
        found.append(f"their tasks are taken from them in {words.left(agent.grace_ends_at_ms - now_ms)}")
    if agent.backoff_ends_at_ms is not None:
        found.append(f"for {words.left(agent.backoff_ends_at_ms - now_ms)} more")
    if agent.room[0] < ONE_UNIT:
        held = agent.held + agent.held_interruptible
        found.append(f"at capacity ({held} of {agent.capacity} units)")
    found += [f"has no more room for {channel}" for channel in sorted(agent.room[2])]
    return tuple(found)


@dataclass(slots=True)
class _Found:
    waiting: int = 0
    reasons: dict[Why, int] = field(default_factory=dict)
    best: Task | None = None
    place: tuple[object, ...] = ()

    def told(self) -> tuple[Reason, ...]:
        """The most frequent first."""
        order = sorted(self.reasons.items(), key=lambda each: (-each[1], each[0]))[:REASONS_MAX]
        return tuple(
            Reason(code=code, detail=detail, count=count, text=words.about_tasks(code, detail, count))
            for (code, detail), count in order
        )


def _look(domain: DomainState, agent: Agent, idle: int, now_ms: int) -> Explaining[_Found]:
    found = _Found()
    for number, task in enumerate(list(islice(domain.tasks.values(), TASKS_MAX))):
        if number % CHUNK == CHUNK - 1:
            yield
        if not task.seeks or task.is_held(now_ms):
            continue
        found.waiting += 1
        why = _unfit(domain, agent, task, idle)
        if why is not None:
            found.reasons[why] = found.reasons.get(why, 0) + 1
            continue
        place = (*_before(domain, task), task.place)
        if found.best is None or place < found.place:
            found.best, found.place = task, place
    return found


def _unfit(domain: DomainState, agent: Agent, task: Task, idle: int) -> Why | None:
    """Why the task would not be offered to the agent even if they were ready and had room; or none."""
    claim = claim_of(task)
    if agent.agent_id in task.offers:
        return "has_offer", ""
    if claim.agents and agent.agent_id not in claim.agents:
        return "not_named", ""
    return next(unsuited(agent, claim), None) or refused(agent, claim) or closed_gate(domain, claim, idle)


def _before(domain: DomainState, task: Task) -> tuple[int, ...]:
    """What goes before the place in line: the longest wait, then a client below its share."""
    if task.terms.longest_wait:
        return (0,)
    gate = domain.gates.gate_of(task.client, task.direction)
    return (1 if domain.gates.below_minimum(gate) else 2,)


def _idle(domain: DomainState) -> Explaining[int]:
    idle = 0
    for number, agent in enumerate(list(domain.agents.values())):
        if number % CHUNK == CHUNK - 1:
            yield
        idle += agent.routable and agent.load == 0
    return idle


def _summary(shown: AgentExplained) -> str:
    coming = "nothing waits that they could serve"
    if shown.next is not None:
        waited = words.left(shown.next.waited_ms)
        coming = f"next would be {shown.next.task_id} of queue {shown.next.queue}, which has waited {waited}"
    elif shown.reasons:
        coming += f": {', '.join(reason.text for reason in shown.reasons)}"
    if shown.bars:
        return f"gets nothing now: {'; '.join(shown.bars)}; {coming}"
    return f"ready; {coming}"
