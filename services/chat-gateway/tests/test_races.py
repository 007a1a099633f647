"""Two connections of PostgreSQL at one conversation: the one that comes second waits, and sees what the first did."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, suppress

import pytest
from chat_gateway.store import ChatTransaction, PostgresChatStore
from contracts.interactions import InteractionStarted
from contracts.messages import MessageReceived
from gatewaykit.domain import decisions
from gatewaykit.inbound import accept
from gatewaykit.keep import keep
from gatewaykit.testing.inbound_laws import CUSTOMER, PLACE, received, said, take
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT, Tenant
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import NOW_MS
from servicekit.testing.store_laws import WantedError


class Connections:
    """The store, and whether somebody waits for another's lock."""

    def __init__(self, kept: MigratedDatabase) -> None:
        self.told: list[str] = []
        self.outbox = PostgresOutbox(kept.database)
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
