"""A queue, as the router keeps it: what new tasks get from it, how many it has in which state, and its pace."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from contracts.queues import QueueOverridden
from contracts.routing_parts import Queue, RequiredSkill
from contracts.tasks import Requirement

from router.domain.heaps import Bucket
from router.domain.live_counts import LiveCounts
from router.domain.task import Task, TaskState

PACE_WEIGHT = 8
"""The pace is a moving average in which the newest interval counts one in so many."""


def _no_tasks() -> dict[TaskState, int]:
    return {"waiting": 0, "offered": 0, "assigned": 0, "wrapup": 0}


@dataclass(kw_only=True)
class QueueLine:
    """A configured queue. A removed one takes no new tasks and goes with its last task."""

    queue: str
    settings: Queue
    removed: bool = False
    override: QueueOverridden | None = None
    """A supervisor's word over the configuration."""
    pace_ms: int | None = None
    """The mean interval between two assignments while somebody was left waiting; none before the first."""
    started_at_ms: int | None = None
    """When a task was assigned last, if somebody was left waiting then."""
    measured: LiveCounts = field(default_factory=LiveCounts)
    """What happened lately."""
    counts: dict[TaskState, int] = field(default_factory=_no_tasks, metadata={"derived": True})
    line: Bucket = field(default_factory=Bucket, metadata={"derived": True})

    def configure(self, settings: Queue) -> None:
        """What new tasks get from now on."""
        self.settings = settings
        self.removed = False
        for name in ("requirements", "any_of", "none_of"):
            self.__dict__.pop(name, None)

    @property
    def oldest_queued_at_ms(self) -> int | None:
        """Since when the task waits that has waited longest, none when nothing waits."""
        head = self.line.head()
        return None if head is None else int(head[0])

    @property
    def priority(self) -> int:
        """Of new tasks: a supervisor's, else the configured one."""
        if self.override is not None and self.override.priority is not None:
            return self.override.priority
        return self.settings.priority

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """In one order, so that tasks that ask the same share a lane."""
        return required(self.settings.requirements)

    @cached_property
    def any_of(self) -> tuple[tuple[Requirement, ...], ...]:
        """Of each group at least one."""
        return tuple(required(group) for group in self.settings.any_of)

    @cached_property
    def none_of(self) -> tuple[Requirement, ...]:
        """None of them."""
        return required(self.settings.none_of)

    @property
    def answer_within_ms(self) -> int | None:
        """What the service level promises, if there is one."""
        level = self.settings.service_level
        return None if level is None else level.within_seconds * 1000

    @property
    def empty(self) -> bool:
        """Whether no live task is of this queue."""
        return not any(self.counts.values())

    def expected_wait_ms(self, position: int) -> int | None:
        """How long the task at this position (1: next) will wait as things go; none as long as nothing is known."""
        return None if self.pace_ms is None else self.pace_ms * position

    def started(self, at_ms: int) -> None:
        """A task of this queue was assigned; intervals in which nobody waited say nothing about the pace."""
        if self.started_at_ms is not None:
            interval_ms = max(0, at_ms - self.started_at_ms)
            known = self.pace_ms
            self.pace_ms = interval_ms if known is None else (known * (PACE_WEIGHT - 1) + interval_ms) // PACE_WEIGHT
        self.started_at_ms = at_ms if self.counts["waiting"] else None

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


def required(skills: Iterable[RequiredSkill]) -> tuple[Requirement, ...]:
    """Requirements as tasks carry them, in one order."""
    return tuple(
        Requirement(skill=each.skill, minimum=each.minimum, maximum=each.maximum)
        for each in sorted(skills, key=lambda each: (each.skill, each.minimum, each.maximum))
    )
