"""One reader of a tenant's live view for all sockets of a replica."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from router.api.handlers import Desk
from router.api.live import ApiLive, LiveAwayError, Place
from router.api.live_views import LiveViews
from router.api.models import DomainLive, Live
from servicekit.testing.set_clock import SetClock


class Centre:
    """Desk and Redis of tenants with one domain each; counts how often a view is built."""

    def __init__(self) -> None:
        self.position = b"1"
        self.away = False
        self.looks = 0
        self.built = 0

    async def places(self, tenant_id: str) -> list[Place]:
        return [Place(tenant_id, f"{tenant_id}.main")]

    async def positions(self, places: Sequence[Place]) -> list[bytes | None]:
        self.looks += 1
        if self.away:
            raise LiveAwayError("ConnectionError")
        return [self.position for _ in places]

    async def live(self, places: Sequence[Place]) -> Live:
        self.built += 1
        return Live(domains=[DomainLive(domain=place.domain, queues=[], agents=[]) for place in places])


@pytest.fixture
def centre() -> Centre:
    return Centre()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def views(centre: Centre, clock: SetClock) -> LiveViews:
    return LiveViews(cast(Desk, centre), cast(ApiLive, centre), clock)


async def frames(views: LiveViews, tenant_id: str, count: int) -> list[str]:
    with views.showing(tenant_id) as view:
        return await asyncio.gather(*(view.frame(age_seconds_max=0.5) for _ in range(count)))


async def test_many_sockets_of_a_tenant_are_one_reader(views: LiveViews, centre: Centre) -> None:
    found = await frames(views, "acme", 100)

    assert all(frame is found[0] for frame in found)
    assert (centre.looks, centre.built) == (1, 1)


async def test_each_tenant_has_its_own_view(views: LiveViews) -> None:
    with views.showing("acme") as one, views.showing("other") as another:
        shown = [await view.frame(age_seconds_max=0.5) for view in (one, another, one)]

    assert ["acme.main" in frame for frame in shown] == [True, False, True]
    assert ["other.main" in frame for frame in shown] == [False, True, False]


async def test_a_view_is_built_anew_when_it_has_moved_and_only_then(
    views: LiveViews, centre: Centre, clock: SetClock
) -> None:
    with views.showing("acme") as view:
        first = await view.frame(age_seconds_max=0.5)
        await clock.sleep(1)
        still = await view.frame(age_seconds_max=0.5)
        centre.position = b"2"
        early = await view.frame(age_seconds_max=0.5)
        await clock.sleep(1)
        moved = await view.frame(age_seconds_max=0.5)

    assert still is first
    assert early is first
    assert moved is not first
    assert centre.built == 2


async def test_a_view_is_built_anew_every_five_minutes_for_its_figures_pass(
    views: LiveViews, centre: Centre, clock: SetClock
) -> None:
    with views.showing("acme") as view:
        await view.frame(age_seconds_max=0.5)
        await clock.sleep(299)
        await view.frame(age_seconds_max=0.5)
        before = centre.built
        await clock.sleep(1)
        await view.frame(age_seconds_max=0.5)

    assert (before, centre.built) == (1, 2)


async def test_a_redis_that_is_away_is_asked_once_for_all_and_then_shown_anew(
    views: LiveViews, centre: Centre, clock: SetClock
) -> None:
    with views.showing("acme") as view:
        first = await view.frame(age_seconds_max=0.5)
        centre.away = True
        await clock.sleep(1)
        for _ in range(3):
            with pytest.raises(LiveAwayError):
                await view.frame(age_seconds_max=0.5)
        centre.away = False
        await clock.sleep(1)
        again = await view.frame(age_seconds_max=0.5)

    assert centre.looks == 3
    assert again is not first


async def test_a_view_that_nobody_shows_any_more_is_not_kept(views: LiveViews, centre: Centre) -> None:
    await frames(views, "acme", 1)
    await frames(views, "acme", 1)

    assert centre.built == 2
