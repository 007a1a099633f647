"""The in-memory twin of the store; passes the same suite."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from servicekit.store import MemoryDatabase, MemoryTransaction, Tenant

from chat_gateway.domain.records import Conversation, LineTask, Message
from chat_gateway.store import MESSAGES_MAX, ChatTransaction, Committed, Key, PlaceInLine


@dataclass(frozen=True, slots=True)
class ChatTables:
    """The tables; keys are tenant and interaction, with the number for messages, with the task for waiting ones."""

    conversations: dict[Key, Conversation] = field(default_factory=dict)
    messages: dict[tuple[str, str, int], Message] = field(default_factory=dict)
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


class MemoryChatTransaction(MemoryTransaction[ChatTables]):
    """The twin of PostgresChatTransaction. Transactions run one at a time, so every row is as good as locked."""

    def __init__(self, database: MemoryDatabase[ChatTables], tenant: Tenant) -> None:
        super().__init__(database, tenant)
        self.changed: set[str] = set()

    async def open_conversation(self, conversation: Conversation) -> Conversation:
        """See ChatTransaction."""
        return self.tables.conversations.setdefault((conversation.tenant_id, conversation.interaction_id), conversation)

    async def lock_conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ChatTransaction."""
        return await self.conversation(tenant_id, interaction_id)

    async def due_conversations(self, now_ms: int, *, rows_max: int) -> Sequence[Conversation]:
        """See ChatTransaction."""
        due = [each for each in self.tables.conversations.values() if each.check_at_ms <= now_ms and self._sees(each)]
        return sorted(due, key=lambda each: each.check_at_ms)[:rows_max]

    async def save_conversation(self, conversation: Conversation) -> None:
        """See ChatTransaction."""
        saved = replace(conversation, revision=conversation.revision + 1)
        self.tables.conversations[conversation.tenant_id, conversation.interaction_id] = saved
        self.changed.add(conversation.interaction_id)

    async def remove_conversation(self, tenant_id: str, interaction_id: str) -> None:
        """See ChatTransaction."""
        self.tables.conversations.pop((tenant_id, interaction_id), None)
        for key in [key for key in self.tables.messages if key[:2] == (tenant_id, interaction_id)]:
            del self.tables.messages[key]

    async def conversation(self, tenant_id: str, interaction_id: str) -> Conversation | None:
        """See ChatTransaction."""
        kept = self.tables.conversations.get((tenant_id, interaction_id))
        return kept if kept and self._sees(kept) else None

    async def add_message(self, message: Message) -> None:
        """See ChatTransaction."""
        self.tables.messages[message.tenant_id, message.interaction_id, message.number] = message

    async def message(self, tenant_id: str, message_id: str) -> Message | None:
        """See ChatTransaction."""
        found = (each for each in self.tables.messages.values() if each.message_id == message_id and self._sees(each))
        return next((each for each in found if each.tenant_id == tenant_id), None)

    async def messages_after(self, tenant_id: str, interaction_id: str, number: int) -> Sequence[Message]:
        """See ChatTransaction."""
        found = [
            each
            for each in self.tables.messages.values()
            if (each.tenant_id, each.interaction_id) == (tenant_id, interaction_id)
            and each.number > number
            and self._sees(each)
        ]
        return sorted(found, key=lambda each: each.number)[:MESSAGES_MAX]

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

    async def revisions(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """See ChatTransaction."""
        kept = self.tables.conversations
        return {key: kept[key].revision for key in keys if key in kept and self._sees(kept[key])}

    async def places_in_line(self, keys: Collection[Key]) -> Mapping[Key, PlaceInLine]:
        """See ChatTransaction."""
        found: dict[Key, PlaceInLine] = {}
        for task in self.tables.line_tasks.values():
            key = (task.tenant_id, task.interaction_id)
            if key in keys and task.waiting and self._sees(task):
                line = [each for each in self.tables.line_tasks.values() if each.waiting and _line(each) == _line(task)]
                line.sort(key=_order)
                found[key] = PlaceInLine(task.queue, line.index(task) + 1, len(line), task.expected_at_ms)
        return found

    def _sees(self, row: Conversation | Message | LineTask) -> bool:
        """What row-level security does."""
        return self.tenant_text in ("*", row.tenant_id)


def _line(task: LineTask) -> tuple[str, str, str]:
    return (task.tenant_id, task.domain, task.queue)


def _order(task: LineTask) -> tuple[int, int, int, str]:
    return (-task.band, -task.priority, task.queued_at_ms, task.task_id)
