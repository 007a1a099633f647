"""A task, as the router keeps it while it lives."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from contracts.fields import Direction
from contracts.offers import Decision, OfferIssued
from contracts.routing_parts import Choice
from contracts.tasks import (
    DeferredFor,
    Origin,
    Requirement,
    Role,
    TaskAssigned,
    TaskKind,
    Terms,
    WrapupStarted,
)

from router.domain.internal import ContactKept

TaskState = Literal["waiting", "offered", "assigned", "wrapup"]
STEM_LENGTH_MAX: Final = 160
"""What a task's id takes of its interaction's: with the suffixes of task, offer and assignment it fits 200."""
PLAIN: Final = Terms()
LONGEST_WAIT_BAND: Final = 10
"""Above every band that can be configured."""


@dataclass(slots=True, kw_only=True)
class Task:
    """Waiting, offered, assigned or in wrap-up; a task that has ended has left the state.

    What the configuration says of its queue is copied when the task enters the queue: a later version touches only
    tasks that come later, and steps of a plan that are still to come.
    """

    task_id: str
    interaction_id: str
    client: str
    channel: str
    queue: str
    priority: int
    base_priority: int
    """What it is without a supervisor's override of the queue."""
    cost: int
    requirements: tuple[Requirement, ...]
    queued_at_ms: int
    offer_timeout_seconds: int
    wrapup_seconds: int
    order: int = 0
    """Place within its band: when it should be answered, in milliseconds, less what its priority is worth."""
    entered_at_ms: int = 0
    """When it came into this queue: the steps of the plan count from here."""
    kind: TaskKind = "contact"
    direction: Direction = "inbound"
    terms: Terms = PLAIN
    labels: tuple[str, ...] = ()
    language: str | None = None
    last_agent_id: str | None = None
    callback_possible: bool = False
    """Whether its queue may make a callback of it."""
    interruptible: bool = False
    choice: Choice = "least_loaded"
    parallel_offers: int = 1
    auto_accept: bool = False
    moves: int = 0
    """How often it changed its queue."""
    request_id: str | None = None
    """Of a task that was requested; a request for attention joins the live task anyway."""
    priority_fixed: bool = False
    """Asked for this task alone: no override of its queue changes it."""
    given_at_ms: int | None = None
    """When a supervisor gave it to the one agent whom it waits for, or it came back to who parked it."""
    era: int = 0
    """That of its queue when its terms and priority were looked at last."""
    position: int = 0
    """How many waited in the queue when it came, itself included."""
    expected_wait_ms: int | None = None
    """Zero: an agent was free."""
    deferred_for: DeferredFor | None = None
    deferred_until_ms: int | None = None
    deferred_at_ms: int | None = None
    """Since when it is deferred; kept afterwards."""
    contact: ContactKept | None = None
    """What rules may read again, while the customer's facts may come and nobody has decided about it or been asked."""
    transfer: Origin | None = None
    """Set while the task stands for an open transfer; then it is not the interaction's main one."""
    state: TaskState = "waiting"
    offers_made: int = 0
    offers: dict[str, OfferIssued] = field(default_factory=dict)
    """The live offers, while offered, by agent."""
    assigned: TaskAssigned | None = None
    """The assignment, while assigned or in wrap-up."""
    decision: Decision | None = None
    """Why this agent: of the offer that became the assignment."""
    wrapup: WrapupStarted | None = None
    role: Role = "owner"
    connected: bool = False
    """Whether the gateway has connected customer and agent."""
    respond_by_ms: int | None = None
    """When it is taken back from its agent, who has done nothing for it yet."""
    held_since_ms: int | None = None
    held_ms: int = 0
    counted: bool = True
    """Whether it takes capacity of its agent: not while the customer is silent."""
    opened_at_ms: int = 0
    """When its queue last opened for it, if it waited for that."""
    waits_since_ms: int | None = None
    """For metrics: since when it waits for its first answer in this queue; see `contracts.metering`."""
    step_is_due: bool = False
    """Of several offers one would have come when a step was due: nobody else is offered it before."""
    refused_by: dict[str, int] = field(default_factory=dict)
    """Agents who rejected the task or left it unanswered, and until when it is not offered to them again."""
    signature: int = field(default=-1, metadata={"derived": True})
    in_line: bool = field(default=False, metadata={"derived": True})
    """Whether the lanes have it."""

    @property
    def place(self) -> tuple[int, int, str]:
        """Place in line, smallest first: band, then order, then the id so that ties are broken."""
        band = LONGEST_WAIT_BAND if self.terms.longest_wait else self.terms.band
        return (-band, self.order, self.task_id)

    @property
    def since_ms(self) -> int:
        """The longest wait counts from here: hours in which its queue was closed are nobody's fault."""
        return max(self.queued_at_ms, self.opened_at_ms)

    def resumed_terms(self, entered_at_ms: int) -> Terms:
        """Its terms when it comes back then: an agent's own time is from when it was due, but for closed hours.

        What a supervisor gave them stands still as long as it is deferred, for whatever reason.
        """
        until_ms, given_at_ms = self.terms.agents_until_ms, self.given_at_ms
        if until_ms is None or (self.deferred_for == "parked" and given_at_ms is None):
            return self.terms
        begun_ms = self.queued_at_ms if given_at_ms is None else given_at_ms
        late_ms = max(0, entered_at_ms - max(begun_ms, self.deferred_at_ms or 0))
        return replace(self.terms, agents_until_ms=until_ms + late_ms)

    @property
    def consults(self) -> bool:
        """Whether an agent asked for help by it."""
        return self.transfer is not None and self.transfer.kind == "consult"

    @property
    def assigned_at_ms(self) -> int | None:
        """Since when an agent has it, if one has."""
        return None if self.assigned is None else self.assigned.assigned_at_ms

    @property
    def wrapup_at_ms(self) -> int | None:
        """Since when it is in wrap-up, if it is."""
        return None if self.wrapup is None else self.wrapup.started_at_ms

    @property
    def offer(self) -> OfferIssued | None:
        """The live offer; of several that of the agent whose id comes first."""
        return self.offers[min(self.offers)] if self.offers else None

    def offer_of(self, offer_id: str) -> OfferIssued:
        """The live offer of this id; to be asked only for one that is live."""
        return next(offer for offer in self.offers.values() if offer.offer_id == offer_id)

    def is_held(self, now_ms: int) -> bool:
        """Whether it is offered and a step is due: that one waits for the live offers, and comes before any other."""
        return bool(self.offers) and self.terms.next_step_at_ms is not None and self.terms.next_step_at_ms <= now_ms

    @property
    def seeks(self) -> bool:
        """Whether it should be offered to somebody, or to one more; while it is offered, unless it `is_held`."""
        return (
            self.state in {"waiting", "offered"}
            and self.deferred_for is None
            and not self.step_is_due
            and len(self.offers) < self.parallel_offers
        )


def task_id_of(interaction_id: str, number: int) -> str:
    """`<interaction>.t<number>`; a long interaction id is shortened to a prefix and a digest of the whole."""
    stem = interaction_id
    if len(stem) > STEM_LENGTH_MAX:
        stem = f"{stem[:100]}-{hashlib.sha256(stem.encode()).hexdigest()[:48]}"
    return f"{stem}.t{number}"


def task_number_of(task_id: str) -> int:
    """The number that `task_id_of` was given."""
    return int(task_id.rpartition(".t")[2])
