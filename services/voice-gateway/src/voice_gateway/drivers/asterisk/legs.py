"""What the driver remembers of a node's legs. All of it can be learnt again from the node."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from voice_gateway.domain.words import EndCause
from voice_gateway.drivers.asterisk.commands import RefusedError

QUIET_VARIABLE: Final = "CENTRALINO_QUIET"
"""Of a channel: why nothing is heard of it, so that a gateway that is started anew knows."""
Quiet = Literal["muted", "held", "listens"]


@dataclass(slots=True, kw_only=True)
class Leg:
    """One channel that is a leg."""

    leg_id: str
    channel_id: str
    ours: bool
    told: bool = True
    """It was told of, or is our own."""
    is_asked_for: bool = False
    """Asterisk has been asked to make it, and has not answered."""
    answered: bool = False
    rang: bool = False
    room_id: str | None = None
    goes_to: str | None = None
    """The room that it was last put into, whether it is there yet or not."""
    quiet: frozenset[Quiet] = frozenset()
    music: str | None = None
    """What fills its silence, by name; empty: the node's own; none: it has no music."""
    playbacks: set[str] = field(default_factory=set)
    streams: set[str] = field(default_factory=set)
    filled: bool = False
    """Silence is sent to it, for a whisper to ride on."""
    monitors: bool = False
    """It is a supervisor's, at a talk of others."""
    ends_for: EndCause | None = None
    """We end it, for this cause."""
    by_asterisk: bool | None = None
    """Asterisk ends it, and no phone; none: nobody does yet."""


class Legs:
    """All of a node."""

    def __init__(self) -> None:
        self._by_id: dict[str, Leg] = {}
        self._by_channel: dict[str, Leg] = {}
        self.music: dict[str, str] = {}
        """By wait room; empty: the node's own."""

    def __iter__(self) -> Iterator[Leg]:
        return iter(list(self._by_id.values()))

    def add(self, leg: Leg) -> Leg:
        """Remember it."""
        self._by_id[leg.leg_id] = self._by_channel[leg.channel_id] = leg
        return leg

    def get(self, leg_id: str) -> Leg | None:
        """By the leg's id."""
        return self._by_id.get(leg_id)

    def known(self, leg_id: str) -> Leg:
        """By the leg's id. Raises RefusedError."""
        leg = self._by_id.get(leg_id)
        if leg is None:
            raise RefusedError("the leg is gone")
        return leg

    def of_channel(self, channel_id: str) -> Leg | None:
        """By the channel's id."""
        return self._by_channel.get(channel_id)

    def remove(self, leg: Leg) -> None:
        """It is over."""
        self._by_id.pop(leg.leg_id, None)
        self._by_channel.pop(leg.channel_id, None)


class Recent:
    """Ids that were met; the oldest are forgotten."""

    def __init__(self, ids_max: int = 10_000) -> None:
        self._ids: dict[str, None] = {}
        self._ids_max = ids_max

    def __contains__(self, met: str) -> bool:
        return met in self._ids

    def discard(self, met: str) -> None:
        """Forget it."""
        self._ids.pop(met, None)

    def add(self, met: str) -> None:
        """Remember it."""
        self._ids[met] = None
        while len(self._ids) > self._ids_max:
            del self._ids[next(iter(self._ids))]


def quiet_of(variable: str) -> frozenset[Quiet]:
    """What stands in QUIET_VARIABLE."""
    known: tuple[Quiet, ...] = ("muted", "held", "listens")
    return frozenset(each for each in known if each in variable.split("+"))


def quiet_text(quiet: frozenset[Quiet]) -> str:
    """How it stands there."""
    return "+".join(sorted(quiet))
