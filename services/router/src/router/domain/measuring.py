"""Counts facts while they are folded: each queue's `LiveCounts` are part of the state."""

from collections.abc import Callable, Mapping
from typing import Any  # Any: each type of fact has its own handler

from contracts.metering import COUNTERS
from contracts.metrics import Counts
from contracts.tasks import TaskQueued

from router.domain.state import DomainState, State

Handler = Callable[..., None]


def measured(handlers: Mapping[type, Handler]) -> dict[type, Handler]:
    """The handlers of `fold`; those whose facts count in a queue enter them too."""
    return {data: _counting(data, handler) if data in COUNTERS else handler for data, handler in handlers.items()}


def _counting(of: type, handler: Handler) -> Handler:
    """A task is measured as it was before the fact; a new one as it is after."""
    enter = COUNTERS[of]

    def before(state: State, domain: DomainState, data: Any, now_ms: int) -> None:
        enter(_Lines(domain), domain.tasks[data.task_id], data)
        handler(state, domain, data, now_ms)

    def after(state: State, domain: DomainState, data: Any, now_ms: int) -> None:
        handler(state, domain, data, now_ms)
        enter(_Lines(domain), domain.tasks[data.task_id], data)

    return after if of is TaskQueued else before


class _Lines:
    """The queues of a domain as a book; agents and tasks are not told apart here."""

    __slots__ = ("_domain",)

    def __init__(self, domain: DomainState) -> None:
        self._domain = domain

    def entry(self, task_id: str, queue: str, at_ms: int, agent_id: str | None = None) -> Counts:
        """See Book."""
        return self._domain.queues[queue].measured.at(at_ms)
