"""What a node tells."""

from dataclasses import dataclass

from voice_gateway.domain.commands import Command
from voice_gateway.domain.words import AnsweredBy, EndCause, Party, PlaybackEnd, Quality, TransferForm


@dataclass(frozen=True, slots=True, kw_only=True)
class LegIncoming:
    """Somebody calls; nothing is answered yet."""

    leg_id: str
    called: str
    """The number that was dialled, as the trunk says it."""
    caller: Party
    at_ms: int
    diverted_from: str | None = None
    """The number that was dialled first (Diversion, History-Info: RFC 5806, 7044)."""
    headers: tuple[tuple[str, str], ...] = ()
    """The custom ones (`X-`), as many as the driver is told to pass on."""
    provider_id: str | None = None
    """The node's own id, for its logs: SIP Call-ID, CallSid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRinging:
    """A dialled phone rings."""

    leg_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered:
    """A leg can be put into rooms."""

    leg_id: str
    at_ms: int
    by: AnsweredBy = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded:
    """Nothing can be done with the leg any more."""

    leg_id: str
    cause: EndCause
    at_ms: int
    sip_code: int | None = None
    by_us: bool = False
    """We hung up, or our command ended it."""
    quality: Quality | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomJoined:
    """A leg is in a room."""

    room_id: str
    leg_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLeft:
    """A leg is in a room no more."""

    room_id: str
    leg_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed:
    """Somebody pressed a key: 0 to 9, A to D, `*` or `#`."""

    leg_id: str
    key: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackEnded:
    """The sounds are over."""

    playback_id: str
    end: PlaybackEnd
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReady:
    """`Driver.recording` gives its bytes, until `forget_recording`."""

    recording_id: str
    seconds: float
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed:
    """There will be no recording."""

    recording_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged:
    """A phone put its other side on hold by itself, or off it."""

    leg_id: str
    held: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequested:
    """A phone asks to give its talk away (REFER, RFC 3515). Nothing has happened; `AnswerTransfer` says what comes."""

    transfer_id: str
    leg_id: str
    form: TransferForm
    to: str
    """What was dialled; of an attended one the leg that the phone talks with."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRefused:
    """The node cannot do it, now or ever: the leg is gone, there is no such sound, its `Capabilities` deny it. Never
    told of what has been done; the end of what is gone (HangUp, CloseRoom, StopPlaying...) has been done."""

    command: Command
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSeen:
    """A leg as it is."""

    leg_id: str
    answered: bool
    ours: bool
    """Dialled by us."""
    room_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All legs and rooms of a node."""

    legs: tuple[LegSeen, ...]
    rooms: tuple[str, ...]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverLost:
    """The node cannot be heard or commanded; calls on it may go on."""

    reason: str
    at_ms: int
    replaced: bool = False
    """Another client of ours has the node: whoever ran it makes sure of its lease first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverRecovered:
    """It can again. What happened meanwhile was not told: the snapshot is how things stand now."""

    snapshot: Snapshot
    at_ms: int


Event = (
    LegIncoming
    | LegRinging
    | LegAnswered
    | LegEnded
    | RoomJoined
    | RoomLeft
    | KeyPressed
    | PlaybackEnded
    | RecordingReady
    | RecordingFailed
    | HoldChanged
    | TransferRequested
    | CommandRefused
    | DriverLost
    | DriverRecovered
)
