"""Tries to own a partition, for ever: lease, take-over, reign, step down, pause, again."""

import asyncio
from contextlib import suppress
from typing import Final

from servicekit.live import LiveAwayError
from servicekit.ports import AppendRefusedError, AppendUnknownError, LogAwayError, OffsetGoneError
from servicekit.telemetry import log

from router.engine.errors import DecisionFailedError, LeaseLostError, StepDownError
from router.engine.inputs import Failures
from router.engine.reign import Reign, World
from router.engine.takeover import Claim, take_over

LOG: Final = log("engine.owner")
PAUSE_SECONDS: Final = (0.3, 0.7)
PAUSE_SECONDS_MAX: Final = 10.0
DOUBLINGS_MAX: Final = 5
"""Half a second, also after one short reign, as when Kafka fails over; from the second in a row on twice as long each
time, up to 10 s."""
LEASE_RENEWALS: Final = 4
"""How often a lease is renewed within its length."""
SHORT_REIGN_MS: Final = 10_000
"""Whoever reigns longer takes over six times a minute at most, without any pause."""
STUCK_MS: Final = 60_000

STEP_DOWN: Final = (StepDownError, AppendUnknownError, AppendRefusedError, LogAwayError, OffsetGoneError)
"""After any of these the state is dropped and the partition may be taken over anew. All else ends the process."""


class Owner:
    """A Loop: this engine's part in one partition. The name is new for each process start."""

    def __init__(self, world: World, partition: int) -> None:
        self.name = f"engine partition {partition}"
        self.reign: Reign | None = None
        self._world = world
        self.partition = partition
        self._owner = world.ids.new_id()
        self._failures = Failures()
        self._short_reigns = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Own the partition whenever its lease can be had. Raises what only an operator can mend."""
        self._world.metrics.expect(str(self.partition))
        try:
            while not stop.is_set():
                if await self._holds_lease():
                    await self._own(stop)
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():  # a task group that also failed says only the failure
                        raise asyncio.CancelledError
                    await self._pause(stop, max(0, self._short_reigns - 1))
                else:
                    await self._pause(stop, 0)
        finally:
            await self._release()

    def trouble(self) -> str | None:
        """Deciding has not gone round for a minute although this engine owns the partition."""
        if self.reign is None or self._world.clock.now_ms() - self.reign.stuck_since_ms() < STUCK_MS:
            return None
        return f"partition {self.partition}: deciding does not go round"

    async def _own(self, stop: asyncio.Event) -> None:
        label, begun_ms, away = str(self.partition), self._world.clock.now_ms(), False
        try:
            await self._one_epoch(stop, label)
        except* STEP_DOWN as group:
            reasons = _leaves(group)
            away = self.reign is None and all(isinstance(reason, LogAwayError) for reason in reasons)
            for reason in reasons:
                self._note_failure(reason)
                self._world.metrics.step_downs.labels(label, type(reason).__name__).inc()
            LOG.warning(
                "stepped_down", extra={"partition": self.partition, "reasons": [str(reason) for reason in reasons]}
            )
        finally:
            # Where Kafka is away nothing was written: it is asked again soon, however long that lasts.
            short = not away and self._world.clock.now_ms() - begun_ms < SHORT_REIGN_MS
            self._short_reigns = min(self._short_reigns, DOUBLINGS_MAX) + 1 if short else 0
            self.reign = None
            self._world.metrics.owned.labels(label).set(0)

    async def _one_epoch(self, stop: asyncio.Event, label: str) -> None:
        async with asyncio.TaskGroup() as group:
            lease = group.create_task(self._keep_lease())
            await self._take_over_and_reign(stop, label)
            lease.cancel()

    async def _take_over_and_reign(self, stop: asyncio.Event, label: str) -> None:
        world = self._world
        async with world.journal.open() as writer:
            claim = Claim(
                partition=self.partition,
                owner=self._owner,
                nonce=world.ids.new_id(),
                generation=world.settings.journal_generation,
            )
            fold = await take_over(world.log, writer, claim)
            self.reign = Reign(world, self.partition, fold, writer, self._failures)
            world.metrics.take_overs.labels(label).inc()
            world.metrics.void_batches.labels(label).inc(fold.void)
            world.metrics.owned.labels(label).set(1)
            LOG.info("took_over", extra={"partition": self.partition, "epoch": fold.epoch})
            await self.reign.run(stop)

    async def _keep_lease(self) -> None:
        """Renew the lease. Redis away: stay. The lease only detects failures; the journal's fence is what protects."""
        lease_seconds = self._world.settings.owner_lease_seconds
        while True:
            await self._world.clock.sleep(lease_seconds / LEASE_RENEWALS)
            try:
                if not await self._world.live.hold(self.partition, self._owner, round(lease_seconds * 1000)):
                    raise LeaseLostError(f"partition {self.partition}")
            except LiveAwayError:
                LOG.warning("lease_not_renewed", extra={"partition": self.partition})

    async def _holds_lease(self) -> bool:
        lease_ms = round(self._world.settings.owner_lease_seconds * 1000)
        try:
            return await self._world.live.hold(self.partition, self._owner, lease_ms)
        except LiveAwayError:
            return False

    def _note_failure(self, reason: BaseException) -> None:
        """Deciding a record failed: after three times it goes to the dead-letter topic with this traceback logged."""
        if isinstance(reason, DecisionFailedError):
            LOG.error("decision_failed", exc_info=reason, extra={"input": str(reason)})
            if reason.record is not None:
                self._failures[reason.record.topic, reason.record.partition, reason.record.offset] += 1

    async def _pause(self, stop: asyncio.Event, doublings: int) -> None:
        """Wait with jitter, longer while reigns are short: engines that fence each other must not fill the journal."""
        shortest, longest = PAUSE_SECONDS
        seconds = min(PAUSE_SECONDS_MAX, self._world.chance.uniform(shortest, longest) * 2**doublings)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()

    async def _release(self) -> None:
        try:
            await self._world.live.release(self.partition, self._owner)
        except LiveAwayError:
            LOG.info("lease_left_to_expire", extra={"partition": self.partition})


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
