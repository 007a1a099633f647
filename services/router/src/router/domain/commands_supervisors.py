"""What supervisors do to tasks and queues. Whoever does it stands in the facts (`by`)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final  # Any: each handler takes its own command

from contracts.agents import Refusal
from contracts.commands import FinishTask, OverrideQueue, RerouteTask
from contracts.queues import QueueOverridden
from contracts.tasks import Terms

from router.domain.admission import Marks, enter, marks_of, reroute
from router.domain.internal import OverridingMoved
from router.domain.match import withdraw
from router.domain.outcomes import Outcome, disposition_refusal, known_agent, refusal_of, refused
from router.domain.plans import as_it_waits, asked_by, kept_until_ms
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.sweeps import override_more
from router.domain.task import Task
from router.domain.transfers import end, transfer_out
from router.domain.turn import Turn

AGENT_ONLY_SECONDS: Final = 3600
"""For so long a task that a supervisor gives to one agent is kept for them, or for the longest wait if that is less."""
NO_TASK: Final = "There is no such task, or it has ended."
NO_QUEUE: Final = "The configuration of this domain has no such queue."


def _reroute(turn: Turn, domain: DomainState, data: RerouteTask) -> Outcome:
    task = domain.tasks.get(data.task_id)
    if task is None:
        return refused("task_gone", 404, NO_TASK)
    line = domain.line(data.queue) if data.queue is not None else domain.queues[task.queue]
    refusal = _reroute_refusal(domain, task, line, data)
    if line is None or refusal is not None:
        return Outcome(refusal=refusal)
    withdraw(turn, domain, task, "by_supervisor")
    if line.queue == task.queue:
        _change(turn, domain, task, data)
        return Outcome(waiting=[task])
    asked = asked_by(line, priority=data.priority, band=data.band, fixed=True)
    asked = replace(asked, terms=_kept_for(domain, task, asked.terms, data.to_agent_id, turn.now_ms))
    enter(turn, domain, task, line, "moved", asked=asked, marks=_asking(task, data.to_agent_id), by=data.by)
    return Outcome()


def _reroute_refusal(domain: DomainState, task: Task, line: QueueLine | None, data: RerouteTask) -> Refusal | None:
    if data.queue is None and data.to_agent_id is None and data.priority is None and data.band is None:
        return refusal_of("nothing_asked", 422, "Say where the task is to go: a queue, an agent, a priority or a band.")
    if task.assigned is not None:
        return refusal_of("task_assigned", 409, "An agent has the task: transfer the assignment.")
    if line is None:
        return refusal_of("unknown_queue", 404, NO_QUEUE)
    if data.to_agent_id is None:
        return None
    if task.transfer is not None and task.transfer.from_agent_id == data.to_agent_id:
        return refusal_of("target_is_owner", 409, "The agent transfers the task, and has its customer still.")
    agent = known_agent(domain, data.to_agent_id)
    if agent is None:
        return refusal_of("unknown_agent", 404, "The configuration of this domain has no such agent.")
    if not domain.at_work(agent.agent_id):
        return refusal_of("agent_not_at_work", 409, "The agent is not ready, or not there.")
    asked = as_it_waits(task) if line.queue == task.queue else asked_by(line)
    signature = domain.lanes.signature_of(
        asked.requirements,
        asked.terms,
        client=task.client,
        direction=task.direction,
        choice=task.choice,
        load=(task.cost, task.channel, task.interruptible),
    )
    if not domain.lanes.could_serve(agent, signature):
        return refusal_of("agent_unqualified", 409, "The agent lacks what the task asks for.")
    return None


def _change(turn: Turn, domain: DomainState, task: Task, data: RerouteTask) -> None:
    """In its queue; steps that are due meanwhile come with their timer."""
    terms = task.terms if data.band is None else replace(task.terms, band=data.band)
    waits = replace(as_it_waits(task), terms=_kept_for(domain, task, terms, data.to_agent_id, turn.now_ms))
    if data.priority is not None:
        waits = replace(waits, priority=data.priority, priority_fixed=True)
    reason = "prioritised" if data.to_agent_id is None else "moved"
    reroute(turn, domain, task, waits, reason, marks=_asking(task, data.to_agent_id), by=data.by)


def _asking(task: Task, agent_id: str | None) -> Marks | None:
    """With the agent whom the open transfer asks alone from now on; none without one."""
    if task.transfer is None or agent_id is None:
        return None
    return replace(marks_of(task), transfer=replace(task.transfer, target="agent", to_agent_id=agent_id))


def _kept_for(domain: DomainState, task: Task, terms: Terms, agent_id: str | None, now_ms: int) -> Terms:
    if agent_id is None:
        return terms
    if task.transfer is not None:  # which has an end of its own, and no plan any more
        return replace(terms, agents=(agent_id,), next_step_at_ms=None)
    until_ms = kept_until_ms(domain, AGENT_ONLY_SECONDS, now_ms, now_ms)
    step_at_ms = until_ms if terms.next_step_at_ms is None else min(terms.next_step_at_ms, until_ms)
    return replace(terms, agents=(agent_id,), agents_until_ms=until_ms, next_step_at_ms=step_at_ms)


def _finish(turn: Turn, domain: DomainState, data: FinishTask) -> Outcome:
    """In any state; the agent who held it is free."""
    task = domain.tasks.get(data.task_id)
    if task is None:
        return refused("task_gone", 404, NO_TASK)
    refusal = disposition_refusal(domain, data.disposition)
    if refusal is not None:
        return Outcome(refusal=refusal)
    if task.task_id in domain.transfers:
        end(turn, domain, domain.transfers[task.task_id], "cancelled", "by_supervisor", by=data.by)
    assigned = task.assigned
    if assigned is not None and task.transfer is not None:
        end(turn, domain, task, "cancelled", "by_supervisor", disposition=data.disposition, by=data.by)
        return Outcome()
    transfer_out(turn, domain, task, "finished", "by_supervisor", disposition=data.disposition, by=data.by)
    return Outcome(free=domain.agents.get(assigned.agent_id) if assigned is not None else None)


def _override(turn: Turn, domain: DomainState, data: OverrideQueue) -> Outcome:
    if data.queue is not None and domain.line(data.queue) is None:
        return refused("unknown_queue", 404, NO_QUEUE)
    if data.until_ms is not None and data.until_ms <= turn.now_ms:
        return refused("until_past", 422, "The end of the override lies in the past.")
    overridden = QueueOverridden(
        queue=data.queue or min(domain.queues, default=""),
        domain=domain.domain,
        closed=data.closed,
        message=data.message,
        priority=data.priority,
        until_ms=data.until_ms,
        by=data.by,
        overridden_at_ms=turn.now_ms,
    )
    if data.queue is not None:
        turn.emit(domain, overridden)
    elif domain.queues:
        begun = OverridingMoved(domain=domain.domain, override=overridden, after="", moved_at_ms=turn.now_ms)
        turn.emit(domain, begun)
        override_more(turn, domain)
    return Outcome()


HANDLERS: Final[dict[type[Any], Callable[..., Outcome]]] = {
    FinishTask: _finish,
    OverrideQueue: _override,
    RerouteTask: _reroute,
}
