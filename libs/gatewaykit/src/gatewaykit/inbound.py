"""Takes what a provider tells of customers, each thing once, in the caller's transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar
from uuid import NAMESPACE_URL, uuid5

from gatewaykit.domain import inbound
from gatewaykit.domain.content import File
from gatewaykit.domain.outgoing import OutgoingRow
from gatewaykit.domain.provider import (
    Capabilities,
    Echo,
    IdentityChanged,
    Item,
    NotUnderstoodError,
    Passed,
    Received,
    StatusReport,
    Typing,
    Unsent,
    WindowChanged,
)
from gatewaykit.domain.records import Change, Conversation, Message, Place
from gatewaykit.keep import keep
from gatewaykit.store import ConversationTransaction

ID_BYTES_MAX: Final = 1000
"""An index of PostgreSQL holds no longer ones beside tenant and address."""

Tx = TypeVar("Tx", bound=ConversationTransaction)
Ours = Callable[[Tx, str, str, str], Awaitable[str | None]]
"""Our message that went to the provider, by tenant, address and the provider's id of it; none: it is none of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of it.

    repeated: it was taken before, or taken back. passed: it concerns no conversation that is open. sending: it is
    about a message of ours, and the sending part's to take. `blob_ids` are the files of a message that was taken back,
    those too with which it came again or too late: delete them after the commit. `is_new`: the message was not there
    before, and its media are still to be fetched.
    """

    outcome: Literal["accepted", "repeated", "passed", "sending"]
    interaction_id: str | None = None
    message_id: str | None = None
    blob_ids: tuple[str, ...] = ()
    is_new: bool = False


REPEATED: Final = Accepted(outcome="repeated")
PASSED: Final = Accepted(outcome="passed")
SENDING: Final = Accepted(outcome="sending")


async def accept(
    tx: Tx, place: Place, item: Item, files: Sequence[File], now_ms: int, *, ours: Ours[Tx] | None = None
) -> Accepted:
    """Take one thing of a delivery that was verified; `place` is the account's address, `files` its media as kept.

    Accepted means committed: answer the provider only after the transaction. The transaction is the place's tenant's;
    one with things of several counterparts should take these in one order everywhere. Ids follow from the address and
    the provider's message id, so that a repetition is the same event. Raises NotUnderstoodError for ids that cannot be
    kept, and RetryLaterError.
    """
    match item:
        case Received(edits=None):
            return await _received(tx, place, item, files, now_ms, ours)
        case Received():
            return await _edited(tx, place, item, files, now_ms, ours)
        case Unsent():
            return await _unsent(tx, place, item, now_ms)
        case WindowChanged():
            return await _window_changed(tx, place, item, now_ms)
        case IdentityChanged():
            return await _identity_changed(tx, place, item, now_ms)
        case Echo():
            return await _echoed(tx, place, item, now_ms, ours)
        case StatusReport():
            return SENDING
        case Typing() | Passed():
            return PASSED


def message_id_of(place: Place, provider_message_id: str) -> str:
    """Ours, of what a customer said."""
    return uuid5(NAMESPACE_URL, f"message:{place.tenant_id}/{place.address}/{provider_message_id}").hex


async def _received(
    tx: Tx, place: Place, item: Received, files: Sequence[File], now_ms: int, ours: Ours[Tx] | None
) -> Accepted:
    _require_short(item.provider_message_id, item.counterpart)
    message_id = message_id_of(place, item.provider_message_id)
    # The conversation before the inbox, as everywhere: two that take one message must not wait for each other.
    conversation = await tx.lock_open(place.tenant_id, place.address, item.counterpart)
    if not await _first(tx, place, message_id):
        kept = await tx.message(place.tenant_id, message_id)
        taken_back = kept is None or kept.erased_at_ms is not None
        if conversation and opens_first_window(conversation, item):
            await keep(tx, conversation, inbound.window_told(conversation, item.window, now_ms), now_ms)
        return Accepted(outcome="repeated", blob_ids=tuple(file.blob_id for file in files) if taken_back else ())
    in_reply_to = await _answered(tx, place, item.reply_to, ours)
    said = inbound.said_by(item, files, message_id=message_id, in_reply_to=in_reply_to)
    if inbound.is_aside(item):
        if conversation is None:
            return PASSED
        return await _kept(tx, conversation, inbound.reacted(conversation, said, now_ms), now_ms)
    if conversation is None:
        pair = (place.address, item.counterpart)
        previous = (await tx.last_ended(place.tenant_id, [pair])).get(pair)
        # Or the one that somebody else opened meanwhile.
        conversation = await tx.open_conversation(opened_by(place, item, previous, now_ms))
    return await _kept(tx, conversation, inbound.received(conversation, item, said, now_ms), now_ms)


def opens_first_window(conversation: Conversation, item: Received) -> bool:
    """Even if its words are known: by an edit that came first, which opens none."""
    return item.window is not None and conversation.reply_window is None


def opened_by(place: Place, item: Received, previous: Conversation | None, now_ms: int) -> Conversation:
    """The conversation that this message opens; `previous` ended last."""
    name = f"interaction:{place.tenant_id}/{place.address}/{item.provider_message_id}"
    return inbound.opened(place, item, interaction_id=uuid5(NAMESPACE_URL, name).hex, previous=previous, now_ms=now_ms)


async def _edited(
    tx: Tx, place: Place, item: Received, files: Sequence[File], now_ms: int, ours: Ours[Tx] | None
) -> Accepted:
    """An edit that comes before its message is the message: the customer's last words count, and the message, when it
    comes, is known."""
    original, edit_id = item.edits or "", message_id_of(place, item.provider_message_id)
    found = await _of_message(tx, place, original)
    if found is None:
        done = await _received(tx, place, replace(item, provider_message_id=original), files, now_ms, ours)
        if done.outcome != "repeated":
            await _first(tx, place, edit_id)  # a repetition is known by it
            return done
        found = await _of_message(tx, place, original)  # it has come meanwhile, or was taken back
    if found is None or not await _first(tx, place, edit_id):
        return REPEATED
    conversation, message = found
    at_ms = now_ms if item.sent_at_ms is None else item.sent_at_ms
    change = inbound.edited(conversation, message, item.text, at_ms=at_ms, now_ms=now_ms)
    return await _kept(tx, conversation, change, now_ms) if change else PASSED


async def _unsent(tx: ConversationTransaction, place: Place, item: Unsent, now_ms: int) -> Accepted:
    """A message that comes after it was taken back is not taken any more."""
    found = await _of_message(tx, place, item.provider_message_id)
    if found is None and await _first(tx, place, message_id_of(place, item.provider_message_id)):
        return PASSED
    found = found or await _of_message(tx, place, item.provider_message_id)
    if found is None:
        return PASSED
    conversation, message = found
    change = inbound.erased(conversation, message, now_ms)
    if change is None:
        return REPEATED
    done = await _kept(tx, conversation, change, now_ms)
    return Accepted(
        outcome=done.outcome,
        interaction_id=done.interaction_id,
        message_id=done.message_id,
        blob_ids=tuple(file.blob_id for file in message.files),
    )


async def _window_changed(tx: ConversationTransaction, place: Place, item: WindowChanged, now_ms: int) -> Accepted:
    conversation = await tx.lock_open(place.tenant_id, place.address, item.counterpart)
    if conversation is None:
        return PASSED
    change = inbound.window_told(conversation, item.window, now_ms, at_ms=item.at_ms)
    return await _kept(tx, conversation, change, now_ms) if change.announce else REPEATED


async def _identity_changed(tx: ConversationTransaction, place: Place, item: IdentityChanged, now_ms: int) -> Accepted:
    """Where they have written under the new name already, both conversations go on."""
    _require_short(item.to)
    tenant_id, address = place.tenant_id, place.address
    conversation = await tx.lock_open(tenant_id, address, item.counterpart)
    await tx.join_counterparts(tenant_id, address, item.counterpart, item.to)
    if conversation is None or await tx.lock_open(tenant_id, address, item.to) is not None:
        return PASSED
    return await _kept(tx, conversation, inbound.renamed(conversation, item, now_ms), now_ms)


async def _echoed(tx: Tx, place: Place, item: Echo, now_ms: int, ours: Ours[Tx] | None) -> Accepted:
    """Ours by its reference, or because the sending part knows its id; else a person's, from the vendor's inbox."""
    _require_short(item.provider_message_id, item.counterpart)
    known = item.reference is not None
    if not known and ours is not None:
        known = await ours(tx, place.tenant_id, place.address, item.provider_message_id) is not None
    if known:
        return SENDING
    conversation = await tx.lock_open(place.tenant_id, place.address, item.counterpart)
    if conversation is None:
        return PASSED
    message_id = message_id_of(place, item.provider_message_id)
    if not await _first(tx, place, message_id):
        return REPEATED
    change = inbound.sent_elsewhere(conversation, item, message_id=message_id, now_ms=now_ms)
    return await _kept(tx, conversation, change, now_ms)


async def close_window(
    tx: ConversationTransaction, refused: OutgoingRow, capabilities: Capabilities, now_ms: int
) -> None:
    """The provider says of this part that its window is closed (`WINDOW_CLOSED`). Call it before anything that locks
    the pair or the part."""
    conversation = await tx.lock_conversation(refused.tenant_id, refused.interaction_id)
    if conversation is None or refused.tried_at_ms is None:
        return
    change = inbound.window_refused(conversation, capabilities, tried_at_ms=refused.tried_at_ms, now_ms=now_ms)
    await keep(tx, conversation, change, now_ms)


def source_of(place: Place) -> str:
    """As the inbox calls the address."""
    return f"provider:{place.address}"


async def _first(tx: ConversationTransaction, place: Place, message_id: str) -> bool:
    return bool(await tx.first_messages(place.tenant_id, {message_id: source_of(place)}))


async def _of_message(
    tx: ConversationTransaction, place: Place, provider_message_id: str
) -> tuple[Conversation, Message] | None:
    """The message as it is under its conversation's lock."""
    message_id = message_id_of(place, provider_message_id)
    seen = await tx.message(place.tenant_id, message_id)
    conversation = await tx.lock_conversation(place.tenant_id, seen.interaction_id) if seen else None
    message = await tx.message(place.tenant_id, message_id) if conversation else None
    return (conversation, message) if conversation and message else None


async def _answered(tx: Tx, place: Place, reply_to: str | None, ours: Ours[Tx] | None) -> str | None:
    if reply_to is None:
        return None
    message = await tx.message(place.tenant_id, message_id_of(place, reply_to))
    if message:
        return message.message_id
    return await ours(tx, place.tenant_id, place.address, reply_to) if ours else None


async def _kept(tx: ConversationTransaction, before: Conversation, change: Change, now_ms: int) -> Accepted:
    await keep(tx, before, change, now_ms)
    message = change.message or change.changed
    return Accepted(
        outcome="accepted",
        interaction_id=before.interaction_id,
        message_id=message.message_id if message else None,
        is_new=change.message is not None,
    )


def short(*ids: str) -> bool:
    """Whether they can be kept."""
    return all(len(each.encode()) <= ID_BYTES_MAX for each in ids)


def _require_short(*ids: str) -> None:
    if not short(*ids):
        raise NotUnderstoodError(f"an id has more than {ID_BYTES_MAX} bytes")
