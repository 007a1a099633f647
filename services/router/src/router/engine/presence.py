"""Turns heartbeat leases into inputs. Presence itself, with its grace, is decided and journaled like all else."""

import asyncio
from collections.abc import Callable
from itertools import chain
from typing import Final

from servicekit.live import LiveAwayError
from servicekit.ports import Clock
from servicekit.telemetry import log

from router.domain.inputs import LeasesRead, PresenceObserved
from router.domain.state import DomainState, State
from router.engine.inbox import Given, Inbox
from router.engine.live import EngineLive, Leases

LOG: Final = log("engine.presence")
OBSERVED_MAX: Final = 256
LEASE_MS: Final = 10_000
"""A device without a heartbeat for so long is gone: the API renews every 3 s, so two may be lost."""
POLL_SECONDS: Final = 1.0
"""How often heartbeats are looked at."""


class PresenceWatch:
    """Looks at the leases of every domain about once a second and says what differs from the state.

    Nobody is said to be gone before leases of their domain could be read for a whole lease length: after a take-over
    or a loss of Redis every living device has renewed its lease by then.
    """

    def __init__(self, live: EngineLive, clock: Clock, state: Callable[[], State]) -> None:
        self._live = live
        self._clock = clock
        self._state = state
        self._readable: bool | None = None
        self._readable_since_seconds: dict[str, float] = {}
        """By the loop's time: a wall clock may be set."""

    async def run(self, inbox: Inbox) -> None:
        """Look for ever."""
        while True:
            await self.look(inbox)
            await self._clock.sleep(POLL_SECONDS)

    async def look(self, inbox: Inbox) -> None:
        """Look once at every domain."""
        observed: list[tuple[DomainState, Leases]] = []
        try:
            for key, domain in list(self._state().domains.items()):
                observed.append((domain, await self._live.read_leases(key, LEASE_MS)))
        except LiveAwayError:
            self._readable_since_seconds.clear()
            await self._say_readable(inbox, readable=False)
            return
        await self._say_readable(inbox, readable=True)
        for domain, leases in observed:
            for observation in self._differences(domain, leases):
                await inbox.put(Given(input=observation))

    async def _say_readable(self, inbox: Inbox, *, readable: bool) -> None:
        if readable != self._readable:
            LOG.info("leases_readable" if readable else "leases_unreadable")
            self._readable = readable
            await inbox.put(Given(input=LeasesRead(readable)))

    def _differences(self, domain: DomainState, leases: Leases) -> list[PresenceObserved]:
        now_seconds = asyncio.get_running_loop().time()
        if not leases.known:
            self._readable_since_seconds.pop(domain.key, None)
            return []
        since_seconds = self._readable_since_seconds.setdefault(domain.key, now_seconds)
        presence = {name: agent.presence for name, agent in domain.agents.items()}
        seen = sorted(name for name in leases.agents if presence.get(name, "present") != "present")
        gone: list[str] = []
        if (now_seconds - since_seconds) * 1000 >= LEASE_MS:
            alive = ("present", "unconfirmed")
            gone = sorted(name for name, was in presence.items() if was in alive and name not in leases.agents)
        return _observations(domain, seen, gone)


def _observations(domain: DomainState, seen: list[str], gone: list[str]) -> list[PresenceObserved]:
    news = list(chain(((name, True) for name in seen), ((name, False) for name in gone)))
    return [
        PresenceObserved(
            tenant_id=domain.tenant_id,
            domain=domain.domain,
            seen=tuple(name for name, here in news[start : start + OBSERVED_MAX] if here),
            gone=tuple(name for name, here in news[start : start + OBSERVED_MAX] if not here),
        )
        for start in range(0, len(news), OBSERVED_MAX)
    ]
