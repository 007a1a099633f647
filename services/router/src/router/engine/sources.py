"""Where the inputs of a batch came from, as the journal keeps it: enough to decide them again, in their order.

What stands in a topic is named by its offset there. What stands nowhere else - leases, presence - is kept itself, and a
configuration's records are the batch's own facts.
"""

from typing import Final

import msgspec

from router.domain.inputs import LeasesRead, PresenceObserved


class FromTopic(msgspec.Struct, frozen=True, array_like=True, tag="topic"):
    """A record of the topic's partition that has the journal's number."""

    topic: str
    offset: int


class FromConfiguration(msgspec.Struct, frozen=True, array_like=True, tag="configuration"):
    """A step of a version; its records are those that the facts say were applied."""

    tenant_id: str
    domain: str
    version: int
    hash: str
    last: bool


class FromPresence(msgspec.Struct, frozen=True, array_like=True, tag="presence"):
    """Heartbeats that were found, or missed."""

    observed: PresenceObserved


class FromLeases(msgspec.Struct, frozen=True, array_like=True, tag="leases"):
    """Whether the leases could be read."""

    read: LeasesRead


class FromTimers(msgspec.Struct, frozen=True, array_like=True, tag="timers"):
    """Timers were due."""


class FromEngine(msgspec.Struct, frozen=True, array_like=True, tag="engine"):
    """Not decided: a fact of the engine itself."""


Source = FromTopic | FromConfiguration | FromPresence | FromLeases | FromTimers | FromEngine
SOURCE_BYTES: Final = 64
"""Of one of fixed size, but for a hash and names."""
TIMERS: Final = FromTimers()
ENGINE: Final = FromEngine()


def bytes_of(source: Source) -> int:
    """What it takes of a record, about."""
    return len(msgspec.json.encode(source)) if isinstance(source, FromPresence) else SOURCE_BYTES
