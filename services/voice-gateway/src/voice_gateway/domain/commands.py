"""What a node is asked to do. A command that comes again under its id has been done already."""

from dataclasses import dataclass

from voice_gateway.domain.words import WITHHELD, Hearing, Media, MonitorMode, Party, RefusedBecause, RoomKind, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Tell an incoming leg that it rings."""

    leg_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer an incoming leg."""

    leg_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """End an incoming leg that was not answered, for a reason that it is told. Answered meanwhile, it ends as well."""

    leg_id: str
    because: RefusedBecause


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End a leg, answered or not."""

    leg_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """Make a leg of our own and ring its phone."""

    leg_id: str
    to: Target
    ring_seconds: int
    shown: Party = WITHHELD
    """Whom the phone shows; a number of ours for numbers outside."""
    headers: tuple[tuple[str, str], ...] = ()
    """SIP headers, by drivers that can (`headers`)."""
    answers_itself: bool = False
    """The phone is asked to answer without a hand (Call-Info answer-after, Alert-Info)."""
    detects_machines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoom:
    """Make a room; `music` names what a wait room plays, none: the node's own."""

    room_id: str
    kind: RoomKind
    music: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRoom:
    """End a room; its legs stay, and hear nothing."""

    room_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Put an answered leg into a room, out of any other."""

    room_id: str
    leg_id: str
    hearing: Hearing = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Take a leg out of a room."""

    room_id: str
    leg_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Let a leg hear sounds one after the other, in place of its room's music. What it was played before ends at once
    (`PlaybackEnded`, `stopped`)."""

    playback_id: str
    leg_id: str
    media: tuple[Media, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlaying:
    """End a playback before its end."""

    playback_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """The others hear nothing of a leg, or hear it again."""

    leg_id: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A leg hears music and is not heard, or talks again; it stays in its room."""

    leg_id: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Record what is said in a room, or what one leg says, from now on. Of a leg that is muted, held or only listens
    nothing is heard, and time passes."""

    recording_id: str
    room_id: str | None = None
    leg_id: str | None = None
    seconds_max: int = 4 * 3600
    ends_with_key: str | None = None
    """Of a leg's recording: the key that ends it (voicemail)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecording:
    """What is said while it is paused is not in the recording; or it goes on."""

    recording_id: str
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecording:
    """End a recording; `RecordingReady` follows."""

    recording_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """Let a supervisor's answered leg hear a talk, from the place of an agent's answered leg, out of any room of its
    own; repeated with another mode it changes to that."""

    leg_id: str
    of_leg_id: str
    mode: MonitorMode


@dataclass(frozen=True, slots=True, kw_only=True)
class SendKeys:
    """Play the tones of keys to a leg (RFC 4733)."""

    leg_id: str
    keys: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMedia:
    """Send a leg's sound to a bot or a transcription, and what comes back to the leg, until it ends or is closed."""

    stream_id: str
    leg_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStream:
    """End a stream."""

    stream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """Make a phone known by which an agent can be dialled; known already, it gets this password."""

    endpoint_id: str
    password: str
    browser: bool = False
    """WebRTC (RFC 8827) rather than SIP over UDP, TCP or TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Forget a phone."""

    endpoint_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """Legs live on for so long, and end by themselves if this is not said again: nobody talks for ever with a gateway
    that is gone."""

    leg_ids: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTransfer:
    """What came of a transfer that a phone asked for: the phone is told by its NOTIFY (RFC 3515)."""

    transfer_id: str
    accepted: bool


Command = (
    Ring
    | Answer
    | Reject
    | HangUp
    | Dial
    | OpenRoom
    | CloseRoom
    | Join
    | Leave
    | Play
    | StopPlaying
    | Mute
    | Hold
    | Record
    | PauseRecording
    | StopRecording
    | Monitor
    | SendKeys
    | StreamMedia
    | StopStream
    | Provision
    | Withdraw
    | KeepAlive
    | AnswerTransfer
)
