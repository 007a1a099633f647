"""What one node's legs are to do, as far as we have said it, and the document that says it to Twilio."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from voice_gateway.domain.words import AnsweredBy, Hearing, MonitorMode, RoomKind
from voice_gateway.drivers.webhook import twiml
from voice_gateway.drivers.webhook.kept import Kept

AGAIN: Final = "#rc=3&rp=all"
"""Behind a webhook's URL: Twilio asks so often again, whatever went wrong ("Webhooks (HTTP callbacks): Connection
overrides")."""
_OF_THE_MOMENT: Final = frozenset({"leg_id", "call_sid", "dirty", "asked_at_ms", "conference_sid", "left"})
"""Fields that are not kept."""


@dataclass(slots=True, kw_only=True)
class Leg:
    """One party's line."""

    leg_id: str
    ours: bool
    call_sid: str | None = None
    rank: int = 0
    """See callbacks.RANKS."""
    answered: bool = False
    """`LegAnswered` was told."""
    by: AnsweredBy = "unknown"
    awaits_machine: bool = False
    by_us: bool = False
    """We have asked Twilio to end it."""
    ring_seconds: int = 60
    gave_up: bool = False
    """It rang long enough."""
    room_id: str | None = None
    """Where it is to be."""
    told_room_id: str | None = None
    """Where it was told to be."""
    hearing: Hearing = "both"
    muted: bool = False
    held: bool = False
    playback_id: str | None = None
    uris: list[str] = field(default_factory=list)
    monitors: str | None = None
    mode: MonitorMode = "spy"
    stream_id: str | None = None
    stream_url: str = ""
    dirty: bool = False
    """Twilio has not been told yet."""
    asked_at_ms: int = 0
    """When it was sent into its conference."""
    conference_sid: str | None = None
    """The conference that it is in."""
    left: tuple[str, int] = ("", 0)
    """The conference that it has left last, and at which of its events."""

    def kept(self) -> Kept:
        """For the Keeper."""
        state = {name: value for name, value in asdict(self).items() if name not in _OF_THE_MOMENT}
        return Kept(kind="leg", id=self.leg_id, provider_id=self.call_sid, state=state)


def leg_of(kept: Kept) -> Leg:
    """As it was kept; what another release kept beyond that is passed over."""
    known = {name: value for name, value in kept.state.items() if name in Leg.__slots__}
    values: dict[str, Any] = {**known, "leg_id": kept.id, "call_sid": kept.provider_id}  # Any: JSON of our own
    return Leg(**values)


@dataclass(slots=True, kw_only=True)
class Room:
    """Where legs are put. A `wait` room is nothing at Twilio: each leg in it hears music by itself."""

    room_id: str
    kind: RoomKind
    music: str | None = None

    def kept(self) -> Kept:
        """For the Keeper."""
        return Kept(kind="room", id=self.room_id, provider_id=None, state={"kind": self.kind, "music": self.music})


def room_of(kept: Kept) -> Room:
    """As it was kept."""
    music = kept.state.get("music")
    kind: RoomKind = "wait" if kept.state.get("kind") == "wait" else "talk"
    return Room(room_id=kept.id, kind=kind, music=music if isinstance(music, str) else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a leg is to be in its conference."""

    muted: bool
    held: bool
    coaches: str | None
    """CallSid."""


class Documents:
    """TwiML of legs. `base_url` is where Twilio finds this node's webhooks."""

    def __init__(self, base_url: str, music_url: str, legs: Mapping[str, Leg], rooms: Mapping[str, Room]) -> None:
        self._base_url = base_url
        self._music_url = music_url
        self._legs = legs
        self._rooms = rooms

    def url(self, what: str, **query: str) -> str:
        """Of one of our webhooks."""
        return f"{self._base_url}/{what}" + (f"?{urlencode(query)}" if query else "") + AGAIN

    def leg_url(self, leg: Leg, **query: str) -> str:
        """Where Twilio asks what a leg is to do next."""
        return self.url(f"legs/{quote(leg.leg_id, safe='')}", **query)

    def conference_of(self, leg: Leg) -> str | None:
        """The talk that a leg is to be in: its own, or that of the leg which it monitors."""
        watched = self._legs.get(leg.monitors) if leg.monitors else None
        room = self._rooms.get((watched.room_id if watched else leg.room_id) or "")
        return room.room_id if room is not None and room.kind == "talk" else None

    def wanted(self, leg: Leg) -> Wanted:
        """In that talk."""
        watched = self._legs.get(leg.monitors) if leg.monitors else None
        if watched is None:
            return Wanted(muted=leg.muted or leg.hearing == "listen", held=leg.held, coaches=None)
        coaches = watched.call_sid if leg.mode == "whisper" else None
        return Wanted(muted=leg.mode == "spy" or leg.muted, held=False, coaches=coaches)

    def in_conference(self, leg: Leg) -> bool:
        """Whether it is to be in one just now."""
        return leg.playback_id is None and self.conference_of(leg) is not None

    def document(self, leg: Leg) -> str:
        """What it is to do from now on."""
        conference = self.conference_of(leg)
        if leg.playback_id is not None:
            keys, after = self.leg_url(leg, keys=leg.playback_id), self.leg_url(leg, played=leg.playback_id)
            return twiml.listening(uris=leg.uris, keys_url=keys, next_url=after)
        if conference is not None:
            return self._talk(leg, conference)
        if leg.stream_id is not None:
            return twiml.stream(leg.stream_id, leg.stream_url, next_url=self.leg_url(leg, streamed=leg.stream_id))
        room = self._rooms.get(leg.room_id or "")
        if leg.held or room is not None:
            uri = (room.music if room else None) or self._music_url
            return twiml.music(uri=uri, keys_url=self.leg_url(leg, keys=""), next_url=self.leg_url(leg))
        return twiml.silence(keys_url=self.leg_url(leg, keys=""), next_url=self.leg_url(leg))

    def _talk(self, leg: Leg, name: str) -> str:
        wanted = self.wanted(leg)
        attributes = {"participantLabel": leg.leg_id, "muted": "true" if wanted.muted else "false"}
        if wanted.coaches is not None:
            attributes["coach"] = wanted.coaches
        return twiml.conference(name, attributes, events_url=self.url("rooms"), next_url=self.leg_url(leg, left=name))
