"""What the CRM keeps of calls: each thing that happened, and what was said if somebody wrote it down.

A step is known by its event and stands where the event stands in topic `messages`, so that neither order of reading
nor a repeat changes anything. Of a transcript the one that was told last stands. Keys that customers press are not
kept: they may be a card's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from contracts.calls import (
    CallMeasured,
    LegAnswered,
    LegEnded,
    LegRinging,
    LegStarted,
    MenuChosen,
    RecordingChanged,
    RecordingReady,
    RecordingRemoved,
    Supervised,
    SurveyAnswered,
    TranscriptAttached,
)

from crm.domain.words import cleaned

CallEvent = (
    LegStarted
    | LegRinging
    | LegAnswered
    | LegEnded
    | MenuChosen
    | RecordingChanged
    | RecordingReady
    | RecordingRemoved
    | TranscriptAttached
    | SurveyAnswered
    | Supervised
    | CallMeasured
)
SEGMENTS_MAX: Final = 5000
NOT_TOLD: Final = frozenset({"interaction_id", "domain", "personal", "sha256", "content_type", "blob_id", "pauses"})
"""Fields of events that a step has in its columns, or that nobody reads there."""
Told = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStep:
    """One thing that happened on a call; the fields are the columns of table `call_step`."""

    tenant_id: str
    interaction_id: str
    event_id: str
    number: int
    """Place in the conversation; rises, with gaps."""
    type: str
    """Of the event."""
    at_ms: int
    told: Mapping[str, Told] = field(default_factory=dict)
    """Fields of the event that say something, and the `number` of a phone."""
    confidential: bool = False
    """Not for agents: a supervisor listens, and they are not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said; the fields are the columns of table `transcript`."""

    tenant_id: str
    interaction_id: str
    transcript_id: str
    recording_id: str | None
    language: str
    attached_at_ms: int
    text: str | None
    """None: in segments, or encrypted."""
    segments: Sequence[Mapping[str, object]]
    """`{from_ms, to_ms, party, text}` of each."""


def step_of(data: CallEvent, *, tenant_id: str, event_id: str, number: int, event_type: str, at_ms: int) -> CallStep:
    """What is kept of the event."""
    told = {name: value for name, value in asdict(data).items() if name not in NOT_TOLD and isinstance(value, Told)}
    calling = data.personal.get("number") if isinstance(data, LegStarted) else None
    if isinstance(calling, str):
        told["number"] = cleaned(calling)
    return CallStep(
        tenant_id=tenant_id,
        interaction_id=data.interaction_id,
        event_id=event_id,
        number=number,
        type=event_type,
        at_ms=at_ms,
        told=told,
        confidential=_is_confidential(data),
    )


def transcript_of(tenant_id: str, data: TranscriptAttached) -> Transcript:
    """The transcript that the event tells of."""
    text = data.personal.get("text")
    return Transcript(
        tenant_id=tenant_id,
        interaction_id=data.interaction_id,
        transcript_id=data.transcript_id,
        recording_id=data.recording_id,
        language=data.language,
        attached_at_ms=data.attached_at_ms,
        text=cleaned(text) if isinstance(text, str) else None,
        segments=_segments(data.personal.get("segments")),
    )


def sentence(event_type: str, fields: Mapping[str, Told]) -> str:
    """A step in a line, by its `type` and what is `told`: `ana answers`."""
    told = defaultdict(str, {name: str(value) for name, value in fields.items()})
    told["who"] = told["agent_id"] or told["party"]
    told["calling"] = "calls" if told["direction"] == "inbound" else "is called"
    told["what"] = "voicemail" if told["kind"] == "voicemail" else "recording"
    told["talk_seconds"], told["wait_seconds"] = (str(_seconds(fields, name)) for name in ("talk_ms", "wait_ms"))
    reasons = [told[name] for name in ("cause", "reason") if told[name]]
    said = _SENTENCES.get(event_type, event_type).format_map(told)
    return said + (f" ({', '.join(reasons)})" if reasons else "")


def _seconds(fields: Mapping[str, Told], name: str) -> int:
    value = fields.get(name, 0)
    return round(value / 1000) if isinstance(value, int | float) else 0


def _is_confidential(data: CallEvent) -> bool:
    if isinstance(data, LegStarted | LegRinging | LegAnswered | LegEnded):
        return data.party == "supervisor"
    return isinstance(data, Supervised) and not data.announced


def _segments(told: object) -> Sequence[Mapping[str, object]]:
    found: list[Mapping[str, object]] = []
    for each in (told if isinstance(told, list) else [])[:SEGMENTS_MAX]:
        match each:
            case {"from_ms": int(from_ms), "to_ms": int(to_ms), "party": str(party), "text": str(text)}:
                found.append({"from_ms": from_ms, "to_ms": to_ms, "party": cleaned(party), "text": cleaned(text)})
    return found


_SENTENCES: Final = {
    "call.leg_started": "{who} {calling}",
    "call.leg_ringing": "the phone of {who} rings",
    "call.leg_answered": "{who} answers",
    "call.leg_ended": "{who} is gone",
    "call.menu_chosen": "key {key} in menu {menu}",
    "call.recording_changed": "recording {state}",
    "call.recording_ready": "{what} of {seconds} s",
    "call.recording_removed": "recording removed",
    "call.transcript_attached": "transcript",
    "call.survey_answered": "survey {survey}: {key} to {question}",
    "call.supervised": "{supervisor_id} with {agent_id}: {mode}",
    "call.measured": "talked for {talk_seconds} s after {wait_seconds} s of waiting",
}
