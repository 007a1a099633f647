"""Counts of routing events in PostgreSQL: what the consumer adds, and what the API reads.

A transaction looks up the tasks and agents that its batch names, lets `contracts.meter` fold the events, and adds what
came of it in sets before the commit, together with the consumer's position.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Final

from contracts.meter import Entry, Key, Meter, MeteredAgent, MeteredTask
from contracts.metrics import COUNT_NAMES, COUNTING, Counts
from servicekit.database import Database, Row, Transaction, kept_as
from servicekit.ports import Clock
from servicekit.statements import statements
from servicekit.store import Tenant
from servicekit.sweep import Sweep, SweepLimits
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from crm.domain.cursors import Cursor
from crm.domain.figures import By, Grain

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
Named = tuple[str, str]
"""Tenant and id."""
_TASK: Final = ("queue", "client", "channel", "consults", "waits_since_ms", "assigned_at_ms", "wrapup_at_ms")
_AGENT: Final = ("since_ms", "ready", "present", "in_hand")


class MetricsStore:
    """Opens the consumer's transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager["MetricsTransaction"]:
        """See servicekit's Store."""
        return self._database.transaction(tenant, MetricsTransaction)


class MetricsTransaction(Transaction):
    """A batch of events; every statement names tenants itself."""

    def __init__(self, connection: AsyncConnection, tenant: Tenant) -> None:
        super().__init__(connection, tenant)
        self._meter = Meter()
        self._tasks: Collection[Named] = ()
        self._agents: Collection[Named] = ()
        self._entries: list[tuple[str, int, Entry]] = []

    async def expect(self, tasks: Collection[Named], agents: Collection[Named]) -> None:
        """Look up what is known of these; to be called once, before the first event."""
        self._tasks, self._agents = sorted(tasks), sorted(agents)
        for row in await self.all(_sql()["tasks"], **_named(self._tasks)) if tasks else ():
            self._meter.tasks[row["tenant_id"], row["task_id"]] = kept_as(MeteredTask, row)
        for row in await self.all(_sql()["agents"], **_named(self._agents)) if agents else ():
            self._meter.agents[row["tenant_id"], row["agent_id"]] = kept_as(MeteredAgent, row)

    async def count(self, tenant_id: str, sequence: str, data: object) -> None:
        """Count an event that names no other tasks and agents than were expected."""
        entries = self._meter.fold(tenant_id, data)
        self._entries += [(sequence, part, entry) for part, entry in enumerate(entries)]

    @override
    async def flush(self) -> None:
        """Write what was counted."""
        await self._save_tasks()
        known = [key for key in self._agents if key in self._meter.agents]
        if known:
            rows = [self._meter.agents[key] for key in known]
            columns = {name: [getattr(row, name) for row in rows] for name in _AGENT}
            tenants, ids = zip(*known, strict=True)
            await self.execute(_sql()["save_agents"], tenant_id=tenants, agent_id=ids, **columns)
        counted = {key: counts for key, counts in self._meter.counts.items() if counts.plain()}
        await self._add_intervals(counted)
        await self._add_backlogs(counted)
        await self._add_entries()
        await super().flush()

    async def _save_tasks(self) -> None:
        live = [key for key in self._tasks if key in self._meter.tasks]
        if live:
            rows = [self._meter.tasks[key] for key in live]
            columns = {name: [getattr(row, name) for row in rows] for name in _TASK}
            tenants, ids = zip(*live, strict=True)
            await self.execute(_sql()["save_tasks"], tenant_id=tenants, task_id=ids, **columns)
        ended = [key for key in self._tasks if key not in self._meter.tasks]
        if ended:
            await self.execute(_sql()["remove_tasks"], **_named(ended))

    async def _add_intervals(self, counted: Mapping[Key, Counts]) -> None:
        if not counted:
            return
        keys = sorted(counted)
        columns = {name: [getattr(key, name) for key in keys] for name in _KEY}
        sums = {name: [getattr(counted[key], name) for key in keys] for name in COUNT_NAMES}
        await self.execute(_sql()["add_intervals"], counting=[COUNTING] * len(keys), **columns, **sums)

    async def _add_backlogs(self, counted: Mapping[Key, Counts]) -> None:
        more: Counter[tuple[str | int, ...]] = Counter()
        for key, counts in counted.items():
            if key.of == "queue":
                place = (key.tenant_id, key.at_ms - key.at_ms % WEEK_MS, key.domain, key.name, key.client, key.channel)
                more[place] += counts.waits_begun - counts.waits_ended
        places = sorted(place for place, number in more.items() if number)
        if places:
            columns = dict(zip(_BACKLOG, zip(*places, strict=True), strict=True))
            numbers = [more[place] for place in places]
            await self.execute(_sql()["add_backlogs"], counting=[COUNTING] * len(places), more=numbers, **columns)

    async def _add_entries(self) -> None:
        kept = [(sequence, part, entry) for sequence, part, entry in self._entries if entry.counts.plain()]
        if not kept:
            return
        columns = {name: [getattr(entry, name) for _, _, entry in kept] for name in _ENTRY}
        await self.execute(
            _sql()["add_entries"],
            counting=[COUNTING] * len(kept),
            sequence=[sequence for sequence, _, _ in kept],
            part=[part for _, part, _ in kept],
            counts=[json.dumps(entry.counts.plain()) for _, _, entry in kept],
            **columns,
        )


class MetricsViews:
    """Opens reading transactions of one tenant."""

    def __init__(self, database: Database, clock: Clock, *, evidence_days: int) -> None:
        self._database = database
        self._clock = clock
        self._evidence_ms = evidence_days * DAY_MS

    def of(self, tenant_id: str) -> AbstractAsyncContextManager["MetricsView"]:
        """What this tenant has, and nothing else."""
        return self._database.transaction(tenant_id, MetricsView)

    async def evidence_from_ms(self, view: "MetricsView") -> int:
        """Evidence of before is swept away, now or soon, or was: the setting may have been lower, or counting anew
        begins later. None is left: now."""
        now_ms, oldest_ms = self._clock.now_ms(), await view.oldest_entry_ms()
        return now_ms if oldest_ms is None else max(oldest_ms, now_ms - self._evidence_ms)


class MetricsView(Transaction):
    """Reads; at most `rows_max` rows."""

    async def intervals(self, grain: Grain, *, rows_max: int) -> Sequence[Row]:
        """`at_ms`, `domain` (none for clients and channels), `name` and every count, by time, domain and name."""
        return await self.all(
            _sql()["intervals"],
            tenant=self.tenant_text,
            counting=COUNTING,
            by=grain.by,
            of="agent" if grain.by == "agent" else "queue",
            step_ms=grain.step_ms,
            from_ms=grain.from_ms,
            to_ms=grain.to_ms,
            rows_max=rows_max,
        )

    async def backlog(self, by: By, *, from_ms: int) -> Mapping[tuple[str | None, str], int]:
        """How many tasks waited at this instant, by domain and name; a sum over everything before it, by weeks."""
        rows = await self.all(_sql()["backlog"], tenant=self.tenant_text, counting=COUNTING, by=by, from_ms=from_ms)
        return {(row["domain"], row["name"]): row["waiting"] for row in rows}

    async def oldest_entry_ms(self) -> int | None:
        """Of when the oldest evidence is that there is."""
        row = await self.one(_sql()["oldest_entry"], tenant=self.tenant_text, counting=COUNTING)
        return row["at_ms"] if row else None

    async def entries(
        self, names: Sequence[str], grain: Grain, where: Mapping[str, str | None], cursor: Cursor, *, rows_max: int
    ) -> Sequence[Row]:
        """What added to one of these counts, newest first; with the `key` of the cursor."""
        return await self.all(
            _sql()["entries"],
            tenant=self.tenant_text,
            counting=COUNTING,
            names=list(names),
            from_ms=grain.from_ms,
            to_ms=grain.to_ms,
            at_ms=cursor.at_ms,
            key=cursor.key,
            part=cursor.number,
            rows_max=rows_max,
            **where,
        )


def evidence_sweep(database: Database, limits: SweepLimits, *, keep_days: int) -> Sweep:
    """Deletes the evidence of events so long ago; what they added to the figures stays."""
    return Sweep(database, "evidence sweep", _sql()["sweep_entries"], keep_days=keep_days, limits=limits)


_KEY: Final = ("tenant_id", "of", "at_ms", "domain", "name", "client", "channel")
_BACKLOG: Final = ("tenant_id", "at_ms", "domain", "name", "client", "channel")
_ENTRY: Final = ("tenant_id", "at_ms", "task_id", "domain", "queue", "client", "channel", "agent_id")


def _named(keys: Collection[Named]) -> dict[str, Sequence[str]]:
    return {"tenants": [tenant_id for tenant_id, _ in keys], "ids": [name for _, name in keys]}


@cache
def _sql() -> Mapping[str, str]:
    return statements("crm", "sql/metrics.sql")
