"""What is asked of calls over the API."""

from typing import Annotated, Literal, Self

from contracts.fields import Code, DurationMs, Id
from contracts.plain_text import PlainLines
from pydantic import Field, model_validator

from router.api.models import InDomain, Request


class KeysPressed(Request):
    """Keys of a telephone, in their order."""

    keys: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-D*#]+$")]


class Muting(Request):
    """Whether nobody hears the agent."""

    muted: bool


class RecordingPause(Request):
    """Whether the recording pauses."""

    paused: bool


class SupervisionWish(Request):
    """spy: hear all, be heard by nobody; whisper: the agent alone hears you; barge: everybody does; take_over: talk
    instead of the agent."""

    mode: Literal["spy", "whisper", "barge", "take_over"]


class Segment(Request):
    """A stretch of what one of them said, from the beginning of the recording or call."""

    from_ms: DurationMs
    to_ms: DurationMs
    party: Literal["customer", "agent", "supervisor", "other"]
    text: Annotated[PlainLines, Field(min_length=1, max_length=10_000)]


class TranscriptWish(InDomain):
    """What was said, in one text or in segments. The same `transcript_id` again takes the place of what it said."""

    transcript_id: Id
    language: Code
    recording_id: Id | None = None
    text: Annotated[PlainLines, Field(min_length=1, max_length=100_000)] | None = None
    segments: Annotated[list[Segment], Field(min_length=1, max_length=5000)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.text is None) == (self.segments is None):
            raise ValueError("a transcript has either `text` or `segments`")
        return self
