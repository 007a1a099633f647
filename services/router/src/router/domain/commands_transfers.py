"""What agents ask for after the assignment: hold, park, transfer."""

from collections.abc import Callable
from typing import Final

from contracts.agents import Refusal
from contracts.assignments import AssignmentHeld, AssignmentRetrieved
from contracts.commands import HoldTask, MoveTransfer, ParkTask, TransferTask, UnparkTask
from contracts.tasks import Origin

from router.domain.admission import defer, give_up, resume
from router.domain.enqueueing import Wanted, enqueue
from router.domain.match import place
from router.domain.outcomes import Outcome, assignment_refusal, refusal_of, refused
from router.domain.plans import Times, is_planned, on_entry
from router.domain.state import DomainState
from router.domain.targets import Target, target_of, target_refusal
from router.domain.task import Task
from router.domain.tasks import unassign
from router.domain.transfers import end, hand_over, origin_of, set_role, tell
from router.domain.turn import Turn


def _hold(turn: Turn, domain: DomainState, data: HoldTask) -> Outcome:
    task = domain.assignments.get(data.assignment_id)
    refusal = _talking_refusal(task, data.agent_id)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    if data.held == (task.held_since_ms is not None):
        return Outcome()
    if task.held_since_ms is None:
        held = AssignmentHeld(
            assignment_id=data.assignment_id,
            task_id=task.task_id,
            interaction_id=task.interaction_id,
            domain=domain.domain,
            agent_id=data.agent_id,
            held_at_ms=turn.now_ms,
        )
        turn.emit(domain, held)
    else:
        retrieved = AssignmentRetrieved(
            assignment_id=data.assignment_id,
            task_id=task.task_id,
            interaction_id=task.interaction_id,
            domain=domain.domain,
            agent_id=data.agent_id,
            held_ms=max(0, turn.now_ms - task.held_since_ms),
            retrieved_at_ms=turn.now_ms,
        )
        turn.emit(domain, retrieved)
    return Outcome()


def _park(turn: Turn, domain: DomainState, data: ParkTask) -> Outcome:
    task = domain.assignments.get(data.assignment_id)
    refusal = _owner_refusal(domain, task, data.agent_id)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    if data.until_ms is not None and data.until_ms <= turn.now_ms:
        return refused("until_past", 422, "The time until which to park it lies in the past.")
    interaction = domain.interactions.get(task.interaction_id)
    if data.until_ms is None and interaction is not None and interaction.closed:
        return refused("until_needed", 422, "The customer has gone and will not write: say until when to park it.")
    unassign(turn, domain, task, "parked")
    defer(turn, domain, task, "parked", data.until_ms)
    return Outcome(task_id=task.task_id, free=domain.agents.get(data.agent_id))


def _unpark(turn: Turn, domain: DomainState, data: UnparkTask) -> Outcome:
    task = domain.tasks.get(data.task_id)
    if task is None:
        return refused("task_gone", 404, "There is no such task, or it has ended.")
    if task.deferred_for != "parked":
        return refused("not_parked", 409, "The task is not parked.")
    if data.by is None and task.last_agent_id != data.agent_id:
        return refused("parked_by_another", 403, "Another agent has parked the task.")
    resume(turn, domain, task, "by_agent" if data.by is None else "by_supervisor")
    return Outcome(task_id=data.task_id)


def _transfer(turn: Turn, domain: DomainState, data: TransferTask) -> Outcome:
    first = domain.assignments.get(data.assignment_id)
    refusal = _owner_refusal(domain, first, data.agent_id)
    if first is None or refusal is not None:
        return Outcome(refusal=refusal)
    target = target_of(domain, first, data)
    if isinstance(target, Refusal):
        return Outcome(refusal=target)
    if not data.forced:
        refusal = target_refusal(domain, first, target, turn.now_ms)
        if refusal is not None:
            return Outcome(refusal=refusal)
    second = _second(turn, domain, first, target, data)
    return Outcome(task_id=_ask(turn, domain, target, second, first.since_ms).task_id)


def _ask(turn: Turn, domain: DomainState, target: Target, wanted: Wanted, since_ms: int) -> Task:
    """The transfer's task: whether its queue is closed or full has been looked at, or does not matter."""
    times = Times(
        since_ms=since_ms,
        entered_at_ms=turn.now_ms,
        last_agent_id=wanted.last_agent_id,
        planned=is_planned(wanted.transfer),
    )
    waits = on_entry(domain, target.line, target.asked, times, turn.now_ms)
    task = enqueue(turn, domain, target.line, wanted, waits)
    tell(turn, domain, task, "requested")
    if waits.overflow is not None:
        give_up(turn, domain, task, waits.overflow, "overflowed")
    else:
        place(turn, domain, task)
    return task


def _second(turn: Turn, domain: DomainState, first: Task, target: Target, data: TransferTask) -> Wanted:
    origin = Origin(
        kind=data.kind,
        from_task_id=first.task_id,
        from_assignment_id=data.assignment_id,
        from_agent_id=data.agent_id,
        requested_by=data.by or data.agent_id,
        target=target.kind,
        to_agent_id=target.to_agent_id,
        expires_at_ms=turn.now_ms + domain.settings.transfer_seconds * 1000,
    )
    return Wanted(
        interaction_id=first.interaction_id,
        client=first.client,
        channel=first.channel,
        asked_at_ms=first.queued_at_ms,
        entered_at_ms=turn.now_ms,
        asked=target.asked,
        kind=first.kind,
        direction=first.direction,
        labels=first.labels,
        language=first.language,
        last_agent_id=first.last_agent_id,
        callback_possible=first.callback_possible,
        transfer=origin,
    )


def _move(turn: Turn, domain: DomainState, data: MoveTransfer) -> Outcome:
    task = domain.tasks.get(data.transfer_id)
    if task is None or task.transfer is None:
        return refused("transfer_over", 409, "There is no such transfer, or it is completed, cancelled or has failed.")
    if origin_of(task).from_agent_id != data.agent_id:
        return refused("transfer_of_another", 403, "The transfer is another agent's.")
    if data.move == "cancel":
        end(turn, domain, task, "cancelled", "by_owner" if data.by is None else "by_supervisor", by=data.by)
        return Outcome()
    if task.state != "assigned":
        return refused("not_accepted", 409, "Nobody has accepted the transfer yet.")
    if data.move == "complete":
        hand_over(turn, domain, task)
    elif task.role == "consultant":
        set_role(turn, domain, task, "participant")
        tell(turn, domain, task, "conference")
    return Outcome(task_id=task.task_id)


HANDLERS: Final[dict[type, Callable[..., Outcome]]] = {
    HoldTask: _hold,
    ParkTask: _park,
    UnparkTask: _unpark,
    TransferTask: _transfer,
    MoveTransfer: _move,
}


def _talking_refusal(task: Task | None, agent_id: str) -> Refusal | None:
    refusal = assignment_refusal(task, agent_id)
    if task is None or refusal is not None:
        return refusal
    if task.state == "wrapup":
        return refusal_of("conversation_over", 409, "The conversation is over; only the wrap-up is left.")
    if task.role == "consultant":
        return refusal_of("not_owner", 409, "The agent is asked for help; the customer is another agent's.")
    return None


def _owner_refusal(domain: DomainState, task: Task | None, agent_id: str) -> Refusal | None:
    refusal = _talking_refusal(task, agent_id)
    if task is None or refusal is not None:
        return refusal
    if task.transfer is not None:
        return refusal_of("not_owner", 409, "The agent takes part in the conversation; it is another agent's.")
    if task.task_id in domain.transfers:
        return refusal_of("transfer_open", 409, "A transfer of the task is open: move or cancel that one first.")
    return None
