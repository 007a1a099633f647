"""A centre in which a test says what happens, and a busy day by chance: the router's events, without the router."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar  # Any: literals that a test chooses

from contracts.agents import AgentPresenceChanged, AgentStateChanged
from contracts.meter import Key, Meter
from contracts.metrics import BY_NAME, Counts
from contracts.metrics_oracle import Told
from contracts.offers import Decision, OfferAccepted, OfferIssued, OfferWithdrawn
from contracts.tasks import (
    Origin,
    TaskAbandoned,
    TaskAssigned,
    TaskCompleted,
    TaskDeferred,
    TaskKind,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    Terms,
    TransferKind,
    WrapupStarted,
)

TENANT: Final = "acme"
DOMAIN: Final = "acme.main"
NINE_MS: Final = 1_767_258_000_000
"""09:00 UTC."""
T = TypeVar("T")


class Choices(Protocol):
    """What a busy day asks of a `random.Random`."""

    def random(self) -> float:
        """From 0 to below 1."""

    def randrange(self, start: int) -> int:
        """From 0 to below `start`."""

    def choice(self, seq: Sequence[T]) -> T:
        """One of them."""


@dataclass(slots=True)
class Centre:
    """Each method is something that happens; `told` are its events."""

    at_ms: int = NINE_MS
    told: list[Told] = field(default_factory=list)
    queues: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, TaskAssigned] = field(default_factory=dict)
    kinds: dict[str, TaskKind] = field(default_factory=dict)
    queued_at_ms: dict[str, int] = field(default_factory=dict)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.at_ms += round(seconds * 1000)

    def queue(
        self,
        task: str,
        queue: str = "sales",
        *,
        kind: TaskKind = "contact",
        client: str = "shop",
        transfer: TransferKind | None = None,
        queued_at_ms: int | None = None,
        expected_seconds: int | None = None,
    ) -> None:
        """A task comes; `queued_at_ms` is when its customer did, if that was before."""
        self.queues[task], self.kinds[task] = queue, kind
        self.queued_at_ms[task] = self.at_ms if queued_at_ms is None else queued_at_ms
        origin = transfer and Origin(
            kind=transfer, from_task_id="t0", from_assignment_id="a0", from_agent_id="ann", requested_by="ann"
        )
        self._tell(
            TaskQueued(
                **self._task(task),
                client=client,
                channel="webchat",
                priority=5,
                cost=1,
                requirements=(),
                queued_at_ms=self.queued_at_ms[task],
                entered_at_ms=self.at_ms,
                kind=kind,
                transfer=origin or None,
                expected_wait_ms=None if expected_seconds is None else expected_seconds * 1000,
            )
        )

    def offer(self, task: str, agent: str = "ann") -> None:
        """An agent is offered the task."""
        self._tell(
            OfferIssued(
                offer_id=f"{task}.o.{agent}",
                **self._task(task),
                channel="webchat",
                priority=5,
                agent_id=agent,
                issued_at_ms=self.at_ms,
                expires_at_ms=self.at_ms + 20_000,
                queued_at_ms=self.queued_at_ms[task],
                decision=Decision(rule="longest_idle", agents=1, eligible=1),
            )
        )

    def accept(
        self, task: str, agent: str = "ann", *, within_seconds: int | None = 20, expected_seconds: int | None = None
    ) -> None:
        """An agent takes it; the queue's service level and what the customer was told are the test's."""
        offer = {"offer_id": f"{task}.o.{agent}", "task_id": task, "domain": DOMAIN, "agent_id": agent}
        self._tell(OfferAccepted(**offer, accepted_at_ms=self.at_ms))
        consults = any(
            isinstance(each, TaskQueued) and each.task_id == task and each.transfer and each.transfer.kind == "consult"
            for _, each in self.told
        )
        assigned = TaskAssigned(
            **self._task(task),
            channel="webchat",
            assignment_id=f"{task}.a.{len(self.told)}",
            offer_id=f"{task}.o.{agent}",
            agent_id=agent,
            assigned_at_ms=self.at_ms,
            waited_ms=max(0, self.at_ms - self.queued_at_ms[task]),
            kind=self.kinds[task],
            role="consultant" if consults else "owner",
            answer_within_ms=None if within_seconds is None else within_seconds * 1000,
            expected_wait_ms=None if expected_seconds is None else expected_seconds * 1000,
        )
        self.assigned[task] = assigned
        self._tell(assigned)

    def withdraw(self, task: str, agent: str) -> None:
        """Another agent was quicker."""
        offer = {"offer_id": f"{task}.o.{agent}", "task_id": task, "domain": DOMAIN, "agent_id": agent}
        self._tell(OfferWithdrawn(**offer, reason="answered_by_another", withdrawn_at_ms=self.at_ms))

    def answer(self, task: str, agent: str = "ann", **more: Any) -> None:
        """Offered and accepted in one instant; `more` is for `accept`."""
        self.offer(task, agent)
        self.accept(task, agent, **more)

    def abandon(self, task: str, *, within_seconds: int | None = 20, short_seconds: int | None = 5) -> None:
        """The customer leaves."""
        self._tell(
            TaskAbandoned(
                **self._task(task),
                reason="customer_left",
                abandoned_at_ms=self.at_ms,
                waited_ms=max(0, self.at_ms - self.queued_at_ms[task]),
                answer_within_ms=None if within_seconds is None else within_seconds * 1000,
                short_abandon_ms=None if short_seconds is None else short_seconds * 1000,
            )
        )

    def wrap_up(self, task: str) -> None:
        """The conversation is over."""
        self._tell(
            WrapupStarted(
                **self._owned(task),
                reason="agent_ended",
                then="close",
                seen_number=None,
                started_at_ms=self.at_ms,
                ends_at_ms=self.at_ms + 60_000,
            )
        )

    def complete(self, task: str, *, held_seconds: float = 0) -> None:
        """The agent is done."""
        self._tell(
            TaskCompleted(
                **self._owned(task),
                reason="completed_by_agent",
                disposition=None,
                then="close",
                seen_number=None,
                completed_at_ms=self.at_ms,
                handled_ms=self._handled_ms(task),
                held_ms=round(held_seconds * 1000),
            )
        )

    def requeue(self, task: str) -> None:
        """The agent was lost."""
        requeued = TaskRequeued(
            **self._owned(task),
            reason="agent_lost",
            queued_at_ms=self.queued_at_ms[task],
            requeued_at_ms=self.at_ms,
        )
        self._tell(requeued)

    def unassign(self, task: str) -> None:
        """The agent parks the task."""
        self._tell(
            TaskUnassigned(
                **self._owned(task),
                reason="parked",
                queued_at_ms=self.queued_at_ms[task],
                unassigned_at_ms=self.at_ms,
                handled_ms=self._handled_ms(task),
            )
        )

    def reroute(self, task: str, queue: str | None = None, *, kind: TaskKind | None = None) -> None:
        """The task waits on other terms: in another queue, as a callback, or by a step of its plan."""
        before = self.queues[task]
        self.queues[task] = queue or before
        self.kinds[task] = kind or self.kinds[task]
        self._tell(
            TaskRerouted(
                **self._task(task),
                from_queue=before,
                reason="callback" if kind else "overflowed" if queue else "relaxed",
                priority=5,
                requirements=(),
                terms=Terms(),
                rerouted_at_ms=self.at_ms,
                entered_at_ms=self.at_ms,
                kind=self.kinds[task],
            )
        )

    def defer(self, task: str, reason: Any = "closed") -> None:
        """It is not offered for now."""
        self._tell(TaskDeferred(**self._task(task), reason=reason, until_ms=None, deferred_at_ms=self.at_ms))

    def resume(self, task: str, reason: str = "opened") -> None:
        """It may be offered again."""
        self._tell(TaskResumed(**self._task(task), reason=reason, resumed_at_ms=self.at_ms))

    def leave(self, task: str, to: Any, reason: str = "overflowed") -> None:
        """The router gives it up."""
        owned = self.assigned.get(task)
        self._tell(
            TaskTransferredOut(
                **self._task(task),
                to=to,
                reason=reason,
                transferred_at_ms=self.at_ms,
                waited_ms=0,
                assignment_id=owned.assignment_id if owned else None,
                agent_id=owned.agent_id if owned else None,
                handled_ms=self._handled_ms(task) if owned else None,
            )
        )

    def state(self, agent: str, *, ready: bool) -> None:
        """What the agent chooses."""
        state: Any = "ready" if ready else "not_ready"
        changed = AgentStateChanged(
            agent_id=agent, domain=DOMAIN, state=state, reason_code=None, cause="command", changed_at_ms=self.at_ms
        )
        self._tell(changed)

    def presence(self, agent: str, *, present: bool) -> None:
        """Whether a device is alive."""
        presence: Any = "present" if present else "lost"
        changed = AgentPresenceChanged(
            agent_id=agent, domain=DOMAIN, presence=presence, grace_ends_at_ms=None, changed_at_ms=self.at_ms
        )
        self._tell(changed)

    def counts(self, name: str = "sales") -> Counts:
        """Of a queue or an agent, over all intervals, clients and channels."""
        total = Counts()
        for key, counts in metered(self.told).items():
            if key.name == name:
                total.add(counts)
        return total

    def figure(self, formula: str, name: str = "sales") -> tuple[int, int | None]:
        """Numerator and denominator."""
        value = BY_NAME[formula].value(self.counts(name))
        return (value.numerator, value.denominator)

    def _task(self, task: str) -> dict[str, Any]:
        return {"task_id": task, "interaction_id": f"i-{task}", "domain": DOMAIN, "queue": self.queues[task]}

    def _owned(self, task: str) -> dict[str, Any]:
        owned = self.assigned[task]
        return {**self._task(task), "assignment_id": owned.assignment_id, "agent_id": owned.agent_id}

    def _handled_ms(self, task: str) -> int:
        return self.at_ms - self.assigned[task].assigned_at_ms

    def _tell(self, data: object) -> None:
        self.told.append((TENANT, data))
        if isinstance(data, TaskRequeued | TaskUnassigned | TaskCompleted | TaskTransferredOut):
            self.assigned.pop(data.task_id, None)


def busy_day(chance: Choices, steps: int) -> Centre:
    """Anything the router could tell of a few tasks and agents."""
    centre, live, number = Centre(), dict[str, str](), 0
    for _ in range(steps):
        centre.wait(chance.choice((0, 0, 1, 7, 30, 400)))
        agent = chance.choice(("ann", "bob"))
        state = chance.randrange(3)
        if state == 0:
            centre.state(agent, ready=chance.random() < 0.7)
        elif state == 1 and chance.random() < 0.5:
            centre.presence(agent, present=chance.random() < 0.7)
        if not live or chance.random() < 0.3:
            number += 1
            task = f"t{number}"
            transfer: TransferKind | None = chance.choice((None, None, None, "cold", "consult"))
            came_ms = centre.at_ms - chance.choice((0, 0, 90_000))
            kind: Any = "contact" if transfer else chance.choice(("contact", "contact", "contact", "callback", "case"))
            client, queue = chance.choice(("shop", "bank")), chance.choice(("sales", "help"))
            centre.queue(task, queue, kind=kind, client=client, transfer=transfer, queued_at_ms=came_ms)
            live[task] = "waiting"
            continue
        task = chance.choice(sorted(live))
        live[task] = _something(chance, centre, task, live[task], agent)
        if live[task] == "over":
            del live[task]
    return centre


def _something(chance: Choices, centre: Centre, task: str, state: str, agent: str) -> str:
    if state == "waiting":
        return _waits_on(chance, centre, task, agent)
    ends = chance.randrange(7)
    if ends == 0 and state == "assigned":
        (centre.requeue if chance.random() < 0.5 else centre.unassign)(task)
        return "waiting"
    if ends == 1 and state == "assigned":
        centre.wrap_up(task)
        return "wrapup"
    if ends == 2:
        centre.leave(task, *chance.choice((("handed_over", "transferred"), ("finished", "transfer_over"))))
        return "over"
    if ends == 3:
        centre.complete(task, held_seconds=chance.choice((0, 3)))
        return "over"
    return state


def _waits_on(chance: Choices, centre: Centre, task: str, agent: str) -> str:
    match chance.randrange(9):
        case 0 | 1 | 2:
            within, expected = chance.choice((None, 10, 60)), chance.choice((None, 5, 100))
            centre.answer(task, agent, within_seconds=within, expected_seconds=expected)
            return "assigned"
        case 3:
            centre.abandon(task, within_seconds=chance.choice((None, 10)), short_seconds=chance.choice((None, 5, 40)))
            return "over"
        case 4:
            centre.leave(task, chance.choice(("callback", "voicemail", "message", "finished")))
            return "over"
        case 5:
            kind: Any = chance.choice((None, None, "callback"))
            centre.reroute(task, chance.choice((None, "sales", "help")), kind=kind)
        case 6:
            centre.defer(task, chance.choice(("closed", "scheduled", "customer_facts")))
        case 7:
            centre.resume(task, chance.choice(("opened", "due", "facts_known")))
        case _:
            centre.offer(task, agent)
    return "waiting"


def metered(told: Sequence[Told]) -> dict[Key, Counts]:
    """What the meter makes of a whole history."""
    meter = Meter()
    for tenant_id, data in told:
        meter.fold(tenant_id, data)
    return meter.counts
