"""What the chat gateway reads from Kafka: a table of reactions."""

from typing import Final

from contracts.agents import CommandResult
from contracts.assignments import AssignmentRoleChanged, TransferChanged
from contracts.commands import AddNote, ResendMessage, SendMessage
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
from contracts.topics import COMMANDS_CHAT, ROUTING_EVENTS
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.routing import Routing
from servicekit.transactional import TransactionalReactions

from chat_gateway import lines
from chat_gateway.store import ChatTransaction

GROUP: Final = "chat-gateway"
TOPICS: Final = (ROUTING_EVENTS.name, COMMANDS_CHAT.name)


def reactions(
    routing: Routing[ChatTransaction], agents: AgentMessages[ChatTransaction]
) -> TransactionalReactions[ChatTransaction]:
    """Who reacts to what: the lines first, then the conversation."""
    return (
        TransactionalReactions[ChatTransaction]()
        .on(TaskQueued, lines.queued, routing.queued)
        .on(TaskRerouted, lines.rerouted, routing.rerouted)
        .on(CommandResult, routing.decided)
        .on(TaskDeferred, lines.deferred, routing.deferred)
        .on(TaskResumed, lines.back, routing.resumed)
        .on(TaskAssigned, lines.assigned, routing.assigned)
        .on(TaskRequeued, lines.back, routing.requeued)
        .on(TaskUnassigned, lines.unassigned, routing.unassigned)
        .on(AssignmentRoleChanged, routing.role_changed)
        .on(TransferChanged, routing.transfer_changed)
        .on(WrapupStarted, lines.gone, routing.finished)
        .on(TaskCompleted, lines.gone, routing.finished)
        .on(TaskAbandoned, lines.gone, routing.abandoned)
        .on(TaskTransferredOut, lines.gone, routing.transferred_out)
        .on(SendMessage, agents.send)
        .on(AddNote, agents.send)
        .on(ResendMessage, agents.resend)
    )
