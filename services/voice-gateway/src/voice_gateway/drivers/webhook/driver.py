"""A node of webhook telephony: one account of Twilio.

A leg that waits hears music in a <Gather>, which hears its keys; a talk is a conference whose name is our room's id. A
leg is moved by giving its call another document. A dialled leg is a participant of a conference that has our leg's id
for a name, so that it can be looked up when the answer was lost. docs/voice-webhook.md has the whole picture.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock, Http
from servicekit.store import wait_for_event

from voice_gateway.domain import commands
from voice_gateway.domain.commands import Command
from voice_gateway.domain.driver import Capabilities, Sink
from voice_gateway.domain.events import CommandRefused, DriverLost, DriverRecovered, Snapshot
from voice_gateway.drivers.webhook.dialling import Dialling
from voice_gateway.drivers.webhook.hooks import Hooks, Query
from voice_gateway.drivers.webhook.kept import Keeper
from voice_gateway.drivers.webhook.legs import Leg, Room, leg_of, room_of
from voice_gateway.drivers.webhook.lines import Account, GoneError, Lines
from voice_gateway.drivers.webhook.looking import Looking
from voice_gateway.drivers.webhook.phones import Phones
from voice_gateway.drivers.webhook.recordings import Recordings
from voice_gateway.drivers.webhook.rest import RefusedError, Rest, UncertainError
from voice_gateway.drivers.webhook.streams import Streams

CHECK_SECONDS: Final = 15.0
"""How often Twilio is asked how things stand: callbacks can be lost."""
AWAY_SECONDS: Final = 2.0
READY_SECONDS: Final = 5.0
KEYS: Final = frozenset("0123456789*#w")


class WebhookDriver:
    """See Driver; `hooks` takes what the webhooks are told. `run` looks after what callbacks do not tell."""

    name = "twilio"

    def __init__(
        self,
        account: Account,
        sink: Sink,
        *,
        http: Http,
        clock: Clock,
        chance: Chance,
        keeper: Keeper,
        tokens: Callable[[], Sequence[str]],
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """`tokens`: the account's auth tokens, the current one first, another while it is changed."""
        self.account = account
        self.tokens = tokens
        self.capabilities = Capabilities(
            provisions=account.credential_list is not None,
            browsers=False,
            hears_holds=False,
            headers=False,
            keeps_alive=False,
            hears_keys_in_talks=False,
            keys_stop_sounds=True,
        )
        self._rest = Rest(
            http,
            clock,
            chance,
            account_sid=account.account_sid,
            tokens=tokens,
            api_url=account.api_url,
            trouble=self._lost,
        )
        self._sink = sink
        self._clock = clock
        self._lines = Lines(account, self._rest, sink, clock, keeper)
        self._recordings = Recordings(self._lines)
        self._looking = Looking(self._lines)
        self._phones = Phones(account, self._rest)
        self._dialling = Dialling(self._lines, self._looking, self._phones)
        self._streams = Streams(self._lines)
        self.hooks = Hooks(self._lines, self._recordings)
        self._check_seconds = check_seconds
        self._away = False
        self._restored = asyncio.Event()
        self._acts = self._what_can_be_done()

    def _what_can_be_done(self) -> Mapping[type, Callable[[Any], Awaitable[None]]]:
        return {
            commands.Ring: self._ring,
            commands.Answer: self._answer,
            commands.Reject: self._reject,
            commands.HangUp: self._hang_up,
            commands.Dial: self._dialling.dial,
            commands.OpenRoom: self._open,
            commands.CloseRoom: self._close,
            commands.Join: self._join,
            commands.Leave: self._leave,
            commands.Play: self._play,
            commands.StopPlaying: self._stop_playing,
            commands.Mute: self._mute,
            commands.Hold: self._hold,
            commands.Monitor: self._monitor,
            commands.SendKeys: self._send_keys,
            commands.Record: self._recordings.record,
            commands.PauseRecording: lambda command: self._recordings.pause(
                command.recording_id, paused=command.paused
            ),
            commands.StopRecording: lambda command: self._recordings.stop(command.recording_id),
            commands.StreamMedia: self._streams.begin,
            commands.StopStream: self._streams.stop,
            commands.Provision: self._phones.provision,
            commands.Withdraw: self._phones.withdraw,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        await self._restore()
        self._restored.set()
        try:
            async with asyncio.TaskGroup() as together:
                together.create_task(self._recordings.run(stop))
                together.create_task(self._checking(stop))
        finally:
            await self._lines.close()

    async def _checking(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._check()
            seconds = min(AWAY_SECONDS, self._check_seconds) if self._away else self._check_seconds
            await wait_for_event(stop, timeout_seconds=seconds)

    async def _restore(self) -> None:
        lines = self._lines
        for kept in await lines.keeper.all():
            if kept.kind == "leg":
                lines.add(leg_of(kept))
            elif kept.kind == "room":
                lines.rooms[kept.id] = room_of(kept)
            else:
                self._recordings.restore(kept)

    async def _check(self) -> None:
        """Ask how things stand; say so if we could not before."""
        try:
            if self._away:
                snapshot = await self._looking.snapshot()
                self._away = False
                self._sink.tell(DriverRecovered(snapshot=snapshot, at_ms=self._clock.now_ms()))
            else:
                await self._looking.all()
            await self._looking.late()
        except (RetryLaterError, UncertainError) as error:
            self._lost(str(error))
        except RefusedError as error:
            self._lost(f"refused: {error}")

    def _lost(self, reason: str) -> None:
        if not self._away:
            self._away = True
            self._sink.tell(DriverLost(reason=reason, at_ms=self._clock.now_ms()))

    async def do(self, command: Command) -> None:
        """See Driver."""
        await self._reached()
        act = self._acts.get(type(command))
        if act is None:
            self._refuse(command, f"webhook telephony has no {type(command).__name__}")
            return
        try:
            await act(command)
        except GoneError as error:
            self._refuse(command, str(error))
        except UncertainError as error:
            raise RetryLaterError(str(error)) from error
        except RefusedError as error:
            self._refuse(command, "the leg is gone" if error.gone else str(error))
            leg = self._lines.legs.get(getattr(command, "leg_id", None) or "")
            if leg is not None and leg.call_sid is not None:
                self._lines.later(self._looking.call(leg))

    async def snapshot(self) -> Snapshot:
        """See Driver."""
        await self._reached()
        try:
            return await self._looking.snapshot()
        except (RefusedError, UncertainError) as error:
            raise RetryLaterError(str(error)) from error

    async def recording(self, recording_id: str) -> AsyncIterator[bytes]:
        """See Driver."""
        await self._reached()
        async for piece in self._recordings.pieces(recording_id):
            yield piece

    async def forget_recording(self, recording_id: str) -> None:
        """See Driver."""
        await self._reached()
        await self._recordings.forget(recording_id)

    async def told(self, what: str, query: Query, form: Mapping[str, str], token: str) -> str:
        """A request of Twilio's to one of our webhooks; see Hooks."""
        await self._ready()
        return await self.hooks.asked(what, query, form, token)

    async def _ready(self) -> None:
        """What was kept is read. Raises RetryLaterError."""
        await wait_for_event(self._restored, timeout_seconds=READY_SECONDS)
        if not self._restored.is_set():
            raise RetryLaterError("the driver has not read yet what was kept")

    async def _reached(self) -> None:
        """Likewise, while Twilio is away: `run` finds out when it is back."""
        await self._ready()
        if self._away:
            raise RetryLaterError("the provider is away")

    def _refuse(self, command: Command, reason: str) -> None:
        self._sink.tell(CommandRefused(command=command, reason=reason, at_ms=self._clock.now_ms()))

    async def _ring(self, command: commands.Ring) -> None:
        self._lines.leg(command.leg_id)  # it does: Twilio waits for what the call is to do

    async def _answer(self, command: commands.Answer) -> None:
        self.hooks.decide(self._lines.leg(command.leg_id), "answer")

    async def _reject(self, command: commands.Reject) -> None:
        leg = self._lines.legs.get(command.leg_id)
        if leg is not None and not self.hooks.decide(leg, command.because):
            await self._dialling.end(leg)

    async def _hang_up(self, command: commands.HangUp) -> None:
        leg = self._lines.legs.get(command.leg_id)
        if leg is not None and (leg.ours or not self.hooks.decide(leg, "cancelled")):
            await self._dialling.end(leg)

    async def _open(self, command: commands.OpenRoom) -> None:
        room = Room(room_id=command.room_id, kind=command.kind, music=command.music)
        self._lines.rooms.setdefault(room.room_id, room)
        self._lines.keeper.keep(self._lines.rooms[room.room_id].kept())

    async def _close(self, command: commands.CloseRoom) -> None:
        lines = self._lines
        if lines.rooms.pop(command.room_id, None) is None:
            return
        lines.keeper.forget("room", command.room_id)
        await self._put(*[leg for leg in lines.legs.values() if leg.room_id == command.room_id], room_id=None)

    async def _join(self, command: commands.Join) -> None:
        lines, leg = self._lines, self._lines.leg(command.leg_id)
        if command.room_id not in lines.rooms:
            raise GoneError("there is no such room")
        if not leg.answered:
            raise GoneError("the leg is not answered")
        if leg.hearing != command.hearing:
            leg.hearing = command.hearing
            await lines.settle(leg)
        if leg.room_id != command.room_id or leg.dirty or leg.monitors is not None:
            leg.monitors = None
            await self._put(leg, room_id=command.room_id)

    async def _leave(self, command: commands.Leave) -> None:
        leg = self._lines.legs.get(command.leg_id)
        if leg is not None and leg.room_id == command.room_id:
            await self._put(leg, room_id=None)

    async def _put(self, *legs: Leg, room_id: str | None) -> None:
        """Into a room or into none, and whoever monitors them with them."""
        lines = self._lines
        for leg in legs:
            leg.room_id = room_id
            watching = [other for other in lines.legs.values() if other.monitors == leg.leg_id]
            if leg.playback_id is None:
                await lines.push(leg)
            else:
                lines.moved(leg)
            for other in watching:
                await lines.push(other)

    async def _play(self, command: commands.Play) -> None:
        lines, leg = self._lines, self._lines.leg(command.leg_id)
        if lines.is_over(command.playback_id) or (leg.playback_id == command.playback_id and not leg.dirty):
            return
        if leg.playback_id != command.playback_id:
            lines.silenced(leg, "stopped")
        leg.playback_id, leg.uris = command.playback_id, [media.uri for media in command.media]
        await lines.push(leg)

    async def _stop_playing(self, command: commands.StopPlaying) -> None:
        for leg in [leg for leg in self._lines.legs.values() if leg.playback_id == command.playback_id]:
            self._lines.silenced(leg, "stopped")
            await self._lines.push(leg)

    async def _mute(self, command: commands.Mute) -> None:
        leg = self._lines.leg(command.leg_id)
        if leg.muted != command.muted:
            leg.muted = command.muted
            await self._lines.settle(leg)

    async def _hold(self, command: commands.Hold) -> None:
        leg = self._lines.leg(command.leg_id)
        if leg.held == command.held and not leg.dirty:
            return
        leg.held = command.held
        if self._lines.documents.conference_of(leg) is not None:
            await self._lines.settle(leg)
        elif leg.answered and leg.playback_id is None:
            await self._lines.push(leg)

    async def _monitor(self, command: commands.Monitor) -> None:
        lines, leg, watched = self._lines, self._lines.leg(command.leg_id), self._lines.leg(command.of_leg_id)
        if not (leg.answered and watched.answered):
            raise GoneError("the leg is not answered")
        same = leg.monitors == watched.leg_id and not leg.dirty
        if same and leg.mode == command.mode:
            return
        leg.monitors, leg.mode, leg.room_id, leg.hearing = watched.leg_id, command.mode, None, "both"
        await (lines.settle(leg) if same else lines.push(leg))

    async def _send_keys(self, command: commands.SendKeys) -> None:
        leg = self._lines.leg(command.leg_id)
        if not leg.answered or not command.keys or not KEYS.issuperset(command.keys):
            raise GoneError("these keys cannot be sent")
        await self._lines.push(leg, keys=command.keys)
