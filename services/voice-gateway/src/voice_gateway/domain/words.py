"""What both a driver's commands and its events speak of."""

from dataclasses import dataclass
from typing import Final, Literal

RoomKind = Literal["wait", "talk"]
Hearing = Literal["both", "listen"]
"""How a leg is in a talk room: heard and hearing, or hearing alone."""
MonitorMode = Literal["spy", "whisper", "barge"]
"""spy: hears all, is heard by nobody; whisper: is heard by the one leg alone; barge: is heard by all."""
RefusedBecause = Literal["busy", "declined", "unavailable", "congested"]
EndCause = Literal[
    "hung_up",
    "busy",
    "declined",
    "no_answer",
    "unknown_number",
    "unavailable",
    "cancelled",
    "congested",
    "lost",
    "failed",
]
"""Why a leg ended: `lost` with its node or by its own time-out, `cancelled` before it was answered by who had dialled,
`unavailable` for a phone that is not registered."""
AnsweredBy = Literal["human", "machine", "unknown"]
PlaybackEnd = Literal["played", "stopped", "failed"]
TransferForm = Literal["blind", "attended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number in E.164, or as the trunk dials it."""

    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone that the gateway has provisioned for an agent (`Provision`)."""

    endpoint_id: str


Target = Number | Phone


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who a line says it is; none: withheld. `asserted` if a trusted network vouches for it (P-Asserted-Identity,
    RFC 3325), which a From header alone does not."""

    number: str | None = None
    name: str | None = None
    asserted: bool = False


WITHHELD: Final = Party()


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A sound: a file that the node can read by this URL or name."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a leg's media were like, as far as its node knows: RTP statistics (RFC 3550 §6.4) as its end saw them."""

    jitter_ms: float | None = None
    lost_fraction: float | None = None
    """0 to 1, of packets expected."""
    round_trip_ms: float | None = None
