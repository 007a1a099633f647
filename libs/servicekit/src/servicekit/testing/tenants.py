"""Probes of tenant isolation, for every service's own schema."""

from typing import Final

import asyncpg

PROBE_TIMEOUT_SECONDS: Final = 10

_TABLES: Final = """
SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1
"""


async def unguarded_tables(*, application_url: str, schema: str) -> list[str]:
    """Tables with a tenant_id that are not forced under row-level security, or show rows although no tenant is set.

    Connect as the application role: owners of the database see everything. Fill the tables first.
    """
    connection = await asyncpg.connect(application_url, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        tables = await connection.fetch(_TABLES, schema)
        unguarded = []
        for table in tables:
            rows = await connection.fetchval(f'SELECT count(*) FROM "{schema}"."{table["name"]}"')  # noqa: S608 - the names come from the catalogue
            if rows or not table["forced"]:
                unguarded.append(table["name"])
        return unguarded
    finally:
        await connection.close(timeout=PROBE_TIMEOUT_SECONDS)
