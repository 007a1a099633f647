"""A driver's loop beside whoever uses the driver."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from servicekit.testing.virtual import VirtualClock, run_virtual
from voice_gateway.owner import running


def test_a_loop_that_fails_ends_its_use_with_its_failure() -> None:
    async def fails(_: asyncio.Event) -> None:
        await VirtualClock().sleep(1)
        raise ValueError("a fault")

    async def story() -> None:
        began_ms = VirtualClock().now_ms()
        with pytest.raises(ValueError, match="a fault"):
            async with running(fails):
                await VirtualClock().sleep(60)
        assert VirtualClock().now_ms() - began_ms < 2_000
        await VirtualClock().sleep(1)  # who used it is not cancelled any more

    run_virtual(story())


def test_a_use_that_ends_stops_the_loop_and_keeps_its_own_failure() -> None:
    stopped: list[bool] = []

    async def loop(stop: asyncio.Event) -> None:
        await stop.wait()
        stopped.append(True)

    async def story() -> None:
        async with running(loop):
            pass
        with pytest.raises(KeyError):
            async with running(loop):
                raise KeyError
        using = asyncio.create_task(_use(loop))
        await VirtualClock().sleep(1)
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
        assert stopped == [True, True, True]

    run_virtual(story())


async def _use(loop: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    async with running(loop):
        await asyncio.Event().wait()
