"""Keeps in PostgreSQL what a webhook driver has to find again (`drivers/webhook/kept.py`), behind its back.

A driver never waits for it: what has changed is written within a moment, the last of each thing alone. While PostgreSQL
is away it waits here, as many as there are things; a process that ends meanwhile leaves the next one to ask Twilio.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Final

from servicekit.database import Database, Transaction
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.statements import statements
from servicekit.store import EVERY_TENANT, wait_for_event

from voice_gateway.drivers.webhook.kept import Kept, Kind

AWAY: Final = (RetryLaterError, OSError, TimeoutError)
BATCH_MAX: Final = 500
IDLE_SECONDS: Final = 1.0
AWAY_SECONDS: Final = 0.5


class PostgresKeeper:
    """See Keeper; also a Loop."""

    def __init__(self, database: Database, node: str, clock: Clock) -> None:
        self.name = f"things of {node}"
        self._database = database
        self._node = node
        self._clock = clock
        self._changes: dict[tuple[Kind, str], Kept | None] = {}
        self._wake = asyncio.Event()

    def keep(self, kept: Kept) -> None:
        """See Keeper."""
        self._changed(kept.kind, kept.id, kept)

    def forget(self, kind: Kind, kept_id: str) -> None:
        """See Keeper."""
        self._changed(kind, kept_id, None)

    def _changed(self, kind: Kind, kept_id: str, kept: Kept | None) -> None:
        self._changes.pop((kind, kept_id), None)  # the last that changed goes behind
        self._changes[kind, kept_id] = kept
        self._wake.set()

    async def all(self) -> Sequence[Kept]:
        """See Keeper; what waits to be written counts."""
        waiting = dict(self._changes)  # they may be written while we read
        async with self._database.transaction(EVERY_TENANT, Transaction) as tx:
            rows = await tx.all(_sql()["things"], node=self._node)
        found = {(row["kind"], row["id"]): _kept(row) for row in rows} | waiting | self._changes
        return [kept for kept in found.values() if kept is not None]

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop; once it is stopped it writes what is left, if it can."""
        while not stop.is_set():
            await wait_for_event(self._wake, timeout_seconds=IDLE_SECONDS)
            self._wake.clear()
            await self._write_all()
        await self._write_all()

    def trouble(self) -> str | None:
        """A database that is away is no reason to restart."""
        return None

    async def _write_all(self) -> None:
        while self._changes:
            batch = dict(islice(self._changes.items(), BATCH_MAX))
            try:
                await self._write(batch)
            except AWAY:
                self._wake.set()
                await self._clock.sleep(AWAY_SECONDS)
                return
            for key, kept in batch.items():
                if self._changes.get(key) is kept:  # what has changed meanwhile is written again
                    del self._changes[key]

    async def _write(self, batch: Mapping[tuple[Kind, str], Kept | None]) -> None:
        async with self._database.transaction(EVERY_TENANT, Transaction) as tx:
            for (kind, kept_id), kept in batch.items():
                values = {"node": self._node, "kind": kind, "id": kept_id}
                if kept is None:
                    await tx.execute(_sql()["forget_thing"], **values)
                else:
                    state = json.dumps(kept.state)
                    await tx.execute(_sql()["keep_thing"], **values, provider_id=kept.provider_id, state=state)


def _kept(row: Mapping[str, str]) -> Kept:
    kind: Kind = "leg" if row["kind"] == "leg" else "room" if row["kind"] == "room" else "recording"
    return Kept(kind=kind, id=row["id"], provider_id=row["provider_id"], state=json.loads(row["state"]))


@cache
def _sql() -> Mapping[str, str]:
    return statements("voice_gateway", "sql/provider_things.sql")
