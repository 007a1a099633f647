"""What the e-mail gateway reads from Kafka: a table of reactions."""

from typing import Final

from contracts.agents import CommandResult
from contracts.assignments import AssignmentRoleChanged, TransferChanged
from contracts.commands import AddNote, JoinInteraction, ResendMessage, SendMessage, SplitInteraction
from contracts.tasks import (
    TaskAbandoned,
    TaskAssigned,
    TaskCompleted,
    TaskDeferred,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    WrapupStarted,
)
from contracts.topics import COMMANDS_EMAIL, ROUTING_EVENTS
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.moves import Moves
from gatewaykit.routing import Routing
from servicekit.transactional import TransactionalReactions

from email_gateway.store import MailTransaction

GROUP: Final = "email-gateway"
TOPICS: Final = (ROUTING_EVENTS.name, COMMANDS_EMAIL.name)


def reactions(
    routing: Routing[MailTransaction], agents: AgentMessages[MailTransaction], moves: Moves[MailTransaction]
) -> TransactionalReactions[MailTransaction]:
    """Who reacts to what."""
    return (
        TransactionalReactions[MailTransaction]()
        .on(TaskQueued, routing.queued)
        .on(TaskRerouted, routing.rerouted)
        .on(CommandResult, routing.decided)
        .on(TaskDeferred, routing.deferred)
        .on(TaskResumed, routing.resumed)
        .on(TaskAssigned, routing.assigned)
        .on(TaskRequeued, routing.requeued)
        .on(TaskUnassigned, routing.unassigned)
        .on(AssignmentRoleChanged, routing.role_changed)
        .on(TransferChanged, routing.transfer_changed)
        .on(WrapupStarted, routing.finished)
        .on(TaskCompleted, routing.finished)
        .on(TaskAbandoned, routing.abandoned)
        .on(TaskTransferredOut, routing.transferred_out)
        .on(SendMessage, agents.send)
        .on(AddNote, agents.send)
        .on(ResendMessage, agents.resend)
        .on(SplitInteraction, moves.split)
        .on(JoinInteraction, moves.join)
    )
