"""The projection: joined, checked, rewritten, never by a stale owner."""

import pytest
from router.engine.errors import StaleProjectionError
from router.engine.live import Views
from router.engine.projection import Projection
from router.engine.testing import Cable, MemoryEngineLive
from servicekit.testing.virtual import SeededChance, VirtualClock

DOMAIN = "acme/main"
EPOCH, LATER = "0001-000000000000005", "0001-000000000000090"


def projection(live: MemoryEngineLive | Cable, epoch: str = EPOCH) -> Projection:
    views: dict[str, Views] = {DOMAIN: {"agents": {"ann": b"1", "bob": b"1"}}}
    return Projection(live, epoch, 5, views, VirtualClock(), SeededChance(0))


async def test_the_first_write_of_an_epoch_replaces_everything() -> None:
    live = MemoryEngineLive(VirtualClock())
    await live.rewrite(DOMAIN, "0001-000000000000001", 3, {"agents": {"gone": b"0"}})

    await projection(live).flush()

    assert live.views(DOMAIN)["agents"] == {"ann": b"1", "bob": b"1"}


async def test_changes_of_several_batches_are_written_as_one() -> None:
    live = MemoryEngineLive(VirtualClock())
    projecting = projection(live)
    await projecting.flush()
    projecting.advance(6, {DOMAIN: {"agents": {"ann": b"2"}}})
    projecting.advance(7, {DOMAIN: {"agents": {"ann": b"3", "bob": None}}})
    assert projecting.unwritten_domains() == 1

    await projecting.flush()

    assert live.views(DOMAIN)["agents"] == {"ann": b"3"}
    assert projecting.unwritten_domains() == 0


async def test_views_that_are_gone_are_written_again_from_the_confirmed_state() -> None:
    live = MemoryEngineLive(VirtualClock())
    projecting = projection(live)
    await projecting.flush()
    live.wipe()

    await projecting.flush()

    assert live.views(DOMAIN)["agents"] == {"ann": b"1", "bob": b"1"}


async def test_what_redis_missed_while_it_was_away_is_there_afterwards() -> None:
    cable = Cable(live := MemoryEngineLive(VirtualClock()))
    projecting = projection(cable)
    await projecting.flush()
    cable.cut = True
    projecting.advance(6, {DOMAIN: {"agents": {"ann": b"2"}}})
    await projecting.flush()
    assert live.views(DOMAIN)["agents"]["ann"] == b"1"
    cable.cut = False

    await projecting.flush()

    assert live.views(DOMAIN)["agents"]["ann"] == b"2"


async def test_an_owner_that_finds_a_later_epochs_views_steps_down() -> None:
    live = MemoryEngineLive(VirtualClock())
    zombie = projection(live)
    await zombie.flush()
    await projection(live, LATER).flush()

    with pytest.raises(StaleProjectionError):
        await zombie.flush()
