"""What happens for each thing that a visitor, an agent or the router does: one function each, in a transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from contracts import Event
from contracts.commands import SendMessage
from contracts.interactions import ActivityChanged, AttentionRequested, InteractionEnded, InteractionStarted
from contracts.messages import MessageDelivered, MessageFailed, MessageReceived, MessageSent
from contracts.tasks import TaskAbandoned, TaskAssigned, TaskCompleted, TaskQueued, TaskRequeued, WrapupStarted
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from chat_gateway.directory import Directory
from chat_gateway.domain import decisions
from chat_gateway.domain.records import Announced, Change, Conversation, LineTask, Place, Visit
from chat_gateway.store import ChatTransaction

SOURCE: Final = "/chat-gateway"
TEXT_MAX: Final = 4000
FENCE_WAIT_MS: Final = 5_000
FENCE_WAITS_MAX: Final = 10_000


class EndedError(Exception):
    """The conversation is over; the visitor has to open a new window."""


class UnknownAddressError(Exception):
    """The channel address is not, or no longer, configured; no new conversation can begin there."""


async def accept_message(
    tx: ChatTransaction, visit: Visit, place: Place | None, *, client_message_id: str, text: str, now_ms: int
) -> int:
    """Take a customer's message; returns its number, for a repeated one the number it got first.

    Accepted means committed: acknowledge only after the transaction. Raises EndedError or UnknownAddressError.
    """
    message_id = uuid5(NAMESPACE_URL, f"{visit.interaction_id}/{client_message_id}").hex
    conversation = await _opened(tx, visit, place, now_ms)
    if not await tx.first_time(f"webchat:{visit.interaction_id}", client_message_id):
        kept = await tx.message(visit.tenant_id, message_id)
        if kept is None:
            raise EndedError("the message was taken, and its conversation is long over")
        return kept.number
    if conversation.state == "ended":
        raise EndedError("the conversation is over")
    change = decisions.customer_says(
        conversation, visit, message_id=message_id, client_message_id=client_message_id, text=text, now_ms=now_ms
    )
    await _apply(tx, conversation, change, now_ms)
    return change.conversation.last_number


async def confirm_delivery(tx: ChatTransaction, visit: Visit, *, number: int, now_ms: int) -> None:
    """The visitor's device has every message up to `number`."""
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if conversation:
        await _apply(tx, conversation, decisions.delivered(conversation, number, now_ms), now_ms)


async def end_by_customer(tx: ChatTransaction, visit: Visit, *, now_ms: int) -> None:
    """The customer ends the chat; succeeds if it is over already or never began."""
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if conversation:
        await _apply(tx, conversation, decisions.ended(conversation, "customer_left", now_ms), now_ms)


async def note_connection(tx: ChatTransaction, visit: Visit, *, connected: bool, now_ms: int) -> None:
    """The visitor's first socket here opened, or the last one closed."""
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if conversation:
        change = decisions.returned(conversation) if connected else decisions.left(conversation, now_ms)
        await _apply(tx, conversation, change, now_ms)


async def look_at(
    tx: ChatTransaction, conversations: Sequence[Conversation], present: Sequence[bool] | None, *, now_ms: int
) -> None:
    """Do what is due for these; `present` none: nobody can say who is connected."""
    for place, conversation in enumerate(conversations):
        if conversation.state == "ended":
            await tx.remove_conversation(conversation.tenant_id, conversation.interaction_id)
            continue
        seen = present[place] if present is not None else None
        await _apply(tx, conversation, decisions.looked_at(conversation, present=seen, now_ms=now_ms), now_ms)


class AgentMessages:
    """Takes agents' messages, fenced by their assignment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting_since_ms: dict[str, int] = {}

    async def send(self, tx: ChatTransaction, delivery: Delivery[SendMessage]) -> None:
        """Make it a message of the conversation, or say why not.

        Raises RetryLaterError for at most 5 s while routing events are not read as far as the sender had seen.
        """
        command, tenant_id, now_ms = delivery.data, delivery.event.tenant_id, self._clock.now_ms()
        text = command.personal.get("text")
        conversation = await tx.lock_conversation(tenant_id, command.interaction_id)
        allowed = conversation is not None and decisions.may_say(conversation, command)
        if allowed is None and self._waits(command.message_id, now_ms):
            raise RetryLaterError("routing events are not read that far yet")
        self._waiting_since_ms.pop(command.message_id, None)
        if not await tx.first_time("message.send", command.message_id):
            return
        if conversation and allowed and isinstance(text, str) and 0 < len(text) <= TEXT_MAX and "\x00" not in text:
            change = decisions.agent_says(conversation, command, text, now_ms)
            await _apply(tx, conversation, change, now_ms, causation_id=delivery.event.id)
            return
        reason, detail = _why_refused(conversation, allowed=bool(allowed))
        failed = decisions.refused(command, reason=reason, detail=detail, now_ms=now_ms)
        await _announce(tx, failed, tenant_id=tenant_id, now_ms=now_ms, causation_id=delivery.event.id)

    def _waits(self, message_id: str, now_ms: int) -> bool:
        if len(self._waiting_since_ms) >= FENCE_WAITS_MAX:
            self._waiting_since_ms.clear()  # at worst somebody waits anew
        return now_ms - self._waiting_since_ms.setdefault(message_id, now_ms) < FENCE_WAIT_MS


class Routing:
    """Follows what the router does with our interactions, and with everybody's lines."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    async def queued(self, tx: ChatTransaction, delivery: Delivery[TaskQueued]) -> None:
        """A task stands in line."""
        data = delivery.data
        await tx.add_line_task(
            LineTask(
                tenant_id=delivery.event.tenant_id,
                task_id=data.task_id,
                interaction_id=data.interaction_id,
                domain=data.domain,
                queue=data.queue,
                priority=data.priority,
                queued_at_ms=data.queued_at_ms,
            )
        )
        conversation = await self._ours(tx, delivery.event, data.interaction_id)
        if conversation:
            await self._follow(tx, delivery.event, conversation, decisions.queued(conversation, data.task_id))

    async def assigned(self, tx: ChatTransaction, delivery: Delivery[TaskAssigned]) -> None:
        """An agent has the conversation."""
        event, data = delivery.event, delivery.data
        await tx.set_waiting(event.tenant_id, data.task_id, waiting=False)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            change = decisions.assigned(
                conversation,
                task_id=data.task_id,
                assignment_id=data.assignment_id,
                agent_id=data.agent_id,
                agent_name=self._directory.agent_name(event.tenant_id, data.agent_id),
                now_ms=self._clock.now_ms(),
            )
            await self._follow(tx, event, conversation, change)

    async def requeued(self, tx: ChatTransaction, delivery: Delivery[TaskRequeued]) -> None:
        """The agent lost it; it waits again at its old place."""
        event, data = delivery.event, delivery.data
        await tx.set_waiting(event.tenant_id, data.task_id, waiting=True)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, decisions.queued(conversation, data.task_id))

    async def finished(self, tx: ChatTransaction, delivery: Delivery[WrapupStarted] | Delivery[TaskCompleted]) -> None:
        """The agent is done with the conversation; ask again, close it or leave it open."""
        event, data = delivery.event, delivery.data
        await tx.remove_line_task(event.tenant_id, data.task_id)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            change = decisions.finished(
                conversation,
                task_id=data.task_id,
                # Of its own for each of the two events: the router drops a request id that it knows.
                request_id=f"{data.task_id}.{event.type.name.removeprefix('task.')}",
                then=data.then,
                seen_number=data.seen_number,
                now_ms=self._clock.now_ms(),
            )
            await self._follow(tx, event, conversation, change)

    async def abandoned(self, tx: ChatTransaction, delivery: Delivery[TaskAbandoned]) -> None:
        """The task left its line."""
        event, data = delivery.event, delivery.data
        await tx.remove_line_task(event.tenant_id, data.task_id)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, decisions.abandoned(conversation, data.task_id))

    async def _ours(self, tx: ChatTransaction, event: Event, interaction_id: str) -> Conversation | None:
        return await tx.lock_conversation(event.tenant_id, interaction_id)

    async def _follow(self, tx: ChatTransaction, event: Event, before: Conversation, change: Change) -> None:
        sequence = max(before.routed_sequence, event.sequence or "")
        followed = replace(change, conversation=replace(change.conversation, routed_sequence=sequence))
        await _apply(tx, before, followed, self._clock.now_ms(), causation_id=event.id)


def _why_refused(conversation: Conversation | None, *, allowed: bool) -> tuple[str, str]:
    if conversation is None:
        return "interaction_unknown", "There is no such conversation."
    if conversation.state == "ended":
        return "interaction_ended", "The conversation is over."
    if allowed:
        return "text_invalid", f"A message has 1 to {TEXT_MAX} characters, and no NUL."
    return "assignment_gone", "The conversation is not assigned to this agent any more."


async def _opened(tx: ChatTransaction, visit: Visit, place: Place | None, now_ms: int) -> Conversation:
    kept = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if kept:
        return kept
    if place is None or place.tenant_id != visit.tenant_id:
        raise UnknownAddressError(visit.address)
    return await tx.open_conversation(decisions.opened(visit, place, now_ms))


async def _apply(
    tx: ChatTransaction, before: Conversation, change: Change, now_ms: int, *, causation_id: str | None = None
) -> None:
    """Keep what changed and announce it, in this order."""
    if change.message:
        await tx.add_message(change.message)
    if change.conversation != before:
        await tx.save_conversation(change.conversation)
    for data in change.announce:
        await _announce(
            tx,
            data,
            tenant_id=before.tenant_id,
            now_ms=now_ms,
            causation_id=causation_id,
            partition=before.partition,
        )


async def _announce(
    tx: ChatTransaction,
    data: Announced,
    *,
    tenant_id: str,
    now_ms: int,
    causation_id: str | None,
    partition: int = 0,
) -> None:
    event = Event(
        id=_event_id(data),
        source=SOURCE,
        tenant_id=tenant_id,
        subject=data.interaction_id,
        time_ms=now_ms,
        data=data,
        causation_id=causation_id,
    )
    by_domain = event.type.topic.rule == "domain"
    await tx.announce(event, partition=partition if by_domain else None)


def _event_id(data: Announced) -> str:
    """Follows from what happened: the same thing announced twice is one event."""
    match data:
        case InteractionStarted():
            return f"{data.interaction_id}.started"
        case ActivityChanged():
            return f"{data.interaction_id}.{'active' if data.active else 'silent'}.{data.changed_at_ms}"
        case InteractionEnded():
            return f"{data.interaction_id}.ended"
        case AttentionRequested():
            return data.request_id
        case MessageDelivered():
            return f"{data.interaction_id}.delivered.{data.number}"
        case MessageFailed():
            return f"{data.message_id}.failed"
        case MessageReceived() | MessageSent():
            return data.message_id
