"""Takes messages of many customers in one transaction, with as many statements as one message needs.

What becomes of each is what `inbound.accept` makes of it. docs/decisions/0026-deliveries-together.md says why.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from gatewaykit.domain import inbound
from gatewaykit.domain.provider import Item, Received
from gatewaykit.domain.records import Change, Conversation, Place
from gatewaykit.inbound import REPEATED, Accepted, message_id_of, opened_by, opens_first_window, short, source_of
from gatewaykit.keep import announce_all
from gatewaykit.store import ConversationTransaction, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A message for which `stands_alone` holds, and the address that it came to."""

    place: Place
    item: Received
    traceparent: str | None = None
    """W3C trace context of the delivery that brought it, to which belongs what is announced of it."""

    @property
    def message_id(self) -> str:
        """Ours."""
        return message_id_of(self.place, self.item.provider_message_id)

    @property
    def pair(self) -> Pair:
        """Whose it is."""
        return (self.place.address, self.item.counterpart)


def stands_alone(item: Item) -> TypeGuard[Received]:
    """Whether all that decides what becomes of it is its conversation, as with most messages."""
    return (
        isinstance(item, Received)
        and item.edits is None
        and item.reply_to is None
        and not inbound.is_aside(item)
        and short(item.provider_message_id, item.counterpart)
    )


async def accept_together(tx: ConversationTransaction, words: Sequence[Word], now_ms: int) -> list[Accepted | None]:
    """Take messages of one tenant, whose transaction it is, in this order.

    None: somebody else holds the conversation, or more than the message's words is new, and nothing of it is taken.
    This waits for no conversation, for it holds others; `accept` waits, and does all. Raises RetryLaterError if a
    conversation is opened elsewhere at the same time.
    """
    tenant_id = words[0].place.tenant_id
    standing = dict(await tx.lock_open_free(tenant_id, {word.pair for word in words}))
    free = [word for word in words if word.pair in standing]
    fresh = set(await _first(tx, free))
    first_words: dict[Pair, Word] = {}
    for word in free:
        if standing[word.pair] is None and word.message_id in fresh:
            first_words.setdefault(word.pair, word)
    opened = await _opened(tx, first_words, now_ms)
    standing |= opened
    outcomes: list[Accepted | None] = []
    changes: list[tuple[Word, Change]] = []
    for word in words:
        conversation, message_id = standing.get(word.pair), word.message_id
        if word.pair not in standing:
            outcomes.append(None)
        elif conversation is None or message_id not in fresh:
            whole = conversation is None or not opens_first_window(conversation, word.item)
            outcomes.append(REPEATED if whole else None)
        else:
            fresh.remove(message_id)  # it may be here twice
            said = inbound.said_by(word.item, (), message_id=message_id, in_reply_to=None)
            change = inbound.received(conversation, word.item, said, now_ms)
            standing[word.pair] = change.conversation
            changes.append((word, change))
            interaction_id = conversation.interaction_id
            outcomes.append(
                Accepted(outcome="accepted", interaction_id=interaction_id, message_id=message_id, is_new=True)
            )
    await _keep(tx, changes, now_ms)
    return outcomes


async def _first(tx: ConversationTransaction, words: Sequence[Word]) -> Collection[str]:
    if not words:
        return ()
    sources = {word.message_id: source_of(word.place) for word in words}
    return await tx.first_messages(words[0].place.tenant_id, sources)


async def _opened(
    tx: ConversationTransaction, first_words: Mapping[Pair, Word], now_ms: int
) -> Mapping[Pair, Conversation]:
    if not first_words:
        return {}
    tenant_id = next(iter(first_words.values())).place.tenant_id
    ended = await tx.last_ended(tenant_id, first_words)
    opened = {pair: opened_by(word.place, word.item, ended.get(pair), now_ms) for pair, word in first_words.items()}
    await tx.open_new(list(opened.values()))
    return opened


async def _keep(tx: ConversationTransaction, changes: Sequence[tuple[Word, Change]], now_ms: int) -> None:
    if not changes:
        return
    last = {word.pair: change.conversation for word, change in changes}
    await tx.put(list(last.values()), [change.message for _, change in changes if change.message])
    for word, change in changes:
        await announce_all(tx, change, now_ms, traceparent=word.traceparent)
