"""Who stands where in line, counted from what the router tells of everybody's tasks.

Of those who wait already when the counting begins nothing is known but how many they are: `task.queued` tells how long
the line is. They count as before everybody, and who of them leaves is counted out. A task's place is known if the task
came while it was counted.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final  # Any: data of any event

from contracts.tasks import (
    TaskAbandoned,
    TaskAssigned,
    TaskCompleted,
    TaskDeferred,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    WrapupStarted,
)

LINE_MAX: Final = 2_000
"""In a longer line nobody is told a place."""
TASKS_MAX: Final = 200_000
"""So many tasks are known at once; then those that come are not."""
_Key = tuple[str, str]
"""Tenant and task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    line: tuple[str, str, str]
    """Tenant, domain, queue."""
    order: tuple[int, int, int, str]
    """Who has the lowest goes first: the band and the priority count before the wait."""
    waits: bool


@dataclass(slots=True)
class _Line:
    waiting: set[str] = field(default_factory=set)
    """The tasks that are known."""
    unknown: int = 0
    """How many others wait."""


class Places:
    """Hears everything of a domain from some moment on, in order."""

    def __init__(self) -> None:
        self._tasks: dict[_Key, _Standing] = {}
        self._lines: dict[tuple[str, str, str], _Line] = {}

    def of(self, tenant_id: str, task_id: str) -> int | None:
        """The place of a task, 1 being the next; none: it does not wait, or nobody knows."""
        standing = self._tasks.get((tenant_id, task_id))
        if standing is None or not standing.waits:
            return None
        line = self._lines[standing.line]
        if len(line.waiting) > LINE_MAX:
            return None
        before = sum(self._tasks[tenant_id, other].order < standing.order for other in line.waiting)
        return line.unknown + before + 1

    def heard(self, tenant_id: str, data: Any) -> None:
        """An event of the router's; others are passed over."""
        match data:
            case TaskQueued():
                self._queued(tenant_id, data)
            case TaskRerouted():
                self._rerouted(tenant_id, data)
            case TaskDeferred():
                self._waits(tenant_id, data.task_id, waits=False)
            case TaskResumed() | TaskRequeued():
                self._waits(tenant_id, data.task_id, waits=True)
            case TaskUnassigned():
                self._waits(tenant_id, data.task_id, waits=data.reason != "parked")
            case TaskAssigned():
                self._left(tenant_id, data)
                self._waits(tenant_id, data.task_id, waits=False)
            case TaskAbandoned() | TaskTransferredOut():
                self._left(tenant_id, data)
                self._forget(tenant_id, data.task_id)
            case WrapupStarted() | TaskCompleted():
                self._forget(tenant_id, data.task_id)
            case _:
                pass

    def _queued(self, tenant_id: str, data: TaskQueued) -> None:
        name = (tenant_id, data.domain, data.queue)
        line = self._lines.setdefault(name, _Line())
        if data.position is not None:  # this one included
            line.unknown = max(0, data.position - 1 - len(line.waiting))
        if len(self._tasks) < TASKS_MAX:
            band = data.terms.band if data.terms else 0
            order = (-band, -data.priority, data.queued_at_ms, data.task_id)
            self._put((tenant_id, data.task_id), _Standing(line=name, order=order, waits=data.deferred_for is None))

    def _rerouted(self, tenant_id: str, data: TaskRerouted) -> None:
        standing = self._tasks.get((tenant_id, data.task_id))
        if standing is not None:
            order = (-data.terms.band, -data.priority, *standing.order[2:])
            moved = replace(standing, line=(tenant_id, data.domain, data.queue), order=order)
            self._put((tenant_id, data.task_id), moved)

    def _waits(self, tenant_id: str, task_id: str, *, waits: bool) -> None:
        standing = self._tasks.get((tenant_id, task_id))
        if standing is not None:
            self._put((tenant_id, task_id), replace(standing, waits=waits))

    def _left(self, tenant_id: str, data: TaskAssigned | TaskAbandoned | TaskTransferredOut) -> None:
        line = self._lines.get((tenant_id, data.domain, data.queue))
        if line is not None and (tenant_id, data.task_id) not in self._tasks:
            line.unknown = max(0, line.unknown - 1)

    def _put(self, key: _Key, standing: _Standing) -> None:
        self._forget(*key)
        self._tasks[key] = standing
        line = self._lines.setdefault(standing.line, _Line())
        if standing.waits:
            line.waiting.add(key[1])

    def _forget(self, tenant_id: str, task_id: str) -> None:
        standing = self._tasks.pop((tenant_id, task_id), None)
        if standing is not None:
            self._lines[standing.line].waiting.discard(task_id)
