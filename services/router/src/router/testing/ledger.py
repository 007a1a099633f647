"""What the journal says of tasks, refusals and back-offs, kept by the facts and the configuration alone.

Said again on purpose, naively, from the documents and not from the domain's code, so that the order of tasks, their
plans and their times can be checked against something else than themselves. Sources: docs/agents.md (who is not offered
what, and how long), docs/configuration.md and docs/callbacks.md (plans, what counts from when), docs/transfers.md,
decision 0021 (the order of tasks).
"""

from dataclasses import dataclass, field, replace
from typing import Final

from contracts.agents import AgentBackedOff, AgentStateChanged
from contracts.assignments import TransferChanged
from contracts.configuration import Domain
from contracts.offers import (
    OfferExpired,
    OfferIssued,
    OfferRejected,
    OfferRescinded,
    OfferWithdrawn,
)
from contracts.queues import QueueOverridden
from contracts.routing_parts import Plan, Queue, Step
from contracts.rules import Rule
from contracts.tasks import (
    DeferredFor,
    Origin,
    Requirement,
    TaskAssigned,
    TaskDeferred,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskResumed,
    TaskUnassigned,
    Terms,
)

from router.domain.internal import (
    BackoffLapsed,
    ConfigurationPartApplied,
    ConfigurationRecordApplied,
    RefusalLapsed,
    TaskHeldForStep,
)
from router.domain.state import DomainState

MORE_THAN_ANY_WAIT_MS: Final = 2**43
Ended = OfferRejected | OfferExpired | OfferRescinded | OfferWithdrawn


@dataclass(slots=True, kw_only=True)
class Known:
    """A task, by what was said of it."""

    task_id: str
    queue: str
    client: str
    requested: bool
    priority: int
    base_priority: int
    fixed: bool
    """Whether overrides of its queue leave its priority alone."""
    requirements: tuple[Requirement, ...]
    terms: Terms
    order_ms: int
    parallel_offers: int
    queued_at_ms: int
    entered_at_ms: int
    """The steps of the plan count from here."""
    opened_at_ms: int = 0
    given_at_ms: int | None = None
    """When a supervisor, or its return to who parked it, left it to one agent."""
    last_agent_id: str | None = None
    transfer: Origin | None = None
    deferred_for: DeferredFor | None = None
    deferred_at_ms: int = 0
    offers: dict[str, OfferIssued] = field(default_factory=dict)
    """The live ones, by agent."""
    refused: dict[str, int] = field(default_factory=dict)
    """By agent: until when it is not offered to them again."""
    held_for_step: bool = False
    """Out of line, as a step is due while it is offered."""

    @property
    def since_ms(self) -> int:
        """The longest wait counts from here."""
        return max(self.queued_at_ms, self.opened_at_ms)

    def overdue(self, now_ms: int) -> bool:
        """Whether the step is due that was to come when it was put on its terms."""
        return self.terms.next_step_at_ms is not None and self.terms.next_step_at_ms <= now_ms

    def is_held(self, now_ms: int) -> bool:
        """Whether it is offered to nobody else: the live offers come to their end, then a step, then others."""
        return bool(self.offers) and self.overdue(now_ms)

    def begins(self, now_ms: int) -> None:
        """Its plan counts from now; when the next step comes is not told yet."""
        self.entered_at_ms = now_ms
        self.terms = replace(self.terms, next_step_at_ms=None)

    def taken(self, agent_id: str) -> None:
        """The agent has accepted; to whom it was given have had it, should it come back."""
        del self.offers[agent_id]
        self.held_for_step = False
        if self.given_at_ms is not None:
            self.given_at_ms, self.terms = None, replace(self.terms, agents=(), agents_until_ms=None)

    @property
    def planned(self) -> bool:
        """A transfer to one agent, or for certain skills, asks for these and for nothing less."""
        return self.transfer is None or self.transfer.target not in {"agent", "skills"}


@dataclass(slots=True)
class Ledger:
    """One domain; `read` takes each fact in, in order."""

    settings: Domain
    queues: dict[str, Queue] = field(default_factory=dict)
    """Also those that are removed: their tasks still wait by what was configured last."""
    plans: dict[str, Plan] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    overrides: dict[str, int] = field(default_factory=dict)
    """By queue: the priority that a supervisor's override names."""
    tasks: dict[str, Known] = field(default_factory=dict)
    backoffs: dict[str, int] = field(default_factory=dict)
    """By agent: until when no offer comes at all."""
    agents_ready: set[str] = field(default_factory=set)
    now_ms: int = 0
    """Of the fact that is read."""

    # What is asked of it

    def steps(self, task: Known) -> list[Step]:
        """All steps that the queue's plan has for the task."""
        plan = self.plans.get(self.queues[task.queue].plan or "")
        return plan.steps if plan is not None and task.planned else []

    def due_at_ms(self, task: Known) -> int | None:
        """When time next changes the terms on which it waits."""
        at_ms = [] if task.terms.agents_until_ms is None else [task.terms.agents_until_ms]
        at_ms += [task.entered_at_ms + step.after_seconds * 1000 for step in self.steps(task)[task.terms.step :][:1]]
        longest_seconds = self.settings.longest_wait_seconds
        if longest_seconds is not None and not task.terms.longest_wait:
            at_ms.append(task.since_ms + longest_seconds * 1000)
        return min(at_ms, default=None)

    def effective(self, queue: str, base_priority: int, *, fixed: bool) -> int:
        """The priority with what an override adds to it or takes from it."""
        if fixed or queue not in self.overrides:
            return base_priority
        return min(9, max(0, base_priority + self.overrides[queue] - self.queues[queue].priority))

    def order_ms(self, queue: str, queued_at_ms: int, priority: int) -> int:
        """When it should be answered, less what its priority is worth."""
        level = self.queues[queue].service_level
        aging_seconds = self.settings.aging_seconds_per_priority
        point_ms = MORE_THAN_ANY_WAIT_MS if aging_seconds is None else aging_seconds * 1000
        return queued_at_ms + (1000 * level.within_seconds if level else 0) - priority * point_ms

    # Taking in

    def read(self, data: object, now_ms: int) -> None:
        """What the fact says; what it says of terms has been checked (`router.testing.naive_plans`)."""
        match data:
            case ConfigurationRecordApplied() | ConfigurationPartApplied():
                self._configured(data)
            case QueueOverridden():
                self.overrides.pop(data.queue, None)
                if data.priority is not None:
                    self.overrides[data.queue] = data.priority
            case AgentStateChanged() | AgentBackedOff() | BackoffLapsed() | RefusalLapsed():
                self._of_agent(data, now_ms)
            case TransferChanged():
                if data.state == "completed":
                    self._handed_over(self.tasks[data.transfer_id], data)
            case OfferIssued():
                self.tasks[data.task_id].offers[data.agent_id] = data
            case OfferRejected() | OfferExpired() | OfferRescinded() | OfferWithdrawn():
                self._offer_ended(data, now_ms)
            case _:
                self._of_task(data, now_ms)

    def forget_gone(self, known: DomainState) -> None:
        """Of agents and tasks that are gone nothing is remembered."""
        for task_id in self.tasks.keys() - known.tasks.keys():
            del self.tasks[task_id]
        for agent_id in self.backoffs.keys() - known.agents.keys():
            del self.backoffs[agent_id]
        self.agents_ready &= known.agents.keys()
        for task in self.tasks.values():
            for agent_id in task.refused.keys() - known.agents.keys():
                del task.refused[agent_id]

    def _configured(self, data: ConfigurationRecordApplied | ConfigurationPartApplied) -> None:
        part = data.part if isinstance(data, ConfigurationPartApplied) else data.record
        name = part.id.rpartition("/")[2]
        value = part.value if part.domain in {None, data.domain} else None
        if part.kind == "domain" and value is not None:
            self.settings = Domain.model_validate(value, extra="ignore")
        elif part.kind == "queue" and value is not None:
            self.queues[name] = Queue.model_validate(value, extra="ignore")
        elif part.kind == "plan":
            self.plans.pop(name, None)
            if value is not None:
                self.plans[name] = Plan.model_validate(value, extra="ignore")
        elif part.kind == "rules":
            listed = value.get("rules") if value else None
            self.rules = [Rule.model_validate(rule) for rule in listed] if isinstance(listed, list) else []

    def _of_agent(self, data: AgentStateChanged | AgentBackedOff | BackoffLapsed | RefusalLapsed, now_ms: int) -> None:
        if isinstance(data, RefusalLapsed):
            until_ms = self.tasks[data.task_id].refused.pop(data.agent_id)
            assert until_ms <= now_ms, f"{data.agent_id} may have {data.task_id} again before the time"
        elif isinstance(data, BackoffLapsed):
            assert self.backoffs.pop(data.agent_id) <= now_ms, f"{data.agent_id} is back before the time"
        elif isinstance(data, AgentBackedOff):
            seconds = getattr(self.settings.agent_backoff, f"{data.cause}_seconds", None)
            assert seconds is None or data.until_ms == now_ms + 1000 * seconds, f"{data.agent_id}: {data.until_ms}"
            self.backoffs[data.agent_id] = data.until_ms
        elif data.state == "not_ready":
            self.agents_ready.discard(data.agent_id)
        elif data.agent_id not in self.agents_ready:
            self.agents_ready.add(data.agent_id)
            self.backoffs.pop(data.agent_id, None)

    def _back_off(self, agent_id: str, seconds: int, now_ms: int) -> None:
        if seconds:
            self.backoffs[agent_id] = now_ms + seconds * 1000

    def _offer_ended(self, data: Ended, now_ms: int) -> None:
        task = self.tasks[data.task_id]
        del task.offers[data.agent_id]
        task.held_for_step = task.held_for_step and bool(task.offers)
        settings = self.settings
        if isinstance(data, OfferRejected | OfferExpired):
            task.refused[data.agent_id] = now_ms + settings.refused_backoff_seconds * 1000
        if isinstance(data, OfferRejected):
            self._back_off(data.agent_id, settings.agent_backoff.rejected_seconds, now_ms)
        elif isinstance(data, OfferExpired) and not self._sets_not_ready(data):
            self._back_off(data.agent_id, settings.agent_backoff.expired_seconds, now_ms)

    def _sets_not_ready(self, data: OfferExpired) -> bool:
        settings = self.settings
        return settings.unanswered_then == "not_ready" and data.unanswered >= settings.unanswered_offers_max

    def _of_task(self, data: object, now_ms: int) -> None:
        match data:
            case TaskQueued():
                self._queued(data)
            case TaskRerouted():
                self._rerouted(self.tasks[data.task_id], data)
            case TaskDeferred():
                task = self.tasks[data.task_id]
                if task.deferred_for != data.reason:
                    task.deferred_for, task.deferred_at_ms = data.reason, data.deferred_at_ms
            case TaskResumed():
                self._resumed(self.tasks[data.task_id], data)
            case TaskAssigned():
                self.tasks[data.task_id].taken(data.agent_id)
            case TaskHeldForStep():
                task = self.tasks[data.task_id]
                assert task.is_held(now_ms), f"{data.task_id} is held for no step"
                task.held_for_step = True
            case TaskRequeued():
                self.tasks[data.task_id].begins(data.requeued_at_ms)
            case TaskUnassigned():
                self._unassigned(self.tasks[data.task_id], data, now_ms)
            case _:
                pass

    def _queued(self, data: TaskQueued) -> None:
        first = None if data.transfer is None else self.tasks[data.transfer.from_task_id]
        self.tasks[data.task_id] = task = Known(
            task_id=data.task_id,
            queue=data.queue,
            client=data.client,
            requested=data.kind != "contact" and data.request_id is not None,
            priority=data.priority,
            base_priority=data.priority if data.base_priority is None else data.base_priority,
            fixed=data.priority_fixed,
            requirements=data.requirements,
            terms=data.terms or Terms(),
            order_ms=self.order_ms(data.queue, data.queued_at_ms, data.priority),
            parallel_offers=self.queues[data.queue].parallel_offers,
            queued_at_ms=data.queued_at_ms,
            entered_at_ms=data.queued_at_ms if data.entered_at_ms is None else data.entered_at_ms,
            opened_at_ms=0 if first is None else first.opened_at_ms,
            last_agent_id=data.last_agent_id,
            transfer=data.transfer,
            deferred_for=data.deferred_for,
            deferred_at_ms=self.now_ms,
        )
        if data.transfer is not None:  # who asks for another is never asked, not even when it ends
            task.refused[data.transfer.from_agent_id] = data.transfer.expires_at_ms + 1

    def _rerouted(self, task: Known, data: TaskRerouted) -> None:
        if data.queue != task.queue:
            task.parallel_offers = self.queues[data.queue].parallel_offers
        task.queue = data.queue
        task.priority = data.priority
        task.base_priority = data.priority if data.base_priority is None else data.base_priority
        task.fixed = data.priority_fixed
        task.given_at_ms = _given_at_ms(task, data)
        task.requirements, task.terms = data.requirements, data.terms
        task.order_ms = self.order_ms(data.queue, task.queued_at_ms, data.priority)
        task.entered_at_ms = data.entered_at_ms
        task.last_agent_id = data.last_agent_id
        task.transfer = data.transfer or task.transfer

    def _handed_over(self, task: Known, data: TransferChanged) -> None:
        """Who had to be the one to accept has done so: it asks from now on what the first task asked in its queue."""
        if task.transfer is not None and task.transfer.target == "agent" and data.to_agent_id is not None:
            own, first = task.terms, self.tasks[data.from_task_id]
            if first.queue == task.queue:
                task.requirements = first.requirements
                task.terms = replace(first.terms, band=own.band, longest_wait=own.longest_wait)
            task.terms = replace(task.terms, agents=(), agents_until_ms=None)
        task.transfer = None

    def _resumed(self, task: Known, data: TaskResumed) -> None:
        """The plan begins now after a time or a closing; an agent's own time does not run while nothing is offered."""
        if task.deferred_for == "closed":
            task.opened_at_ms = data.resumed_at_ms
        begins = task.deferred_for != "customer_facts"
        assert data.entered_at_ms == (data.resumed_at_ms if begins else None), f"{data.task_id}: when its plan began"
        if begins:
            task.entered_at_ms = data.resumed_at_ms
            until_ms, given_ms = task.terms.agents_until_ms, task.given_at_ms
            if until_ms is not None and (given_ms is not None or task.deferred_for != "parked"):
                begun_ms = max(task.deferred_at_ms, task.queued_at_ms if given_ms is None else given_ms)
                until_ms += max(0, data.resumed_at_ms - begun_ms)
                task.terms = replace(task.terms, agents_until_ms=until_ms)
        task.deferred_for = None

    def _unassigned(self, task: Known, data: TaskUnassigned, now_ms: int) -> None:
        task.begins(data.unassigned_at_ms)
        if data.reason == "parked":
            task.last_agent_id = data.agent_id
        else:
            task.refused[data.agent_id] = now_ms + self.settings.refused_backoff_seconds * 1000
        if data.reason == "connect_failed":
            self._back_off(data.agent_id, self.settings.agent_backoff.connect_failed_seconds, now_ms)


def _given_at_ms(task: Known, data: TaskRerouted) -> int | None:
    """Since when the task is one agent's by a supervisor's word, or because it is back for who parked it."""
    before, terms = task.terms, data.terms
    if terms.agents_until_ms is None:
        return None
    new = data.reason in {"moved", "returned"} and before.agents_until_ms != terms.agents_until_ms
    return data.rerouted_at_ms if new or before.agents != terms.agents else task.given_at_ms


def ledger_of(domain: DomainState) -> Ledger:
    """One that begins in the middle and takes on trust what is so far."""
    made = Ledger(
        settings=domain.settings,
        queues={name: line.settings for name, line in domain.queues.items()},
        plans=dict(domain.plans),
        rules=list(domain.rules),
        overrides={
            name: line.override.priority
            for name, line in domain.queues.items()
            if line.override is not None and line.override.priority is not None
        },
    )
    for agent in domain.agents.values():
        if agent.state == "ready":
            made.agents_ready.add(agent.agent_id)
        if agent.backoff_ends_at_ms is not None:
            made.backoffs[agent.agent_id] = agent.backoff_ends_at_ms
    for task in domain.tasks.values():
        made.tasks[task.task_id] = Known(
            task_id=task.task_id,
            queue=task.queue,
            client=task.client,
            requested=task.request_id is not None,
            priority=task.priority,
            base_priority=task.base_priority,
            fixed=task.priority_fixed,
            requirements=task.requirements,
            terms=task.terms,
            order_ms=task.order,
            parallel_offers=task.parallel_offers,
            queued_at_ms=task.queued_at_ms,
            entered_at_ms=task.entered_at_ms,
            opened_at_ms=task.opened_at_ms,
            given_at_ms=task.given_at_ms,
            last_agent_id=task.last_agent_id,
            transfer=task.transfer,
            deferred_for=task.deferred_for,
            deferred_at_ms=task.deferred_at_ms or 0,
            offers=dict(task.offers),
            refused=dict(task.refused_by),
            held_for_step=task.step_is_due,
        )
    return made
