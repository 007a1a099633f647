"""The outbox relay: what transactions announced becomes Kafka records, in order per order key, at least once.

One relay at a time holds a batch (a lock of the database), so replicas only stand by for each other. A relay that lost
its database connection may still have sends in flight while the next one begins; both send a key's events in order from
the first unconfirmed one, so the first copy of each event is in order, and consumers drop the second by its id.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Final

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from servicekit.database import Database, Row, Transaction
from servicekit.ports import (
    AppendRefusedError,
    AppendUnknownError,
    Chance,
    Clock,
    LogFactory,
    LogWriter,
    Outgoing,
    Record,
    TopicAwayError,
)
from servicekit.reactions import BACKEND_AWAY
from servicekit.statements import statements
from servicekit.store import EVERY_TENANT, Outbox, OutboxBatch, OutboxRow
from servicekit.telemetry import Telemetry, log, note_failure, traceparent_of

LOG: Final = log("outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """The bounds of an OutboxRelay."""

    rows_max: int = 500
    poll_seconds: float = 0.5
    pause_seconds_min: float = 0.1
    pause_seconds_max: float = 5.0
    stuck_seconds: float = 120.0
    measure_seconds: float = 5.0


class OutboxRelay:
    """A Loop: publishes batches, at once after a commit of this process, else when it polls."""

    name = "outbox relay"

    def __init__(
        self,
        outbox: Outbox,
        *,
        log: LogFactory,
        clock: Clock,
        chance: Chance,
        telemetry: Telemetry,
        limits: RelayLimits = RelayLimits(),
    ) -> None:
        self._outbox = outbox
        self._telemetry = telemetry
        self._log = log
        self._clock = clock
        self._chance = chance
        self._limits = limits
        self.failures = 0
        self._turned_at: float | None = None
        self._measured_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; a failure costs a pause and a new writer, never a row."""
        while not stop.is_set():
            try:
                async with self._log.writer("outbox") as writer:
                    await self._relay(writer, stop)
            except BACKEND_AWAY as error:
                self.failures += 1
                LOG.warning("outbox_relay_paused", extra={"error": type(error).__name__, "failures": self.failures})
                await self._pause()

    async def run_once(self, writer: LogWriter) -> int:
        """Publish one batch; returns its size. Raises AppendUnknownError when a row's fate is unknown: it stays."""
        outcome = _Outcome()
        async with self._outbox.batch(rows_max=self._limits.rows_max) as batch:
            async with asyncio.TaskGroup() as chains:
                for chain in _chains(batch.rows):
                    chains.create_task(_publish(writer, chain, outcome, self._telemetry))
            await batch.remove(outcome.confirmed)
            for row, reason in outcome.refused:
                LOG.error("outbox_row_refused", extra={"row_id": row.id, "topic": row.outgoing.topic})
                self._telemetry.outbox_refused.inc()
                await batch.refuse(row.id, reason)
        self._telemetry.outbox_published.inc(len(outcome.confirmed))
        if outcome.unknown:
            raise AppendUnknownError(f"{outcome.unknown} conversations wait in the outbox")
        return len(batch.rows)

    def trouble(self) -> str | None:
        """Why the relay is stuck, or none. Kafka or PostgreSQL being away is no trouble: restarting would not help."""
        now = asyncio.get_running_loop().time()
        if self._turned_at is None or now - self._turned_at < self._limits.stuck_seconds:
            return None
        return f"the outbox relay has not turned for {now - self._turned_at:.0f} s"

    async def _relay(self, writer: LogWriter, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._turned_at = asyncio.get_running_loop().time()
            await self._measure(self._turned_at)
            published = await self.run_once(writer)
            self.failures = 0
            if published < self._limits.rows_max:
                await self._outbox.wait(timeout_seconds=self._limits.poll_seconds)

    async def _measure(self, now: float) -> None:
        if self._measured_at is None or now - self._measured_at >= self._limits.measure_seconds:
            self._measured_at = now
            self._telemetry.outbox_rows.set(await self._outbox.depth())

    async def _pause(self) -> None:
        longest = min(self._limits.pause_seconds_min * 2**self.failures, self._limits.pause_seconds_max)
        await self._clock.sleep(self._chance.uniform(longest / 2, longest))
        self._turned_at = asyncio.get_running_loop().time()


class PostgresOutbox:
    """The outbox of a schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def batch(self, *, rows_max: int) -> AsyncGenerator[OutboxBatch, None]:
        """See store.Outbox. Rows are found by looking again, never by a watermark: ids are not commit order."""
        async with self._database.transaction(EVERY_TENANT) as transaction:
            await transaction.execute(_sql()["lock_outbox"])
            found = await transaction.all(_sql()["oldest"], rows_max=rows_max)
            yield _PostgresBatch(transaction, [_row(row) for row in found])

    async def wait(self, *, timeout_seconds: float) -> None:
        """See store.Outbox."""
        await self._database.wait_for_announcement(timeout_seconds=timeout_seconds)

    async def depth(self) -> int:
        """See store.Outbox."""
        async with self._database.transaction(EVERY_TENANT) as transaction:
            row = await transaction.one(_sql()["depth"])
        return int(row["rows"]) if row else 0


class _PostgresBatch:
    def __init__(self, transaction: Transaction, rows: Sequence[OutboxRow]) -> None:
        self.rows = rows
        self._transaction = transaction

    async def remove(self, ids: Sequence[int]) -> None:
        if ids:
            await self._transaction.execute(_sql()["remove"], ids=ids)

    async def refuse(self, row_id: int, reason: str) -> None:
        await self._transaction.execute(_sql()["refuse"], id=row_id, reason=reason)


@dataclass(slots=True)
class _Outcome:
    confirmed: list[int] = field(default_factory=list)
    refused: list[tuple[OutboxRow, str]] = field(default_factory=list)
    unknown: int = 0


def _chains(rows: Sequence[OutboxRow]) -> list[list[OutboxRow]]:
    """The rows of each order key, in order."""
    chains: dict[tuple[str, str], list[OutboxRow]] = {}
    for row in rows:
        chains.setdefault((row.tenant_id, row.order_key), []).append(row)
    return list(chains.values())


async def _publish(writer: LogWriter, chain: Sequence[OutboxRow], outcome: _Outcome, telemetry: Telemetry) -> None:
    """Publish a chain: records for one place are pipelined (the log keeps their order); before the place changes,
    all must be confirmed. The first unknown one ends it."""
    for _, run in groupby(chain, key=_place):
        pending: list[tuple[OutboxRow, Awaitable[Record], Span]] = []
        unknown = False
        for row in run:
            try:
                span = _span(telemetry, row.outgoing)
                pending.append((row, await writer.send(row.outgoing), span))
            except TopicAwayError as error:
                _say_away(row, error)
                unknown = True
                break
            except AppendRefusedError as error:
                outcome.refused.append((row, str(error)))
            except AppendUnknownError:
                unknown = True
                break
        for row, acknowledgement, span in pending:
            unknown |= not await _confirmed(row, acknowledgement, outcome, span)
            span.end()
        if unknown:
            outcome.unknown += 1
            return


def _say_away(row: OutboxRow, error: TopicAwayError) -> None:
    """The row waits: what was committed must not be passed over because a topic or a right is still missing."""
    LOG.error("outbox_topic_away", extra={"topic": row.outgoing.topic, "reason": str(error)})


def _place(row: OutboxRow) -> tuple[str, int | bytes | None]:
    """Topic and partition; without a partition the key decides it."""
    outgoing = row.outgoing
    return outgoing.topic, outgoing.key if outgoing.partition is None else outgoing.partition


def _span(telemetry: Telemetry, outgoing: Outgoing) -> Span:
    """From handing over to the acknowledgement, in the trace of the transaction that announced the event, if any."""
    context = traceparent_of(outgoing.headers)
    if context is None:
        return INVALID_SPAN
    return telemetry.begin(f"publish {outgoing.topic}", traceparent=context, kind=SpanKind.PRODUCER)


async def _confirmed(row: OutboxRow, acknowledgement: Awaitable[Record], outcome: _Outcome, span: Span) -> bool:
    try:
        await acknowledgement
    except TopicAwayError as error:
        note_failure(span, error)
        _say_away(row, error)
        return False
    except AppendRefusedError as error:
        note_failure(span, error)
        outcome.refused.append((row, str(error)))
    except AppendUnknownError as error:
        note_failure(span, error)
        return False
    else:
        outcome.confirmed.append(row.id)
    return True


def _row(row: Row) -> OutboxRow:
    outgoing = Outgoing(
        topic=row["topic"],
        key=row["key"],
        value=row["value"],
        headers=tuple((name, content.encode()) for name, content in json.loads(row["headers"])),
        partition=row["partition"],
    )
    return OutboxRow(id=row["id"], tenant_id=row["tenant_id"], order_key=row["order_key"], outgoing=outgoing)


@cache
def _sql() -> dict[str, str]:
    return dict(statements("servicekit", "sql/outbox.sql"))
