"""Keeps lines of waiting tasks and files to be fetched in PostgreSQL (schema `chat_gateway`), beside conversations and
what goes to providers."""

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Final, Protocol

from gatewaykit.domain.content import MediaRef
from gatewaykit.outgoing_store import Line, OutgoingTransaction, PostgresOutgoings
from gatewaykit.store import Committed, ConversationTransaction, Key, PostgresConversations, columns
from servicekit.database import Database, Row, kept_as
from servicekit.statements import statements
from servicekit.store import Tenant
from servicekit.sweep import Sweep
from sqlalchemy.ext.asyncio import AsyncConnection

from chat_gateway.domain.records import AuditRow, LineTask, PendingFile, SendingStop, WebhookNote

SOURCE: Final = "/chat-gateway"
FAILED_KEEP_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class PlaceInLine:
    """A visitor's place in line: `number` of `waiting` tasks."""

    queue: str
    number: int
    waiting: int
    expected_at_ms: int | None = None


class ChatTransaction(ConversationTransaction, OutgoingTransaction, Protocol):
    """One unit of work."""

    put_file: bool
    """A file waits to be fetched since this transaction: whoever commits it wakes the fetcher."""

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

    async def put_pending_file(self, file: PendingFile) -> None:
        """Keep it, or replace what may change of it."""
        ...

    async def remove_pending_file(self, file: PendingFile) -> None:
        """Nothing is to be done any more; succeeds if it is gone already."""
        ...

    async def pending_files_of(self, tenant_id: str, message_id: str) -> Sequence[PendingFile]:
        """Those of a message, in their order; not locked."""
        ...

    async def claim_pending_files(self, now_ms: int, *, until_ms: int, rows_max: int) -> Sequence[PendingFile]:
        """Those that are due, longest first, for the caller alone until then; an attempt more each."""
        ...

    async def files_waiting(self) -> tuple[int, int | None]:
        """How many are to be fetched, counted no further than 100,000, and since when the oldest is."""
        ...

    async def open_interactions(self, line: Line, counterparts: Collection[str]) -> Sequence[str]:
        """Of these counterparts at the address, not locked."""
        ...

    async def keep_webhook_notes(self, notes: Sequence[WebhookNote]) -> None:
        """What is later stands. Give them in the order of their addresses: others keep some, too."""
        ...

    async def webhook_notes(self, tenant_id: str) -> Sequence[WebhookNote]:
        """Of the tenant."""
        ...

    async def sending_stops(self, tenant_id: str) -> Sequence[SendingStop]:
        """Of the tenant's addresses, in the order of their names."""
        ...

    async def stop_sending(self, stop: SendingStop) -> None:
        """Replaces one of another mark."""
        ...

    async def resume_sending(self, tenant_id: str, address: str) -> bool:
        """Forget the stop; false: there was none."""
        ...

    async def audit(self, row: AuditRow) -> None:
        """Keep who does what; it is never changed."""
        ...


class ChatStore(Protocol):
    """Opens transactions."""

    @property
    def wakes(self) -> "Wakes":
        """Who has to know of what was put."""
        ...

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ChatTransaction]:
        """Begin; see TransactionBase."""
        ...


@dataclass(frozen=True, slots=True)
class Wakes:
    """Set after commits that put something to be done."""

    sending: asyncio.Event
    fetching: asyncio.Event

    @classmethod
    def new(cls) -> "Wakes":
        """Not set."""
        return cls(asyncio.Event(), asyncio.Event())

    def after(self, tx: ChatTransaction) -> None:
        """The transaction is committed."""
        if tx.put_outgoing:
            self.sending.set()
        if tx.put_file:
            self.fetching.set()


class PostgresChatStore:
    """The real ChatStore; `committed` is called after each commit that changed conversations."""

    def __init__(self, database: Database, committed: Committed) -> None:
        self.wakes = Wakes.new()
        self._database = database
        self._committed = committed

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction, None]:
        """See ChatStore."""
        async with self._database.transaction(tenant, PostgresChatTransaction) as transaction:
            yield transaction
        self.wakes.after(transaction)
        if transaction.changed:
            await self._committed(transaction.changed)


class PostgresChatTransaction(PostgresConversations, PostgresOutgoings):
    """The real ChatTransaction; its methods are described there."""

    source = SOURCE

    def __init__(self, connection: AsyncConnection, tenant: Tenant) -> None:
        super().__init__(connection, tenant)
        self.put_file = False

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

    async def put_pending_file(self, file: PendingFile) -> None:
        """See ChatTransaction."""
        values = asdict(file)
        await self.execute(_sql()["put_pending_file"], **values | {"media": file.media and json.dumps(values["media"])})
        self.put_file = True

    async def remove_pending_file(self, file: PendingFile) -> None:
        """See ChatTransaction."""
        await self.execute(
            _sql()["remove_pending_file"], tenant_id=file.tenant_id, message_id=file.message_id, place=file.place
        )

    async def pending_files_of(self, tenant_id: str, message_id: str) -> Sequence[PendingFile]:
        """See ChatTransaction."""
        rows = await self.all(_sql()["pending_files_of"], tenant_id=tenant_id, message_id=message_id)
        return [_pending_file(row) for row in rows]

    async def claim_pending_files(self, now_ms: int, *, until_ms: int, rows_max: int) -> Sequence[PendingFile]:
        """See ChatTransaction."""
        values = {"now_ms": now_ms, "until_ms": until_ms, "rows_max": rows_max}
        return [_pending_file(row) for row in await self.all(_sql()["claim_pending_files"], **values)]

    async def files_waiting(self) -> tuple[int, int | None]:
        """See ChatTransaction."""
        row = await self.one(_sql()["files_waiting"])
        return (int(row["files"]), row["oldest_ms"]) if row else (0, None)

    async def open_interactions(self, line: Line, counterparts: Collection[str]) -> Sequence[str]:
        """See ChatTransaction."""
        values = {"tenant_id": line[0], "address": line[1], "counterparts": list(counterparts)}
        return [row["interaction_id"] for row in await self.all(_sql()["open_interactions"], **values)]

    async def keep_webhook_notes(self, notes: Sequence[WebhookNote]) -> None:
        """See ChatTransaction."""
        for note in notes:
            await self.execute(_sql()["keep_webhook_note"], **asdict(note))

    async def webhook_notes(self, tenant_id: str) -> Sequence[WebhookNote]:
        """See ChatTransaction."""
        return [kept_as(WebhookNote, row) for row in await self.all(_sql()["webhook_notes"], tenant_id=tenant_id)]

    async def sending_stops(self, tenant_id: str) -> Sequence[SendingStop]:
        """See ChatTransaction."""
        return [kept_as(SendingStop, row) for row in await self.all(_sql()["sending_stops"], tenant_id=tenant_id)]

    async def stop_sending(self, stop: SendingStop) -> None:
        """See ChatTransaction."""
        await self.execute(_sql()["stop_sending"], **asdict(stop))

    async def resume_sending(self, tenant_id: str, address: str) -> bool:
        """See ChatTransaction."""
        return await self.execute(_sql()["resume_sending"], tenant_id=tenant_id, address=address) == 1

    async def audit(self, row: AuditRow) -> None:
        """See ChatTransaction."""
        await self.execute(_sql()["audit"], **asdict(row) | {"content": json.dumps(row.content)})


def files_sweep(database: Database) -> Sweep:
    """Forget after a month which files could not be had."""
    return Sweep(database, "failed files sweep", _sql()["sweep_failed_files"], keep_days=FAILED_KEEP_DAYS)


def _pending_file(row: Row) -> PendingFile:
    media = row["media"]
    return replace(kept_as(PendingFile, row), media=MediaRef(**json.loads(media)) if media else None)


@cache
def _sql() -> Mapping[str, str]:
    return {**statements("chat_gateway", "sql/lines.sql"), **statements("chat_gateway", "sql/providers.sql")}
