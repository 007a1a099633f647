"""A queue, as the router keeps it: what new tasks get from it, how many it has in which state, and its pace."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from contracts.queues import AlertChanged, QueueOverridden
from contracts.routing_parts import Alert, Destination, Measure, Queue, RequiredSkill
from contracts.tasks import DeferredFor, Requirement, Terms

from router.domain.heaps import Bucket
from router.domain.live_counts import LiveCounts
from router.domain.task import PLAIN, Task, TaskState

PACE_WEIGHT: Final = 32
"""The expected wait is a moving average in which the newest wait counts one in so many (docs/expected-wait.md)."""
SCALE: Final = 1024
"""Positions are kept in such parts, so that the average is of whole numbers and the same everywhere."""


def _no_tasks() -> dict[TaskState, int]:
    return {"waiting": 0, "offered": 0, "assigned": 0, "wrapup": 0}


def _none_deferred() -> dict[DeferredFor, int]:
    return {"customer_facts": 0, "parked": 0, "scheduled": 0, "closed": 0}


@dataclass(slots=True, kw_only=True)
class Standing:
    """An alert that has been looked at and is raised, or about to be; or raised and about to be cleared."""

    measure: Measure
    raised: AlertChanged | None = None
    """As it was raised."""
    turned_at_ms: int | None = None
    """Since when the measure has been on the other side of the limit than `raised` says."""


@dataclass(slots=True, kw_only=True)
class Overriding:
    """An override of all queues of the domain, and behind which queue it goes on."""

    override: QueueOverridden
    after: str
    at_ms: int
    later: list[str] = field(default_factory=list)
    """Of the queues behind it those of which a supervisor has said something since."""


@dataclass(kw_only=True)
class QueueLine:
    """A configured queue. A removed one takes no new tasks and goes with its last task and alert."""

    queue: str
    settings: Queue
    removed: bool = False
    override: QueueOverridden | None = None
    """A supervisor's word over the configuration."""
    measured: LiveCounts = field(default_factory=LiveCounts)
    """What happened lately."""
    era: int = 0
    """Rises with whatever changes the terms of those who wait; tasks in line of an earlier one are brought to it."""
    sweeps_at_ms: int | None = None
    """Set while a continuation timer has to go on with what an override or an opening means for waiting tasks."""
    opens_at_ms: int | None = None
    """When to look whether it has opened, while tasks wait for that."""
    waits_ms: int = 0
    """Moving sum of the waits of those who had to wait, up to their assignment."""
    positions: int = 0
    """The same of the positions that they had when they came, in parts of SCALE."""
    alerts: dict[str, Standing] = field(default_factory=dict)
    counts: dict[TaskState, int] = field(default_factory=_no_tasks, metadata={"derived": True})
    deferred: dict[DeferredFor, int] = field(default_factory=_none_deferred, metadata={"derived": True})
    """Of the waiting ones those that are not offered to anybody for now."""
    lines: dict[int, Bucket] = field(default_factory=dict, metadata={"derived": True})
    """Tasks in line by their era, the one first that has waited longest."""
    shut: Bucket = field(default_factory=Bucket, metadata={"derived": True})
    """Tasks that wait for the opening, in the same order."""
    offered: set[str] = field(default_factory=set, metadata={"derived": True})

    def configure(self, settings: Queue) -> None:
        """What new tasks get from now on."""
        self.settings = settings
        self.removed = False
        for name in ("requirements", "terms"):
            self.__dict__.pop(name, None)

    @property
    def oldest_queued_at_ms(self) -> int | None:
        """Since when the task waits that has waited longest, none when nothing waits."""
        heads = [head for line in self.lines.values() if (head := line.head()) is not None]
        return int(min(heads)[0]) if heads else None

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return self.counts["waiting"] - sum(self.deferred.values())

    @property
    def is_full(self) -> bool:
        """Whether it takes nobody more; who is scheduled for later, or whose facts may come, takes no place yet."""
        most = self.settings.waiting_max
        outside = self.deferred["scheduled"] + self.deferred["customer_facts"]
        return most is not None and self.counts["waiting"] - outside >= most

    @property
    def left_behind(self) -> str | None:
        """A task in line of an earlier era, the longest waiting; or none."""
        heads = [head for era, line in self.lines.items() if era != self.era and (head := line.head())]
        return min(heads)[2] if heads else None

    @property
    def first_in_line(self) -> str | None:
        """The task that has waited longest, but for deferred ones."""
        heads = [head for line in self.lines.values() if (head := line.head()) is not None]
        return min(heads)[2] if heads else None

    @property
    def overridden_closed(self) -> bool:
        """Whether a supervisor has closed it."""
        return self.override is not None and self.override.closed

    @property
    def closed_to(self) -> Destination | None:
        """Where tasks go while it is closed, with a supervisor's message if there is one; none: they wait."""
        closed = self.settings.closed
        message = self.override.message if self.override is not None and self.override.closed else None
        if message is None or (closed is not None and closed.to == "queue"):
            return closed
        if closed is None:
            return Destination(to="message", message=message)
        otherwise = message if closed.to == "callback" else None
        return closed.model_copy(update={"message": message, "otherwise": otherwise})

    @property
    def watched(self) -> list[Alert]:
        """The alerts that hold; none of a removed queue."""
        return [] if self.removed else self.settings.alerts

    @property
    def boost(self) -> int:
        """What a supervisor's override adds to the configured priority, or takes from it."""
        priority = None if self.override is None else self.override.priority
        return 0 if priority is None else priority - self.settings.priority

    def effective(self, priority: int, *, fixed: bool) -> int:
        """The priority with what an override makes of it, unless it was asked for the task alone: between 0 and 9."""
        return priority if fixed else min(9, max(0, priority + self.boost))

    @cached_property
    def requirements(self) -> tuple[Requirement, ...]:
        """In one order, so that tasks that ask the same share a lane."""
        return required(self.settings.requirements)

    @cached_property
    def terms(self) -> Terms:
        """On which tasks wait before any step of a plan."""
        settings = self.settings
        if not (settings.band or settings.any_of or settings.none_of or settings.teams):
            return PLAIN
        return Terms(
            band=settings.band,
            any_of=tuple(required(group) for group in settings.any_of),
            none_of=required(settings.none_of),
            teams=tuple(settings.teams),
        )

    @property
    def answer_within_ms(self) -> int | None:
        """What the service level promises, if there is one."""
        level = self.settings.service_level
        return None if level is None else level.within_seconds * 1000

    @property
    def empty(self) -> bool:
        """Whether no live task is of this queue."""
        return not any(self.counts.values())

    @property
    def over(self) -> bool:
        """Whether it is removed and nothing of it is left; alerts that stand are cleared first."""
        return self.removed and self.empty and not self.alerts

    def expected_wait_ms(self, position: int) -> int | None:
        """How long who has to wait at this position (1: next) will wait as things go; none while nothing is known.

        By what the last who had to wait did wait for each position (docs/expected-wait.md).
        """
        return self.waits_ms * SCALE * position // self.positions if self.positions else None

    def waited(self, wait_ms: int, position: int) -> None:
        """A task that had to wait at this position was assigned."""
        self.waits_ms += wait_ms - self.waits_ms // PACE_WEIGHT
        self.positions += position * SCALE - self.positions // PACE_WEIGHT

    def enters(self, task: Task) -> None:
        """The task is in this queue, in its state."""
        self.counts[task.state] += 1
        if task.state == "waiting":
            if task.deferred_for is not None:
                self.deferred[task.deferred_for] += 1
            place = self._place_of(task)
            if place is not None:
                place.add((task.queued_at_ms, 0, task.task_id))
        elif task.state == "offered":
            self.offered.add(task.task_id)

    def leaves(self, task: Task) -> None:
        """The task is about to change its state, its queue, its era or whether it is deferred."""
        self.counts[task.state] -= 1
        if task.state == "waiting":
            if task.deferred_for is not None:
                self.deferred[task.deferred_for] -= 1
            place = self._place_of(task)
            if place is not None:
                place.discard(task.task_id)
                if not place.keys and place is not self.shut:
                    del self.lines[task.era]
        elif task.state == "offered":
            self.offered.discard(task.task_id)

    def _place_of(self, task: Task) -> Bucket | None:
        if task.deferred_for is not None:
            return self.shut if task.deferred_for == "closed" else None
        line = self.lines.get(task.era)
        if line is None:
            line = self.lines[task.era] = Bucket()
        return line


def required(skills: Iterable[RequiredSkill]) -> tuple[Requirement, ...]:
    """Requirements as tasks carry them, in one order."""
    return tuple(
        Requirement(skill=each.skill, minimum=each.minimum, maximum=each.maximum)
        for each in sorted(skills, key=lambda each: (each.skill, each.minimum, each.maximum))
    )
