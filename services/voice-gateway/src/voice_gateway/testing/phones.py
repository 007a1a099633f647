"""The other side of a node under test: customers' and agents' phones, and what they hear.

Each phone sends a tone of its own and tells which tones it hears, so that who hears whom is proved by sound. A phone is
known by the name that the test gives it (`anna`); `NAMES` are all names that the laws use.
"""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from voice_gateway.domain.words import Number, Party, RefusedBecause

Manner = Literal["answers", "rings", "busy", "declines", "unavailable"]
"""What a dialled phone does by itself: `rings` waits for a hand, `unavailable` is switched off."""
Greeting = Literal["none", "person", "machine"]
"""What a phone says that answers: its tone at once; a short word, then silence; a long text without a pause."""

CUSTOMERS: Final = ("anna", "bert")
AGENTS: Final = ("ada", "eve", "ida")
SOUNDS: Final = ("hello", "goodbye")
"""Names of sounds that the node can play."""
SOUND_SECONDS: Final = 2
"""How long each of them is."""
BOT: Final = "bot"
"""Whoever is at the other end of a stream of media."""
MUSIC: Final = "music"
RINGING: Final = "ringing"
NAMES: Final = (*CUSTOMERS, *AGENTS, *SOUNDS, BOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """What a dialled phone was told of its call."""

    number: str | None
    """Whom it shows."""
    headers: tuple[tuple[str, str], ...] = ()
    """The custom ones (`X-`)."""
    answers_itself: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A phone as it is now."""

    rings: bool = False
    """Somebody calls it, and it is not answered."""
    talks: bool = False
    """Its call is answered."""
    hears: frozenset[str] = frozenset()
    """Names of phones and sounds, `music`, `ringing` (the tone of whoever calls). Of the last 0.3 s."""
    keys: str = ""
    """That were sent to it in this call."""
    invited: Invited | None = None
    """Of the call that came in, while it rings or talks."""
    refused: RefusedBecause | None = None
    """Its last call that it made was not answered, for this reason."""
    transferred: bool | None = None
    """What it was told of the last transfer that it asked for; none: nothing yet."""


class Phones(Protocol):
    """All phones of a node. What is done to a phone returns once it has done its part; what comes of it at the other
    phones is waited for (`until_seen`, `until_hears`)."""

    async def outside(self, phone: str, manner: Manner = "answers", *, greeting: Greeting = "none") -> Number:
        """A phone behind the trunk; given again it changes its manner. How to dial it."""
        ...

    async def register(self, phone: str, endpoint_id: str, password: str, manner: Manner = "answers") -> bool:
        """An agent's phone logs in, with what `Provision` gave it; false if it was refused. Given again, it logs in
        anew and changes its manner."""
        ...

    async def call(self, phone: str, number: str, caller: Party, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """It dials one of our numbers."""
        ...

    async def answer(self, phone: str) -> None:
        """It rings, and is picked up."""
        ...

    async def decline(self, phone: str) -> None:
        """It rings, and nobody wants to answer."""
        ...

    async def hang_up(self, phone: str) -> None:
        """It ends its call, or gives up while it rings elsewhere."""
        ...

    async def press(self, phone: str, keys: str) -> None:
        """Keys are pressed, one after the other."""
        ...

    async def hold(self, phone: str, *, held: bool) -> None:
        """Its own hold button."""
        ...

    async def transfer(self, phone: str, to: str) -> None:
        """Its own transfer button: give the call away to a number (blind)."""
        ...

    def seen(self, phone: str) -> Seen:
        """How it is now; of a phone that nobody has named: idle."""
        ...
