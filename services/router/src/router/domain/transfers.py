"""Transfers: a second task of an interaction, whose agent helps the owner of the first or takes their place.

One state machine for all channels (docs/transfers.md). A transfer is open while its task has `Task.transfer`; until it
is completed the first task stays assigned to its owner, whatever becomes of the second.
"""

from dataclasses import replace

from contracts.assignments import AssignmentRoleChanged, TransferChanged, TransferState
from contracts.fields import Code
from contracts.tasks import Leaving, Origin, Role

from router.domain.match import withdraw
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import assignment_of, gone, hand_out, start_wrapup
from router.domain.turn import Turn


def tell(turn: Turn, domain: DomainState, task: Task, state: TransferState, reason: str | None = None) -> None:
    """The transfer that the task stands for is in this state."""
    origin = origin_of(task)
    changed = TransferChanged(
        transfer_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        kind=origin.kind,
        state=state,
        from_task_id=origin.from_task_id,
        from_assignment_id=origin.from_assignment_id,
        from_agent_id=origin.from_agent_id,
        to_agent_id=task.assigned.agent_id if task.assigned is not None else None,
        reason=reason,
        changed_at_ms=turn.now_ms,
    )
    turn.emit(domain, changed)


def accepted(turn: Turn, domain: DomainState, task: Task) -> None:
    """An agent has the transfer's task: they help, or take over at once."""
    if origin_of(task).kind == "consult":
        tell(turn, domain, task, "consulting")
    else:
        hand_over(turn, domain, task)


def hand_over(turn: Turn, domain: DomainState, task: Task) -> None:
    """The accepted task takes the place of the first, whose owner goes to wrap-up."""
    first = domain.tasks[origin_of(task).from_task_id]
    set_role(turn, domain, task, "owner")
    tell(turn, domain, task, "completed")
    start_wrapup(turn, domain, first, "agent_ended", then="keep_open", seen_number=None, handed_over_to=task.task_id)


def set_role(turn: Turn, domain: DomainState, task: Task, role: Role) -> None:
    """The agent of the transfer's task has another part in the conversation, if it is another one."""
    assigned = assignment_of(task)
    if task.role != role:
        changed = AssignmentRoleChanged(
            assignment_id=assigned.assignment_id,
            task_id=task.task_id,
            interaction_id=task.interaction_id,
            domain=domain.domain,
            agent_id=assigned.agent_id,
            role=role,
            changed_at_ms=turn.now_ms,
        )
        turn.emit(domain, changed)


def end(  # what the agent or supervisor says at the end, each by name
    turn: Turn,
    domain: DomainState,
    task: Task,
    state: TransferState,
    reason: str,
    *,
    disposition: Code | None = None,
    by: str | None = None,
) -> None:
    """The transfer is cancelled or has failed: its task ends, and the first task stays with its owner."""
    origin = origin_of(task)
    withdraw(turn, domain, task, "transfer_over")
    tell(turn, domain, task, state, reason)
    hand_out(turn, domain, task, origin.from_task_id, "transfer_over", disposition=disposition, by=by)


def transfer_out(  # each by name
    turn: Turn,
    domain: DomainState,
    task: Task,
    to: Leaving,
    reason: str,
    *,
    message: str | None = None,
    disposition: str | None = None,
    by: str | None = None,
) -> None:
    """The task leaves the router, in any state; the transfer that it stands for fails, or is cancelled by somebody."""
    if task.transfer is not None:
        state: TransferState = "failed" if by is None else "cancelled"
        end(turn, domain, task, state, reason, disposition=disposition, by=by)
        return
    withdraw(turn, domain, task, reason)
    out = gone(turn, domain, task, to, reason)
    turn.emit(domain, replace(out, message=message, disposition=disposition, by=by))


def origin_of(task: Task) -> Origin:
    """Of a task that stands for an open transfer."""
    if task.transfer is None:
        raise AssertionError(f"task {task.task_id} stands for no transfer")
    return task.transfer
