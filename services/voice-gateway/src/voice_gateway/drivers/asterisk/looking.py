"""How a node stands, by its channels and bridges (rest-api/api-docs/channels.json, bridges.json): pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from voice_gateway.domain.events import LegSeen, Snapshot
from voice_gateway.drivers.asterisk import names
from voice_gateway.drivers.asterisk.events import new_leg
from voice_gateway.drivers.asterisk.legs import Legs

Json = Mapping[str, Any]


def snapshot_of(node: str, channels: Sequence[Json], bridges: Sequence[Json], at_ms: int) -> Snapshot:
    """All legs and rooms. What is told meanwhile is newer, and stays as it was told."""
    rooms = _rooms(bridges)
    legs = [new_leg(node, channel) for channel in channels]
    seen = (
        LegSeen(leg_id=leg.leg_id, answered=leg.answered, ours=leg.ours, room_id=rooms.get(leg.channel_id))
        for leg in legs
    )
    ids = (names.room_of(bridge["id"]) for bridge in bridges)
    return Snapshot(legs=tuple(seen), rooms=tuple(room_id for room_id in ids if room_id), at_ms=at_ms)


def learn(node: str, legs: Legs, channels: Sequence[Json], bridges: Sequence[Json]) -> None:
    """Set right what is remembered, after a time in which nothing was told."""
    here = {channel["id"] for channel in channels}
    for leg in legs:
        if leg.channel_id not in here and not leg.is_asked_for:
            legs.remove(leg)
    waits = (bridge for bridge in bridges if bridge["bridge_type"] == "holding")
    legs.music = {room_id: bridge["name"] for bridge in waits if (room_id := names.room_of(bridge["id"]))}
    rooms = _rooms(bridges)
    for channel in channels:
        fresh = new_leg(node, channel)
        leg = legs.of_channel(channel["id"]) or legs.add(fresh)
        leg.answered = leg.answered or fresh.answered
        leg.room_id = leg.goes_to = rooms.get(leg.channel_id)
        if leg.music is None:
            leg.music = legs.music.get(leg.room_id or "", "" if "held" in leg.quiet else None)
    for bridge in bridges:
        streamed, stream_id = legs.get(bridge["name"]), names.stream_of(bridge["id"])
        if stream_id and streamed is not None:
            streamed.streams.add(stream_id)
        for leg in filter(None, map(legs.of_channel, bridge["channels"])):
            leg.monitors = names.is_helper(bridge["id"])


def _rooms(bridges: Sequence[Json]) -> dict[str, str | None]:
    """The room of each channel that is in a bridge."""
    return {channel_id: names.room_of(bridge["id"]) for bridge in bridges for channel_id in bridge["channels"]}
