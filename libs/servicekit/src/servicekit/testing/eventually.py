"""Wait for something to become true, with a bound, instead of sleeping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(check: Callable[[], Awaitable[T]], *, timeout_seconds: float = 10) -> T: ...


@overload
async def eventually(check: Callable[[], T], *, timeout_seconds: float = 10) -> T: ...


async def eventually(check: Callable[[], object], *, timeout_seconds: float = 10) -> object:
    """The first truthy answer of `check`, a function or coroutine function; AssertionError after the time-out.

    An AssertionError inside `check` counts as "not yet"; the last one is the cause of ours.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    pause_seconds = 0.005
    last: AssertionError | None = None
    while True:
        try:
            answer = check()
            found = await answer if inspect.isawaitable(answer) else answer
        except AssertionError as error:
            last = error
        else:
            if found:
                return found
        if loop.time() >= deadline:
            raise AssertionError(f"not true within {timeout_seconds} s") from last
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, 0.1)
