"""Calls, conferences and recordings of Twilio's, simulated in memory, and who hears whom.

Vendor's pages: "Call resource", "Conference resource", "Conference Participant resource", "<Conference>" (muted,
hold, coach, startConferenceOnEnter, waitUrl). What a phone hears is a set of names: phones' and sounds' URLs.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

RINGING: Final = "ringing"
BOT: Final = "bot"
LIVE: Final = frozenset({"queued", "ringing", "in-progress"})
Manner = Literal["answers", "rings", "busy", "declines", "unavailable"]
Greeting = Literal["none", "person", "machine"]


@dataclass(slots=True, kw_only=True)
class Phone:
    """Of a customer or an agent; `address` is a number, or the user of a SIP domain."""

    name: str
    address: str
    manner: Manner = "answers"
    greeting: Greeting = "none"
    call: "Call | None" = None
    keys: str = ""
    """That were sent to it in this call."""
    invited_by: str | None = None
    refused: str | None = None
    holds: bool = False


@dataclass(slots=True, kw_only=True)
class Call:
    """A leg. Its `phone` is none where nobody is."""

    sid: str
    inbound: bool
    sender: str
    to: str
    phone: Phone | None
    status: str = "queued"
    created_at: float = 0.0
    sip_code: int | None = None
    callback_url: str = ""
    callback_events: frozenset[str] = frozenset()
    machine_url: str = ""
    fallback_url: str = ""
    told: int = 0
    """SequenceNumber of the next status callback."""
    sounds: frozenset[str] = frozenset()
    """What a verb plays to it just now."""
    streams: bool = False
    """Connected with a bot."""
    tapped: set[str] = field(default_factory=set)
    """Names of streams that only listen."""
    seat: "Participant | None" = None
    digits: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    gathers: bool = False
    """Keys are heard in a <Gather> alone."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def answered(self) -> bool:
        """Sound goes both ways."""
        return self.status == "in-progress"


@dataclass(slots=True, kw_only=True)
class Participant:
    """A call in a conference, or on its way into one."""

    call: Call
    conference: "Conference"
    label: str = ""
    muted: bool = False
    hold: bool = False
    hold_url: str = ""
    coaches: str = ""
    """CallSid; empty: nobody."""
    starts: bool = True
    ends: bool = False
    wait_url: str = ""
    left: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class Conference:
    """It begins with the first who starts it and ends when the last has left; its name may come again then."""

    sid: str
    name: str
    status: str = "init"
    inside: list[Participant] = field(default_factory=list)
    callback_url: str = ""
    callback_events: frozenset[str] = frozenset()
    told: int = 0


@dataclass(slots=True, kw_only=True)
class Tape:
    """A recording of a call; what is said while it is paused is not in it."""

    sid: str
    call: Call
    both: bool
    callback_url: str
    since: float
    status: str = "in-progress"
    silent: bool = False
    """While it is paused time passes in it (`PauseBehavior`)."""
    spans: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    heard: frozenset[str] = frozenset()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return sum(seconds for seconds, _ in self.spans)


class Lines:
    """All of one account. `tick` follows every change, so that recordings hear it."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.conferences: dict[str, Conference] = {}
        self.tapes: dict[str, Tape] = {}
        self.phones: dict[str, Phone] = {}
        """By address."""

    def conference(self, name: str) -> Conference | None:
        """The one of this name that goes on."""
        named = (each for each in self.conferences.values() if each.name == name)
        return next((each for each in named if each.status != "completed"), None)

    def hears(self, call: Call) -> frozenset[str]:
        """What its phone hears now."""
        if call.status in {"queued", "ringing"}:
            return frozenset({RINGING}) if call.inbound else frozenset()
        if not call.answered:
            return frozenset()
        if call.sounds:
            return call.sounds
        if call.streams:
            return frozenset({BOT})
        return frozenset() if call.seat is None else frozenset(self._in_conference(call.seat))

    def _in_conference(self, seat: Participant) -> Iterator[str]:
        if seat.hold:
            yield seat.hold_url
        elif seat.conference.status == "init":
            if seat.wait_url:
                yield seat.wait_url
        else:
            for other in seat.conference.inside:
                if other is not seat and self._is_heard(other) and other.coaches in {"", seat.call.sid}:
                    yield self.name(other.call)

    def _is_heard(self, seat: Participant) -> bool:
        phone = seat.call.phone
        return (
            seat.call.seat is seat
            and seat.call.answered
            and not (seat.muted or seat.hold or (phone is not None and phone.holds))
        )

    def name(self, call: Call) -> str:
        """Whose voice it is."""
        return call.phone.name if call.phone is not None else call.to

    def bot_hears(self) -> frozenset[str]:
        """Of the calls that are connected with it."""
        return frozenset(self.name(call) for call in self.calls.values() if call.streams or call.tapped)

    def tick(self, now: float) -> None:
        """Something has changed now."""
        for tape in self.tapes.values():
            goes_on = tape.status == "in-progress" or (tape.status == "paused" and tape.silent)
            if goes_on and now > tape.since:
                tape.spans.append((now - tape.since, tape.heard))
            tape.since = max(tape.since, now)
            tape.heard = frozenset() if tape.status == "paused" else self._taped(tape)

    def _taped(self, tape: Tape) -> frozenset[str]:
        call = tape.call
        own = frozenset() if call.phone is None or call.phone.holds else frozenset({call.phone.name})
        return (own | self.hears(call) if tape.both else own) if call.answered else frozenset()
