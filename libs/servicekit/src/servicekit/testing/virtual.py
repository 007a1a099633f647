"""A virtual clock: an event loop whose time jumps to the next timer instead of waiting for it.

    run_virtual(story())

A run is deterministic: same code and same seeds, same order of everything. Threads and sockets have no place in it.
"""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

from typing_extensions import override

T = TypeVar("T")
FIRST_INSTANT_MS: Final = 1_750_000_000_000


class DeadlockError(RuntimeError):
    """Every task waits, no timer is set and nothing outside can wake one: the story would wait for ever."""


def run_virtual(story: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end under virtual time; raises DeadlockError when nothing can go on."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with virtual time; `run_in_executor` runs its function at once, in place."""

    def __init__(self) -> None:
        self._jumps = _JumpingSelector()
        super().__init__(self._jumps)
        self._jumps.wakers = len(self._jumps.get_map())
        self._clock_resolution = 1e-9

    @override
    def time(self) -> float:
        return self._jumps.now_seconds

    @override
    def run_in_executor(  # type: ignore[override]  # asyncio's stub is generic over a version-dependent signature
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        future.set_result(func(*args))
        return future


class VirtualClock:
    """The Clock port on the running loop's time: virtual in a VirtualLoop."""

    def __init__(self, *, first_instant_ms: int = FIRST_INSTANT_MS) -> None:
        self._first_instant_ms = first_instant_ms

    def step(self, milliseconds: int) -> None:
        """Set the wall clock forwards or backwards, as NTP does; the loop's time goes on as it was."""
        self._first_instant_ms += milliseconds

    def now_ms(self) -> int:
        """Milliseconds of the first instant plus the loop's time; outside a loop the first instant."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._first_instant_ms
        return self._first_instant_ms + int(loop.time() * 1000)

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for so long, in the loop's time."""
        await asyncio.sleep(seconds)


class SeededIds:
    """The Ids port, counting: `prefix` in the high digits keeps two of them apart."""

    def __init__(self, prefix: int = 0) -> None:
        self._prefix = prefix
        self._last = 0

    def new_id(self) -> str:
        """32 hex digits, rising."""
        self._last += 1
        return f"{self._prefix:08x}{self._last:024x}"


class SeededChance:
    """The Chance port from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a simulation must repeat

    def uniform(self, a: float, b: float) -> float:
        """A number between a and b."""
        return self._random.uniform(a, b)


class _JumpingSelector(selectors.BaseSelector):
    """Answers real events that are there; where the loop would wait for a timer, moves the time instead."""

    def __init__(self) -> None:
        self.now_seconds = 0.0
        self.wakers = 0
        self._real = selectors.DefaultSelector()

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None:
            self.now_seconds += max(timeout, 0)
            return []
        if len(self._real.get_map()) > self.wakers:
            return self._real.select(None)
        raise DeadlockError("no task can go on: no timer is set and nothing outside can wake one")

    @override
    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    @override
    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    @override
    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    @override
    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    @override
    def close(self) -> None:
        self._real.close()
