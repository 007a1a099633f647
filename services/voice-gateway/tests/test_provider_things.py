"""What a webhook driver finds again: one law for PostgreSQL and for the memory twin."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from servicekit.system import SystemClock
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from voice_gateway.drivers.webhook.kept import Keeper, Kept, MemoryKeeper
from voice_gateway.drivers.webhook.legs import Leg, Room, leg_of, room_of
from voice_gateway.provider_things import PostgresKeeper

Following = Callable[[], Keeper]
"""The keeper of the next process."""


class KeeperLaws:
    """Inherit and give fixtures `keeper` and `following`."""

    async def test_what_was_kept_last_is_found_by_the_next_process(self, keeper: Keeper, following: Following) -> None:
        leg = Leg(leg_id="a", ours=True, call_sid="CA1", room_id="r1", uris=["https://sounds.example/hello"])
        keeper.keep(Kept(kind="leg", id="a", provider_id=None, state={}))
        keeper.keep(Kept(kind="leg", id="b", provider_id="CA2", state={}))
        keeper.keep(leg.kept())
        keeper.keep(Room(room_id="a", kind="wait", music="m").kept())
        await eventually(lambda: _is_found(following(), "leg", "b"))
        keeper.forget("leg", "b")
        keeper.forget("recording", "never")
        await eventually(lambda: _is_gone(following(), "leg", "b"))
        found = {(each.kind, each.id): each for each in await following().all()}

        assert found.keys() == {("leg", "a"), ("room", "a")}
        assert leg_of(found["leg", "a"]) == leg
        assert room_of(found["room", "a"]) == Room(room_id="a", kind="wait", music="m")

    async def test_what_was_just_said_counts_at_once(self, keeper: Keeper) -> None:
        for number in range(3):
            keeper.keep(Kept(kind="leg", id="a", provider_id=None, state={"number": number}))
        keeper.keep(Kept(kind="leg", id="b", provider_id=None, state={}))
        keeper.forget("leg", "b")

        assert await keeper.all() == [Kept(kind="leg", id="a", provider_id=None, state={"number": 2})]


class TestMemory(KeeperLaws):
    @pytest.fixture
    def keeper(self) -> Keeper:
        return MemoryKeeper()

    @pytest.fixture
    def following(self, keeper: Keeper) -> Following:
        return lambda: keeper


class TestPostgres(KeeperLaws):
    @pytest.fixture
    async def kept(self, postgres: FreshDatabase) -> AsyncIterator[MigratedDatabase]:
        async with migrated(postgres.admin_url, "voice_gateway") as kept:
            yield kept

    @pytest.fixture
    async def keeper(self, kept: MigratedDatabase) -> AsyncIterator[Keeper]:
        stop, keeper = asyncio.Event(), PostgresKeeper(kept.database, "n1", SystemClock())
        running = asyncio.create_task(keeper.run(stop))
        yield keeper
        stop.set()
        await running

    @pytest.fixture
    def following(self, kept: MigratedDatabase) -> Following:
        return lambda: PostgresKeeper(kept.database, "n1", SystemClock())

    async def test_another_node_finds_nothing_of_it(self, kept: MigratedDatabase, keeper: Keeper) -> None:
        keeper.keep(Kept(kind="leg", id="a", provider_id=None, state={}))
        await eventually(lambda: _is_found(PostgresKeeper(kept.database, "n1", SystemClock()), "leg", "a"))

        assert await PostgresKeeper(kept.database, "n2", SystemClock()).all() == []

    async def test_a_process_that_is_stopped_writes_what_is_left(
        self, kept: MigratedDatabase, following: Following
    ) -> None:
        stop, keeper = asyncio.Event(), PostgresKeeper(kept.database, "n1", SystemClock())
        stop.set()
        keeper.keep(Kept(kind="leg", id="a", provider_id=None, state={}))
        await keeper.run(stop)

        assert [each.id for each in await following().all()] == ["a"]


async def _is_found(keeper: Keeper, kind: str, kept_id: str) -> bool:
    return (kind, kept_id) in {(each.kind, each.id) for each in await keeper.all()}


async def _is_gone(keeper: Keeper, kind: str, kept_id: str) -> bool:
    return not await _is_found(keeper, kind, kept_id)
