"""Carries out a plan on a running stack."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil
from redis.asyncio import Redis
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.kafka_jars import KafkaNode

from centralino.proof.running import Running
from centralino.proof.timing import Trouble
from centralino.proof.trials.plan import LEASE_SECONDS, Plan
from centralino.proof.trials.probe import Probe
from centralino.services import ENGINE

BACK_SECONDS_MAX: Final = 120.0
TAKE_OVER_SECONDS_MAX: Final = 40.0
NOBODYS_PORT: Final = 9
"""Discard: no server answers there."""
STOP_SIGNALS: Final = {"postgres": signal.SIGINT}
"""As `centralino up` stops it; all others by SIGTERM."""


@dataclass(slots=True, kw_only=True)
class Striker:
    """`strike` does what the plan says and returns when all runs again. `node`: Kafka, where it is Apache's."""

    stack: Running
    plan: Plan
    probe: Probe
    node: KafkaNode | None = None
    clock: SystemClock = field(default_factory=SystemClock)

    async def strike(self) -> Trouble:
        """Returns from when until when something was broken: until every part runs and is ready."""
        await self.clock.sleep(self.plan.delay_seconds)
        struck_at_ms = await self._strike()
        missing: list[str] = []

        async def ready() -> bool:
            missing[:] = await self.probe.missing()
            return not missing

        try:
            await eventually(ready, timeout_seconds=BACK_SECONDS_MAX)
        except AssertionError:
            raise LookupError(f"{', '.join(missing)}: not ready {BACK_SECONDS_MAX:.0f} s after the blow") from None
        return Trouble(struck_at_ms, self.clock.now_ms())

    async def _strike(self) -> int:
        match self.plan.kind:
            case "kill":
                return await self._end_part(signal.SIGKILL)
            case "restart":
                return await self._end_part(STOP_SIGNALS.get(self.plan.part, signal.SIGTERM))
            case "freeze":
                return await self._freeze()
            case "mid-append":
                return await self._freeze_in_an_append()
            case "empty":
                return await self._empty()
            case "read-only":
                return await self._make_read_only()

    async def _end_part(self, number: signal.Signals) -> int:
        if self.plan.part == "kafka" and self.node is not None:
            struck_at_ms = self.clock.now_ms()
            # In a thread: the people of the story go on.
            await asyncio.to_thread(self.node.end, number)
            await asyncio.to_thread(self.node.start)
            return struck_at_ms
        name = await self._name()
        process = self._process(name)
        struck_at_ms = self.clock.now_ms()
        process.send_signal(number)
        await eventually(lambda: self.stack.process(name) not in (None, process), timeout_seconds=BACK_SECONDS_MAX)
        return struck_at_ms

    async def _empty(self) -> int:
        async with Redis.from_url(self.stack.addresses["redis"]) as redis:
            struck_at_ms = self.clock.now_ms()
            await redis.flushall()
        return struck_at_ms

    async def _make_read_only(self) -> int:
        async with Redis.from_url(self.stack.addresses["redis"]) as redis:
            struck_at_ms = self.clock.now_ms()
            await redis.replicaof("127.0.0.1", NOBODYS_PORT)
            try:
                await self.clock.sleep(self.plan.seconds)
            finally:
                await redis.replicaof("NO", "ONE")
        return struck_at_ms

    async def _freeze(self) -> int:
        name = await self._name()
        with self._frozen(name) as struck_at_ms:
            if self.plan.part == ENGINE:
                await self._taken_over(name)
            await self.clock.sleep(self.plan.seconds)
        return struck_at_ms

    async def _freeze_in_an_append(self) -> int:
        """Time-outs of offers fall due while the broker is frozen, so the owner has batches on their way; then it
        freezes too. Its lease runs out, the broker wakes, another engine takes over, and the first one wakes last."""
        name = await self._name()
        with ExitStack() as frozen:
            with self._frozen("kafka") as struck_at_ms:
                await self.clock.sleep(self.plan.lead_seconds)
                frozen.enter_context(self._frozen(name))
                await self.clock.sleep(LEASE_SECONDS + 0.5)
            await self._taken_over(name)
            await self.clock.sleep(self.plan.seconds)
        return struck_at_ms

    @contextmanager
    def _frozen(self, name: str) -> Iterator[int]:
        struck_at_ms = self.clock.now_ms()
        self._signal(name, signal.SIGSTOP)
        try:
            yield struck_at_ms
        finally:
            self._signal(name, signal.SIGCONT)

    async def _taken_over(self, name: str) -> None:
        """Until an engine other than this one owns the partition."""

        async def owned() -> bool:
            return await self.probe.owner(apart_from=name) is not None

        await eventually(owned, timeout_seconds=TAKE_OVER_SECONDS_MAX)

    async def _name(self) -> str:
        """Of an engine's plan: the one that owns the story's partition."""
        if self.plan.part != ENGINE:
            return self.plan.part
        return await eventually(self.probe.owner, timeout_seconds=BACK_SECONDS_MAX) or ENGINE

    def _signal(self, name: str, number: signal.Signals) -> None:
        if name == "kafka" and self.node is not None:
            self.node.send_signal(number)
            return
        process = self._process(name)
        for each in (process, *process.children(recursive=True)):
            each.send_signal(number)

    def _process(self, name: str) -> psutil.Process:
        process = self.stack.process(name)
        if process is None:
            raise LookupError(f"{name} does not run: it died before the plan came to it")
        return process
