"""L1 and L4: whether work went on in time, by when each routing event was handed to Kafka.

Nothing is expected while trouble lasts: of a wait that meets it only what lies before and after counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts import Event
from contracts.agents import AgentStateChanged
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import InteractionStarted
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded
from contracts.tasks import Requirement, TaskAbandoned, TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued

from centralino.proof.faults import Fault
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
            case OfferAccepted() | OfferRejected() | OfferExpired() | OfferRescinded() as data:
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
class _Waiting:
    requirements: tuple[Requirement, ...]
    cost: int
    served_since_ms: int | None = None
    """Since when somebody could have taken it."""


@dataclass(slots=True)
class _Agent:
    skills: Mapping[str, int]
    capacity: int
    ready: bool = False
    held: dict[str, int] = field(default_factory=dict)
    """Capacity units by task."""

    def could_take(self, waiting: _Waiting) -> bool:
        return (
            self.ready
            and sum(self.held.values()) + waiting.cost <= self.capacity
            and all(self.skills.get(each.skill, 0) >= each.minimum for each in waiting.requirements)
        )


class _Waits:
    """L1. Presence does not count here: the people of a story never leave, so losing one is the platform's delay."""

    def __init__(self, history: History, trouble: Trouble, bounds: Bounds, since_ms: int) -> None:
        self._history = history
        self._since_ms = since_ms
        self._trouble = trouble
        self._limit_ms = bounds.ms(bounds.offer_seconds)
        self._waiting: dict[str, _Waiting] = {}
        self._tasks: dict[str, _Waiting] = {}
        self._agents: dict[tuple[str, str], _Agent] = {}
        self._refused: dict[tuple[str, str], int] = {}
        """Task and agent: until when the task is not offered to the agent again."""
        self._backoff_ms = {
            record.domain: int(str(record.value["refused_backoff_seconds"])) * 1000
            for record in (stood.event.data for stood in history.configuration)
            if isinstance(record, ConfigurationRecord) and record.kind == "domain" and record.value
        }
        self._rules = Rules(history)

    def faults(self) -> Iterator[Fault]:
        """Go through what could be seen, in order of time."""
        for at_ms, number, event in self._steps():
            if number is not None:
                self._rules.move_to(number, position_of(event.sequence or ""))
            yield from self._take(event, at_ms)
            for task_id, waiting in self._waiting.items():
                self._look(task_id, waiting, at_ms)

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
            if isinstance(event.data, TaskQueued) and event.data.request_id is None
        }
        return sorted([*started, *routed], key=lambda step: step[0])

    def _take(self, event: Event, at_ms: int) -> Iterator[Fault]:
        match event.data:
            case InteractionStarted() as data:
                queued = self._first_tasks.get(data.interaction_id)
                if queued is not None:
                    self._wait(queued)
            case TaskQueued() as data:
                if data.task_id not in self._tasks:
                    self._wait(data)
            case OfferIssued() as data:
                yield from self._offered(event.tenant_id, data, at_ms)
            case TaskAbandoned() as data:
                self._waiting.pop(data.task_id, None)
            case data:
                self._take_agents(event.tenant_id, data, at_ms)

    def _take_agents(self, tenant_id: str, data: object, at_ms: int) -> None:
        match data:
            case OfferRejected() | OfferExpired():
                self._refused[data.task_id, data.agent_id] = at_ms + self._backoff_ms.get(data.domain, 0)
                self._again(tenant_id, data.agent_id, data.task_id)
            case OfferRescinded() | TaskRequeued():
                self._again(tenant_id, data.agent_id, data.task_id)
            case TaskAssigned():
                self._agent(tenant_id, data.agent_id).held[data.task_id] = self._tasks[data.task_id].cost
            case TaskCompleted():
                self._agent(tenant_id, data.agent_id).held.pop(data.task_id, None)
            case AgentStateChanged():
                self._agent(tenant_id, data.agent_id).ready = data.state == "ready"
            case _:
                pass

    def _wait(self, queued: TaskQueued) -> None:
        self._tasks[queued.task_id] = self._waiting[queued.task_id] = _Waiting(queued.requirements, queued.cost)

    def _again(self, tenant_id: str, agent_id: str, task_id: str) -> None:
        self._agent(tenant_id, agent_id).held.pop(task_id, None)
        self._waiting[task_id] = self._tasks[task_id]

    def _offered(self, tenant_id: str, offer: OfferIssued, at_ms: int) -> Iterator[Fault]:
        waiting = self._waiting.pop(offer.task_id, None)
        if waiting is None:
            return
        if waiting.served_since_ms is not None and waiting.served_since_ms >= self._since_ms:
            waited_ms = self._trouble.waited_ms(waiting.served_since_ms, at_ms)
            if waited_ms > self._limit_ms:
                text = f"{offer.task_id} was offered after {waited_ms} ms with an agent ready and nothing broken"
                yield Fault("L1", offer.offer_id, text)
        waiting.served_since_ms = None
        self._agent(tenant_id, offer.agent_id).held[offer.task_id] = waiting.cost

    def _look(self, task_id: str, waiting: _Waiting, at_ms: int) -> None:
        able = any(
            agent.could_take(waiting) and self._refused.get((task_id, agent_id), 0) <= at_ms
            for (_, agent_id), agent in self._agents.items()
        )
        if not able:
            waiting.served_since_ms = None
        elif waiting.served_since_ms is None:
            waiting.served_since_ms = at_ms

    def _agent(self, tenant_id: str, agent_id: str) -> _Agent:
        found = self._agents.get((tenant_id, agent_id))
        if found is None:
            configured = self._rules.agent(tenant_id, agent_id)
            skills, capacity = (configured.skills, configured.capacity) if configured else ({}, 0)
            found = self._agents[tenant_id, agent_id] = _Agent(skills, capacity)
        return found
