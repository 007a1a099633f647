"""Hands to a provider once more, under the same references, what it has taken since an instant: for a tenant's system
that lost it. Nothing of ours changes by that; what the provider reports of it counts as ever.

What has failed is not among it: the provider never had that, and an agent may have it sent again. Nor is what was
reported as delivered, or is older than its words are kept (gatewaykit.outgoing_store.WORDS_KEEP_DAYS).
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.telemetry import log

from gatewaykit.domain.outgoing import SEND_MS, OutgoingRow
from gatewaykit.domain.provider import Again, Outcome, Refused, RefusedError, Sent, Uncertain
from gatewaykit.outgoing_store import Line, OutgoingStore
from gatewaykit.sending import Sender

LOG: Final = log("replay")
ROWS_MAX: Final = 200
STEP_MS: Final = 20_000
"""No part is begun later than so long after the step began."""
PAUSE_MS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How far a step came. The next one takes `since_ms` and `after` from it, until `ended`."""

    since_ms: int
    after: str = ""
    taken: int = 0
    refused: int = 0
    ended: bool = False
    wait_ms: int = 0
    """The provider wants no more before so long."""


class Replay:
    """For accounts whose provider's capabilities say `replays`; any other would make two messages of one."""

    def __init__(self, store: OutgoingStore, sender: Sender, clock: Clock) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock

    async def step(self, line: Line, *, since_ms: int, after: str = "") -> Replayed:
        """Hand over what follows, one after the other, as far as the time of a request goes. Raises RetryLaterError."""
        until_ms = self._clock.now_ms() + STEP_MS
        async with self._store.transaction(line[0]) as tx:
            rows = await tx.taken_since(line, since_ms=since_ms, after=after, rows_max=ROWS_MAX)
        done = Replayed(since_ms=since_ms, after=after)
        for row in rows:
            if self._clock.now_ms() >= until_ms:
                break
            outcome = await self._asked(row)
            if isinstance(outcome, Again | Uncertain):
                done = replace(done, wait_ms=outcome.after_ms or PAUSE_MS)
                break
            done = replace(
                done,
                since_ms=row.tried_at_ms or since_ms,
                after=row.outgoing_id,
                taken=done.taken + isinstance(outcome, Sent),
                refused=done.refused + isinstance(outcome, Refused),
            )
        else:
            done = replace(done, ended=len(rows) < ROWS_MAX)
        told = {"tenant": line[0], "taken": done.taken, "refused": done.refused, "ended": done.ended}
        LOG.info("replayed", extra={**told, "since_ms": since_ms})
        return done

    async def _asked(self, row: OutgoingRow) -> Outcome:
        try:
            async with asyncio.timeout(SEND_MS / 1000):
                return await self._sender.send(row)
        except RefusedError as error:
            return Refused(code=error.code, detail=str(error))
        except (RetryLaterError, TimeoutError) as error:
            return Uncertain(detail=type(error).__name__)
