"""How a call and its node agree again after it could not be heard: by what is the case now, not by what was missed.

What the node has that no call knows is the owner's to end."""

from dataclasses import replace

from voice_gateway.domain import legs, recording, waiting
from voice_gateway.domain.call import Leg
from voice_gateway.domain.commands import HangUp
from voice_gateway.domain.events import LegAnswered, LegEnded, LegSeen, Snapshot
from voice_gateway.domain.flow_words import Played
from voice_gateway.domain.step import Turn


def reconciled(turn: Turn, snapshot: Snapshot) -> None:
    """Legs that are gone have ended, `lost`; others are where the node says, and `settle` puts them where they belong.
    What began after the snapshot is not in it."""
    _rooms_seen(turn, snapshot)
    seen = {each.leg_id: each for each in snapshot.legs}
    for leg in sorted(turn.call.legs, key=lambda leg: leg.of != "customer"):  # nobody is rung for who is gone
        found = seen.get(leg.leg_id)
        if found is not None:
            _leg_seen(turn, leg, found, snapshot.at_ms)
        elif leg.begun_at_ms < snapshot.at_ms:
            legs.ended(turn, LegEnded(leg_id=leg.leg_id, cause="lost", at_ms=snapshot.at_ms, by_us=leg.releasing))
    _recordings_seen(turn, snapshot)
    turn.change(watches=tuple(replace(watch, told=None) if watch.told else watch for watch in turn.call.watches))
    if turn.call.flow is not None and turn.call.flow.playing is not None:
        waiting.hear(turn, Played(number=turn.call.flow.playing))
    if turn.call.ended_at_ms is None:
        legs.keep_alive(turn)


def _leg_seen(turn: Turn, leg: Leg, seen: LegSeen, at_ms: int) -> None:
    turn.put_leg(replace(leg, room_id=seen.room_id))
    if leg.releasing:
        turn.tell(HangUp(leg_id=leg.leg_id))
    if seen.answered:
        legs.answered(turn, LegAnswered(leg_id=leg.leg_id, at_ms=at_ms))


def _rooms_seen(turn: Turn, snapshot: Snapshot) -> None:
    """A room that is gone is opened anew under another id."""
    rooms = turn.call.rooms
    gone = {room.room_id for room in rooms if room.opened_at_ms < snapshot.at_ms} - set(snapshot.rooms)
    turn.change(rooms=tuple(room for room in rooms if room.room_id not in gone))


def _recordings_seen(turn: Turn, snapshot: Snapshot) -> None:
    """What was to be stopped, or is of a leg that is gone or of a room in which nobody is, is over, and perhaps that
    was not heard. It is fetched as if it were ready; whoever fetches it sees whether it is."""
    there = {leg.room_id for leg in snapshot.legs} | {leg.leg_id for leg in turn.call.legs}
    for each in turn.call.recordings:
        if each.where_id not in there or (each.stopped_at_ms or snapshot.at_ms) < snapshot.at_ms:
            waiting.recorded(turn, each.recording_id, recording.length_seconds(each, snapshot.at_ms))
