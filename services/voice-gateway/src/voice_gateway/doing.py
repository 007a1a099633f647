"""Gives a node its commands: those of a call in their order, calls side by side, so many at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock
from servicekit.store import wait_for_event
from servicekit.telemetry import log

from voice_gateway.codec import Numbered
from voice_gateway.domain.commands import Command, Play
from voice_gateway.domain.driver import Driver
from voice_gateway.domain.words import Media
from voice_gateway.live_calls import Key
from voice_gateway.metrics import VoiceMetrics

LOG: Final = log("doing")
Resolve = Callable[[str, Media], Awaitable[Media]]
"""Where the node finds a sound of a tenant's. Raises RetryLaterError."""
Done = Callable[[Key, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoingLimits:
    """Bounds of a Doing."""

    in_flight_max: int = 64
    answer_seconds: float = 10.0
    pause_seconds_min: float = 0.1
    pause_seconds_max: float = 2.0


async def as_it_is(_: str, media: Media) -> Media:
    """A Resolve for sounds that the node has itself."""
    return media


class Doing:
    """Commands wait in line here, call by call. `done` is told of each that the node has taken."""

    done: Done

    def __init__(
        self,
        driver: Driver,
        *,
        clock: Clock,
        chance: Chance,
        metrics: VoiceMetrics,
        resolve: Resolve = as_it_is,
        limits: DoingLimits = DoingLimits(),
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._resolve = resolve
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.in_flight_max)
        self._lines: dict[Key, deque[tuple[Numbered, int]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def give(self, key: Key, commands: Sequence[Numbered]) -> None:
        """Put these behind what the call's line has."""
        if not commands:
            return
        now_ms = self._clock.now_ms()
        fresh = [(each, now_ms) for each in commands]
        if key in self._lines:
            self._lines[key].extend(fresh)
            return
        self._lines[key] = deque(fresh)
        self._empty.clear()
        task = asyncio.create_task(self._work_off(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drained(self, *, timeout_seconds: float) -> bool:
        """Wait until no command is left."""
        await wait_for_event(self._empty, timeout_seconds=timeout_seconds)
        return self._empty.is_set()

    async def close(self) -> None:
        """Do no more; of what is in flight nobody knows."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work_off(self, key: Key) -> None:
        line = self._lines[key]
        while line:
            numbered, given_at_ms = line[0]
            if await self._took(key, numbered.command):
                line.popleft()
                self._metrics.took(numbered.command, self._clock.now_ms() - given_at_ms)
                self.done(key, numbered.number)
            else:
                pause = self._limits
                await self._clock.sleep(self._chance.uniform(pause.pause_seconds_min, pause.pause_seconds_max))
        del self._lines[key]
        if not self._lines:
            self._empty.set()

    async def _took(self, key: Key, command: Command) -> bool:
        """Whether the node has taken it; without an answer nobody knows, so it is given again under its id."""
        try:
            if isinstance(command, Play):  # before the slot: a voice that reads slowly is not the node's affair
                media = [await self._resolve(key[0], each) for each in command.media]
                command = replace(command, media=tuple(media))
            async with self._slots:
                self._metrics.in_flight(1)
                try:
                    async with asyncio.timeout(self._limits.answer_seconds):
                        await self._driver.do(command)
                finally:
                    self._metrics.in_flight(-1)
        except (RetryLaterError, OSError, TimeoutError) as error:
            LOG.info("command_put_off", extra={"command": type(command).__name__, "error": type(error).__name__})
            return False
        except Exception:
            # A fault about one command must not hold up all that follows in its call.
            LOG.exception("command_failed", extra={"command": type(command).__name__})
        return True
