"""Recordings of talks and of legs: www.twilio.com/docs/voice/api/recording, "Call Recordings subresource".

Twilio begins a conference's recording only with the conference. So a talk is recorded on one of its legs, which hears
all others: `both` tracks of it. When that leg goes elsewhere, another one's recording goes on; the parts are one file.
Of a leg alone (voicemail) the `inbound` track is what its party says.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from gatewaykit.blobs import BlobsAwayError
from gatewaykit.spool import Spool
from servicekit.errors import RetryLaterError
from servicekit.store import wait_for_event
from servicekit.telemetry import log

from voice_gateway.domain.commands import Record
from voice_gateway.domain.events import RecordingFailed, RecordingReady
from voice_gateway.drivers.webhook.callbacks import Recorded
from voice_gateway.drivers.webhook.kept import Kept
from voice_gateway.drivers.webhook.legs import Leg
from voice_gateway.drivers.webhook.lines import GoneError, Lines
from voice_gateway.drivers.webhook.rest import RefusedError, UncertainError

LOG: Final = log("recordings")
RECORDINGS_MAX: Final = 10_000
IDLE_SECONDS: Final = 1.0
SOON_SECONDS: Final = 0.25
"""Until a recording is begun again that Twilio did not begin."""
WAV_RATE: Final = 8_000
_HEADER_BYTES: Final = 44
PartState = Literal["running", "paused", "silent", "stopped", "done", "absent"]
"""paused: time stands still; silent: it does not, and nothing is heard."""
_UNDER_WAY: Final = frozenset({"running", "paused", "silent"})
_WORDS: Final = {"running": "in-progress", "silent": "paused"}
_PAUSES: Final = {"paused": "skip", "silent": "silence"}


@dataclass(slots=True, kw_only=True)
class Part:
    """A recording of Twilio's."""

    call_sid: str
    sid: str
    state: PartState = "running"
    since_ms: int
    """When it began to be as it is."""
    seconds: float = 0.0
    """By our clock: Twilio tells whole ones."""


@dataclass(slots=True, kw_only=True)
class Recording:
    """One of ours."""

    recording_id: str
    room_id: str | None
    leg_id: str | None
    ends_at_ms: int
    ends_with_key: str | None
    paused: bool = False
    running: bool = True
    told: bool = False
    parts: list[Part] = field(default_factory=list)

    @property
    def now(self) -> Part | None:
        """The part that is being recorded."""
        return next((part for part in self.parts if part.state in _UNDER_WAY), None)

    def kept(self) -> Kept:
        """For the Keeper."""
        return Kept(kind="recording", id=self.recording_id, provider_id=None, state=asdict(self))


class Recordings:
    """Those of one account. `run` follows the legs."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._recordings: dict[str, Recording] = {}
        self._one_at_a_time = asyncio.Lock()

    def restore(self, kept: Kept) -> None:
        """As it was kept."""
        state: dict[str, Any] = dict(kept.state)  # Any: JSON of our own
        state["parts"] = [Part(**part) for part in state.get("parts", ())]
        self._recordings[kept.id] = Recording(**state)

    async def record(self, command: Record) -> None:
        """From now on. Raises GoneError."""
        lines, recording_id = self._lines, command.recording_id
        if recording_id in self._recordings or lines.is_over(recording_id):
            return
        if command.leg_id is not None:
            lines.leg(command.leg_id)
        elif command.room_id not in lines.rooms:
            raise GoneError("there is no such room")
        if len(self._recordings) >= RECORDINGS_MAX:
            raise RetryLaterError("too many recordings wait to be fetched")
        self._recordings[recording_id] = recording = Recording(
            recording_id=recording_id,
            room_id=command.room_id,
            leg_id=command.leg_id,
            ends_at_ms=lines.clock.now_ms() + 1000 * command.seconds_max,
            ends_with_key=command.ends_with_key,
        )
        await self._followed(recording)

    async def pause(self, recording_id: str, *, paused: bool) -> None:
        """Or go on. Raises GoneError, RefusedError: then it goes on as before."""
        recording = self._of(recording_id)
        before, recording.paused = recording.paused, paused
        try:
            await self._followed(recording)
        except RefusedError:
            recording.paused = before
            raise

    async def stop(self, recording_id: str) -> None:
        """Succeeds if there is none such."""
        recording = self._recordings.get(recording_id)
        if recording is not None:
            recording.running = False
            await self._followed(recording)

    async def pressed(self, leg_id: str, key: str) -> None:
        """A key may end a voicemail."""
        for recording in [*self._recordings.values()]:
            if recording.leg_id == leg_id and recording.ends_with_key == key:
                await self.stop(recording.recording_id)

    async def told(self, recording_id: str, told: Recorded) -> None:
        """What Twilio says of a part."""
        recording = self._recordings.get(recording_id)
        part = next((one for one in recording.parts if one.sid == told.recording_sid), None) if recording else None
        if recording is None or part is None:
            await self._late(recording, told)
            return
        if part.state in {"done", "absent"}:
            return
        if told.status in {"completed", "absent"}:
            self._count(part)
            part.state = "done" if told.status == "completed" else "absent"
            if abs(told.seconds - part.seconds) > 1:
                part.seconds = told.seconds
            self._lines.placed.set()

    async def _late(self, recording: Recording | None, told: Recorded) -> None:
        """One whose begin nobody had answered: it is the part that we look for, or one too many."""
        part = Part(call_sid=told.call_sid, sid=told.recording_sid, since_ms=self._lines.clock.now_ms())
        if told.status == "in-progress" and recording is not None and recording.running and recording.now is None:
            recording.parts.append(part)
            self._lines.placed.set()
        elif told.status == "in-progress":
            await self._change(part, "stopped")
        elif told.status == "completed" and not self._lines.is_over(told.recording_sid):
            await self._lines.rest.remove(f"Recordings/{told.recording_sid}")

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the legs until then."""
        while not stop.is_set():
            now_ms = self._lines.clock.now_ms()
            due = [each.ends_at_ms - now_ms for each in self._recordings.values() if each.running]
            wait_seconds = min([IDLE_SECONDS, *(max(0.001, left / 1000) for left in due)])
            await wait_for_event(self._lines.placed, timeout_seconds=wait_seconds)
            self._lines.placed.clear()
            await self.follow()

    async def follow(self) -> None:
        """Make every recording what it is to be. What cannot be done now is tried in the next round; trouble with one
        holds up no other."""
        for recording in [*self._recordings.values()]:
            try:
                await self._followed(recording)
            except RetryLaterError:
                return  # Twilio is away; the driver says so
            except (RefusedError, UncertainError) as error:
                LOG.warning("recording_not_followed", extra={"node": self._lines.account.node, "reason": str(error)})

    async def _followed(self, recording: Recording) -> None:
        async with self._one_at_a_time:
            if not recording.told:
                await self._follow(recording)

    async def _follow(self, recording: Recording) -> None:
        if recording.room_id is not None and recording.room_id not in self._lines.rooms:
            recording.running = False
        if recording.leg_id is not None and recording.leg_id not in self._lines.legs:
            recording.running = False
        if self._lines.clock.now_ms() >= recording.ends_at_ms:
            recording.running = False
        carrier, part = self._carrier(recording) if recording.running else None, recording.now
        if part is not None and (carrier is None or carrier.call_sid != part.call_sid):
            await self._change(part, "stopped")
            part = None
        wanted = _wanted(recording, carrier)
        if part is not None and part.state != wanted:
            await self._change(part, wanted)
        if part is None and carrier is not None and not recording.paused:
            await self._begin(recording, carrier)
        self._lines.keeper.keep(recording.kept())
        self._finish(recording)

    def _carrier(self, recording: Recording) -> Leg | None:
        """Who hears what is to be recorded and nothing else, and is heard: rather not whom a supervisor whispers to."""
        lines = self._lines
        if recording.leg_id is not None:
            return lines.legs.get(recording.leg_id)
        inside = [
            leg
            for leg in lines.legs.values()
            if leg.told_room_id == leg.room_id == recording.room_id
            and leg.playback_id is None
            and not (leg.held or leg.muted or leg.hearing == "listen")
        ]
        coached = {leg.monitors for leg in lines.legs.values() if leg.monitors and leg.mode == "whisper"}
        part = recording.now

        def rank(leg: Leg) -> tuple[bool, bool, bool]:
            return leg.leg_id in coached, part is None or part.call_sid != leg.call_sid, leg.ours

        return min(inside, key=rank, default=None)

    async def _begin(self, recording: Recording, leg: Leg) -> None:
        lines, path = self._lines, f"Calls/{leg.call_sid}/Recordings"
        fields = {
            "RecordingChannels": "mono",
            "RecordingTrack": "both" if recording.room_id is not None else "inbound",
            "Trim": "do-not-trim",
            "RecordingStatusCallback": lines.documents.url("recordings", recording=recording.recording_id),
            "RecordingStatusCallbackEvent": "in-progress completed absent",
        }
        try:
            sid = (await lines.rest.make(path, fields)).get("sid")
        except UncertainError:
            sid = await self._look(path)
        except RefusedError:
            return  # the call has just ended, which is told, and another leg is looked for
        if isinstance(sid, str) and all(part.sid != sid for part in recording.parts):
            now_ms = lines.clock.now_ms()
            recording.parts.append(Part(call_sid=leg.call_sid or "", sid=sid, since_ms=now_ms))
            if _wanted(recording, leg) != "running":
                lines.placed.set()
        elif sid is None:
            lines.later(self._soon())

    async def _soon(self) -> None:
        await self._lines.clock.sleep(SOON_SECONDS)
        self._lines.placed.set()

    async def _look(self, path: str) -> str | None:
        """A recording that may have been begun, and is none of those that are known."""
        known = {part.sid for each in self._recordings.values() for part in each.parts}
        told = (await self._lines.rest.get(path)).get("recordings")
        running = [each for each in told or () if each.get("status") in {"in-progress", "processing"}]
        return next((each["sid"] for each in running if each.get("sid") not in known), None)

    async def _change(self, part: Part, state: PartState) -> None:
        fields = {"Status": _WORDS.get(state, state)}
        if state in _PAUSES:
            fields["PauseBehavior"] = _PAUSES[state]
        try:
            await self._lines.rest.change(f"Calls/{part.call_sid}/Recordings/{part.sid}", fields)
        except RefusedError as error:
            if not error.gone:
                raise  # it goes on as it was
            state = "stopped"  # it has ended by itself, and its callback says so
        if part.state not in {"done", "absent"}:
            self._count(part)
            part.state = state

    def _count(self, part: Part) -> None:
        now_ms = self._lines.clock.now_ms()
        part.seconds += (now_ms - part.since_ms) / 1000 if part.state in {"running", "silent"} else 0.0
        part.since_ms = now_ms

    def _finish(self, recording: Recording) -> None:
        """All that there is of it is there."""
        if recording.running or any(part.state not in {"done", "absent"} for part in recording.parts):
            return
        recording.told = True
        done, at_ms = [part for part in recording.parts if part.state == "done"], self._lines.clock.now_ms()
        name = recording.recording_id
        if done:
            seconds = sum(part.seconds for part in done)
            self._lines.sink.tell(RecordingReady(recording_id=name, seconds=seconds, at_ms=at_ms))
        else:
            self._lines.sink.tell(RecordingFailed(recording_id=name, reason="nothing_recorded", at_ms=at_ms))
            self._lines.later(self.forget(name))
        self._lines.keeper.keep(recording.kept())

    async def pieces(self, recording_id: str) -> AsyncIterator[bytes]:
        """Its bytes: the parts' samples behind one header. Raises RetryLaterError, LookupError."""
        recording = self._recordings[recording_id]
        async with AsyncExitStack() as open_parts:
            spools = []
            try:
                for part in (part for part in recording.parts if part.state == "done"):
                    spool = await open_parts.enter_async_context(Spool())
                    await self._lines.rest.fetch(f"Recordings/{part.sid}.wav", spool)
                    spools.append(spool)
            except (BlobsAwayError, UncertainError) as error:
                raise RetryLaterError(str(error)) from error
            except RefusedError as error:
                raise (LookupError if error.gone else RetryLaterError)(str(error)) from error
            starts = [_samples_at(spool.head) for spool in spools]
            yield _header(sum(spool.size_bytes - start for spool, start in zip(spools, starts, strict=True)))
            for spool, start in zip(spools, starts, strict=True):
                left = start
                async for piece in spool.pieces():
                    yield piece[left:]
                    left = max(0, left - len(piece))

    async def forget(self, recording_id: str) -> None:
        """Twilio may remove it."""
        recording = self._recordings.get(recording_id)
        for part in recording.parts if recording else ():
            await self._lines.rest.remove(f"Recordings/{part.sid}")
            self._lines.remember(part.sid)
        self._recordings.pop(recording_id, None)
        self._lines.remember(recording_id)
        self._lines.keeper.forget("recording", recording_id)

    def _of(self, recording_id: str) -> Recording:
        recording = self._recordings.get(recording_id)
        if recording is None:
            raise GoneError("there is no such recording")
        return recording


def _wanted(recording: Recording, carrier: Leg | None) -> PartState:
    """How what is recorded now is to be recorded. Of a call Twilio records what its party says, heard or not."""
    if recording.paused:
        return "paused"
    unheard = carrier is not None and (carrier.muted or carrier.held or carrier.hearing == "listen")
    return "silent" if recording.leg_id is not None and unheard else "running"


def _samples_at(head: bytes) -> int:
    """Where the samples of a WAV file begin: behind the size of its chunk `data`."""
    found = head.find(b"data", 12)
    return found + 8 if found > 0 else min(len(head), _HEADER_BYTES)


def _header(size: int) -> bytes:
    """Of a WAV file of Twilio's: 8 kHz, 16 bits, one channel."""
    form = struct.pack("<HHIIHH", 1, 1, WAV_RATE, 2 * WAV_RATE, 2, 16)
    riff = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return riff + b"data" + struct.pack("<I", size)
