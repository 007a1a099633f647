"""What people and services ask for: imperative types in `routing.inputs` and `commands.<gateway>`."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from contracts.agents import AgentState
from contracts.fields import Band, Channel, Code, Count, Id, InstantMs, Number, Personal, Priority, Text
from contracts.tasks import Requirement, TaskKind, Then, TransferKind

SendMode = Literal["reply", "reply_all", "forward"]


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
    when: Literal["when_free", "now"] = "when_free"
    """when_free: asked for during an offer or an assignment it takes effect when the last of them ends; until then no
    other offer comes."""
    by: Id | None = None
    """The supervisor who chooses for the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockAgent:
    """The agent begins or ends a shift; ending it makes not ready, and waits until the last task ends."""

    command_id: Id
    domain: Id
    agent_id: Id
    clocked_in: bool
    by: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTask:
    """The agent ends the conversation and goes to wrap-up."""

    command_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    then: Then = "close"
    seen_number: Number | None = None
    disposition: Code | None = None
    """Known already it says how long the wrap-up may take, and stays if that runs out."""
    as_helper: bool = False
    """Only while the agent helps another: who leaves as a helper does not end what has become theirs meanwhile."""


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
class HoldTask:
    """The customer goes on hold, or (`held` false) comes back."""

    command_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    held: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkTask:
    """The agent puts the task aside: it takes no capacity, and comes back to them first when it is due."""

    command_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    until_ms: InstantMs | None = None
    """None: until the customer writes, or somebody takes it up; not allowed once the interaction has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnparkTask:
    """A parked task waits for an agent again."""

    command_id: Id
    domain: Id
    agent_id: Id
    task_id: Id
    by: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferTask:
    """Another agent is asked to take the task over (cold) or to help first (consult); the owner stays meanwhile.

    Exactly one target: a queue, an agent, requirements within the queue, or the next tier.
    """

    command_id: Id
    domain: Id
    agent_id: Id
    """The owner."""
    assignment_id: Id
    kind: TransferKind = "cold"
    queue: Code | None = None
    to_agent_id: Id | None = None
    requirements: tuple[Requirement, ...] = ()
    escalate: bool = False
    priority_add: Priority = 0
    forced: bool = False
    """Also to a target that is closed or where nobody is at work."""
    by: Id | None = None
    """The supervisor who reassigns, or the gateway whose phone asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTransfer:
    """The owner hands over (complete), lets the customer in (conference), or takes it back (cancel)."""

    command_id: Id
    domain: Id
    agent_id: Id
    transfer_id: Id
    move: Literal["complete", "conference", "cancel"]
    by: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerouteTask:
    """A supervisor moves a waiting task: to another queue, to one agent, up or down."""

    command_id: Id
    domain: Id
    task_id: Id
    by: Id
    queue: Code | None = None
    to_agent_id: Id | None = None
    priority: Priority | None = None
    band: Band | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishTask:
    """A supervisor ends a task that is stuck, whatever its state; the gateway ends the interaction."""

    command_id: Id
    domain: Id
    task_id: Id
    by: Id
    disposition: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelCallback:
    """The customer does not want to be called any more: the callback that waits ends."""

    command_id: Id
    domain: Id
    interaction_id: Id
    """Of the callback's task."""
    by: Id
    """The agent or supervisor whom the customer told, or the gateway."""
    task_id: Id | None = None
    """The callback that is meant: no later one of the interaction. None: whichever it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideQueue:
    """A supervisor closes a queue at once, opens it again, or changes its priority; replaces the override before.

    `queue` none: all queues of the domain.
    """

    command_id: Id
    domain: Id
    by: Id
    queue: Code | None = None
    closed: bool = False
    message: Text | None = None
    priority: Priority | None = None
    until_ms: InstantMs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTask:
    """A task that no customer asks for just now: a callback, a case, a call to dial. Written by any service."""

    request_id: Id
    """Names the task: a repeat makes no second one while the task lives, nor within 8 days of the request. A refused
    request is decided anew after an hour."""
    interaction_id: Id
    """Of the conversation to be; new, unless the task belongs to a known one."""
    domain: Id
    kind: TaskKind
    client: Id
    channel: Channel
    queue: Code
    requested_at_ms: InstantMs
    due_at_ms: InstantMs | None = None
    """Not before; the wait counts from then."""
    agent_id: Id | None = None
    """Whose it is: theirs alone for `agent_only_seconds` once due."""
    agent_only_seconds: Count = 3600
    priority: Priority | None = None
    labels: tuple[Code, ...] = ()
    language: Code | None = None
    by: Id | None = None
    """Who asks over the router's API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCallback:
    """The waiting customer hangs up and keeps the place in line, or (`due_at_ms`) wants to be called at a time.

    Without `due_at_ms` a parked or scheduled task is back in line at once.

    Who asks knows how to call the customer: `callback_possible` is not looked at.
    """

    request_id: Id
    interaction_id: Id
    domain: Id
    requested_at_ms: InstantMs
    due_at_ms: InstantMs | None = None
    by: Id | None = None
    """Who asks over the router's API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectAssignment:
    """The gateway has connected customer and agent, or could not (`failure`): the task waits again.

    Where people write, they are connected by the agent's first message; asked for by `respond_by_ms` of the assignment.
    """

    assignment_id: Id
    interaction_id: Id
    domain: Id
    reported_at_ms: InstantMs
    failure: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFacts:
    """What the CRM knows of the customer of an interaction, as far as routing may need it."""

    interaction_id: Id
    domain: Id
    known: bool
    found_at_ms: InstantMs
    tier: Code | None = None
    language: Code | None = None
    last_agent_id: Id | None = None
    labels: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateConfiguration:
    """The domain switches to this version of its tenant's configuration, which `config` holds by now."""

    domain: Id
    version: Count
    hash: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """The agent says something to the customer, which a consultant may not; `personal.text` holds the words."""

    message_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """Sequence of the event that gave the assignment its role: a gateway that has not read so far waits."""
    requested_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)
    in_reply_to: Id | None = None
    """The message that is answered; none: the customer's last."""
    template: Code | None = None
    """A configured template instead of free words; `personal.variables` fills its places, in their order."""
    mode: SendMode | None = None
    """E-mail: to whom it goes; none: `reply`. `personal` may hold `to`, `cc`, `bcc`, `subject` and `html`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendMessage:
    """The agent has the gateway send again what failed, or of what nobody knows whether it was sent: the customer may
    get it twice, which is for people to decide."""

    request_id: Id
    message_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """As in `message.send`."""
    requested_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInteraction:
    """The agent makes messages of a conversation one of its own, for they are about something else."""

    request_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """As in `message.send`."""
    message_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=200)]
    requested_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinInteraction:
    """The agent puts what was said in another conversation of the same customer into this one; the other ends."""

    request_id: Id
    interaction_id: Id
    joined_interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """As in `message.send`."""
    requested_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNote:
    """The agent says something to the other agents of the conversation alone; `personal.text` holds the words.

    A type of its own: a gateway of 0.1.0 passes over it, and would have shown a `message.send` to the customer.
    """

    message_id: Id
    interaction_id: Id
    domain: Id
    agent_id: Id
    assignment_id: Id
    assignment_sequence: Id
    """As in `message.send`."""
    requested_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)
