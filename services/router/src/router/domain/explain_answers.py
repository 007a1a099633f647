"""What the engine answers when it is asked why: of a task, of an agent, of a queue or agent that a task might go to.

Sentences are for people and may change with any release; programs read the other fields. Nothing here is personal data.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.agents import AgentState, Presence
from contracts.fields import Channel, Code, Count, DurationMs, Id, InstantMs
from contracts.offers import Decision
from contracts.tasks import DeferredFor, Role, TaskKind, TransferKind, TransferTarget

ReasonCode = Literal[
    "has_offer", "not_named", "team", "channel", "client", "direction", "requirement", "one_of", "none_of", "not_ready",
    "pending_state", "not_present", "backed_off", "being_served", "at_capacity", "channel_full", "transfers_it",
    "refused_before", "gate_closed",
]  # fmt: skip
"""Why an agent cannot have a task; in this order each agent counts for the first that applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Agents (or tasks, when an agent is explained) who fall out for one reason."""

    code: ReasonCode
    detail: str
    """What exactly: `es>=4`, a team, a channel, a client, the reason for not being ready; may be empty."""
    count: Count
    text: str
    """`9 lack es>=4`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One thing that a task asks of an agent, and how many of all agents do not have it, whatever else they lack."""

    code: ReasonCode
    detail: str
    lacking: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that changes for a waiting task by itself."""

    at_ms: InstantMs | None
    """None while the task is put aside and nobody knows until when."""
    after_ms: DurationMs
    """Since the task entered its queue; of one that is parked, scheduled or waits for the opening, since its return."""
    done: bool
    """A step that is due is not done before a live offer has come to its end."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOffer:
    """The task is offered to the agent."""

    offer_id: Id
    agent_id: Id
    issued_at_ms: InstantMs
    expires_at_ms: InstantMs
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The agent rejected the task, left it unanswered, was not connected or handed it over: not theirs until then."""

    agent_id: Id
    until_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """Who has the task."""

    assignment_id: Id
    agent_id: Id
    role: Role
    assigned_at_ms: InstantMs
    waited_ms: DurationMs
    decision: Decision | None
    """That of the accepted offer: the rule, the agents as they were then, the configuration's version. None for an
    assignment that an earlier release made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferExplained:
    """An open transfer: the same of the task that it is of and of the task that it made."""

    transfer_id: Id
    """The task that it made."""
    from_task_id: Id
    kind: TransferKind
    state: Literal["requested", "consulting", "conference"]
    owner: Id
    """Who has the customer until it is completed."""
    requested_by: Id
    """The owner, or a supervisor."""
    target: TransferTarget
    queue: Code
    """Where the task waits, or waited."""
    to_agent_id: Id | None
    """Who alone is asked, for an agent as target."""
    agent_id: Id | None
    """Who has accepted."""
    fails_at_ms: InstantMs | None
    """If nobody has accepted by then; none once somebody has."""
    text: str
    """`ann asks bob for help`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExplained:
    """Why a live task is where it is."""

    summary: str
    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    channel: Channel
    client: Id
    kind: TaskKind
    state: Literal["waiting", "offered", "assigned", "wrapup"]
    priority: Count
    band: Count
    queued_at_ms: InstantMs
    waited_ms: DurationMs
    asks: str
    """`es>=4 and billing`; `any` when every agent will do."""
    version: Count
    """Of the configuration now."""
    as_of_ms: InstantMs
    deferred_for: DeferredFor | None = None
    deferred_until_ms: InstantMs | None = None
    position: Count | None = None
    """In the queue, 1 is next; none for a task that does not wait, or when too many wait to be counted."""
    expected_wait_ms: DurationMs | None = None
    """From now on, as things go."""
    agents: Count | None = None
    """Of the domain; none, as `eligible`, for a task that somebody has."""
    eligible: Count | None = None
    reasons: tuple[Reason, ...] = ()
    """Why the others are not; the counts and `eligible` add up to `agents`."""
    asked: tuple[Asked, ...] = ()
    plan: str = ""
    """The timeline as one sentence."""
    timeline: tuple[Moment, ...] = ()
    """By the configuration as it is now; a step that has passed is shown as it stands there now."""
    offers: tuple[LiveOffer, ...] = ()
    refused_by: tuple[Refused, ...] = ()
    owner: Owned | None = None
    """Who has it, in whichever role."""
    transfer: TransferExplained | None = None
    """The open transfer that the task is of, or stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTask:
    """What an agent would be offered first if they could take it now."""

    task_id: Id
    queue: Code
    waited_ms: DurationMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentExplained:
    """Why an agent gets nothing now, and what they would get."""

    summary: str
    agent_id: Id
    domain: Id
    state: AgentState
    reason_code: Code | None
    presence: Presence
    clocked_in: bool
    held: Count
    capacity: Count
    bars: tuple[str, ...]
    """What stands in the way of any offer, in words; none: they may get one."""
    waiting: Count
    """Tasks of the domain that seek an agent, as far as they were looked at."""
    looked_at_all: bool
    reasons: tuple[Reason, ...]
    """Why the others of `waiting` are not for this agent, however much room they had."""
    next: NextTask | None
    version: Count
    as_of_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetExplained:
    """Whether it makes sense to send a task to this queue, or this agent."""

    summary: str
    domain: Id
    queue: Code | None
    agent_id: Id | None
    open: bool
    opens_at_ms: InstantMs | None
    """When it opens, if closed and known."""
    at_work: Count
    """Agents who could serve it and are ready and present, busy or not."""
    free: Count
    """Of them, those who could take one more now."""
    waiting: Count
    full: bool
    expected_wait_ms: DurationMs | None
    reasons: tuple[Reason, ...]
    as_of_ms: InstantMs
