"""Keeps conversations and messages in PostgreSQL, in the schema of the gateway."""

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import cache
from typing import Final, Protocol

from servicekit.database import Row, Transaction, columns_of, kept_as
from servicekit.errors import RetryLaterError
from servicekit.statements import statements
from servicekit.store import Tenant, TransactionBase
from sqlalchemy.ext.asyncio import AsyncConnection

from gatewaykit.domain.content import File, Identifier, Window
from gatewaykit.domain.records import Conversation, Message, Seat

MESSAGES_MAX: Final = 200
"""So many messages are read at once."""
OPEN_TRIES: Final = 5

Key = tuple[str, str]
"""Tenant and interaction."""

Pair = tuple[str, str]
"""Address and counterpart."""

Committed = Callable[[Collection[str]], Awaitable[None]]
"""Is told, after a commit, which interactions it changed."""


class ConversationTransaction(TransactionBase, Protocol):
    """One unit of work. A conversation is changed only by who holds its lock: that makes the numbers gapless."""

    source: str
    """Who says what is announced: `/<service>`."""
    changed: set[str]
    """Interactions whose conversation was saved here."""

    async def open_conversation(self, conversation: Conversation) -> Conversation:
        """Keep a new conversation and lock it; if there is one of this interaction already, or an open one of its
        counterpart, lock that. Raises RetryLaterError when others open and end such ones all the time."""
        ...

    async def lock_open(self, tenant_id: str, address: str, counterpart: str) -> Conversation | None:
        """The counterpart's open conversation, locked until the end of the transaction; none: nobody else opens one
        until then."""
        ...

    async def lock_open_free(self, tenant_id: str, pairs: Collection[Pair]) -> Mapping[Pair, Conversation | None]:
        """The open conversations that nobody else holds, locked; none where there is none and nobody opens one. Waits
        for nobody: what somebody holds or may be opening is not in the mapping."""
        ...

    async def open_new(self, conversations: Sequence[Conversation]) -> None:
        """Keep these new conversations of different counterparts. Raises RetryLaterError if one is there already."""
        ...

    async def last_ended(self, tenant_id: str, pairs: Collection[Pair]) -> Mapping[Pair, Conversation]:
        """The counterparts' conversations that ended last, not locked."""
        ...

    async def lock_conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """The conversation, locked until the end of the transaction."""
        ...

    async def due_conversations(self, now_ms: int, *, rows_max: int) -> Sequence[Conversation]:
        """Those to be looked at by now, longest due first, locked; passes over what somebody else holds."""
        ...

    async def save_conversation(self, conversation: Conversation) -> None:
        """Replace it, under its lock; its revision rises, and `active_at_ms` never falls, whichever clock it is of."""
        ...

    async def remove_conversation(self, tenant_id: str, interaction_id: str) -> None:
        """Forget it with its messages; succeeds if it is gone already."""
        ...

    async def conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """The conversation as it is, not locked."""
        ...

    async def add_message(self, message: Message) -> None:
        """Keep a message under its conversation's lock."""
        ...

    async def put(self, conversations: Sequence[Conversation], messages: Sequence[Message]) -> None:
        """Save the ones, each once, and add the others, as `save_conversation` and `add_message` do."""
        ...

    async def first_messages(self, tenant_id: str, sources: Mapping[str, str]) -> Collection[str]:
        """Take messages of other systems, given with their sources; which of them were neither taken before
        (see TransactionBase.first_time) nor are kept."""
        ...

    async def change_message(self, message: Message) -> None:
        """Replace what may change of it: text, HTML, files, and since when."""
        ...

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """The message, if it was accepted."""
        ...

    async def move_messages(self, messages: Sequence[Message]) -> None:
        """They are of these interactions and have these numbers now, which no other message has; under the locks of the
        conversations that they leave and come to."""
        ...

    async def join_counterparts(self, tenant_id: str, address: str, counterpart: str, into: str) -> None:
        """All conversations of the one counterpart, of which none is open, are the other's now."""
        ...

    async def messages_after(self, tenant_id: str, interaction_id: str, number: int) -> Sequence[Message]:
        """The next messages behind a number, in order, at most MESSAGES_MAX."""
        ...

    async def revisions(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """The revision of each conversation that exists."""
        ...


class ConversationStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ConversationTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresConversations(Transaction):
    """The real ConversationTransaction; its methods are described there. A gateway's own class extends it."""

    source: str

    def __init__(self, connection: AsyncConnection, tenant: Tenant) -> None:
        super().__init__(connection, tenant)
        self.changed: set[str] = set()

    async def open_conversation(self, conversation: Conversation) -> Conversation:
        """See ConversationTransaction."""
        tenant_id, address, counterpart = conversation.tenant_id, conversation.address, conversation.counterpart
        for _ in range(OPEN_TRIES):
            await self.execute(_sql()["open_conversations"], rows=json.dumps([_columns_of(conversation)]))
            kept = await self.lock_conversation(tenant_id, conversation.interaction_id)
            if kept is None and counterpart is not None:
                kept = await self.lock_open(tenant_id, address, counterpart)
            if kept:
                return kept
        raise RetryLaterError("the conversation that was in the way is gone again and again")

    async def lock_open(self, tenant_id: str, address: str, counterpart: str) -> Conversation | None:
        """See ConversationTransaction."""
        key = {"tenant_id": tenant_id, "address": address, "counterpart": counterpart}
        row = await self.one(_sql()["locked_open"], **key)
        if row is None:
            await self.all(_sql()["lock_pair"], **key)
            row = await self.one(_sql()["locked_open"], **key)  # somebody else may have opened it meanwhile
        return _conversation(row) if row else None

    async def lock_open_free(self, tenant_id: str, pairs: Collection[Pair]) -> Mapping[Pair, Conversation | None]:
        """See ConversationTransaction."""
        found: dict[Pair, Conversation | None] = dict.fromkeys(pairs)
        for row in await self.all(_sql()["locked_open_free"], tenant_id=tenant_id, **_pairs(pairs)):
            pair = (row["seen_address"], row["seen_counterpart"])
            if row["interaction_id"] is None:
                del found[pair]
            else:
                found[pair] = _conversation(row)
        return found

    async def open_new(self, conversations: Sequence[Conversation]) -> None:
        """See ConversationTransaction."""
        rows = json.dumps([_columns_of(each) for each in conversations])
        if await self.execute(_sql()["open_conversations"], rows=rows) < len(conversations):
            raise RetryLaterError("somebody else has opened a conversation meanwhile")

    async def last_ended(self, tenant_id: str, pairs: Collection[Pair]) -> Mapping[Pair, Conversation]:
        """See ConversationTransaction."""
        rows = await self.all(_sql()["last_ended"], tenant_id=tenant_id, **_pairs(pairs))
        return {(row["address"], row["counterpart"]): _conversation(row) for row in rows}

    async def lock_conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ConversationTransaction."""
        row = await self.one(_sql()["locked_conversation"], tenant_id=tenant_id, interaction_id=interaction_id)
        return _conversation(row) if row else None

    async def due_conversations(self, now_ms: int, *, rows_max: int) -> Sequence[Conversation]:
        """See ConversationTransaction."""
        rows = await self.all(_sql()["due_conversations"], now_ms=now_ms, rows_max=rows_max)
        return [_conversation(row) for row in rows]

    async def save_conversation(self, conversation: Conversation) -> None:
        """See ConversationTransaction."""
        await self.put([conversation], [])

    async def remove_conversation(self, tenant_id: str, interaction_id: str) -> None:
        """See ConversationTransaction."""
        await self.execute(_sql()["remove_conversation"], tenant_id=tenant_id, interaction_id=interaction_id)

    async def conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ConversationTransaction."""
        row = await self.one(_sql()["conversation"], tenant_id=tenant_id, interaction_id=interaction_id)
        return _conversation(row) if row else None

    async def add_message(self, message: Message) -> None:
        """See ConversationTransaction."""
        await self.put([], [message])

    async def put(self, conversations: Sequence[Conversation], messages: Sequence[Message]) -> None:
        """See ConversationTransaction."""
        saved = [_columns_of(each) | {"revision": each.revision + 1} for each in conversations]
        added = [_message_columns(each) for each in messages]
        await self.execute(_sql()["put"], conversations=json.dumps(saved), messages=json.dumps(added))
        self.changed.update(each.interaction_id for each in conversations)

    async def first_messages(self, tenant_id: str, sources: Mapping[str, str]) -> Collection[str]:
        """See ConversationTransaction."""
        values = {"sources": list(sources.values()), "message_ids": list(sources)}
        rows = await self.all(_sql()["first_messages"], tenant_id=tenant_id, **values)
        return [row["message_id"] for row in rows]

    async def change_message(self, message: Message) -> None:
        """See ConversationTransaction."""
        await self.execute(_sql()["change_message"], **_message_columns(message))

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """See ConversationTransaction."""
        row = await self.one(_sql()["message"], tenant_id=tenant_id, message_id=message_id)
        return _message(row) if row else None

    async def move_messages(self, messages: Sequence[Message]) -> None:
        """See ConversationTransaction."""
        for each in messages:
            await self.execute(
                _sql()["move_message"],
                tenant_id=each.tenant_id,
                message_id=each.message_id,
                interaction_id=each.interaction_id,
                number=each.number,
            )

    async def join_counterparts(self, tenant_id: str, address: str, counterpart: str, into: str) -> None:
        """See ConversationTransaction."""
        values = {"tenant_id": tenant_id, "address": address, "counterpart": counterpart, "into": into}
        await self.execute(_sql()["join_counterparts"], **values)

    async def messages_after(self, tenant_id: str, interaction_id: str, number: int) -> Sequence[Message]:
        """See ConversationTransaction."""
        rows = await self.all(
            _sql()["messages_after"],
            tenant_id=tenant_id,
            interaction_id=interaction_id,
            number=number,
            rows_max=MESSAGES_MAX,
        )
        return [_message(row) for row in rows]

    async def revisions(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """See ConversationTransaction."""
        rows = await self.all(_sql()["revisions"], **columns(keys))
        return {(row["tenant_id"], row["interaction_id"]): row["revision"] for row in rows}


def _columns_of(conversation: Conversation) -> dict[str, object]:
    window = conversation.reply_window
    return columns_of(conversation) | {
        "helpers": json.dumps([columns_of(each) for each in conversation.helpers]),
        "identifiers": json.dumps([columns_of(each) for each in conversation.identifiers]),
        "reply_window": window and json.dumps(columns_of(window)),
    }


def _conversation(row: Row) -> Conversation:
    window = row["reply_window"]
    return replace(
        kept_as(Conversation, row),
        helpers=tuple(Seat(**seat) for seat in json.loads(row["helpers"])),
        identifiers=tuple(Identifier(**each) for each in json.loads(row["identifiers"])),
        reply_window=window and Window(**json.loads(window)),
    )


def _message_columns(message: Message) -> dict[str, object]:
    return columns_of(message) | {"files": json.dumps([columns_of(each) for each in message.files])}


def _message(row: Row) -> Message:
    return replace(kept_as(Message, row), files=tuple(File(**each) for each in json.loads(row["files"])))


def _pairs(pairs: Collection[Pair]) -> dict[str, object]:
    return {"addresses": [address for address, _ in pairs], "counterparts": [counterpart for _, counterpart in pairs]}


def columns(keys: Collection[Key]) -> dict[str, object]:
    """The keys as parameters `tenant_ids` and `interaction_ids`."""
    return {"tenant_ids": [tenant for tenant, _ in keys], "interaction_ids": [interaction for _, interaction in keys]}


@cache
def _sql() -> Mapping[str, str]:
    return statements("gatewaykit", "sql/conversations.sql")
