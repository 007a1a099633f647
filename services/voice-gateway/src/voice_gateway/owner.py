"""Runs a node: takes its lease, loads its calls, opens its driver and reigns until somebody else does."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Partition
from servicekit.run import Shell
from servicekit.store import EVERY_TENANT, Position, wait_for_event
from servicekit.telemetry import log

from voice_gateway.admission import Admission
from voice_gateway.commits import Commits, LeaseLostError, consumer_of
from voice_gateway.doing import Doing, Resolve, as_it_is
from voice_gateway.domain.call import UnknownFormError
from voice_gateway.domain.commands import Provision
from voice_gateway.domain.driver import Driver, Sink
from voice_gateway.inputs import Inputs
from voice_gateway.live_calls import LiveCalls
from voice_gateway.metrics import VoiceInstruments, VoiceMetrics
from voice_gateway.reign import Reign, ReignParts, Told
from voice_gateway.resolving import Resolving, VoiceDirectory
from voice_gateway.routed import RouterSide, is_wanted
from voice_gateway.settings import VoiceNode
from voice_gateway.store import KeptCall, Lease, VoiceStore

LOG: Final = log("owner")
AWAY: Final = (RetryLaterError, OSError, TimeoutError)
LOOK_SECONDS: Final = 0.2
PHONES_AT_ONCE: Final = 20
PHONES_SECONDS: Final = 1.0
LAST_SECONDS: Final = 5.0
"""How long an owner that is stopped may write its last changes."""

OpenDriver = Callable[[VoiceNode, Sink], AbstractAsyncContextManager[Driver]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerParts:
    """What all owners of a process work with."""

    store: VoiceStore
    directory: VoiceDirectory
    shell: Shell
    open_driver: OpenDriver
    instruments: VoiceInstruments
    lease_seconds: float
    changes_max: int
    resolve: Callable[[VoiceNode], Resolve] = lambda _: as_it_is
    url: str | None = None
    """Where other replicas reach this one."""
    recordings_wanted: Callable[[], object] = lambda: None
    """Called after a commit that wants recordings fetched."""


class Owner:
    """A Loop: one node's. `driver` is there while it is ours; `phones_wanted` has phones made known at once."""

    def __init__(self, node: VoiceNode, parts: OwnerParts, *, is_outbound: bool) -> None:
        self.node = node
        self.name = f"owner of {node.name}"
        self.driver: Driver | None = None
        self.phones_wanted = asyncio.Event()
        self._parts = parts
        self._is_outbound = is_outbound
        self._holder = parts.shell.ids.new_id()
        self._was_away = False
        self._not_before_ms = 0
        self._metrics = VoiceMetrics(parts.instruments, node.name)

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        self._metrics.calls(0, connected=False)
        await self._until_configured(stop)
        while not stop.is_set():
            lease = await self._taken()
            if lease is None:
                wait_seconds = self._parts.shell.chance.uniform(0.5, 1.0) * self._parts.lease_seconds / 3
                await wait_for_event(stop, timeout_seconds=wait_seconds)
                continue
            LOG.info("node_taken", extra={"node": self.node.name, "epoch": lease.epoch})
            try:
                await self._own(lease, stop)
            except LeaseLostError:
                LOG.warning("node_lost_to_another", extra={"node": self.node.name, "epoch": lease.epoch})
            finally:
                self.driver = None
                self._metrics.calls(0, connected=False)

    def trouble(self) -> str | None:
        """A node or a database that is away is no reason to restart."""
        return None

    async def _until_configured(self, stop: asyncio.Event) -> None:
        """A call that comes before the configuration is known would be told that there is no such number."""
        while not self._parts.directory.complete and not stop.is_set():
            await wait_for_event(stop, timeout_seconds=LOOK_SECONDS)

    async def _taken(self) -> Lease | None:
        now_ms, lease_ms = self._parts.shell.clock.now_ms(), round(1000 * self._parts.lease_seconds)
        try:
            async with self._parts.store.transaction(EVERY_TENANT) as tx:
                if self._was_away:
                    # The owner could not keep its lease either, and has what happened meanwhile: it goes first.
                    await tx.nodes(now_ms=now_ms)
                    self._was_away, self._not_before_ms = False, now_ms + lease_ms
                if now_ms < self._not_before_ms:
                    return None
                return await tx.take_node(
                    self.node.name,
                    self._holder,
                    driver=self.node.driver,
                    now_ms=now_ms,
                    until_ms=now_ms + lease_ms,
                    url=self._parts.url,
                )
        except AWAY as error:
            self._was_away = True
            LOG.warning("lease_put_off", extra={"node": self.node.name, "error": type(error).__name__})
            return None

    async def _own(self, lease: Lease, stop: asyncio.Event) -> None:
        try:
            async with self._parts.store.transaction(EVERY_TENANT) as tx:
                kept = await tx.calls_of(lease.node)
                positions = await tx.positions_of(consumer_of(lease.node))
        except AWAY:
            return  # the next try takes it again
        calls = LiveCalls(lease.node)
        for call in kept:
            _load(calls, call)
        news = asyncio.Event()
        told = Told(news)
        async with self._parts.open_driver(self.node, told) as driver:
            self.driver = driver
            parts = self._assembled(lease, calls, driver, told, news, positions)
            await self._reign(lease, Reign(parts), parts, stop)

    def _assembled(
        self,
        lease: Lease,
        calls: LiveCalls,
        driver: Driver,
        told: Told,
        news: asyncio.Event,
        positions: Mapping[Partition, Position],
    ) -> ReignParts:
        shell, directory = self._parts.shell, self._parts.directory
        resolving = Resolving(directory, alive_seconds=self.node.legs_alive_seconds)
        doing = Doing(
            driver,
            clock=shell.clock,
            chance=shell.chance,
            metrics=self._metrics,
            resolve=self._parts.resolve(self.node),
        )
        inputs = Inputs(
            f"voice-gateway-{lease.node}",
            shell.log,
            positions,
            wanted=is_wanted,
            find=self._find,
            partition_of=directory.partition_of,
            news=news,
            clock=shell.clock,
            chance=shell.chance,
        )
        commits = Commits(
            self._parts.store,
            lease,
            calls,
            give=doing.give,
            positions=lambda: inputs.positions,
            partition_of=directory.partition_of,
            clock=shell.clock,
            chance=shell.chance,
            metrics=self._metrics,
            changes_max=self._parts.changes_max,
            recordings_wanted=self._parts.recordings_wanted,
        )
        routed = RouterSide(
            lease.node,
            calls,
            commits,
            resolving,
            can=lambda: driver.capabilities,
            is_outbound=self._is_outbound,
            clock=shell.clock,
            telemetry=shell.telemetry,
        )
        admission = Admission(
            calls_max=self.node.calls_max, per_second=self.node.calls_per_second, burst=self.node.calls_burst
        )
        return ReignParts(
            node=lease.node,
            driver=driver,
            calls=calls,
            doing=doing,
            commits=commits,
            inputs=inputs,
            resolving=resolving,
            admission=admission,
            routed=routed,
            clock=shell.clock,
            metrics=self._metrics,
            told=told,
            news=news,
        )

    async def _reign(self, lease: Lease, reign: Reign, parts: ReignParts, stop: asyncio.Event) -> None:
        deciding = asyncio.create_task(reign.run())
        duties: list[Coroutine[Any, Any, object]] = [
            reign.look_again(),
            parts.commits.run(),
            parts.commits.run_ahead(),
            parts.inputs.run(),
            self._keep_lease(lease, reign, parts),
            self._make_phones_known(parts.driver),
            stop.wait(),
        ]
        tasks = [deciding, *(asyncio.create_task(duty) for duty in duties)]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
            # Nothing new is taken, and what was decided is kept.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave(lease, parts)
            if reign.is_replaced:  # by another owner, who has the lease; or by somebody whom no lease stops
                self._not_before_ms = self._parts.shell.clock.now_ms() + round(1000 * self._parts.lease_seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await parts.doing.close()

    async def _leave(self, lease: Lease, parts: ReignParts) -> None:
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await parts.commits.flush()  # what was under way
                await parts.commits.flush()
                await parts.doing.drained(timeout_seconds=1.0)
                await parts.commits.flush()
                async with self._parts.store.transaction(EVERY_TENANT) as tx:
                    await tx.release_node(lease)
        except AWAY as error:
            LOG.warning("node_left_in_haste", extra={"node": lease.node, "error": type(error).__name__})

    async def _keep_lease(self, lease: Lease, reign: Reign, parts: ReignParts) -> None:
        """Raises LeaseLostError. While PostgreSQL is away nobody can take it either."""
        clock = self._parts.shell.clock
        while True:
            count = len(parts.calls)
            self._metrics.calls(count, connected=reign.connected)
            until_ms = clock.now_ms() + round(1000 * self._parts.lease_seconds)
            try:
                async with self._parts.store.transaction(EVERY_TENANT) as tx:
                    if not await tx.keep_node(lease, until_ms=until_ms, connected=reign.connected, calls=count):
                        raise LeaseLostError(lease.node)
            except AWAY as error:
                LOG.warning("lease_put_off", extra={"node": lease.node, "error": type(error).__name__})
            await clock.sleep(self._parts.lease_seconds / 3)

    async def _make_phones_known(self, driver: Driver) -> None:
        while True:
            self.phones_wanted.clear()
            try:
                async with self._parts.store.transaction(EVERY_TENANT) as tx:
                    wanted = await tx.phones_to_do(self.node.name, rows_max=PHONES_AT_ONCE)
                for phone in wanted:
                    await driver.do(
                        Provision(endpoint_id=phone.endpoint_id, password=phone.password, browser=phone.browser)
                    )
                    async with self._parts.store.transaction(EVERY_TENANT) as tx:
                        await tx.phone_done(phone, now_ms=self._parts.shell.clock.now_ms())
            except AWAY as error:
                LOG.info("phones_put_off", extra={"node": self.node.name, "error": type(error).__name__})
            await wait_for_event(self.phones_wanted, timeout_seconds=PHONES_SECONDS)

    async def _find(self, tenant_id: str, interaction_id: str) -> KeptCall | None:
        async with self._parts.store.transaction(tenant_id) as tx:
            return await tx.call(tenant_id, interaction_id)


def _load(calls: LiveCalls, kept: KeptCall) -> None:
    try:
        calls.load(kept)
    except (UnknownFormError, ValueError):
        # Its legs are ended as nobody's; the other calls go on.
        LOG.exception("call_not_understood", extra={"interaction_id": kept.interaction_id})


@asynccontextmanager
async def running(loop: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """A driver's loop beside whoever uses the driver. A loop that fails ends the use as well, with its failure: nobody
    talks for long by a driver that hears nothing."""
    stop, user = asyncio.Event(), asyncio.current_task()
    task = asyncio.create_task(loop(stop))

    def ended(_: object) -> None:
        if user is not None and not stop.is_set():
            user.cancel()

    task.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if user is None or not task.done() or task.cancelled() or task.exception() is None:
            raise
        user.uncancel()  # the failure is told below
    finally:
        stop.set()
        await task
