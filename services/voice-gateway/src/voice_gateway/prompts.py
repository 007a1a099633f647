"""Finds what a node is to play: `prompt:DOMAIN/NAME?lang=it&position=3` becomes a sound that the node can read.

A prompt that cannot be had - no such, no voice, a file that is away - is a beep: the call goes on.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatewaykit.links import Link, LinkKeys
from servicekit.ports import Clock
from servicekit.telemetry import Telemetry, log

from voice_gateway.domain import waves
from voice_gateway.domain.prompt_words import Asked, HasWords, Tone, Words, asked, chosen
from voice_gateway.domain.words import Media
from voice_gateway.prompts_sounds import NoSoundError, Sounds

LOG: Final = log("prompts")
RESOLVE_SECONDS: Final = 6.0
LINK_MS: Final = 6 * 3_600_000
"""A link is good for one to two of these, and the same within one: nodes that keep what they fetch know it again."""
OWN_FOLDER: Final = "own"
BEEP: Final = "beep"
OWN_SOUNDS: Final[dict[str, Callable[[], bytes]]] = {
    "beep": waves.beep,
    "silence": waves.silence,
    "music": waves.music,
}
FindPrompt = Callable[[str, str, str], HasWords | None]
"""A tenant's prompt by its domain and name."""
Resolve = Callable[[str, Media], Awaitable[Media]]
"""Of a tenant: where a node finds a sound."""


@dataclass(frozen=True, slots=True)
class InWords:
    """The node has no sound: it keeps the words (a simulated one)."""


@dataclass(frozen=True, slots=True)
class ByLink:
    """The node fetches sounds from us; `url` is where it finds our routes, `https://voice.example.com/voice/v1`."""

    url: str


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """The node reads a folder that we can write; `as_node` is its path there. A sound is named without its ending, as
    Asterisk wants it."""

    folder: Path
    as_node: str


Reads = InWords | ByLink | SharedFolder


class PromptMetrics:
    """How playing prompts goes."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.prompts = telemetry.counter("voice_prompts", "Prompts that were to be played.", "outcome")
        self.seconds = telemetry.histogram("voice_prompt_seconds", "Time to find the sound of one.")


class PromptResolver:
    """Finds sounds for nodes; `reader` is for one node."""

    def __init__(
        self,
        find: FindPrompt,
        sounds: Sounds,
        keys: LinkKeys,
        clock: Clock,
        metrics: PromptMetrics,
        *,
        seconds_max: float = RESOLVE_SECONDS,
    ) -> None:
        self._find = find
        self._sounds = sounds
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._seconds_max = seconds_max

    def reader(self, reads: Reads) -> Resolve:
        """A function that never fails; what is no prompt stays as it is."""

        async def resolve(tenant_id: str, media: Media) -> Media:
            wanted = asked(media.uri)
            if wanted is None:
                return media
            with self._metrics.seconds.time():
                return Media(uri=await self._found(tenant_id, wanted, reads))

        return resolve

    async def _found(self, tenant_id: str, wanted: Asked, reads: Reads) -> str:
        outcome = "played"
        try:
            async with asyncio.timeout(self._seconds_max):
                return await self._readable(tenant_id, wanted, reads)
        except NoSoundError as error:
            outcome = error.outcome
        except TimeoutError:
            outcome = "slow"
        except Exception:
            # A fault of ours must not take from a node whoever runs it.
            LOG.exception("prompt_failed", extra={"tenant_id": tenant_id, "prompt": wanted.name})
            outcome = "fault"
        finally:
            self._metrics.prompts.labels(outcome).inc()
        return await _own(BEEP, reads)

    async def _readable(self, tenant_id: str, wanted: Asked, reads: Reads) -> str:
        theirs = self._find(tenant_id, wanted.domain, wanted.name) if wanted.domain else None
        found = chosen(wanted, theirs)
        if found is None:
            raise NoSoundError("unknown")
        if isinstance(found, Tone):
            return await _own(found.name, reads)
        if isinstance(reads, InWords):
            return f"words:{found.text}" if isinstance(found, Words) else f"sound:{found.file}"
        blob_id = await self._sounds.kept(tenant_id, found)
        if isinstance(reads, ByLink):
            expires_at_ms = (self._clock.now_ms() // LINK_MS + 2) * LINK_MS
            link = Link(tenant_id=tenant_id, blob_id=blob_id, expires_at_ms=expires_at_ms, disposition="inline")
            return f"{reads.url}{self._keys.signed(link)}"
        return await self._in_folder(tenant_id, blob_id, reads)

    async def _in_folder(self, tenant_id: str, blob_id: str, reads: SharedFolder) -> str:
        place = reads.folder / tenant_id / blob_id
        try:
            if not await asyncio.to_thread(place.exists):
                content = await self._sounds.content(tenant_id, blob_id)
                await asyncio.to_thread(_write, place, content)
        except OSError as error:
            LOG.warning("folder_of_sounds_away", extra={"error": type(error).__name__})
            raise NoSoundError("folder_away") from error
        return _as_node(reads, tenant_id, blob_id)


async def _own(name: str, reads: Reads) -> str:
    """A sound of our own, which needs no store; if even that cannot be written, the node says that there is none."""
    if isinstance(reads, InWords):
        return name
    if isinstance(reads, ByLink):
        return f"{reads.url}/sounds/{name}.wav"
    place = reads.folder / OWN_FOLDER / f"{name}.wav"
    try:
        if not await asyncio.to_thread(place.exists):
            await asyncio.to_thread(_write, place, OWN_SOUNDS[name]())
    except OSError as error:
        LOG.warning("folder_of_sounds_away", extra={"error": type(error).__name__})
    return _as_node(reads, OWN_FOLDER, place.name)


def _as_node(reads: SharedFolder, folder: str, file: str) -> str:
    return f"{reads.as_node.rstrip('/')}/{folder}/{file.removesuffix('.wav')}"


def _write(place: Path, content: bytes) -> None:
    """Whole or not at all; whoever else writes it writes the same."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(place)
