"""Life of a task, written by the router engine alone (topic `routing.events`)."""

from dataclasses import dataclass
from typing import Literal

from contracts.fields import Channel, Code, Cost, DurationMs, Id, InstantMs, Number, Priority, Proficiency

Then = Literal["close", "keep_open"]
"""What the gateway does with the interaction: close it (unless the customer has said more), or keep it open."""

RequeueReason = Literal["agent_lost", "agent_removed"]
WrapupReason = Literal["interaction_ended", "agent_ended"]
AbandonReason = Literal["customer_left", "agent_closed", "idle", "never_answered", "refused"]
CompletionReason = Literal["completed_by_agent", "wrapup_timed_out", "agent_lost", "agent_removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A skill and the lowest proficiency (1 to 5) that will do."""

    skill: Code
    minimum: Proficiency = 1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequeued:
    """The assignment ended without completion; the task waits again, with its original waiting time."""

    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    assignment_id: Id
    agent_id: Id
    reason: RequeueReason
    queued_at_ms: InstantMs
    requeued_at_ms: InstantMs


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
