"""Two connections of PostgreSQL at one conversation: the one that comes second waits, and sees what the first did."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, suppress

import pytest
from chat_gateway.receiving import Landed, Receiving
from chat_gateway.store import ChatTransaction, PostgresChatStore, Wakes
from chat_gateway.testing.backends import receiving_of
from contracts.interactions import InteractionStarted
from contracts.messages import MessageReceived
from gatewaykit.domain import decisions
from gatewaykit.inbound import accept
from gatewaykit.keep import keep
from gatewaykit.testing.inbound_laws import CUSTOMER, PLACE, received, said, take
from gatewaykit.testing.together_laws import Came, take_together
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT, Tenant
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import NOW_MS
from servicekit.testing.store_laws import WantedError

SECONDS_MAX = 60


class Connections:
    """The store, and whether somebody waits for another's lock."""

    def __init__(self, kept: MigratedDatabase) -> None:
        self.told: list[str] = []
        self.outbox = PostgresOutbox(kept.database)
        self.wakes = Wakes.new()
        self._database = kept.database
        self._store = PostgresChatStore(kept.database, self._committed)

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ChatTransaction]:
        return self._store.transaction(tenant)

    async def somebody_waits(self) -> bool:
        async with self._database.transaction(EVERY_TENANT) as tx:
            return bool(await tx.all("SELECT 1 FROM pg_locks WHERE NOT granted"))

    async def _committed(self, interaction_ids: Collection[str]) -> None:
        self.told += interaction_ids


@pytest.fixture
async def connections(postgres: FreshDatabase) -> AsyncIterator[Connections]:
    async with migrated(postgres.admin_url, "chat_gateway") as kept:
        yield Connections(kept)


async def test_the_second_first_message_waits_and_joins_the_interaction_of_the_first(connections: Connections) -> None:
    async with connections.transaction("acme") as tx:
        first = await accept(tx, PLACE, received("p1"), (), NOW_MS)
        later = asyncio.create_task(take(connections, received("p2")))
        again = asyncio.create_task(take(connections, received("p1")))
        await eventually(connections.somebody_waits)
        assert not later.done()
    second, repeated = await later, await again
    messages = await said(connections, MessageReceived)

    assert second.interaction_id == first.interaction_id
    assert repeated.outcome == "repeated"
    assert [(each.message_id, each.number) for each in messages] == [(first.message_id, 1), (second.message_id, 2)]


async def test_who_waits_for_a_conversation_that_is_being_opened_holds_nothing(connections: Connections) -> None:
    async with connections.transaction("acme") as tx:
        await accept(tx, PLACE, received("p1"), (), NOW_MS)
        later = asyncio.create_task(take(connections, received("p2")))
        await eventually(connections.somebody_waits)
        async with connections.transaction("acme") as other:
            passed_over = await other.lock_open_free("acme", [(PLACE.address, CUSTOMER)])
        meanwhile = await accept(tx, PLACE, received("p2"), (), NOW_MS)

    assert (meanwhile.outcome, (await later).outcome) == ("accepted", "repeated")
    assert passed_over == {}


async def test_when_the_first_first_message_is_rolled_back_the_second_opens_the_interaction(
    connections: Connections,
) -> None:
    with suppress(WantedError):
        async with connections.transaction("acme") as tx:
            await accept(tx, PLACE, received("p1"), (), NOW_MS)
            later = asyncio.create_task(take(connections, received("p2")))
            await eventually(connections.somebody_waits)
            raise WantedError
    second = await later
    first = await take(connections, received("p1"))
    messages = await said(connections, MessageReceived)

    assert first.interaction_id == second.interaction_id
    assert [each.message_id for each in messages] == [second.message_id, first.message_id]
    assert len(await said(connections, InteractionStarted)) == 1


async def test_a_message_that_waits_while_the_conversation_is_ended_opens_the_next(connections: Connections) -> None:
    first = await take(connections, received("p1"))
    async with connections.transaction("acme") as tx:
        conversation = await tx.lock_open("acme", PLACE.address, CUSTOMER)
        assert conversation
        later = asyncio.create_task(take(connections, received("p2")))
        await eventually(connections.somebody_waits)
        await keep(tx, conversation, decisions.ended(conversation, "idle", NOW_MS), NOW_MS)
    second = await later
    *_, started = await said(connections, InteractionStarted)

    assert second.interaction_id != first.interaction_id
    assert (started.interaction_id, started.attributes["continues"]) == (second.interaction_id, first.interaction_id)


def came(*names: str, counterpart: str = CUSTOMER) -> list[Came]:
    return [(PLACE, received(name, counterpart=counterpart)) for name in names]


async def test_what_is_taken_together_waits_for_no_conversation_and_leaves_it_out(connections: Connections) -> None:
    await take_together(connections, came("p1") + came("q1", counterpart="bob"), NOW_MS)
    async with connections.transaction("acme") as tx:
        await tx.lock_open("acme", PLACE.address, CUSTOMER)
        left, taken, also_left = await take_together(
            connections, came("p2") + came("q2", counterpart="bob") + came("p3"), NOW_MS
        )
        waiting = asyncio.create_task(take(connections, received("p2")))
        await eventually(connections.somebody_waits)
    later = await waiting

    assert left is also_left is None
    assert taken
    assert (taken.outcome, later.outcome) == ("accepted", "accepted")


async def test_what_is_taken_together_leaves_out_who_is_being_opened_elsewhere(connections: Connections) -> None:
    async with connections.transaction("acme") as tx:
        first = await accept(tx, PLACE, received("p1"), (), NOW_MS)
        together = came("p1") + came("q1", counterpart="bob") + came("p2")
        left, taken, also_left = await take_together(connections, together, NOW_MS)
    again, second = [await take(connections, received(name)) for name in ("p1", "p2")]

    assert left is also_left is None
    assert taken
    assert (taken.outcome, again.outcome, second.outcome) == ("accepted", "repeated", "accepted")
    assert second.interaction_id == first.interaction_id


async def test_deliveries_at_two_replicas_and_a_consumer_never_wait_for_each_other_in_a_circle(
    connections: Connections,
) -> None:
    """Each replica gets every delivery; the consumer locks conversations against their order."""
    people = [f"c{number}" for number in range(6)]
    replicas = [receiving_of(connections, Telemetry(name), at_once=3) for name in ("one", "two")]
    over = asyncio.Event()

    async def deliver(replica: Receiving, person: str, number: int) -> None:
        item = received(f"{person}-{number}", counterpart=person)
        while True:
            with suppress(TimeoutError):  # it was not its turn in time: it comes again
                return await replica.take([Landed(provider="whatsapp", place=PLACE, item=item)], size_bytes=1)

    async def consume() -> int:
        turns = 0
        while not over.is_set():
            turns += 1
            async with connections.transaction(EVERY_TENANT) as tx:
                for person in reversed(people):
                    await tx.lock_open("acme", PLACE.address, person)
        return turns

    consumer = asyncio.create_task(consume())
    async with asyncio.timeout(SECONDS_MAX):
        for start in range(0, 24, 4):
            some = range(start, start + 4)
            await asyncio.gather(
                *(deliver(each, person, number) for number in some for person in people for each in replicas)
            )
    over.set()
    turns = await consumer
    messages = await said(connections, MessageReceived)
    numbers = sorted((each.interaction_id, each.number) for each in messages)

    assert turns > 1
    assert len(messages) == len({each.message_id for each in messages}) == 24 * len(people)
    assert [number for _, number in numbers] == [*range(1, 25)] * len(people)
