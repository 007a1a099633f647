"""Alerts of queues on their way to supervisors' sockets."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from contracts import Event

from router.api.consumers import frame_of

HEARD_MAX: Final = 1000
"""Frames that wait for a socket. Of more the oldest are dropped: what stands is listed by the live view."""

Ear = asyncio.Queue[str]
"""One socket's frames."""


class AlertNews:
    """Who hears when an alert is raised or cleared: the supervisors of its tenant on this replica."""

    def __init__(self) -> None:
        self._ears: dict[str, set[Ear]] = {}
        self._last: dict[int, str] = {}

    @contextmanager
    def hearing(self, tenant_id: str) -> Iterator[Ear]:
        """The tenant's alerts from now on, as frames."""
        ear = Ear(HEARD_MAX)
        self._ears.setdefault(tenant_id, set()).add(ear)
        try:
            yield ear
        finally:
            self._ears[tenant_id].discard(ear)
            if not self._ears[tenant_id]:
                del self._ears[tenant_id]

    def changed(self, event: Event, partition: int) -> None:
        """`alert.changed` was read from the partition; a new owner publishes some of them again."""
        sequence = event.sequence or ""
        if sequence <= self._last.get(partition, ""):
            return
        self._last[partition] = sequence
        for ear in self._ears.get(event.tenant_id, ()):
            if ear.full():
                ear.get_nowait()
            ear.put_nowait(frame_of(event))
