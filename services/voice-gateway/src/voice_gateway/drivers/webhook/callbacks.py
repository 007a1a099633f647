"""What Twilio tells by webhook, as data: "Twilio's request to your application" (incoming call), "Call resource"
(status callbacks), "<Conference>" (statusCallback), "Recordings" (recordingStatusCallback), "Answering machine
detection", "Trusted calling with SHAKEN/STIR".

Callbacks come again and out of order. A call's status only moves on (`RANKS`), whichever callback tells it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voice_gateway.domain.words import AnsweredBy, EndCause, Party

Form = Mapping[str, str]
RANKS: Final = {
    "queued": 0,
    "initiated": 1,
    "ringing": 2,
    "in-progress": 3,
    "answered": 3,
    "completed": 4,
    "busy": 4,
    "no-answer": 4,
    "canceled": 4,
    "failed": 4,
}
RINGING: Final = 2
ANSWERED: Final = 3
ENDED: Final = 4
WITHHELD_NUMBERS: Final = frozenset(
    {"", "anonymous", "restricted", "unavailable", "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"}
)
"""The words ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE as keys: "Why am I getting calls from these strange
numbers?"."""
_CAUSES: Final[Mapping[str, EndCause]] = {
    "completed": "hung_up",
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "cancelled",
}
_BY_SIP: Final[Mapping[int, EndCause]] = {
    404: "unknown_number",
    484: "unknown_number",
    604: "unknown_number",
    408: "unavailable",
    410: "unavailable",
    480: "unavailable",
    486: "busy",
    600: "busy",
    503: "congested",
    603: "declined",
}
_CUSTOM: Final = "SipHeader_"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStatus:
    """Where a call is."""

    call_sid: str
    status: str
    sip_code: int | None = None

    @property
    def rank(self) -> int:
        """As in RANKS; -1 for a word that is not known."""
        return RANKS.get(self.status, -1)

    @property
    def cause(self) -> EndCause:
        """Of one that has ended. `busy` stands for a declined call too, `failed` for much: the SIP code says more."""
        by_status = _CAUSES.get(self.status, "failed")
        return _BY_SIP.get(self.sip_code or 0, by_status) if self.status in {"failed", "busy"} else by_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Somebody is in a conference, or was changed in it."""

    conference_sid: str
    room_id: str
    call_sid: str
    event: str
    muted: bool
    held: bool
    coaching: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What has become of a recording."""

    recording_sid: str
    call_sid: str
    status: str
    seconds: float


def status_of(form: Form) -> CallStatus:
    """A status callback, or a Call resource's fields in the callbacks' words."""
    code = form.get("SipResponseCode", "")
    return CallStatus(
        call_sid=form.get("CallSid", ""),
        status=form.get("CallStatus", ""),
        sip_code=int(code) if code.isascii() and code.isdigit() and len(code) == 3 else None,
    )


def caller_of(form: Form) -> Party:
    """Who calls; vouched for if the number was verified on its way (attestation A)."""
    number = form.get("From", "")
    if number.casefold() in WITHHELD_NUMBERS:
        return Party()
    asserted = form.get("StirVerstat", "").startswith("TN-Validation-Passed-A")
    return Party(number=number, name=form.get("CallerName") or None, asserted=asserted)


def headers_of(form: Form) -> tuple[tuple[str, str], ...]:
    """The custom ones of a call that came by SIP."""
    return tuple((name.removeprefix(_CUSTOM), value) for name, value in form.items() if name.startswith(f"{_CUSTOM}X-"))


def machine_of(form: Form) -> AnsweredBy:
    """Who answered, as the detection thinks."""
    word = form.get("AnsweredBy", "")
    if word == "human":
        return "human"
    return "machine" if word.startswith("machine") or word == "fax" else "unknown"


def conference_of(form: Form) -> Joined:
    """A conference's callback."""
    return Joined(
        conference_sid=form.get("ConferenceSid", ""),
        room_id=form.get("FriendlyName", ""),
        call_sid=form.get("CallSid", ""),
        event=form.get("StatusCallbackEvent", ""),
        muted=form.get("Muted") == "true",
        held=form.get("Hold") == "true",
        coaching=form.get("Coaching") == "true",
    )


def recording_of(form: Form) -> Recorded:
    """A recording's callback."""
    try:
        seconds = float(form.get("RecordingDuration") or 0)
    except ValueError:
        seconds = 0.0
    return Recorded(
        recording_sid=form.get("RecordingSid", ""),
        call_sid=form.get("CallSid", ""),
        status=form.get("RecordingStatus", ""),
        seconds=seconds,
    )
