"""Keeps the lines of waiting tasks in PostgreSQL (schema `chat_gateway`), beside conversations."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Final, Protocol

from gatewaykit.store import Committed, ConversationTransaction, Key, PostgresConversations, columns
from servicekit.database import Database
from servicekit.statements import statements
from servicekit.store import Tenant

from chat_gateway.domain.records import LineTask

SOURCE: Final = "/chat-gateway"


@dataclass(frozen=True, slots=True)
class PlaceInLine:
    """A visitor's place in line: `number` of `waiting` tasks."""

    queue: str
    number: int
    waiting: int
    expected_at_ms: int | None = None


class ChatTransaction(ConversationTransaction, Protocol):
    """One unit of work."""

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


class PostgresChatTransaction(PostgresConversations):
    """The real ChatTransaction; its methods are described there."""

    source = SOURCE

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

    async def places_in_line(self, keys: Collection[Key]) -> Mapping[Key, PlaceInLine]:
        """See ChatTransaction."""
        rows = await self.all(_sql()["places_in_line"], **columns(keys))
        return {
            (row["tenant_id"], row["interaction_id"]): PlaceInLine(
                row["queue"], row["position"], row["of_all"], row["expected_at_ms"]
            )
            for row in rows
        }


@cache
def _sql() -> Mapping[str, str]:
    return statements("chat_gateway", "sql/lines.sql")
