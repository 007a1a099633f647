"""The steps of a task's life that several inputs lead to."""

from dataclasses import replace

from contracts.agents import AgentBackedOff, AgentStateChanged, StateCause
from contracts.fields import Code
from contracts.offers import OfferRescinded, RescindReason
from contracts.tasks import (
    CompletionReason,
    Leaving,
    RequeueReason,
    TaskAssigned,
    TaskCompleted,
    TaskRequeued,
    TaskTransferredOut,
    TaskUnassigned,
    Then,
    WrapupReason,
    WrapupStarted,
)

from router.domain.activity import set_counted
from router.domain.agent import Agent
from router.domain.shifts import clock
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.turn import Turn


def rescind(turn: Turn, domain: DomainState, task: Task, agent_id: str, reason: RescindReason) -> None:
    """Take the agent's live offer of the task back."""
    rescinded = OfferRescinded(
        offer_id=task.offers[agent_id].offer_id,
        task_id=task.task_id,
        domain=domain.domain,
        agent_id=agent_id,
        reason=reason,
        rescinded_at_ms=turn.now_ms,
    )
    turn.emit(domain, rescinded)


def requeue(turn: Turn, domain: DomainState, task: Task, reason: RequeueReason) -> None:
    """The assignment ends; the task waits again, with its original waiting time."""
    assigned = assignment_of(task)
    requeued = TaskRequeued(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        assignment_id=assigned.assignment_id,
        agent_id=assigned.agent_id,
        reason=reason,
        queued_at_ms=task.queued_at_ms,
        requeued_at_ms=turn.now_ms,
    )
    turn.emit(domain, requeued)


def unassign(turn: Turn, domain: DomainState, task: Task, reason: str) -> None:
    """The assignment ends through no absence of the agent; the task waits again, with its original waiting time."""
    assigned = assignment_of(task)
    unassigned = TaskUnassigned(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        assignment_id=assigned.assignment_id,
        agent_id=assigned.agent_id,
        reason=reason,
        queued_at_ms=task.queued_at_ms,
        unassigned_at_ms=turn.now_ms,
        handled_ms=max(0, turn.now_ms - assigned.assigned_at_ms),
    )
    turn.emit(domain, unassigned)


def start_wrapup(  # what the agent says at the end, each by name
    turn: Turn,
    domain: DomainState,
    task: Task,
    reason: WrapupReason,
    *,
    then: Then,
    seen_number: int | None,
    disposition: Code | None = None,
    handed_over_to: str | None = None,
) -> None:
    """The conversation is over for the agent, who works on it: even a silent customer's task takes capacity again.

    Handed over, it goes on under another task.
    """
    assigned = assignment_of(task)
    being_relieved = domain.agents[assigned.agent_id].shed is not None
    set_counted(turn, domain, task, counted=True)
    started = WrapupStarted(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        assignment_id=assigned.assignment_id,
        agent_id=assigned.agent_id,
        reason=reason,
        then=then,
        seen_number=seen_number,
        started_at_ms=turn.now_ms,
        ends_at_ms=turn.now_ms + _wrapup_seconds(domain, task, disposition) * 1000,
        handed_over_to=handed_over_to,
        disposition=disposition,
    )
    turn.emit(domain, started)
    if being_relieved:  # perhaps that was the last of it: then the line is theirs again
        turn.freed.append((domain.key, assigned.agent_id))


def complete(  # what the agent says at the end, each by name
    turn: Turn,
    domain: DomainState,
    task: Task,
    reason: CompletionReason,
    *,
    disposition: Code | None = None,
    then: Then = "close",
    seen_number: int | None = None,
) -> None:
    """Done. After a wrap-up `then` and `seen_number` are what they were when the conversation ended.

    So is the disposition, unless there is another one now.
    """
    assigned = assignment_of(task)
    if task.wrapup is not None and task.wrapup.handed_over_to is not None:
        hand_out(turn, domain, task, task.wrapup.handed_over_to, "transferred", disposition=disposition)
        return
    completed = TaskCompleted(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        assignment_id=assigned.assignment_id,
        agent_id=assigned.agent_id,
        reason=reason,
        disposition=task.wrapup.disposition if task.wrapup and disposition is None else disposition,
        then=task.wrapup.then if task.wrapup else then,
        seen_number=task.wrapup.seen_number if task.wrapup else seen_number,
        completed_at_ms=turn.now_ms,
        handled_ms=max(0, turn.now_ms - assigned.assigned_at_ms),
        held_ms=held_ms(task, turn.now_ms),
    )
    turn.emit(domain, completed)


def hand_out(  # what the agent says at the end, each by name
    turn: Turn,
    domain: DomainState,
    task: Task,
    to_task_id: str,
    reason: str,
    *,
    disposition: Code | None = None,
    by: str | None = None,
) -> None:
    """The task ends because another of its interaction goes on; who had it is free when the input has been decided."""
    out = gone(turn, domain, task, "handed_over", reason)
    turn.emit(domain, replace(out, to_task_id=to_task_id, disposition=disposition, by=by))
    if out.agent_id is not None:
        turn.freed.append((domain.key, out.agent_id))


def gone(turn: Turn, domain: DomainState, task: Task, to: Leaving, reason: str) -> TaskTransferredOut:
    """The task leaves the router, whoever has it: the fact, for the caller to complete and emit."""
    assigned = task.assigned
    return TaskTransferredOut(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        to=to,
        reason=reason,
        transferred_at_ms=turn.now_ms,
        waited_ms=max(0, turn.now_ms - task.queued_at_ms) if assigned is None else assigned.waited_ms,
        assignment_id=assigned.assignment_id if assigned else None,
        agent_id=assigned.agent_id if assigned else None,
        handled_ms=max(0, turn.now_ms - assigned.assigned_at_ms) if assigned else None,
        held_ms=held_ms(task, turn.now_ms),
    )


def _wrapup_seconds(domain: DomainState, task: Task, disposition: Code | None) -> int:
    """The disposition's, if it is known already and has a time of its own; else the queue's."""
    for known in domain.settings.dispositions if disposition is not None else ():
        if known.id == disposition and known.wrapup_seconds is not None:
            return known.wrapup_seconds
    return task.wrapup_seconds


def held_ms(task: Task, now_ms: int) -> int:
    """How long the customer was on hold, up to now."""
    return task.held_ms + (max(0, now_ms - task.held_since_ms) if task.held_since_ms is not None else 0)


def set_not_ready(turn: Turn, domain: DomainState, agent: Agent, cause: StateCause) -> None:
    """The router sets the agent not ready, if they are ready."""
    if agent.state == "ready":
        changed = AgentStateChanged(
            agent_id=agent.agent_id,
            domain=domain.domain,
            state="not_ready",
            reason_code=domain.settings.unanswered_reason_code if cause == "unanswered_offers" else None,
            cause=cause,
            changed_at_ms=turn.now_ms,
        )
        turn.emit(domain, changed)


def take_effect(turn: Turn, domain: DomainState, agent: Agent) -> None:
    """The agent holds nothing any more: the state that was asked for meanwhile is theirs."""
    pending = agent.pending
    if pending is None:
        raise AssertionError(f"nothing is pending of {agent.agent_id}")
    if pending.clocks_out:
        clock(turn, domain, agent, clocked_in=False, reason_code=pending.reason_code, by=pending.by)
        return
    changed = AgentStateChanged(
        agent_id=agent.agent_id,
        domain=domain.domain,
        state=pending.state,
        reason_code=pending.reason_code,
        cause="command",
        changed_at_ms=turn.now_ms,
        by=pending.by,
    )
    turn.emit(domain, changed)


def unanswered(turn: Turn, domain: DomainState, agent: Agent) -> None:
    """What follows for an agent who has left something unanswered, as counted: not ready, or no offer for a while."""
    settings = domain.settings
    too_many = agent.unanswered >= settings.unanswered_offers_max and settings.unanswered_then == "not_ready"
    if too_many and agent.agent_id in domain.agents and agent.pending is None:  # else what they asked for comes
        set_not_ready(turn, domain, agent, "unanswered_offers")
    else:
        back_off(turn, domain, agent, "expired", settings.agent_backoff.expired_seconds)


def back_off(turn: Turn, domain: DomainState, agent: Agent, cause: str, seconds: int) -> None:
    """No offer to the agent for so long, if at all."""
    if seconds and agent.agent_id in domain.agents:
        backed_off = AgentBackedOff(
            agent_id=agent.agent_id,
            domain=domain.domain,
            cause=cause,
            until_ms=turn.now_ms + seconds * 1000,
            backed_off_at_ms=turn.now_ms,
        )
        turn.emit(domain, backed_off)


def assignment_of(task: Task) -> TaskAssigned:
    """The assignment of a task that is assigned or in wrap-up."""
    if task.assigned is None:
        raise AssertionError(f"task {task.task_id} has no assignment")
    return task.assigned
