"""Keeps conversations, messages and the lines of waiting tasks in PostgreSQL (schema `chat_gateway`)."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Final, Protocol

from servicekit.database import Database, Row, Transaction, kept_as
from servicekit.statements import statements
from servicekit.store import Tenant, TransactionBase
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_gateway.domain.records import Conversation, LineTask, Message, Seat

MESSAGES_MAX: Final = 200
"""So many messages are read at once."""

Key = tuple[str, str]
"""Tenant and interaction."""

Committed = Callable[[Collection[str]], Awaitable[None]]
"""Is told, after a commit, which interactions it changed."""


@dataclass(frozen=True, slots=True)
class PlaceInLine:
    """A visitor's place in line: `number` of `waiting` tasks."""

    queue: str
    number: int
    waiting: int
    expected_at_ms: int | None = None


class ChatTransaction(TransactionBase, Protocol):
    """One unit of work. A conversation is changed only by who holds its lock: that makes the numbers gapless."""

    changed: set[str]
    """Interactions whose conversation was saved here."""

    async def open_conversation(self, conversation: Conversation) -> Conversation:
        """Keep a new conversation and lock it; if there is one of this interaction already, lock that."""
        ...

    async def lock_conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """The conversation, locked until the end of the transaction."""
        ...

    async def due_conversations(self, now_ms: int, *, rows_max: int) -> Sequence[Conversation]:
        """Those to be looked at by now, longest due first, locked; passes over what somebody else holds."""
        ...

    async def save_conversation(self, conversation: Conversation) -> None:
        """Replace it, under its lock; its revision rises."""
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

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """The message, if it was accepted."""
        ...

    async def messages_after(self, tenant_id: str, interaction_id: str, number: int) -> Sequence[Message]:
        """The next messages behind a number, in order, at most MESSAGES_MAX."""
        ...

    async def add_line_task(self, task: LineTask) -> None:
        """It stands in line; a second time changes nothing."""
        ...

    async def move_line_task(self, tenant_id: str, task_id: str, *, queue: str, band: int, priority: int) -> None:
        """It waits elsewhere or on other terms; what was expected holds for the queue it stood in."""
        ...

    async def set_waiting(self, tenant_id: str, task_id: str, *, waiting: bool) -> None:
        """It left its line, or is back at its old place; nothing if the task is not known."""
        ...

    async def remove_line_task(self, tenant_id: str, task_id: str) -> None:
        """It will never wait again; succeeds if it is gone already."""
        ...

    async def revisions(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """The revision of each conversation that exists."""
        ...

    async def places_in_line(self, keys: Collection[Key]) -> Mapping[Key, PlaceInLine]:
        """Places in line of those interactions that wait."""
        ...


class ChatStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ChatTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresChatStore:
    """The real ChatStore; `committed` is called after each commit that changed conversations."""

    def __init__(self, database: Database, committed: Committed) -> None:
        self._database = database
        self._committed = committed

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction, None]:
        """See ChatStore."""
        async with self._database.transaction(tenant, PostgresChatTransaction) as transaction:
            yield transaction
        if transaction.changed:
            await self._committed(transaction.changed)


class PostgresChatTransaction(Transaction):
    """The real ChatTransaction; its methods are described there."""

    def __init__(self, connection: AsyncConnection, tenant: Tenant) -> None:
        super().__init__(connection, tenant)
        self.changed: set[str] = set()

    async def open_conversation(self, conversation: Conversation) -> Conversation:
        """See ChatTransaction."""
        await self.execute(_sql()["open_conversation"], **_columns_of(conversation))
        kept = await self.lock_conversation(conversation.tenant_id, conversation.interaction_id)
        return kept or conversation

    async def lock_conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ChatTransaction."""
        row = await self.one(_sql()["locked_conversation"], tenant_id=tenant_id, interaction_id=interaction_id)
        return _conversation(row) if row else None

    async def due_conversations(self, now_ms: int, *, rows_max: int) -> Sequence[Conversation]:
        """See ChatTransaction."""
        rows = await self.all(_sql()["due_conversations"], now_ms=now_ms, rows_max=rows_max)
        return [_conversation(row) for row in rows]

    async def save_conversation(self, conversation: Conversation) -> None:
        """See ChatTransaction."""
        saved = replace(conversation, revision=conversation.revision + 1)
        await self.execute(_sql()["save_conversation"], **_columns_of(saved))
        self.changed.add(conversation.interaction_id)

    async def remove_conversation(self, tenant_id: str, interaction_id: str) -> None:
        """See ChatTransaction."""
        await self.execute(_sql()["remove_conversation"], tenant_id=tenant_id, interaction_id=interaction_id)

    async def conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ChatTransaction."""
        row = await self.one(_sql()["conversation"], tenant_id=tenant_id, interaction_id=interaction_id)
        return _conversation(row) if row else None

    async def add_message(self, message: Message) -> None:
        """See ChatTransaction."""
        await self.execute(_sql()["add_message"], **asdict(message))

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """See ChatTransaction."""
        row = await self.one(_sql()["message"], tenant_id=tenant_id, message_id=message_id)
        return kept_as(Message, row) if row else None

    async def messages_after(self, tenant_id: str, interaction_id: str, number: int) -> Sequence[Message]:
        """See ChatTransaction."""
        rows = await self.all(
            _sql()["messages_after"],
            tenant_id=tenant_id,
            interaction_id=interaction_id,
            number=number,
            rows_max=MESSAGES_MAX,
        )
        return [kept_as(Message, row) for row in rows]

    async def add_line_task(self, task: LineTask) -> None:
        """See ChatTransaction."""
        await self.execute(_sql()["add_line_task"], **asdict(task))

    async def move_line_task(self, tenant_id: str, task_id: str, *, queue: str, band: int, priority: int) -> None:
        """See ChatTransaction."""
        await self.execute(
            _sql()["move_line_task"], tenant_id=tenant_id, task_id=task_id, queue=queue, band=band, priority=priority
        )

    async def set_waiting(self, tenant_id: str, task_id: str, *, waiting: bool) -> None:
        """See ChatTransaction."""
        await self.execute(_sql()["set_waiting"], tenant_id=tenant_id, task_id=task_id, waiting=waiting)

    async def remove_line_task(self, tenant_id: str, task_id: str) -> None:
        """See ChatTransaction."""
        await self.execute(_sql()["remove_line_task"], tenant_id=tenant_id, task_id=task_id)

    async def revisions(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """See ChatTransaction."""
        rows = await self.all(_sql()["revisions"], **_columns(keys))
        return {(row["tenant_id"], row["interaction_id"]): row["revision"] for row in rows}

    async def places_in_line(self, keys: Collection[Key]) -> Mapping[Key, PlaceInLine]:
        """See ChatTransaction."""
        rows = await self.all(_sql()["places_in_line"], **_columns(keys))
        return {
            (row["tenant_id"], row["interaction_id"]): PlaceInLine(
                row["queue"], row["position"], row["of_all"], row["expected_at_ms"]
            )
            for row in rows
        }


def _columns_of(conversation: Conversation) -> dict[str, object]:
    values = asdict(conversation)
    return values | {"helpers": json.dumps(values["helpers"])}


def _conversation(row: Row) -> Conversation:
    return replace(kept_as(Conversation, row), helpers=tuple(Seat(**seat) for seat in json.loads(row["helpers"])))


def _columns(keys: Collection[Key]) -> dict[str, object]:
    return {"tenant_ids": [tenant for tenant, _ in keys], "interaction_ids": [interaction for _, interaction in keys]}


@cache
def _sql() -> Mapping[str, str]:
    return statements("chat_gateway", "sql/conversations.sql")
