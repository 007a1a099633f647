"""The Driver of one Asterisk. Its loop is `run`; `deploy/asterisk` has the configuration that it needs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock, Http, Sockets
from servicekit.telemetry import log

from voice_gateway.domain import commands as words
from voice_gateway.domain import events
from voice_gateway.domain.commands import Command
from voice_gateway.domain.driver import Capabilities, Sink
from voice_gateway.domain.events import Event, Snapshot
from voice_gateway.drivers.asterisk import commands, names
from voice_gateway.drivers.asterisk.ari import Answered, Ari, AriSettings, Ask, Json
from voice_gateway.drivers.asterisk.events import TYPES, Translator, is_leg
from voice_gateway.drivers.asterisk.hearing import Hearing
from voice_gateway.drivers.asterisk.helpers import Helpers, NotBegunError
from voice_gateway.drivers.asterisk.legs import Leg, Legs, Recent
from voice_gateway.drivers.asterisk.looking import learn, snapshot_of
from voice_gateway.drivers.asterisk.recordings import Recordings

LOG: Final = log("asterisk")
AWAY: Final = "the node is away"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsteriskSettings:
    """One node, and what is particular about it."""

    ari: AriSettings
    trunk: str = "trunk"
    """The endpoint that numbers are dialled by."""


class AsteriskDriver:
    """See Driver."""

    name = "asterisk"
    capabilities = Capabilities()

    def __init__(
        self,
        node: str,
        settings: AsteriskSettings,
        sink: Sink,
        *,
        http: Http,
        sockets: Sockets,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._settings, self._sink, self._clock, self._node = settings, sink, clock, node
        self._ari = Ari(settings.ari, http=http, sockets=sockets, clock=clock, chance=chance)
        self._app = settings.ari.app
        self._legs = Legs()
        self._translator = Translator(node, self._legs)
        self._hearing = Hearing(self._must, self._legs, self._translator.stopped)
        self._helpers = Helpers(self._must, self._app)
        self._recordings = Recordings(clock)
        self._given = Recent()
        self._up = asyncio.Event()
        self._lost = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._acts = self._what_can_be_done()

    def _what_can_be_done(self) -> dict[type, Callable[[Any], Awaitable[object]]]:
        return {
            words.Ring: lambda command: self._of_leg(command.leg_id, "ring"),
            words.Answer: self._answer,
            words.Reject: self._reject,
            words.HangUp: self._hang_up,
            words.Dial: self._dial,
            words.OpenRoom: self._open_room,
            words.CloseRoom: self._close_room,
            words.Join: self._join,
            words.Leave: self._leave,
            words.Play: self._hearing.play,
            words.StopPlaying: self._hearing.stop_playing,
            words.Mute: lambda command: self._hearing.quieten(command.leg_id, "muted", on=command.muted),
            words.Hold: self._hearing.hold,
            words.Record: self._record,
            words.PauseRecording: self._pause_recording,
            words.StopRecording: self._stop_recording,
            words.Monitor: self._monitor,
            words.SendKeys: lambda command: self._must(
                commands.keys(self._legs.known(command.leg_id).channel_id, command)
            ),
            words.StreamMedia: self._stream,
            words.StopStream: self._stop_stream,
            words.Provision: lambda command: self._must_all(commands.provision(command)),
            words.Withdraw: lambda command: self._must_all(commands.withdraw(command.endpoint_id)),
            words.KeepAlive: self._keep_alive,
            words.AnswerTransfer: self._answer_transfer,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        try:
            await self._ari.run(stop, self)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def connected(self) -> None:
        """Wait until it can be commanded."""
        await self._up.wait()

    async def do(self, command: Command) -> None:
        """See Driver."""
        if not self._up.is_set():
            raise RetryLaterError(AWAY)
        try:
            await self._acts[type(command)](command)
        except (commands.RefusedError, NotBegunError) as error:
            self._tell(events.CommandRefused(command=command, reason=str(error), at_ms=self._clock.now_ms()))

    async def snapshot(self) -> Snapshot:
        """See Driver."""
        if not self._up.is_set():
            raise RetryLaterError(AWAY)
        channels, bridges = await self._look()
        legs = [channel for channel in channels if is_leg(channel, self._app)]
        return snapshot_of(self._node, legs, bridges, self._clock.now_ms())

    def recording(self, recording_id: str) -> AsyncIterator[bytes]:
        """See Driver."""
        return self._ari.download(Ask(method="GET", path=("recordings", "stored", recording_id, "file")))

    async def forget_recording(self, recording_id: str) -> None:
        """See Driver."""
        answered = await self._ari.ask(Ask(method="DELETE", path=("recordings", "stored", recording_id)))
        if not answered.is_fine and answered.status != 404:
            raise RetryLaterError(answered.reason)

    # What happens at the socket.

    async def opened(self) -> None:
        """See Listener. What is wanted is said each time: Asterisk forgets it with the connection."""
        allowed = {"allowed": [{"type": each} for each in TYPES]}
        channels, bridges = await self._look()
        legs = [channel for channel in channels if is_leg(channel, self._app)]
        learn(self._node, self._legs, legs, bridges)
        self._hearing.remembered(bridges)
        try:
            await self._must(Ask(method="PUT", path=("applications", self._app, "eventFilter"), body=allowed))
            await self._helpers.sweep(channels, bridges)
        except commands.RefusedError as error:
            raise RetryLaterError(str(error)) from error
        self._up.set()
        if self._lost:
            self._lost = False
            at_ms = self._clock.now_ms()
            snapshot = snapshot_of(self._node, legs, bridges, at_ms)
            self._tell(events.DriverRecovered(snapshot=snapshot, at_ms=at_ms))
        for each in self._translator.waiting(legs, self._clock.now_ms()):
            self._tell(each)

    def closed(self, reason: str, *, replaced: bool) -> None:
        """See Listener."""
        self._up.clear()
        self._lost = True
        self._tell(events.DriverLost(reason=reason, replaced=replaced, at_ms=self._clock.now_ms()))

    def told(self, event: Json) -> None:
        """See Listener. One that is not as Asterisk's documents have it is passed over, and calls go on."""
        try:
            said = self._understood(event)
        except (KeyError, TypeError, AttributeError) as error:
            LOG.warning(
                "event_not_understood", extra={"node": self._node, "type": event.get("type"), "why": str(error)}
            )
            return
        for each in said:
            self._tell(each)

    def _understood(self, event: Json) -> list[Event]:
        if event["type"] == "StasisStart" and names.is_helper(event["channel"]["id"]):
            self._helpers.begun(event["channel"]["id"])
        elif event["type"] == "ChannelDestroyed" and (leg := self._legs.of_channel(event["channel"]["id"])):
            self._given.add(leg.leg_id)  # though nobody has answered that it was dialled
            if leg.monitors or leg.streams:
                self._spawn(self._helpers.tidy(leg))
        elif event["type"] == "RecordingStarted":
            self._recordings.started(event["recording"]["name"])
        said = self._translator.told(event, self._clock.now_ms())
        if event["type"] in ("ChannelDestroyed", "PlaybackFinished"):
            self._spawn(self._hearing.settle_whispers())
        return said

    def _tell(self, event: Event) -> None:
        match event:
            case events.KeyPressed():
                for recording_id in self._recordings.ended_by(event.leg_id, event.key):
                    self._spawn(self._stop_recording(words.StopRecording(recording_id=recording_id)))
            case events.RecordingReady() | events.RecordingFailed():
                if self._recordings.is_of_leg(event.recording_id):
                    self._spawn(self._helpers.end_recorder(event.recording_id))
                event = self._recordings.over(event)
        self._sink.tell(event)

    async def _look(self) -> tuple[list[Json], list[Json]]:
        """All channels and all bridges."""
        try:
            channels = (await self._must(Ask(method="GET", path=("channels",)))).body
            bridges = (await self._must(Ask(method="GET", path=("bridges",)))).body
        except commands.RefusedError as error:
            raise RetryLaterError(str(error)) from error
        return channels, bridges

    # What is done.

    async def _must(self, ask: Ask) -> Answered:
        answered = await self._ari.ask(ask)
        if not answered.is_fine and answered.status not in ask.done:
            raise commands.RefusedError(answered.reason)
        return answered

    async def _must_all(self, asks: tuple[Ask, ...]) -> None:
        for ask in asks:
            await self._must(ask)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Coroutine[Any, Any, Any]) -> None:
        """What nobody waits for; what is left of it is swept up at the next connection."""
        try:
            await work
        except (RetryLaterError, commands.RefusedError) as error:
            LOG.info("not_tidied", extra={"node": self._node, "reason": str(error)})

    async def _of_leg(self, leg_id: str, what: str) -> None:
        await self._must(commands.channel(self._legs.known(leg_id).channel_id, what))

    async def _answer(self, command: words.Answer) -> None:
        leg = self._legs.known(command.leg_id)
        if not leg.answered:
            await self._must(commands.channel(leg.channel_id, "answer"))

    async def _reject(self, command: words.Reject) -> None:
        leg = self._legs.get(command.leg_id)
        if leg is not None:
            leg.ends_for = leg.ends_for or command.because
            await self._must(commands.hang_up(leg.channel_id, commands.CAUSES[command.because]))

    async def _hang_up(self, command: words.HangUp) -> None:
        leg = self._legs.get(command.leg_id)
        if leg is not None:
            leg.ends_for = leg.ends_for or ("hung_up" if leg.answered else "cancelled")
            await self._must(commands.hang_up(leg.channel_id))

    async def _dial(self, command: words.Dial) -> None:
        if command.leg_id in self._given:
            return
        asked = commands.dial(command, self._app, self._settings.trunk)
        leg = self._legs.get(command.leg_id) or self._legs.add(
            Leg(leg_id=command.leg_id, channel_id=names.leg_channel(command.leg_id), ours=True)
        )
        leg.is_asked_for = True
        try:
            answered = await self._ari.ask(asked)
        finally:
            leg.is_asked_for = False
        self._given.add(command.leg_id)
        if not answered.is_fine and answered.status not in asked.done:
            self._legs.remove(leg)
            LOG.info("not_dialled", extra={"node": self._node, "reason": answered.reason})
            self._tell(events.LegEnded(leg_id=leg.leg_id, cause="unavailable", at_ms=self._clock.now_ms()))

    async def _open_room(self, command: words.OpenRoom) -> None:
        bridge_id, waits = names.room_bridge(command.room_id), command.kind == "wait"
        kind = commands.WAIT_KIND if waits else commands.TALK_KIND
        await self._must(commands.open_bridge(bridge_id, kind, name=command.music or ""))
        if waits:
            self._legs.music[command.room_id] = command.music or ""

    async def _close_room(self, command: words.CloseRoom) -> None:
        await self._must(commands.close_bridge(names.room_bridge(command.room_id)))
        self._legs.music.pop(command.room_id, None)
        for leg in self._legs:
            if leg.goes_to == command.room_id:
                await self._hearing.moved(leg, None)

    async def _join(self, command: words.Join) -> None:
        leg = self._legs.known(command.leg_id)
        if not leg.answered:
            raise commands.RefusedError("the leg is not answered")
        if command.hearing == "listen":
            await self._hearing.quieten(leg.leg_id, "listens", on=True)
        if leg.goes_to != command.room_id:  # else it would leave and come again
            await self._hearing.fill(leg, filled=False)
            await self._must(commands.add(names.room_bridge(command.room_id), leg.channel_id))
            await self._hearing.moved(leg, command.room_id)
        await self._helpers.end_monitor(leg)
        await self._hearing.speak(leg.leg_id, None)
        if command.hearing == "both":
            await self._hearing.quieten(leg.leg_id, "listens", on=False)

    async def _leave(self, command: words.Leave) -> None:
        leg = self._legs.get(command.leg_id)
        if leg is not None and leg.goes_to == command.room_id:
            path = ("bridges", names.room_bridge(command.room_id), "removeChannel")
            out = frozenset({400, 404, 409, 422})  # it is not in it any more
            await self._must(Ask(method="POST", path=path, query=(("channel", leg.channel_id),), done=out))
            await self._hearing.moved(leg, None)

    async def _record(self, command: words.Record) -> None:
        """Done once it runs: one that only waits to begin cannot be paused."""
        recording_id = command.recording_id
        if recording_id in self._given:
            return
        self._recordings.begin(command)
        try:
            if command.leg_id is not None:
                leg = self._legs.known(command.leg_id)
                await self._helpers.record(leg, recording_id, command.seconds_max)
            else:
                bridge_id = names.room_bridge(command.room_id or "")
                await self._must(commands.record("bridges", bridge_id, recording_id, command.seconds_max))
        except commands.RefusedError:
            self._recordings.forget(recording_id)
            raise
        self._given.add(recording_id)
        await self._recordings.running(recording_id)

    async def _pause_recording(self, command: words.PauseRecording) -> None:
        method = "POST" if command.paused else "DELETE"
        await self._must(commands.live_recording(command.recording_id, "pause", method=method))
        self._recordings.pause(command.recording_id, paused=command.paused)

    async def _stop_recording(self, command: words.StopRecording) -> None:
        # 409: it has stopped, and is on its way to being gone.
        await self._must(commands.live_recording(command.recording_id, "stop", done=commands.GONE | commands.THERE))

    async def _monitor(self, command: words.Monitor) -> None:
        leg, of = self._legs.known(command.leg_id), self._legs.known(command.of_leg_id)
        if not (leg.answered and of.answered):
            raise commands.RefusedError("the leg is not answered")
        await self._hearing.moved(leg, None)  # music would be all that it hears
        await self._hearing.quieten(leg.leg_id, "listens", on=False)  # how a supervisor is heard is the mode's to say
        await self._helpers.monitor(leg, of, command.mode)
        await self._hearing.speak(leg.leg_id, None if command.mode == "spy" else of.leg_id)

    async def _stream(self, command: words.StreamMedia) -> None:
        leg = self._legs.known(command.leg_id)
        if command.stream_id not in self._given:
            await self._helpers.stream(leg, command.stream_id, command.url)
            self._given.add(command.stream_id)
            leg.streams.add(command.stream_id)
            await self._hearing.fill(leg, filled=leg.goes_to is None)

    async def _stop_stream(self, command: words.StopStream) -> None:
        await self._helpers.end_stream(command.stream_id)
        for leg in self._legs:
            if command.stream_id in leg.streams:
                await self._hearing.fill(leg, filled=False)
                leg.streams.discard(command.stream_id)

    async def _keep_alive(self, command: words.KeepAlive) -> None:
        """A leg that is gone, or rings, is none that lives on: it has its first time."""
        done = frozenset({404, 409})
        for leg in filter(None, map(self._legs.get, command.leg_ids)):
            query = (("variable", "TIMEOUT(absolute)"), ("value", str(command.seconds)))
            path = ("channels", leg.channel_id, "variable")
            await self._must(Ask(method="POST", path=path, query=query, done=done))

    async def _answer_transfer(self, command: words.AnswerTransfer) -> None:
        if command.transfer_id not in self._given:
            leg = self._legs.known(command.transfer_id.rpartition(".")[0])
            states = "channel_answered" if command.accepted else "channel_declined"
            await self._must(commands.channel(leg.channel_id, "transfer_progress", states=states))
            self._given.add(command.transfer_id)
