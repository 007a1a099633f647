"""Which sounds are kept: one law for PostgreSQL and for the memory twin."""

from collections.abc import AsyncIterator

import pytest
from servicekit.store import EVERY_TENANT
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables
from voice_gateway.prompts_tables import PostgresPromptStore, PromptStore
from voice_gateway.testing.prompts_memory import MemoryPromptStore


class PromptLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_a_sound_is_kept_until_the_latest_time_that_was_asked_for(self, keeper: PromptStore) -> None:
        async with keeper.transaction("acme") as tx:
            for blob_id, until_ms in (("a", 100), ("a", 300), ("a", 200), ("b", 250), ("c", 260)):
                await tx.keep_sound("acme", blob_id, until_ms=until_ms)

        async with keeper.transaction(EVERY_TENANT) as tx:
            assert await tx.expired_sounds(now_ms=249, rows_max=9) == []
            assert await tx.expired_sounds(now_ms=260, rows_max=9) == [("acme", "b"), ("acme", "c")]
            assert await tx.expired_sounds(now_ms=300, rows_max=1) == [("acme", "b")]
            await tx.forget_sound("acme", "b")
            assert await tx.expired_sounds(now_ms=300, rows_max=9) == [("acme", "c"), ("acme", "a")]


class TestMemory(PromptLaws):
    @pytest.fixture
    def keeper(self) -> PromptStore:
        return MemoryPromptStore()


class TestPostgres(PromptLaws):
    @pytest.fixture
    async def kept(self, postgres: FreshDatabase) -> AsyncIterator[MigratedDatabase]:
        async with migrated(postgres.admin_url, "voice_gateway") as kept:
            yield kept

    @pytest.fixture
    def keeper(self, kept: MigratedDatabase) -> PromptStore:
        return PostgresPromptStore(kept.database)

    async def test_no_row_is_seen_without_its_tenant(self, kept: MigratedDatabase, keeper: PromptStore) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.keep_sound("acme", "a", until_ms=1)

        assert await unguarded_tables(application_url=kept.application_url, schema="voice_gateway") == []

    async def test_two_replicas_remove_different_ones(self, keeper: PromptStore) -> None:
        async with keeper.transaction("acme") as tx:
            for blob_id in ("a", "b"):
                await tx.keep_sound("acme", blob_id, until_ms=1)
        async with keeper.transaction(EVERY_TENANT) as one, keeper.transaction(EVERY_TENANT) as two:
            found = [*await one.expired_sounds(now_ms=1, rows_max=1), *await two.expired_sounds(now_ms=1, rows_max=2)]

        assert sorted(found) == [("acme", "a"), ("acme", "b")]
