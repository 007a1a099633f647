"""Hands what waits to providers: written down before the provider is asked, in order for each counterpart, not faster
than the provider wants it, and never again when nobody knows whether it was sent."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock
from servicekit.store import EVERY_TENANT, wait_for_event
from servicekit.telemetry import Telemetry, log

from gatewaykit.domain import outgoing
from gatewaykit.domain.outgoing import SEND_MS, OutgoingRow
from gatewaykit.domain.provider import Again, Capabilities, Outcome, Refused, RefusedError, Sent, Uncertain
from gatewaykit.outgoing_store import Line, OutgoingStore, OutgoingTransaction
from gatewaykit.outgoings import apply_early, change, change_one, storable

LOG: Final = log("sending")
IDLE_SECONDS: Final = 1.0
BUSY_SECONDS: Final = 0.25
"""Less than AHEAD_MS, so that an account's turns are given out before they come."""
MEASURE_MS: Final = 5_000
KEEP_TRYING_MS: Final = 600_000
KEEP_PAUSE_SECONDS: Final = (0.2, 1.0)


class Sender(Protocol):
    """Hands one part to its provider."""

    async def send(self, row: OutgoingRow) -> Outcome:
        """What the provider answers. Raises RefusedError if it cannot be sent at all, and RetryLaterError if it was
        certainly not sent and may be later (the file's bytes are away)."""
        ...


class Carrier(Protocol):
    """What the sending needs of a Provider."""

    @property
    def name(self) -> str:
        """Of the provider."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """How fast it may be asked, and what it promises."""
        ...


Carriers = Callable[[str, str], Carrier | None]
"""Who carries a tenant's address; none: it is not configured (yet)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingLimits:
    """So many parts at once: of this process, and of one account in all processes."""

    sends_max: int = 64
    account_sends_max: int = 32


class SendingMetrics:
    """What a process sends, and what waits in all of them."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.outcomes = telemetry.counter("outgoing_outcomes", "What providers answered.", "provider", "outcome")
        self.waiting = telemetry.gauge("outgoing_waiting", "Parts that wait to be sent; counted up to 100 000.")
        self.oldest_seconds = telemetry.gauge("outgoing_oldest_seconds", "Age of the oldest part that waits.")


class Sending:
    """A Loop: sends what is due; several replicas share the work."""

    name = "send messages"

    def __init__(
        self,
        store: OutgoingStore,
        sender: Sender,
        carriers: Carriers,
        *,
        clock: Clock,
        chance: Chance,
        metrics: SendingMetrics,
        limits: SendingLimits = SendingLimits(),
        wake: asyncio.Event | None = None,
    ) -> None:
        self._store = store
        self._sender = sender
        self._carriers = carriers
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._limits = limits
        self._in_flight = 0
        self._measured_at_ms = 0
        self.wake = wake or asyncio.Event()
        """Set it after a commit that put something (`OutgoingTransaction.put_outgoing`)."""

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. What is with a provider when `stop` comes is waited for."""
        async with asyncio.TaskGroup() as sends:
            while not stop.is_set():
                self.wake.clear()
                waiting = True
                with suppress(RetryLaterError):  # what is due stays due
                    waiting = await self.turn(sends)
                await wait_for_event(self.wake, timeout_seconds=BUSY_SECONDS if waiting else IDLE_SECONDS)

    async def turn(self, sends: asyncio.TaskGroup) -> bool:
        """Send what may be sent now, each in a task of its own; whether anything was due."""
        await self._lapse()
        await self._measure()
        async with self._store.transaction(EVERY_TENANT) as tx:
            lines = await tx.due_accounts(self._clock.now_ms())
        for line in lines:
            carrier = self._carriers(*line)
            room = self._limits.sends_max - self._in_flight
            if carrier is None or room <= 0:
                continue
            async with self._store.transaction(EVERY_TENANT) as tx:
                rows = await claim(
                    tx, line, carrier.capabilities, self._clock.now_ms(), rows_max=room, limits=self._limits
                )
            for row in rows:
                self._in_flight += 1
                sends.create_task(self._send(carrier, row))
        return bool(lines)

    def trouble(self) -> str | None:
        """PostgreSQL or a provider being away is no reason to restart."""
        return None

    async def _send(self, carrier: Carrier, row: OutgoingRow) -> None:
        try:
            outcome = await self._outcome(row)
            self._metrics.outcomes.labels(carrier.name, type(outcome).__name__.lower()).inc()
            await self._settle(carrier, row, outcome)
        finally:
            self._in_flight -= 1
            self.wake.set()  # the next to this counterpart may go

    async def _outcome(self, row: OutgoingRow) -> Outcome:
        """What came of asking the provider. A process that stood still until its lease is almost over asks no more."""
        await self._clock.sleep(max(0, (row.tried_at_ms or 0) - self._clock.now_ms()) / 1000)
        if self._clock.now_ms() + SEND_MS > (row.lease_until_ms or 0):
            return Again(after_ms=0, scope="pair", detail="not asked in time")
        try:
            async with asyncio.timeout(SEND_MS / 1000):
                return await self._sender.send(row)
        except RefusedError as error:
            return Refused(code=error.code, detail=str(error))
        except RetryLaterError as error:
            return Again(after_ms=0, scope="pair", detail=type(error).__name__)
        except TimeoutError:
            return Uncertain(detail="no answer in time")
        except Exception as error:  # one provider's fault must not make the parts of all others unknown
            LOG.exception("sender_failed", extra={"outgoing_id": row.outgoing_id})
            return Uncertain(detail=type(error).__name__)

    async def _settle(self, carrier: Carrier, row: OutgoingRow, outcome: Outcome) -> None:
        """Keep the outcome, as long as it takes: were it lost, the part would be unknown."""
        jitter, begun_at_ms = self._chance.uniform(0, 1), self._clock.now_ms()
        while True:
            now_ms = self._clock.now_ms()
            try:
                async with self._store.transaction(EVERY_TENANT) as tx:
                    await settle(tx, row, outcome, carrier.capabilities, now_ms=now_ms, jitter=jitter)
                return  # noqa: TRY300 - nothing follows
            except RetryLaterError:
                if now_ms - begun_at_ms > KEEP_TRYING_MS:
                    LOG.exception("outcome_lost", extra={"outgoing_id": row.outgoing_id})
                    return
                await self._clock.sleep(self._chance.uniform(*KEEP_PAUSE_SECONDS))

    async def _lapse(self) -> None:
        now_ms = self._clock.now_ms()
        async with self._store.transaction(EVERY_TENANT) as tx:
            found = await tx.lapsed_outgoing(now_ms)
        for row in found:
            carrier = self._carriers(row.tenant_id, row.address)
            async with self._store.transaction(EVERY_TENANT) as tx:
                await lapse(tx, row, carrier.capabilities if carrier else None, now_ms)

    async def _measure(self) -> None:
        now_ms = self._clock.now_ms()
        if now_ms - self._measured_at_ms < MEASURE_MS:
            return
        self._measured_at_ms = now_ms
        async with self._store.transaction(EVERY_TENANT) as tx:
            waiting, oldest_ms = await tx.outgoing_backlog()
        self._metrics.waiting.set(waiting)
        self._metrics.oldest_seconds.set(max(0, now_ms - oldest_ms) / 1000 if oldest_ms is not None else 0)


async def claim(
    tx: OutgoingTransaction,
    line: Line,
    capabilities: Capabilities,
    now_ms: int,
    *,
    rows_max: int,
    limits: SendingLimits,
) -> list[OutgoingRow]:
    """What this process sends of the account next: each has its turn at `tried_at_ms`, and is `sending` once that is
    committed. The provider is asked only then."""
    account = await tx.lock_account(line)
    if account is None:
        return []
    room = min(rows_max, limits.account_sends_max - await tx.in_flight(line))
    if room <= 0 or outgoing.turn(account, capabilities, now_ms) is None:
        return []
    every_ms = capabilities.pair_every_ms
    free_ms = float(now_ms + (capabilities.pair_burst - 1) * every_ms)
    rows: list[OutgoingRow] = []
    for head in await tx.due_heads(line, now_ms=now_ms, pair_full_at_ms=free_ms, rows_max=room):
        turn = outgoing.turn(account, capabilities, now_ms)
        if turn is None:
            break
        at_ms, account = turn
        rows.append(outgoing.claimed(head, at_ms))
        await tx.save_outgoing(rows[-1])
        if every_ms:
            await tx.spend(head, at_ms=at_ms, step_ms=every_ms)
    await tx.save_account(account)
    return rows


async def settle(
    tx: OutgoingTransaction,
    row: OutgoingRow,
    outcome: Outcome,
    capabilities: Capabilities,
    *,
    now_ms: int,
    jitter: float,
) -> None:
    """Keep what the provider answered to the row as it was claimed, with what it has reported of it meanwhile."""
    line = (row.tenant_id, row.address)
    provider_message_id = outcome.provider_message_id if isinstance(outcome, Sent) else None
    if provider_message_id and storable(provider_message_id):
        await tx.lock_provider_ids(line, [provider_message_id])
    pair = await tx.lock_pair(*line, row.counterpart)
    again_at_ms = now_ms + outgoing.pause_ms(row.attempts, outcome, jitter, capabilities.pause_ms)

    def changed(kept: OutgoingRow) -> OutgoingRow:
        after = outgoing.settled(
            kept, outcome, capabilities, attempt=row.attempts, now_ms=now_ms, again_at_ms=again_at_ms
        )
        return outgoing.reached(after, pair, now_ms) if pair else after

    await change_one(tx, row, changed, now_ms)
    if provider_message_id:
        await apply_early(tx, row, provider_message_id, now_ms)
    if isinstance(outcome, Again) and outcome.scope == "pair":
        await tx.block(*line, row.counterpart, until_ms=again_at_ms)
    elif isinstance(outcome, Again) or (isinstance(outcome, Uncertain) and outcome.throttles):
        pause_ms = outgoing.pause_ms(row.attempts, outcome, jitter, outgoing.ACCOUNT_PAUSE_MS)
        await tx.block(*line, "", until_ms=now_ms + pause_ms)


async def lapse(tx: OutgoingTransaction, row: OutgoingRow, capabilities: Capabilities | None, now_ms: int) -> None:
    """What time makes of the row's message, if it still does."""
    await change(tx, row.tenant_id, row.message_id, lambda kept: outgoing.lapsed(kept, capabilities, now_ms), now_ms)
