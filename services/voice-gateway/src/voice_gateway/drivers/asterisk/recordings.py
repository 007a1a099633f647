"""How long recordings are, and what ends them: Asterisk tells whole seconds only, and knows no key in a talk."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from servicekit.ports import Clock
from servicekit.store import wait_for_event

from voice_gateway.domain.commands import Record
from voice_gateway.domain.events import RecordingFailed, RecordingReady

RUNNING_MAX: Final = 10_000
BEGIN_SECONDS: Final = 2.0


@dataclass(slots=True, kw_only=True)
class _Running:
    asked: Record
    since_ms: int
    runs: asyncio.Event = field(default_factory=asyncio.Event)
    taken_ms: int = 0
    paused: bool = False


class Recordings:
    """Those that run. Of one that a gateway before us has begun only Asterisk's word is known."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running: dict[str, _Running] = {}

    def begin(self, asked: Record) -> None:
        """It is asked for; Asterisk says when it runs."""
        self._running.setdefault(asked.recording_id, _Running(asked=asked, since_ms=self._clock.now_ms()))
        while len(self._running) > RUNNING_MAX:
            del self._running[next(iter(self._running))]

    def started(self, recording_id: str) -> None:
        """It runs from now on."""
        running = self._running.get(recording_id)
        if running is not None and not running.runs.is_set():
            running.runs.set()
            running.since_ms = self._clock.now_ms()

    async def running(self, recording_id: str) -> None:
        """Until it runs, but not for ever."""
        running = self._running.get(recording_id)
        if running is not None:
            await wait_for_event(running.runs, timeout_seconds=BEGIN_SECONDS)

    def forget(self, recording_id: str) -> None:
        """There will be none."""
        self._running.pop(recording_id, None)

    def pause(self, recording_id: str, *, paused: bool) -> None:
        """What passes while it is paused is not in it."""
        running = self._running.get(recording_id)
        if running is not None and running.paused != paused:
            now_ms = self._clock.now_ms()
            running.taken_ms += 0 if running.paused else now_ms - running.since_ms
            running.since_ms, running.paused = now_ms, paused

    def over(self, event: RecordingReady | RecordingFailed) -> RecordingReady | RecordingFailed:
        """It has ended; how long it is, as exactly as is known."""
        running = self._running.pop(event.recording_id, None)
        if running is None or isinstance(event, RecordingFailed):
            return event
        last_ms = 0 if running.paused else event.at_ms - running.since_ms
        seconds = min((running.taken_ms + last_ms) / 1000, float(running.asked.seconds_max))
        return replace(event, seconds=seconds)

    def is_of_leg(self, recording_id: str) -> bool:
        """Whether it is one leg's; so if it is not known, for it may be."""
        running = self._running.get(recording_id)
        return running is None or running.asked.leg_id is not None

    def ended_by(self, leg_id: str, key: str) -> list[str]:
        """The recordings of a leg that this key ends."""
        return [
            recording_id
            for recording_id, running in self._running.items()
            if running.asked.leg_id == leg_id and running.asked.ends_with_key == key
        ]
