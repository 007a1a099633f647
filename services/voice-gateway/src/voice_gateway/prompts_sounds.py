"""Makes sounds of prompts, once each, and keeps them as files: what a voice reads, and what tenants have recorded."""

import asyncio
import hashlib
import json
from collections import OrderedDict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from gatewaykit.blobs import BlobConflictError, BlobMissingError, Blobs
from gatewaykit.domain.provider import HttpRequest
from gatewaykit.fetch import Fetcher, FetchRefusedError
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock, HttpNotSentError, HttpTooLargeError, HttpUnknownError
from servicekit.store import EVERY_TENANT, wait_for_event
from servicekit.telemetry import log

from voice_gateway.domain.prompt_words import SoundFile, Words
from voice_gateway.domain.waves import NotASoundError, for_telephones, read_wave, wave_file
from voice_gateway.prompts_speech import Speech, SpeechAwayError
from voice_gateway.prompts_tables import PromptStore

LOG: Final = log("prompts")
FORM: Final = 1
"""Of what we make of a sound: another number makes all of them again."""
FILE_BYTES_MAX: Final = 20_000_000
FETCH_SECONDS: Final = 20.0
KEEP_MS: Final = 30 * 86_400_000
"""Since it was played last, give or take MARGIN_MS."""
KEEP_PERSONAL_MS: Final = 3_600_000
MARGIN_MS: Final = 600_000
KNOWN_MAX: Final = 20_000
FAILED_MS: Final = 30_000
"""So long nobody tries again what has failed."""
REMOVE_AT_ONCE: Final = 20
SWEEP_SECONDS: Final = 60.0
Key = tuple[str, str]
T = TypeVar("T")


class NoSoundError(Exception):
    """There will be no sound for now; `outcome` says why, for metrics."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Sounds:
    """Files of 8 kHz, by what they were made of: the same words in the same voice are made once, also by several who
    ask at once, and found again after a restart and by other replicas. `folder` has the tenants' own sounds, in a
    folder of the tenant's id each."""

    def __init__(
        self,
        store: PromptStore,
        blobs: Blobs,
        fetcher: Fetcher,
        clock: Clock,
        *,
        speech: Speech | None,
        folder: Path | None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._fetcher = fetcher
        self._clock = clock
        self._speech = speech
        self._folder = folder
        self._known_until_ms: OrderedDict[Key, int] = OrderedDict()
        self._failed: OrderedDict[Key, tuple[int, str]] = OrderedDict()
        self._making: dict[Key, asyncio.Task[None]] = {}

    async def kept(self, tenant_id: str, source: Words | SoundFile) -> str:
        """The id of the file. Raises NoSoundError. Who does not wait for it finds it the next time."""
        key = tenant_id, await self._blob_id(tenant_id, source)
        now_ms = self._clock.now_ms()
        if self._known_until_ms.get(key, 0) > now_ms + MARGIN_MS:
            return key[1]
        failed_until_ms, outcome = self._failed.get(key, (0, ""))
        if failed_until_ms > now_ms:
            raise NoSoundError(outcome)
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(key, source))
            task.add_done_callback(lambda done: self._made(key, done))
        await asyncio.shield(task)
        return key[1]

    async def content(self, tenant_id: str, blob_id: str) -> bytes:
        """Of a file that is kept. Raises NoSoundError."""
        try:
            return await self._blobs.get(tenant_id, blob_id, bytes_max=FILE_BYTES_MAX)
        except (BlobMissingError, RetryLaterError) as error:
            raise NoSoundError("store_away") from error

    async def close(self) -> None:
        """Make no more."""
        tasks = [*self._making.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _made(self, key: Key, task: asyncio.Task[None]) -> None:
        self._making.pop(key, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, NoSoundError):
            _put(self._failed, key, (self._clock.now_ms() + FAILED_MS, error.outcome))

    async def _make(self, key: Key, source: Words | SoundFile) -> None:
        personal = isinstance(source, Words) and source.personal
        until_ms = self._clock.now_ms() + (KEEP_PERSONAL_MS + MARGIN_MS if personal else KEEP_MS)
        tenant_id, blob_id = key
        try:
            # Before the file, so that none is there of which nobody knows.
            async with self._store.transaction(tenant_id) as tx:
                await tx.keep_sound(tenant_id, blob_id, until_ms=until_ms)
            try:
                await self._blobs.info(tenant_id, blob_id)
            except BlobMissingError:
                sound = await asyncio.to_thread(_telephones, await self._read(tenant_id, source))
                with suppress(BlobConflictError):  # another replica's; a voice need not sound the same twice
                    await self._blobs.put(tenant_id, blob_id, sound, bytes_max=FILE_BYTES_MAX)
        except (NotASoundError, SpeechAwayError, RetryLaterError, FetchRefusedError, OSError) as error:
            outcome = _outcome(error)
            LOG.warning("prompt_without_sound", extra={"tenant_id": tenant_id, "outcome": outcome, "error": str(error)})
            raise NoSoundError(outcome) from error
        _put(self._known_until_ms, key, until_ms)

    async def _read(self, tenant_id: str, source: Words | SoundFile) -> bytes:
        if isinstance(source, Words):
            if self._speech is None:
                raise NoSoundError("no_speech")
            return await self._speech.read(source)
        if not source.file.startswith("https:") and not source.file.startswith("http:"):
            return await asyncio.to_thread(self._place(tenant_id, source).read_bytes)
        request = HttpRequest(method="GET", url=source.file, headers={})
        try:
            reply = await self._fetcher.fetch(request, timeout_seconds=FETCH_SECONDS, bytes_max=FILE_BYTES_MAX)
        except HttpTooLargeError as error:
            raise NotASoundError("too_large") from error
        except (HttpNotSentError, HttpUnknownError) as error:
            raise RetryLaterError(type(error).__name__) from error
        if reply.status != 200:
            raise FetchRefusedError(f"http_{reply.status}")
        return reply.body

    async def _blob_id(self, tenant_id: str, source: Words | SoundFile) -> str:
        """By all that it is made of: of a file in our folder also when it was changed."""
        made_of: list[object] = [FORM, type(source).__name__]
        if isinstance(source, Words):
            version = self._speech.version if self._speech else ""
            made_of += [source.text, source.language, source.voice, version]
        else:
            made_of.append(source.file)
            if not source.file.startswith("http"):
                made_of.append(await asyncio.to_thread(self._changed, tenant_id, source))
        return f"prompt-{hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:40]}.wav"

    def _changed(self, tenant_id: str, source: SoundFile) -> tuple[int, int] | None:
        try:
            seen = self._place(tenant_id, source).stat()
        except (NotASoundError, OSError):
            return None
        return seen.st_mtime_ns, seen.st_size

    def _place(self, tenant_id: str, source: SoundFile) -> Path:
        if self._folder is None:
            raise NotASoundError("no_folder")
        home = (self._folder / tenant_id).resolve()
        place = (home / source.file).resolve()
        if not place.is_relative_to(home):
            raise NotASoundError("not_in_its_folder")
        if place.is_file() and place.stat().st_size > FILE_BYTES_MAX:
            raise NotASoundError("too_large")
        return place


class SoundSweep:
    """A Loop: removes sounds that nobody has played for long; replicas share the work. `folders` are those in which
    nodes find them, see prompts.SharedFolder."""

    name = "prompt sweep"

    def __init__(self, store: PromptStore, blobs: Blobs, clock: Clock, *, folders: tuple[Path, ...] = ()) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._folders = folders

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        while not stop.is_set():
            removed = 0
            with suppress(RetryLaterError):  # what is due stays due
                removed = await self.turn()
            if removed < REMOVE_AT_ONCE:
                await wait_for_event(stop, timeout_seconds=SWEEP_SECONDS)

    async def turn(self) -> int:
        """Remove those whose time is over, at most REMOVE_AT_ONCE; how many there were. Nobody can keep one of them
        longer before all are gone, so that none is removed that somebody has just found."""
        async with self._store.transaction(EVERY_TENANT) as tx:
            expired = await tx.expired_sounds(now_ms=self._clock.now_ms(), rows_max=REMOVE_AT_ONCE)
            for tenant_id, blob_id in expired:
                await self._blobs.delete(tenant_id, blob_id)
                for folder in self._folders:
                    await asyncio.to_thread(partial((folder / tenant_id / blob_id).unlink, missing_ok=True))
                await tx.forget_sound(tenant_id, blob_id)
        return len(expired)

    def trouble(self) -> str | None:
        """PostgreSQL or the store of files being away is no reason to restart."""
        return None


def _telephones(content: bytes) -> bytes:
    return wave_file(for_telephones(read_wave(content)))


def _outcome(error: Exception) -> str:
    match error:
        case NotASoundError():
            return "not_a_sound"
        case SpeechAwayError():
            return "speech_away"
        case FetchRefusedError():
            return "file_refused"
        case OSError():
            return "file_away"
        case _:
            return "backend_away"


def _put(table: "OrderedDict[Key, T]", key: Key, value: T) -> None:
    table[key] = value
    while len(table) > KNOWN_MAX:
        table.popitem(last=False)
