"""A simulated process: its tasks live and die together, and a supervisor starts it again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Generic, TypeVar

from servicekit.ports import Chance, Clock, Loop

from centralino.proof.simulation.doom import Doom

T = TypeVar("T")
S = TypeVar("S")
RESTART_SECONDS_MAX: Final = 3.0
CANCEL_SECONDS: Final = 0.01


class GoneError(Exception):
    """The process is down, or died with the request."""


class Life(Generic[S]):
    """One run of a process; `service` is what requests go to."""

    def __init__(self, doom: Doom, service: S) -> None:
        self.doom = doom
        self.service = service
        self.stop = asyncio.Event()
        self._tasks: dict[asyncio.Task[Any], None] = {}  # Any: tasks of all kinds

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Work that dies with the process."""
        task = asyncio.create_task(work)
        self._tasks[task] = None
        return task

    async def end(self) -> None:
        """Everything stops where it stands.

        More than one cancellation may be needed: a task group of Python 3.11 that fails at that very moment drops it.
        """
        while waiting := [task for task in self._tasks if not task.done()]:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting, timeout=CANCEL_SECONDS)


OpenService = Callable[[Doom], AbstractAsyncContextManager[tuple[S, list[Loop]]]]


class Process(Generic[S]):
    """Run it by `supervise`; give it work by `call` and `spawn`."""

    def __init__(self, name: str, open_service: OpenService[S], *, clock: Clock, chance: Chance) -> None:
        self.name = name
        self.life: Life[S] | None = None
        self.deaths: list[str] = []
        self.risk = 0.0
        self._open_service = open_service
        self._clock = clock
        self._chance = chance

    async def supervise(self) -> None:
        """Start it again whenever it dies, until cancelled."""
        while True:
            async with self._living() as life:
                await life.doom.struck.wait()
            self.deaths.append(f"{self._clock.now_ms()} {self.name} died {life.doom.last_step}")
            await self._clock.sleep(self._chance.uniform(0.05, RESTART_SECONDS_MAX))

    async def call(self, ask: Callable[[S], Coroutine[Any, Any, T]]) -> T:
        """A request. Raises GoneError when nobody answers any more."""
        life = self.life
        if life is None or life.doom.struck.is_set():
            raise GoneError(self.name)
        answer = life.spawn(ask(life.service))
        await asyncio.wait([answer])
        if answer.cancelled():
            raise GoneError(self.name)
        return answer.result()

    def set_risk(self, risk: float) -> None:
        """How likely each durable step is the last, from now on."""
        self.risk = risk
        if self.life is not None:
            self.life.doom.risk = risk

    @asynccontextmanager
    async def _living(self) -> AsyncGenerator[Life[S]]:
        doom = Doom(self._chance)
        doom.risk = self.risk
        async with self._open_service(doom) as (service, loops):
            life = Life(doom, service)
            for loop in loops:
                life.spawn(self._duty(loop, life))
            self.life = life
            try:
                yield life
            finally:
                self.life = None
                await life.end()

    async def _duty(self, loop: Loop, life: Life[S]) -> None:
        """As in the run shell: when a duty fails the process ends."""
        try:
            await loop.run(life.stop)
        except Exception as error:  # noqa: BLE001 - whatever it was, the process dies of it, and the plan tells
            if not life.doom.struck.is_set():
                life.doom.strike(f"of {type(error).__name__} in {loop.name}: {error}")
