"""Scripts that go to Redis as one pipeline."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from redis.exceptions import ResponseError
from servicekit.live import COMMAND_TIMEOUT_SECONDS, LiveAwayError, Redis, Script, open_redis
from servicekit.together import CALLS_MAX, Together

COUNT = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
SECONDS_MAX = 20


class Counting:
    """Counts the pipelines that a client sends."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.pipelines = 0
        self.begun = asyncio.Event()

    def pipeline(self, *, transaction: bool) -> Any:
        self.pipelines += 1
        self.begun.set()
        return self._redis.pipeline(transaction=transaction)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    async with open_redis(redis_url) as redis:
        yield Counting(redis)


async def test_what_is_asked_at_the_same_time_goes_together_in_order(redis: Any) -> None:
    together, key = Together(redis), uuid4().hex
    await together.run(COUNT, [key], [0])
    redis.pipelines = 0
    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(*(together.run(COUNT, [key], [1]) for _ in range(CALLS_MAX + 10)))

    assert answers == list(range(1, CALLS_MAX + 11))
    assert redis.pipelines == 2


async def test_what_comes_while_a_pipeline_is_under_way_is_the_next(redis: Any) -> None:
    together, key = Together(redis), uuid4().hex
    async with asyncio.timeout(SECONDS_MAX):
        first = asyncio.create_task(together.run(COUNT, [key], [1]))
        await redis.begun.wait()
        second = await together.run(COUNT, [key], [1])

    assert (await first, second) == (1, 2)
    assert redis.pipelines == 2


async def test_a_server_that_has_forgotten_the_script_runs_it_once(redis: Any) -> None:
    together, key = Together(redis), uuid4().hex
    await together.run(COUNT, [key], [1])
    await redis.script_flush()
    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(*(together.run(COUNT, [key], [1]) for _ in range(3)))

    assert set(answers) == {2, 3, 4}
    assert await redis.get(key) == b"4"


async def test_a_fault_of_one_script_is_its_caller_s_alone(redis: Any) -> None:
    together, key = Together(redis), uuid4().hex
    broken = Script("return redis.error_reply('broken')")
    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(
            together.run(COUNT, [key], [1]),
            together.run(broken, [key]),
            together.run(COUNT, [key], [1]),
            return_exceptions=True,
        )

    assert (answers[0], answers[2]) == (1, 2)
    assert isinstance(answers[1], ResponseError)


async def test_whoever_is_cancelled_while_the_one_before_is_under_way_has_not_run(redis: Any) -> None:
    together, key = Together(redis), uuid4().hex
    async with asyncio.timeout(SECONDS_MAX):
        first = asyncio.create_task(together.run(COUNT, [key], [1]))
        await redis.begun.wait()
        cancelled = asyncio.create_task(together.run(COUNT, [key], [100]))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(first, cancelled, return_exceptions=True)
        again = await together.run(COUNT, [key], [1])

    assert cancelled.cancelled()
    assert again == 2


async def test_a_server_that_is_away_is_said_to_everybody_and_asked_again() -> None:
    async with open_redis("redis://127.0.0.1:1/0") as away, asyncio.timeout(SECONDS_MAX):
        together = Together(away)
        for _ in range(2):
            answers = await asyncio.gather(*(together.run(COUNT, ["k"], [1]) for _ in range(3)), return_exceptions=True)

            assert [type(answer) for answer in answers] == [LiveAwayError] * 3


async def test_a_server_that_hangs_costs_everybody_one_time_out() -> None:
    """Not one after the other: a thousand sockets would wait for minutes."""
    silent = await asyncio.start_server(_says_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, open_redis(f"redis://127.0.0.1:{port}/0") as hanging:
        together = Together(hanging)
        async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS * 2):
            asked = (together.run(COUNT, ["k"], [1]) for _ in range(CALLS_MAX * 4))
            answers = await asyncio.gather(*asked, return_exceptions=True)

    assert {type(answer) for answer in answers} == {LiveAwayError}


async def _says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.close()
