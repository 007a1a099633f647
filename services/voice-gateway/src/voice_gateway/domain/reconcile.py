"""How calls and a node agree again after it could not be heard: by what is the case now, not by what was missed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from voice_gateway.domain import legs, recording, waiting
from voice_gateway.domain.call import Call, Leg
from voice_gateway.domain.commands import CloseRoom, Command, HangUp
from voice_gateway.domain.events import LegAnswered, LegEnded, LegSeen, Snapshot
from voice_gateway.domain.flow_words import Played
from voice_gateway.domain.step import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a snapshot has that no call knows, and how to be rid of it."""

    orphans: tuple[Command, ...]


def reconcile(calls: Iterable[Call], snapshot: Snapshot) -> Difference:
    """Of all calls of a node that are not over; each of them is given `Reconciled` beside this. A leg that called us
    meanwhile was never told of and cannot be routed: it ends as one of ours that nobody knows."""
    known = tuple(calls)
    leg_ids = {leg.leg_id for call in known for leg in call.legs}
    rooms = {room.room_id for call in known for room in call.rooms}
    lost = [HangUp(leg_id=seen.leg_id) for seen in snapshot.legs if seen.leg_id not in leg_ids]
    empty = [CloseRoom(room_id=room_id) for room_id in snapshot.rooms if room_id not in rooms]
    return Difference(orphans=(*lost, *empty))


def reconciled(turn: Turn, snapshot: Snapshot) -> None:
    """Legs that are gone have ended, `lost`; others are where the node says, and `settle` puts them where they belong.
    What began after the snapshot is not in it."""
    _rooms_seen(turn, snapshot)
    seen = {each.leg_id: each for each in snapshot.legs}
    for leg in turn.call.legs:
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
    """What was to be stopped, or is of a room or a leg that is gone, is over, and perhaps that was not heard. It is
    fetched as if it were ready; whoever fetches it sees whether it is."""
    there = {room.room_id for room in turn.call.rooms} | {leg.leg_id for leg in turn.call.legs}
    for each in turn.call.recordings:
        if each.where_id not in there or (each.stopped_at_ms or snapshot.at_ms) < snapshot.at_ms:
            waiting.recorded(turn, each.recording_id, recording.length_seconds(each, snapshot.at_ms))
