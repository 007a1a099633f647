"""Cancelling a Redis command ends the task, whenever it comes."""

import asyncio

import pytest
from servicekit.live import open_redis


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
