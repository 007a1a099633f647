"""Migrations: numbered SQL files, applied once, in order, by the owner of the schema.

A package's files stand in its folder `migrations/` as `NNNN_name.sql`; its schema is named like the package. The files
of servicekit itself (outbox, inbox, positions, tenant guard) come first in every schema, then those of the kits that
the package's own `migrations/kits.txt` names, one package a line.

A release that runs on an older schema would park what it was promised to keep: so a service waits, before it does
anything, until the ledger holds all of its files. A ledger that holds more is that of a newer release beside it.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg
from asyncpg.exceptions import InterfaceError, PostgresError

from servicekit.store import wait_for_event
from servicekit.telemetry import log

LOG: Final = log("migrate")

CONNECT_TIMEOUT_SECONDS: Final = 10
LOCK_TIMEOUT: Final = "30s"
AGAIN_SECONDS: Final = 0.5

_FILE_NAME: Final = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_FIRST_LINE: Final = re.compile(r"^-- safe with previous release: (yes|no)\n")

_LEDGER: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
  package text NOT NULL, number integer NOT NULL, name text NOT NULL, sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (package, number)
)"""


class MigrationRefusedError(RuntimeError):
    """The schema was left as it was: a file, the ledger or the application role is not as it must be."""


class SchemaMissingError(RuntimeError):
    """The database lacks migrations of this release: run them (the Job `prepare`), and the service starts."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    package: str
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What the ledger remembers: an applied file never changes."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(package: str, *, admin_url: str, application_url: str) -> list[str]:
    """Bring the schema of a package up to date; returns the names of the files applied now.

    `application_url` names the role that gets rights on the tables, not more. Raises MigrationRefusedError.
    """
    role = role_of(application_url)
    return await apply(migrations_of(package), schema=package, admin_url=admin_url, application_role=role)


async def wait_until_migrated(package: str, *, application_url: str, wait_seconds: float, stop: asyncio.Event) -> bool:
    """Wait until the schema of a package is that of this release, or newer; false if `stop` came first.

    A database that is away, or does not know the role yet, is waited for as well. Raises SchemaMissingError.
    """
    wanted = migrations_of(package)
    return await wait_until_applied(
        wanted, schema=package, application_url=application_url, wait_seconds=wait_seconds, stop=stop
    )


async def apply(wanted: list[Migration], *, schema: str, admin_url: str, application_role: str) -> list[str]:
    """Apply what the ledger does not hold yet, each file in a transaction of its own, one migrator at a time."""
    async with _connection(admin_url) as connection:
        await connection.execute("SELECT set_config('lock_timeout', $1, false)", LOCK_TIMEOUT)
        await connection.execute("SELECT pg_advisory_lock(hashtext('centralino migrate'), hashtext($1))", schema)
        await _refuse_mighty(connection, application_role)
        await _prepare(connection, schema, application_role)
        ledger = await _read_ledger(connection)
        for migration in wanted:
            if ledger.get((migration.package, migration.number), migration.sha256) != migration.sha256:
                raise MigrationRefusedError(f"{migration.package}/{migration.name} was changed after it was applied")
        missing = [each for each in wanted if (each.package, each.number) not in ledger]
        for migration in missing:
            await _apply_one(connection, migration)
        return [f"{migration.package}/{migration.name}" for migration in missing]


async def wait_until_applied(
    wanted: list[Migration], *, schema: str, application_url: str, wait_seconds: float, stop: asyncio.Event
) -> bool:
    """See `wait_until_migrated`."""
    clock = asyncio.get_running_loop().time
    deadline, told = clock() + wait_seconds, ""
    while not stop.is_set():
        lack = await _lack(wanted, schema, application_url)
        if lack is None:
            return True
        if clock() >= deadline:
            raise SchemaMissingError(f"schema {schema} {lack}: run the migrations of this release, then it starts")
        if lack != told:
            LOG.warning("schema_awaited", extra={"schema": schema, "why": lack})
            told = lack
        await wait_for_event(stop, timeout_seconds=AGAIN_SECONDS)
    return False


def migrations_of(package: str) -> list[Migration]:
    """All files that the schema of a package is made of, in order. Raises MigrationRefusedError."""
    wanted: list[Migration] = []
    for each in dict.fromkeys(("servicekit", *kits_of(files(package) / "migrations"), package)):
        wanted += read_migrations(each, files(each) / "migrations")
    return wanted


def kits_of(folder: Traversable) -> list[str]:
    """The packages whose tables those of this folder's package stand beside, as its `kits.txt` names them."""
    names = folder / "kits.txt"
    return names.read_text(encoding="utf-8").split() if names.is_file() else []


def read_migrations(package: str, folder: Traversable) -> list[Migration]:
    """The files of a folder, numbered from 1 without gaps. Raises MigrationRefusedError."""
    migrations: list[Migration] = []
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            if file.name.endswith(".sql"):
                raise MigrationRefusedError(f"{package}/{file.name} is not named NNNN_name.sql")
            continue
        sql = file.read_text(encoding="utf-8")
        if not _FIRST_LINE.match(sql):
            raise MigrationRefusedError(
                f"{package}/{file.name}: begins without '-- safe with previous release: yes|no'"
            )
        migrations.append(Migration(package, int(match[1]), file.name, sql))
    if [migration.number for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationRefusedError(f"{package}: migrations are not numbered 1, 2, 3... without gaps")
    return migrations


async def ensure_application_role(*, admin_url: str, application_url: str) -> None:
    """Make the application role of the URL, with its password, unless it is there."""
    async with _connection(admin_url) as connection:
        statement = await connection.fetchval(
            "SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD %L',"
            " $1::text, $2::text) WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1::text)",
            role_of(application_url),
            password_of(application_url),
        )
        if statement is not None:
            with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):  # somebody else was first
                await connection.execute(statement)


def role_of(url: str) -> str:
    """The role that a database URL names."""
    role = urlsplit(url).username
    if not role:
        raise MigrationRefusedError("the database URL of the application names no role")
    return unquote(role)


def password_of(url: str) -> str:
    """The password in a database URL, as it was before it was percent-encoded; empty without one."""
    return unquote(urlsplit(url).password or "")


@asynccontextmanager
async def _connection(admin_url: str) -> AsyncGenerator[asyncpg.Connection, None]:
    connection = await asyncpg.connect(admin_url, timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)


async def _refuse_mighty(connection: asyncpg.Connection, role: str) -> None:
    """Row-level security holds only for a role that can neither bypass it nor own the tables."""
    row = await connection.fetchrow(
        "SELECT rolsuper OR rolbypassrls AS mighty, pg_has_role(current_user, oid, 'USAGE') AND rolname = current_user"
        " AS owner FROM pg_roles WHERE rolname = $1",
        role,
    )
    if row is None:
        raise MigrationRefusedError(f"the application role {role} does not exist")
    if row["mighty"] or row["owner"]:
        raise MigrationRefusedError(f"the application role {role} could pass by row-level security")


async def _prepare(connection: asyncpg.Connection, schema: str, role: str) -> None:
    names = await connection.fetchrow("SELECT quote_ident($1) AS schema, quote_ident($2) AS role", schema, role)
    quoted, grantee = names["schema"], names["role"]
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
    # Every tenant: a migration of data must see the rows although row-level security is forced on owners too.
    await connection.execute(
        "SELECT set_config('search_path', $1, false), set_config('app.tenant', '*', false)", quoted
    )
    await connection.execute(_LEDGER)
    await connection.execute(f"""
        GRANT USAGE ON SCHEMA {quoted} TO {grantee};
        GRANT SELECT ON schema_migration TO {grantee};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {grantee};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted} GRANT USAGE ON SEQUENCES TO {grantee};
        """)


async def _read_ledger(connection: asyncpg.Connection) -> dict[tuple[str, int], str]:
    rows = await connection.fetch("SELECT package, number, sha256 FROM schema_migration")
    return {(row["package"], row["number"]): row["sha256"] for row in rows}


async def _lack(wanted: list[Migration], schema: str, application_url: str) -> str | None:
    """What the schema lacks, in words; a file of another content counts as lacking."""
    try:
        async with _connection(application_url) as connection, connection.transaction(readonly=True):
            await connection.execute("SELECT set_config('search_path', quote_ident($1), true)", schema)
            ledger = await _read_ledger(connection)
    except (OSError, PostgresError, InterfaceError) as error:
        return f"cannot be read ({type(error).__name__})"
    lacking = [each for each in wanted if ledger.get((each.package, each.number)) != each.sha256]
    return f"lacks {lacking[0].package}/{lacking[0].name}" if lacking else None


async def _apply_one(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migration (package, number, name, sha256) VALUES ($1, $2, $3, $4)",
            migration.package,
            migration.number,
            migration.name,
            migration.sha256,
        )
    LOG.info("migration_applied", extra={"package": migration.package, "migration": migration.name})
