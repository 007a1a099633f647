"""S1 to S5 at every journal position, by the public routing events alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts import Event
from contracts.assignments import (
    AssignmentCapacityChanged,
    AssignmentConnected,
    AssignmentHeld,
    AssignmentRetrieved,
    AssignmentRoleChanged,
    TransferChanged,
)
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
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

from centralino.proof.faults import Fault, Invariant
from centralino.proof.fitness import Wants, misfits, overloads, wants_of
from centralino.proof.history import History, Stood
from centralino.proof.journal import Position, epochs, position_of, seen
from centralino.proof.rules import Rules
from centralino.proof.standing import Standings
from centralino.proof.transfers import Transfers

TERMINAL: Final = frozenset({"completed", "abandoned", "transferred-out"})
SEEKING: Final = frozenset({"waiting", "offered"})
OWNED: Final = frozenset({"assigned", "wrap-up"})
EDGES: Final[Mapping[type, tuple[frozenset[str], str | None]]] = {
    OfferIssued: (SEEKING, "offered"),
    OfferRejected: (frozenset({"offered"}), "waiting"),
    OfferExpired: (frozenset({"offered"}), "waiting"),
    OfferRescinded: (frozenset({"offered"}), "waiting"),
    OfferWithdrawn: (frozenset({"offered"}), "waiting"),
    TaskRerouted: (SEEKING, None),
    TaskDeferred: (frozenset({"waiting"}), None),
    TaskResumed: (frozenset({"waiting"}), None),
    TaskAssigned: (frozenset({"offered"}), "assigned"),
    AssignmentConnected: (frozenset({"assigned"}), None),
    AssignmentHeld: (frozenset({"assigned"}), None),
    AssignmentRetrieved: (frozenset({"assigned"}), None),
    AssignmentCapacityChanged: (OWNED, None),
    AssignmentRoleChanged: (frozenset({"assigned"}), None),
    TaskRequeued: (frozenset({"assigned"}), "waiting"),
    TaskUnassigned: (frozenset({"assigned"}), "waiting"),
    WrapupStarted: (frozenset({"assigned"}), "wrap-up"),
    TaskCompleted: (OWNED, "completed"),
    TaskAbandoned: (frozenset({"waiting"}), "abandoned"),
    TaskTransferredOut: (frozenset({"waiting", *OWNED}), "transferred-out"),
}
"""From which states an event may come, and to which it leads: none leaves it (design: section 1 and S2).

A task that loses one of several live offers stays offered.
"""

OfferLost = OfferRejected | OfferExpired | OfferRescinded | OfferWithdrawn
OfAnAssignment = (
    AssignmentConnected
    | AssignmentHeld
    | AssignmentRetrieved
    | AssignmentCapacityChanged
    | AssignmentRoleChanged
    | TaskRequeued
    | TaskUnassigned
    | WrapupStarted
    | TaskCompleted
)
TaskChanged = (
    OfferIssued
    | OfferLost
    | TaskRerouted
    | TaskDeferred
    | TaskResumed
    | TaskAssigned
    | OfAnAssignment
    | TaskAbandoned
    | TaskTransferredOut
)


@dataclass(slots=True)
class Task:
    """A task by its events."""

    tenant_id: str
    queued: TaskQueued
    wants: Wants
    offers_max: int
    """At once, by its queue when it came there."""
    state: str = "waiting"
    deferred_for: str | None = None
    offers: dict[str, OfferIssued] = field(default_factory=dict)
    """The live ones, by id."""
    accepted: str | None = None
    assigned: TaskAssigned | None = None
    on_hold: bool = False

    @property
    def holders(self) -> list[str]:
        """The agents whose capacity it takes."""
        owner = [self.assigned.agent_id] if self.assigned else []
        return owner + [offer.agent_id for offer in self.offers.values()]


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
    _standings: Standings = field(default_factory=Standings)
    _transfers: Transfers = field(default_factory=Transfers)
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
                self._standings.take_over(number)
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

    def _take(self, event: Event, number: int, rules: Rules) -> None:
        match event.data:
            case TaskQueued() as data:
                self._queue(event.tenant_id, data, rules)
            case OfferAccepted() as data:
                task = self.tasks.get(data.task_id)
                if task is not None and self._is_live(task, data):
                    task.accepted = data.offer_id
            case TransferChanged() as data:
                for wrong in self._transfers.take(data):
                    self._fault("S2", wrong)
            case data if type(data) in EDGES:
                self._change(event.tenant_id, data, rules)  # type: ignore[arg-type]  # the table's keys
            case data:
                self._standings.take(event.tenant_id, data, number)

    def _queue(self, tenant_id: str, data: TaskQueued, rules: Rules) -> None:
        if data.task_id in self.tasks:
            self._fault("S2", f"{data.task_id} was queued a second time")
            return
        if data.kind == "contact" and data.interaction_id not in self._started:
            self._fault("S1", f"{data.task_id} was made for {data.interaction_id}, which has never started")
        if data.transfer is None:
            for task_id, other in self._open.items():
                if other.queued.interaction_id == data.interaction_id and other.state != "wrap-up":
                    self._fault(
                        "S1", f"{data.interaction_id} is in {task_id}, which is {other.state}, and {data.task_id}"
                    )
        else:
            self._check_transfer(data)
            self._transfers.origins[data.task_id] = data.transfer
        interruptible = data.channel in rules.domain(tenant_id, data.domain).interruptible
        self.tasks[data.task_id] = self._open[data.task_id] = Task(
            tenant_id=tenant_id,
            queued=data,
            wants=wants_of(data, interruptible=interruptible),
            offers_max=self._offers_max(tenant_id, data.domain, data.queue, rules),
            deferred_for=data.deferred_for,
        )

    def _check_transfer(self, data: TaskQueued) -> None:
        """The old owner stays until the new one accepts."""
        origin = data.transfer
        first = self.tasks.get(origin.from_task_id) if origin else None
        if origin is None or first is None or first.queued.interaction_id != data.interaction_id:
            self._fault("S1", f"{data.task_id} is a transfer of no task of {data.interaction_id}")
        elif first.assigned is None or first.assigned.assignment_id != origin.from_assignment_id:
            self._fault("S3", f"{data.task_id} is a transfer from {origin.from_assignment_id}, which is nobody's")

    @staticmethod
    def _offers_max(tenant_id: str, domain: str, queue: str, rules: Rules) -> int:
        configured = rules.queue(tenant_id, domain, queue)
        return configured.parallel_offers if configured else 1

    def _change(self, tenant_id: str, data: TaskChanged, rules: Rules) -> None:
        task, kind = self.tasks.get(data.task_id), type(data).__name__
        before, after = EDGES[type(data)]
        if task is None:
            self._fault("S1", f"{kind} about {data.task_id}, which was never queued")
            return
        if task.state not in before:
            invariant: Invariant = "S3" if kind == "OfferIssued" and task.state not in TERMINAL else "S2"
            what = f"changes {data.task_id}" if after is None else f"makes {data.task_id} {after}"
            self._fault(invariant, f"{kind} {what}, which is {task.state}")
        self._check_change(task, data)
        if isinstance(data, OfferIssued):
            self._check_offer(tenant_id, task, data, rules)
        self._hold(task, data)
        if isinstance(data, TaskRerouted):
            task.wants.reroute(data)
            if data.queue != data.from_queue:
                task.offers_max = self._offers_max(tenant_id, data.domain, data.queue, rules)
        if after is not None:
            task.state = "offered" if task.offers and after == "waiting" else after
        if after in TERMINAL:
            self._open.pop(data.task_id, None)

    def _check_change(self, task: Task, data: TaskChanged) -> None:
        match data:
            case OfferRejected() | OfferExpired() | OfferRescinded() | OfferWithdrawn():
                self._is_live(task, data)
            case TaskAssigned():
                if task.accepted != data.offer_id or data.offer_id not in task.offers:
                    self._fault("S3", f"{data.task_id} was assigned by {data.offer_id}, which nobody accepted")
                for offer_id in sorted(task.offers.keys() - {data.offer_id}):
                    self._fault("S3", f"{data.task_id} was assigned while {offer_id} was live")
            case TaskResumed():
                if task.deferred_for is None:
                    self._fault("S2", f"{data.task_id} was resumed and was not deferred")
            case OfferIssued() | TaskRerouted() | TaskDeferred() | TaskAbandoned():
                pass
            case _:
                self._check_assignment(task, data)

    def _check_assignment(self, task: Task, data: OfAnAssignment | TaskTransferredOut) -> None:
        if data.assignment_id is not None or task.assigned is not None:
            owner = task.assigned.assignment_id if task.assigned else "nobody"
            if owner != data.assignment_id:
                self._fault("S3", f"{data.task_id} changed by {data.assignment_id}; its owner is {owner}")
        if isinstance(data, AssignmentHeld | AssignmentRetrieved) and isinstance(data, AssignmentHeld) == task.on_hold:
            how = "on hold" if task.on_hold else "not on hold"
            self._fault("S2", f"{type(data).__name__} of {data.assignment_id}, which is {how}")

    def _is_live(self, task: Task, data: OfferAccepted | OfferLost) -> bool:
        live = task.offers.get(data.offer_id)
        if live is not None and live.agent_id == data.agent_id:
            return True
        self._fault("S3", f"{type(data).__name__} of {data.offer_id}; the live offer is {', '.join(task.offers)}")
        return False

    def _hold(self, task: Task, data: TaskChanged) -> None:
        match data:
            case OfferIssued():
                task.offers[data.offer_id], task.assigned = data, None
            case OfferRejected() | OfferExpired() | OfferRescinded() | OfferWithdrawn():
                task.offers.pop(data.offer_id, None)
            case TaskAssigned():
                task.offers, task.assigned, task.accepted = {}, data, None
                self.assignments.add((data.interaction_id, data.agent_id, data.assignment_id))
            case TaskDeferred():
                task.deferred_for = data.reason
            case TaskResumed():
                task.deferred_for = None
            case AssignmentCapacityChanged():
                task.wants.counted = data.counted
            case AssignmentHeld() | AssignmentRetrieved():
                task.on_hold = isinstance(data, AssignmentHeld)
            case TaskRequeued() | TaskUnassigned() | TaskCompleted() | TaskAbandoned() | TaskTransferredOut():
                task.offers, task.assigned, task.on_hold, task.wants.counted = {}, None, False, True
            case _:
                pass

    def _check_offer(self, tenant_id: str, task: Task, offer: OfferIssued, rules: Rules) -> None:
        """The offer is judged as it is issued; `task` stands as it did before."""
        agent_id, name = offer.agent_id, offer.offer_id
        if task.deferred_for is not None:
            self._fault("S2", f"{name} offers {offer.task_id}, deferred for {task.deferred_for}")
        if len(task.offers) >= task.offers_max:
            live = len(task.offers) + 1
            self._fault("S3", f"{offer.task_id} has {live} offers with {name}, its queue allows {task.offers_max}")
        if agent_id in (each.agent_id for each in task.offers.values()):
            self._fault("S3", f"{name} goes to {agent_id}, who has {offer.task_id} offered already")
        configured = rules.agent(tenant_id, agent_id)
        for bar in self._standings.bars(tenant_id, offer):
            self._fault("S5", f"{name} {bar}")
        if configured is None:
            self._fault("S5", f"{name} goes to {agent_id}, who is not configured")
            return
        for misfit in misfits(configured, task.wants):
            self._fault("S5", f"{name} {misfit}")
        held = [each.wants for each in self._open.values() if each.tenant_id == tenant_id and agent_id in each.holders]
        for overload in overloads(configured, task.wants, held):
            self._fault("S4", f"{overload} with {name}")

    def _fault(self, invariant: Invariant, text: str) -> None:
        self.faults.append(Fault(invariant, self._place, text))


def _named(interactions: Sequence[Stood], kind: type[InteractionStarted] | type[InteractionEnded]) -> set[str]:
    return {stood.event.data.interaction_id for stood in interactions if isinstance(stood.event.data, kind)}
