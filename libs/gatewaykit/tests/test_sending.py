"""The loop that sends: wakes, drains, outlives a database that is away and a process that stood still."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gatewaykit.domain.outgoing import LEASE_MS, SEND_MS, OutgoingRow
from gatewaykit.domain.provider import Capabilities, Outcome, RefusedError, Sent
from gatewaykit.outgoing_store import OutgoingTransaction
from gatewaykit.sending import Sending, SendingLimits, SendingMetrics
from gatewaykit.testing.outgoing_memory import MemoryOutgoings, OutgoingTables
from gatewaykit.testing.outgoing_samples import FAST, put, states
from servicekit.errors import RetryLaterError
from servicekit.store import MemoryDatabase, Tenant
from servicekit.telemetry import Telemetry
from servicekit.testing.virtual import FIRST_INSTANT_MS, SeededChance, VirtualClock, run_virtual


class Sample(MemoryOutgoings[OutgoingTables]):
    source = "/sample"


class Keeper:
    """A store that can be away."""

    def __init__(self) -> None:
        self._database = MemoryDatabase(OutgoingTables())
        self.outbox = self._database.outbox
        self.away = False

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncIterator[OutgoingTransaction]:
        if self.away:
            raise RetryLaterError("away")
        async with self._database.transaction(tenant, Sample) as transaction:
            yield transaction


@dataclass
class FakeSender:
    """Does what it is told for each part; the name and capabilities are the provider's."""

    answer: Callable[[OutgoingRow], Awaitable[Outcome]]
    name: str = "fake"
    capabilities: Capabilities = FAST
    asked: list[OutgoingRow] = field(default_factory=list)

    async def send(self, row: OutgoingRow) -> Outcome:
        self.asked.append(row)
        return await self.answer(row)


async def at_once(row: OutgoingRow) -> Outcome:
    return Sent(provider_message_id=f"w-{row.outgoing_id}")


class World:
    """One replica and what it needs."""

    def __init__(self, sender: FakeSender, *, configured: bool = True) -> None:
        self.clock, self.keeper, self.sender, self.stop = VirtualClock(), Keeper(), sender, asyncio.Event()
        self.telemetry = Telemetry("sample")
        self.sending = Sending(
            self.keeper,
            sender,
            lambda *_: sender if configured else None,
            clock=self.clock,
            chance=SeededChance(1),
            metrics=SendingMetrics(self.telemetry),
            limits=SendingLimits(sends_max=2),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.sending.run(self.stop))
            await asyncio.sleep(0)
            yield
            self.stop.set()

    async def put(self, message_id: str, *, counterpart: str = "anna") -> None:
        await put(self.keeper, message_id, counterpart=counterpart, at_ms=self.clock.now_ms())

    def count(self, name: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(f"centralino_{name}", labels)


def test_what_this_process_put_goes_at_once_and_what_others_put_within_a_second() -> None:
    async def story() -> tuple[list[str], list[str]]:
        world = World(FakeSender(at_once))
        async with world.running():
            await asyncio.sleep(10)
            await world.put("m1")
            world.sending.wake.set()
            await asyncio.sleep(0.01)
            first = await states(world.keeper, "m1")
            await asyncio.sleep(10)
            await world.put("m2")
            await asyncio.sleep(1.01)
            return first, await states(world.keeper, "m2")

    assert run_virtual(story()) == (["sent"], ["sent"])


def test_the_next_to_a_counterpart_goes_as_soon_as_the_one_before_is_settled() -> None:
    async def story() -> list[int]:
        world = World(FakeSender(slowly))
        async with world.running():
            for number in range(3):
                await world.put(f"m{number}")
            world.sending.wake.set()
            await asyncio.sleep(5)
        return [(row.tried_at_ms or 0) - FIRST_INSTANT_MS for row in world.sender.asked]

    assert run_virtual(story()) == [0, 300, 600]


async def slowly(row: OutgoingRow) -> Outcome:
    await asyncio.sleep(0.3)
    return await at_once(row)


def test_a_stopping_process_waits_for_what_is_with_a_provider_and_begins_nothing() -> None:
    async def story() -> list[list[str]]:
        world = World(FakeSender(slowly))
        async with world.running():
            for number in range(4):
                await world.put(f"m{number}", counterpart=f"c{number}")
            world.sending.wake.set()
            await asyncio.sleep(0.1)
        return [await states(world.keeper, f"m{number}") for number in range(4)]

    assert run_virtual(story()) == [["sent"], ["sent"], ["pending"], ["pending"]]


def test_an_outcome_is_kept_once_the_database_is_back() -> None:
    async def story() -> tuple[list[str], int]:
        world = World(FakeSender(slowly))
        async with world.running():
            await world.put("m1")
            world.sending.wake.set()
            await asyncio.sleep(0.1)
            world.keeper.away = True
            await asyncio.sleep(30)
            world.keeper.away = False
            await asyncio.sleep(3)
            return await states(world.keeper, "m1"), len(world.sender.asked)

    assert run_virtual(story()) == (["sent"], 1)


def test_a_process_that_stood_still_asks_no_provider_with_a_lease_that_is_almost_over() -> None:
    async def story() -> tuple[int, list[str]]:
        slow = Capabilities(text_max=1, account_per_second=4)
        world = World(FakeSender(at_once, capabilities=slow))
        await world.put("m1", counterpart="c1")
        await world.put("m2", counterpart="c2")
        async with world.running():
            await asyncio.sleep(0.1)  # the second has its turn in 150 ms
            world.clock.step(LEASE_MS - SEND_MS + 1)
            await asyncio.sleep(0.16)
            asked = len(world.sender.asked)
            await asyncio.sleep(5)
            return asked, await states(world.keeper, "m2")

    assert run_virtual(story()) == (1, ["sent"])


def test_a_provider_that_does_not_answer_leaves_it_unknown() -> None:
    async def story() -> tuple[list[str], int]:
        world = World(FakeSender(never))
        await world.put("m1")
        async with world.running():
            await asyncio.sleep(SEND_MS / 1000 + 1)
            return await states(world.keeper, "m1"), len(world.sender.asked)

    assert run_virtual(story()) == (["unknown"], 1)


async def never(_: OutgoingRow) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError


def test_one_part_that_breaks_its_sender_breaks_no_other() -> None:
    async def breaks(row: OutgoingRow) -> Outcome:
        if row.counterpart == "bob":
            raise ZeroDivisionError
        if row.counterpart == "carol":
            raise RefusedError("text_too_long", "At most 4096 characters.")
        return await at_once(row)

    async def story() -> list[list[str]]:
        world = World(FakeSender(breaks))
        for name in ("anna", "bob", "carol"):
            await world.put(f"m-{name}", counterpart=name)
        async with world.running():
            await asyncio.sleep(5)
        return [await states(world.keeper, f"m-{name}") for name in ("anna", "bob", "carol")]

    assert run_virtual(story()) == [["sent"], ["unknown"], ["failed"]]


def test_an_address_that_is_not_configured_waits() -> None:
    async def story() -> list[str]:
        world = World(FakeSender(at_once), configured=False)
        await world.put("m1")
        async with world.running():
            await asyncio.sleep(60)
        return await states(world.keeper, "m1")

    assert run_virtual(story()) == ["pending"]


def test_outcomes_and_what_waits_are_counted() -> None:
    async def story() -> tuple[World, tuple[float | None, float | None]]:
        world = World(FakeSender(never))
        for number in range(4):
            await world.put(f"m{number}", counterpart=f"c{number}")
        async with world.running():
            await asyncio.sleep(21)
            waited = world.count("outgoing_waiting"), world.count("outgoing_oldest_seconds")
            world.sender.answer = at_once
            await asyncio.sleep(SEND_MS / 1000)
        return world, waited

    world, waited = run_virtual(story())

    assert list(waited) == [2, 20]
    assert world.count("outgoing_outcomes_total", provider="fake", outcome="uncertain") == 2
    assert world.count("outgoing_outcomes_total", provider="fake", outcome="sent") == 2
    assert world.count("outgoing_waiting") == 0
