"""What the API works with; `app.py` fills it."""

from collections.abc import Sequence
from dataclasses import dataclass

from servicekit.ports import Clock, Ids

from voice_gateway.owner import Owner
from voice_gateway.resolving import VoiceDirectory
from voice_gateway.store import VoiceStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Opened once, shared by all requests of this replica."""

    store: VoiceStore
    directory: VoiceDirectory
    owners: Sequence[Owner]
    """Of all nodes; this replica runs those that have a driver."""
    clock: Clock
    ids: Ids
