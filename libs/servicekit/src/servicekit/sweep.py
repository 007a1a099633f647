"""Forgets what the inbox need not know any longer."""

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import Final

from servicekit.database import Database
from servicekit.reactions import BACKEND_AWAY
from servicekit.statements import statements
from servicekit.store import EVERY_TENANT, wait_for_event
from servicekit.telemetry import log

LOG: Final = log("sweep")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLimits:
    """Ids stay longer than any provider goes on repeating a message (design.md section 3.10: eight days)."""

    keep_days: int = 9
    rows_max: int = 5000
    pause_seconds: float = 600.0


class InboxSweep:
    """A Loop: deletes old ids of the inbox in bounded steps. Replicas may sweep at once."""

    name = "inbox sweep"

    def __init__(self, database: Database, *, limits: SweepLimits = SweepLimits()) -> None:
        self._database = database
        self._limits = limits

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep now and then; a database that is away is tried again after the pause."""
        while not stop.is_set():
            swept = 0
            try:
                swept = await self.run_once()
            except BACKEND_AWAY as error:
                LOG.warning("sweep_put_off", extra={"error": type(error).__name__})
            if swept < self._limits.rows_max:
                await wait_for_event(stop, timeout_seconds=self._limits.pause_seconds)

    async def run_once(self) -> int:
        """Delete one step; returns how many rows went."""
        async with self._database.transaction(EVERY_TENANT) as transaction:
            return await transaction.execute(
                _sql()["sweep"], keep_days=self._limits.keep_days, rows_max=self._limits.rows_max
            )

    def trouble(self) -> str | None:
        """Nothing depends on it."""
        return None


@cache
def _sql() -> dict[str, str]:
    return dict(statements("servicekit", "sql/inbox.sql"))
