"""Cancelling a Redis command ends the task, whenever it comes."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from servicekit.live import LiveAwayError, LiveRedis, open_redis
from typing_extensions import override


@pytest.mark.parametrize("tenths_ms", range(20))
async def test_a_cancelled_command_ends_its_task_even_while_it_connects(redis_url: str, tenths_ms: int) -> None:
    async with open_redis(redis_url) as redis:

        async def ask_for_ever() -> None:
            while True:
                await redis.ping()

        task = asyncio.create_task(ask_for_ever())
        await asyncio.wait([task], timeout=tenths_ms / 10_000)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=2)

        assert ended


class FailsWhenCancelled(BlockingConnectionPool):
    """A server that goes away at the very moment of the first cancellation."""

    failed = False

    @override
    async def get_connection(self, *_: Any, **__: Any) -> Any:  # the library's own signature
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.failed:
                raise
            self.failed = True
            raise RedisConnectionError("closed by the server") from None


async def test_a_cancellation_that_meets_a_failure_still_ends_the_task() -> None:
    redis = LiveRedis(connection_pool=FailsWhenCancelled())

    async def ask_until_it_answers() -> None:
        while True:
            try:
                await redis.ping()
            except LiveAwayError:
                continue

    task = asyncio.create_task(ask_until_it_answers())
    await asyncio.wait([task], timeout=0.05)
    task.cancel()
    ended, _ = await asyncio.wait([task], timeout=2)

    assert ended
