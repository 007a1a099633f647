"""The checker of the invariants (design: S1 to S5 and S7): reads facts as any reader of the journal does."""

from dataclasses import dataclass, field
from typing import Final

from contracts.offers import Decision, OfferIssued
from contracts.tasks import TaskQueued

from router.domain.facts import Fact
from router.domain.fold import fold
from router.domain.match import CHOOSES_AGENT
from router.domain.snapshot import dump
from router.domain.state import DomainState, State
from router.domain.task import Task
from router.testing import oracle

_EDGES: Final[dict[str, set[str | None]]] = {
    "waiting": {None, "offered", "assigned"},
    "offered": {"waiting"},
    "assigned": {"offered"},
    "wrapup": {"assigned"},
    "completed": {"assigned", "wrapup"},
    "abandoned": {"waiting"},
}
_TERMINAL: Final = frozenset({"completed", "abandoned"})
_BECOMES: Final[dict[str, str]] = {
    "TaskQueued": "waiting",
    "OfferIssued": "offered",
    "OfferRejected": "waiting",
    "OfferExpired": "waiting",
    "OfferRescinded": "waiting",
    "TaskAssigned": "assigned",
    "TaskRequeued": "waiting",
    "WrapupStarted": "wrapup",
    "TaskCompleted": "completed",
    "TaskAbandoned": "abandoned",
}


@dataclass(slots=True)
class Checker:
    """Folds what was decided from zero and raises AssertionError when an invariant of the design is broken."""

    state: State = field(default_factory=State)
    tasks: dict[str, str] = field(default_factory=dict)
    """State of each task ever made, by the facts alone."""

    def read(self, fact: Fact, now_ms: int) -> None:
        """Check the fact against the position that it stands at, then take it in."""
        data = fact.data
        if isinstance(data, OfferIssued):
            self._check_offer(self.state.domains[f"{fact.tenant_id}/{data.domain}"], data)
        self._check_edge(data)
        fold(self.state, fact, now_ms)

    def check(self, live: State) -> None:
        """After an input: structure, work conservation, and that the live state is the fold."""
        for domain in self.state.domains.values():
            self._check_structure(domain)
            for task in domain.tasks.values():
                if task.state == "waiting":
                    assert oracle.best_agent(domain, task) is None, (
                        f"{task.task_id} waits although somebody could take it"
                    )
        known = {task_id for domain in self.state.domains.values() for task_id in domain.tasks}
        assert known == {task_id for task_id, state in self.tasks.items() if state not in _TERMINAL}
        assert dump(live) == dump(self.state), "the live state is not the fold of the journal"

    def _check_offer(self, domain: DomainState, offer: OfferIssued) -> None:
        task, agent = domain.tasks[offer.task_id], domain.agents[offer.agent_id]
        assert oracle.exclusion(agent, task) is None, f"S4, S5: {agent.agent_id} {oracle.exclusion(agent, task)}"
        if offer.decision.rule == CHOOSES_AGENT:
            assert oracle.best_agent(domain, task) == agent.agent_id, "another agent ranks before"
        else:
            assert oracle.best_task(domain, agent) == task.task_id, "another task is before in line"
        for other in domain.tasks.values():
            if other.state == "waiting" and (other.queue, other.priority) == (task.queue, task.priority):
                overtaken = other.place < task.place and oracle.exclusion(agent, other) is None
                assert not overtaken, f"S7: {task.task_id} overtakes {other.task_id}"
        self._check_census(domain, task, offer.decision)

    def _check_census(self, domain: DomainState, task: Task, decision: Decision) -> None:
        assert (decision.agents, decision.eligible, decision.excluded) == oracle.census(domain, task)

    def _check_edge(self, data: object) -> None:
        becomes = _BECOMES.get(type(data).__name__)
        if becomes is None:
            return
        task_id: str = data.task_id  # type: ignore[attr-defined]  # every type in _BECOMES has one
        before = self.tasks.get(task_id)
        assert before in _EDGES[becomes], f"S2: {task_id} from {before} to {becomes}"
        assert isinstance(data, TaskQueued) == (before is None), f"{task_id} was made twice, or never"
        self.tasks[task_id] = becomes

    def _check_interactions(self, domain: DomainState) -> None:
        """S1: an open interaction waits parked, has one task that waits or is served, or had one that is over."""
        live: dict[str, list[str]] = {name: [] for name in domain.interactions}
        for task in domain.tasks.values():
            if task.state != "wrapup":
                live[task.interaction_id].append(task.task_id)
        for name, interaction in domain.interactions.items():
            assert live[name] == ([interaction.task_id] if interaction.task_id else [])
            places = len(live[name]) + (name in domain.parked)
            assert places <= 1, f"S1: {name} is in {places} places"
            assert places == 1 or interaction.closed or interaction.tasks_made > 0, f"S1: {name} is lost"
            assert not (interaction.closed and places), f"{name} has ended and still waits"

    def _check_structure(self, domain: DomainState) -> None:
        """S1 and S3: each task stands in exactly the places that its state implies."""
        self._check_interactions(domain)
        held: dict[str, int] = dict.fromkeys(domain.agents, 0)
        for task in domain.tasks.values():
            assert task.state == self.tasks[task.task_id]
            assert (task.offer is not None) == (task.state == "offered")
            assert (task.assigned is not None) == (task.state in {"assigned", "wrapup"})
            assert (task.wrapup is not None) == (task.state == "wrapup")
            owner = task.offer or task.assigned
            if owner is not None:
                held[owner.agent_id] += task.cost
        for agent in domain.agents.values():
            assert agent.held == held[agent.agent_id], f"{agent.agent_id} holds {agent.held}"
        by_state = {state: sum(task.state == state for task in domain.tasks.values()) for state in _EDGES}
        assert len(domain.offers) == by_state["offered"]
        assert len(domain.assignments) == by_state["assigned"] + by_state["wrapup"]
        for state in ("waiting", "offered", "assigned", "wrapup"):
            assert sum(line.counts[state] for line in domain.queues.values()) == by_state[state]
