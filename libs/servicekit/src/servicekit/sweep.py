"""Deletes rows that are too old, in bounded steps: those of the inbox, and whatever else a service keeps for a time."""

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


INBOX_KEEP_DAYS: Final = 9
"""Longer than any provider goes on repeating a message (design.md section 3.10: eight days)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLimits:
    """Rows of a step, and the pause after one that found fewer."""

    rows_max: int = 5000
    pause_seconds: float = 600.0


class Sweep:
    """A Loop: deletes old rows by a statement that takes `keep_days` and `rows_max`. Replicas may sweep at once."""

    def __init__(
        self, database: Database, name: str, statement: str, *, keep_days: int, limits: SweepLimits = SweepLimits()
    ) -> None:
        self.name = name
        self._database = database
        self._statement = statement
        self._keep_days = keep_days
        self._limits = limits

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep now and then; a database that is away is tried again after the pause."""
        while not stop.is_set():
            swept = 0
            try:
                swept = await self.run_once()
            except BACKEND_AWAY as error:
                LOG.warning("sweep_put_off", extra={"sweep": self.name, "error": type(error).__name__})
            if swept < self._limits.rows_max:
                await wait_for_event(stop, timeout_seconds=self._limits.pause_seconds)

    async def run_once(self) -> int:
        """Delete one step; returns how many rows went."""
        async with self._database.transaction(EVERY_TENANT) as transaction:
            return await transaction.execute(self._statement, keep_days=self._keep_days, rows_max=self._limits.rows_max)

    def trouble(self) -> str | None:
        """Nothing depends on it."""
        return None


def inbox_sweep(database: Database, *, limits: SweepLimits = SweepLimits()) -> Sweep:
    """Forgets the ids of messages that nobody repeats any more."""
    return Sweep(database, "inbox sweep", _sql()["sweep"], keep_days=INBOX_KEEP_DAYS, limits=limits)


@cache
def _sql() -> dict[str, str]:
    return dict(statements("servicekit", "sql/inbox.sql"))
