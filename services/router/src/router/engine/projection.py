"""Keeps the views in Redis equal to the confirmed journal. Redis away: the owner stays, views are rewritten later."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from servicekit.live import LiveAwayError
from servicekit.ports import Chance, Clock
from servicekit.telemetry import log

from router.engine.errors import StaleProjectionError
from router.engine.live import EngineLive, Kind, Views

LOG: Final = log("engine.projection")
CHECK_SECONDS: Final = 2.0
"""A wiped Redis is noticed and written again within this and one rewrite."""
RETRY_SECONDS: Final = (0.3, 0.7)


@dataclass(slots=True)
class _Image:
    """A domain's views as confirmed, and how far Redis has them (`written` none: unknown, rewrite)."""

    position: int
    views: dict[Kind, dict[str, bytes]] = field(default_factory=dict)
    changed: Views = field(default_factory=dict)
    written: int | None = None
    behind_since_ms: int | None = None

    def take(self, position: int, views: Views, now_ms: int) -> None:
        """A confirmed batch's views; several are joined until they are written."""
        if self.behind_since_ms is None:
            self.behind_since_ms = now_ms
        self.position = position
        for kind, changed in views.items():
            self.changed.setdefault(kind, {}).update(changed)
            kept = self.views.setdefault(kind, {})
            for name, view in changed.items():
                if view is None:
                    kept.pop(name, None)
                else:
                    kept[name] = view


class Projection:
    """`advance` takes confirmed views at once, `run` writes them; what piles up meanwhile is written as one."""

    def __init__(
        self, live: EngineLive, epoch: str, position: int, views: dict[str, Views], clock: Clock, chance: Chance
    ) -> None:
        self._live = live
        self._epoch = epoch
        self._clock = clock
        self._chance = chance
        self._news = asyncio.Event()
        self._news.set()
        self._images: dict[str, _Image] = {}
        for domain, whole in views.items():
            self._image(domain, position).take(position, whole, clock.now_ms())

    def advance(self, offset: int, views: dict[str, Views]) -> None:
        """A batch was confirmed at this journal offset."""
        for domain, changed in views.items():
            self._image(domain, offset).take(offset, changed, self._clock.now_ms())
        self._news.set()

    async def run(self) -> None:
        """Write changes as they come, and look now and then whether Redis still has the rest.

        Raises StaleProjectionError when an owner of a later epoch wrote.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._news.wait()
            self._news.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write every domain once; one that could not be written is rewritten next time."""
        for domain, image in list(self._images.items()):
            try:
                await self._write(domain, image)
            except LiveAwayError:
                image.written = None
                LOG.warning("redis_away", extra={"domain": domain})
                await self._clock.sleep(self._chance.uniform(*RETRY_SECONDS))
                self._news.set()
                return

    def unwritten_domains(self) -> int:
        """Domains whose views in Redis are older than the confirmed journal."""
        return sum(image.written != image.position for image in self._images.values())

    def behind_since_ms(self) -> int | None:
        """Since when the oldest of those views have been so; none when there are none."""
        return min((image.behind_since_ms for image in self._images.values() if image.behind_since_ms), default=None)

    async def _write(self, domain: str, image: _Image) -> None:
        answer: str = "gap"
        began_ms = self._clock.now_ms()
        position, changed, image.changed = image.position, image.changed, {}
        if image.written is not None:
            answer = await self._live.project(domain, self._epoch, image.written, position, changed)
        if answer == "gap":
            LOG.info("projection_rewritten", extra={"domain": domain, "position": image.position})
            position, image.changed = image.position, {}
            whole: Views = {kind: dict(views) for kind, views in image.views.items()}
            answer = await self._live.rewrite(domain, self._epoch, position, whole)
        if answer == "stale":
            raise StaleProjectionError(domain)
        image.written = position
        image.behind_since_ms = None if image.written == image.position else began_ms

    def _image(self, domain: str, position: int) -> _Image:
        return self._images.setdefault(domain, _Image(position))
