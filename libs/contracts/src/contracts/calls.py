"""What happens on calls, leg by leg, told by the voice gateway alone (topic `messages`)."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from contracts.fields import Code, Count, Direction, DurationMs, Fraction, Id, InstantMs, Milliseconds, Personal, Text

LegParty = Literal["customer", "agent", "supervisor", "other"]
"""Whose phone a leg is; other: a number outside whom an agent asked in."""
AnsweredBy = Literal["human", "machine", "unknown"]
RecordingKind = Literal["talk", "voicemail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStarted:
    """A phone calls, or is called; `personal.number` and `personal.name` are its own."""

    interaction_id: Id
    domain: Id
    leg_id: Id
    party: LegParty
    direction: Direction
    """inbound: the phone called us."""
    started_at_ms: InstantMs
    agent_id: Id | None = None
    """Whose phone it is: the agent's, or the supervisor's."""
    assignment_id: Id | None = None
    """Of an agent's phone: what it is called for."""
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRinging:
    """The phone that is called rings."""

    interaction_id: Id
    domain: Id
    leg_id: Id
    party: LegParty
    ringing_at_ms: InstantMs
    agent_id: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered:
    """The leg can hear and be heard."""

    interaction_id: Id
    domain: Id
    leg_id: Id
    party: LegParty
    by: AnsweredBy
    answered_at_ms: InstantMs
    agent_id: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded:
    """The phone is gone from the call. What its sound was like is told as far as it is known (RTP statistics)."""

    interaction_id: Id
    domain: Id
    leg_id: Id
    party: LegParty
    cause: Code
    """`hung_up`, `busy`, `declined`, `no_answer`, `unknown_number`, `unavailable`, `cancelled`, `congested`, `lost`
    (with its node), `failed`."""
    by_us: bool
    """The gateway hung up."""
    ended_at_ms: InstantMs
    agent_id: Id | None = None
    sip_code: Annotated[int, Field(ge=100, le=699)] | None = None
    jitter_ms: Milliseconds | None = None
    lost_fraction: Fraction | None = None
    """Of the packets that were expected."""
    round_trip_ms: Milliseconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysPressed:
    """The customer pressed keys; `personal.keys` are they, which may be a card's. Nothing is told of keys while the
    recording is paused."""

    interaction_id: Id
    domain: Id
    leg_id: Id
    pressed_at_ms: InstantMs
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuChosen:
    """The customer took one of the choices of a menu."""

    interaction_id: Id
    domain: Id
    menu: Code
    key: Annotated[str, Field(pattern=r"^[0-9*#]$")]
    chosen_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingChanged:
    """A recording began, pauses, goes on, or is over."""

    interaction_id: Id
    domain: Id
    recording_id: Id
    state: Code
    """`started`, `paused`, `resumed`, `stopped`, `failed`."""
    changed_at_ms: InstantMs
    agent_id: Id | None = None
    """Who had it paused or resumed."""
    reason: Code | None = None
    """Why it failed, or stopped before the talk was over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Since the recording began, by the clock: what was said meanwhile is not in it."""

    from_ms: DurationMs
    to_ms: DurationMs


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReady:
    """A recording is kept and can be heard by those who may."""

    interaction_id: Id
    domain: Id
    recording_id: Id
    kind: RecordingKind
    blob_id: Id
    size_bytes: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    content_type: Annotated[str, Field(min_length=1, max_length=100)]
    begun_at_ms: InstantMs
    seconds: Annotated[float, Field(ge=0)]
    """How long it plays."""
    keep_until_ms: InstantMs
    """When it is removed."""
    pauses: Annotated[tuple[Pause, ...], Field(max_length=1000)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRemoved:
    """The recording is kept no more."""

    interaction_id: Id
    domain: Id
    recording_id: Id
    reason: Code
    """`expired`, or why somebody had it removed."""
    removed_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptAttached:
    """An integrator wrote down what was said: `personal.text`, or `personal.segments`,
    `[{from_ms, to_ms, party, text}]`. The same `transcript_id` again takes the place of what it said before."""

    interaction_id: Id
    domain: Id
    transcript_id: Id
    language: Code
    attached_at_ms: InstantMs
    recording_id: Id | None = None
    """What was listened to."""
    personal: Personal = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyAnswered:
    """The customer answered a question after the talk."""

    interaction_id: Id
    domain: Id
    survey: Code
    """As the flow names it."""
    question: Code
    key: Annotated[str, Field(pattern=r"^[0-9*#]$")]
    answered_at_ms: InstantMs
    agent_id: Id | None = None
    """Whom they had talked with last."""
    assignment_id: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised:
    """A supervisor listens to a talk, has a part in it, or does no more."""

    interaction_id: Id
    domain: Id
    supervisor_id: Id
    agent_id: Id
    mode: Code
    """`spy`, `whisper` (the agent alone hears them), `barge` (everybody does), `take_over` (they talk instead of the
    agent), `over`."""
    announced: bool
    """The agent was told."""
    supervised_at_ms: InstantMs


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMeasured:
    """How the call was, told once when all its legs have ended."""

    interaction_id: Id
    domain: Id
    duration_ms: DurationMs
    ring_ms: DurationMs
    """Until it was answered."""
    wait_ms: DurationMs
    """Until an agent was there, questions of the flow too; not what came after the talk, as a survey."""
    talk_ms: DurationMs
    """Of the customer with an agent, without hold."""
    hold_ms: DurationMs
    measured_at_ms: InstantMs
    silence_ms: DurationMs | None = None
    """Of the talk, where the node can tell."""
    jitter_ms: Milliseconds | None = None
    """The worst of its legs."""
    lost_fraction: Fraction | None = None
    """The worst of its legs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCommandRefused:
    """What was asked of a call is not done."""

    interaction_id: Id
    domain: Id
    command_id: Id
    reason: Code
    """`interaction_ended`, `assignment_gone`, `role_forbids`, `leg_unknown`, `keys_invalid`, `not_recording`,
    `phone_unknown`, `not_supported` (by this node), or that of the node."""
    refused_at_ms: InstantMs
    agent_id: Id | None = None
    """Who had asked: an agent, or a supervisor."""
    detail: Text | None = None
