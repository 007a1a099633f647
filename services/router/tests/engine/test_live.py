"""EngineLive's laws, for Redis and for the fake."""

from collections.abc import AsyncIterator
from typing import cast
from uuid import uuid4

import pytest
import pytest_asyncio
from router.api.live import ApiLive, Place
from router.engine.live import EngineLive, Kind, RedisEngineLive, Views
from router.engine.testing import MemoryEngineLive
from servicekit.live import Redis, open_redis
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually

EPOCH, LATER = "0001-000000000000005", "0001-000000000000090"


class Bench:
    """A live store with what tests need besides its port."""

    def __init__(self, live: EngineLive, redis: Redis | None) -> None:
        self.live = live
        self.redis = redis
        self.domain = f"acme/{uuid4().hex}"
        self.partition = uuid4().int % 10**9

    async def views(self, kind: Kind) -> dict[str, bytes]:
        if isinstance(self.live, MemoryEngineLive):
            return dict(self.live.views(self.domain)[kind])
        assert self.redis is not None
        # The client's types leave open whether it decodes; ours does not.
        found = cast(dict[bytes, bytes], await self.redis.hgetall(f"r:{{{self.domain}}}:{kind}"))
        return {name.decode(): view for name, view in found.items()}

    async def expires(self, kind: Kind) -> bool:
        return self.redis is not None and await self.redis.pttl(f"r:{{{self.domain}}}:{kind}") >= 0

    async def ask(self, question: bytes, wait_ms: int = 5000) -> None:
        if isinstance(self.live, MemoryEngineLive):
            self.live.ask(self.domain, question, wait_ms)
            return
        assert self.redis is not None
        assert await ApiLive(self.redis).ask(Place(*self.domain.split("/")), question, wait_ms / 1000)

    async def answers(self, question_id: str) -> list[bytes]:
        if isinstance(self.live, MemoryEngineLive):
            return self.live.answers(question_id)
        assert self.redis is not None
        return cast(list[bytes], await self.redis.lrange(f"r:answer:{question_id}", 0, -1))

    async def heartbeat(self, agent_id: str, device: str) -> None:
        if isinstance(self.live, MemoryEngineLive):
            self.live.heartbeat(self.domain, agent_id, device)
            return
        assert self.redis is not None
        seconds, micros = await self.redis.time()
        await self.redis.zadd(f"r:{{{self.domain}}}:leases", {f"{agent_id}|{device}": seconds * 1000 + micros // 1000})


@pytest_asyncio.fixture(params=["fake", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "fake":
        yield Bench(MemoryEngineLive(SystemClock()), None)
        return
    async with open_redis(request.getfixturevalue("redis_url")) as redis:
        yield Bench(RedisEngineLive(redis), redis)


async def test_a_lease_is_held_by_one_owner_until_released(bench: Bench) -> None:
    assert await bench.live.hold(bench.partition, "one", 5000)
    assert await bench.live.hold(bench.partition, "one", 5000)
    assert not await bench.live.hold(bench.partition, "two", 5000)
    await bench.live.release(bench.partition, "two")
    assert not await bench.live.hold(bench.partition, "two", 5000)

    await bench.live.release(bench.partition, "one")

    assert await bench.live.hold(bench.partition, "two", 5000)


async def test_a_lease_that_is_not_renewed_runs_out(bench: Bench) -> None:
    await bench.live.hold(bench.partition, "one", 30)

    assert await eventually(lambda: bench.live.hold(bench.partition, "two", 5000))


async def test_a_rewrite_replaces_all_views(bench: Bench) -> None:
    many: Views = {"agents": {f"a{number}": b"{}" for number in range(1200)}, "queues": {"q": b"1"}}
    assert await bench.live.rewrite(bench.domain, EPOCH, 7, many) == "written"
    assert len(await bench.views("agents")) == 1200
    assert not await bench.expires("agents")

    assert await bench.live.rewrite(bench.domain, EPOCH, 9, {"assignments": {"x": b"2"}}) == "written"

    assert await bench.views("agents") == {}
    assert await bench.views("queues") == {}
    assert await bench.views("assignments") == {"x": b"2"}


async def test_views_change_only_from_the_position_they_stand_at(bench: Bench) -> None:
    await bench.live.rewrite(bench.domain, EPOCH, 7, {"agents": {"a": b"1", "b": b"1"}})

    assert await bench.live.project(bench.domain, EPOCH, 8, 9, {"agents": {"a": b"2"}}) == "gap"
    assert await bench.views("agents") == {"a": b"1", "b": b"1"}
    assert await bench.live.project(bench.domain, EPOCH, 7, 9, {"agents": {"a": b"2", "b": None}}) == "written"
    assert await bench.views("agents") == {"a": b"2"}
    assert await bench.live.project(bench.domain, EPOCH, 7, 9, {"agents": {"a": b"3"}}) == "gap"
    assert await bench.live.project(bench.domain, EPOCH, 9, 9, {}) == "written"


async def test_a_large_change_is_written_whole(bench: Bench) -> None:
    await bench.live.rewrite(bench.domain, EPOCH, 7, {})

    changed: Views = {"agents": {f"a{number}": b"{}" for number in range(9001)}}
    answer = await bench.live.project(bench.domain, EPOCH, 7, 9, changed)

    assert answer == "written"
    assert len(await bench.views("agents")) == 9001


async def test_an_owner_of_an_earlier_epoch_is_told_that_it_is_stale(bench: Bench) -> None:
    await bench.live.rewrite(bench.domain, LATER, 91, {"agents": {"a": b"1"}})

    assert await bench.live.project(bench.domain, EPOCH, 91, 92, {"agents": {"a": b"0"}}) == "stale"
    assert await bench.live.rewrite(bench.domain, EPOCH, 92, {}) == "stale"
    assert await bench.views("agents") == {"a": b"1"}


async def test_a_new_epoch_begins_with_a_gap(bench: Bench) -> None:
    await bench.live.rewrite(bench.domain, EPOCH, 7, {"agents": {"a": b"1"}})

    assert await bench.live.project(bench.domain, LATER, 7, 91, {}) == "gap"


async def test_views_that_are_not_there_are_a_gap(bench: Bench) -> None:
    assert await bench.live.project(bench.domain, EPOCH, 7, 8, {}) == "gap"


async def test_leases_name_the_devices_with_a_fresh_heartbeat_and_their_kind(bench: Bench) -> None:
    await bench.live.rewrite(bench.domain, EPOCH, 7, {})
    await bench.heartbeat("ann", "mobile/phone")
    await bench.heartbeat("ann", "desktop/desk")
    await bench.heartbeat("bob|or not", "desk")

    leases = await bench.live.read_leases(bench.domain, 60_000)

    assert leases.known
    assert leases.devices == {"ann": ("desktop/desk", "mobile/phone"), "bob|or not": ("desktop/desk",)}


async def test_leases_run_out(bench: Bench) -> None:
    await bench.heartbeat("ann", "mobile/phone")

    async def gone() -> bool:
        return not (await bench.live.read_leases(bench.domain, 20)).devices

    assert await eventually(gone)


async def test_a_domain_without_projection_is_not_known(bench: Bench) -> None:
    assert not (await bench.live.read_leases(bench.domain, 60_000)).known


async def test_questions_are_taken_once_in_order_and_a_few_at_a_time(bench: Bench) -> None:
    for question in (b"one", b"two two", b"three"):
        await bench.ask(question)

    assert await bench.live.take_questions(bench.domain, 2) == [b"one", b"two two"]
    assert await bench.live.take_questions(bench.domain, 2) == [b"three"]
    assert await bench.live.take_questions(bench.domain, 2) == []


async def test_a_question_that_nobody_waits_for_any_more_is_dropped(bench: Bench) -> None:
    began_ms = SystemClock().now_ms()
    await bench.ask(b"late", wait_ms=1)
    await bench.ask(b"in time")
    assert await eventually(lambda: SystemClock().now_ms() > began_ms + 20)

    assert await bench.live.take_questions(bench.domain, 1) == [b"in time"]


async def test_answers_stay_for_a_while_and_several_owners_may_answer(bench: Bench) -> None:
    one, other = uuid4().hex, uuid4().hex
    await bench.live.answer(one, b"no", 5000)
    await bench.live.answer(one, b"yes", 5000)
    await bench.live.answer(other, b"soon gone", 20)

    assert await bench.answers(one) == [b"no", b"yes"]

    async def gone() -> bool:
        return not await bench.answers(other)

    assert await eventually(gone)
