"""The in-memory twin of the store; passes the same suite."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gatewaykit.outgoing_store import Line
from gatewaykit.store import Committed, Key
from gatewaykit.testing.memory import ConversationTables, MemoryConversations
from gatewaykit.testing.outgoing_memory import MemoryOutgoings, OutgoingTables
from servicekit.store import MemoryDatabase, Tenant

from chat_gateway.domain.records import AuditRow, LineTask, PendingFile, SendingStop, WebhookNote
from chat_gateway.store import SOURCE, ChatTransaction, PlaceInLine, Wakes


@dataclass(frozen=True, slots=True)
class ChatTables(ConversationTables, OutgoingTables):
    """The tables; keys are tenant and task for waiting ones; tenant, message and place for files."""

    line_tasks: dict[Key, LineTask] = field(default_factory=dict)
    webhook_notes: dict[Key, WebhookNote] = field(default_factory=dict)
    sending_stops: dict[Key, SendingStop] = field(default_factory=dict)
    audit: dict[Key, AuditRow] = field(default_factory=dict)
    pending_files: dict[tuple[str, str, int], PendingFile] = field(default_factory=dict)


class MemoryChatStore:
    """The twin of PostgresChatStore; `database.outbox` holds what was announced."""

    def __init__(self, committed: Committed) -> None:
        self.database = MemoryDatabase(ChatTables())
        self.wakes = Wakes.new()
        self._committed = committed

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction, None]:
        """See ChatStore."""
        async with self.database.transaction(tenant, MemoryChatTransaction) as transaction:
            yield transaction
        self.wakes.after(transaction)
        if transaction.changed:
            await self._committed(transaction.changed)


class MemoryChatTransaction(MemoryConversations[ChatTables], MemoryOutgoings[ChatTables]):
    """The twin of PostgresChatTransaction."""

    source = SOURCE

    def __init__(self, database: MemoryDatabase[ChatTables], tenant: Tenant) -> None:
        super().__init__(database, tenant)
        self.put_file = False

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

    async def put_pending_file(self, file: PendingFile) -> None:
        """See ChatTransaction."""
        kept = self.tables.pending_files.get(_key(file), file)
        changed = replace(kept, state=file.state, media=file.media, attempts=file.attempts, due_at_ms=file.due_at_ms)
        self.tables.pending_files[_key(file)] = changed
        self.put_file = True

    async def remove_pending_file(self, file: PendingFile) -> None:
        """See ChatTransaction."""
        self.tables.pending_files.pop(_key(file), None)

    async def pending_files_of(self, tenant_id: str, message_id: str) -> Sequence[PendingFile]:
        """See ChatTransaction."""
        found = [each for each in self._files() if (each.tenant_id, each.message_id) == (tenant_id, message_id)]
        return sorted(found, key=lambda each: each.place)

    async def claim_pending_files(self, now_ms: int, *, until_ms: int, rows_max: int) -> Sequence[PendingFile]:
        """See ChatTransaction."""
        due = [each for each in self._files() if each.state != "failed" and each.due_at_ms <= now_ms]
        due = sorted(due, key=lambda each: each.due_at_ms)[:rows_max]
        claimed = [replace(each, due_at_ms=until_ms, attempts=each.attempts + 1) for each in due]
        self.tables.pending_files.update({_key(each): each for each in claimed})
        return claimed

    async def files_waiting(self) -> tuple[int, int | None]:
        """See ChatTransaction."""
        waiting = [each.created_at_ms for each in self._files() if each.state == "fetch"]
        return len(waiting), min(waiting, default=None)

    async def open_interactions(self, line: Line, counterparts: Collection[str]) -> Sequence[str]:
        """See ChatTransaction."""
        kept = [each for each in self.tables.conversations.values() if self.sees(each) and each.state != "ended"]
        return [
            each.interaction_id
            for each in kept
            if (each.tenant_id, each.address) == line and each.counterpart in counterparts
        ]

    async def keep_webhook_notes(self, notes: Sequence[WebhookNote]) -> None:
        """See ChatTransaction."""
        for note in notes:
            kept = self.tables.webhook_notes.get((note.tenant_id, note.address), note)
            latest = max(kept, note, key=lambda each: each.refused_at_ms or 0)
            delivered_at_ms = max(kept.delivered_at_ms or 0, note.delivered_at_ms or 0) or None
            self.tables.webhook_notes[note.tenant_id, note.address] = replace(latest, delivered_at_ms=delivered_at_ms)

    async def webhook_notes(self, tenant_id: str) -> Sequence[WebhookNote]:
        """See ChatTransaction."""
        kept = sorted(self.tables.webhook_notes.values(), key=lambda each: each.address)
        return [each for each in kept if each.tenant_id == tenant_id and self.sees(each)]

    async def sending_stops(self, tenant_id: str) -> Sequence[SendingStop]:
        """See ChatTransaction."""
        kept = sorted(self.tables.sending_stops.values(), key=lambda each: each.address)
        return [each for each in kept if each.tenant_id == tenant_id and self.sees(each)]

    async def stop_sending(self, stop: SendingStop) -> None:
        """See ChatTransaction."""
        kept = self.tables.sending_stops.get((stop.tenant_id, stop.address))
        if kept is None or kept.mark != stop.mark:
            self.tables.sending_stops[stop.tenant_id, stop.address] = stop

    async def resume_sending(self, tenant_id: str, address: str) -> bool:
        """See ChatTransaction."""
        return self.tables.sending_stops.pop((tenant_id, address), None) is not None

    async def audit(self, row: AuditRow) -> None:
        """See ChatTransaction."""
        self.tables.audit[row.tenant_id, row.audit_id] = row

    def _files(self) -> list[PendingFile]:
        return [each for each in self.tables.pending_files.values() if self.sees(each)]


def _key(file: PendingFile) -> tuple[str, str, int]:
    return (file.tenant_id, file.message_id, file.place)


def _line(task: LineTask) -> tuple[str, str, str]:
    return (task.tenant_id, task.domain, task.queue)


def _order(task: LineTask) -> tuple[int, int, int, str]:
    return (-task.band, -task.priority, task.queued_at_ms, task.task_id)
