"""Puts together what plays prompts and keeps recordings; `app` gives it what is real."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from gatewaykit.blobs import Blobs
from gatewaykit.fetch import Fetcher
from gatewaykit.links_api import files_router
from servicekit.ports import Loop
from servicekit.run import Shell

from voice_gateway.media_settings import MediaSettings
from voice_gateway.prompts import (
    ByLink,
    FindPrompt,
    InWords,
    PromptMetrics,
    PromptResolver,
    Reads,
    SharedFolder,
)
from voice_gateway.prompts_api import own_sounds_router
from voice_gateway.prompts_sounds import Sounds, SoundSweep
from voice_gateway.prompts_speech import SpeechCommand
from voice_gateway.prompts_tables import PromptStore
from voice_gateway.recordings import Drivers, RecordingFetching, RecordingMetrics, RecordingRetention
from voice_gateway.recordings_api import ClientsOf, ListeningPolicy, RecordingsApi
from voice_gateway.recordings_tables import RecordingStore

PREFIX: Final = "/voice/v1"
SIMULATED: Final = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaParts:
    """What it works with. `nodes` are how each reads sounds, see `reads_of`."""

    recordings: RecordingStore
    prompts: PromptStore
    blobs: Blobs
    fetcher: Fetcher
    find: FindPrompt
    clients_of: ClientsOf
    drivers: Drivers
    nodes: Sequence[Reads]


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """`resolver.reader` finds sounds for a node; `fetching.wake` is set after a commit that wants a recording; `sounds`
    are closed at last."""

    resolver: PromptResolver
    fetching: RecordingFetching
    sounds: Sounds
    loops: Sequence[Loop]
    routers: Sequence[APIRouter]


def assembled(settings: MediaSettings, shell: Shell, parts: MediaParts) -> Media:
    """All of it."""
    clock, keys, telemetry = shell.clock, settings.link_keys, shell.telemetry
    sounds = Sounds(
        parts.prompts, parts.blobs, parts.fetcher, clock, speech=_speech(settings), folder=settings.sounds_path
    )
    metrics = RecordingMetrics(telemetry)
    fetching = RecordingFetching(
        parts.recordings,
        parts.drivers,
        parts.blobs,
        clock=clock,
        chance=shell.chance,
        metrics=metrics,
        bytes_max=settings.recording_bytes_max,
    )
    retention = RecordingRetention(parts.recordings, parts.blobs, clock, metrics)
    folders = tuple(dict.fromkeys(reads.folder for reads in parts.nodes if isinstance(reads, SharedFolder)))
    api = RecordingsApi(
        parts.recordings,
        retention,
        keys,
        parts.clients_of,
        ListeningPolicy(
            link_seconds=settings.recording_link_seconds, agents_hear_talks=settings.recording_agents_listen
        ),
        url=f"{settings.public_url}{PREFIX}",
        clock=clock,
        ids=shell.ids,
    )
    return Media(
        resolver=PromptResolver(parts.find, sounds, keys, clock, PromptMetrics(telemetry)),
        fetching=fetching,
        sounds=sounds,
        loops=[fetching, retention, SoundSweep(parts.prompts, parts.blobs, clock, folders=folders)],
        routers=[api.router(), own_sounds_router(), files_router(parts.blobs, keys, clock)],
    )


def reads_of(driver: str, options: Mapping[str, str], public_url: str) -> Reads:
    """How a node reads sounds, by its options: `sounds_folder`, a folder that we share with it (`sounds_folder_there`
    is its path at the node, if that is another), or `sounds_url`, where it reaches our routes, if not at the public
    URL."""
    if driver == SIMULATED:
        return InWords()
    if folder := options.get("sounds_folder"):
        return SharedFolder(Path(folder), options.get("sounds_folder_there", folder))
    return ByLink(options.get("sounds_url", f"{public_url}{PREFIX}").rstrip("/"))


def _speech(settings: MediaSettings) -> SpeechCommand | None:
    if not settings.speech_command.strip():
        return None
    return SpeechCommand(
        settings.speech_command,
        version=settings.speech_version,
        seconds_max=settings.speech_seconds_max,
        at_once_max=settings.speech_at_once_max,
    )
