"""The in-memory twin of the store; passes the same suite."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gatewaykit.store import Committed, Key
from gatewaykit.testing.memory import ConversationTables, MemoryConversations
from servicekit.store import MemoryDatabase, Tenant

from chat_gateway.domain.records import LineTask
from chat_gateway.store import SOURCE, ChatTransaction, PlaceInLine


@dataclass(frozen=True, slots=True)
class ChatTables(ConversationTables):
    """The tables; keys are tenant and task for waiting ones."""

    line_tasks: dict[Key, LineTask] = field(default_factory=dict)


class MemoryChatStore:
    """The twin of PostgresChatStore; `database.outbox` holds what was announced."""

    def __init__(self, committed: Committed) -> None:
        self.database = MemoryDatabase(ChatTables())
        self._committed = committed

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction, None]:
        """See ChatStore."""
        async with self.database.transaction(tenant, MemoryChatTransaction) as transaction:
            yield transaction
        if transaction.changed:
            await self._committed(transaction.changed)


class MemoryChatTransaction(MemoryConversations[ChatTables]):
    """The twin of PostgresChatTransaction."""

    source = SOURCE

    async def add_line_task(self, task: LineTask) -> None:
        """See ChatTransaction."""
        self.tables.line_tasks.setdefault((task.tenant_id, task.task_id), task)

    async def move_line_task(self, tenant_id: str, task_id: str, *, queue: str, band: int, priority: int) -> None:
        """See ChatTransaction."""
        task = self.tables.line_tasks.get((tenant_id, task_id))
        if task:
            expected_at_ms = task.expected_at_ms if task.queue == queue else None
            moved = replace(task, queue=queue, band=band, priority=priority, expected_at_ms=expected_at_ms)
            self.tables.line_tasks[tenant_id, task_id] = moved

    async def set_waiting(self, tenant_id: str, task_id: str, *, waiting: bool) -> None:
        """See ChatTransaction."""
        task = self.tables.line_tasks.get((tenant_id, task_id))
        if task:
            self.tables.line_tasks[tenant_id, task_id] = replace(task, waiting=waiting)

    async def remove_line_task(self, tenant_id: str, task_id: str) -> None:
        """See ChatTransaction."""
        self.tables.line_tasks.pop((tenant_id, task_id), None)

    async def places_in_line(self, keys: Collection[Key]) -> Mapping[Key, PlaceInLine]:
        """See ChatTransaction."""
        found: dict[Key, PlaceInLine] = {}
        for task in self.tables.line_tasks.values():
            key = (task.tenant_id, task.interaction_id)
            if key in keys and task.waiting and self.sees(task):
                line = [each for each in self.tables.line_tasks.values() if each.waiting and _line(each) == _line(task)]
                line.sort(key=_order)
                found[key] = PlaceInLine(task.queue, line.index(task) + 1, len(line), task.expected_at_ms)
        return found


def _line(task: LineTask) -> tuple[str, str, str]:
    return (task.tenant_id, task.domain, task.queue)


def _order(task: LineTask) -> tuple[int, int, int, str]:
    return (-task.band, -task.priority, task.queued_at_ms, task.task_id)
