"""Life of a task, written by the router engine alone (topic `routing.events`)."""

from dataclasses import dataclass
from typing import Literal

from contracts.fields import (
    Band,
    Channel,
    Code,
    Cost,
    Count,
    Direction,
    DurationMs,
    Id,
    InstantMs,
    Number,
    Priority,
    Proficiency,
    Text,
)
from contracts.quick import quick

Then = Literal["close", "keep_open"]
"""What the gateway does with the interaction: close it (unless the customer has said more), or keep it open."""

RequeueReason = Literal["agent_lost", "agent_removed"]
WrapupReason = Literal["interaction_ended", "agent_ended"]
AbandonReason = Literal["customer_left", "agent_closed", "idle", "never_answered", "refused"]
CompletionReason = Literal["completed_by_agent", "wrapup_timed_out", "agent_lost", "agent_removed"]
TaskKind = Literal["contact", "callback", "case", "dial"]
DeferredFor = Literal["customer_facts", "parked", "scheduled", "closed"]
TransferKind = Literal["cold", "consult"]
TransferTarget = Literal["queue", "agent", "skills", "tier"]
Leaving = Literal["callback", "voicemail", "message", "handed_over", "finished"]
"""Where a task goes that leaves the router."""
Role = Literal["owner", "consultant", "participant"]
"""owner: answers for the task; consultant: helps the owner unseen by the customer; participant: all talk together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A skill and the proficiencies (1 to 5) that will do."""

    skill: Code
    minimum: Proficiency = 1
    maximum: Proficiency = 5


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms a task waits, beside its queue, priority and requirements."""

    band: Band = 0
    any_of: tuple[tuple[Requirement, ...], ...] = ()
    none_of: tuple[Requirement, ...] = ()
    teams: tuple[Code, ...] = ()
    agents: tuple[Id, ...] = ()
    """These agents alone, if any are named."""
    step: Count = 0
    """How many steps of the queue's plan the task has behind it."""
    next_step_at_ms: InstantMs | None = None
    longest_wait: bool = False
    """It has waited the longest that the domain allows, and goes before everything that has not."""
    agents_until_ms: InstantMs | None = None
    """Until then `agents` stand, whatever the plan says; afterwards anybody may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A task that a transfer made: whose help or place is asked for."""

    kind: TransferKind
    from_task_id: Id
    from_assignment_id: Id
    from_agent_id: Id
    requested_by: Id
    """The agent, or the supervisor who reassigns."""
    target: TransferTarget = "queue"
    to_agent_id: Id | None = None
    """Who alone is asked, for an agent as target."""
    expires_at_ms: InstantMs = 0
    """The transfer fails if nobody has accepted by then."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQueued:
    """A task exists and waits."""

    task_id: Id
    interaction_id: Id
    domain: Id
    client: Id
    channel: Channel
    queue: Code
    priority: Priority
    cost: Cost
    requirements: tuple[Requirement, ...]
    queued_at_ms: InstantMs
    request_id: Id | None = None
    """The `interaction.attention_requested` that asked for it; none for the first task of an interaction."""
    kind: TaskKind = "contact"
    direction: Direction = "inbound"
    terms: Terms | None = None
    labels: tuple[Code, ...] = ()
    """What the classification rules say of the contact."""
    language: Code | None = None
    entered_at_ms: InstantMs | None = None
    """When it came into this queue; `queued_at_ms` stays the customer's."""
    expected_wait_ms: DurationMs | None = None
    position: Count | None = None
    """How many waited in the queue, this one included."""
    deferred_for: DeferredFor | None = None
    """It waits, but is not offered to anybody before `task.resumed`."""
    deferred_until_ms: InstantMs | None = None
    transfer: Origin | None = None
    last_agent_id: Id | None = None
    """Who served this customer last, as far as the customer's facts are known."""
    callback_possible: bool = False
    """Whether its queue may make a callback of it: the customer can be called back."""
    base_priority: Priority | None = None
    """Given while a supervisor's override of the queue changes `priority`: what it is without."""
    priority_fixed: bool = False
    """Asked for this task alone: no override of the queue changes it."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRerouted:
    """A waiting task goes on waiting on other terms; the values are those that hold from now on."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    from_queue: Code
    reason: Code
    """`relaxed` (a step of the plan), `overflowed`, `closed`, `classified` (the customer's facts came),
    `prioritised`, `moved` (by a supervisor), `longest_wait`, `callback` (asked for, or where the queue gives contacts
    up: the customer is told and may go, and keeps the place), `returned` (a parked task, first to the agent who parked
    it), `owner_gone` (a transfer's task stands alone now), `retimed` (only the next step's time is another)."""
    priority: Priority
    requirements: tuple[Requirement, ...]
    terms: Terms
    rerouted_at_ms: InstantMs
    entered_at_ms: InstantMs
    kind: TaskKind = "contact"
    labels: tuple[Code, ...] = ()
    language: Code | None = None
    last_agent_id: Id | None = None
    by: Id | None = None
    """The supervisor."""
    transfer: Origin | None = None
    """Of the open transfer that the task stands for: whom it asks from now on."""
    message: Text | None = None
    """What the customer is told who will be called back; none: the gateway's own words."""
    base_priority: Priority | None = None
    """As in `task.queued`."""
    priority_fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeferred:
    """A waiting task is not offered to anybody for now; a parked one keeps its place."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    reason: DeferredFor
    until_ms: InstantMs | None
    """None: until something happens."""
    deferred_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResumed:
    """A deferred task may be offered again."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    reason: Code
    """`due`, `facts_known`, `customer_returned`, `opened`, `by_agent`, `by_supervisor`, `callback_requested`,
    `interaction_ended` (of a callback that was parked without end)."""
    resumed_at_ms: InstantMs
    entered_at_ms: InstantMs | None = None
    """Given when its time in the queue, by which steps count, begins only now: a scheduled callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTransferredOut:
    """The router has given the task up to somebody else; terminal."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    to: Leaving
    """What the gateway does: record a message, say the last words and end, nothing (another task of the interaction
    took its place), end. `callback` was written by earlier releases alone: the router keeps callbacks as tasks, and who
    cannot be called back is given a message."""
    reason: Code
    """`overflowed`, `closed`, `full`, `transferred`, `by_supervisor`, `transfer_over`, `callback_cancelled`."""
    transferred_at_ms: InstantMs
    waited_ms: DurationMs
    message: Text | None = None
    """The last words; none: the gateway's own, unless a supervisor or a transfer ended the task."""
    assignment_id: Id | None = None
    agent_id: Id | None = None
    to_task_id: Id | None = None
    disposition: Code | None = None
    handled_ms: DurationMs | None = None
    held_ms: DurationMs = 0
    by: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUnassigned:
    """The assignment ended without completion for a reason that is not the agent's absence; the task waits again.

    The steps of its queue's plan count from now.
    """

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    assignment_id: Id
    agent_id: Id
    reason: Code
    """`connect_failed`, `parked`, `no_response`."""
    queued_at_ms: InstantMs
    unassigned_at_ms: InstantMs
    handled_ms: DurationMs


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAssigned:
    """An accepted offer: this agent alone owns the task."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    channel: Channel
    assignment_id: Id
    offer_id: Id
    agent_id: Id
    assigned_at_ms: InstantMs
    waited_ms: DurationMs
    kind: TaskKind = "contact"
    role: Role = "owner"
    expected_wait_ms: DurationMs | None = None
    """What was expected when the task was queued; `waited_ms` is what came."""
    answer_within_ms: DurationMs | None = None
    """What the queue's service level promised at this moment, if it had one."""
    respond_by_ms: InstantMs | None = None
    """The task is taken back then unless the agent has done something for it; the gateway reports the first answer by
    `assignment.connect`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequeued:
    """The assignment ended without completion; the task waits again, with its original waiting time.

    The steps of its queue's plan count from now.
    """

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    assignment_id: Id
    agent_id: Id
    reason: RequeueReason
    queued_at_ms: InstantMs
    requeued_at_ms: InstantMs


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class WrapupStarted:
    """The conversation is over for the agent, who still documents it; holds capacity until completed."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    assignment_id: Id
    agent_id: Id
    reason: WrapupReason
    then: Then
    seen_number: Number | None
    """The last customer message the agent had seen; the gateway asks again if a later one exists."""
    started_at_ms: InstantMs
    ends_at_ms: InstantMs
    disposition: Code | None = None
    """If the agent has named it already; it stays if the wrap-up runs out."""
    handed_over_to: Id | None = None
    """The task that took the place of this one: `task.transferred_out` follows instead of `task.completed`."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompleted:
    """Done; terminal."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    assignment_id: Id
    agent_id: Id
    reason: CompletionReason
    disposition: Code | None
    then: Then
    seen_number: Number | None
    completed_at_ms: InstantMs
    handled_ms: DurationMs
    held_ms: DurationMs = 0
    """Of it, on hold."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAbandoned:
    """The customer was gone before an agent owned the task; terminal."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    reason: AbandonReason
    abandoned_at_ms: InstantMs
    waited_ms: DurationMs
    answer_within_ms: DurationMs | None = None
    """As in `task.assigned`."""
    short_abandon_ms: DurationMs | None = None
    """Who left within this time had hardly come, by the queue's configuration at this moment."""
