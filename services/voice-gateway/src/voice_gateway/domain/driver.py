"""What telephony can be asked to do and what it tells, in words of no vendor's: legs and rooms.

A **leg** is one party's line: the caller's, an agent's phone, a supervisor's. A **room** is where legs are put: in a
`wait` room each hears music, in a `talk` room they hear one another. Every talk is a room, even of two, so that a third
may come in at any time. This maps to Asterisk's channels and bridges (ARI, docs.asterisk.org) and to the participants
and conferences of webhook telephony alike.

All ids are chosen by who commands, but for an incoming leg's, which the driver derives from its node's own id. A
command that is given again under its id has been done already. Commands and events are data: a driver carries out the
one and tells the other; it decides nothing.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from voice_gateway.domain.commands import Command
from voice_gateway.domain.events import Event, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a driver can do beyond answering, dialling, rooms, sounds and keys."""

    rings: bool = True
    """Leaves an incoming leg ringing; without it the leg is answered at once."""
    rejects: bool = True
    whispers: bool = True
    pauses_recordings: bool = True
    records_legs: bool = True
    streams: bool = True
    detects_machines: bool = True
    provisions: bool = True
    browsers: bool = True
    hears_holds: bool = True
    """Phones' own hold and transfers are told (`HoldChanged`, `TransferRequested`)."""
    hears_keys_in_talks: bool = True
    """Keys that are pressed in a talk room are told; without it only those of legs that wait or are in no room."""
    keys_stop_sounds: bool = False
    """A key ends what is played to its leg (`PlaybackEnded` follows the key)."""
    headers: bool = True
    keeps_alive: bool = True
    simulated: bool = False
    """There is no telephone: what uses it says so."""


class Sink(Protocol):
    """Takes what a driver tells; never waits, so that a driver keeps reading."""

    def tell(self, event: Event) -> None:
        """In order for each leg."""
        ...


class Driver(Protocol):
    """One node: an Asterisk, an account of a provider."""

    @property
    def name(self) -> str:
        """`asterisk`, `twilio`, `simulated`."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def do(self, command: Command) -> None:
        """Carry a command out: returns once the node has taken it. What comes of it is told as events; what it cannot
        do is told as `CommandRefused`. Raises RetryLaterError while the node is away: give it again."""
        ...

    async def snapshot(self) -> Snapshot:
        """How things stand now. Raises RetryLaterError while the node is away."""
        ...

    def recording(self, recording_id: str) -> AsyncIterator[bytes]:
        """The bytes of a recording that is ready, as WAV. Raises RetryLaterError while the node is away, LookupError
        when it has no such recording."""
        ...

    async def forget_recording(self, recording_id: str) -> None:
        """The node may remove it: it is kept elsewhere. Succeeds if it is gone. Raises RetryLaterError while the node
        is away."""
        ...
