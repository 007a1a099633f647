"""A telephone exchange that is nowhere but in memory: phones, legs, rooms, and who hears whom.

It makes no sound. What a phone hears is a set of names: of the phones that it hears, of what is played to it, `music`,
`ringing`. It knows nothing of calls, queues or agents.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Final, Literal

from voice_gateway.domain.events import (
    Event,
    KeyPressed,
    LegAnswered,
    LegEnded,
    LegRinging,
    PlaybackEnded,
    RoomJoined,
    RoomLeft,
)
from voice_gateway.domain.words import (
    WITHHELD,
    AnsweredBy,
    EndCause,
    Hearing,
    Media,
    MonitorMode,
    Party,
    PlaybackEnd,
    RefusedBecause,
    RoomKind,
)

Manner = Literal["answers", "rings", "busy", "declines", "unavailable"]
"""What a dialled phone does by itself: `rings` waits for a hand."""

MUSIC: Final = "music"
RINGING: Final = "ringing"
SOUND_MS: Final = 2_000
"""How long every sound is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a dialled phone is told."""

    shown: Party = WITHHELD
    headers: tuple[tuple[str, str], ...] = ()
    answers_itself: bool = False
    detects_machines: bool = False


@dataclass(slots=True, kw_only=True)
class Leg:
    """One party's line as the exchange knows it."""

    leg_id: str
    phone: str
    ours: bool
    invitation: Invitation | None = None
    """Of a leg of ours."""
    rings: bool = False
    """An incoming leg was told so."""
    answered: bool = False
    room_id: str | None = None
    hearing: Hearing = "both"
    muted: bool = False
    held: bool = False
    holds: bool = False
    """The phone has put its other side on hold."""
    playback_id: str | None = None
    media: tuple[Media, ...] = ()
    monitors: str | None = None
    """The leg that a supervisor's is at."""
    mode: MonitorMode = "spy"
    lives_until_ms: int | None = None
    transfer_id: str | None = None
    """The last transfer that the phone asked for."""
    transferred: bool | None = None
    """What the phone was told of it."""
    keys: str = ""
    """That were sent to the phone."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Legs by id, rooms by id, and what is due."""

    tell: Callable[[Event], None]
    legs: dict[str, Leg] = field(default_factory=dict)
    rooms: dict[str, RoomKind] = field(default_factory=dict)
    manners: dict[str, Manner] = field(default_factory=dict)
    """Of the phones that can be dialled, by number or endpoint."""
    machines: set[str] = field(default_factory=set)
    """Phones that a machine answers."""
    passwords: dict[str, str] = field(default_factory=dict)
    """Of the endpoints that are provisioned."""
    refused: dict[str, RefusedBecause] = field(default_factory=dict)
    """Why the last call of a phone was not answered."""
    now_ms: int = 0
    _due: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)

    def next_due_ms(self) -> int | None:
        """When `advance` has something to do next."""
        return self._due[0][0] if self._due else None

    def advance(self, now_ms: int) -> None:
        """Time goes on; what was due by now happens, each at its own instant."""
        while self._due and self._due[0][0] <= now_ms:
            at_ms, _, act = heappop(self._due)
            self.now_ms = max(self.now_ms, at_ms)
            act()
        self.now_ms = max(self.now_ms, now_ms)

    def later(self, after_ms: int, act: Callable[[], None]) -> None:
        """Have something done so much later."""
        heappush(self._due, (self.now_ms + after_ms, next(self._order), act))

    def dial(self, leg: Leg, ring_ms: int) -> None:
        """Ring a phone; what it does is by its manner."""
        self.legs[leg.leg_id] = leg
        manner = self.manners.get(leg.phone)
        if manner in (None, "unavailable"):
            self.end(leg.leg_id, "unavailable" if manner else "unknown_number", sip_code=480 if manner else 404)
        elif manner == "busy":
            self.end(leg.leg_id, "busy", sip_code=486)
        elif manner == "declines":
            self.end(leg.leg_id, "declined", sip_code=603)
        else:
            self.tell(LegRinging(leg_id=leg.leg_id, at_ms=self.now_ms))
            if manner == "answers":
                self.answer(leg.leg_id)
            else:
                self.later(ring_ms, lambda: self._give_up(leg.leg_id))

    def _give_up(self, leg_id: str) -> None:
        leg = self.legs.get(leg_id)
        if leg is not None and not leg.answered:
            self.end(leg_id, "no_answer", sip_code=480)

    def answer(self, leg_id: str) -> None:
        """A phone is picked up, or an incoming leg answered."""
        leg = self.legs[leg_id]
        if not leg.answered:
            leg.answered = True
            self.tell(LegAnswered(leg_id=leg_id, at_ms=self.now_ms, by=self._answered_by(leg)))

    def _answered_by(self, leg: Leg) -> AnsweredBy:
        if leg.invitation is None or not leg.invitation.detects_machines:
            return "unknown"
        return "machine" if leg.phone in self.machines else "human"

    def end(self, leg_id: str, cause: EndCause, *, sip_code: int | None = None, by_us: bool = False) -> None:
        """A leg is over; who watched it watches nobody."""
        leg = self.legs.get(leg_id)
        if leg is None:
            return
        self.silence(leg, "stopped")
        self.leave(leg)
        del self.legs[leg_id]
        self.tell(LegEnded(leg_id=leg_id, cause=cause, at_ms=self.now_ms, sip_code=sip_code, by_us=by_us))

    def join(self, leg: Leg, room_id: str, hearing: Hearing) -> None:
        """Put a leg into a room, out of any other; who was at a talk of others is in it now."""
        leg.hearing = hearing
        leg.monitors = None
        if leg.room_id == room_id:
            return
        self.leave(leg)
        leg.room_id = room_id
        self.tell(RoomJoined(room_id=room_id, leg_id=leg.leg_id, at_ms=self.now_ms))

    def leave(self, leg: Leg) -> None:
        """Take a leg out of its room, if it is in one."""
        if leg.room_id is not None:
            left, leg.room_id = leg.room_id, None
            self.tell(RoomLeft(room_id=left, leg_id=leg.leg_id, at_ms=self.now_ms))

    def close(self, room_id: str) -> None:
        """End a room."""
        if self.rooms.pop(room_id, None):
            for leg in self.legs.values():
                if leg.room_id == room_id:
                    self.leave(leg)

    def play(self, leg: Leg, playback_id: str, media: tuple[Media, ...]) -> None:
        """Let a leg hear sounds; what it heard before ends."""
        self.silence(leg, "stopped")
        leg.playback_id = playback_id
        self._next_sound(leg, playback_id, media)

    def _next_sound(self, leg: Leg, playback_id: str, media: tuple[Media, ...]) -> None:
        if leg.playback_id != playback_id:
            return
        if not media:
            self.silence(leg, "played")
            return
        leg.media = media[:1]
        self.later(SOUND_MS, lambda: self._next_sound(leg, playback_id, media[1:]))

    def silence(self, leg: Leg, end: PlaybackEnd) -> None:
        """What is played to a leg is over."""
        if leg.playback_id is not None:
            ended, leg.playback_id, leg.media = leg.playback_id, None, ()
            self.tell(PlaybackEnded(playback_id=ended, end=end, at_ms=self.now_ms))

    def press(self, leg_id: str, keys: str) -> None:
        """Somebody presses keys of a phone."""
        for key in keys:
            self.tell(KeyPressed(leg_id=leg_id, key=key, at_ms=self.now_ms))

    def voices(self, room_id: str) -> frozenset[str]:
        """The phones that are heard in a room, as a recording of it has them."""
        return frozenset(leg.phone for leg in self._in(room_id) if speaks(leg)) | {
            leg.phone for leg in self._supervisors(room_id) if leg.mode == "barge"
        }

    def hears(self, leg_id: str) -> frozenset[str]:
        """What a leg's phone hears now."""
        leg = self.legs.get(leg_id)
        if leg is None:
            return frozenset()
        if not leg.answered:
            return frozenset({RINGING}) if leg.rings else frozenset()
        if leg.media:
            return frozenset(media.uri for media in leg.media)
        if leg.monitors is not None:
            watched = self.legs.get(leg.monitors)
            return (self._talk_of(watched) | _own(watched)) - {leg.phone} if watched else frozenset()
        return self._talk_of(leg)

    def _talk_of(self, leg: Leg) -> frozenset[str]:
        if leg.held:
            return frozenset({MUSIC})
        if leg.room_id is None:
            return frozenset()
        if self.rooms.get(leg.room_id) == "wait":
            return frozenset({MUSIC})
        supervisors = self._supervisors(leg.room_id)
        whispers = {each.phone for each in supervisors if each.mode == "whisper" and each.monitors == leg.leg_id}
        return (self.voices(leg.room_id) | whispers) - {leg.phone}

    def _in(self, room_id: str) -> Iterator[Leg]:
        return (leg for leg in self.legs.values() if leg.room_id == room_id)

    def _supervisors(self, room_id: str) -> Iterator[Leg]:
        inside = {leg.leg_id for leg in self._in(room_id)}
        return (leg for leg in self.legs.values() if leg.monitors in inside and leg.answered)


def speaks(leg: Leg) -> bool:
    """Whether others could hear it."""
    return leg.answered and leg.hearing == "both" and not (leg.muted or leg.held or leg.holds)


def _own(leg: Leg) -> frozenset[str]:
    return frozenset({leg.phone}) if speaks(leg) else frozenset()
