"""Tasks as events tell them, and what views show of them: written a second time, for L3."""

from dataclasses import dataclass, field

from contracts.assignments import TransferChanged
from contracts.offers import OfferIssued
from contracts.tasks import TaskAssigned, TaskQueued, WrapupStarted

from centralino.proof.samples import View


@dataclass(slots=True)
class ShownTask:
    """What events say of a task."""

    queued: TaskQueued
    queue: str
    priority: int
    state: str = "waiting"
    offers: dict[str, tuple[OfferIssued, str]] = field(default_factory=dict)  # by agent, with their sequences
    assigned: tuple[TaskAssigned, str] | None = None
    """With the sequence of its event."""
    wrapup: WrapupStarted | None = None
    counted: bool = True
    held_since_ms: int | None = None
    role: str = "owner"
    deferred: bool = False

    @property
    def holders(self) -> list[str]:
        """Agents who have it, or have it offered."""
        return [*self.offers, *([self.assigned[0].agent_id] if self.assigned else [])]


def offer_view(task: ShownTask, offer: OfferIssued, sequence: str) -> View:
    """As it stands in an agent's view."""
    return {
        "offer_id": offer.offer_id,
        "task_id": offer.task_id,
        "interaction_id": offer.interaction_id,
        "queue": task.queue,
        "channel": offer.channel,
        "priority": task.priority,
        "queued_at_ms": task.queued.queued_at_ms,
        "expires_at_ms": offer.expires_at_ms,
        "sequence": sequence,
    }


def assignment_view(task: ShownTask, assigned: TaskAssigned, sequence: str, transfer: TransferChanged | None) -> View:
    """With the open transfer that its owner asked for, if there is one."""
    return {
        "assignment_id": assigned.assignment_id,
        "task_id": assigned.task_id,
        "interaction_id": assigned.interaction_id,
        "agent_id": assigned.agent_id,
        "queue": assigned.queue,
        "channel": assigned.channel,
        "sequence": sequence,
        "state": "assigned" if task.wrapup is None else "wrapup",
        "counted": task.counted,
        "role": task.role,
        "held_since_ms": task.held_since_ms,
        "transfer": None
        if transfer is None
        else {name: getattr(transfer, name) for name in ("transfer_id", "kind", "state", "to_agent_id")},
        "ends_at_ms": task.wrapup.ends_at_ms if task.wrapup else None,
    }
