"""The group `crm`: effect and position commit together."""

from typing import Final

from contracts.interactions import InteractionEnded, InteractionStarted, InteractionUpdated
from contracts.messages import MessageDelivered, MessageFailed, MessageReceived, MessageSent
from contracts.tasks import TaskAbandoned, TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued, WrapupStarted
from contracts.topics import INTERACTIONS, MESSAGES, ROUTING_EVENTS
from servicekit.consume import ConsumerLimits, ConsumerLoop
from servicekit.lane import LaneLimits
from servicekit.run import Shell
from servicekit.transactional import TransactionalProcessor, TransactionalReactions

from crm import handlers
from crm.transaction import CrmStore, CrmTransaction

GROUP: Final = "crm"
TOPICS: Final = (INTERACTIONS.name, MESSAGES.name, ROUTING_EVENTS.name)
BATCH_RECORDS_MAX: Final = 1000
"""In one transaction: what a statement and a commit cost is shared by as many."""


def reactions() -> TransactionalReactions[CrmTransaction]:
    """Who reacts to what."""
    table = TransactionalReactions[CrmTransaction]().before(handlers.expect)
    table.on(InteractionStarted, handlers.interaction_started)
    table.on(InteractionUpdated, handlers.interaction_updated)
    table.on(InteractionEnded, handlers.interaction_ended)
    table.on(MessageReceived, handlers.message_said)
    table.on(MessageSent, handlers.message_said)
    table.on(MessageDelivered, handlers.message_delivered)
    table.on(MessageFailed, handlers.message_failed)
    table.on(TaskQueued, handlers.task_changed)
    table.on(TaskAssigned, handlers.task_changed)
    table.on(TaskRequeued, handlers.task_changed)
    table.on(WrapupStarted, handlers.task_changed)
    table.on(TaskCompleted, handlers.task_changed)
    table.on(TaskAbandoned, handlers.task_changed)
    return table


def consumer(store: CrmStore, shell: Shell) -> ConsumerLoop:
    """Reads all topics of the CRM."""
    return ConsumerLoop(
        group=GROUP,
        topics=TOPICS,
        processor=TransactionalProcessor(group=GROUP, store=store, reactions=reactions(), telemetry=shell.telemetry),
        log=shell.log,
        clock=shell.clock,
        chance=shell.chance,
        telemetry=shell.telemetry,
        limits=ConsumerLimits(lane=LaneLimits(batch_records_max=BATCH_RECORDS_MAX)),
    )
