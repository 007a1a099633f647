"""A task, as the router keeps it while it lives."""

import hashlib
from dataclasses import dataclass, field
from typing import Final, Literal

from contracts.offers import OfferIssued
from contracts.tasks import Requirement, TaskAssigned, WrapupStarted

from router.domain.heaps import Key

TaskState = Literal["waiting", "offered", "assigned", "wrapup"]
STEM_LENGTH_MAX: Final = 160
"""What a task's id takes of its interaction's: with the suffixes of task, offer and assignment it fits 200."""


@dataclass(slots=True, kw_only=True)
class Task:
    """Waiting, offered, assigned or in wrap-up; a completed or abandoned task has left the state.

    Requirements, priority, cost and time-outs are copied from the configuration when the task is queued: a later
    version touches new tasks only.
    """

    task_id: str
    interaction_id: str
    client: str
    channel: str
    queue: str
    priority: int
    cost: int
    requirements: tuple[Requirement, ...]
    queued_at_ms: int
    offer_timeout_seconds: int
    wrapup_seconds: int
    state: TaskState = "waiting"
    offers_made: int = 0
    offer: OfferIssued | None = None
    """The live offer, while offered."""
    assigned: TaskAssigned | None = None
    """The assignment, while assigned or in wrap-up."""
    wrapup: WrapupStarted | None = None
    refused_by: dict[str, int] = field(default_factory=dict)
    """Agents who rejected the task or left it unanswered, and until when it is not offered to them again."""
    signature: int = field(default=-1, metadata={"derived": True})

    @property
    def place(self) -> Key:
        """Place in line, smallest first: priority, then waiting time, then the id so that ties are broken."""
        return (-self.priority, self.queued_at_ms, self.task_id)


def task_id_of(interaction_id: str, number: int) -> str:
    """`<interaction>.t<number>`; a long interaction id is shortened to a prefix and a digest of the whole."""
    stem = interaction_id
    if len(stem) > STEM_LENGTH_MAX:
        stem = f"{stem[:100]}-{hashlib.sha256(stem.encode()).hexdigest()[:48]}"
    return f"{stem}.t{number}"


def task_number_of(task_id: str) -> int:
    """The number that `task_id_of` was given."""
    return int(task_id.rpartition(".t")[2])
