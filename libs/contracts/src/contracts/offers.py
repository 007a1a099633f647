"""Offers and the decisions behind them, written by the router engine alone (topic `routing.events`)."""

from dataclasses import dataclass, field
from typing import Literal

from contracts.fields import Channel, Code, Count, DurationMs, Id, InstantMs, Priority
from contracts.quick import quick

RescindReason = Literal["interaction_ended", "agent_lost", "agent_not_ready", "agent_removed"]
Exclusion = Literal["lacks_skill", "not_ready", "not_present", "at_capacity", "refused_before"]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why this agent: who was in scope, who fell out for which reason, and the rule that chose."""

    rule: Code
    agents: Count
    eligible: Count
    excluded: dict[str, Count] = field(default_factory=dict)
    """Agents out of scope by `Exclusion`; the first reason that applies, in the order of that type."""
    idle_ms: DurationMs | None = None
    waited_ms: DurationMs = 0
    version: Count = 0
    """Of the configuration that decided."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferIssued:
    """Exclusive proposal of a task to an agent until `expires_at_ms`."""

    offer_id: Id
    task_id: Id
    interaction_id: Id
    domain: Id
    queue: Code
    channel: Channel
    priority: Priority
    agent_id: Id
    issued_at_ms: InstantMs
    expires_at_ms: InstantMs
    queued_at_ms: InstantMs
    decision: Decision
    auto_accept: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted:
    """The agent took it; `task.assigned` follows in the same batch."""

    offer_id: Id
    task_id: Id
    domain: Id
    agent_id: Id
    accepted_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRejected:
    """The agent declined; the task takes its old place in line and is not offered to this agent for a while."""

    offer_id: Id
    task_id: Id
    domain: Id
    agent_id: Id
    reason: Code | None
    rejected_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferExpired:
    """Nobody answered in time; the task takes its old place in line."""

    offer_id: Id
    task_id: Id
    domain: Id
    agent_id: Id
    unanswered: Count
    """Offers this agent has left unanswered in a row, this one included."""
    expired_at_ms: InstantMs


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRescinded:
    """The router took it back."""

    offer_id: Id
    task_id: Id
    domain: Id
    agent_id: Id
    reason: RescindReason
    rescinded_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferWithdrawn:
    """The router took it back for the task's sake; beside `offer.rescinded`, whose reasons are the agent's."""

    offer_id: Id
    task_id: Id
    domain: Id
    agent_id: Id
    reason: Code
    """`answered_by_another`, `rerouted`, `by_supervisor`, `transfer_over`."""
    withdrawn_at_ms: InstantMs


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecorded:
    """A routing attempt that found nobody."""

    task_id: Id
    domain: Id
    queue: Code
    decision: Decision
    recorded_at_ms: InstantMs
