"""What the flow of a call hears, does and remembers. `flow.step` is its only function.

The flow speaks to the caller until an agent talks, and again after the talk. It waits for three things alone: a
playback that it began, the router, or its timer, of which there is one: `FlowPosition.due_ms`. A timer that comes early
or twice changes nothing, and neither does a playback's end that comes late.
"""

from dataclasses import dataclass
from typing import Literal

from voice_gateway.domain.flow_plan import Consent

Stage = Literal[
    "begin",
    "welcome",
    "language",
    "menu",
    "consent",
    "queued",
    "closed",
    "callback",
    "calling_back",
    "voicemail",
    "recording",
    "talking",
    "survey",
    "leaving",
    "over",
]
"""`closed`: told so, and perhaps offered a callback; `callback`: asked to confirm one; `calling_back`: the router is
asked for it; `leaving`: last words."""
ConsentGiven = Literal["unasked", "told", "granted", "refused"]
LeftFor = Literal["message", "voicemail", "callback", "finished"]
"""`task.transferred_out`, but for `handed_over`, which is nothing to the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The caller's leg is answered and in the wait room."""

    language: str | None = None
    """Known of the customer: who has one of the plan's is not asked."""
    callback_possible: bool = True
    """The caller's number is known and can be dialled."""
    consent: Consent = "none"
    """What recording policies may ask for, as far as is known by now; what the plan asks for beyond it counts too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The caller pressed it."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The playback of this number is over, in whatever way."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerDue:
    """`due_ms` of the position is reached; `position` if the owner knows how many are before the caller now."""

    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The caller's message is recorded; 0 seconds: it is not."""

    seconds: float
    caller_left: bool = False
    """Hanging up ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The router has the task and it waits: `task.queued`, `task.requeued`, `task.unassigned`, `task.rerouted` (but for
    the reason `callback`), `task.resumed`, `task.deferred` (but for `parked`). What is not told stays as it was."""

    queue: str | None = None
    position: int | None = None
    expected_wait_ms: int | None = None
    language: str | None = None
    callback_possible: bool | None = None
    closed: bool | None = None
    """Deferred for the opening, or no more."""
    opens_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledBack:
    """The task is a callback now (`task.rerouted`, reason `callback`), by a key or because the queue gave it up."""

    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRefused:
    """`command.result` with a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """`task.transferred_out`."""

    to: LeftFor
    queue: str
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Talking:
    """An agent is connected: the flow is silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkOver:
    """The agents' side is over and the caller is still there."""


Happening = (
    Begun | Key | Played | TimerDue | Recorded | Queued | CalledBack | CallbackRefused | GivenUp | Talking | TalkOver
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayPrompt:
    """Play it to the caller in this language; `Played` with its number is expected. No other playback is under way."""

    number: int
    """1, 2, 3... within the call."""
    prompt: str
    language: str
    values: tuple[tuple[str, str], ...] = ()
    """For the places of its words."""
    text: str | None = None
    """Words of the router's or a supervisor's to speak instead, where they can be spoken."""
    with_caller: bool = False
    """The caller's number is one of the values, `number`; the flow never holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPrompt:
    """End that playback."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask the router for an agent (`interaction.started`). Done once in a call."""

    queue_hint: str | None
    language: str | None
    """None: not chosen, so that the customer's facts may say it."""
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuChosen:
    """`call.menu_chosen`."""

    menu: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAnswered:
    """The call may be recorded, or may not."""

    granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCallback:
    """Ask the router to make a callback of the waiting task (`callback.requested`)."""

    attempt: int
    """1, 2, 3... within the call: each one is a request of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVoicemail:
    """Record the caller's leg until the key, this long or the caller's end; `Recorded` is expected."""

    seconds_max: int
    end_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveVoicemail:
    """There is a message: it becomes a task (`task.requested`) of this queue."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyAnswer:
    """`call.survey_answered`."""

    survey: str
    question: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End the caller's leg. After it comes nothing, but a `LeaveVoicemail` when the recording is told late."""


Act = (
    PlayPrompt
    | StopPrompt
    | Ask
    | MenuChosen
    | ConsentAnswered
    | RequestCallback
    | RecordVoicemail
    | LeaveVoicemail
    | SurveyAnswer
    | HangUp
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something to say; as in `PlayPrompt`."""

    prompt: str
    values: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    with_caller: bool = False
    language: str | None = None
    """None: the call's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPosition:
    """How far a call has come."""

    stage: Stage = "begin"
    language: str = ""
    """Empty before `Begun`."""
    language_chosen: bool = False
    due_ms: int | None = None
    """When the flow wants `TimerDue`; none: it waits for nothing by itself (talking, over)."""
    playing: int | None = None
    """The number of the playback under way."""
    playbacks: int = 0
    pending: tuple[Line, ...] = ()
    """To be said after it."""
    typed: str = ""
    """Keys pressed ahead of their question."""
    attempts: int = 0
    """Answers to the question at hand that were wrong or did not come."""
    rounds: int = 0
    """Menus asked so far."""
    path: tuple[str, ...] = ()
    """The menus below the first one, down to the one at hand."""
    consent: ConsentGiven = "unasked"
    consent_asked_for: Consent = "none"
    queue_hint: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    asked: bool = False
    queue: str | None = None
    callback_possible: bool = True
    callbacks_asked: int = 0
    place: int | None = None
    """In the queue, until it has been told."""
    expected_at_ms: int | None = None
    announced: int = 0
    """How many announcements so far."""
    closed: bool = False
    """And not to open so soon that it is waited for."""
    recording: bool = False
    """A message was begun and has not become a task."""
    question: int = 0
    """Of the survey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStep:
    """What comes of a happening: where the call is now and what is done, in order."""

    position: FlowPosition
    acts: tuple[Act, ...] = ()
