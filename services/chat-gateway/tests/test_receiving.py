"""Deliveries that come at the same time or mix things, on PostgreSQL and in memory: one suite for both."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import pytest
from chat_gateway.receiving import DELIVERIES_TOGETHER, ITEMS_TOGETHER, TOGETHER_BYTES_MAX, Landed
from chat_gateway.store import ChatStore, ChatTransaction, PostgresChatStore, Wakes
from chat_gateway.testing import MemoryChatStore
from chat_gateway.testing.backends import receiving_of
from contracts.interactions import InteractionStarted
from contracts.messages import MessageAnnounced, MessageReceived
from contracts.written import MessageEdited, MessageErased, MessageStatusChanged
from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import Echo, Item, Sent, StatusReport, Unsent
from gatewaykit.domain.records import Place
from gatewaykit.testing import outgoing_samples
from gatewaykit.testing.conversation_laws import announced
from gatewaykit.testing.inbound_laws import ACCOUNT, PLACE, received, said
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT, Outbox, Tenant
from servicekit.system import SystemClock
from servicekit.telemetry import Telemetry, traceparent
from servicekit.testing.databases import migrated
from servicekit.testing.eventually import eventually
from servicekit.testing.plugin import FreshDatabase

HERE: Final = replace(PLACE, address=outgoing_samples.LINE[1])
"""Where the sample messages are sent from, too."""
SECONDS_MAX: Final = 60


class Gateway:
    """The receiving part of two replicas on one store; `begun` counts transactions."""

    def __init__(self, store: ChatStore, outbox: Outbox) -> None:
        self.outbox = outbox
        self.told: list[str] = []
        self.begun = 0
        self.telemetry = Telemetry("chat")
        self.open = asyncio.Event()
        self.open.set()
        self._store = store
        self._replicas = [receiving_of(self, each, at_once=4) for each in (self.telemetry, Telemetry("other"))]

    @property
    def wakes(self) -> Wakes:
        return self._store.wakes

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[ChatTransaction]:
        """Does nothing before the gateway is `open`."""
        self.begun += 1
        async with self._store.transaction(tenant) as tx:
            await self.open.wait()
            yield tx

    async def deliver(self, *items: Item, place: Place = HERE, replica: int = 0, size_bytes: int = 100) -> None:
        landed = [Landed(provider="whatsapp", place=place, item=item) for item in items]
        await self._replicas[replica].take(landed, size_bytes=size_bytes)

    async def texts(self) -> dict[str, list[str]]:
        """By interaction, in order; fails if numbers have gaps."""
        found: dict[str, list[str]] = defaultdict(list)
        for each in await said(self, MessageReceived):
            found[each.interaction_id].append(each.personal["text"])
            assert each.number == len(found[each.interaction_id])
        return found

    def counted(self, outcome: str) -> float | None:
        labels = {"provider": "whatsapp", "outcome": outcome}
        return self.telemetry.registry.get_sample_value("centralino_provider_items_total", labels)


async def _nobody(_: Collection[str]) -> None:
    return


def from_(customer: str, number: int, **more: Any) -> Any:  # a Received, whatever its fields
    return received(f"{customer}-{number}", counterpart=customer, text=f"{number}", **more)


class ReceivingLaws:
    """Inherit and give a fixture `gateway`."""

    async def test_what_comes_at_once_is_taken_in_few_transactions_each_thing_once(self, gateway: Gateway) -> None:
        people = [f"c{number}" for number in range(9)]
        asked = [from_(person, 1) for person in people for _ in range(3)]
        await asyncio.gather(*(gateway.deliver(item) for item in asked))
        begun = gateway.begun
        started = await said(gateway, InteractionStarted)

        assert begun == 1
        assert sorted((await gateway.texts()).values()) == [["1"]] * len(people)
        assert len(started) == len(people)
        assert (gateway.counted("accepted"), gateway.counted("repeated")) == (9, 18)

    async def test_a_delivery_of_several_people_and_reports_is_taken_whole_and_in_order(self, gateway: Gateway) -> None:
        await outgoing_samples.put(gateway, "m1", counterpart="ada")
        (row,) = await outgoing_samples.claimed(gateway)
        await outgoing_samples.answered(gateway, row, Sent(provider_message_id="w1"))
        items: Sequence[Item] = [
            from_("bob", 1),
            StatusReport(account_id=ACCOUNT, status="read", provider_message_id="w1"),
            from_("ada", 1),
            StatusReport(account_id=ACCOUNT, status="delivered", provider_message_id="not yet known"),
            from_("bob", 2, reply_to="bob-1"),
            received("bob-e", counterpart="bob", edits="bob-1", text="0"),
            from_("ada", 2, media=(MediaRef(id="f1"),)),
            Echo(provider_message_id="e1", account_id=ACCOUNT, counterpart="ada", text="by hand"),
            Unsent(provider_message_id="bob-2", account_id=ACCOUNT, counterpart="bob"),
            StatusReport(account_id=ACCOUNT, status="delivered", reference=row.outgoing_id),
        ]
        await gateway.deliver(*items)
        first = [event.id for event in await announced(gateway)]
        await gateway.deliver(*items)
        again = [event.id for event in await announced(gateway)]
        async with gateway.transaction(EVERY_TENANT) as tx:
            early = await tx.take_early_reports(outgoing_samples.LINE, "not yet known")
            [conversation] = [
                each for each in (await tx.lock_open_free("acme", [(HERE.address, "ada")])).values() if each
            ]
            files = await tx.pending_files_of("acme", conversation.customer_message_id)

        assert again == first
        assert sorted((await gateway.texts()).values()) == [["1", "2"], ["1", "2"]]
        assert await outgoing_samples.states(gateway, "m1") == ["read"]
        assert [each.status for each in await said(gateway, MessageStatusChanged)] == ["sent", "read"]
        assert [each.personal["text"] for each in await said(gateway, MessageEdited)] == ["0"]
        assert [each.personal["text"] for each in await said(gateway, MessageAnnounced)] == ["by hand"]
        assert len(await said(gateway, MessageErased)) == 1
        assert [each.status for each in early] == ["delivered"]
        assert (conversation.last_number, len(files)) == (3, 1)

    async def test_one_that_cannot_be_kept_harms_nobody_who_came_at_the_same_time(self, gateway: Gateway) -> None:
        whole = [gateway.deliver(from_(f"c{number}", 1)) for number in range(5)]
        broken = gateway.deliver(received("b1", counterpart="bad", text="\ud800"))
        *done, error = await asyncio.gather(*whole, broken, return_exceptions=True)

        assert done == [None] * len(whole)
        assert isinstance(error, Exception)
        assert sorted((await gateway.texts()).values()) == [["1"]] * len(whole)

    async def test_files_of_what_is_taken_together_are_to_be_fetched(self, gateway: Gateway) -> None:
        photo = MediaRef(id="f1")
        await gateway.deliver(from_("ada", 1, media=(photo, photo)), from_("bob", 1, media=(photo,)))
        await gateway.deliver(from_("ada", 1, media=(photo, photo)))
        async with gateway.transaction(EVERY_TENANT) as tx:
            files = await tx.claim_pending_files(SystemClock().now_ms(), until_ms=0, rows_max=10)

        assert [each.attributes for each in await said(gateway, MessageReceived)] == [
            {"files_pending": "2"},
            {"files_pending": "1"},
        ]
        assert len(files) == 3
        assert gateway.wakes.fetching.is_set()

    @pytest.mark.parametrize(
        ("count", "size_bytes"), [(ITEMS_TOGETHER + 1, 100), (1, TOGETHER_BYTES_MAX + 1)], ids=["things", "bytes"]
    )
    async def test_a_large_delivery_is_taken_for_itself(self, gateway: Gateway, count: int, size_bytes: int) -> None:
        large = [from_(f"c{number % 7}", number) for number in range(count)]
        await asyncio.gather(*(gateway.deliver(each) for each in (from_("a", 1), from_("b", 1))))
        begun = gateway.begun
        await asyncio.gather(gateway.deliver(*large, size_bytes=size_bytes), gateway.deliver(from_("a", 2)))

        assert gateway.begun - begun == 2
        assert len(await said(gateway, MessageReceived)) == 3 + count

    async def test_a_delivery_that_nobody_waits_for_any_more_is_taken_to_its_end(self, gateway: Gateway) -> None:
        await gateway.deliver(from_("ada", 1))
        gateway.open.clear()
        given_up = asyncio.create_task(gateway.deliver(received("e", counterpart="ada", edits="ada-1", text="2")))
        await eventually(lambda: gateway.begun == 2)
        given_up.cancel()
        await asyncio.wait([given_up])
        gateway.open.set()
        # It holds ada's conversation until it has ended.
        await gateway.deliver(received("f", counterpart="ada", edits="ada-1", text="3"))

        assert given_up.cancelled()
        assert [each.personal["text"] for each in await said(gateway, MessageEdited)] == ["2", "3"]

    async def test_no_transaction_takes_more_than_so_many(self, gateway: Gateway) -> None:
        count = 2 * DELIVERIES_TOGETHER + 1
        await asyncio.gather(*(gateway.deliver(from_(f"c{number}", 1)) for number in range(count)))

        assert gateway.begun == 3
        assert len(await gateway.texts()) == count

    async def test_each_event_carries_the_trace_of_its_own_delivery(self, gateway: Gateway) -> None:
        traces: dict[str, str | None] = {}

        async def deliver(customer: str, number: int) -> None:
            given = f"00-{number:032x}-{number:016x}-01"
            with gateway.telemetry.span("take", traceparent=given):
                traces[customer] = traceparent()
                await gateway.deliver(from_(customer, 1))

        await asyncio.gather(
            *(deliver(f"c{number}", number + 1) for number in range(4)), gateway.deliver(from_("x", 1))
        )
        async with gateway.outbox.batch(rows_max=100) as batch:
            heads = [dict(row.outgoing.headers).get("traceparent") for row in batch.rows]

        assert heads == [each for given in traces.values() for each in [str(given).encode()] * 2] + [None] * 2
        assert len(set(heads)) == 5


class TestMemoryReceiving(ReceivingLaws):
    @pytest.fixture
    def gateway(self) -> Gateway:
        store = MemoryChatStore(_nobody)
        return Gateway(store, store.database.outbox)


class TestPostgresReceiving(ReceivingLaws):
    @pytest.fixture
    async def gateway(self, postgres: FreshDatabase) -> AsyncIterator[Gateway]:
        async with migrated(postgres.admin_url, "chat_gateway") as kept:
            yield Gateway(PostgresChatStore(kept.database, _nobody), PostgresOutbox(kept.database))
