"""What a provider has taken is handed to it once more, and nothing else changes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from gatewaykit import replay
from gatewaykit.domain.outgoing import SEND_MS, OutgoingRow
from gatewaykit.domain.provider import Again, Outcome, Refused, RefusedError, Sent, Uncertain
from gatewaykit.outgoing_store import OutgoingTransaction
from gatewaykit.replay import Replay, Replayed
from gatewaykit.testing.outgoing_memory import MemoryOutgoings, OutgoingTables
from gatewaykit.testing.outgoing_samples import LINE, answered, claimed, put, report, rows_of, told
from servicekit.errors import RetryLaterError
from servicekit.store import MemoryDatabase, Tenant
from servicekit.testing.set_clock import NOW_MS
from servicekit.testing.virtual import VirtualClock, run_virtual


class Sample(MemoryOutgoings[OutgoingTables]):
    source = "/sample"


class Keeper:
    def __init__(self) -> None:
        self._database = MemoryDatabase(OutgoingTables())
        self.outbox = self._database.outbox

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncIterator[OutgoingTransaction]:
        async with self._database.transaction(tenant, Sample) as transaction:
            yield transaction


class World:
    """So many messages that were sent, a millisecond apart, and a sender that answers what it is told."""

    def __init__(self, answer: Callable[[OutgoingRow], Awaitable[Outcome]] | None = None) -> None:
        self.keeper, self.asked, self.answer = Keeper(), list[OutgoingRow](), answer
        self.clock = VirtualClock()
        self.replay = Replay(self.keeper, self, self.clock)

    async def send(self, row: OutgoingRow) -> Outcome:
        self.asked.append(row)
        return await self.answer(row) if self.answer else Sent(provider_message_id="another")

    async def sent(self, count: int) -> None:
        for number in range(count):
            await put(self.keeper, f"m{number}", counterpart=f"c{number}")
            rows = await claimed(self.keeper, now_ms=NOW_MS + number)
            await answered(self.keeper, rows[0], Sent(provider_message_id=f"w{number}"))

    def names(self) -> list[str]:
        return [row.message_id for row in self.asked]


async def test_what_was_sent_since_goes_again_in_its_order_and_nothing_changes() -> None:
    world = World()
    await world.sent(5)
    await told(world.keeper, report("delivered", "w3"))
    before = [await rows_of(world.keeper, f"m{number}") for number in range(5)]
    done = await world.replay.step(LINE, since_ms=NOW_MS + 1)

    assert world.names() == ["m1", "m2", "m4"]
    assert (done.taken, done.refused, done.ended, done.since_ms) == (3, 0, True, NOW_MS + 4)
    assert [await rows_of(world.keeper, f"m{number}") for number in range(5)] == before
    again = await world.replay.step(LINE, since_ms=done.since_ms, after=done.after)
    assert again == Replayed(since_ms=done.since_ms, after=done.after, ended=True)


@pytest.mark.parametrize(
    ("trouble", "wait_ms"),
    [(Again(after_ms=9000, scope="account"), 9000), (Uncertain(), 5000), (RetryLaterError("away"), 5000)],
)
async def test_it_stops_where_the_provider_wants_no_more_and_goes_on_there(
    trouble: Outcome | Exception, wait_ms: int
) -> None:
    async def once(row: OutgoingRow) -> Outcome:
        if row.message_id == "m1" and world.names().count("m1") == 1:
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        return Sent(provider_message_id=None)

    world = World(once)
    await world.sent(3)
    first = await world.replay.step(LINE, since_ms=0)
    second = await world.replay.step(LINE, since_ms=first.since_ms, after=first.after)

    assert (first.taken, first.ended, first.wait_ms) == (1, False, wait_ms)
    assert (second.taken, second.ended, second.wait_ms) == (2, True, 0)
    assert world.names() == ["m0", "m1", "m1", "m2"]


async def test_what_is_refused_is_counted_and_passed() -> None:
    async def refusing(row: OutgoingRow) -> Outcome:
        if row.message_id == "m0":
            raise RefusedError("content_refused", "no")
        return Refused(code="gone", detail="") if row.message_id == "m1" else Sent(provider_message_id=None)

    world = World(refusing)
    await world.sent(3)
    done = await world.replay.step(LINE, since_ms=0)

    assert (done.taken, done.refused, done.ended) == (1, 2, True)


async def test_a_step_takes_so_many_and_says_that_there_is_more() -> None:
    world = World()
    await world.sent(replay.ROWS_MAX + 1)
    first = await world.replay.step(LINE, since_ms=0)
    second = await world.replay.step(LINE, since_ms=first.since_ms, after=first.after)

    assert (first.taken, first.ended) == (replay.ROWS_MAX, False)
    assert (second.taken, second.ended) == (1, True)


def test_a_step_takes_no_longer_than_a_request_may() -> None:
    async def story() -> tuple[Replayed, float]:
        async def slow(row: OutgoingRow) -> Outcome:
            await asyncio.sleep(8)
            return Sent(provider_message_id=None)

        world = World(slow)
        await world.sent(10)
        begun = asyncio.get_running_loop().time()
        return await world.replay.step(LINE, since_ms=0), asyncio.get_running_loop().time() - begun

    done, seconds = run_virtual(story())

    assert (done.taken, done.ended, done.wait_ms) == (3, False, 0)
    assert seconds == pytest.approx(24)


def test_a_provider_that_never_answers_ends_it() -> None:
    async def story() -> tuple[Replayed, float]:
        async def never(row: OutgoingRow) -> Outcome:
            await asyncio.sleep(10_000)
            return Sent(provider_message_id=None)

        world = World(never)
        await world.sent(2)
        begun = asyncio.get_running_loop().time()
        return await world.replay.step(LINE, since_ms=0), asyncio.get_running_loop().time() - begun

    done, seconds = run_virtual(story())

    assert (done.taken, done.ended, done.wait_ms) == (0, False, 5000)
    assert seconds == pytest.approx(SEND_MS / 1000)
