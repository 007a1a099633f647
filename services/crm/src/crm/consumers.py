"""The group `crm`: effect and position commit together."""

from typing import Final, get_args

from contracts.interactions import InteractionEnded, InteractionStarted, InteractionUpdated
from contracts.messages import (
    MessageAnnounced,
    MessageDelivered,
    MessageFailed,
    MessageNoted,
    MessageReceived,
    MessageSent,
)
from contracts.topics import INTERACTIONS, MESSAGES, ROUTING_EVENTS
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessageFilesChanged,
    MessagesMoved,
    MessageStatusChanged,
    WindowChanged,
)
from servicekit.consume import ConsumerLimits, ConsumerLoop
from servicekit.lane import LaneLimits
from servicekit.ports import Clock
from servicekit.run import Shell
from servicekit.transactional import TransactionalProcessor, TransactionalReactions

from crm import handlers
from crm.domain.calls import CallEvent
from crm.domain.routing import PartEvent, TaskEvent
from crm.handlers import Identification
from crm.transaction import CrmStore, CrmTransaction

GROUP: Final = "crm"
TOPICS: Final = (INTERACTIONS.name, MESSAGES.name, ROUTING_EVENTS.name)
BATCH_RECORDS_MAX: Final = 1000
"""In one transaction: what a statement and a commit cost is shared by as many."""


def reactions(clock: Clock) -> TransactionalReactions[CrmTransaction]:
    """Who reacts to what. Types that nobody names here, those of agents and offers among them, are passed over."""
    table = TransactionalReactions[CrmTransaction]().before(handlers.expect)
    identification = Identification(clock)
    table.on(InteractionStarted, identification.interaction_started)
    table.on(InteractionUpdated, identification.interaction_updated)
    table.on(InteractionEnded, handlers.interaction_ended)
    table.on(MessageReceived, handlers.message_said)
    table.on(MessageSent, handlers.message_said)
    table.on(MessageNoted, handlers.message_said)
    table.on(MessageAnnounced, handlers.message_said)
    table.on(MessageDelivered, handlers.message_delivered)
    table.on(MessageFailed, handlers.message_failed)
    table.on(MessageStatusChanged, handlers.message_status_changed)
    table.on(MessageEdited, handlers.message_edited)
    table.on(MessageErased, handlers.message_erased)
    table.on(MessageFilesChanged, handlers.message_files_changed)
    table.on(MessagesMoved, handlers.messages_moved)
    table.on(WindowChanged, handlers.window_changed)
    for changed in get_args(TaskEvent):
        table.on(changed, handlers.task_changed)
    for part in get_args(PartEvent):
        table.on(part, handlers.part_changed)
    for happened in get_args(CallEvent):
        table.on(happened, handlers.call_happened)
    return table


def consumer(store: CrmStore, shell: Shell) -> ConsumerLoop:
    """Reads all topics of the CRM."""
    return ConsumerLoop(
        group=GROUP,
        topics=TOPICS,
        processor=TransactionalProcessor(
            group=GROUP, store=store, reactions=reactions(shell.clock), telemetry=shell.telemetry
        ),
        log=shell.log,
        clock=shell.clock,
        chance=shell.chance,
        telemetry=shell.telemetry,
        limits=ConsumerLimits(lane=LaneLimits(batch_records_max=BATCH_RECORDS_MAX)),
    )
