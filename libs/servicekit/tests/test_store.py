"""The transaction laws, in memory and on PostgreSQL."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
from servicekit.database import Database, Transaction
from servicekit.outbox import PostgresOutbox
from servicekit.store import MemoryDatabase, MemoryTransaction, Tenant
from servicekit.testing.databases import migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.store_laws import Keeper, TransactionLaws, WantedError


@dataclass
class Notes:
    texts: dict[str, str] = field(default_factory=dict)


class NotesTransaction(MemoryTransaction[Notes]):
    pass


class MemoryKeeper:
    def __init__(self) -> None:
        self.database = MemoryDatabase(Notes())
        self.outbox = self.database.outbox

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[NotesTransaction]:
        return self.database.transaction(tenant, NotesTransaction)


class PostgresKeeper:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.outbox = PostgresOutbox(database)

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[Transaction]:
        return self.database.transaction(tenant)


class TestMemory(TransactionLaws):
    @pytest.fixture
    def keeper(self) -> Keeper:
        return MemoryKeeper()

    async def test_a_transaction_sees_its_own_writes_and_a_failed_one_leaves_no_row(self) -> None:
        keeper = MemoryKeeper()
        seen: dict[str, str] = {}

        async def fails() -> None:
            async with keeper.transaction("acme") as transaction:
                transaction.tables.texts["lost"] = "yes"
                seen.update(transaction.tables.texts)
                raise WantedError

        async with keeper.transaction("acme") as transaction:
            transaction.tables.texts["kept"] = "yes"
        with pytest.raises(WantedError):
            await fails()

        assert seen == {"kept": "yes", "lost": "yes"}
        assert keeper.database.tables.texts == {"kept": "yes"}


class TestPostgres(TransactionLaws):
    @pytest.fixture
    async def keeper(self, postgres: FreshDatabase) -> AsyncGenerator[Keeper, None]:
        async with migrated(postgres.admin_url, "servicekit") as kept:
            yield PostgresKeeper(kept.database)
