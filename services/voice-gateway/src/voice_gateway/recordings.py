"""Fetches recordings from their nodes, keeps them as files, and removes them when their time is over."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from contracts import Event
from contracts.calls import Pause, RecordingChanged, RecordingReady, RecordingRemoved
from gatewaykit.blobs import BlobConflictError, Blobs, BlobTooLargeError, KeptBlob
from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock
from servicekit.store import EVERY_TENANT, wait_for_event
from servicekit.telemetry import Telemetry, log

from voice_gateway.domain.driver import Driver
from voice_gateway.domain.waves import seconds_of
from voice_gateway.recordings_tables import Recording, RecordingStore, RecordingTransaction

LOG: Final = log("recordings")
SOURCE: Final = "/voice-gateway"
AT_ONCE: Final = 8
"""Each is a stream of the node's; where it goes on to S3 it is on disk meanwhile."""
LEASE_MS: Final = 660_000
"""Longer than a fetch; who has not told by then has died."""
FETCH_SECONDS: Final = 600.0
ATTEMPTS_MAX: Final = 1000
"""With the pauses between them about a week: a node that is repaired still has it."""
PAUSE_SECONDS_MAX: Final = 600.0
IDLE_SECONDS: Final = 1.0
MEASURE_MS: Final = 5_000
REMOVE_AT_ONCE: Final = 100
RETENTION_SECONDS: Final = 60.0
DAY_MS: Final = 86_400_000
HEAD_BYTES: Final = 1024
WAV: Final = "audio/wav"

Drivers = Callable[[], Mapping[str, Driver]]
"""The nodes that this process runs now, by name."""


class RecordingGoneError(Exception):
    """The node does not have the recording."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was fetched."""

    blob: KeptBlob
    seconds: float | None


class RecordingMetrics:
    """What becomes of recordings."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.recordings = telemetry.counter("voice_recordings", "What came of fetching them.", "outcome")
        self.removed = telemetry.counter("voice_recordings_removed", "Recordings removed.", "reason")
        self.waiting = telemetry.gauge("voice_recordings_waiting", "To be fetched; counted up to 100 000.")
        self.oldest_seconds = telemetry.gauge("voice_recordings_oldest_seconds", "Age of the oldest of them.")


class RecordingFetching:
    """A Loop: fetches what the nodes of this process have ready, keeps it, tells of it, then has the node forget it.

    Each step may be done again after a crash: the file's id is the recording's, the row and its event commit together,
    and a node forgets what it has forgotten.
    """

    name = "fetch recordings"

    def __init__(
        self,
        store: RecordingStore,
        drivers: Drivers,
        blobs: Blobs,
        *,
        clock: Clock,
        chance: Chance,
        metrics: RecordingMetrics,
        bytes_max: int,
    ) -> None:
        self._store = store
        self._drivers = drivers
        self._blobs = blobs
        self._clock = clock
        self._chance = chance
        self._metrics = metrics
        self._bytes_max = bytes_max
        self._measured_at_ms = 0
        self.wake = asyncio.Event()
        """To be set when one was committed as wanted."""

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. A slow one holds up no other; what is being fetched when `stop` comes is waited for."""
        running: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            self.wake.clear()
            begun: set[asyncio.Task[None]] = set()
            with suppress(RetryLaterError):  # what is due stays due
                begun = await self._begun(AT_ONCE - len(running))
            running = {task for task in running | begun if not task.done()}
            if len(running) >= AT_ONCE:
                await asyncio.wait(running, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            elif not begun:
                await wait_for_event(self.wake, timeout_seconds=IDLE_SECONDS)
        await asyncio.gather(*running)

    async def turn(self) -> int:
        """Do what is due, so many at once; how many there were."""
        begun = await self._begun(AT_ONCE)
        await asyncio.gather(*begun)
        return len(begun)

    async def _begun(self, rows_max: int) -> set[asyncio.Task[None]]:
        now_ms, drivers = self._clock.now_ms(), self._drivers()
        await self._measure(now_ms)
        async with self._store.transaction(EVERY_TENANT) as tx:
            due = await tx.claim_recordings(
                drivers.keys(), now_ms=now_ms, until_ms=now_ms + LEASE_MS, rows_max=max(0, rows_max)
            )
        return {asyncio.create_task(self._do(recording, drivers[recording.node])) for recording in due}

    def trouble(self) -> str | None:
        """A node, PostgreSQL or the store of files being away is no reason to restart."""
        return None

    async def _do(self, recording: Recording, driver: Driver) -> None:
        try:
            if recording.state == "wanted":
                recording = await self._fetched(recording, driver)
            if recording.state != "wanted" and recording.due_at_ms is not None:
                await self._forgotten(recording, driver)
        except RetryLaterError:
            return  # its lease ends, and somebody does it again
        except Exception:
            # One recording's fault must not keep all others away. It is tried again when its lease ends.
            LOG.exception("recording_failed", extra={"tenant": recording.tenant_id, "id": recording.recording_id})

    async def _fetched(self, recording: Recording, driver: Driver) -> Recording:
        """The recording as it is now known: kept, failed, or to be fetched later."""
        outcome = await self._outcome(recording, driver)
        now_ms = self._clock.now_ms()
        async with self._store.transaction(recording.tenant_id) as tx:
            row = await tx.recording(recording.tenant_id, recording.recording_id, lock=True)
            over = row is None or row.state in ("failed", "removed")
            if row is not None and row.state == "wanted":
                row = self._after(row, outcome, now_ms)
                await tx.put_recording(row)
                if row.state != "wanted":
                    await _announce(tx, row, now_ms)
        if over:  # its time was over meanwhile: what was just kept is nobody's
            await self._blobs.delete(recording.tenant_id, recording.recording_id)
        if row is None:
            return replace(recording, state="removed", due_at_ms=None)
        self._metrics.recordings.labels(row.reason or ("kept" if row.state == "kept" else "again")).inc()
        return row

    async def _outcome(self, recording: Recording, driver: Driver) -> _Kept | str | None:
        """What was kept, or why it never will be; none: not yet."""
        if recording.attempts > ATTEMPTS_MAX:
            return "node_away"
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await self._keep(recording, driver)
        except RecordingGoneError:
            return "recording_gone"
        except BlobTooLargeError:
            return "recording_too_large"
        except (RetryLaterError, OSError, TimeoutError):
            return None

    async def _keep(self, recording: Recording, driver: Driver) -> _Kept:
        read = _Read(driver.recording(recording.recording_id))
        try:
            blob = await self._blobs.put(
                recording.tenant_id, recording.recording_id, read.pieces(), bytes_max=self._bytes_max
            )
        except BlobConflictError:
            # Kept before a crash, in other bytes than the node gives now. Nobody was told of it, so it may go.
            await self._blobs.delete(recording.tenant_id, recording.recording_id)
            raise RetryLaterError("kept in other bytes before") from None
        return _Kept(blob, seconds_of(bytes(read.head), blob.size_bytes))

    def _after(self, row: Recording, outcome: _Kept | str | None, now_ms: int) -> Recording:
        if outcome is None:
            pause_seconds = min(PAUSE_SECONDS_MAX, 2.0 ** min(row.attempts, 10)) * self._chance.uniform(0.5, 1.0)
            return replace(row, due_at_ms=now_ms + int(1000 * pause_seconds))
        if isinstance(outcome, str):
            # The node may have it all the same: an operator can look for it there until its time is over.
            return replace(row, state="failed", reason=outcome, due_at_ms=max(now_ms + 1, row.keep_until_ms))
        blob = outcome.blob
        return replace(
            row,
            state="kept",
            seconds=row.seconds if outcome.seconds is None else outcome.seconds,
            size_bytes=blob.size_bytes,
            sha256=blob.sha256,
            content_type=WAV,
            due_at_ms=now_ms,
        )

    async def _forgotten(self, recording: Recording, driver: Driver) -> None:
        """The node need not have it any more."""
        if recording.due_at_ms is not None and recording.due_at_ms > self._clock.now_ms() + LEASE_MS:
            return  # a failed one, later
        await driver.forget_recording(recording.recording_id)
        async with self._store.transaction(recording.tenant_id) as tx:
            row = await tx.recording(recording.tenant_id, recording.recording_id, lock=True)
            if row is not None:
                await tx.put_recording(replace(row, due_at_ms=None))

    async def _measure(self, now_ms: int) -> None:
        if now_ms - self._measured_at_ms < MEASURE_MS:
            return
        self._measured_at_ms = now_ms
        async with self._store.transaction(EVERY_TENANT) as tx:
            waiting, oldest_ms = await tx.recordings_waiting()
        self._metrics.waiting.set(waiting)
        self._metrics.oldest_seconds.set(max(0, now_ms - oldest_ms) / 1000 if oldest_ms is not None else 0)


class RecordingRetention:
    """A Loop: removes recordings whose time is over; replicas may do it at once."""

    name = "recording retention"

    def __init__(self, store: RecordingStore, blobs: Blobs, clock: Clock, metrics: RecordingMetrics) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._metrics = metrics

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        while not stop.is_set():
            removed = 0
            with suppress(RetryLaterError):  # what is over stays over
                removed = await self.turn()
            if removed < REMOVE_AT_ONCE:
                await wait_for_event(stop, timeout_seconds=RETENTION_SECONDS)

    async def turn(self) -> int:
        """Remove the oldest whose time is over, at most REMOVE_AT_ONCE, kept or still to come; how many there were."""
        now_ms = self._clock.now_ms()
        async with self._store.transaction(EVERY_TENANT) as tx:
            expired = await tx.expired_recordings(now_ms=now_ms, rows_max=REMOVE_AT_ONCE)
        for recording in expired:
            await self.remove(recording, "expired")
        return len(expired)

    async def remove(self, recording: Recording, reason: str) -> None:
        """The file of a kept one goes first: after a crash it is deleted once more, and never forgotten. One that never
        came from its node has failed; whoever fetches it just now sees that. Raises RetryLaterError."""
        if recording.state not in ("wanted", "kept"):
            return
        if recording.state == "kept":
            await self._blobs.delete(recording.tenant_id, recording.recording_id)
        now_ms = self._clock.now_ms()
        async with self._store.transaction(recording.tenant_id) as tx:
            row = await tx.recording(recording.tenant_id, recording.recording_id, lock=True)
            if row is None or row.state != recording.state:
                return
            if row.state == "wanted":
                gone = replace(row, state="failed", reason="node_away", due_at_ms=None)
            else:
                gone = replace(row, state="removed", reason=reason)
            await tx.put_recording(gone)
            await _announce(tx, gone, now_ms)
        self._metrics.removed.labels(reason).inc()

    def trouble(self) -> str | None:
        """PostgreSQL or the store of files being away is no reason to restart."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhereRecorded:
    """Whose call it was, and at which node."""

    tenant_id: str
    interaction_id: str
    domain: str
    client: str
    node: str


def wanted(
    where: WhereRecorded,
    recording_id: str,
    *,
    kind: str,
    begun_at_ms: int,
    seconds: float,
    pauses: tuple[tuple[int, int], ...],
    keep_days: int,
    now_ms: int,
) -> Recording:
    """A recording that its node has ready, to be fetched at once; to be written in the transaction that knows of it."""
    return Recording(
        tenant_id=where.tenant_id,
        recording_id=recording_id,
        interaction_id=where.interaction_id,
        domain=where.domain,
        client=where.client,
        node=where.node,
        kind=kind,
        begun_at_ms=begun_at_ms,
        seconds=seconds,
        pauses=json.dumps(pauses),
        wanted_at_ms=now_ms,
        keep_until_ms=begun_at_ms + keep_days * DAY_MS,
        due_at_ms=now_ms,
    )


class _Read:
    """Looks at a stream's head as it passes."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self.head = bytearray()
        self._stream = stream

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                self.head += piece[: HEAD_BYTES - len(self.head)]
                yield piece
        except LookupError as error:
            raise RecordingGoneError from error


async def _announce(tx: RecordingTransaction, row: Recording, now_ms: int) -> None:
    """What has become of it. The event's id follows from that, so that telling it twice is telling it once."""
    event = Event(
        id=uuid5(NAMESPACE_URL, f"{row.tenant_id}/{row.recording_id}/{row.state}").hex,
        source=SOURCE,
        tenant_id=row.tenant_id,
        subject=row.interaction_id,
        time_ms=now_ms,
        data=_told(row, now_ms),
    )
    await tx.announce(event)


def _told(row: Recording, now_ms: int) -> RecordingReady | RecordingChanged | RecordingRemoved:
    whose = {"interaction_id": row.interaction_id, "domain": row.domain, "recording_id": row.recording_id}
    if row.state == "failed":
        return RecordingChanged(**whose, state="failed", reason=row.reason, changed_at_ms=now_ms)
    if row.state == "removed":
        return RecordingRemoved(**whose, reason=row.reason or "expired", removed_at_ms=now_ms)
    assert row.size_bytes is not None  # noqa: S101 - it is kept
    assert row.sha256 is not None  # noqa: S101 - it is kept
    return RecordingReady(
        **whose,
        kind="voicemail" if row.kind == "voicemail" else "talk",
        blob_id=row.recording_id,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        content_type=row.content_type or WAV,
        begun_at_ms=row.begun_at_ms,
        seconds=row.seconds,
        keep_until_ms=row.keep_until_ms,
        pauses=tuple(Pause(from_ms=begun_ms, to_ms=over_ms) for begun_ms, over_ms in json.loads(row.pauses)),
    )
