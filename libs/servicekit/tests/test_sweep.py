"""The sweep forgets old ids only, in bounded steps."""

import asyncio

from servicekit.store import EVERY_TENANT
from servicekit.sweep import SweepLimits, inbox_sweep
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase

OLD = """
INSERT INTO inbox (tenant_id, source, message_id, received_at)
SELECT 'acme', 'sms', 'old-' || n, now() - interval '10 days' FROM generate_series(1, 7) AS n
"""


async def test_only_old_ids_are_forgotten(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "servicekit") as kept:
        database, stop = kept.database, asyncio.Event()
        async with database.transaction(EVERY_TENANT) as transaction:
            await transaction.execute(OLD)
        async with database.transaction("acme") as transaction:
            await transaction.first_time("sms", "new")

        async def left() -> list[str]:
            async with database.transaction("acme") as transaction:
                return [row["message_id"] for row in await transaction.all("SELECT message_id FROM inbox")]

        async def all_old_are_gone() -> bool:
            return len(await left()) == 1

        first_step = await inbox_sweep(database, limits=SweepLimits(rows_max=3)).run_once()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(inbox_sweep(database, limits=SweepLimits(rows_max=3)).run(stop))
            await eventually(all_old_are_gone)
            stop.set()

        assert first_step == 3
        assert await left() == ["new"]
