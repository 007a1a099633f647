"""The views of a domain, made from the journal a second time, for L3.

Shared with the engine are the contracts and the JSON of the views; the fold of agents, queues and assignments is
written a second time. A domain's configuration is taken as it was applied first.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from contracts.agents import (
    AgentAdherenceChanged,
    AgentClocked,
    AgentPresenceChanged,
    AgentStateChanged,
    AgentStatePending,
    ConfigurationApplied,
)
from contracts.assignments import (
    AssignmentCapacityChanged,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentRoleChanged,
    TransferChanged,
)
from contracts.configuration import RESETS, Domain
from contracts.configuration_records import ConfigurationRecord
from contracts.offers import OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
from contracts.queues import AlertChanged, QueueOverridden
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

from centralino.proof.history import History
from centralino.proof.journal import Batch, Epoch, Position, public_facts
from centralino.proof.samples import View, Views
from centralino.proof.task_views import ShownTask, assignment_view, offer_view

OPEN: Final = ("requested", "consulting", "conference")
UNREADABLE: Final = "internal.leases_readable"
_STATES: Final = ("waiting", "offered", "assigned", "wrapup")


@dataclass(slots=True)
class _Agent:
    capacity: int
    state: str = "not_ready"
    reason_code: str | None = None
    pending: AgentStatePending | None = None
    devices: tuple[str, ...] = ()
    clocked_in: bool = False
    adherent: bool = True
    presence: str = "absent"
    idle_since_ms: int = 0


@dataclass(slots=True)
class FoldedViews:
    """`take` the journal's entries in order; `views` are what Redis should then show of the domain."""

    history: History
    domain: str
    _agents: dict[str, _Agent] = field(default_factory=dict)
    _tasks: dict[str, ShownTask] = field(default_factory=dict)
    _queues: list[str] = field(default_factory=list)
    _alerts: dict[str, dict[str, View]] = field(default_factory=dict)
    """Those that stand, by queue and alert."""
    _overrides: dict[str, View] = field(default_factory=dict)
    """Those that hold, by queue."""
    _transfers: dict[str, TransferChanged] = field(default_factory=dict)
    """Open ones, by the task whose owner asked."""
    _version: int = 0
    _domain: View = field(default_factory=lambda: {"not_ready_reasons": []})
    _resets: Sequence[str] = RESETS
    """What starts an agent's idle time anew."""

    def __post_init__(self) -> None:
        for stood in self.history.configuration:
            record = stood.event.data
            if isinstance(record, ConfigurationRecord) and record.domain == self.domain and record.value:
                if record.kind == "agent":
                    self._agents[record.id.removeprefix("agent:")] = _Agent(int(str(record.value["capacity"])))
                elif record.kind == "queue":
                    self._queues.append(record.id.rpartition("/")[2])
                elif record.kind == "domain":
                    configured = Domain.model_validate(record.value, extra="ignore")
                    self._resets = configured.idle_reset_by
                    self._domain = configured.model_dump(include={"not_ready_reasons"})

    def take(self, entry: Epoch | Batch) -> None:
        """The next epoch record, or batch that counts."""
        if isinstance(entry, Epoch):
            self._unconfirm({"present", "lost"})
            return
        facts = public_facts(entry)
        for _, name, data in entry.facts:
            if name == UNREADABLE and not data["readable"]:
                self._unconfirm({"lost"})
            elif not name.startswith("internal."):
                position, _, typed = next(facts)
                self._fold(typed, _sequence(position))

    def views(self) -> Views:
        """All of them."""
        waiting = {
            name: [t.queued.queued_at_ms for t in self._in(name) if t.state == "waiting" and not t.deferred]
            for name in self._queues
        }
        return {
            "agents": {name: self._agent_view(name, agent) for name, agent in self._agents.items()},
            "queues": {
                name: {"queue": name, "oldest_queued_at_ms": min(waiting[name], default=None)}
                | {state: sum(task.state == state for task in self._in(name)) for state in _STATES}
                | {"alerts": [alert for _, alert in sorted(self._alerts.get(name, {}).items())]}
                | {"override": self._overrides.get(name)}
                for name in self._queues
            },
            "assignments": {
                task.assigned[0].assignment_id: assignment_view(
                    task, *task.assigned, self._transfers.get(task.queued.task_id)
                )
                for task in self._tasks.values()
                if task.assigned is not None
            },
            "domains": {self.domain: self._domain | {"domain": self.domain, "version": self._version}},
        }

    def _in(self, queue: str) -> list[ShownTask]:
        return [task for task in self._tasks.values() if task.queue == queue]

    def _unconfirm(self, presences: set[str]) -> None:
        for agent in self._agents.values():
            if agent.presence in presences:
                agent.presence = "unconfirmed"

    def _fold(self, data: object, sequence: str) -> None:
        match data:
            case AgentStateChanged() | AgentStatePending() | AgentClocked() | AgentAdherenceChanged():
                self._fold_state(self._agents[data.agent_id], data)
            case AgentPresenceChanged():
                agent = self._agents[data.agent_id]
                if (agent.presence, data.presence) == ("absent", "present"):
                    agent.idle_since_ms = data.changed_at_ms
                agent.presence, agent.devices = data.presence, data.devices
            case ConfigurationApplied():
                self._version = data.version
            case AlertChanged() | QueueOverridden():
                self._fold_queue(data)
            case OfferIssued():
                task = self._tasks[data.task_id]
                task.state, task.offers[data.agent_id] = "offered", (data, sequence)
            case OfferRejected() | OfferExpired() | OfferRescinded() | OfferWithdrawn():
                self._take_back(data)
            case _:
                self._fold_task(data, sequence)

    def _fold_queue(self, data: AlertChanged | QueueOverridden) -> None:
        if isinstance(data, QueueOverridden):
            self._overrides.pop(data.queue, None)
            if data.closed or data.priority is not None:
                self._overrides[data.queue] = asdict(data)
            return
        standing = self._alerts.setdefault(data.queue, {})
        standing.pop(data.alert, None)
        if data.raised:
            standing[data.alert] = asdict(data)

    def _fold_state(
        self, agent: _Agent, data: AgentStateChanged | AgentStatePending | AgentClocked | AgentAdherenceChanged
    ) -> None:
        match data:
            case AgentStateChanged():
                if (agent.state, data.state) == ("not_ready", "ready"):
                    self._reset_idle(data.agent_id, "ready", data.changed_at_ms)
                agent.state, agent.reason_code = data.state, data.reason_code
                if agent.pending is not None and not (agent.pending.clocks_out and data.state == "not_ready"):
                    agent.pending = None
            case AgentStatePending():
                agent.pending = None if data.state is None else data
            case AgentClocked():
                agent.clocked_in = data.clocked_in
                if agent.pending is not None and agent.pending.clocks_out:
                    agent.pending = None
            case AgentAdherenceChanged():
                agent.adherent = data.adherent

    def _take_back(self, data: OfferRejected | OfferExpired | OfferRescinded | OfferWithdrawn) -> None:
        task = self._tasks[data.task_id]
        del task.offers[data.agent_id]
        task.state = "offered" if task.offers else "waiting"
        if isinstance(data, OfferRejected):
            self._reset_idle(data.agent_id, "refusal", data.rejected_at_ms)
        elif isinstance(data, OfferExpired):
            self._reset_idle(data.agent_id, "refusal", data.expired_at_ms)

    def _fold_task(self, data: object, sequence: str) -> None:
        match data:
            case TaskQueued():
                deferred = data.deferred_for is not None
                self._tasks[data.task_id] = ShownTask(data, data.queue, data.priority, deferred=deferred)
            case TaskDeferred() | TaskResumed():
                self._tasks[data.task_id].deferred = isinstance(data, TaskDeferred)
            case TaskRerouted():
                task = self._tasks[data.task_id]
                task.queue, task.priority = data.queue, data.priority
            case TransferChanged():
                self._transfers.pop(data.from_task_id, None)
                if data.state in OPEN:
                    self._transfers[data.from_task_id] = data
            case _:
                self._fold_assignment(data, sequence)

    def _fold_assignment(self, data: object, sequence: str) -> None:
        match data:
            case TaskAssigned():
                task = self._tasks[data.task_id]
                task.state, task.offers, task.assigned, task.role = "assigned", {}, (data, sequence), data.role
            case AssignmentRoleChanged():
                task = self._tasks[data.task_id]
                task.role = data.role
                if task.assigned is not None:
                    task.assigned = (task.assigned[0], sequence)
            case AssignmentCapacityChanged():
                self._tasks[data.task_id].counted = data.counted
            case AssignmentHeld() | AssignmentRetrieved():
                self._tasks[data.task_id].held_since_ms = data.held_at_ms if isinstance(data, AssignmentHeld) else None
            case WrapupStarted():
                task = self._tasks[data.task_id]
                task.state, task.wrapup, task.held_since_ms = "wrapup", data, None
            case TaskRequeued():
                self._back_in_line(data.task_id, data.requeued_at_ms)
            case TaskUnassigned():
                self._back_in_line(data.task_id, data.unassigned_at_ms)
            case _:
                self._end(data)

    def _end(self, data: object) -> None:
        match data:
            case TaskCompleted():
                self._free(self._tasks.pop(data.task_id), data.completed_at_ms)
            case TaskTransferredOut():
                self._free(self._tasks.pop(data.task_id), data.transferred_at_ms)
            case TaskAbandoned():
                del self._tasks[data.task_id]
            case _:
                pass

    def _back_in_line(self, task_id: str, at_ms: int) -> None:
        task = self._tasks[task_id]
        self._free(task, at_ms)
        task.state, task.assigned, task.counted, task.held_since_ms = "waiting", None, True, None

    def _free(self, task: ShownTask, at_ms: int) -> None:
        """Whoever had it assigned."""
        if task.assigned is not None:
            reset = "outbound" if task.queued.direction == "outbound" else "assignment"
            self._reset_idle(task.assigned[0].agent_id, reset, at_ms)

    def _reset_idle(self, agent_id: str, cause: str, at_ms: int) -> None:
        agent = self._agents[agent_id]
        if cause in self._resets or (cause == "ready" and not agent.idle_since_ms):
            agent.idle_since_ms = at_ms

    def _agent_view(self, name: str, agent: _Agent) -> View:
        held = sorted((task for task in self._tasks.values() if name in task.holders), key=lambda t: t.queued.task_id)
        return {
            "agent_id": name,
            "state": agent.state,
            "reason_code": agent.reason_code,
            "presence": agent.presence,
            "devices": list(agent.devices),
            "clocked_in": agent.clocked_in,
            "adherent": agent.adherent,
            "pending_state": agent.pending.state if agent.pending else None,
            "pending_reason_code": agent.pending.reason_code if agent.pending else None,
            "held": sum(task.queued.cost for task in held if task.counted),
            "capacity": agent.capacity,
            "idle_since_ms": agent.idle_since_ms,
            "offers": [offer_view(task, *task.offers[name]) for task in held if name in task.offers],
            "assignments": [task.assigned[0].assignment_id for task in held if task.assigned is not None],
        }


def _sequence(position: Position) -> str:
    return f"{position.generation:04d}-{position.offset:015d}-{position.index:05d}"
