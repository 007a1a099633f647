"""Tenants' live views, each read once for all sockets of this replica that show it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock

from router.api.handlers import Desk
from router.api.live import ApiLive, Place
from router.domain.live_counts import recent_since_ms


class LiveView:
    """The frame that shows a tenant's queues and agents."""

    def __init__(self, tenant_id: str, desk: Desk, live: ApiLive, clock: Clock) -> None:
        self.sockets = 0
        self._tenant_id = tenant_id
        self._desk = desk
        self._live = live
        self._clock = clock
        self._one_reader = asyncio.Lock()
        self._looked_at_ms: int | None = None
        self._found: tuple[Sequence[Place], Sequence[bytes | None], int] | None = None
        self._frame = ""
        self._failure: RetryLaterError | None = None

    async def frame(self, *, age_seconds_max: float) -> str:
        """The frame as of at most so long ago: the very same object for as long as nothing has changed.

        Raises RetryLaterError, the same for all who ask meanwhile.
        """
        async with self._one_reader:
            now_ms = self._clock.now_ms()
            if self._looked_at_ms is None or abs(now_ms - self._looked_at_ms) >= age_seconds_max * 1000:
                try:
                    await self._look()
                    self._failure = None
                except RetryLaterError as error:
                    self._failure, self._found = error, None
                self._looked_at_ms = now_ms
            if self._failure is not None:
                raise self._failure
            return self._frame

    async def _look(self) -> None:
        places = await self._desk.places(self._tenant_id)
        # Positions first: a view that moves meanwhile is sent again rather than not.
        # Figures of the last half hour change without any event, every five minutes.
        found = (places, await self._live.positions(places), recent_since_ms(self._clock.now_ms()))
        if found != self._found:
            view = await self._desk.live(places)
            self._frame = f'{{"type":"live","data":{view.model_dump_json()}}}'
            self._found = found


class LiveViews:
    """The views that somebody looks at."""

    def __init__(self, desk: Desk, live: ApiLive, clock: Clock) -> None:
        self._desk = desk
        self._live = live
        self._clock = clock
        self._views: dict[str, LiveView] = {}

    @contextmanager
    def showing(self, tenant_id: str) -> Iterator[LiveView]:
        """The tenant's view, kept until the last socket that shows it ends."""
        view = self._views.setdefault(tenant_id, LiveView(tenant_id, self._desk, self._live, self._clock))
        view.sockets += 1
        try:
            yield view
        finally:
            view.sockets -= 1
            if not view.sockets:
                del self._views[tenant_id]
