"""What was seen last of each address' webhooks, for whoever looks after them; kept now and then, not each time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.store import EVERY_TENANT, wait_for_event

from chat_gateway.domain.records import WebhookNote
from chat_gateway.store import ChatStore

KEEP_SECONDS: Final = 5.0


class WebhookNotes:
    """A Loop, and where deliveries are noted."""

    name = "keep webhook notes"

    def __init__(self, store: ChatStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._fresh: dict[tuple[str, str], WebhookNote] = {}

    def delivered(self, tenant_id: str, address: str) -> None:
        """A delivery was taken."""
        note = self._note(tenant_id, address)
        self._fresh[tenant_id, address] = replace(note, delivered_at_ms=self._clock.now_ms())

    def refused(self, tenant_id: str, address: str, because: str) -> None:
        """One was not."""
        note = self._note(tenant_id, address)
        self._fresh[tenant_id, address] = replace(note, refused_at_ms=self._clock.now_ms(), refused_because=because)

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop."""
        while not stop.is_set():
            await wait_for_event(stop, timeout_seconds=KEEP_SECONDS)
            with suppress(RetryLaterError):  # the next turn keeps them
                await self.keep()

    async def keep(self) -> Sequence[WebhookNote]:
        """Keep what is new; returns it."""
        fresh = [self._fresh[key] for key in sorted(self._fresh)]
        if fresh:
            async with self._store.transaction(EVERY_TENANT) as tx:
                await tx.keep_webhook_notes(fresh)
            for note in fresh:
                if self._fresh.get((note.tenant_id, note.address)) == note:
                    del self._fresh[note.tenant_id, note.address]
        return fresh

    def trouble(self) -> str | None:
        """Nothing depends on it."""
        return None

    def _note(self, tenant_id: str, address: str) -> WebhookNote:
        return self._fresh.get((tenant_id, address), WebhookNote(tenant_id=tenant_id, address=address))
