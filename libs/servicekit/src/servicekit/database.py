"""PostgreSQL: transactions that belong to one tenant, with outbox, inbox and consumer positions.

The tenant is set per transaction (`set_config(..., true)`), never per connection: settings of a session leak through
pools. Row-level security does the rest; its policies stand in `migrations/0001_common.sql`. `jsonb` goes in as
text and comes out decoded.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import fields
from functools import cache, lru_cache, partial
from typing import Any, Final, TypeVar, cast, overload

import asyncpg
from asyncpg.exceptions import InternalClientError
from sqlalchemy import TextClause, event, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.engine import CursorResult, ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from typing_extensions import override

from servicekit.errors import RetryLaterError
from servicekit.ports import Partition
from servicekit.statements import statements
from servicekit.store import Position, Recorder, Tenant, wait_for_event

CONNECT_TIMEOUT_SECONDS: Final = 5.0
# Longer than the server's own statement_timeout: it only ends waits for a server that is gone.
ANSWER_TIMEOUT_SECONDS: Final = 15.0

# https://www.postgresql.org/docs/current/errcodes-appendix.html: connection, resources, operator's intervention;
# then serialization failure, deadlock, lock not available, and (57014) statement_timeout.
_TRANSIENT_CLASSES: Final = ("08", "53", "57")
_TRANSIENT_CODES: Final = ("40001", "40P01", "55P03", "25P03")

Row = Mapping[str, Any]  # Any: the columns are the statement's business
Kept = TypeVar("Kept")


class DatabaseAwayError(RetryLaterError):
    """PostgreSQL cannot be reached, is overloaded or gave up on a lock; what was asked may or may not be done."""


class Transaction(Recorder):
    """One transaction of one tenant; see `store.TransactionBase`. A service's own transaction class extends it."""

    def __init__(self, connection: AsyncConnection, tenant: Tenant) -> None:
        super().__init__(tenant)
        self._connection = connection

    async def execute(self, statement: str, /, **values: object) -> int:
        """Run one statement with `:name` parameters; returns how many rows it changed."""
        return (await self._run(statement, values)).rowcount

    async def one(self, statement: str, /, **values: object) -> Row | None:
        """The only row, or none. Raises MultipleResultsFound for more."""
        return cast(Row | None, (await self._run(statement, values)).mappings().one_or_none())  # its keys are strings

    async def all(self, statement: str, /, **values: object) -> Sequence[Row]:
        """All rows; bound them in the statement."""
        return cast(Sequence[Row], (await self._run(statement, values)).mappings().all())  # its keys are strings

    async def first_time(self, source: str, message_id: str) -> bool:
        """See TransactionBase."""
        changed = await self.execute(
            _own()["first_time"], tenant=self.tenant_text, source=source, message_id=message_id
        )
        return changed == 1

    async def next_offset(self, group: str, partition: Partition) -> int | None:
        """See TransactionBase."""
        row = await self.one(_own()["next_offset"], **_place(group, partition))
        return row["next_offset"] if row else None

    @override
    async def _locked_position(self, group: str, partition: Partition) -> Position:
        row = cast(Row, await self.one(_own()["locked_position"], **_place(group, partition)))  # it always returns one
        return Position(row["next_offset"], row["sequence"])

    async def flush(self) -> None:
        """Write positions and announcements; the announcements last, for the order that `outbox_append` keeps."""
        for (group, partition), kept in self.positions.items():
            await self.execute(
                _own()["move_position"],
                next_offset=kept.next_offset,
                sequence=kept.sequence,
                **_place(group, partition),
            )
        if self.announced:
            await self._append_announced()

    async def _append_announced(self) -> None:
        outgoing = [row.outgoing for row in self.announced]
        heads = [json.dumps([[name, raw.decode()] for name, raw in each.headers]) for each in outgoing]
        await self._run(
            _own()["outbox_append"],
            {
                "tenants": [row.tenant_id for row in self.announced],
                "order_keys": [row.order_key for row in self.announced],
                "topics": [each.topic for each in outgoing],
                "partitions": [each.partition for each in outgoing],
                "keys": [each.key for each in outgoing],
                "contents": [each.value for each in outgoing],
                "heads": heads,
            },
        )

    async def _run(self, statement: str, values: Mapping[str, object]) -> CursorResult[Any]:  # Any: see Row
        with _away():
            return await self._connection.execute(_text(statement), values)


def kept_as(kind: type[Kept], row: Row) -> Kept:
    """The row as this dataclass. Columns that it lacks are a newer release's, which may run beside this one."""
    return kind(**{name: row[name] for name in _names(cast(Any, kind))})  # Any: a dataclass is no type of its own


def columns_of(record: object) -> dict[str, Any]:  # Any: as its fields are
    """The fields of a dataclass by their names, as they are: unlike `asdict`, which copies all that is in them."""
    return {name: getattr(record, name) for name in _names(cast(Any, type(record)))}  # Any: see above


@cache
def _names(kind: Any) -> Sequence[str]:  # Any: see above
    return [field.name for field in fields(kind)]


Tx = TypeVar("Tx", bound=Transaction)


class Database:
    """A pool of connections as the application role, working in one schema."""

    def __init__(self, engine: AsyncEngine, schema: str) -> None:
        self._engine = engine
        self._schema = schema
        self._announced = asyncio.Event()

    @overload
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[Transaction]: ...

    @overload
    def transaction(self, tenant: Tenant, kind: type[Tx]) -> AbstractAsyncContextManager[Tx]: ...

    def transaction(
        self, tenant: Tenant, kind: type[Transaction] = Transaction
    ) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction (of the service's own class); a clean exit commits, an exception rolls back.

        Raises DatabaseAwayError; raised by the commit, it leaves open whether the transaction happened.
        """
        return self._transaction(tenant, kind)

    async def wait_for_announcement(self, *, timeout_seconds: float) -> None:
        """Until a transaction of this process committed announcements, or so long."""
        await wait_for_event(self._announced, timeout_seconds=timeout_seconds)
        self._announced.clear()

    @asynccontextmanager
    async def _transaction(self, tenant: Tenant, kind: type[Transaction]) -> AsyncGenerator[Transaction, None]:
        with _away():
            connection = await self._engine.connect()
        try:
            transaction = kind(connection, tenant)
            await transaction.one(_own()["open_transaction"], tenant=transaction.tenant_text, schema=self._schema)
            yield transaction
            await transaction.flush()
            with _away():
                await connection.commit()
        finally:
            await connection.close()  # rolls back what was not committed
        if transaction.announced:
            self._announced.set()


@asynccontextmanager
async def open_database(
    url: str, *, schema: str, pool_size_max: int = 10, pool_timeout_seconds: float = 5.0
) -> AsyncGenerator[Database, None]:
    """A pool for `postgresql://role:password@host:port/database?sslmode=...`; connects on first use.

    asyncpg reads the URL, as it does for migrations: in libpq's words, which SQLAlchemy does not know (`sslmode`,
    `sslrootcert`). https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(
            asyncpg.connect, url, timeout=CONNECT_TIMEOUT_SECONDS, command_timeout=ANSWER_TIMEOUT_SECONDS
        ),
        pool_size=pool_size_max,
        max_overflow=0,
        pool_timeout=pool_timeout_seconds,
    )
    event.listen(engine.sync_engine, "handle_error", _note_lost_connection)
    try:
        yield Database(engine, schema)
    finally:
        await engine.dispose()


def _note_lost_connection(context: ExceptionContext) -> None:
    """A server that dies between two steps of a query leaves asyncpg confused: such a connection is lost as well."""
    if isinstance(context.original_exception.__cause__, InternalClientError):
        context.is_disconnect = True


@contextmanager
def _away() -> Iterator[None]:
    """Tell a database that is away from a statement that is wrong."""
    try:
        yield
    except (PoolTimeoutError, TimeoutError, OSError) as error:
        raise DatabaseAwayError(type(error).__name__) from error
    except DBAPIError as error:
        if _is_transient(error):
            raise DatabaseAwayError(str(_sqlstate(error) or type(error).__name__)) from error
        raise


def _is_transient(error: DBAPIError) -> bool:
    # A migration has changed the table. SQLAlchemy has forgotten the plan, so that the next try makes a new one.
    if isinstance(error.orig, AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError):
        return True
    code = _sqlstate(error)
    if code is not None:
        return code.startswith(_TRANSIENT_CLASSES) or code in _TRANSIENT_CODES
    # asyncpg names a closed connection InterfaceError, and also a wrong argument (which is a ValueError too).
    wrong_argument = isinstance(error.orig, BaseException) and isinstance(error.orig.__cause__, ValueError)
    return error.connection_invalidated or (isinstance(error, InterfaceError) and not wrong_argument)


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _place(group: str, partition: Partition) -> dict[str, object]:
    return {"consumer": group, "topic": partition.topic, "partition": partition.number}


@lru_cache(maxsize=1024)
def _text(statement: str) -> TextClause:
    return text(statement)


@cache
def _own() -> Mapping[str, str]:
    return statements("servicekit", "sql/transaction.sql")
