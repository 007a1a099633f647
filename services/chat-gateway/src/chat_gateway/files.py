"""Fetches customers' files from providers once their messages are accepted, and deletes those that were taken back."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Final

from gatewaykit.blobs import Blobs
from gatewaykit.domain.content import File
from gatewaykit.domain.outgoing import PROVIDER_AWAY
from gatewaykit.keep import keep
from gatewaykit.links import clean_name
from gatewaykit.spool import Spool
from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock
from servicekit.store import EVERY_TENANT, wait_for_event
from servicekit.telemetry import log

from chat_gateway.carriers import Carriers
from chat_gateway.domain import files as decisions
from chat_gateway.domain.records import PendingFile
from chat_gateway.media import GoneError, Media, NotYetError
from chat_gateway.metrics import ProviderMetrics
from chat_gateway.store import ChatStore, ChatTransaction

LOG: Final = log("files")
AT_ONCE: Final = 3
"""Each is on disk while it is fetched, twice where it goes on to S3."""
LEASE_MS: Final = 240_000
"""Longer than all steps of a fetch; who has not told by then has died."""
IDLE_SECONDS: Final = 1.0
MEASURE_MS: Final = 5_000


class FileFetching:
    """A Loop: several replicas share the work."""

    name = "fetch files"

    def __init__(
        self,
        carriers: Carriers,
        store: ChatStore,
        media: Media,
        blobs: Blobs,
        *,
        clock: Clock,
        chance: Chance,
        metrics: ProviderMetrics,
    ) -> None:
        self._carriers = carriers
        self._store = store
        self._media = media
        self._blobs = blobs
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._measured_at_ms = 0

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. What is being fetched when `stop` comes is waited for."""
        wake = self._store.wakes.fetching
        while not stop.is_set():
            wake.clear()
            found = 0
            with suppress(RetryLaterError):  # what is due stays due
                found = await self.turn()
            if found < AT_ONCE:
                await wait_for_event(wake, timeout_seconds=IDLE_SECONDS)

    async def turn(self) -> int:
        """Fetch or delete what is due, so many at once; how many there were."""
        now_ms = self._clock.now_ms()
        await self._measure(now_ms)
        async with self._store.transaction(EVERY_TENANT) as tx:
            files = await tx.claim_pending_files(now_ms, until_ms=now_ms + LEASE_MS, rows_max=AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for file in files:
                tasks.create_task(self._do(file))
        return len(files)

    def trouble(self) -> str | None:
        """PostgreSQL or a provider being away is no reason to restart."""
        return None

    async def _do(self, file: PendingFile) -> None:
        try:
            if file.state == "delete":
                await self._blobs.delete(file.tenant_id, file.blob_id)
                async with self._store.transaction(file.tenant_id) as tx:
                    await tx.remove_pending_file(file)
            else:
                await self._settle(file, await self._outcome(file))
        except RetryLaterError:
            return  # its lease ends, and somebody does it again
        except Exception:
            # One file's fault must not keep all others away. It is tried again when its lease ends.
            LOG.exception("file_failed", extra={"tenant": file.tenant_id, "message_id": file.message_id})

    async def _outcome(self, file: PendingFile) -> File | str | None:
        """The file as kept, or why it will not come; none: not yet."""
        try:
            kept = await self._fetched(file)
        except (NotYetError, RetryLaterError):
            given_up = self._clock.now_ms() - file.created_at_ms >= decisions.GIVE_UP_MS
            return PROVIDER_AWAY if given_up else None
        except GoneError as error:
            return error.code
        return kept

    async def _fetched(self, file: PendingFile) -> File:
        carried = self._carriers.at(file.address)
        if carried is None or carried.account.tenant_id != file.tenant_id:
            raise NotYetError("the address is not configured")
        if file.media is None:
            raise GoneError("file_gone")
        async with Spool() as spool:
            await self._media.fetch(carried, file.media, spool)
            kept = await self._blobs.put(file.tenant_id, file.blob_id, spool.pieces(), bytes_max=self._media.bytes_max)
        return File(
            blob_id=file.blob_id,
            name=clean_name(file.media.name or "") or f"file {file.place}",
            mime=kept.mime,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
        )

    async def _settle(self, file: PendingFile, outcome: File | str | None) -> None:
        """Keep what came of it, and tell whoever reads the conversation."""
        word = "kept" if isinstance(outcome, File) else outcome or "again"
        self._metrics.files.labels(word).inc()
        async with self._store.transaction(file.tenant_id) as tx:
            await settle(tx, file, outcome, self._clock.now_ms(), jitter=self._chance.uniform(0, 1))

    async def _measure(self, now_ms: int) -> None:
        if now_ms - self._measured_at_ms < MEASURE_MS:
            return
        self._measured_at_ms = now_ms
        async with self._store.transaction(EVERY_TENANT) as tx:
            waiting, oldest_ms = await tx.files_waiting()
        self._metrics.files_waiting.set(waiting)
        self._metrics.files_oldest_seconds.set(max(0, now_ms - oldest_ms) / 1000 if oldest_ms is not None else 0)


async def settle(
    tx: ChatTransaction, file: PendingFile, outcome: File | str | None, now_ms: int, *, jitter: float
) -> None:
    """What came of fetching the file, under its conversation's lock. One that was taken back meanwhile is deleted."""
    conversation = await tx.lock_conversation(file.tenant_id, file.interaction_id)
    rows = {each.place: each for each in await tx.pending_files_of(file.tenant_id, file.message_id)}
    mine = rows.get(file.place)
    message = await tx.message(file.tenant_id, file.message_id)
    if mine is None or mine.state != "fetch":
        return
    if conversation is None or message is None or message.erased_at_ms is not None:
        await tx.put_pending_file(replace(mine, state="delete", media=None, due_at_ms=now_ms))
        return
    if outcome is None:
        due_at_ms = now_ms + decisions.pause_ms(file.attempts, jitter)
        await tx.put_pending_file(replace(mine, due_at_ms=due_at_ms))
        return
    if isinstance(outcome, File):
        await tx.remove_pending_file(mine)
        del rows[file.place]
    else:
        rows[file.place] = replace(mine, state="failed", media=None)
        await tx.put_pending_file(rows[file.place])
    await keep(tx, conversation, decisions.changed(conversation, message, outcome, [*rows.values()], now_ms), now_ms)
