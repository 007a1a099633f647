"""Writes what a decision changed, and announces it."""

from contracts import Event
from contracts.commands import ConnectAssignment, RequestCallback
from contracts.interactions import (
    ActivityChanged,
    AttentionRequested,
    InteractionEnded,
    InteractionStarted,
    InteractionUpdated,
)
from contracts.messages import (
    MessageAnnounced,
    MessageDelivered,
    MessageFailed,
    MessageNoted,
    MessageReceived,
    MessageSent,
)
from contracts.written import MessageEdited, MessageErased, MessageFilesChanged, MessagesMoved, WindowChanged

from gatewaykit.domain.records import Announced, Change, Conversation
from gatewaykit.store import ConversationTransaction


async def keep(
    tx: ConversationTransaction, before: Conversation, change: Change, now_ms: int, *, causation_id: str | None = None
) -> None:
    """Write what changed and announce it, in this order."""
    saved = [change.conversation] if change.conversation != before else []
    added = [change.message] if change.message else []
    if saved or added:
        await tx.put(saved, added)
    if change.changed:
        await tx.change_message(change.changed)
    await announce_all(tx, change, now_ms, causation_id=causation_id)


async def announce_all(
    tx: ConversationTransaction,
    change: Change,
    now_ms: int,
    *,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> None:
    """Put what it announces into the outbox; without `traceparent` it belongs to the current trace."""
    conversation = change.conversation
    for data in change.announce:
        await announce(
            tx,
            data,
            tenant_id=conversation.tenant_id,
            now_ms=now_ms,
            causation_id=causation_id,
            partition=conversation.partition,
            traceparent=traceparent,
        )


async def announce(
    tx: ConversationTransaction,
    data: Announced,
    *,
    tenant_id: str,
    now_ms: int,
    causation_id: str | None,
    partition: int = 0,
    traceparent: str | None = None,
) -> None:
    """Put one fact into the outbox; `partition` is its domain's."""
    event = Event(
        id=event_id(data),
        source=tx.source,
        tenant_id=tenant_id,
        subject=data.interaction_id,
        time_ms=now_ms,
        data=data,
        causation_id=causation_id,
        traceparent=traceparent,
    )
    by_domain = event.type.topic.rule == "domain"
    await tx.announce(event, partition=partition if by_domain else None)


def event_id(data: Announced) -> str:
    """Follows from what happened: the same thing announced twice is one event."""
    match data:
        case InteractionStarted() | InteractionEnded() | InteractionUpdated() | ActivityChanged() | WindowChanged():
            return f"{data.interaction_id}.{_turn(data)}"
        case ConnectAssignment():
            return f"{data.assignment_id}.connected"
        case AttentionRequested() | RequestCallback():
            return data.request_id
        case MessageDelivered():
            return f"{data.interaction_id}.delivered.{data.number}"
        case MessageFailed() | MessageEdited() | MessageErased() | MessageFilesChanged():
            return f"{data.message_id}.{_news(data)}"
        case MessagesMoved():
            return f"{data.to_interaction_id}.moved.{data.moved[0].number}"
        case MessageReceived() | MessageSent() | MessageNoted() | MessageAnnounced():
            return data.message_id


def _turn(data: InteractionStarted | InteractionEnded | InteractionUpdated | ActivityChanged | WindowChanged) -> str:
    match data:
        case InteractionStarted():
            return "started"
        case InteractionEnded():
            return "ended"
        case InteractionUpdated():
            return f"updated.{data.updated_at_ms}"
        case ActivityChanged():
            return f"{'active' if data.active else 'silent'}.{data.changed_at_ms}"
        case WindowChanged():
            return f"window.{data.opens_at_ms}.{data.closes_at_ms}.{data.basis}"


def _news(data: MessageFailed | MessageEdited | MessageErased | MessageFilesChanged) -> str:
    match data:
        case MessageFailed():
            return "failed"
        case MessageEdited():
            return f"edited.{data.edited_at_ms}"
        case MessageErased():
            return "erased"
        case MessageFilesChanged():
            return f"files.{data.fetched + data.failed}"
