"""Channels beside the legs: those that listen to a leg for a supervisor, for a recording, for a stream.

A leg that is in one bridge cannot be in another. So whoever hears it from outside does so by a channel of Asterisk's
(`snoop`), which meets the supervisor or the stream in a bridge of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from voice_gateway.domain.words import MonitorMode
from voice_gateway.drivers.asterisk import commands, names
from voice_gateway.drivers.asterisk.ari import Answered, Ask
from voice_gateway.drivers.asterisk.legs import Leg

BEGIN_SECONDS: Final = 5.0
WHISPERS: Final[Mapping[MonitorMode, str]] = {"spy": "none", "whisper": "out", "barge": "both"}
Must = Callable[[Ask], Awaitable[Answered]]
"""Asks, and raises if it is not done."""


class NotBegunError(Exception):
    """A channel that we asked for did not come to us in time."""


class Helpers:
    """See the module. What ends of itself is told by `ended`."""

    def __init__(self, must: Must, app: str) -> None:
        self._must = must
        self._app = app
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def begun(self, channel_id: str) -> None:
        """It is ours now."""
        waiting = self._waiting.get(channel_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def monitor(self, leg: Leg, of: Leg, mode: MonitorMode) -> None:
        """Let a leg hear another's talk. The old way of hearing ends first: nobody is heard longer than it may be."""
        bridge_id = names.monitor_bridge(leg.leg_id)
        ear = names.monitor_channel(leg.leg_id, of.leg_id, mode)
        bridge = await self._must(commands.open_bridge(bridge_id))
        present = bridge.body.get("channels", []) if bridge.is_fine else await self._inside(bridge_id)
        for other in present:
            if names.is_helper(other) and other != ear:
                await self._must(commands.hang_up(other))
        if ear not in present:
            asked = commands.listen(of.channel_id, ear, self._app, spy="both", whisper=WHISPERS[mode])
            await self._once_begun(ear, asked)
        leg.monitors = True
        await self._must(commands.add(bridge_id, ear, leg.channel_id))

    async def end_monitor(self, leg: Leg) -> None:
        """Nobody is heard for this leg any more."""
        if leg.monitors:
            await self._end(names.monitor_bridge(leg.leg_id))
            leg.monitors = False

    async def record(self, leg: Leg, recording_id: str, seconds_max: int) -> None:
        """Record what one leg says."""
        ear = names.recorder_channel(recording_id)
        await self._once_begun(ear, commands.listen(leg.channel_id, ear, self._app, spy="in"))
        await self._must(commands.record("channels", ear, recording_id, seconds_max))

    async def end_recorder(self, recording_id: str) -> None:
        """Nobody listens for it any more."""
        await self._must(commands.hang_up(names.recorder_channel(recording_id)))

    async def stream(self, leg: Leg, stream_id: str, url: str) -> None:
        """Send what a leg says to somebody, and what comes back to the leg."""
        name, ear = names.stream_bridge(stream_id), names.stream_ear(stream_id)
        await self._must(commands.stream_client(name, url))
        await self._must(commands.open_bridge(name, name=leg.leg_id))
        await self._once_begun(name, commands.stream_channel(name, self._app))
        await self._once_begun(ear, commands.listen(leg.channel_id, ear, self._app, spy="in", whisper="out"))
        await self._must(commands.add(name, name, ear))

    async def end_stream(self, stream_id: str) -> None:
        """It is over."""
        await self._end(names.stream_bridge(stream_id))
        await self._must(commands.hang_up(names.stream_bridge(stream_id)))
        await self._must(commands.forget_stream_client(names.stream_bridge(stream_id)))

    async def tidy(self, leg: Leg) -> None:
        """The leg is over: so is what was beside it."""
        await self.end_monitor(leg)
        for stream_id in list(leg.streams):
            await self.end_stream(stream_id)

    async def sweep(self, channels: list[Mapping[str, Any]], bridges: list[Mapping[str, Any]]) -> None:
        """End what nobody uses: a bridge of ours in which one is alone; what is in no bridge and records nothing."""
        for bridge in bridges:
            if names.is_helper(bridge["id"]) and len(bridge["channels"]) < 2:
                await self._end(bridge["id"])
        met = {channel_id for bridge in bridges for channel_id in bridge["channels"]}
        for channel_id in (channel["id"] for channel in channels if names.is_helper(channel["id"])):
            if channel_id not in met and not await self._records(channel_id):
                await self._must(commands.hang_up(channel_id))

    async def _records(self, channel_id: str) -> bool:
        recording_id = names.recording_of(channel_id)
        if recording_id is None:
            return False
        return (await self._must(commands.live_recording(recording_id, method="GET", done=commands.GONE))).is_fine

    async def _once_begun(self, channel_id: str, asked: Ask) -> None:
        """Ask for a channel, and wait until it is ours. It was asked for before: it is."""
        waiting = self._waiting[channel_id] = asyncio.get_running_loop().create_future()
        try:
            if (await self._must(asked)).is_fine:
                async with asyncio.timeout(BEGIN_SECONDS):
                    await waiting
        except TimeoutError:
            raise NotBegunError(channel_id) from None
        finally:
            del self._waiting[channel_id]

    async def _inside(self, bridge_id: str) -> list[str]:
        answered = await self._must(Ask(method="GET", path=("bridges", bridge_id), done=commands.GONE))
        return list(answered.body["channels"]) if answered.is_fine else []

    async def _end(self, bridge_id: str) -> None:
        for channel_id in await self._inside(bridge_id):
            if names.is_helper(channel_id):
                await self._must(commands.hang_up(channel_id))
        await self._must(commands.close_bridge(bridge_id))
