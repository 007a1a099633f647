"""What happens for each thing that a visitor or an agent does: one function each, in a transaction.

What the router does stands in `routing`.
"""

from collections.abc import Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from contracts import Event
from contracts.commands import AddNote, ConnectAssignment, RequestCallback, SendMessage
from contracts.interactions import ActivityChanged, AttentionRequested, InteractionEnded, InteractionStarted
from contracts.messages import (
    MessageAnnounced,
    MessageDelivered,
    MessageFailed,
    MessageNoted,
    MessageReceived,
    MessageSent,
)
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from chat_gateway.domain import decisions
from chat_gateway.domain.records import Announced, Change, Conversation, Place, Visit
from chat_gateway.store import ChatTransaction

SOURCE: Final = "/chat-gateway"
TEXT_MAX: Final = 4000
FENCE_WAIT_MS: Final = 5_000
FENCE_WAITS_MAX: Final = 10_000


class EndedError(Exception):
    """The conversation is over; the visitor has to open a new window."""


class NoCallbackError(Exception):
    """The customer does not wait in line, or cannot be called back."""


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
    await keep(tx, conversation, change, now_ms)
    return change.conversation.last_number


async def confirm_delivery(tx: ChatTransaction, visit: Visit, *, number: int, now_ms: int) -> None:
    """The visitor's device has every message up to `number`."""
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if conversation:
        await keep(tx, conversation, decisions.delivered(conversation, number, now_ms), now_ms)


async def end_by_customer(tx: ChatTransaction, visit: Visit, *, now_ms: int) -> None:
    """The customer ends the chat; succeeds if it is over already or never began."""
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if conversation:
        await keep(tx, conversation, decisions.ended(conversation, "customer_left", now_ms), now_ms)


async def request_callback(tx: ChatTransaction, visit: Visit, place: Place | None, *, now_ms: int) -> None:
    """The waiting customer asks to be called back; what comes of it is told as a message.

    Raises NoCallbackError.
    """
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    possible = conversation is not None and place is not None and place.callbacks
    change = decisions.wants_callback(conversation, now_ms) if conversation and possible else None
    if conversation is None or change is None:
        raise NoCallbackError(visit.interaction_id)
    await keep(tx, conversation, change, now_ms)


async def note_connection(tx: ChatTransaction, visit: Visit, *, connected: bool, now_ms: int) -> None:
    """The visitor's first socket here opened, or the last one closed."""
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if conversation:
        change = decisions.returned(conversation) if connected else decisions.left(conversation, now_ms)
        await keep(tx, conversation, change, now_ms)


async def look_at(
    tx: ChatTransaction, conversations: Sequence[Conversation], present: Sequence[bool] | None, *, now_ms: int
) -> None:
    """Do what is due for these; `present` none: nobody can say who is connected."""
    for place, conversation in enumerate(conversations):
        if conversation.state == "ended":
            await tx.remove_conversation(conversation.tenant_id, conversation.interaction_id)
            continue
        seen = present[place] if present is not None else None
        await keep(tx, conversation, decisions.looked_at(conversation, present=seen, now_ms=now_ms), now_ms)


class AgentMessages:
    """Takes agents' messages, fenced by their assignment."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting_since_ms: dict[str, int] = {}

    async def send(self, tx: ChatTransaction, delivery: Delivery[SendMessage] | Delivery[AddNote]) -> None:
        """Make it a message or a note of the conversation, or say why not.

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
            if isinstance(command, AddNote):
                change = decisions.agent_notes(conversation, command, text, now_ms)
            else:
                change = decisions.agent_says(conversation, command, text, now_ms)
            await keep(tx, conversation, change, now_ms, causation_id=delivery.event.id)
            return
        reason, detail = _why_refused(conversation, command, allowed=bool(allowed))
        failed = decisions.refused(command, reason=reason, detail=detail, now_ms=now_ms)
        await _announce(tx, failed, tenant_id=tenant_id, now_ms=now_ms, causation_id=delivery.event.id)

    def _waits(self, message_id: str, now_ms: int) -> bool:
        if len(self._waiting_since_ms) >= FENCE_WAITS_MAX:
            self._waiting_since_ms.clear()  # at worst somebody waits anew
        return now_ms - self._waiting_since_ms.setdefault(message_id, now_ms) < FENCE_WAIT_MS


def _why_refused(
    conversation: Conversation | None, command: SendMessage | AddNote, *, allowed: bool
) -> tuple[str, str]:
    if conversation is None:
        return "interaction_unknown", "There is no such conversation."
    if conversation.state == "ended":
        return "interaction_ended", "The conversation is over."
    if allowed:
        return "text_invalid", f"A message has 1 to {TEXT_MAX} characters, and no NUL."
    if decisions.seat_of(conversation, command.assignment_id, command.agent_id):
        return "role_forbids", "A consultant talks to the agents only: send it as internal."
    return "assignment_gone", "The conversation is not assigned to this agent any more."


async def _opened(tx: ChatTransaction, visit: Visit, place: Place | None, now_ms: int) -> Conversation:
    kept = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if kept:
        return kept
    if place is None or place.tenant_id != visit.tenant_id:
        raise UnknownAddressError(visit.address)
    return await tx.open_conversation(decisions.opened(visit, place, now_ms))


async def keep(
    tx: ChatTransaction, before: Conversation, change: Change, now_ms: int, *, causation_id: str | None = None
) -> None:
    """Write what changed and announce it, in this order."""
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
        case ConnectAssignment():
            return f"{data.assignment_id}.connected"
        case AttentionRequested() | RequestCallback():
            return data.request_id
        case MessageDelivered():
            return f"{data.interaction_id}.delivered.{data.number}"
        case MessageFailed():
            return f"{data.message_id}.failed"
        case MessageReceived() | MessageSent() | MessageNoted() | MessageAnnounced():
            return data.message_id
