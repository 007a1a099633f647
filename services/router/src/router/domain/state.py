"""Everything the router knows about the domains of one partition. Only `router.domain.fold` changes it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from contracts.agents import CommandResult
from contracts.calendars import Calendar
from contracts.commands import CustomerFacts
from contracts.configuration import ChannelAddress, Domain
from contracts.routing_parts import Plan
from contracts.rules import Rule

from router.domain.agent import Agent
from router.domain.gates import Gates
from router.domain.hours import Hours
from router.domain.internal import InteractionParked, SnapshotNamed
from router.domain.lanes import Lanes
from router.domain.queue import Overriding, QueueLine
from router.domain.rules import RuleSet, compile_rules
from router.domain.task import Task
from router.domain.timer_heap import Timer, TimerHeap, TimerKind

DAY_MS: Final = 86_400_000
INTERACTIONS_KEPT_MS: Final = 8 * DAY_MS
"""Longer than any provider goes on retrying a delivery."""
RESULTS_KEPT_MS: Final = 3_600_000
RESULTS_MAX: Final = 10_000
SNAPSHOTS_KEPT: Final = 2
EARLY_FACTS_MAX: Final = 1000
STRICT_MS: Final = 2**43
"""More than two centuries."""


@dataclass(slots=True, kw_only=True)
class Interaction:
    """What is remembered of an interaction, so that a repeated event changes nothing and no task id comes twice."""

    interaction_id: str
    seen_at_ms: int
    tasks_made: int
    closed: bool = False
    facts: CustomerFacts | None = None
    """What is known of the customer, as long as it is open and a queue may want to know."""
    task_id: str | None = None
    """Its waiting, offered or assigned task: further attention joins it. A task in wrap-up is left out."""


@dataclass(slots=True, kw_only=True)
class Parked:
    """An interaction that waits for configuration; `due` once there is a queue for it."""

    interaction: InteractionParked
    due: bool = False


@dataclass(slots=True, kw_only=True)
class DomainState:
    """One domain of one tenant."""

    tenant_id: str
    domain: str
    settings: Domain
    configured: bool = False
    version: int = 0
    hash: str = ""
    addresses: dict[str, ChannelAddress] = field(default_factory=dict)
    queues: dict[str, QueueLine] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    calendars: dict[str, Calendar] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    early_facts: dict[str, CustomerFacts] = field(default_factory=dict)
    """By interaction, oldest first: facts that came before their interaction; at most 1000."""
    offers_made: int = 0
    """Counts the offers of the domain; whose turn it is."""
    leavers: list[str] = field(default_factory=list)
    """Agents who are not at work any more, as long as tasks in line that name them are to be looked at."""
    leavers_behind: tuple[int, int, str] | None = None
    """Up to which place in line that has been done for the first of them."""
    gates_deferred: bool = False
    """Set while a continuation timer has to go on with tasks whose gate has opened."""
    overriding: Overriding | None = None
    """Set while a continuation timer has to go on with an override of all queues."""
    alerts_at_ms: int | None = None
    """When the alerts are looked at next; none while nothing happens that could change one."""
    alerts_after: str = ""
    """Behind which queue that look goes on."""
    agents: dict[str, Agent] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    interactions: dict[str, Interaction] = field(default_factory=dict)
    """By id, oldest first; kept at least 8 days by the journal's clock, longer while something of it lives."""
    parked: dict[str, Parked] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    """Requests for attention by id, oldest first, and when they were decided; kept 8 days."""
    results: dict[str, CommandResult] = field(default_factory=dict)
    """By command id, oldest first; at most 10 000, kept 1 hour."""
    offers: dict[str, Task] = field(default_factory=dict, metadata={"derived": True})
    """Offered tasks by offer id."""
    assignments: dict[str, Task] = field(default_factory=dict, metadata={"derived": True})
    """Assigned tasks and tasks in wrap-up by assignment id."""
    transfers: dict[str, Task] = field(default_factory=dict, metadata={"derived": True})
    """Tasks of open transfers, by the task whose owner asked: that one is assigned, and has no other transfer."""
    queue_names: list[str] = field(default_factory=list, metadata={"derived": True})
    """Queues that take tasks, sorted; an unregistered address leads to the first."""
    gates: Gates = field(default_factory=Gates, metadata={"derived": True})
    lanes: Lanes = field(init=False, metadata={"derived": True})
    settled: set[str] = field(default_factory=set, metadata={"derived": True})
    """Agents who got rid of their last task while another state was pending."""
    rule_set: RuleSet = field(default_factory=lambda: compile_rules(()), metadata={"derived": True})
    requested: set[str] = field(default_factory=set, metadata={"derived": True})
    """Requests whose tasks live."""
    alerting: set[str] = field(default_factory=set, metadata={"derived": True})
    """Queues with alerts."""
    hours: dict[str, Hours] = field(default_factory=dict, metadata={"derived": True})
    """The calendars, ready to be asked."""
    key: str = field(init=False, metadata={"derived": True})
    """`<tenant>/<domain>`."""

    def __post_init__(self) -> None:
        self.lanes = Lanes(self.gates)
        self.key = key_of(self.tenant_id, self.domain)

    @property
    def wants_facts(self) -> bool:
        """Whether any queue waits for what is known of customers."""
        return any(line.settings.customer_facts_wait_ms for line in self.queues.values())

    def queue_for(self, address: str, queue_hint: str | None) -> QueueLine | None:
        """The queue for who comes by this address: the hint if the address allows it, else the address's queue.

        An unregistered address leads to the hinted queue if it exists, else to the domain's first.
        """
        if not self.configured:
            return None
        registered = self.addresses.get(address)
        if registered is None:
            return self.line(queue_hint) or self.line(next(iter(self.queue_names), None))
        if queue_hint in registered.queues:
            return self.line(queue_hint) or self.line(registered.queue)
        return self.line(registered.queue)

    def at_work(self, agent_id: str) -> bool:
        """Whether the agent is ready and not known to be away: worth waiting for."""
        agent = self.agents.get(agent_id)
        if agent is None or agent.shed == "agent_removed":
            return False
        return agent.state == "ready" and agent.presence != "absent"

    def available(self, agent_id: str) -> bool:
        """Whether the agent is at work, and takes on more once there is room."""
        agent = self.agents.get(agent_id)
        return self.at_work(agent_id) and agent is not None and agent.pending is None

    def open_at(self, line: QueueLine, at_ms: int) -> bool:
        """Whether the queue takes work: by its calendar, unless a supervisor has closed it."""
        hours = self.hours.get(line.settings.calendar) if line.settings.calendar is not None else None
        return not line.overridden_closed and (hours is None or hours.open_at(at_ms))

    def opens_at_ms(self, line: QueueLine, at_ms: int) -> int | None:
        """When the queue is open at this instant or first after it, as far as is known."""
        if line.override is not None and line.override.closed:
            if line.override.until_ms is None:
                return None
            at_ms = max(at_ms, line.override.until_ms)
        hours = self.hours.get(line.settings.calendar) if line.settings.calendar is not None else None
        return at_ms if hours is None else hours.next_open_ms(at_ms)

    def order_of(self, line: QueueLine, queued_at_ms: int, priority: int) -> int:
        """Place within a band: when it should be answered, less what its priority is worth; smallest first.

        So a freed agent takes from the queue that is furthest beyond its service level. Without aging a point of
        priority is worth more than any wait.
        """
        level = line.settings.service_level
        seconds = self.settings.aging_seconds_per_priority
        worth_ms = STRICT_MS if seconds is None else seconds * 1000
        return queued_at_ms + (level.within_seconds * 1000 if level is not None else 0) - priority * worth_ms

    def line(self, name: str | None) -> QueueLine | None:
        """The queue, if it takes tasks."""
        line = self.queues.get(name) if name is not None else None
        return None if line is None or line.removed else line


@dataclass(slots=True)
class State:
    """The fold of a partition's journal."""

    domains: dict[str, DomainState] = field(default_factory=dict)
    """By `<tenant>/<domain>`; also a domain that is only known by what waits for its configuration."""
    leases_readable: bool = False
    snapshots: tuple[SnapshotNamed, ...] = ()
    """The newest good ones, oldest first."""
    timers: TimerHeap = field(default_factory=TimerHeap)

    def find(self, tenant_id: str, domain: str) -> DomainState:
        """The domain, or an empty one that is not part of the state."""
        found = self.domains.get(key_of(tenant_id, domain))
        return found if found is not None else new_domain(tenant_id, domain)

    def home(self, tenant_id: str, domain: str) -> DomainState:
        """The domain, made part of the state if it was not; for `fold` alone."""
        key = key_of(tenant_id, domain)
        found = self.domains.get(key)
        if found is None:
            found = self.domains[key] = new_domain(tenant_id, domain)
        return found

    def next_due_ms(self) -> int | None:
        """When the next timer is due; may lie in the past, 0 for a continuation. None when nothing is timed."""
        timer = self.next_timer()
        return None if timer is None else timer[0]

    def next_timer(self) -> Timer | None:
        """The next timer that holds."""
        return self.timers.first(self._holds)

    def schedule(self, at_ms: int, kind: TimerKind, key: str, subject: str, other: str = "") -> None:
        """Add a timer; for `fold` alone."""
        self.timers.add((at_ms, kind, key, subject, other), self._holds)

    def _holds(self, timer: Timer) -> bool:
        domain = self.domains.get(timer[2])
        return domain is not None and timer_holds(domain, timer)


def key_of(tenant_id: str, domain: str) -> str:
    """`<tenant>/<domain>`; a tenant's id holds no slash."""
    return f"{tenant_id}/{domain}"


def new_domain(tenant_id: str, domain: str) -> DomainState:
    """A domain of which nothing is known."""
    return DomainState(tenant_id=tenant_id, domain=domain, settings=Domain(id=domain))


def timer_holds(domain: DomainState, timer: Timer) -> bool:
    """Whether what the timer is about still stands as it did when the timer was set."""
    _, kind, _, subject, _ = timer
    match kind:
        case "offer":
            return subject in domain.offers
        case "wrapup":
            task = domain.assignments.get(subject)
            return task is not None and task.wrapup is not None
        case "response":
            task = domain.assignments.get(subject)
            return task is not None and task.respond_by_ms == timer[0]
        case "gates" | "leavers" | "overriding" | "alerts":
            return _domain_timer_holds(domain, timer)
        case "sweep" | "opening" | "override":
            line = domain.queues.get(subject)
            return line is not None and _queue_timer_holds(line, timer)
        case "refusal" | "step" | "deferral" | "transfer":
            task = domain.tasks.get(subject)
            return task is not None and _task_timer_holds(task, timer)
        case "parked":
            parked = domain.parked.get(subject)
            return parked is not None and parked.due
        case _:
            agent = domain.agents.get(subject)
            return agent is not None and _agent_timer_holds(agent, timer)


def _task_timer_holds(task: Task, timer: Timer) -> bool:
    at_ms, kind, _, _, agent_id = timer
    match kind:
        case "refusal":
            return task.refused_by.get(agent_id) == at_ms
        case "step":
            return steps_at_ms(task) == at_ms
        case "transfer":
            return transfer_fails_at_ms(task) == at_ms
        case _:
            return task.deferred_for not in {None, "closed"} and task.deferred_until_ms == at_ms


def _domain_timer_holds(domain: DomainState, timer: Timer) -> bool:
    match timer[1]:
        case "gates":
            return domain.gates_deferred
        case "leavers":
            return bool(domain.leavers)
        case "overriding":
            return domain.overriding is not None and domain.overriding.at_ms == timer[0]
        case _:
            return domain.alerts_at_ms == timer[0]


def _queue_timer_holds(line: QueueLine, timer: Timer) -> bool:
    match timer[1]:
        case "sweep":
            return line.sweeps_at_ms == timer[0]
        case "opening":
            return line.opens_at_ms == timer[0]
        case _:
            return line.override is not None and line.override.until_ms == timer[0]


def steps_at_ms(task: Task) -> int | None:
    """When the task's next step is due; none while it is deferred or offered: a live offer comes to its end first."""
    return task.terms.next_step_at_ms if task.state == "waiting" and task.deferred_for is None else None


def transfer_fails_at_ms(task: Task) -> int | None:
    """When the transfer that the task stands for fails, as long as nobody has accepted."""
    if task.transfer is None or task.state not in {"waiting", "offered"}:
        return None
    return task.transfer.expires_at_ms


def _agent_timer_holds(agent: Agent, timer: Timer) -> bool:
    match timer[1]:
        case "grace":
            return agent.grace_ends_at_ms == timer[0]
        case "backoff":
            return agent.backoff_ends_at_ms == timer[0]
        case "adherence":
            return agent.adherence_at_ms == timer[0]
        case "shed":
            return agent.shed is not None
        case _:
            return agent.matching_deferred


def timers_of(domain: DomainState) -> Iterator[Timer]:
    """Every timer that the domain's state implies; `fold` has set exactly these."""
    key = domain.key
    for offer_id, task in domain.offers.items():
        yield (task.offer_of(offer_id).expires_at_ms, "offer", key, offer_id, "")
    for assignment_id, task in domain.assignments.items():
        if task.wrapup is not None:
            yield (task.wrapup.ends_at_ms, "wrapup", key, assignment_id, "")
        if task.respond_by_ms is not None:
            yield (task.respond_by_ms, "response", key, assignment_id, "")
    for task_id, task in domain.tasks.items():
        for agent_id, until_ms in task.refused_by.items():
            yield (until_ms, "refusal", key, task_id, agent_id)
        yield from _timers_of_task(task, key)
    for interaction_id, parked in domain.parked.items():
        if parked.due:
            yield (parked.interaction.asked_at_ms, "parked", key, interaction_id, "")
    for line in domain.queues.values():
        yield from _timers_of_queue(line, key)
    yield from _timers_of_agents(domain)
    yield from _timers_of_domain(domain)


def _timers_of_domain(domain: DomainState) -> Iterator[Timer]:
    if domain.gates_deferred:
        yield (0, "gates", domain.key, "", "")
    if domain.leavers:
        yield (0, "leavers", domain.key, "", "")
    if domain.overriding is not None:
        yield (domain.overriding.at_ms, "overriding", domain.key, "", "")
    if domain.alerts_at_ms is not None:
        yield (domain.alerts_at_ms, "alerts", domain.key, "", "")


def _timers_of_queue(line: QueueLine, key: str) -> Iterator[Timer]:
    if line.sweeps_at_ms is not None:
        yield (line.sweeps_at_ms, "sweep", key, line.queue, "")
    if line.opens_at_ms is not None:
        yield (line.opens_at_ms, "opening", key, line.queue, "")
    if line.override is not None and line.override.until_ms is not None:
        yield (line.override.until_ms, "override", key, line.queue, "")


def _timers_of_task(task: Task, key: str) -> Iterator[Timer]:
    step_at_ms = steps_at_ms(task)
    if step_at_ms is not None:
        yield (step_at_ms, "step", key, task.task_id, "")
    if task.deferred_for not in {None, "closed"} and task.deferred_until_ms is not None:
        yield (task.deferred_until_ms, "deferral", key, task.task_id, "")
    fails_at_ms = transfer_fails_at_ms(task)
    if fails_at_ms is not None:
        yield (fails_at_ms, "transfer", key, task.task_id, "")


def _timers_of_agents(domain: DomainState) -> Iterator[Timer]:
    key = domain.key
    for agent_id, agent in domain.agents.items():
        if agent.grace_ends_at_ms is not None:
            yield (agent.grace_ends_at_ms, "grace", key, agent_id, "")
        if agent.backoff_ends_at_ms is not None:
            yield (agent.backoff_ends_at_ms, "backoff", key, agent_id, "")
        if agent.adherence_at_ms is not None:
            yield (agent.adherence_at_ms, "adherence", key, agent_id, "")
        if agent.shed is not None:
            yield (0, "shed", key, agent_id, "")
        if agent.matching_deferred:
            yield (0, "matching", key, agent_id, "")
