"""What is true of every sequence of events that a driver tells."""

from collections.abc import Sequence

from voice_gateway.domain import events
from voice_gateway.domain.events import Event


def assert_in_order(told: Sequence[Event]) -> None:
    """Each leg begins, is answered and ends at most once and does nothing after its end; it is in one room at a time.

    Up to the first loss of the node: what happens then is not told.
    """
    answered: set[str] = set()
    arrived: set[str] = set()
    ended: set[str] = set()
    where: dict[str, str] = {}
    for event in told:
        if isinstance(event, events.DriverLost):
            return
        leg_id = getattr(event, "leg_id", None)
        assert leg_id not in ended, f"{event} comes after the end of its leg"
        match event:
            case events.LegIncoming():
                assert event.leg_id not in arrived, f"{event} comes twice"
                arrived.add(event.leg_id)
            case events.LegAnswered():
                assert event.leg_id not in answered, f"{event} comes twice"
                answered.add(event.leg_id)
            case events.LegRinging():
                assert event.leg_id not in answered, f"{event} comes late"
            case events.RoomJoined():
                assert event.leg_id not in where, f"{event}, but the leg is in {where}"
                where[event.leg_id] = event.room_id
            case events.RoomLeft():
                assert where.pop(event.leg_id, None) == event.room_id, f"{event}, but the leg was not there"
            case events.LegEnded():
                assert event.leg_id not in where, f"{event}, but the leg never left {where}"
                ended.add(event.leg_id)
