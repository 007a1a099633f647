"""What a leg hears and whether it is heard: sounds, music, mute and hold, and what these ask of one another."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from voice_gateway.domain import commands as words
from voice_gateway.drivers.asterisk import commands, names
from voice_gateway.drivers.asterisk.ari import Answered, Ask
from voice_gateway.drivers.asterisk.legs import QUIET_VARIABLE, Leg, Legs, Quiet, Recent, quiet_text


class Hearing:
    """See the module."""

    def __init__(self, must: Callable[[Ask], Awaitable[Answered]], legs: Legs, stopped: Recent) -> None:
        """`stopped` gets the playbacks that we stop."""
        self._must, self._legs, self._stopped = must, legs, stopped
        self._given = Recent()
        self._spoken_to: dict[str, str] = {}
        """The leg that hears a supervisor's, by that."""

    async def moved(self, leg: Leg, room_id: str | None) -> None:
        """It was put into a room, or out of its own."""
        leg.goes_to = room_id
        await self.settle_music(leg)
        if room_id is None:
            await self.fill(leg, filled=True)
        await self.settle_whispers()

    async def settle_music(self, leg: Leg) -> None:
        """It has music where it waits and while it is held."""
        wanted = self._legs.music.get(leg.goes_to or "")
        if wanted is None and "held" in leg.quiet:
            wanted = ""
        if wanted != leg.music:
            await self._fill_whispers(leg, filled=False)  # its end would be the music's
            asked = commands.end_of_sound(leg.channel_id, "moh")
            await self._must(asked if wanted is None else commands.music(leg.channel_id, wanted))
            leg.music = wanted

    def remembered(self, bridges: Iterable[Mapping[str, Any]]) -> None:
        """Learn from the node who speaks to whom."""
        pairs = (names.spoken_to(channel_id) for bridge in bridges for channel_id in bridge["channels"])
        self._spoken_to = dict(filter(None, pairs))

    async def speak(self, leg_id: str, to_leg_id: str | None) -> None:
        """A supervisor's leg is heard by that one, or by none any more."""
        before = self._spoken_to.pop(leg_id, None)
        if to_leg_id is not None:
            self._spoken_to[leg_id] = to_leg_id
        await self.settle_whispers(before)

    async def settle_whispers(self, before: str | None = None) -> None:
        """What a supervisor says rides on what the leg hears (`Helpers`). Where that is nothing it is silence; else
        silence would drown the others. `before`: a leg that was spoken to."""
        if not self._spoken_to and before is None:
            return
        watched = {before, *self._spoken_to.values()}
        self._spoken_to = {who: whom for who, whom in self._spoken_to.items() if self._legs.get(who)}
        spoken_to = set(self._spoken_to.values())
        for leg in filter(None, (self._legs.get(leg_id or "") for leg_id in watched)):
            wanted = leg.leg_id in spoken_to and self._hears_nothing(leg)
            await self._fill_whispers(leg, filled=wanted)

    async def _fill_whispers(self, leg: Leg, *, filled: bool) -> None:
        if filled != leg.filled:
            leg.filled = filled
            asked = commands.end_of_sound(leg.channel_id, "silence")
            await self._must(commands.channel(leg.channel_id, "silence") if filled else asked)

    def _hears_nothing(self, leg: Leg) -> bool:
        others = (other for other in self._legs if other is not leg and other.goes_to == leg.goes_to is not None)
        return leg.music is None and not leg.playbacks and all(other.quiet for other in others)

    async def fill(self, leg: Leg, *, filled: bool) -> None:
        """What a stream says to a leg rides on the leg's own sound: without a room there must be silence to ride on,
        and in a room it would drown the others."""
        if leg.streams:
            asked = commands.end_of_sound(leg.channel_id, "silence")
            await self._must(commands.channel(leg.channel_id, "silence") if filled else asked)

    async def quieten(self, leg_id: str, why: Quiet, *, on: bool) -> None:
        """Have it not heard, or heard again if nothing else speaks against it."""
        leg = self._legs.known(leg_id)
        quiet = leg.quiet | {why} if on else leg.quiet - {why}
        if quiet == leg.quiet:
            return
        await self._must(commands.set_variable(leg.channel_id, QUIET_VARIABLE, quiet_text(quiet)))
        await self._must(commands.channel(leg.channel_id, "mute", method="POST" if quiet else "DELETE", direction="in"))
        leg.quiet = quiet
        await self.settle_whispers()

    async def hold(self, command: words.Hold) -> None:
        """See Hold."""
        await self.quieten(command.leg_id, "held", on=command.held)
        await self.settle_music(self._legs.known(command.leg_id))
        await self.settle_whispers()

    async def play(self, command: words.Play) -> None:
        """See Play. Asterisk would play it behind what it plays already."""
        leg = self._legs.known(command.leg_id)
        if command.playback_id in self._given:
            return
        asked = commands.play(leg.channel_id, command.playback_id, command.media)
        for other in list(leg.playbacks):
            await self.stop_playing(words.StopPlaying(playback_id=other))
        leg.playbacks.add(command.playback_id)  # it may be over before the answer is here
        await self.settle_whispers()
        await self._must(asked)
        self._given.add(command.playback_id)

    async def stop_playing(self, command: words.StopPlaying) -> None:
        """See StopPlaying."""
        first = command.playback_id not in self._stopped
        self._stopped.add(command.playback_id)
        done = frozenset({404, 409})  # it is over
        answered = await self._must(Ask(method="DELETE", path=("playbacks", command.playback_id), done=done))
        if first and not answered.is_fine:
            self._stopped.discard(command.playback_id)
