"""Where agents work, kept for a moment: every command asks, and the answer changes with the configuration alone."""

from collections import OrderedDict
from typing import Final

from servicekit.ports import Clock

from router.api.store import ApiStore, Seat

KEPT_SECONDS: Final = 5
"""So long after a configuration was activated a replica may act on the one before: an agent who was removed still reads
their desk there, one who was moved is still sent to the old domain. Commands are no worse for it: the engine, which
switched at its own journal position, refuses what the agent may no longer do."""
SEATS_MAX: Final = 10_000


class Seats:
    """The seats that were asked for lately."""

    def __init__(self, store: ApiStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], tuple[int, Seat]] = OrderedDict()

    async def of(self, tenant_id: str, agent_id: str) -> Seat | None:
        """The agent's seat by the active configuration; that there is none is always looked up."""
        now_ms, key = self._clock.now_ms(), (tenant_id, agent_id)
        looked_up_at_ms, seat = self._kept.get(key, (0, None))
        # A clock that was set back counts as age.
        if seat is not None and abs(now_ms - looked_up_at_ms) < KEPT_SECONDS * 1000:
            return seat
        kept = self._kept  # what `forget` replaces: an answer from before it is lost with the rest
        async with self._store.transaction(tenant_id) as transaction:
            found = await transaction.seat(agent_id)
        kept.pop(key, None)
        if found is not None:
            kept[key] = (now_ms, found)
            if len(kept) > SEATS_MAX:
                kept.popitem(last=False)
        return found

    def forget(self) -> None:
        """A configuration was activated here: this replica acts on it at once."""
        self._kept = OrderedDict()
