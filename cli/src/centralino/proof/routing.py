"""S1 to S5 at every journal position, by the public routing events alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts import Event
from contracts.agents import AgentPresenceChanged, AgentStateChanged, ConfigurationApplied
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded
from contracts.tasks import TaskAbandoned, TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued, WrapupStarted

from centralino.proof.faults import Fault, Invariant
from centralino.proof.history import History, Stood
from centralino.proof.journal import Position, epochs, position_of, seen
from centralino.proof.rules import Rules

TERMINAL: Final = frozenset({"completed", "abandoned"})
EDGES: Final[Mapping[type, tuple[frozenset[str], str]]] = {
    OfferIssued: (frozenset({"waiting"}), "offered"),
    OfferRejected: (frozenset({"offered"}), "waiting"),
    OfferExpired: (frozenset({"offered"}), "waiting"),
    OfferRescinded: (frozenset({"offered"}), "waiting"),
    TaskAssigned: (frozenset({"offered"}), "assigned"),
    TaskRequeued: (frozenset({"assigned"}), "waiting"),
    WrapupStarted: (frozenset({"assigned"}), "wrap-up"),
    TaskCompleted: (frozenset({"assigned", "wrap-up"}), "completed"),
    TaskAbandoned: (frozenset({"waiting"}), "abandoned"),
}
"""From which states an event may come, and to which it leads (design: section 1 and S2)."""

OfferOver = OfferAccepted | OfferRejected | OfferExpired | OfferRescinded
AssignmentChanged = TaskRequeued | WrapupStarted | TaskCompleted
TaskChanged = (
    OfferIssued
    | OfferRejected
    | OfferExpired
    | OfferRescinded
    | TaskAssigned
    | TaskRequeued
    | WrapupStarted
    | TaskCompleted
    | TaskAbandoned
)


@dataclass(slots=True)
class Task:
    """A task by its events."""

    tenant_id: str
    queued: TaskQueued
    state: str = "waiting"
    offer: OfferIssued | None = None
    accepted: bool = False
    assigned: TaskAssigned | None = None

    @property
    def holder(self) -> str | None:
        """The agent whose capacity it takes."""
        held = self.offer or self.assigned
        return held.agent_id if held else None


@dataclass(slots=True)
class Agent:
    """What an agent chose, and whether a device is alive."""

    state: str = "not_ready"
    presence: str = "absent"


@dataclass(slots=True)
class Routing:
    """`read` goes through the events; afterwards `faults`, `tasks` and `assignments` tell what was found."""

    history: History
    faults: list[Fault] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    assignments: set[tuple[str, str, str]] = field(default_factory=set)
    """Interaction, agent and assignment id."""
    _open: dict[str, Task] = field(default_factory=dict)
    """Those that are not over."""
    _started: set[str] = field(default_factory=set)
    _agents: dict[tuple[str, str], Agent] = field(default_factory=dict)
    _domains: dict[int, set[tuple[str, str]]] = field(default_factory=dict)
    _place: str = ""

    def read(self) -> None:
        """Every event in order of its partition, take-overs in between."""
        rules = Rules(self.history)
        self._started = _named(self.history.interactions, InteractionStarted)
        take_overs: dict[int, list[Position]] = {}
        for epoch in epochs(self.history.journal):
            take_overs.setdefault(epoch.partition, []).append(epoch.position)
        for stood in seen(self.history.routing):
            event, number = stood.event, stood.at.number
            self._place = str(event.sequence)
            due = take_overs.get(number, [])
            while due and due[0] < position_of(self._place):
                self._take_over(number)
                due.pop(0)
            rules.move_to(number, position_of(self._place))
            self._take(event, number, rules)

    def end_faults(self, *, finished: bool) -> Iterator[Fault]:
        """S1 at the end: nobody is lost, nobody stands twice, and the CRM says the same."""
        asked = {task.queued.interaction_id for task in self.tasks.values()}
        ended = _named(self.history.interactions, InteractionEnded)
        for interaction_id in sorted(self._started - asked - ended):
            yield Fault("S1", "the end", f"{interaction_id} has started and no task was ever made of it")
        for interaction_id in sorted({message.interaction_id for message in self.history.accepted} - self._started):
            yield Fault("S1", "the end", f"{interaction_id} was accepted and has never started")
        for task_id, task in self.tasks.items():
            if finished and task.state not in TERMINAL:
                yield Fault("S1", "the end", f"{task_id} is still {task.state}")
        yield from self._crm_faults()

    def _crm_faults(self) -> Iterator[Fault]:
        kept = self.history.tables.crm_tasks
        for task_id, task in self.tasks.items():
            expected = "waiting" if task.state == "offered" else task.state
            if kept.get(task_id) != expected:
                yield Fault("S1", "table task of the CRM", f"{task_id} is {kept.get(task_id)}, not {expected}")
        for task_id in sorted(kept.keys() - self.tasks.keys()):
            yield Fault("S1", "table task of the CRM", f"{task_id} was never queued")

    def _take_over(self, number: int) -> None:
        """An epoch record makes every agent of the partition unconfirmed."""
        for (tenant_id, agent_id), agent in self._agents.items():
            if (tenant_id, agent_id) in self._domains.get(number, set()) and agent.presence == "present":
                agent.presence = "unconfirmed"

    def _take(self, event: Event, number: int, rules: Rules) -> None:
        match event.data:
            case TaskQueued() as data:
                self._queue(event.tenant_id, data)
            case AgentStateChanged() as data:
                self._agent(event.tenant_id, data.agent_id, number).state = data.state
            case AgentPresenceChanged() as data:
                self._agent(event.tenant_id, data.agent_id, number).presence = data.presence
            case ConfigurationApplied() | None:
                pass
            case OfferAccepted() as data:
                task = self.tasks.get(data.task_id)
                if task is not None and self._is_live(task, data):
                    task.accepted = True
            case data if type(data) in EDGES:
                self._change(event.tenant_id, data, rules)  # type: ignore[arg-type]  # the table's keys
            case _:
                pass

    def _queue(self, tenant_id: str, data: TaskQueued) -> None:
        if data.task_id in self.tasks:
            self._fault("S2", f"{data.task_id} was queued a second time")
            return
        if data.interaction_id not in self._started:
            self._fault("S1", f"{data.task_id} was made for {data.interaction_id}, which has never started")
        for task_id, other in self._open.items():
            if other.queued.interaction_id == data.interaction_id and other.state != "wrap-up":
                self._fault("S1", f"{data.interaction_id} is in {task_id}, which is {other.state}, and {data.task_id}")
        self.tasks[data.task_id] = self._open[data.task_id] = Task(tenant_id, data)

    def _change(self, tenant_id: str, data: TaskChanged, rules: Rules) -> None:
        task, kind = self.tasks.get(data.task_id), type(data).__name__
        before, after = EDGES[type(data)]
        if task is None:
            self._fault("S1", f"{kind} about {data.task_id}, which was never queued")
            return
        if task.state not in before:
            invariant: Invariant = "S3" if kind == "OfferIssued" and task.state not in TERMINAL else "S2"
            self._fault(invariant, f"{kind} makes {data.task_id} {after}, which is {task.state}")
        self._check_change(task, data)
        task.state = after
        if after in TERMINAL:
            self._open.pop(data.task_id, None)
        self._hold(task, data)
        if isinstance(data, OfferIssued):
            self._check_offer(tenant_id, task, data, rules)

    def _check_change(self, task: Task, data: TaskChanged) -> None:
        match data:
            case OfferRejected() | OfferExpired() | OfferRescinded():
                self._is_live(task, data)
            case TaskAssigned():
                if task.offer is None or not task.accepted or task.offer.offer_id != data.offer_id:
                    self._fault("S3", f"{data.task_id} was assigned by {data.offer_id}, which nobody accepted")
            case TaskRequeued() | WrapupStarted() | TaskCompleted():
                if task.assigned is None or task.assigned.assignment_id != data.assignment_id:
                    owner = task.assigned.assignment_id if task.assigned else "nobody"
                    self._fault("S3", f"{data.task_id} changed by {data.assignment_id}; its owner is {owner}")
            case _:
                pass

    def _is_live(self, task: Task, data: OfferOver) -> bool:
        live = task.offer
        if live is not None and (live.offer_id, live.agent_id) == (data.offer_id, data.agent_id):
            return True
        self._fault("S3", f"{type(data).__name__} of {data.offer_id}; the live offer is {live and live.offer_id}")
        return False

    def _hold(self, task: Task, data: TaskChanged) -> None:
        match data:
            case OfferIssued():
                task.offer, task.accepted, task.assigned = data, False, None
            case TaskAssigned():
                task.offer, task.assigned = None, data
                self.assignments.add((data.interaction_id, data.agent_id, data.assignment_id))
            case WrapupStarted():
                pass
            case _:
                task.offer, task.assigned = None, None

    def _check_offer(self, tenant_id: str, task: Task, offer: OfferIssued, rules: Rules) -> None:
        agent_id = offer.agent_id
        agent = self._agents.get((tenant_id, agent_id), Agent())
        if agent.state != "ready":
            self._fault("S5", f"{offer.offer_id} goes to {agent_id}, who is {agent.state}")
        if agent.presence != "present":
            self._fault("S5", f"{offer.offer_id} goes to {agent_id}, whose presence is {agent.presence}")
        configured = rules.agent(tenant_id, agent_id)
        if configured is None:
            self._fault("S5", f"{offer.offer_id} goes to {agent_id}, who is not configured")
            return
        for required in task.queued.requirements:
            level = configured.skills.get(required.skill, 0)
            if level < required.minimum:
                self._fault("S5", f"{offer.offer_id} needs {required.skill} {required.minimum}, {agent_id} has {level}")
        held = [each for each in self._open.values() if (each.tenant_id, each.holder) == (tenant_id, agent_id)]
        units = sum(each.queued.cost for each in held)
        if units > configured.capacity:
            self._fault("S4", f"{agent_id} holds {units} of {configured.capacity} units with {offer.offer_id}")

    def _agent(self, tenant_id: str, agent_id: str, number: int) -> Agent:
        self._domains.setdefault(number, set()).add((tenant_id, agent_id))
        return self._agents.setdefault((tenant_id, agent_id), Agent())

    def _fault(self, invariant: Invariant, text: str) -> None:
        self.faults.append(Fault(invariant, self._place, text))


def _named(interactions: Sequence[Stood], kind: type[InteractionStarted] | type[InteractionEnded]) -> set[str]:
    return {stood.event.data.interaction_id for stood in interactions if isinstance(stood.event.data, kind)}
