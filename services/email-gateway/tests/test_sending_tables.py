"""What sending keeps: one law for PostgreSQL and for the memory twin."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest
from email_gateway.domain.addresses import Address
from email_gateway.domain.outgoing import Original
from email_gateway.domain.suppression import hash_of, suppression_of
from email_gateway.sending_tables import PostgresSending, SendingTransaction, sweeps
from email_gateway.testing.sending_memory import MemorySending, SendingTables
from servicekit.store import EVERY_TENANT, MemoryDatabase, Tenant
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables

DAY_MS = 86_400_000
NOW_MS = 1_767_225_600_000
ANNA = "anna@example.net"


class Keeper(Protocol):
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[SendingTransaction]: ...


class Transaction(MemorySending[SendingTables]):
    pass


class MemoryKeeper:
    def __init__(self) -> None:
        self._database = MemoryDatabase(SendingTables())

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[SendingTransaction, None]:
        async with self._database.transaction(tenant, Transaction) as transaction:
            yield transaction


class PostgresKeeper:
    def __init__(self, kept: MigratedDatabase) -> None:
        self._kept = kept

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[SendingTransaction, None]:
        async with self._kept.database.transaction(tenant, PostgresSending) as transaction:
            yield transaction


class SendingLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_who_is_suppressed_is_so_for_one_tenant_until_it_runs_out(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as tx:
            assert await tx.suppress(suppression_of("acme", ANNA, "bounced", now_ms=NOW_MS))

        async with keeper.transaction(EVERY_TENANT) as tx:
            others = {"Anna@Example.NET", "bert@example.net"}
            assert await tx.suppressed("acme", others, now_ms=NOW_MS) == {"Anna@Example.NET"}
            assert await tx.suppressed("acme", others, now_ms=NOW_MS + 180 * DAY_MS) == frozenset()
            assert await tx.suppressed("other", others, now_ms=NOW_MS) == frozenset()
            assert await tx.suppressed("acme", (), now_ms=NOW_MS) == frozenset()

    async def test_a_domain_is_the_same_in_both_of_its_forms(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.suppress(suppression_of("acme", "anna@müller.example", "asked", now_ms=NOW_MS))
            barred = await tx.suppressed("acme", ["anna@xn--mller-kva.example", "anna@..example"], now_ms=NOW_MS)

        assert barred == {"anna@xn--mller-kva.example"}
        assert hash_of("acme", ANNA) != hash_of("other", ANNA)

    async def test_the_longer_reason_stays(self, keeper: Keeper) -> None:
        bounced = suppression_of("acme", ANNA, "bounced", now_ms=NOW_MS)
        asked = suppression_of("acme", ANNA, "asked", now_ms=NOW_MS, added_by="sam")
        async with keeper.transaction("acme") as tx:
            taken = [await tx.suppress(each) for each in (bounced, bounced, asked, asked, bounced)]
            kept = await tx.suppressions("acme", after="", now_ms=NOW_MS, rows_max=10)

        assert taken == [True, False, True, False, False]
        assert kept == [asked]

    async def test_a_list_is_read_in_pages_and_shortened(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as tx:
            for number in range(5):
                await tx.suppress(suppression_of("acme", f"{number}@example.net", "bounced", now_ms=NOW_MS))
            first = await tx.suppressions("acme", after="", now_ms=NOW_MS, rows_max=3)
            rest = await tx.suppressions("acme", after=first[-1].address_hash, now_ms=NOW_MS, rows_max=3)
            assert await tx.lift("acme", first[0].address_hash)
            assert not await tx.lift("acme", first[0].address_hash)
            left = await tx.suppressions("acme", after="", now_ms=NOW_MS, rows_max=10)
            gone = await tx.suppressions("acme", after="", now_ms=NOW_MS + 180 * DAY_MS, rows_max=10)

        assert len({each.address_hash for each in (*first, *rest)}) == 5
        assert left == [*first[1:], *rest]
        assert gone == []

    async def test_a_sender_is_acknowledged_once_a_day_by_each_mailbox(self, keeper: Keeper) -> None:
        async def may(address: str, sender: str, at_ms: int) -> bool:
            async with keeper.transaction("acme") as tx:
                return await tx.may_acknowledge("acme", address, sender, now_ms=at_ms)

        assert await may("help@example.org", ANNA, NOW_MS)
        assert not await may("help@example.org", ANNA.upper(), NOW_MS + DAY_MS - 1)
        assert await may("sales@example.org", ANNA, NOW_MS)
        assert await may("help@example.org", "bert@example.net", NOW_MS)
        assert await may("help@example.org", ANNA, NOW_MS + DAY_MS)
        assert not await may("help@example.org", ANNA, NOW_MS + DAY_MS + 1)

    async def test_what_an_answer_needs_is_kept_and_moved(self, keeper: Keeper) -> None:
        first = Original(
            message_id="q@x",
            references=("a@b",),
            from_=Address(ANNA, "Ann\x00a"),
            cc=(Address("c@d"),),
            subject="ü",
            sent_at_ms=1,
            text="\x00",
            html="<p>",
            hops=2,
        )
        last = Original(text="last")
        async with keeper.transaction("acme") as tx:
            await tx.keep_original("acme", "i1", "m1", first, at_ms=NOW_MS)
            await tx.keep_original("acme", "i1", "m1", last, at_ms=NOW_MS + 9)
            await tx.keep_original("acme", "i1", "m2", last, at_ms=NOW_MS + 1)

        async with keeper.transaction("acme") as tx:
            assert await tx.original("acme", "i1", "m1") == first
            assert await tx.original("acme", "i1", None) == last
            assert await tx.original("acme", "i2", "m1") is None
            await tx.move_originals("acme", ["m2"], "i2")
            assert await tx.original("acme", "i1", None) == first
            assert await tx.original("acme", "i2", None) == last


class TestMemorySending(SendingLaws):
    @pytest.fixture
    def keeper(self) -> Keeper:
        return MemoryKeeper()


class TestPostgresSending(SendingLaws):
    @pytest.fixture
    async def keeper(self, postgres: FreshDatabase) -> AsyncIterator[Keeper]:
        async with migrated(postgres.admin_url, "email_gateway") as kept:
            yield PostgresKeeper(kept)


async def test_without_a_tenant_every_table_is_empty(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "email_gateway") as kept:
        found = await unguarded_tables(application_url=kept.application_url, schema="email_gateway")

    assert found == []


async def test_what_has_run_out_is_forgotten(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "email_gateway") as kept:
        async with kept.database.transaction("acme", PostgresSending) as tx:
            await tx.suppress(suppression_of("acme", ANNA, "bounced", now_ms=0))
            await tx.may_acknowledge("acme", "help@example.org", ANNA, now_ms=0)
            await tx.keep_original("acme", "i1", "m1", Original(), at_ms=0)
        swept = [await each.run_once() for each in sweeps(kept.database)]

    assert swept == [1, 1, 1]
