"""A driver without telephony, for machines that have no Asterisk: phones and an exchange in memory.

It passes the suite that real drivers pass. Whoever shows its calls says that they are simulated.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.store import wait_for_event

from voice_gateway.domain import commands, events
from voice_gateway.domain.commands import Command
from voice_gateway.domain.driver import Capabilities, Sink
from voice_gateway.domain.events import Event, LegSeen, Snapshot
from voice_gateway.domain.words import Hearing, Phone
from voice_gateway.drivers.exchange import Exchange, Invitation, Leg
from voice_gateway.drivers.phones import Phones
from voice_gateway.drivers.recordings import KEPT_MAX, Recording, of_leg, of_room
from voice_gateway.drivers.tones import wave_of

IDLE_SECONDS: Final = 1.0
GIVEN_MAX: Final = 10_000
"""Ids of commands that are remembered, so that one that comes again does nothing."""


class NoSuchThingError(Exception):
    """The command names a leg, a room or a recording that is not there; the text says which."""


class SimulatedDriver:
    """See Driver; `phones` is the other side. `run` lets happen what is due."""

    name = "simulated"
    capabilities = Capabilities(simulated=True, streams=False)

    def __init__(self, node: str, sink: Sink, clock: Clock) -> None:
        self._clock = clock
        self._sink = sink
        self._wake = asyncio.Event()
        self._exchange = Exchange(tell=self._told)
        self._lost = False
        self._recordings: dict[str, Recording] = {}
        self._given: dict[str, None] = {}
        self._acts = self._what_can_be_done()
        self.phones = Phones(node, self._exchange, self._now)

    def _what_can_be_done(self) -> dict[type, Callable[[Any], object]]:
        exchange = self._exchange
        return {
            commands.OpenRoom: lambda command: exchange.rooms.setdefault(command.room_id, command.kind),
            commands.CloseRoom: lambda command: self._close(command.room_id),
            commands.StopStream: lambda _: None,
            commands.Ring: lambda command: setattr(self._leg(command.leg_id), "rings", True),
            commands.Answer: lambda command: exchange.answer(self._leg(command.leg_id).leg_id),
            commands.Reject: self._reject,
            commands.HangUp: self._hang_up,
            commands.Dial: self._dial,
            commands.Join: lambda command: self._join(self._leg(command.leg_id), command.room_id, command.hearing),
            commands.Leave: self._leave,
            commands.Play: self._play,
            commands.StopPlaying: self._stop_playing,
            commands.Mute: lambda command: setattr(self._leg(command.leg_id), "muted", command.muted),
            commands.Hold: lambda command: setattr(self._leg(command.leg_id), "held", command.held),
            commands.Monitor: self._monitor,
            commands.SendKeys: self._send_keys,
            commands.Record: self._record,
            commands.PauseRecording: self._record,
            commands.StopRecording: self._record,
            commands.Provision: self._provision,
            commands.Withdraw: self._withdraw,
            commands.KeepAlive: lambda command: self._keep_alive(command.leg_ids, command.seconds),
            commands.AnswerTransfer: self._answer_transfer,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        while not stop.is_set():
            self._now(lambda: None)
            self._wake.clear()
            due_ms = self._exchange.next_due_ms()
            wait_seconds = IDLE_SECONDS if due_ms is None else (due_ms - self._clock.now_ms()) / 1000
            await wait_for_event(self._wake, timeout_seconds=min(IDLE_SECONDS, max(0.001, wait_seconds)))

    async def do(self, command: Command) -> None:
        """See Driver."""
        self._assert_reached()
        try:
            self._now(lambda: self._do(command))
        except NoSuchThingError as error:
            self._tell(events.CommandRefused(command=command, reason=str(error), at_ms=self._clock.now_ms()))

    def lose(self, reason: str) -> None:
        """From now on the node cannot be reached; what happens on it goes on and is not told."""
        self._tell(events.DriverLost(reason=reason, at_ms=self._clock.now_ms()))
        self._lost = True

    def regain(self) -> None:
        """It can be reached again."""
        snapshot = self._seen()
        self._lost = False
        self._tell(events.DriverRecovered(snapshot=snapshot, at_ms=snapshot.at_ms))

    async def snapshot(self) -> Snapshot:
        """See Driver."""
        self._assert_reached()
        return self._seen()

    def _assert_reached(self) -> None:
        if self._lost:
            raise RetryLaterError("the node cannot be reached")

    def _seen(self) -> Snapshot:
        self._now(lambda: None)
        legs = tuple(
            LegSeen(leg_id=leg.leg_id, answered=leg.answered, ours=leg.ours, room_id=leg.room_id)
            for leg in self._exchange.legs.values()
        )
        return Snapshot(legs=legs, rooms=tuple(self._exchange.rooms), at_ms=self._clock.now_ms())

    async def recording(self, recording_id: str) -> AsyncIterator[bytes]:
        """See Driver."""
        self._assert_reached()
        for chunk in wave_of(self._recordings[recording_id].spans):
            yield chunk

    async def forget_recording(self, recording_id: str) -> None:
        """See Driver."""
        self._assert_reached()
        self._recordings.pop(recording_id, None)

    def _now(self, act: Callable[[], None]) -> None:
        """Do something at this instant: what was due before has happened, and recordings hear the difference."""
        now_ms = self._clock.now_ms()
        self._exchange.advance(now_ms)
        try:
            act()
        finally:
            for recording in self._recordings.values():
                recording.catch_up(now_ms)
            self._wake.set()

    def _told(self, event: Event) -> None:
        for recording in self._recordings.values():
            recording.catch_up(self._exchange.now_ms)
        self._tell(event)
        if isinstance(event, events.LegEnded):
            self._stop_all(lambda recording: recording.of_leg == event.leg_id)
        elif isinstance(event, events.KeyPressed):
            self._stop_all(lambda recording: (recording.of_leg, recording.ends_with_key) == (event.leg_id, event.key))

    def _tell(self, event: Event) -> None:
        if not self._lost:
            self._sink.tell(event)

    def _do(self, command: Command) -> None:
        act = self._acts.get(type(command))
        if act is None:
            raise NoSuchThingError(f"a simulated node has no {type(command).__name__}")
        act(command)

    def _leave(self, command: commands.Leave) -> None:
        leg = self._exchange.legs.get(command.leg_id)
        if leg is not None and leg.room_id == command.room_id:
            self._exchange.leave(leg)

    def _play(self, command: commands.Play) -> None:
        leg = self._leg(command.leg_id)
        if self._first(command.playback_id):
            self._exchange.play(leg, command.playback_id, command.media)

    def _stop_playing(self, command: commands.StopPlaying) -> None:
        for leg in self._exchange.legs.values():
            if leg.playback_id == command.playback_id:
                self._exchange.silence(leg, "stopped")

    def _monitor(self, command: commands.Monitor) -> None:
        watched, leg = self._leg(command.of_leg_id), self._leg(command.leg_id)
        if not (watched.answered and leg.answered):
            raise NoSuchThingError("the leg is not answered")
        self._exchange.leave(leg)
        leg.hearing = "both"
        leg.monitors, leg.mode = watched.leg_id, command.mode

    def _hang_up(self, command: commands.HangUp) -> None:
        leg = self._exchange.legs.get(command.leg_id)
        if leg is not None:
            self._exchange.end(leg.leg_id, "hung_up" if leg.answered else "cancelled", by_us=True)

    def _reject(self, command: commands.Reject) -> None:
        leg = self._exchange.legs.get(command.leg_id)
        if leg is None:
            return
        if not leg.answered:
            self._exchange.refused[leg.phone] = command.because
        self._exchange.end(leg.leg_id, command.because, by_us=True)

    def _close(self, room_id: str) -> None:
        self._exchange.close(room_id)
        self._stop_all(lambda recording: recording.of_room == room_id)

    def _provision(self, command: commands.Provision) -> None:
        self._exchange.passwords[command.endpoint_id] = command.password
        self._exchange.manners.setdefault(command.endpoint_id, "rings")

    def _withdraw(self, command: commands.Withdraw) -> None:
        self._exchange.passwords.pop(command.endpoint_id, None)
        self._exchange.manners.pop(command.endpoint_id, None)

    def _answer_transfer(self, command: commands.AnswerTransfer) -> None:
        for leg in self._exchange.legs.values():
            if leg.transfer_id == command.transfer_id:
                leg.transferred = command.accepted

    def _send_keys(self, command: commands.SendKeys) -> None:
        self._leg(command.leg_id).keys += command.keys

    def _dial(self, command: commands.Dial) -> None:
        if command.leg_id in self._exchange.legs or not self._first(command.leg_id):
            return
        to = command.to
        phone = to.endpoint_id if isinstance(to, Phone) else to.number
        invitation = Invitation(
            shown=command.shown,
            headers=command.headers,
            answers_itself=command.answers_itself,
            detects_machines=command.detects_machines,
        )
        leg = Leg(leg_id=command.leg_id, phone=phone, ours=True, invitation=invitation)
        self._exchange.dial(leg, 1000 * command.ring_seconds)

    def _join(self, leg: Leg, room_id: str, hearing: Hearing) -> None:
        if room_id not in self._exchange.rooms:
            raise NoSuchThingError("there is no such room")
        if not leg.answered:
            raise NoSuchThingError("the leg is not answered")
        self._exchange.join(leg, room_id, hearing)

    def _keep_alive(self, leg_ids: tuple[str, ...], seconds: int) -> None:
        exchange = self._exchange
        for leg in (exchange.legs[leg_id] for leg_id in leg_ids if leg_id in exchange.legs):
            leg.lives_until_ms = exchange.now_ms + 1000 * seconds
            exchange.later(1000 * seconds, lambda leg=leg: self._expire(leg))  # type: ignore[misc]  # the default binds the loop's leg

    def _expire(self, leg: Leg) -> None:
        if leg.lives_until_ms is not None and self._exchange.now_ms >= leg.lives_until_ms:
            self._exchange.end(leg.leg_id, "lost")

    def _record(self, command: commands.Record | commands.PauseRecording | commands.StopRecording) -> None:
        recording = self._recordings.get(command.recording_id)
        if isinstance(command, commands.Record):
            if recording is None and self._first(command.recording_id):
                self._begin(command)
        elif isinstance(command, commands.StopRecording):
            self._stop(command.recording_id)
        elif recording is None:
            raise NoSuchThingError("there is no such recording")
        else:
            recording.catch_up(self._exchange.now_ms)
            recording.paused = command.paused

    def _begin(self, command: commands.Record) -> None:
        exchange = self._exchange
        leg = self._leg(command.leg_id) if command.leg_id else None
        if leg is None and command.room_id not in exchange.rooms:
            raise NoSuchThingError("there is no such room")
        heard_now = of_leg(exchange, leg) if leg else of_room(exchange, command.room_id or "")
        while len(self._recordings) >= KEPT_MAX:
            del self._recordings[next(iter(self._recordings))]
        self._recordings[command.recording_id] = Recording(
            heard_now=heard_now,
            ends_at_ms=exchange.now_ms + 1000 * command.seconds_max,
            ends_with_key=command.ends_with_key,
            of_leg=command.leg_id,
            of_room=command.room_id,
            since_ms=exchange.now_ms,
        )
        exchange.later(1000 * command.seconds_max, lambda: self._stop(command.recording_id))

    def _stop(self, recording_id: str) -> None:
        recording = self._recordings.get(recording_id)
        if recording is not None and recording.running:
            recording.catch_up(self._exchange.now_ms)
            recording.running = False
            self._tell(
                events.RecordingReady(recording_id=recording_id, seconds=recording.seconds, at_ms=self._exchange.now_ms)
            )

    def _stop_all(self, which: Callable[[Recording], bool]) -> None:
        for recording_id, recording in self._recordings.items():
            if which(recording):
                self._stop(recording_id)

    def _leg(self, leg_id: str) -> Leg:
        if leg_id not in self._exchange.legs:
            raise NoSuchThingError("the leg is gone")
        return self._exchange.legs[leg_id]

    def _first(self, given_id: str) -> bool:
        if given_id in self._given:
            return False
        self._given[given_id] = None
        while len(self._given) > GIVEN_MAX:
            del self._given[next(iter(self._given))]
        return True
