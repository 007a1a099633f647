"""What happens for each thing that a visitor does: one function each, in a transaction."""

from uuid import NAMESPACE_URL, uuid5

from contracts.configuration import WEB_CHAT
from gatewaykit.domain import decisions as kit
from gatewaykit.domain.records import Conversation, Place, Said
from gatewaykit.keep import keep

from chat_gateway.domain import decisions
from chat_gateway.domain.records import Visit
from chat_gateway.store import ChatTransaction


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
    said = Said(message_id=message_id, client_message_id=client_message_id, text=text)
    change = kit.customer_says(conversation, visit.opening, said, now_ms)
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
        await keep(tx, conversation, kit.ended(conversation, "customer_left", now_ms), now_ms)


async def request_callback(tx: ChatTransaction, visit: Visit, place: Place | None, *, now_ms: int) -> None:
    """The waiting customer asks to be called back; what comes of it is told as a message.

    Raises NoCallbackError.
    """
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    possible = conversation is not None and place is not None and place.callbacks
    change = kit.wants_callback(conversation, now_ms) if conversation and possible else None
    if conversation is None or change is None:
        raise NoCallbackError(visit.interaction_id)
    await keep(tx, conversation, change, now_ms)


async def note_connection(tx: ChatTransaction, visit: Visit, *, connected: bool, now_ms: int) -> None:
    """The visitor's first socket here opened, or the last one closed."""
    conversation = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if conversation:
        change = decisions.returned(conversation) if connected else decisions.left(conversation, now_ms)
        await keep(tx, conversation, change, now_ms)


async def _opened(tx: ChatTransaction, visit: Visit, place: Place | None, now_ms: int) -> Conversation:
    kept = await tx.lock_conversation(visit.tenant_id, visit.interaction_id)
    if kept:
        return kept
    if place is None or place.tenant_id != visit.tenant_id or place.channel != WEB_CHAT:
        raise UnknownAddressError(visit.address)
    return await tx.open_conversation(decisions.opened(visit, place, now_ms))
