"""The checker of the invariants (design: S1 to S5 and S7): reads facts as any reader of the journal does.

Order and time are the ledger's (`router.testing.ledger`), which has them from the facts and the configuration.
"""

from dataclasses import dataclass, field
from typing import Final

from contracts.assignments import TransferChanged
from contracts.configuration import Domain
from contracts.offers import Decision, OfferIssued
from contracts.tasks import TaskQueued, TaskRerouted, TaskTransferredOut, WrapupStarted

from router.domain.facts import Fact
from router.domain.fold import fold
from router.domain.queue import QueueLine
from router.domain.snapshot import dump
from router.domain.state import DomainState, State
from router.domain.task import Task
from router.testing import naive_plans, oracle
from router.testing.ledger import Known, Ledger, ledger_of

_EDGES: Final[dict[str, set[str | None]]] = {
    "waiting": {None, "offered", "assigned"},
    "offered": {"waiting", "offered"},
    "assigned": {"offered"},
    "wrapup": {"assigned"},
    "completed": {"assigned", "wrapup"},
    "abandoned": {"waiting"},
    "transferred_out": {"waiting", "assigned", "wrapup"},
}
_TRANSFER_EDGES: Final[dict[str, set[str | None]]] = {
    "requested": {None, "consulting", "conference"},
    "consulting": {"requested"},
    "conference": {"consulting"},
    "completed": {"requested", "consulting", "conference"},
    "cancelled": {"requested", "consulting", "conference"},
    "failed": {"requested", "consulting", "conference"},
}
_TERMINAL: Final = frozenset({"completed", "abandoned", "transferred_out"})
_ENDS_AN_OFFER: Final = frozenset({"OfferRejected", "OfferExpired", "OfferRescinded", "OfferWithdrawn"})
_BECOMES: Final[dict[str, str]] = {
    "TaskQueued": "waiting",
    "OfferIssued": "offered",
    "TaskAssigned": "assigned",
    "TaskRequeued": "waiting",
    "TaskUnassigned": "waiting",
    "TaskTransferredOut": "transferred_out",
    "WrapupStarted": "wrapup",
    "TaskCompleted": "completed",
    "TaskAbandoned": "abandoned",
}


@dataclass(slots=True)
class Checker:
    """Folds what was decided from zero and raises AssertionError when an invariant of the design is broken."""

    state: State = field(default_factory=State)
    cases: int = 0
    """How many choices were held against the naive scan: offers made, and tasks that nobody is offered."""
    tasks: dict[str, str] = field(default_factory=dict)
    """State of each task ever made, by the facts alone."""
    transfers: dict[str, str] = field(default_factory=dict)
    """State of each transfer ever made, by the facts alone."""
    now_ms: int = 0
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    """By domain."""
    late: bool = False
    """Whether timers are due that nobody has run yet: an outage."""
    on_time_since_ms: int = 0
    """When the last outage was made up for."""

    def __post_init__(self) -> None:
        self.ledgers = {key: ledger_of(domain) for key, domain in self.state.domains.items()}

    def read(self, fact: Fact, now_ms: int) -> None:
        """Check the fact against the position that it stands at, then take it in."""
        data = fact.data
        self.now_ms = now_ms
        key = f"{fact.tenant_id}/{getattr(data, 'domain', '')}"
        book = self.ledgers.setdefault(key, Ledger(settings=Domain(id=key.partition("/")[2] or "none")))
        book.now_ms = now_ms
        if isinstance(data, OfferIssued):
            self._check_offer(book, self.state.domains[key], data)
        elif isinstance(data, TaskQueued):
            naive_plans.check_queued(book, self.state.domains[key], data, now_ms)
        elif isinstance(data, TaskRerouted):
            naive_plans.check_rerouted(book, self.state.domains[key], data, now_ms)
        if isinstance(data, WrapupStarted | TaskTransferredOut):
            self._check_handover(data)
        self._check_edge(data)
        if isinstance(data, TaskTransferredOut):
            assert data.to != "callback", "a callback is a task of the router"
        if isinstance(data, TransferChanged):
            before = self.transfers.get(data.transfer_id)
            assert before in _TRANSFER_EDGES[data.state], f"S2: transfer from {before} to {data.state}"
            self.transfers[data.transfer_id] = data.state
        book.read(data, now_ms)
        fold(self.state, fact, now_ms)
        if key in self.state.domains:
            book.forget_gone(self.state.domains[key])

    def check(self, live: State) -> None:
        """After an input: structure, work conservation, and that the live state is the fold."""
        for domain in self.state.domains.values():
            self._check_structure(domain)
            book = self.ledgers[domain.key]
            for task in domain.tasks.values():
                if oracle.seeks(book, task) and not domain.gates_deferred:
                    self.cases += 1
                    assert oracle.best_agent(book, domain, task) is None, (
                        f"{task.task_id} waits although somebody could take it"
                    )
        known = {task_id for domain in self.state.domains.values() for task_id in domain.tasks}
        assert known == {task_id for task_id, state in self.tasks.items() if state not in _TERMINAL}
        assert dump(live) == dump(self.state), "the live state is not the fold of the journal"

    def check_times(self) -> None:
        """Once every timer that is due has been run: nothing that time brings is overdue."""
        if self.late:
            self.late, self.on_time_since_ms = False, self.now_ms
        for domain in self.state.domains.values():
            book = self.ledgers[domain.key]
            over = [name for name, until_ms in book.backoffs.items() if until_ms <= self.now_ms]
            assert not over, f"{over} could get offers again"
            for task in domain.tasks.values():
                back = task.deferred_for != "parked" or task.deferred_until_ms is not None
                assert back or not domain.interactions[task.interaction_id].closed, f"{task.task_id} is parked for ever"
            for known in book.tasks.values():
                over = [name for name, until_ms in known.refused.items() if until_ms <= self.now_ms]
                assert not over, f"{over} could be offered {known.task_id} again"
                task = domain.tasks[known.task_id]
                if task.state in {"waiting", "offered"} and known.deferred_for is None:
                    self._check_step(book, domain, known)

    def _check_step(self, book: Ledger, domain: DomainState, known: Known) -> None:
        """A step waits for the end of the live offers, and for nothing else."""
        if not known.offers:
            due_at_ms = book.due_at_ms(known)
            assert due_at_ms is None or due_at_ms > self.now_ms, f"a step of {known.task_id} is overdue"
            naive_plans.check_waiting(book, domain, known, self.now_ms)
        elif known.terms.next_step_at_ms is not None:
            since_ms = max(known.terms.next_step_at_ms, self.on_time_since_ms)
            longest_ms = max(offer.expires_at_ms - offer.issued_at_ms for offer in known.offers.values())
            assert self.now_ms - since_ms <= longest_ms, f"a step of {known.task_id} is put off by offer after offer"

    def _check_offer(self, book: Ledger, domain: DomainState, offer: OfferIssued) -> None:
        task, agent = domain.tasks[offer.task_id], domain.agents[offer.agent_id]
        reason = oracle.exclusion(book, domain, agent, task)
        self.cases += 1
        assert not domain.gates_deferred, f"S7: {task.task_id} is offered while who waits at a gate is yet to be served"
        assert reason is None, f"S4, S5: {agent.agent_id} {reason}"
        mine = book.tasks[task.task_id]
        assert oracle.in_line(book, task), f"{task.task_id} does not seek an agent"
        assert not mine.is_held(self.now_ms), f"{task.task_id} is offered to one more although a step is due"
        due_at_ms = mine.terms.next_step_at_ms
        on_time = due_at_ms is None or due_at_ms >= self.now_ms
        assert on_time or self.late, f"{task.task_id} is offered before a step that is due"
        first_agent = oracle.best_agent(book, domain, task) == agent.agent_id
        first_task = oracle.best_task(book, domain, agent) == task.task_id
        match offer.decision.rule:
            case "priority_longest_waiting":
                assert first_task, "another task is before in line"
            case "gate_opened":
                assert first_agent or first_task, "neither the agent nor the task comes first"
            case _:
                assert first_agent, "another agent ranks before"
        for other in domain.tasks.values():
            theirs = book.tasks[other.task_id]
            if oracle.seeks(book, other) and _alike(theirs) == _alike(mine):
                before = (theirs.order_ms, other.task_id) < (mine.order_ms, task.task_id)
                overtaken = before and oracle.exclusion(book, domain, agent, other) is None
                assert not overtaken, f"S7: {task.task_id} overtakes {other.task_id}"
        self._check_census(book, domain, task, offer.decision)

    def _check_census(self, book: Ledger, domain: DomainState, task: Task, decision: Decision) -> None:
        assert (decision.agents, decision.eligible, decision.excluded) == oracle.census(book, domain, task)

    def _check_edge(self, data: object) -> None:
        name = type(data).__name__
        if name not in _BECOMES and name not in _ENDS_AN_OFFER:
            return
        task_id: str = data.task_id  # type: ignore[attr-defined]  # every type in _BECOMES has one
        becomes = _BECOMES.get(name) or self._without_an_offer(task_id)
        before = self.tasks.get(task_id)
        assert before in _EDGES[becomes], f"S2: {task_id} from {before} to {becomes}"
        assert isinstance(data, TaskQueued) == (before is None), f"{task_id} was made twice, or never"
        self.tasks[task_id] = becomes

    def _check_handover(self, data: WrapupStarted | TaskTransferredOut) -> None:
        """S1: a task makes way only for one that lives, or (at the end of a wrap-up) did so when it was handed over."""
        if isinstance(data, WrapupStarted):
            heir = data.handed_over_to
        else:
            assert (data.to == "handed_over") == (data.to_task_id is not None)
            heir = data.to_task_id if self.tasks[data.task_id] != "wrapup" else None
        assert heir is None or self.tasks[heir] not in _TERMINAL, f"S1: {data.task_id} makes way for one that has ended"

    def _without_an_offer(self, task_id: str) -> str:
        """Offered to others still, or not any more."""
        [task] = [domain.tasks[task_id] for domain in self.state.domains.values() if task_id in domain.tasks]
        return "offered" if len(task.offers) > 1 else "waiting"

    def _check_interactions(self, domain: DomainState) -> None:
        """S1: an open interaction waits parked, has one task that waits or is served, or had one that is over."""
        live: dict[str, list[str]] = {name: [] for name in domain.interactions}
        for task in domain.tasks.values():
            if task.state != "wrapup" and task.transfer is None:
                live[task.interaction_id].append(task.task_id)
        for name, interaction in domain.interactions.items():
            assert live[name] == ([interaction.task_id] if interaction.task_id else [])
            places = len(live[name]) + (name in domain.parked)
            assert places <= 1, f"S1: {name} is in {places} places"
            assert places == 1 or interaction.closed or interaction.tasks_made > 0, f"S1: {name} is lost"
            main = domain.tasks[interaction.task_id] if interaction.task_id else None
            called = main is not None and main.kind != "contact"  # nobody waits on the line
            assert not (interaction.closed and places) or called, f"{name} has ended and still waits"

    def _check_transfers(self, domain: DomainState) -> None:
        """S3: a transfer's task stands beside one that is assigned to its owner; no task has two of them."""
        open_ones = {task.task_id: task.transfer for task in domain.tasks.values() if task.transfer is not None}
        assert sorted(task.task_id for task in domain.transfers.values()) == sorted(open_ones)
        for task_id, origin in open_ones.items():
            task, first = domain.tasks[task_id], domain.tasks[origin.from_task_id]
            assert domain.transfers[first.task_id] is task, f"{first.task_id} has two transfers"
            assert first.transfer is None
            assert first.state == "assigned", f"{first.task_id} is {first.state} while {task_id} is open"
            assert first.role == "owner"
            assert first.assigned is not None
            assert first.assigned.assignment_id == origin.from_assignment_id
            assert domain.interactions[task.interaction_id].task_id == first.task_id
            assert task.state != "wrapup"
            assert task.queued_at_ms == first.queued_at_ms, f"{task_id} has lost its place"
            assert (task.state == "assigned") == (self.transfers[task_id] in {"consulting", "conference"})
            if task.assigned is not None:
                assert task.role == {"consulting": "consultant", "conference": "participant"}[self.transfers[task_id]]
                assert task.assigned.agent_id != origin.from_agent_id
            else:
                assert origin.from_agent_id not in task.offers, f"{task_id} is offered to its owner"
                alone = () if origin.to_agent_id is None else (origin.to_agent_id,)
                assert alone in {(), task.terms.agents}, f"{task_id} asks {alone} and waits for {task.terms.agents}"
                assert (origin.target == "agent") == bool(alone)
        for task_id, state in self.transfers.items():
            assert (task_id in open_ones) == (state in {"requested", "consulting", "conference"})
        for task in domain.tasks.values():
            if task.assigned is not None and task.transfer is None:
                assert task.role == "owner", f"S3: {task.task_id} has no owner"

    def _check_structure(self, domain: DomainState) -> None:
        """S1 and S3: each task stands in exactly the places that its state implies."""
        self._check_interactions(domain)
        self._check_transfers(domain)
        holders: dict[str, set[str]] = {}
        for task in domain.tasks.values():
            assert task.state == self.tasks[task.task_id]
            assert bool(task.offers) == (task.state == "offered")
            assert len(task.offers) <= task.parallel_offers, f"S3: {task.task_id} has {len(task.offers)} offers"
            assert (task.assigned is not None) == (task.state in {"assigned", "wrapup"})
            assert (task.wrapup is not None) == (task.state == "wrapup")
            assert task.in_line == oracle.in_line(self.ledgers[domain.key], task)
            assert task.respond_by_ms is None or task.state == "assigned", f"{task.task_id} is to be answered"
            assert task.counted or task.state == "assigned", f"{task.task_id} is not counted though {task.state}"
            owners = [*task.offers, *([task.assigned.agent_id] if task.assigned else [])]
            for agent_id in owners:
                holders.setdefault(agent_id, set()).add(task.task_id)
        for agent in domain.agents.values():
            assert agent.tasks.keys() == holders.pop(agent.agent_id, set())
            assert agent.held == oracle.held(agent, interruptible=False), f"{agent.agent_id} holds {agent.held}"
            assert agent.held_interruptible == oracle.held(agent, interruptible=True)
            assert agent.pending is None or agent.tasks, f"{agent.agent_id} holds nothing, and a state is still pending"
            leaves = agent.pending is not None and agent.pending.clocks_out
            assert agent.clocked_in or not leaves, f"{agent.agent_id} is to be clocked out, and is out"
        assert not holders
        by_state = {state: sum(task.state == state for task in domain.tasks.values()) for state in _EDGES}
        assert len(domain.offers) == sum(len(task.offers) for task in domain.tasks.values())
        assert len(domain.assignments) == by_state["assigned"] + by_state["wrapup"]
        for state in ("waiting", "offered", "assigned", "wrapup"):
            assert sum(line.counts[state] for line in domain.queues.values()) == by_state[state]
        assert domain.queue_names == sorted(name for name, line in domain.queues.items() if not line.removed)
        for line in domain.queues.values():
            self._check_line(domain, line)

    def _check_line(self, domain: DomainState, line: QueueLine) -> None:
        """Who waits in the queue, and that nobody is forgotten by its override or its opening."""
        tasks = [task for task in domain.tasks.values() if task.queue == line.queue and task.state == "waiting"]
        standing = {task.task_id for task in tasks if task.deferred_for is None}
        shut = {task.task_id for task in tasks if task.deferred_for == "closed"}
        assert line.waiting == len(standing)
        assert {task_id for bucket in line.lines.values() for task_id in bucket.keys} == standing
        assert line.shut.keys.keys() == shut
        sweeping = line.sweeps_at_ms is not None
        assert sweeping or all(domain.tasks[task_id].era == line.era for task_id in standing)
        assert sweeping or all(
            (task := domain.tasks[task_id]).priority == line.effective(task.base_priority, fixed=task.priority_fixed)
            for task_id in standing
        )
        overdue = self.late and line.opens_at_ms is not None and line.opens_at_ms <= self.now_ms
        looks = sweeping or overdue or line.opens_at_ms == domain.opens_at_ms(line, self.now_ms)
        assert not shut or looks, f"nobody looks when {line.queue} opens"
        assert bool(line.watched or line.alerts) == (line.queue in domain.alerting)


def _alike(task: Known) -> tuple[object, ...]:
    """Nobody of the same queue, band, priority and client is overtaken (S7)."""
    return (task.queue, task.terms.band, task.terms.longest_wait, task.priority, task.client)
