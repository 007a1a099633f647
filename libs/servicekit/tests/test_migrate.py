"""Migrations: applied once, never changed, never for a role that row-level security does not hold."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from servicekit.migrate import (
    Migration,
    MigrationRefusedError,
    SchemaMissingError,
    apply,
    ensure_application_role,
    migrate,
    migrations_of,
    read_migrations,
    wait_until_applied,
)
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase

SAFE = "-- safe with previous release: yes\n"
FIRST = Migration("notes", 1, "0001_note.sql", f"{SAFE}CREATE TABLE note (id text);")
SECOND = Migration("notes", 2, "0002_more.sql", f"{SAFE}ALTER TABLE note ADD more text; INSERT INTO note VALUES ('1');")
ROLE = "centralino_test"


def application_url(postgres: FreshDatabase) -> str:
    return f"postgresql://{ROLE}:{ROLE}@{postgres.admin_url.rpartition('@')[2]}"


async def apply_here(postgres: FreshDatabase, *wanted: Migration, role: str = ROLE) -> list[str]:
    await ensure_application_role(admin_url=postgres.admin_url, application_url=application_url(postgres))
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


async def wait_here(url: str, *wanted: Migration, wait_seconds: float = 20, stop: asyncio.Event | None = None) -> bool:
    return await wait_until_applied(
        list(wanted), schema="notes", application_url=url, wait_seconds=wait_seconds, stop=stop or asyncio.Event()
    )


async def test_the_application_role_may_use_tables_and_read_the_ledger_but_change_neither(
    postgres: FreshDatabase,
) -> None:
    await apply_here(postgres, FIRST, SECOND)
    connection = await asyncpg.connect(application_url(postgres), timeout=10)
    try:
        notes = await connection.fetchval("SELECT count(*) FROM notes.note")
        applied = await connection.fetchval("SELECT count(*) FROM notes.schema_migration")
        for statement in ("DELETE FROM notes.schema_migration", "DROP TABLE notes.note"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close(timeout=10)

    assert (notes, applied) == (1, 2)


async def test_a_service_waits_until_its_migrations_are_applied(
    postgres: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    await apply_here(postgres, FIRST)
    waiting = asyncio.create_task(wait_here(application_url(postgres), FIRST, SECOND))
    await eventually(lambda: "schema_awaited" in caplog.messages)
    waited = not waiting.done()
    await apply_here(postgres, FIRST, SECOND)

    assert waited
    assert await waiting
    assert [getattr(record, "why", "") for record in caplog.records if record.message == "schema_awaited"] == [
        "lacks notes/0002_more.sql"
    ]


async def test_a_service_waits_for_a_schema_that_nobody_has_made_yet(
    postgres: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = asyncio.create_task(wait_here(application_url(postgres), FIRST))
    await eventually(lambda: "schema_awaited" in caplog.messages)
    await apply_here(postgres, FIRST)

    assert await waiting


async def test_a_service_of_the_previous_release_does_not_wait_beside_a_newer_schema(postgres: FreshDatabase) -> None:
    await apply_here(postgres, FIRST, SECOND)

    assert await wait_here(application_url(postgres), FIRST, wait_seconds=0)


async def test_a_service_does_not_wait_for_its_migrations_for_ever(postgres: FreshDatabase) -> None:
    await apply_here(postgres, FIRST)

    with pytest.raises(SchemaMissingError, match=r"^schema notes lacks notes/0002_more\.sql: run the migrations"):
        await wait_here(application_url(postgres), FIRST, SECOND, wait_seconds=0)


async def test_a_file_of_another_content_is_lacking(postgres: FreshDatabase) -> None:
    await apply_here(postgres, FIRST)
    other = Migration("notes", 1, "0001_note.sql", FIRST.sql + " -- of another branch")

    with pytest.raises(SchemaMissingError, match=r"lacks notes/0001_note\.sql"):
        await wait_here(application_url(postgres), other, wait_seconds=0)


async def test_a_database_that_is_away_is_waited_for_until_the_service_is_stopped() -> None:
    stop = asyncio.Event()
    url = f"postgresql://{ROLE}@127.0.0.1:1/nowhere"
    waiting = asyncio.create_task(wait_here(url, FIRST, stop=stop))
    with pytest.raises(SchemaMissingError, match=r"cannot be read \(ConnectionRefusedError\)"):
        await wait_here(url, FIRST, wait_seconds=0)
    stop.set()

    assert not await waiting


async def test_a_package_is_migrated_with_the_common_tables_first(postgres: FreshDatabase) -> None:
    url = application_url(postgres)
    await ensure_application_role(admin_url=postgres.admin_url, application_url=url)

    applied = await migrate("servicekit", admin_url=postgres.admin_url, application_url=url)

    assert applied[0] == "servicekit/0001_common.sql"


def test_the_migrations_of_its_kits_come_before_those_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package, table in (("toykit_a", "a"), ("toykit_b", "b"), ("toy_gateway", "c")):
        folder = tmp_path / package / "migrations"
        folder.mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        (folder / "0001_first.sql").write_text(f"{SAFE}CREATE TABLE {table} (id text);")
    (tmp_path / "toy_gateway" / "migrations" / "kits.txt").write_text("toykit_b\ntoykit_a\n")
    monkeypatch.syspath_prepend(tmp_path)

    with_kits = [each.package for each in migrations_of("toy_gateway")]
    without = [each.package for each in migrations_of("toykit_a")]

    assert list(dict.fromkeys(with_kits)) == ["servicekit", "toykit_b", "toykit_a", "toy_gateway"]
    assert list(dict.fromkeys(without)) == ["servicekit", "toykit_a"]


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
