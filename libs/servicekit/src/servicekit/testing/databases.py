"""A migrated schema for tests, used as the application role uses it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from servicekit.database import Database, open_database
from servicekit.migrate import ensure_application_role, migrate

ROLE: Final = "centralino_test"


@dataclass(frozen=True, slots=True)
class MigratedDatabase:
    """`application_url` names a role that owns nothing and cannot bypass row-level security."""

    database: Database
    application_url: str


@asynccontextmanager
async def migrated(admin_url: str, package: str, *, pool_size_max: int = 5) -> AsyncGenerator[MigratedDatabase, None]:
    """Migrate the package's schema in a fresh database and open it as the application role."""
    parts = urlsplit(admin_url)
    address = parts.netloc.rpartition("@")[2]
    application_url = urlunsplit(parts._replace(netloc=f"{ROLE}:{ROLE}@{address}"))
    await ensure_application_role(admin_url=admin_url, application_url=application_url)
    await migrate(package, admin_url=admin_url, application_url=application_url)
    async with open_database(application_url, schema=package, pool_size_max=pool_size_max) as database:
        yield MigratedDatabase(database, application_url)
