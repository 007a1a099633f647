"""Assignments while they last, and transfers, written by the router engine (topic `routing.events`)."""

from dataclasses import dataclass
from typing import Literal

from contracts.fields import Code, DurationMs, Id, InstantMs
from contracts.tasks import Role, TransferKind

TransferState = Literal["requested", "consulting", "conference", "completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentConnected:
    """Customer and agent can talk: the gateway has connected them."""

    assignment_id: Id
    task_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    connected_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentHeld:
    """The customer is on hold."""

    assignment_id: Id
    task_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    held_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRetrieved:
    """The customer is off hold."""

    assignment_id: Id
    task_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    held_ms: DurationMs
    """This time."""
    retrieved_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentCapacityChanged:
    """A silent customer's task takes no capacity of its agent any more, or takes it again."""

    assignment_id: Id
    task_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    counted: bool
    """Taken again, it may exceed the agent's capacity for a while: no offer is made to them meanwhile."""
    changed_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRoleChanged:
    """The agent of a transfer's task has another part in the conversation."""

    assignment_id: Id
    task_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    role: Role
    changed_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferChanged:
    """A transfer moved on. Its id is that of the task that it made; the old owner stays until it is completed."""

    transfer_id: Id
    interaction_id: Id
    domain: Id
    kind: TransferKind
    state: TransferState
    from_task_id: Id
    from_assignment_id: Id
    from_agent_id: Id
    to_agent_id: Id | None
    """Who accepted, if anybody has."""
    reason: Code | None
    """Why it was cancelled (`by_owner`, `by_supervisor`, `by_consultant`, `owner_ended`, `interaction_ended`) or failed
    (`rejected`, `unanswered`, `target_gone`, `timed_out`, `overflowed`, `agent_lost`, `owner_lost`, ...); why it was
    completed without the owner's word (`owner_lost`, `owner_ended`, or the owner could not be connected or did nothing:
    `connect_failed`, `no_response`), or asks again (`connect_failed`, of who had accepted)."""
    changed_at_ms: InstantMs
