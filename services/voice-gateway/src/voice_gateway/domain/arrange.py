"""What should be, and what the node is told for it: the difference from what it was told before.

Nobody is left alone: who would be is given music, but for an agent who has put the customer on hold.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from voice_gateway.domain import ending, recording, supervision
from voice_gateway.domain.call import Call, Leg, Purpose, Room, Seat, Spending
from voice_gateway.domain.commands import CloseRoom, HangUp, Join, OpenRoom
from voice_gateway.domain.step import Turn

REFUSALS_MAX: Final = 3
"""So often a leg that the node does not put where it belongs is tried; then it is ended."""
Places = Mapping[str, Purpose]
"""Leg ids, and in what kind of room they belong."""


def settle(turn: Turn) -> None:
    """Legs that belong to nobody end, the others go where they belong; what else hangs on that follows."""
    ending.end_delayed(turn)
    supervision.prune(turn)
    _release(turn)
    places = places_of(turn.call)
    recorded = recording.wanted(turn.call, places)
    recording.quieten(turn, recorded=recorded, talks="talk" in places.values())
    for leg_id, purpose in places.items():
        _put(turn, leg_id, purpose)
    recording.run(turn, recorded=recorded)
    _close_rooms(turn, places)
    supervision.settle(turn)
    _spend(turn, places)
    ending.settle(turn)


def places_of(call: Call) -> Places:
    """Where each leg that can be put into a room belongs; supervisors are in none."""
    customer, owner = _up(call, call.customer_leg_id), call.owner
    owned = _up(call, owner.leg_id) if owner else None
    consulted = [leg for seat in _helpers(call, "consultant") if (leg := _up(call, seat.leg_id))]
    talking = [leg for seat in _helpers(call, "participant", "owner") if (leg := _up(call, seat.leg_id))]
    places: dict[str, Purpose] = {leg.leg_id: "wait" for leg in (customer, owned, *consulted, *talking) if leg}
    consults = owned is not None and bool(consulted)
    if consults:
        places |= {leg.leg_id: "consult" for leg in (owned, *consulted) if leg}
    elif owned is not None:
        talking.insert(0, owned)
    held = customer is not None and is_held(call)
    if customer is not None and not held:
        talking.append(customer)
    if len(talking) > 1 or (held and talking == [owned]):
        places |= {leg.leg_id: "talk" for leg in talking}
    return places


def is_held(call: Call) -> bool:
    """Whether an agent has put the customer on hold."""
    return any(seat.held for seat in call.seats if seat.role != "consultant")


def alone(call: Call) -> list[str]:
    """Ids of the legs that are alone in a room of people: nobody may be, but for the owner while the customer is on
    hold. Between two steps it is empty."""
    owner = call.owner
    excused = owner.leg_id if owner and is_held(call) else None
    people = {room.room_id for room in call.rooms if room.purpose != "wait"}
    inside = [leg for leg in call.legs if leg.room_id in people and not leg.releasing]
    rooms = [leg.room_id for leg in inside]
    return [leg.leg_id for leg in inside if rooms.count(leg.room_id) == 1 and leg.leg_id != excused]


def _helpers(call: Call, *roles: str) -> list[Seat]:
    return [seat for seat in call.seats if seat.role in roles and seat.task_id != call.task_id]


def _up(call: Call, leg_id: str | None) -> Leg | None:
    leg = call.leg(leg_id)
    return leg if leg is not None and leg.state == "up" and not leg.releasing else None


def _release(turn: Turn) -> None:
    call = turn.call
    kept = {seat.leg_id for seat in call.seats} | {watch.leg_id for watch in call.watches}
    if call.ended_at_ms is None:
        kept.add(call.customer_leg_id)
    for leg in call.legs:
        if leg.leg_id not in kept:
            release(turn, leg)


def release(turn: Turn, leg: Leg) -> None:
    """Have the node end a leg, once."""
    if not leg.releasing:
        turn.put_leg(replace(leg, releasing=True))
        turn.tell(HangUp(leg_id=leg.leg_id))


def _put(turn: Turn, leg_id: str, purpose: Purpose) -> None:
    leg = turn.call.leg(leg_id)
    if leg is None or leg.refusals >= REFUSALS_MAX:
        return
    room = turn.call.room(purpose) or _open(turn, purpose)
    if leg.room_id != room.room_id:
        turn.put_leg(replace(leg, room_id=room.room_id))
        turn.tell(Join(room_id=room.room_id, leg_id=leg_id))


def _open(turn: Turn, purpose: Purpose) -> Room:
    room = Room(room_id=turn.new_id("room"), purpose=purpose, opened_at_ms=turn.now_ms)
    music = turn.call.terms.music if purpose == "wait" else None
    turn.change(rooms=(*turn.call.rooms, room))
    turn.tell(OpenRoom(room_id=room.room_id, kind="wait" if purpose == "wait" else "talk", music=music))
    return room


def _close_rooms(turn: Turn, places: Places) -> None:
    """A wait room stays for who may come back; a room that legs are still leaving is closed behind them."""
    wanted = set(places.values()) | ({"wait"} if turn.call.ended_at_ms is None else set())
    for room in turn.call.rooms:
        if room.purpose not in wanted:
            turn.tell(CloseRoom(room_id=room.room_id))
            turn.change(
                rooms=tuple(each for each in turn.call.rooms if each != room),
                legs=tuple(
                    replace(leg, room_id=None) if leg.room_id == room.room_id else leg for leg in turn.call.legs
                ),
            )


def _spend(turn: Turn, places: Places) -> None:
    call = turn.call
    now = _spending(call, places.get(call.customer_leg_id))
    if now != call.spent.now:
        turn.change(spent=ending.spent_until(call.spent, now, turn.now_ms))


def _spending(call: Call, place: Purpose | None) -> Spending:
    leg = call.leg(call.customer_leg_id)
    if leg is None or place is None:
        return "ring" if leg is not None and leg.state != "up" else call.spent.now
    if place == "talk":
        return "talk"
    if call.closing is not None:
        return "after"
    return "hold" if call.owner is not None and call.owner.connected else "wait"
