"""Counts facts while they are folded: each queue's `LiveCounts` and each agent's time are part of the state."""

from collections.abc import Callable, Mapping
from typing import Any  # Any: each type of fact has its own handler

from contracts.meter import AGENT_EVENTS
from contracts.metering import COUNTERS
from contracts.metrics import Counts
from contracts.tasks import TaskQueued

from router.domain.agent import Agent
from router.domain.agent_time import AgentTime
from router.domain.state import DomainState, State

Handler = Callable[..., None]


def measured(handlers: Mapping[type, Handler]) -> dict[type, Handler]:
    """The handlers of `fold`; those whose facts count in a queue, or end a stretch of an agent's time, see to that."""
    counting = {data: _counting(data, handler) if data in COUNTERS else handler for data, handler in handlers.items()}
    return {data: _timing(handler) if data in AGENT_EVENTS else handler for data, handler in counting.items()}


def _timing(handler: Handler) -> Handler:
    def timed(state: State, domain: DomainState, data: Any, now_ms: int) -> None:
        agent = domain.agents.get(data.agent_id)
        if agent is not None:
            _follow(agent, data)
        handler(state, domain, data, now_ms)

    return timed


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


def _follow(agent: Agent, data: object) -> None:
    """Take in an event of the agent, before the state does."""
    at_ms = AGENT_EVENTS[type(data)](data)
    if agent.time is None:  # the first, or the first that a release with this took in
        agent.time = AgentTime(
            since_ms=at_ms,
            ready=agent.state == "ready",
            present=agent.presence == "present",
            in_hand=sum(task.assigned is not None for task in agent.tasks.values()),
        )
    agent.time.spend(at_ms)
    agent.time.follow(data)


class _Lines:
    """The queues of a domain as a book; agents and tasks are not told apart here."""

    __slots__ = ("_domain",)

    def __init__(self, domain: DomainState) -> None:
        self._domain = domain

    def entry(self, task_id: str, queue: str, at_ms: int, agent_id: str | None = None) -> Counts:
        """See Book."""
        return self._domain.queues[queue].measured.at(at_ms)
