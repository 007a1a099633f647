"""The law of the store of parts that go to providers, kept by PostgreSQL and by the memory twin alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from gatewaykit.domain.outgoing import OutgoingRow
from gatewaykit.domain.provider import Sent, Uncertain
from gatewaykit.outgoing_store import OutgoingTransaction, PostgresOutgoings, sweeps
from gatewaykit.outgoings import Outgoings
from gatewaykit.sending import settle
from gatewaykit.testing.outgoing_laws import OutgoingLaws
from gatewaykit.testing.outgoing_memory import MemoryOutgoings, OutgoingTables
from gatewaykit.testing.outgoing_samples import (
    FAST,
    LINE,
    PARTS,
    OutgoingKeeper,
    answered,
    claimed,
    put,
    report,
    rows_of,
    states,
    told,
)
from servicekit.database import Database
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT, MemoryDatabase, Tenant
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import NOW_MS
from servicekit.testing.store_laws import TransactionLaws
from servicekit.testing.tenants import unguarded_tables


class MemorySample(MemoryOutgoings[OutgoingTables]):
    source = "/sample"


class PostgresSample(PostgresOutgoings):
    source = "/sample"


class MemoryKeeper:
    def __init__(self) -> None:
        self._database = MemoryDatabase(OutgoingTables())
        self.outbox = self._database.outbox

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[OutgoingTransaction]:
        return self._database.transaction(tenant, MemorySample)


class PostgresKeeper:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.outbox = PostgresOutbox(database)

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[OutgoingTransaction]:
        return self.database.transaction(tenant, PostgresSample)


class TestMemory(OutgoingLaws, TransactionLaws):
    @pytest.fixture
    def keeper(self) -> MemoryKeeper:
        return MemoryKeeper()


@pytest.fixture
async def keeper(postgres: FreshDatabase) -> AsyncIterator[PostgresKeeper]:
    async with migrated(postgres.admin_url, "gatewaykit") as kept:
        yield PostgresKeeper(kept.database)


class TestPostgres(OutgoingLaws):
    @pytest.fixture
    def keeper(self, keeper: PostgresKeeper) -> PostgresKeeper:
        return keeper


async def test_replicas_that_claim_at_once_claim_each_part_once(keeper: PostgresKeeper) -> None:
    for number in range(20):
        await put(keeper, f"m{number}", counterpart=f"c{number % 10}")
    turns = await asyncio.gather(*(claimed(keeper, rows_max=3) for _ in range(5)))
    turns += [await claimed(keeper, rows_max=3) for _ in range(5)]
    rows = [row for turn in turns for row in turn]

    assert sorted(row.message_id for row in rows) == [f"m{number}" for number in range(10)]


async def test_a_claim_passes_over_an_account_and_a_pair_that_others_hold(keeper: PostgresKeeper) -> None:
    await put(keeper, "m1")
    await put(keeper, "m2", counterpart="bob")
    async with keeper.transaction(EVERY_TENANT) as other:
        await other.lock_account(LINE)
        while_account_is_held = await claimed(keeper)
    async with keeper.transaction(EVERY_TENANT) as other:
        await other.lock_pair(*LINE, "anna")
        while_pair_is_held = await claimed(keeper)

    assert while_account_is_held == []
    assert [row.message_id for row in while_pair_is_held] == ["m2"]


@pytest.mark.parametrize("first", ["report", "answer"])
async def test_a_report_and_the_answer_that_it_is_about_miss_each_other_never(
    keeper: PostgresKeeper, first: str
) -> None:
    await put(keeper, "m1")
    row = (await claimed(keeper))[0]
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def tells(*, waits: bool) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            await Outgoings().told(tx, LINE, [report("delivered", "w1")], NOW_MS)
            await held(waits=waits)

    async def answers(*, waits: bool) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            await settle(tx, row, Sent(provider_message_id="w1"), FAST, now_ms=NOW_MS, jitter=0)
            await held(waits=waits)

    async def held(*, waits: bool) -> None:
        if waits:
            begun.set()
            await go_on.wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        leads, follows = (tells, answers) if first == "report" else (answers, tells)
        tasks.create_task(leads(waits=True))
        await begun.wait()
        follower = tasks.create_task(follows(waits=False))
        await eventually(lambda: one_waits(keeper))
        assert not follower.done()
        go_on.set()

    assert await states(keeper, "m1") == ["delivered"]


async def one_waits(keeper: PostgresKeeper) -> bool:
    async with keeper.database.transaction(EVERY_TENANT) as tx:
        row = await tx.one("SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted")
    return row is not None and row["waiting"] > 0


async def test_two_parts_that_settle_at_once_are_told_of_together(keeper: PostgresKeeper) -> None:
    """Each alone would see the other on its way, and nobody would tell that the message is sent."""
    rows = await two_unknown_parts(keeper)
    async with asyncio.timeout(30):
        await asyncio.gather(*(told_by_itself(keeper, row) for row in rows))
    async with keeper.outbox.batch(rows_max=10) as batch:
        events = len(batch.rows)

    assert await states(keeper, "m1") == ["sent", "sent"]
    assert events == 2


async def two_unknown_parts(keeper: OutgoingKeeper) -> list[OutgoingRow]:
    await put(keeper, "m1", *PARTS)
    rows: list[OutgoingRow] = []
    for _ in PARTS:
        rows += await claimed(keeper)
        await answered(keeper, rows[-1], Uncertain())
    return rows


async def told_by_itself(keeper: OutgoingKeeper, row: OutgoingRow) -> None:
    async with keeper.transaction(EVERY_TENANT) as tx:
        await Outgoings().told(tx, LINE, [report("sent", reference=row.outgoing_id)], NOW_MS)


async def test_claiming_goes_on_while_a_part_is_put(keeper: PostgresKeeper) -> None:
    await put(keeper, "m1")
    async with keeper.transaction(EVERY_TENANT) as other:
        await other.allot(*LINE, "bob", parts=1, now_ms=NOW_MS)
        async with asyncio.timeout(5):
            rows = await claimed(keeper)

    assert [row.message_id for row in rows] == ["m1"]


async def test_without_a_tenant_every_table_is_empty(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "gatewaykit") as kept:
        keeper = PostgresKeeper(kept.database)
        await put(keeper, "m1")
        await told(keeper, report("sent", "w1"))
        found = await unguarded_tables(application_url=kept.application_url, schema="gatewaykit")

    assert found == []


async def test_what_is_old_is_forgotten(keeper: PostgresKeeper) -> None:
    """The samples' instant is long ago."""
    await put(keeper, "old")
    await put(keeper, "waits", counterpart="bob")
    row = (await claimed(keeper, rows_max=1))[0]
    async with keeper.transaction(EVERY_TENANT) as tx:
        await settle(tx, row, Sent(provider_message_id="w1"), FAST, now_ms=NOW_MS, jitter=0)
        await Outgoings().told(tx, LINE, [report("sent", "w9")], NOW_MS)
    swept = {sweep.name: sweep for sweep in sweeps(keeper.database)}
    words = await swept["words sweep"].run_once()
    kept = await rows_of(keeper, "old")
    counts = [await swept[f"{each} sweep"].run_once() for each in ("outgoing", "early_reports", "pairs")]

    assert (words, [each.payload for each in kept]) == (1, [None])
    assert counts == [1, 1, 1]
    assert await states(keeper, "waits") == ["pending"]
    async with keeper.transaction(EVERY_TENANT) as tx:
        assert await tx.lock_account(LINE) is not None
        assert await tx.lock_pair(*LINE, "bob") is not None
