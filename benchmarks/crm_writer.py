"""What the CRM's writer costs: events into the tables, against COPY of the very rows and against an ORM.

The production arm is `TransactionalProcessor` over `PostgresCrmStore`: encoded Kafka records in, decoded, handled, and
written with the consumer's position in one transaction per batch, by a role under forced row-level security.
COPY is asyncpg's `copy_records_to_table` of the rows that production made, ready-made in memory, in as many
transactions, into the same tables with the same indexes and foreign keys, as the superuser: PostgreSQL refuses COPY
under row-level security. The ORM is SQLAlchemy's, as the superuser as well: `add` of an event's rows, `commit`.

Two jobs. *Messages*: a message and its words for the search. *Conversations*: whole chats, in which identities are
resolved (half of the visitors come back), messages delivered, tasks queued, assigned and completed.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from statistics import median
from typing import Any, Final

import asyncpg
import psutil
from contracts import Event
from contracts.messages import MessageDelivered
from contracts.topics import INTERACTIONS, MESSAGES, ROUTING_EVENTS
from crm.consumers import BATCH_RECORDS_MAX, GROUP, reactions
from crm.store import PostgresCrmStore
from crm.testing import Conversation, Topics
from crm.transaction import CrmTransaction
from servicekit.ports import Record
from servicekit.system import SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.parts import part
from servicekit.transactional import TransactionalProcessor
from sqlalchemy import MetaData, inspect, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import registry

from benchmarks.report import Report

ROUNDS: Final = 10
CHATS: Final = 500
ORM_EVENTS: Final = 25
VOCABULARY: Final = 5_000
WORDS_IN_MESSAGE: Final = 12
TENANTS: Final = 8
TABLES: Final[Mapping[str, Sequence[str]]] = {
    INTERACTIONS.name: ("customer", "identifier", "identity_decision", "customer_word", "interaction"),
    MESSAGES.name: ("message", "message_word"),
    ROUTING_EVENTS.name: ("task", "routing_step"),
}
"""What each topic fills, in the order of their foreign keys."""

Row = tuple[Any, ...]  # Any: a row of any table


def main() -> None:
    """Measure, print, and write `build/bench/crm_writer.jsonl`."""
    report = Report("crm_writer")
    with part("postgres") as admin_url:
        asyncio.run(measure(report, admin_url))


async def measure(report: Report, admin_url: str) -> None:
    """Both jobs, their arms in turn."""
    async with bench(admin_url) as place:
        for job, lanes in jobs().items():
            arms = await place.rounds(lanes, with_orm=job == "messages")
            for arm, rounds in arms.items():
                rates = [cost.rows / cost.seconds for cost in rounds]
                report.write(f"crm_writer.{job}.{arm}", median(rates), "rows/s", values=rates)
                spent = [cost.cpu_seconds / cost.rows * 1e6 for cost in rounds]
                report.write(f"crm_writer.{job}.{arm}.cpu", median(spent), "us", values=spent)
            for arm, goal in (("copy", ">= 0.8"), ("orm_by_row", ">= 20"), ("orm_by_event", "")):
                pairs = list(zip(arms["ours"], arms.get(arm, []), strict=False))
                if pairs:
                    ratios = [ours.rows / ours.seconds / (other.rows / other.seconds) for ours, other in pairs]
                    report.write(f"crm_writer.{job}.over_{arm}", median(ratios), "x", goal, values=ratios)
                    spent = [other.cpu_seconds / other.rows / (ours.cpu_seconds / ours.rows) for ours, other in pairs]
                    report.write(f"crm_writer.{job}.over_{arm}.by_cpu", median(spent), "x", values=spent)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one arm in one round; the CPU time is that of this process and of PostgreSQL's."""

    rows: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One partition: its records, and the tenants that they are of. Lanes run side by side, as in production."""

    records: Sequence[Record]
    topic: str
    tenants: frozenset[str]

    @property
    def batches(self) -> int:
        """In how many transactions it is written."""
        return -(-len(self.records) // BATCH_RECORDS_MAX)


@dataclass(slots=True)
class Bench:
    """One database; every arm finds its tables empty."""

    processor: TransactionalProcessor[CrmTransaction]
    pool: asyncpg.Pool
    engine: AsyncEngine
    mapped: Mapping[str, type]
    server: psutil.Process

    async def rounds(self, lanes: Sequence[Lane], *, with_orm: bool) -> dict[str, list[Cost]]:
        """What each arm cost; those of one place in the lists are of one round."""
        await self.empty()
        await self.ours(lanes)
        rows = {
            table: await self._rows(table)
            for table in dict.fromkeys(name for lane in lanes for name in TABLES[lane.topic])
        }
        count = sum(map(len, rows.values()))
        shares = [
            [(table, row) for table in TABLES[lane.topic] for row in rows[table] if row[0] in lane.tenants]
            for lane in lanes
        ]
        arms: dict[str, Callable[[], Awaitable[int]]] = {
            "ours": partial(self.ours, lanes),
            "copy": partial(self.copy, lanes, shares),
        }
        if with_orm:
            arms |= {"orm_by_row": partial(self._orm, rows, by_event=False)}
            arms |= {"orm_by_event": partial(self._orm, rows, by_event=True)}
        costs: dict[str, list[Cost]] = {arm: [] for arm in arms}
        for number in range(ROUNDS):
            for arm in sorted(arms, reverse=number % 2 == 1):
                await self.empty()
                began, cpu_began = time.perf_counter(), self._cpu_seconds()
                written = await arms[arm]()
                seconds, cpu_seconds = time.perf_counter() - began, self._cpu_seconds() - cpu_began
                costs[arm].append(Cost(written or count, seconds, cpu_seconds))
                if not written and await self._count(rows) != count:
                    raise AssertionError(f"{arm} wrote other rows than it should")
        return costs

    async def ours(self, lanes: Sequence[Lane]) -> int:
        """Production."""

        async def run(lane: Lane) -> None:
            for start in range(0, len(lane.records), BATCH_RECORDS_MAX):
                await self.processor.process(lane.records[start : start + BATCH_RECORDS_MAX])

        await asyncio.gather(*map(run, lanes))
        return 0

    async def copy(self, lanes: Sequence[Lane], shares: Sequence[Sequence[tuple[str, Row]]]) -> int:
        """The same rows, whole tables one after another: those that others refer to come first."""

        async def run(lane: Lane, share: Sequence[tuple[str, Row]]) -> None:
            size = -(-len(share) // lane.batches)
            async with self.pool.acquire() as connection:
                for start in range(0, len(share), size):
                    async with connection.transaction():
                        for table, found in groupby(share[start : start + size], key=itemgetter(0)):
                            records = [row for _, row in found]
                            await connection.copy_records_to_table(table, records=records, schema_name="crm")

        await asyncio.gather(*map(run, lanes, shares))
        return 0

    async def _orm(self, rows: Mapping[str, Sequence[Row]], *, by_event: bool) -> int:
        """The first few events only: it is slow. Returns how many rows it wrote."""
        columns: dict[str, list[str]] = {name: inspect(self.mapped[name]).columns.keys() for name in rows}
        said = rows["message"][:ORM_EVENTS]
        words = {key: list(mine) for key, mine in groupby(sorted(rows["message_word"], key=_said_in), key=_said_in)}
        events = [[("message", row), *(("message_word", word) for word in words[row[1], row[2]])] for row in said]
        written = 0
        for event in events:
            for unit in [event] if by_event else [[row] for row in event]:
                async with AsyncSession(self.engine) as session:
                    for table, row in unit:
                        made = self.mapped[table]()
                        for column, value in zip(columns[table], row, strict=True):
                            setattr(made, column, value)
                        session.add(made)
                    await session.commit()
                    written += len(unit)
        return written

    async def empty(self) -> None:
        tables = ", ".join(f"crm.{table}" for tables in TABLES.values() for table in tables)
        await self.pool.execute(f"TRUNCATE {tables}, crm.consumer_position")

    async def _rows(self, table: str) -> list[Row]:
        return [tuple(row) for row in await self.pool.fetch(f"SELECT * FROM crm.{table}")]

    def _cpu_seconds(self) -> float:
        pids = [os.getpid(), *(backend.pid for backend in self.server.children())]
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)  # the CPU clock of a process (Linux)

    async def _count(self, tables: Iterable[str]) -> int:
        return sum([await self.pool.fetchval(f"SELECT count(*) FROM crm.{table}") for table in tables])


@asynccontextmanager
async def bench(admin_url: str) -> AsyncGenerator[Bench, None]:
    """A migrated database, the production processor as the application role, and the peers as the superuser."""
    async with migrated(admin_url, "crm") as kept:
        engine = create_async_engine(make_url(admin_url).set(drivername="postgresql+asyncpg"))
        pool = await asyncpg.create_pool(admin_url, min_size=3, max_size=3)
        try:
            processor = TransactionalProcessor(
                group=GROUP,
                store=PostgresCrmStore(kept.database),
                reactions=reactions(SystemClock()),
                telemetry=Telemetry("bench"),
            )
            backend = psutil.Process(await pool.fetchval("SELECT pg_backend_pid()"))
            server = backend.parent()
            assert server is not None
            yield Bench(processor, pool, engine, await _mapped(engine), server)
        finally:
            await pool.close()
            await engine.dispose()


def jobs() -> Mapping[str, Sequence[Lane]]:
    """Encoded records. Messages lie in two partitions; the topics of conversations in one each."""
    events = chats()
    tenants = [f"tenant-{number}" for number in range(TENANTS)]
    said = [event for event in events["messages"] if not isinstance(event.data, MessageDelivered)]
    return {
        "messages": [_lane("messages", said, tenants[half::2], partition=half) for half in (0, 1)],
        "conversations": [_lane(topic, mine, tenants, partition=0) for topic, mine in events.items()],
    }


def _lane(topic: str, events: Sequence[Event], tenants: Collection[str], *, partition: int) -> Lane:
    topics = Topics()
    records = [replace(topics.land(event), partition=partition) for event in events if event.tenant_id in tenants]
    return Lane(records, topic, frozenset(tenants))


def chats() -> Mapping[str, Sequence[Event]]:
    """Events of CHATS chats by topic: the first ones of all chats, then the second and so on."""
    chance = random.Random(11)
    vocabulary = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(VOCABULARY)
    ]
    ranks = [1 / rank for rank in range(1, VOCABULARY + 1)]
    told = []
    for number in range(CHATS):
        first, second, third = (" ".join(chance.choices(vocabulary, ranks, k=WORDS_IN_MESSAGE)) for _ in range(3))
        visitor = {"type": "visitor", "value": f"visitor-{chance.randrange(CHATS)}", "verified": False}
        chat = Conversation(
            interaction_id=f"chat-{number}",
            tenant_id=f"tenant-{number % TENANTS}",
            personal={"name": chance.choice(vocabulary).title(), "identifiers": [visitor]},
            words=(first, second, third),
        )
        told.append(chat.events())
    found: dict[str, list[Event]] = {topic: [] for topic in TABLES}
    for events in zip(*told, strict=True):
        for event in events:
            found[event.type.topic.name].append(event)
    return found


async def _mapped(engine: AsyncEngine) -> Mapping[str, type]:
    """A class for each table, as SQLAlchemy's ORM maps it."""
    metadata, mapper = MetaData(schema="crm"), registry()
    async with engine.connect() as connection:
        await connection.run_sync(metadata.reflect)
    classes = {}
    for table in TABLES["messages"]:
        classes[table] = type(table, (), {})
        mapper.map_imperatively(classes[table], metadata.tables[f"crm.{table}"])
    return classes


def _said_in(word: Row) -> tuple[str, int]:
    _, _, _, interaction_id, number = word
    return (interaction_id, number)


if __name__ == "__main__":
    main()
