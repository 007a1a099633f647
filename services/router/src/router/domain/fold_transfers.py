"""How facts about assignments while they last, and about transfers, change the state. For `fold` alone."""

from collections.abc import Callable
from typing import Final

from contracts.assignments import (
    AssignmentConnected,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentRoleChanged,
    TransferChanged,
)
from contracts.tasks import Origin

from router.domain.holding import acted, refuse
from router.domain.plans import for_anybody
from router.domain.state import DomainState, State, transfer_fails_at_ms
from router.domain.task import Task


def transfer_opened(state: State, domain: DomainState, task: Task, origin: Origin) -> None:
    """The task stands for a transfer, and is for anybody but the owner who asks."""
    domain.transfers[origin.from_task_id] = task
    # One millisecond longer than the transfer, which then has ended before the owner could be offered it.
    refuse(state, domain, task, origin.from_agent_id, origin.expires_at_ms + 1)
    schedule_transfer(state, domain, task)
    if origin.requested_by == origin.from_agent_id:
        acted(domain, domain.tasks[origin.from_task_id])


def schedule_transfer(state: State, domain: DomainState, task: Task) -> None:
    """Set the timer at which the transfer fails, if nobody has accepted it yet."""
    at_ms = transfer_fails_at_ms(task)
    if at_ms is not None:
        state.schedule(at_ms, "transfer", domain.key, task.task_id)


def transfer_changed(_: State, domain: DomainState, data: TransferChanged, now_ms: int) -> None:
    """Completed, its task is the interaction's main one; cancelled or failed, `task.transferred_out` follows.

    The one agent asked for has it then: should it come back in line, it is for whom the first task was.
    """
    if data.state == "completed" and data.reason == "no_response":  # whoever goes on with it, the owner has not
        domain.agents[data.from_agent_id].unanswered += 1
    elif data.state == "conference" or (data.state == "completed" and data.kind == "consult" and data.reason is None):
        acted(domain, domain.tasks[data.from_task_id])
    if data.state == "completed":
        domain.transfers.pop(data.from_task_id)
        task = domain.tasks[data.transfer_id]
        if task.transfer is not None and task.transfer.target == "agent" and task.assigned is not None:
            waits = for_anybody(task, domain.tasks[data.from_task_id])
            task.requirements, task.terms, task.signature = waits.requirements, waits.terms, -1
        task.transfer = None


def assignment_role_changed(_: State, domain: DomainState, data: AssignmentRoleChanged, now_ms: int) -> None:
    """The same agent, in another part."""
    domain.tasks[data.task_id].role = data.role


def assignment_connected(_: State, domain: DomainState, data: AssignmentConnected, now_ms: int) -> None:
    """From now on it cannot fail to connect."""
    task = domain.tasks[data.task_id]
    task.connected = True
    acted(domain, task)


def assignment_held(_: State, domain: DomainState, data: AssignmentHeld, now_ms: int) -> None:
    """The customer waits on the line."""
    task = domain.tasks[data.task_id]
    task.held_since_ms = data.held_at_ms
    acted(domain, task)


def assignment_retrieved(_: State, domain: DomainState, data: AssignmentRetrieved, now_ms: int) -> None:
    """The customer is back; the time on hold adds up."""
    task = domain.tasks[data.task_id]
    task.held_ms += data.held_ms
    task.held_since_ms = None


HANDLERS: Final[dict[type, Callable[..., None]]] = {
    AssignmentConnected: assignment_connected,
    AssignmentHeld: assignment_held,
    AssignmentRetrieved: assignment_retrieved,
    AssignmentRoleChanged: assignment_role_changed,
    TransferChanged: transfer_changed,
}
