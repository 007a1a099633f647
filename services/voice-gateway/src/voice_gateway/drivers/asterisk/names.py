"""What Asterisk calls our things, so that a repeated command meets what it made before.

Asterisk also finds a channel by the beginning of its id (seen in 22.10: `a1` is taken once there is `a10`). So each id
of a channel has an end, and is the beginning of no other.
"""

from typing import Final
from uuid import NAMESPACE_URL, uuid5

_LEG: Final = "leg-"
_ROOM: Final = "room-"
_MONITOR: Final = "monitor-"
_STREAM: Final = "stream-"
_RECORDER: Final = "recorder-"
_END: Final = "."


def leg_channel(leg_id: str) -> str:
    """The channel of a leg that we dial."""
    return _LEG + leg_id + _END


def leg_of(node: str, channel_id: str) -> str:
    """The leg of a channel: ours, or derived from Asterisk's own id and the node's name."""
    if is_ours(channel_id):
        return channel_id.removeprefix(_LEG).removesuffix(_END)
    return uuid5(NAMESPACE_URL, f"{node}/{channel_id}").hex


def is_ours(channel_id: str) -> bool:
    """Whether we have dialled it."""
    return channel_id.startswith(_LEG)


def is_helper(channel_id: str) -> bool:
    """Whether it is no leg: it listens to one, or is a stream."""
    return channel_id.startswith((_MONITOR, _STREAM, _RECORDER))


def room_bridge(room_id: str) -> str:
    """The bridge of a room."""
    return _ROOM + room_id


def room_of(bridge_id: str) -> str | None:
    """The room of a bridge; none: it is none of ours, or a helper's."""
    return bridge_id.removeprefix(_ROOM) if bridge_id.startswith(_ROOM) else None


def monitor_bridge(leg_id: str) -> str:
    """Where a supervisor's leg meets the channel that listens for it."""
    return _MONITOR + leg_id


def monitor_channel(leg_id: str, of_leg_id: str, mode: str) -> str:
    """What listens for a supervisor's leg."""
    return f"{_MONITOR}{leg_id}-{of_leg_id}-{mode}{_END}"


def spoken_to(channel_id: str) -> tuple[str, str] | None:
    """Of what listens for a supervisor's leg: that leg, and the one which hears it; none: no other does."""
    if not channel_id.startswith(_MONITOR):
        return None
    leg_id, of_leg_id, mode = channel_id.removeprefix(_MONITOR).removesuffix(_END).rsplit("-", 2)
    return None if mode == "spy" else (leg_id, of_leg_id)


def stream_bridge(stream_id: str) -> str:
    """Where a stream meets the channel that listens to its leg; also the stream's own channel."""
    return _STREAM + stream_id + _END


def stream_of(bridge_id: str) -> str | None:
    """The stream of a bridge; none: it is of none."""
    return bridge_id.removeprefix(_STREAM).removesuffix(_END) if bridge_id.startswith(_STREAM) else None


def stream_ear(stream_id: str) -> str:
    """What listens to the leg of a stream."""
    return f"{_STREAM}{stream_id}-ear{_END}"


def recorder_channel(recording_id: str) -> str:
    """What listens to a leg that is recorded."""
    return _RECORDER + recording_id + _END


def recording_of(channel_id: str) -> str | None:
    """What that records; none: it is none of these."""
    return channel_id.removeprefix(_RECORDER).removesuffix(_END) if channel_id.startswith(_RECORDER) else None
