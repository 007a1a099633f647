"""Counts what routing events tell, by queue and by agent and quarter of an hour.

`Meter` folds the events of a partition in order and is pure: no clock, no configuration, nothing but events. Repeated
events are its caller's business (the consumers' rule: pass over what is not beyond the last `sequence`). A task whose
`task.queued` was not seen is not counted; the time that an agent has it in hand is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal  # Any: one of the types of event that a table names

from contracts import agents, offers, tasks
from contracts.metering import COUNTERS, count
from contracts.metrics import INTERVAL_MS, Counts

AnyId = tuple[str, str]
"""Tenant and id, of a task or an agent."""
Of = Literal["queue", "agent"]


@dataclass(slots=True, kw_only=True)
class MeteredTask:
    """A live task, as far as counting goes."""

    queue: str
    client: str
    channel: str
    consults: bool = False
    waits_since_ms: int | None = None
    assigned_at_ms: int | None = None
    wrapup_at_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class MeteredAgent:
    """What an agent does, and since when: a stretch of time that is counted when it ends."""

    since_ms: int
    ready: bool = False
    present: bool = False
    in_hand: int = 0
    """Assignments and wrap-ups."""

    @property
    def counts(self) -> bool:
        """Whether the stretch is busy or idle time; else it is neither."""
        return bool(self.in_hand) or (self.ready and self.present)

    def follow(self, data: object) -> None:
        """What holds from this event on."""
        if isinstance(data, agents.AgentStateChanged):
            self.ready = data.state == "ready"
        elif isinstance(data, agents.AgentPresenceChanged):
            self.present = data.presence == "present"
        elif isinstance(data, tasks.TaskAssigned):
            self.in_hand += 1
        elif isinstance(data, _LETS_GO):
            self.in_hand = max(0, self.in_hand - 1)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Whose counts: those of a queue by client and channel, or those of an agent (client and channel are empty)."""

    tenant_id: str
    domain: str
    of: Of
    name: str
    client: str
    channel: str
    at_ms: int
    """Beginning of the interval, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one event added in one queue, and for its agent: the evidence behind the figures."""

    tenant_id: str
    domain: str
    queue: str
    client: str
    channel: str
    agent_id: str | None
    at_ms: int
    task_id: str
    counts: Counts = field(default_factory=Counts)

    @property
    def keys(self) -> Iterator[Key]:
        """Where it counts."""
        at_ms = interval_of(self.at_ms)
        yield Key(self.tenant_id, self.domain, "queue", self.queue, self.client, self.channel, at_ms)
        if self.agent_id is not None:
            yield Key(self.tenant_id, self.domain, "agent", self.agent_id, "", "", at_ms)


class Meter:
    """Folds events into `counts`. Who keeps tasks and agents elsewhere puts in those that the next events name."""

    def __init__(self) -> None:
        self.tasks: dict[AnyId, MeteredTask] = {}
        self.agents: dict[AnyId, MeteredAgent] = {}
        self.counts: dict[Key, Counts] = {}

    def fold(self, tenant_id: str, data: object) -> list[Entry]:
        """Count the event; what it added in queues, with the evidence. Each partition's events come in order."""
        entries = self._count_task(tenant_id, data) if type(data) in TASK_EVENTS else []
        for entry in entries:
            for key in entry.keys:
                self._counts_of(key).add(entry.counts)
        if type(data) in AGENT_EVENTS:
            self._follow_agent(tenant_id, data)
        return entries

    def _count_task(self, tenant_id: str, data: Any) -> list[Entry]:  # Any: one of TASK_EVENTS
        key = (tenant_id, data.task_id)
        if isinstance(data, tasks.TaskQueued):
            self.tasks[key] = _queued(data)
        task = self.tasks.get(key)
        if task is None:
            return []
        page = _Page(tenant_id, data.domain, task)
        count(page, task, data)
        if isinstance(data, _ENDS):
            del self.tasks[key]
        else:
            _follow(task, data)
        return page.entries

    def _follow_agent(self, tenant_id: str, data: Any) -> None:  # Any: one of AGENT_EVENTS
        if data.agent_id is None:
            return
        at_ms = AGENT_EVENTS[type(data)](data)
        agent = self.agents.setdefault((tenant_id, data.agent_id), MeteredAgent(since_ms=at_ms))
        if agent.counts:
            for from_ms, to_ms in _pieces(agent.since_ms, at_ms):
                key = Key(tenant_id, data.domain, "agent", data.agent_id, "", "", interval_of(from_ms))
                _spend(self._counts_of(key), agent, to_ms - from_ms)
        agent.since_ms = max(agent.since_ms, at_ms)
        agent.follow(data)

    def _counts_of(self, key: Key) -> Counts:
        found = self.counts.get(key)
        if found is None:
            found = self.counts[key] = Counts()
        return found


class _Page:
    """The book of one event."""

    def __init__(self, tenant_id: str, domain: str, task: MeteredTask) -> None:
        self.entries: list[Entry] = []
        self._tenant_id = tenant_id
        self._domain = domain
        self._task = task

    def entry(self, task_id: str, queue: str, at_ms: int, agent_id: str | None = None) -> Counts:
        """See Book."""
        entry = Entry(
            tenant_id=self._tenant_id,
            domain=self._domain,
            queue=queue,
            client=self._task.client,
            channel=self._task.channel,
            agent_id=agent_id,
            at_ms=at_ms,
            task_id=task_id,
        )
        self.entries.append(entry)
        return entry.counts


def interval_of(at_ms: int) -> int:
    """The beginning of the interval that an instant is in."""
    return at_ms - at_ms % INTERVAL_MS


def _queued(data: tasks.TaskQueued) -> MeteredTask:
    return MeteredTask(
        queue=data.queue,
        client=data.client,
        channel=data.channel,
        consults=data.transfer is not None and data.transfer.kind == "consult",
    )


def _follow(task: MeteredTask, data: object) -> None:
    match data:
        case tasks.TaskRerouted():
            task.queue = data.queue
        case tasks.TaskAssigned():
            task.assigned_at_ms = data.assigned_at_ms
        case tasks.TaskRequeued() | tasks.TaskUnassigned():
            task.assigned_at_ms = None
        case tasks.WrapupStarted():
            task.wrapup_at_ms = data.started_at_ms
        case _:
            pass


def _spend(counts: Counts, agent: MeteredAgent, time_ms: int) -> None:
    if agent.in_hand:
        counts.busy_ms += time_ms
        counts.task_ms += time_ms * agent.in_hand
    else:
        counts.idle_ms += time_ms


def _pieces(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    """The stretch, cut at the ends of intervals."""
    while from_ms < to_ms:
        end_ms = min(to_ms, interval_of(from_ms) + INTERVAL_MS)
        yield from_ms, end_ms
        from_ms = end_ms


_ENDS: Final = (tasks.TaskCompleted, tasks.TaskAbandoned, tasks.TaskTransferredOut)
_LETS_GO: Final = (tasks.TaskCompleted, tasks.TaskRequeued, tasks.TaskUnassigned, tasks.TaskTransferredOut)
TASK_EVENTS: Final = frozenset({*COUNTERS, tasks.WrapupStarted})
"""Events that need the task they name."""
AGENT_EVENTS: Final[dict[type, Callable[[Any], int]]] = {
    agents.AgentStateChanged: lambda data: data.changed_at_ms,
    agents.AgentPresenceChanged: lambda data: data.changed_at_ms,
    offers.OfferIssued: lambda data: data.issued_at_ms,
    tasks.TaskAssigned: lambda data: data.assigned_at_ms,
    tasks.TaskRequeued: lambda data: data.requeued_at_ms,
    tasks.TaskUnassigned: lambda data: data.unassigned_at_ms,
    tasks.WrapupStarted: lambda data: data.started_at_ms,
    tasks.TaskCompleted: lambda data: data.completed_at_ms,
    tasks.TaskTransferredOut: lambda data: data.transferred_at_ms,
}
"""Events that end a stretch of their agent's time, and when."""
