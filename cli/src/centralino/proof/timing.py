"""L1 and L4: whether work went on in time, by when each routing event was handed to Kafka.

Nothing is expected while trouble lasts: of a wait that meets it only what lies before and after counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts import Event
from contracts.agents import AgentBackedOff, AgentStateChanged, AgentStatePending
from contracts.assignments import AssignmentCapacityChanged
from contracts.configuration import Domain
from contracts.interactions import InteractionStarted
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
from contracts.routing_parts import Agent
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
)

from centralino.proof.faults import Fault
from centralino.proof.fitness import Wants, misfits, overloads, wants_of
from centralino.proof.history import History
from centralino.proof.journal import position_of, seen
from centralino.proof.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long things may take. On a machine that does much else beside, `patience` stretches them."""

    offer_seconds: float = 5.0
    lag_seconds: float = 60.0
    projection_seconds: float = 30.0
    offer_over_seconds: float = 2.0
    patience: float = 1.0

    def ms(self, seconds: float) -> float:
        """A bound in milliseconds, stretched."""
        return seconds * 1000 * self.patience


@dataclass(frozen=True, slots=True)
class Trouble:
    """From when until when something was broken."""

    struck_at_ms: int
    calm_at_ms: int

    def waited_ms(self, begun_ms: int, ended_ms: int) -> int:
        """The longer part of a wait that lies before or after the trouble."""
        if ended_ms <= self.struck_at_ms or begun_ms >= self.calm_at_ms:
            return ended_ms - begun_ms
        return max(self.struck_at_ms - begun_ms, ended_ms - self.calm_at_ms, 0)


def timing_faults(history: History, trouble: Trouble, bounds: Bounds, *, since_ms: int = 0) -> Iterator[Fault]:
    """Waits and offers that took too long although nothing was broken; only those that began after `since_ms`."""
    yield from _Waits(history, trouble, bounds, since_ms).faults()
    yield from _offer_faults(history, trouble, bounds, since_ms)


def next_offer_ms(history: History, struck_at_ms: int) -> int | None:
    """From the blow to the first offer that was decided after it, as it can be seen; none when there was none."""
    for stood in seen(history.routing):
        if isinstance(stood.event.data, OfferIssued) and stood.event.time_ms > struck_at_ms:
            return stood.appended_at_ms - struck_at_ms
    return None


def _offer_faults(history: History, trouble: Trouble, bounds: Bounds, since_ms: int) -> Iterator[Fault]:
    live: dict[str, OfferIssued] = {}
    for stood in seen(history.routing):
        match stood.event.data:
            case OfferIssued() as data:
                live[data.offer_id] = data
            case OfferAccepted() | OfferRejected() | OfferExpired() | OfferRescinded() | OfferWithdrawn() as data:
                issued = live.pop(data.offer_id, None)
                if issued is None or issued.issued_at_ms < since_ms:
                    continue
                late_ms = trouble.waited_ms(issued.expires_at_ms, max(stood.appended_at_ms, issued.expires_at_ms))
                if late_ms > bounds.ms(bounds.offer_over_seconds):
                    yield Fault(
                        "L4", str(stood.event.sequence), f"{data.offer_id} outlived its time-out by {late_ms} ms"
                    )
            case _:
                pass


@dataclass(slots=True)
class _Task:
    tenant_id: str
    domain: str
    wants: Wants
    deferred: bool = False
    holders: set[str] = field(default_factory=set)
    """Agents who have it offered, or the one who has it."""
    served_since_ms: int | None = None
    """Since when somebody could have taken it."""


@dataclass(slots=True)
class _Agent:
    configured: Agent | None
    ready: bool = False
    pending: bool = False
    backed_off_until_ms: int = 0
    tasks: dict[str, Wants] = field(default_factory=dict)
    """What they hold, by task."""

    def could_take(self, wants: Wants, at_ms: int) -> bool:
        if self.configured is None or not self.ready or self.pending or at_ms < self.backed_off_until_ms:
            return False
        return not any(misfits(self.configured, wants)) and not any(
            overloads(self.configured, wants, self.tasks.values())
        )


class _Waits:
    """L1. Presence does not count here: the people of a story never leave, so losing one is the platform's delay."""

    def __init__(self, history: History, trouble: Trouble, bounds: Bounds, since_ms: int) -> None:
        self._history = history
        self._since_ms = since_ms
        self._trouble = trouble
        self._limit_ms = bounds.ms(bounds.offer_seconds)
        self._waiting: dict[str, _Task] = {}
        self._tasks: dict[str, _Task] = {}
        self._agents: dict[tuple[str, str], _Agent] = {}
        self._refused: dict[tuple[str, str], int] = {}
        """Task and agent: until when the task is not offered to the agent again."""
        self._rules = Rules(history)

    def faults(self) -> Iterator[Fault]:
        """Go through what could be seen, in order of time."""
        for at_ms, number, event in self._steps():
            if number is not None:
                self._rules.move_to(number, position_of(event.sequence or ""))
            yield from self._take(event, at_ms)
            for task_id, task in self._waiting.items():
                self._look(task_id, task, at_ms)

    def _steps(self) -> list[tuple[int, int | None, Event]]:
        """An interaction waits from its start on, long before its task is queued."""
        started: list[tuple[int, int | None, Event]] = [
            (stood.event.data.started_at_ms, None, stood.event)
            for stood in self._history.interactions
            if isinstance(stood.event.data, InteractionStarted)
        ]
        routed = [(stood.appended_at_ms, stood.at.number, stood.event) for stood in seen(self._history.routing)]
        self._first_tasks = {
            event.data.interaction_id: event.data
            for _, _, event in reversed(routed)
            if isinstance(event.data, TaskQueued) and event.data.request_id is None and event.data.transfer is None
        }
        return sorted([*started, *routed], key=lambda step: step[0])

    def _take(self, event: Event, at_ms: int) -> Iterator[Fault]:
        match event.data:
            case InteractionStarted() as data:
                queued = self._first_tasks.get(data.interaction_id)
                if queued is not None:
                    self._wait(event.tenant_id, queued)
            case TaskQueued() as data:
                if data.task_id not in self._tasks:
                    self._wait(event.tenant_id, data)
            case OfferIssued() as data:
                yield from self._offered(event.tenant_id, data, at_ms)
            case data:
                self._take_tasks(data, at_ms)
                self._take_agents(event.tenant_id, data)

    def _take_tasks(self, data: object, at_ms: int) -> None:
        match data:
            case OfferRejected() | OfferExpired():
                task = self._tasks[data.task_id]
                until_ms = at_ms + self._domain(task).refused_backoff_seconds * 1000
                self._refused[data.task_id, data.agent_id] = until_ms
                self._release(data.task_id, data.agent_id)
            case OfferRescinded() | OfferWithdrawn() | TaskRequeued() | TaskUnassigned():
                self._release(data.task_id, data.agent_id)
            case TaskRerouted():
                self._tasks[data.task_id].wants.reroute(data)
            case TaskDeferred() | TaskResumed():
                self._tasks[data.task_id].deferred = isinstance(data, TaskDeferred)
            case TaskAssigned():
                self._hold(self._tasks[data.task_id], data.task_id, data.agent_id)
            case AssignmentCapacityChanged():
                self._tasks[data.task_id].wants.counted = data.counted
            case TaskCompleted() | TaskAbandoned() | TaskTransferredOut():
                for agent_id in sorted(self._tasks[data.task_id].holders):
                    self._release(data.task_id, agent_id)
                self._waiting.pop(data.task_id, None)
            case _:
                pass

    def _take_agents(self, tenant_id: str, data: object) -> None:
        match data:
            case AgentStateChanged():
                agent = self._agent(tenant_id, data.agent_id)
                agent.ready, agent.pending = data.state == "ready", False
                agent.backed_off_until_ms = 0
            case AgentStatePending():
                self._agent(tenant_id, data.agent_id).pending = data.state is not None
            case AgentBackedOff():
                self._agent(tenant_id, data.agent_id).backed_off_until_ms = data.until_ms
            case _:
                pass

    def _wait(self, tenant_id: str, queued: TaskQueued) -> None:
        interruptible = queued.channel in self._rules.domain(tenant_id, queued.domain).interruptible
        wants = wants_of(queued, interruptible=interruptible)
        task = _Task(tenant_id, queued.domain, wants, deferred=queued.deferred_for is not None)
        self._tasks[queued.task_id] = self._waiting[queued.task_id] = task

    def _hold(self, task: _Task, task_id: str, agent_id: str) -> None:
        task.holders.add(agent_id)
        self._agent(task.tenant_id, agent_id).tasks[task_id] = task.wants

    def _release(self, task_id: str, agent_id: str) -> None:
        task = self._tasks[task_id]
        task.holders.discard(agent_id)
        self._agent(task.tenant_id, agent_id).tasks.pop(task_id, None)
        if not task.holders:
            task.wants.counted = True
            self._waiting[task_id] = task

    def _offered(self, tenant_id: str, offer: OfferIssued, at_ms: int) -> Iterator[Fault]:
        task = self._tasks[offer.task_id]
        if self._waiting.pop(offer.task_id, None) is not None:
            if task.served_since_ms is not None and task.served_since_ms >= self._since_ms:
                waited_ms = self._trouble.waited_ms(task.served_since_ms, at_ms)
                if waited_ms > self._limit_ms:
                    text = f"{offer.task_id} was offered after {waited_ms} ms with an agent ready and nothing broken"
                    yield Fault("L1", offer.offer_id, text)
            task.served_since_ms = None
        self._hold(task, offer.task_id, offer.agent_id)

    def _look(self, task_id: str, task: _Task, at_ms: int) -> None:
        able = (
            not task.deferred
            and self._gate_is_open(task)
            and any(
                agent.could_take(task.wants, at_ms) and self._refused.get((task_id, agent_id), 0) <= at_ms
                for (_, agent_id), agent in self._agents.items()
            )
        )
        if not able:
            task.served_since_ms = None
        elif task.served_since_ms is None:
            task.served_since_ms = at_ms

    def _gate_is_open(self, task: _Task) -> bool:
        """A client's cap may keep it back; outbound work with a reserve is expected at no time."""
        rules, wants = self._domain(task), task.wants
        if wants.direction == "outbound" and rules.outbound_idle_reserve:
            return False
        most = next((share.units_max for share in rules.client_shares if share.client == wants.client), None)
        if most is None:
            return True
        held = (each for agent in self._agents.values() for each in agent.tasks.values())
        return wants.cost + sum(each.cost for each in held if each.client == wants.client and each.counted) <= most

    def _domain(self, task: _Task) -> Domain:
        return self._rules.domain(task.tenant_id, task.domain)

    def _agent(self, tenant_id: str, agent_id: str) -> _Agent:
        found = self._agents.get((tenant_id, agent_id))
        if found is None:
            found = self._agents[tenant_id, agent_id] = _Agent(self._rules.agent(tenant_id, agent_id))
        return found
