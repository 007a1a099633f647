"""Turns heartbeat leases into inputs. Presence itself, with its grace, is decided and journaled like all else."""

import asyncio
from collections.abc import Callable
from typing import Final

from servicekit.live import LiveAwayError
from servicekit.ports import Clock
from servicekit.telemetry import log

from router.domain.agent import Agent
from router.domain.inputs import LeasesRead, PresenceObserved
from router.domain.presence import counts
from router.domain.state import DomainState, State
from router.engine.inbox import Given, Inbox
from router.engine.live import EngineLive, Leases

LOG: Final = log("engine.presence")
OBSERVED_MAX: Final = 128
DEVICES_MAX: Final = 8
"""So many devices of an agent are looked at, those that count first: an observation has to fit a batch."""
ALIVE: Final = ("present", "unconfirmed")
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
        whole_lease = (now_seconds - since_seconds) * 1000 >= LEASE_MS
        alive = [
            (name, _first(domain, devices)) for name, devices in sorted(leases.devices.items()) if name in domain.agents
        ]
        seen = [
            (name, devices)
            for name, devices in alive
            if _is_news(domain, domain.agents[name], devices, whole_lease=whole_lease)
        ]
        gone = [
            name
            for name, agent in sorted(domain.agents.items())
            if whole_lease and name not in leases.devices and (agent.presence in ALIVE or agent.devices)
        ]
        return _observations(domain, seen, gone)


def _first(domain: DomainState, devices: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(devices, key=lambda each: (not counts(domain.settings, (each,)), each))[:DEVICES_MAX])


def _is_news(domain: DomainState, agent: Agent, devices: tuple[str, ...], *, whole_lease: bool) -> bool:
    """Before a whole lease length the devices that count may not have renewed their leases yet."""
    if counts(domain.settings, devices):
        return agent.presence != "present" or agent.devices != devices
    return whole_lease and (agent.presence in ALIVE or agent.devices != devices)


def _observations(
    domain: DomainState, seen: list[tuple[str, tuple[str, ...]]], gone: list[str]
) -> list[PresenceObserved]:
    news: list[tuple[str, tuple[str, ...]]] = [*seen, *((name, ()) for name in gone)]
    return [
        PresenceObserved(
            tenant_id=domain.tenant_id,
            domain=domain.domain,
            seen=tuple(name for name, devices in part if devices),
            gone=tuple(name for name, devices in part if not devices),
            devices=tuple((name, devices) for name, devices in part if devices),
        )
        for part in (news[start : start + OBSERVED_MAX] for start in range(0, len(news), OBSERVED_MAX))
    ]
