"""What a leg hears and whether it is heard: sounds, music, mute and hold, and what these ask of one another."""

from collections.abc import Awaitable, Callable

from voice_gateway.domain import commands as words
from voice_gateway.drivers.asterisk import commands
from voice_gateway.drivers.asterisk.ari import Answered, Ask
from voice_gateway.drivers.asterisk.legs import QUIET_VARIABLE, Leg, Legs, Quiet, Recent, quiet_text


class Hearing:
    """See the module."""

    def __init__(self, must: Callable[[Ask], Awaitable[Answered]], legs: Legs, stopped: Recent) -> None:
        """`stopped` gets the playbacks that we stop."""
        self._must, self._legs, self._stopped = must, legs, stopped
        self._given = Recent()

    async def moved(self, leg: Leg, room_id: str | None) -> None:
        """It was put into a room, or out of its own."""
        leg.goes_to = room_id
        await self.settle_music(leg)
        if room_id is None:
            await self.fill(leg, filled=True)

    async def settle_music(self, leg: Leg) -> None:
        """It has music where it waits and while it is held."""
        wanted = self._legs.music.get(leg.goes_to or "")
        if wanted is None and "held" in leg.quiet:
            wanted = ""
        if wanted != leg.music:
            asked = commands.end_of_sound(leg.channel_id, "moh")
            await self._must(asked if wanted is None else commands.music(leg.channel_id, wanted))
            leg.music = wanted

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

    async def hold(self, command: words.Hold) -> None:
        """See Hold."""
        await self.quieten(command.leg_id, "held", on=command.held)
        await self.settle_music(self._legs.known(command.leg_id))

    async def play(self, command: words.Play) -> None:
        """See Play. Asterisk would play it behind what it plays already."""
        leg = self._legs.known(command.leg_id)
        if command.playback_id in self._given:
            return
        asked = commands.play(leg.channel_id, command.playback_id, command.media)
        for other in list(leg.playbacks):
            await self.stop_playing(words.StopPlaying(playback_id=other))
        leg.playbacks.add(command.playback_id)  # it may be over before the answer is here
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
