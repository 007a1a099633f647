"""What people and services ask for: imperative types in `routing.inputs` and `commands.<gateway>`."""

from dataclasses import dataclass, field

from contracts.agents import AgentState
from contracts.fields import Code, Count, Id, InstantMs, Number, Personal
from contracts.tasks import Then


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOffer:
    """The agent takes the offer."""

    command_id: Id
    domain: Id
    agent_id: Id
    offer_id: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectOffer:
    """The agent declines the offer."""

    command_id: Id
    domain: Id
    agent_id: Id
    offer_id: Id
    reason: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAgentState:
    """The agent, or a supervisor for the agent, chooses a state."""

    command_id: Id
    domain: Id
    agent_id: Id
    state: AgentState
    reason_code: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTask:
    """The agent ends the conversation and goes to wrap-up."""

    command_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    then: Then = "close"
    seen_number: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTask:
    """The agent is done with the task, from assigned or from wrap-up."""

    command_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    disposition: Code | None = None
    then: Then = "close"
    seen_number: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateConfiguration:
    """The domain switches to this version of its tenant's configuration, which `config` holds by now."""

    domain: Id
    version: Count
    hash: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """The agent says something to the customer; `personal.text` holds the words."""

    message_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """Sequence of the `task.assigned` that made the assignment: a gateway that has not read so far waits."""
    requested_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)
