"""A queue, as the router keeps it: what new tasks get from it, and how many it has in which state."""

from dataclasses import dataclass, field

from contracts.routing_parts import Queue
from contracts.tasks import Requirement

from router.domain.heaps import Bucket
from router.domain.task import Task, TaskState


def _no_tasks() -> dict[TaskState, int]:
    return {"waiting": 0, "offered": 0, "assigned": 0, "wrapup": 0}


@dataclass(slots=True, kw_only=True)
class QueueLine:
    """A configured queue. A removed one takes no new tasks and goes with its last task."""

    queue: str
    requirements: tuple[Requirement, ...]
    priority: int
    offer_timeout_seconds: int
    wrapup_seconds: int
    removed: bool = False
    counts: dict[TaskState, int] = field(default_factory=_no_tasks, metadata={"derived": True})
    line: Bucket = field(default_factory=Bucket, metadata={"derived": True})

    @property
    def oldest_queued_at_ms(self) -> int | None:
        """Since when the task waits that has waited longest, none when nothing waits."""
        head = self.line.head()
        return None if head is None else int(head[0])

    @property
    def empty(self) -> bool:
        """Whether no live task is of this queue."""
        return not any(self.counts.values())

    def enters(self, task: Task) -> None:
        """The task is in this queue, in its state."""
        self.counts[task.state] += 1
        if task.state == "waiting":
            self.line.add((task.queued_at_ms, 0, task.task_id))

    def leaves(self, task: Task) -> None:
        """The task is about to change its state."""
        self.counts[task.state] -= 1
        if task.state == "waiting":
            self.line.discard(task.task_id)


def line_of(queue: Queue) -> QueueLine:
    """The queue as configured, requirements in one order so that equal ones share a lane."""
    return QueueLine(
        queue=queue.id,
        requirements=tuple(
            Requirement(skill=required.skill, minimum=required.minimum)
            for required in sorted(queue.requirements, key=lambda each: (each.skill, each.minimum))
        ),
        priority=queue.priority,
        offer_timeout_seconds=queue.offer_timeout_seconds,
        wrapup_seconds=queue.wrapup_seconds,
    )
