"""How long a seat is kept: never longer than is stated, and for nobody else."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from router.api.seats import KEPT_SECONDS, Seats
from router.api.store import ApiStore, ApiTransaction, Seat
from servicekit.store import Tenant
from servicekit.testing.set_clock import SetClock
from typing_extensions import override


class Directory(ApiStore):
    """Agents' seats by tenant and name. `while_reading` happens after they were read, before the reader has them."""

    def __init__(self) -> None:
        self.seats = {(tenant, "ann"): _seat(tenant, f"{tenant}.main") for tenant in ("acme", "other")}
        self.lookups = 0
        self.while_reading: Callable[[], None] = _nothing

    @override
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ApiTransaction]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[ApiTransaction]:
            yield cast(ApiTransaction, _Reading(self, str(tenant)))

        return opened()


class _Reading:
    def __init__(self, directory: Directory, tenant: str) -> None:
        self._directory = directory
        self._tenant = tenant

    async def seat(self, agent_id: str) -> Seat | None:
        self._directory.lookups += 1
        found = self._directory.seats.get((self._tenant, agent_id))
        self._directory.while_reading()
        return found


def _nothing() -> None: ...


def _seat(tenant: str, domain: str) -> Seat:
    return Seat(tenant_id=tenant, agent_id="ann", name="Ann", domain=domain, partition=0)


async def test_a_seat_is_looked_up_once_in_a_while_and_for_each_tenant() -> None:
    directory = Directory()
    seats = Seats(directory, SetClock())
    found = [await seats.of(tenant, "ann") for tenant in ("acme", "acme", "other", "acme")]

    assert [seat and seat.domain for seat in found] == ["acme.main", "acme.main", "other.main", "acme.main"]
    assert directory.lookups == 2


async def test_an_agent_who_was_removed_elsewhere_has_no_seat_after_the_stated_time() -> None:
    directory, clock = Directory(), SetClock()
    seats = Seats(directory, clock)
    for _ in range(KEPT_SECONDS):  # asking does not prolong it
        assert await seats.of("acme", "ann") is not None
        directory.seats.clear()
        await clock.sleep(1)

    assert await seats.of("acme", "ann") is None


async def test_a_clock_that_was_set_back_keeps_nothing() -> None:
    directory, clock = Directory(), SetClock()
    seats = Seats(directory, clock)
    await seats.of("acme", "ann")
    directory.seats.clear()
    await clock.sleep(-3600)

    assert await seats.of("acme", "ann") is None


async def test_a_configuration_that_was_activated_here_counts_at_once_even_in_the_middle_of_a_look_up() -> None:
    directory = Directory()
    seats = Seats(directory, SetClock())

    def activated() -> None:
        directory.seats.clear()
        directory.while_reading = lambda: None
        seats.forget()

    directory.while_reading = activated
    before = await seats.of("acme", "ann")

    assert before is not None
    assert await seats.of("acme", "ann") is None


async def test_who_had_no_seat_has_one_as_soon_as_there_is_one() -> None:
    directory = Directory()
    seats = Seats(directory, SetClock())

    assert await seats.of("acme", "bob") is None
    directory.seats["acme", "bob"] = _seat("acme", "acme.main")
    assert await seats.of("acme", "bob") is not None
