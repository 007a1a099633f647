"""What has to outlive the process: which of Twilio's ids is which of ours, and where each leg was put.

Twilio knows the names of rooms (a conference's FriendlyName) and of dialled legs (the conference that they are dialled
into), so that a lost answer is looked up; it does not know what we have let a call hear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["leg", "room", "recording"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One thing of a node. `state` is JSON of this driver's own, at most a few hundred bytes."""

    kind: Kind
    id: str
    """Ours."""
    provider_id: str | None
    """CallSid; none: not known yet."""
    state: Mapping[str, object]


class Keeper(Protocol):
    """The things of one node."""

    def keep(self, kept: Kept) -> None:
        """In place of what was kept under this kind and id. Never waits: it may be written later, in order."""
        ...

    def forget(self, kind: Kind, kept_id: str) -> None:
        """Likewise."""
        ...

    async def all(self) -> Sequence[Kept]:
        """When the driver starts."""
        ...


class MemoryKeeper:
    """See Keeper; for tests and trials."""

    def __init__(self) -> None:
        self.kept: dict[tuple[Kind, str], Kept] = {}

    def keep(self, kept: Kept) -> None:
        """See Keeper."""
        self.kept[kept.kind, kept.id] = kept

    def forget(self, kind: Kind, kept_id: str) -> None:
        """See Keeper."""
        self.kept.pop((kind, kept_id), None)

    async def all(self) -> Sequence[Kept]:
        """See Keeper."""
        return list(self.kept.values())
