"""What only PostgreSQL can show: row-level security, concurrent writers, and a server that is away."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from asyncpg.exceptions import InternalClientError
from servicekit.database import DatabaseAwayError, Row, Transaction, kept_as, open_database
from servicekit.migrate import apply, read_migrations, role_of
from servicekit.outbox import PostgresOutbox
from servicekit.ports import Partition
from servicekit.statements import statements
from servicekit.store import EVERY_TENANT
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.store_laws import said, waiting_ids
from servicekit.testing.tenants import unguarded_tables
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

NOTES = """-- safe with previous release: yes
CREATE TABLE note (tenant_id text NOT NULL, id text NOT NULL, content text, PRIMARY KEY (tenant_id, id));
"""


@pytest.fixture
async def kept(postgres: FreshDatabase) -> AsyncGenerator[MigratedDatabase, None]:
    async with migrated(postgres.admin_url, "servicekit", pool_size_max=4) as kept:
        yield kept


async def add_notes(postgres: FreshDatabase, kept: MigratedDatabase, folder: Path, *, guarded: bool = True) -> None:
    guard = "SELECT protect_tenants('note');" if guarded else ""
    (folder / "0001_notes.sql").write_text(NOTES + guard)
    await apply(
        read_migrations("notes", folder),
        schema="servicekit",
        admin_url=postgres.admin_url,
        application_role=role_of(kept.application_url),
    )


async def write_note(transaction: Transaction, tenant: str, note: str) -> None:
    await transaction.execute("INSERT INTO note (tenant_id, id) VALUES (:tenant, :id)", tenant=tenant, id=note)


async def test_a_tenant_neither_sees_nor_changes_rows_of_another(
    postgres: FreshDatabase, kept: MigratedDatabase, tmp_path: Path
) -> None:
    await add_notes(postgres, kept, tmp_path)
    for tenant in ("acme", "globex"):
        async with kept.database.transaction(tenant) as transaction:
            await write_note(transaction, tenant, "n-1")

    async with kept.database.transaction("acme") as transaction:
        seen = await transaction.all("SELECT tenant_id FROM note")
        changed = await transaction.execute("UPDATE note SET content = 'mine' WHERE tenant_id = 'globex'")
        deleted = await transaction.execute("DELETE FROM note WHERE tenant_id = 'globex'")
    async with kept.database.transaction(EVERY_TENANT) as transaction:
        all_of_them = await transaction.all("SELECT tenant_id FROM note ORDER BY tenant_id")

    assert [row["tenant_id"] for row in seen] == ["acme"]
    assert (changed, deleted) == (0, 0)
    assert [row["tenant_id"] for row in all_of_them] == ["acme", "globex"]


async def test_a_row_of_another_tenant_cannot_be_written(
    postgres: FreshDatabase, kept: MigratedDatabase, tmp_path: Path
) -> None:
    await add_notes(postgres, kept, tmp_path)

    with pytest.raises(DBAPIError, match="row-level security"):
        async with kept.database.transaction("acme") as transaction:
            await write_note(transaction, "globex", "n-1")


async def test_the_probe_finds_a_table_that_was_forgotten(
    postgres: FreshDatabase, kept: MigratedDatabase, tmp_path: Path
) -> None:
    async with kept.database.transaction("acme") as transaction:
        await transaction.announce(said(1))
        await transaction.first_time("sms", "id-1")
    guarded = await unguarded_tables(application_url=kept.application_url, schema="servicekit")
    await add_notes(postgres, kept, tmp_path, guarded=False)

    assert guarded == []
    assert await unguarded_tables(application_url=kept.application_url, schema="servicekit") == ["note"]


class Peeking(Transaction):
    """Looks at the tenant of the pooled connection before its own is set."""

    found: str | None = None

    @override
    async def one(self, statement: str, /, **values: object) -> Row | None:
        if self.found is None:
            (row,) = await self.all("SELECT coalesce(current_setting('app.tenant', true), '') AS tenant")
            self.found = row["tenant"]
        return await super().one(statement, **values)


async def test_the_tenant_does_not_outlive_the_transaction_on_a_pooled_connection(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "servicekit", pool_size_max=1) as kept:
        async with kept.database.transaction("acme") as transaction:
            await transaction.first_time("sms", "id-1")
        async with kept.database.transaction("globex", Peeking) as peeking:
            seen = await peeking.all("SELECT tenant_id FROM inbox")

    assert peeking.found == ""
    assert seen == []


async def test_announcements_of_one_conversation_get_their_place_in_commit_order(kept: MigratedDatabase) -> None:
    outbox, first_holds, others = PostgresOutbox(kept.database), asyncio.Event(), 3

    async def first() -> None:
        async with kept.database.transaction("acme") as transaction:
            await transaction.announce(said(1))
            await transaction.flush()  # has its place, has not committed
            transaction.announced.clear()
            first_holds.set()
            await eventually(partial(blocked_on_locks, kept, at_least=others - 1))

    async def later(number: int) -> None:
        await first_holds.wait()
        async with kept.database.transaction("acme") as transaction:
            await transaction.announce(said(number))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first())
        for number in range(2, others + 1):
            tasks.create_task(later(number))
        await first_holds.wait()
        overtaken = await waiting_ids(outbox)

    assert overtaken == []
    assert (await waiting_ids(outbox))[0] == "chat-1-1"
    assert len(await waiting_ids(outbox)) == others


async def blocked_on_locks(kept: MigratedDatabase, *, at_least: int) -> bool:
    async with kept.database.transaction("acme") as transaction:
        row = await transaction.one(
            "SELECT count(*) AS waiting FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        )
    return row is not None and row["waiting"] >= at_least


async def test_two_consumers_of_a_partition_do_not_both_take_a_record(kept: MigratedDatabase) -> None:
    partition = Partition("messages", 0)

    async def take() -> bool:
        async with kept.database.transaction(EVERY_TENANT) as transaction:
            return await transaction.advance("crm", partition, 1)

    taken = await asyncio.gather(*(take() for _ in range(4)))

    assert sorted(taken) == [False, False, False, True]


async def test_a_statement_that_is_wrong_is_not_called_a_database_that_is_away(kept: MigratedDatabase) -> None:
    for statement, values in [("SELECT nothing", {}), ("SELECT CAST(:x AS integer)", {"x": "one"}), ("SELECT 1/0", {})]:
        with pytest.raises(DBAPIError):
            async with kept.database.transaction("acme") as transaction:
                await transaction.all(statement, **values)


async def test_a_lost_connection_is_told_as_away_and_the_next_transaction_works(
    postgres: FreshDatabase, kept: MigratedDatabase
) -> None:
    async with kept.database.transaction("acme") as transaction:
        row = await transaction.one("SELECT pg_backend_pid() AS pid")
    assert row is not None
    async with open_database(postgres.admin_url, schema="public") as admin, admin.transaction("acme") as transaction:
        await transaction.all("SELECT pg_terminate_backend(:pid, 5000)", pid=row["pid"])

    with pytest.raises(DatabaseAwayError):
        async with kept.database.transaction("acme") as transaction:
            await transaction.first_time("sms", "id-1")
    async with kept.database.transaction("acme") as transaction:
        assert await transaction.first_time("sms", "id-1")


async def test_a_connection_that_asyncpg_is_confused_about_is_told_as_away_and_used_no_more(
    kept: MigratedDatabase,
) -> None:
    """What asyncpg sometimes raises when the server dies, and then for every query of that connection."""
    confused: set[object] = set()

    def confuse(cursor: Any, *_: object) -> None:  # Any: SQLAlchemy's adapter, which translates asyncpg's errors
        connection = cursor._adapt_connection
        if not confused:
            confused.add(connection.driver_connection)
        if connection.driver_connection in confused:
            connection._handle_exception(cast(Any, InternalClientError)("cannot switch to state 12"))

    async with kept.database.transaction(EVERY_TENANT) as transaction:
        await transaction.one("SELECT 1")
    event.listen(kept.database._engine.sync_engine, "do_execute", confuse)
    with pytest.raises(DatabaseAwayError):
        async with kept.database.transaction(EVERY_TENANT) as transaction:
            await transaction.one("SELECT 2")
    async with kept.database.transaction(EVERY_TENANT) as transaction:
        row = await transaction.one("SELECT 3 AS three")

    assert row == {"three": 3}


async def test_nobody_listening_is_told_as_away() -> None:
    async with open_database("postgresql://nobody:x@127.0.0.1:1/none", schema="servicekit") as database:
        with pytest.raises(DatabaseAwayError):
            async with database.transaction("acme"):
                pass


async def test_a_full_pool_is_told_as_away(kept: MigratedDatabase) -> None:
    url = kept.application_url
    async with (
        open_database(url, schema="servicekit", pool_size_max=1, pool_timeout_seconds=0.1) as database,
        database.transaction("acme"),
    ):
        with pytest.raises(DatabaseAwayError):
            async with database.transaction("acme"):
                pass


async def test_a_table_that_was_changed_under_a_cached_plan_is_read_by_the_next_try(
    postgres: FreshDatabase, kept: MigratedDatabase, tmp_path: Path
) -> None:
    await add_notes(postgres, kept, tmp_path)
    async with open_database(kept.application_url, schema="servicekit", pool_size_max=1) as database:
        async with database.transaction("acme") as transaction:
            await write_note(transaction, "acme", "n-1")
            await transaction.all("SELECT * FROM note")
        async with (
            open_database(postgres.admin_url, schema="servicekit") as admin,
            admin.transaction("acme") as transaction,
        ):
            await transaction.execute("ALTER TABLE note ADD COLUMN pinned boolean")
        with pytest.raises(DatabaseAwayError):
            async with database.transaction("acme") as transaction:
                await transaction.all("SELECT * FROM note")
        async with database.transaction("acme") as transaction:
            rows = await transaction.all("SELECT * FROM note")

    assert [row["pinned"] for row in rows] == [None]


@dataclass(frozen=True)
class Note:
    tenant_id: str
    text: str


def test_a_row_with_a_column_of_a_newer_release_is_read_all_the_same() -> None:
    assert kept_as(Note, {"tenant_id": "acme", "text": "hello", "colour": "red"}) == Note("acme", "hello")


def test_statements_are_found_by_name() -> None:
    found = statements("servicekit", "sql/outbox.sql")

    assert list(found) == ["lock_outbox", "oldest", "remove", "refuse", "depth"]
    assert found["remove"] == "DELETE FROM outbox WHERE id = ANY(:ids)"
