"""Takes what deliveries of providers say, in as few transactions as may be.

Messages that stand alone (most do) are taken together with those of the tenant's other deliveries that came while the
transaction before was being committed. What needs more is taken for itself.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gatewaykit.domain.outgoing import CLOCKS_DIFFER_MS, SEND_MS, WINDOW_CLOSED, echoed
from gatewaykit.domain.provider import (
    Echo,
    Item,
    NotUnderstoodError,
    Passed,
    Received,
    StatusReport,
    Unsent,
)
from gatewaykit.domain.records import Place
from gatewaykit.inbound import Accepted, accept, close_window
from gatewaykit.inbound_together import Word, accept_together, stands_alone
from gatewaykit.outgoings import Outgoings
from servicekit.errors import RetryLaterError
from servicekit.gathered import Gathered
from servicekit.ports import Clock
from servicekit.telemetry import traceparent

from chat_gateway.carriers import PROVIDERS
from chat_gateway.domain.records import PendingFile
from chat_gateway.metrics import ProviderMetrics
from chat_gateway.store import ChatStore, ChatTransaction
from chat_gateway.typing_hints import TypingHints

ITEMS_AT_ONCE: Final = 100
"""Of one transaction: conversations are locked until its end."""
DELIVERIES_TOGETHER: Final = 50
ITEMS_TOGETHER: Final = 10
"""Of each; with more it is taken for itself."""
TOGETHER_BYTES_MAX: Final = 65_536
"""The same for its body, so that a transaction is bounded by its bytes as well."""
DELIVERY_SECONDS: Final = 2.5
"""Nobody waits longer for a delivery, which is less than any provider does: Slack's 3 s are the least."""
TURN_SECONDS: Final = 1.0
"""Who waits longer for a turn is put off: what begins too late is cut short, and with many waiting all would be."""
FILES_MAX: Final = 20
"""Of one message; further ones are not fetched."""
EARLY_MS: Final = 1500
EARLY_PAUSE_SECONDS: Final = 0.05
ECHOED_ROWS_MAX: Final = 5000
"""More than any account hands to its provider within the time that is looked at."""


class EarlyEchoError(RetryLaterError):
    """Something to the same customer is with the provider just now: nobody can say whether this is its echo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """One thing of a delivery, and the address that it is about."""

    provider: str
    place: Place
    item: Item
    traceparent: str | None = field(default_factory=traceparent)
    """Of the delivery."""


class Receiving:
    """Takes deliveries that were verified."""

    def __init__(
        self,
        store: ChatStore,
        outgoings: Outgoings,
        clock: Clock,
        metrics: ProviderMetrics,
        typing: TypingHints,
        *,
        at_once: int,
    ) -> None:
        self.typing = typing
        self._store = store
        self._outgoings = outgoings
        self._clock = clock
        self._metrics = metrics
        self._turns = asyncio.Semaphore(at_once)
        self._under_way: set[asyncio.Task[None]] = set()
        self._together = Gathered(
            self._taken_together,
            items_max=DELIVERIES_TOGETHER,
            wait_seconds_max=TURN_SECONDS,
            batch_seconds_max=DELIVERY_SECONDS - TURN_SECONDS,  # what fails then has a second to be taken for itself
        )

    async def take(self, landed: Sequence[Landed], *, size_bytes: int) -> None:
        """Take all of a delivery of so many bytes; what was taken before is not taken again. Acknowledge only after
        this has returned.

        Raises RetryLaterError, or TimeoutError where it is not its turn in time; a part of the delivery may be taken by
        then. Who gives up waiting cuts no transaction short.
        """
        if size_bytes <= TOGETHER_BYTES_MAX and len(landed) <= ITEMS_TOGETHER and _all_stand_alone(landed):
            outcomes = await self._together.ask(landed[0].place.tenant_id, landed)
            if outcomes is not None:
                self._count(landed, outcomes)
                landed = [each for each, outcome in zip(landed, outcomes, strict=True) if outcome is None]
        await self._to_its_end(self._take_for_itself(landed))

    async def _to_its_end(self, taking: Coroutine[Any, Any, None]) -> None:
        """A transaction that is cut short costs its connection, and under load the next ones pay for that; finished, it
        makes the delivery a known one when it comes again."""
        task = asyncio.get_running_loop().create_task(taking)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have waited

    async def _taken_together(self, tenant_id: str, deliveries: Sequence[Sequence[Landed]]) -> list[list[str | None]]:
        """What became of each thing of each delivery; none: somebody holds its conversation just now."""
        now_ms = self._clock.now_ms()
        landed = [each for delivery in deliveries for each in delivery]
        items = [each.item for each in landed if stands_alone(each.item)]  # all of them
        words = [
            Word(place=each.place, item=_marked(item), traceparent=each.traceparent)
            for each, item in zip(landed, items, strict=True)
        ]
        async with self._turn(), self._store.transaction(tenant_id) as tx:
            done = await accept_together(tx, words, now_ms)
            for word, accepted in zip(words, done, strict=True):
                if accepted:
                    await _put_files(tx, word.place, word.item, accepted, now_ms)
        outcomes = iter([accepted.outcome if accepted else None for accepted in done])
        return [[next(outcomes) for _ in delivery] for delivery in deliveries]

    async def _take_for_itself(self, landed: Sequence[Landed]) -> None:
        # Each conversation's in the order of the delivery, and conversations in one order everywhere: who takes two
        # deliveries at once cannot wait for itself.
        ordered = sorted(landed, key=_conversation)
        for start in range(0, len(ordered), ITEMS_AT_ONCE):
            some = ordered[start : start + ITEMS_AT_ONCE]
            self._count(some, await self._taken(some))

    async def _taken(self, landed: Sequence[Landed]) -> list[str]:
        """Of an echo that came before the provider's answer was kept, which names its id: as soon as that is."""
        until_ms = self._clock.now_ms() + EARLY_MS
        while True:
            try:
                async with self._turn(), self._store.transaction(landed[0].place.tenant_id) as tx:
                    return await self._take(tx, landed)
            except EarlyEchoError:
                if self._clock.now_ms() >= until_ms:
                    raise
            await self._clock.sleep(EARLY_PAUSE_SECONDS)

    async def _take(self, tx: ChatTransaction, landed: Sequence[Landed]) -> list[str]:
        now_ms = self._clock.now_ms()
        outcomes: list[str] = []
        told: dict[str, list[StatusReport | Echo]] = {}
        for each in landed:
            item = await _recognised(tx, each)
            if isinstance(item, StatusReport) and item.code == WINDOW_CLOSED:
                await self._close_window(tx, each, item, now_ms)
            done = await _accepted(tx, each, item, now_ms)
            outcomes.append(done.outcome if done else "not_understood")
            if done and done.outcome == "sending" and isinstance(item, StatusReport | Echo):
                told.setdefault(each.place.address, []).append(item)
        for address, items in sorted(told.items()):
            await self._outgoings.told(tx, (landed[0].place.tenant_id, address), items, now_ms)
        return outcomes

    async def _close_window(self, tx: ChatTransaction, landed: Landed, report: StatusReport, now_ms: int) -> None:
        """A provider whose deliveries tell of refusals."""
        provider = PROVIDERS.get((landed.provider, landed.place.channel))
        if provider is None:
            return
        rows = await self._outgoings.meant(tx, (landed.place.tenant_id, landed.place.address), report)
        for row in rows:
            await close_window(tx, row, provider.capabilities, now_ms)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        async with asyncio.timeout(TURN_SECONDS):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    def _count(self, landed: Sequence[Landed], outcomes: Sequence[str | None]) -> None:
        for each, outcome in zip(landed, outcomes, strict=True):
            if outcome is not None:
                self._metrics.items.labels(each.provider, outcome).inc()


def _all_stand_alone(landed: Sequence[Landed]) -> bool:
    return all(stands_alone(each.item) for each in landed)


async def _accepted(tx: ChatTransaction, landed: Landed, item: Item, now_ms: int) -> Accepted | None:
    """None: its ids cannot be kept, so nobody can know it again; others of the delivery must not suffer."""
    try:
        marked = _marked(item) if isinstance(item, Received) else item
        done = await accept(tx, landed.place, marked, (), now_ms, ours=_ours)
    except NotUnderstoodError:
        return None
    if isinstance(item, Received):
        await _put_files(tx, landed.place, item, done, now_ms)
    elif isinstance(item, Unsent) and done.outcome == "accepted":
        await _forget_files(tx, landed.place, done, now_ms)
    return done


def _marked(item: Received) -> Received:
    """So that readers know how many files will follow."""
    count = len(item.media[:FILES_MAX])
    return replace(item, attributes={"files_pending": str(count), **item.attributes}) if count else item


async def _put_files(tx: ChatTransaction, place: Place, item: Received, done: Accepted, now_ms: int) -> None:
    """To be fetched, if the message was taken now."""
    if not done.is_new or done.interaction_id is None or done.message_id is None:
        return
    for number, ref in enumerate(item.media[:FILES_MAX], start=1):
        await tx.put_pending_file(
            PendingFile(
                tenant_id=place.tenant_id,
                message_id=done.message_id,
                place=number,
                interaction_id=done.interaction_id,
                address=place.address,
                media=ref,
                created_at_ms=now_ms,
                due_at_ms=now_ms,
            )
        )


async def _forget_files(tx: ChatTransaction, place: Place, done: Accepted, now_ms: int) -> None:
    """Of a message that was taken back: those that are kept, and those that are being fetched."""
    message_id, interaction_id = done.message_id or "", done.interaction_id or ""
    pending = {file.blob_id: file for file in await tx.pending_files_of(place.tenant_id, message_id)}
    for blob_id in done.blob_ids:
        number = int(blob_id.rpartition(".")[2])
        pending[blob_id] = PendingFile(
            tenant_id=place.tenant_id,
            message_id=message_id,
            place=number,
            interaction_id=interaction_id,
            address=place.address,
            media=None,
            created_at_ms=now_ms,
            due_at_ms=now_ms,
        )
    for file in pending.values():
        # A fetch under way may keep it once more before its lease ends.
        due_at_ms = max(now_ms, file.due_at_ms)
        await tx.put_pending_file(replace(file, state="delete", media=None, attempts=0, due_at_ms=due_at_ms))


async def _recognised(tx: ChatTransaction, landed: Landed) -> Item:
    """An echo that is not ours is a person's, from the vendor's inbox. Raises EarlyEchoError."""
    item, line = landed.item, (landed.place.tenant_id, landed.place.address)
    if not isinstance(item, Echo):
        return item
    if item.reference is not None and "\x00" not in item.reference:
        row = await tx.outgoing(line[0], item.reference)
        if row and row.address == line[1]:
            return item
    # First whether an answer is awaited, then whether there is one: between the two it may be kept.
    awaited = await tx.pair_in_flight(line, item.counterpart)
    if awaited and await _ours(tx, *line, item.provider_message_id) is None:
        raise EarlyEchoError
    return replace(item, reference=await _echoed(tx, landed, item))


async def _echoed(tx: ChatTransaction, landed: Landed, item: Echo) -> str | None:
    """Our reference of what it is the echo of, where the provider's echoes name none."""
    provider = PROVIDERS.get((landed.provider, landed.place.channel))
    if provider is None or provider.capabilities.echoes or item.sent_at_ms is None:
        return None
    since_ms = item.sent_at_ms - SEND_MS - CLOCKS_DIFFER_MS
    line = (landed.place.tenant_id, landed.place.address)
    rows = await tx.taken_since(line, since_ms=since_ms, after="", rows_max=ECHOED_ROWS_MAX)
    found = echoed(rows, item)
    return found.outgoing_id if found else None


async def _ours(tx: ChatTransaction, tenant_id: str, address: str, provider_message_id: str) -> str | None:
    """See gatewaykit.inbound.Ours."""
    if "\x00" in provider_message_id:
        return None
    rows = await tx.outgoing_of_provider((tenant_id, address), provider_message_id)
    return rows[0].message_id if rows else None


def _conversation(landed: Landed) -> tuple[str, str]:
    counterpart = None if isinstance(landed.item, Passed) else landed.item.counterpart
    return (landed.place.address, counterpart or "")
