"""The store's law, kept by PostgreSQL and by the memory twin alike."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from servicekit.ports import Partition
from servicekit.store import EVERY_TENANT, Position
from servicekit.testing.databases import migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables
from voice_gateway.store import AskedPhone, KeptCall, Lease, NodeHealth, PostgresVoiceStore, VoiceStore
from voice_gateway.testing.memory import MemoryVoiceStore

TENANT = "acme"
CALL = KeptCall(tenant_id=TENANT, interaction_id="i1", node="n1", state='{"a":1}', to_do="[]")
PHONE = AskedPhone(
    tenant_id=TENANT, agent_id="ada", node="n1", endpoint_id="e1", browser=True, password="p1", asked_at_ms=5
)


async def taken(store: VoiceStore, holder: str, now_ms: int) -> Lease | None:
    async with store.transaction(EVERY_TENANT) as tx:
        return await tx.take_node(
            "n1", holder, driver="simulated", now_ms=now_ms, until_ms=now_ms + 100, url=f"http://{holder}"
        )


class VoiceLaws:
    """Inherit and give a fixture `store`."""

    async def test_a_node_has_one_owner_until_the_lease_ends_and_each_take_over_is_an_epoch(
        self, store: VoiceStore
    ) -> None:
        assert await taken(store, "a", 1000) == Lease(node="n1", epoch=1)
        assert await taken(store, "b", 1099) is None
        second = await taken(store, "b", 1100)
        assert second == Lease(node="n1", epoch=2)
        async with store.transaction(EVERY_TENANT) as tx:
            assert not await tx.keep_node(Lease(node="n1", epoch=1), until_ms=9999, connected=True, calls=3)
            await tx.release_node(Lease(node="n1", epoch=1))
            assert await tx.keep_node(second, until_ms=1300, connected=True, calls=3)
        assert await taken(store, "a", 1299) is None
        async with store.transaction(EVERY_TENANT) as tx:
            [health] = await tx.nodes(now_ms=1299)
            await tx.release_node(second)
            [released] = await tx.nodes(now_ms=1299)
        assert health == NodeHealth(node="n1", driver="simulated", owned=True, connected=True, calls=3, url="http://b")
        assert released == replace(health, owned=False, connected=False)
        assert await taken(store, "a", 1300) == Lease(node="n1", epoch=3)

    async def test_a_commit_counts_once_and_in_its_own_epoch_alone(self, store: VoiceStore) -> None:
        first = await taken(store, "a", 1000)
        assert first is not None
        answers = []
        for number in (1, 1, 2):
            async with store.transaction(EVERY_TENANT) as tx:
                answers.append(await tx.fence(first, number))
        second = await taken(store, "a", 1001)
        assert second is not None
        async with store.transaction(EVERY_TENANT) as tx:
            answers += [await tx.fence(first, 3), await tx.fence(second, 1)]

        assert answers == ["new", "done", "new", "lost", "new"]

    async def test_calls_are_kept_as_they_are_now_until_they_are_over(self, store: VoiceStore) -> None:
        other, elsewhere = replace(CALL, interaction_id="i2"), replace(CALL, interaction_id="i3", node="n2")
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.keep_calls([CALL, other])
            await tx.keep_calls([elsewhere])
            await tx.keep_calls([])
        changed = replace(CALL, state="{}", to_do="[1]")
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.keep_calls([changed])
        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.calls_of("n1") == [changed, other]
            over = replace(changed, over_at_ms=7)
            await tx.keep_calls([over])
        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.calls_of("n1") == [other]
            assert await tx.call(TENANT, "i1") == over
            assert await tx.call(TENANT, "i4") is None
        async with store.transaction("other") as tx:
            assert await tx.calls_of("n1") == []
            assert await tx.call(TENANT, "i1") is None

    async def test_positions_are_those_of_the_consumer_with_their_sequences(self, store: VoiceStore) -> None:
        one, two = Partition("t", 0), Partition("t", 1)
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.keep_positions("voice-gateway/n1", {one: Position(2, "0001-4"), two: Position(1, None)})
            await tx.keep_positions("voice-gateway/n2", {two: Position(7, None)})
            await tx.keep_positions("voice-gateway/n1", {})
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.keep_positions("voice-gateway/n1", {one: Position(3, "0001-5")})
        async with store.transaction(EVERY_TENANT) as tx:
            kept = await tx.positions_of("voice-gateway/n1")

        assert kept == {one: Position(3, "0001-5"), two: Position(1, None)}

    async def test_a_phone_is_to_be_done_until_the_node_has_its_last_password(self, store: VoiceStore) -> None:
        async def to_do() -> list[AskedPhone]:
            async with store.transaction(EVERY_TENANT) as tx:
                return list(await tx.phones_to_do("n1", rows_max=10))

        async def done(phone: AskedPhone) -> None:
            async with store.transaction(EVERY_TENANT) as tx:
                await tx.phone_done(phone, now_ms=9)

        newer = replace(PHONE, password="p2", asked_at_ms=6)
        async with store.transaction(TENANT) as tx:
            await tx.ask_phone(PHONE)
            await tx.ask_phone(replace(PHONE, node="n2"))
        assert await to_do() == [PHONE]
        async with store.transaction(TENANT) as tx:
            await tx.ask_phone(newer)
        await done(PHONE)
        assert await to_do() == [newer]
        async with store.transaction(TENANT) as tx:
            assert await tx.phones_done(TENANT, "ada") == []
        await done(newer)
        async with store.transaction(TENANT) as tx:
            assert await tx.phones_done(TENANT, "ada") == ["n1"]
        assert await to_do() == []
        async with store.transaction("other") as tx:
            assert await tx.phones_done(TENANT, "ada") == []


class TestMemory(VoiceLaws):
    @pytest.fixture
    def store(self) -> MemoryVoiceStore:
        return MemoryVoiceStore()


class TestPostgres(VoiceLaws):
    @pytest.fixture
    async def store(self, postgres: FreshDatabase) -> AsyncIterator[PostgresVoiceStore]:
        async with migrated(postgres.admin_url, "voice_gateway") as kept:
            yield PostgresVoiceStore(kept.database)


async def test_the_tables_guard_tenants(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "voice_gateway") as kept:
        store = PostgresVoiceStore(kept.database)
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.keep_calls([CALL])
            await tx.ask_phone(PHONE)

        assert await unguarded_tables(application_url=kept.application_url, schema="voice_gateway") == []
