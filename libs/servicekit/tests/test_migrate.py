"""Migrations: applied once, never changed, never for a role that row-level security does not hold."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from servicekit.migrate import (
    Migration,
    MigrationRefusedError,
    apply,
    ensure_application_role,
    migrate,
    read_migrations,
)
from servicekit.testing.plugin import FreshDatabase

SAFE = "-- safe with previous release: yes\n"
FIRST = Migration("notes", 1, "0001_note.sql", f"{SAFE}CREATE TABLE note (id text);")
SECOND = Migration("notes", 2, "0002_more.sql", f"{SAFE}ALTER TABLE note ADD more text; INSERT INTO note VALUES ('1');")
ROLE = "centralino_test"


async def apply_here(postgres: FreshDatabase, *wanted: Migration, role: str = ROLE) -> list[str]:
    address = postgres.admin_url.rpartition("@")[2]
    await ensure_application_role(
        admin_url=postgres.admin_url, application_url=f"postgresql://{ROLE}:centralino_test@{address}"
    )
    return await apply(list(wanted), schema="notes", admin_url=postgres.admin_url, application_role=role)


async def test_each_file_is_applied_once(postgres: FreshDatabase) -> None:
    applied = [
        await apply_here(postgres, FIRST),
        await apply_here(postgres, FIRST, SECOND),
        await apply_here(postgres, FIRST, SECOND),
    ]

    assert applied == [["notes/0001_note.sql"], ["notes/0002_more.sql"], []]


async def test_a_changed_file_is_refused_before_anything_is_applied(postgres: FreshDatabase) -> None:
    await apply_here(postgres, FIRST)
    changed = Migration("notes", 1, "0001_note.sql", FIRST.sql + " -- better")

    with pytest.raises(MigrationRefusedError, match=r"notes/0001_note\.sql was changed"):
        await apply_here(postgres, changed, SECOND)

    assert await apply_here(postgres, FIRST, SECOND) == ["notes/0002_more.sql"]


async def test_a_previous_release_runs_beside_a_newer_schema(postgres: FreshDatabase) -> None:
    await apply_here(postgres, FIRST, SECOND)

    assert await apply_here(postgres, FIRST) == []


async def test_a_failing_file_leaves_nothing_of_itself(postgres: FreshDatabase) -> None:
    broken = Migration("notes", 2, "0002_more.sql", f"{SAFE}CREATE TABLE half (id text); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await apply_here(postgres, FIRST, broken)

    assert await apply_here(postgres, FIRST, SECOND) == ["notes/0002_more.sql"]
    assert await tables(postgres) == ["note", "schema_migration"]


async def test_migrators_that_start_together_apply_each_file_once(postgres: FreshDatabase) -> None:
    await apply_here(postgres)

    applied = await asyncio.gather(*(apply_here(postgres, FIRST, SECOND) for _ in range(3)))

    assert sorted(len(names) for names in applied) == [0, 0, 2]


async def test_a_role_that_could_bypass_row_level_security_is_refused(postgres: FreshDatabase) -> None:
    with pytest.raises(MigrationRefusedError, match="could pass by"):
        await apply_here(postgres, FIRST, role="postgres")
    with pytest.raises(MigrationRefusedError, match="does not exist"):
        await apply_here(postgres, FIRST, role="nobody_like_this")


async def test_the_application_role_may_use_tables_but_not_the_ledger(postgres: FreshDatabase) -> None:
    await apply_here(postgres, FIRST, SECOND)
    address = postgres.admin_url.rpartition("@")[2]
    connection = await asyncpg.connect(f"postgresql://{ROLE}:centralino_test@{address}", timeout=10)
    try:
        notes = await connection.fetchval("SELECT count(*) FROM notes.note")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM notes.schema_migration")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DROP TABLE notes.note")
    finally:
        await connection.close(timeout=10)

    assert notes == 1


async def test_a_package_is_migrated_with_the_common_tables_first(postgres: FreshDatabase) -> None:
    address = postgres.admin_url.rpartition("@")[2]
    application_url = f"postgresql://{ROLE}:centralino_test@{address}"
    await ensure_application_role(admin_url=postgres.admin_url, application_url=application_url)

    applied = await migrate("servicekit", admin_url=postgres.admin_url, application_url=application_url)

    assert applied[0] == "servicekit/0001_common.sql"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("1_note.sql", SAFE, "not named"),
        ("0001_note.sql", "CREATE TABLE note ();", "safe with previous release"),
        ("0002_note.sql", SAFE, "without gaps"),
    ],
)
def test_files_that_break_the_rules_are_refused(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(MigrationRefusedError, match=why):
        read_migrations("notes", tmp_path)


async def tables(postgres: FreshDatabase) -> list[str]:
    connection = await asyncpg.connect(postgres.admin_url, timeout=10)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'notes' ORDER BY 1")
    finally:
        await connection.close(timeout=10)
    return [row["tablename"] for row in rows]
