"""Follows the clock: conversations that somebody left, or in which nobody writes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.store import EVERY_TENANT, wait_for_event

from gatewaykit.domain import decisions
from gatewaykit.domain.records import Conversation
from gatewaykit.keep import keep
from gatewaykit.store import ConversationStore, ConversationTransaction

TIMER_SECONDS: Final = 1.0
DUE_MAX: Final = 200

Present = Callable[[Sequence[Conversation]], Awaitable[Sequence[bool] | None]]
"""Whether the customer of each is there; none: nobody can say."""


class Timers:
    """Ends conversations that the customer left or where nobody writes; several replicas share the work."""

    name = "conversation timers"

    def __init__(self, store: ConversationStore, present: Present, clock: Clock) -> None:
        self._store = store
        self._present = present
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        while not stop.is_set():
            done = 0
            with suppress(RetryLaterError):  # what is due stays due
                done = await self.turn()
            if done < DUE_MAX:
                await wait_for_event(stop, timeout_seconds=TIMER_SECONDS)

    async def turn(self) -> int:
        """Look at what is due, at most DUE_MAX; returns how many there were."""
        now_ms = self._clock.now_ms()
        async with self._store.transaction(EVERY_TENANT) as tx:
            due = await tx.due_conversations(now_ms, rows_max=DUE_MAX)
            await look_at(tx, due, await self._present(due), now_ms=now_ms)
        return len(due)

    def trouble(self) -> str | None:
        """PostgreSQL away is no reason to restart."""
        return None


async def look_at(
    tx: ConversationTransaction, conversations: Sequence[Conversation], present: Sequence[bool] | None, *, now_ms: int
) -> None:
    """Do what is due for these; `present` none: nobody can say who is connected."""
    for place, conversation in enumerate(conversations):
        if conversation.state == "ended":
            await tx.remove_conversation(conversation.tenant_id, conversation.interaction_id)
            continue
        seen = present[place] if present is not None else None
        await keep(tx, conversation, decisions.looked_at(conversation, present=seen, now_ms=now_ms), now_ms)
