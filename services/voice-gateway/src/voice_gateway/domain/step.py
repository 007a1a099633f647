"""What comes of a fact."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from voice_gateway.domain.call import Call, Leg, RecordingKind, Seat
from voice_gateway.domain.commands import Command
from voice_gateway.domain.ids import derived

ASKED: Final = ".voice."


def interaction_of(command_id: str) -> str | None:
    """Whose call asked the router, by the id of a `command.result`; none: no call did."""
    interaction_id, found, _ = command_id.rpartition(ASKED)
    return interaction_id if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An event to be announced: a dataclass of contracts, whose topic the registry knows."""

    data: Any
    event_id: str
    """The same whenever the same is decided again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToKeep:
    """A recording that the node has ready: it is to be fetched, kept, and told of (`call.recording_ready`)."""

    recording_id: str
    kind: RecordingKind
    begun_at_ms: int
    seconds: float
    pauses: tuple[tuple[int, int], ...]
    keep_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The call from now on, and what is done about it once that is kept: commands in their order."""

    call: Call
    commands: tuple[Command, ...] = ()
    messages: tuple[Said, ...] = ()
    recordings: tuple[ToKeep, ...] = ()


@dataclass(slots=True, kw_only=True)
class Turn:
    """A step that is being worked out."""

    call: Call
    now_ms: int
    commands: list[Command] = field(default_factory=list)
    messages: list[Said] = field(default_factory=list)
    recordings: list[ToKeep] = field(default_factory=list)

    def change(self, **changes: Any) -> None:
        """Fields of the call have other values."""
        self.call = replace(self.call, **changes)

    def new_id(self, purpose: str) -> str:
        """An id that this call has not had yet."""
        self.change(ids=self.call.ids + 1)
        return derived(self.call.root, purpose, self.call.ids)

    def command_id(self) -> str:
        """Of something that the router is asked; `interaction_of` reads whose call asked."""
        return f"{self.call.interaction_id}{ASKED}{self.new_id('command')}"

    def say(self, data: Any) -> None:
        """Announce an event."""
        self.messages.append(Said(data=data, event_id=self.new_id(type(data).__name__)))

    def tell(self, *commands: Command) -> None:
        """Have the node do something."""
        self.commands.extend(commands)

    def put_leg(self, leg: Leg) -> None:
        """In place of what was known of it."""
        self.change(legs=(*(each for each in self.call.legs if each.leg_id != leg.leg_id), leg))

    def put_seat(self, seat: Seat) -> None:
        """In place of what was known of it."""
        others = (each for each in self.call.seats if each.assignment_id != seat.assignment_id)
        self.change(seats=(*others, seat))

    def set_timer(self, name: str, after_ms: int) -> None:
        """Be told so much later."""
        self.change(timers={**self.call.timers, name: self.now_ms + after_ms})

    def drop_timer(self, name: str) -> None:
        """Do not be told."""
        if name in self.call.timers:
            self.change(timers={each: due for each, due in self.call.timers.items() if each != name})

    def done(self) -> Step:
        """What came of it."""
        return Step(
            call=self.call,
            commands=tuple(self.commands),
            messages=tuple(self.messages),
            recordings=tuple(self.recordings),
        )
