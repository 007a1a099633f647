"""Customers who have fallen silent, and are back: a silent one takes no capacity of the agent."""

from contracts.assignments import AssignmentCapacityChanged
from contracts.interactions import ActivityChanged

from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.turn import Turn


def activity_changed(turn: Turn, domain: DomainState, data: ActivityChanged) -> None:
    """Of a task that nobody is assigned, or that is in wrap-up, it changes nothing."""
    known = domain.interactions.get(data.interaction_id)
    task = domain.tasks[known.task_id] if known is not None and known.task_id is not None else None
    if task is not None and task.state == "assigned":
        set_counted(turn, domain, task, counted=data.active)


def set_counted(turn: Turn, domain: DomainState, task: Task, *, counted: bool) -> None:
    """Whether the assigned task takes capacity from now on; taken again, it may be more than the agent has."""
    if task.assigned is None or task.counted == counted:
        return
    changed = AssignmentCapacityChanged(
        assignment_id=task.assigned.assignment_id,
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        agent_id=task.assigned.agent_id,
        counted=counted,
        changed_at_ms=turn.now_ms,
    )
    turn.emit(domain, changed)
    if not counted:
        turn.freed.append((domain.key, task.assigned.agent_id))
