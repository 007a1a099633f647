"""What every kind of transaction keeps, on PostgreSQL and in memory: one suite for both."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest
from contracts import Event
from contracts.interactions import InteractionEnded
from contracts.messages import MessageReceived
from contracts.topics import ROUTING_EVENTS

from servicekit.ports import Partition
from servicekit.store import EVERY_TENANT, Outbox, Tenant, TransactionBase

MESSAGES = Partition("messages", 0)


class Keeper(Protocol):
    """A database under test."""

    @property
    def outbox(self) -> Outbox:
        """Its outbox."""
        ...

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[TransactionBase]:
        """See store.Store."""
        ...


def said(number: int, *, interaction: str = "chat-1", tenant: str = "acme") -> Event:
    """A customer's message: ordered by its interaction, partitioned by key."""
    return Event(
        id=f"{interaction}-{number}",
        source="/chat-gateway",
        tenant_id=tenant,
        subject=interaction,
        time_ms=1_767_225_600_000 + number,
        data=MessageReceived(
            message_id=f"{interaction}-{number}",
            interaction_id=interaction,
            domain="acme.main",
            channel="webchat",
            number=number,
            received_at_ms=1_767_225_600_000 + number,
            personal={"text": f"word {number}"},
        ),
    )


def ended(*, interaction: str = "chat-1", tenant: str = "acme") -> Event:
    """The end of an interaction: partitioned by domain."""
    return Event(
        id=f"{interaction}-ended",
        source="/chat-gateway",
        tenant_id=tenant,
        subject=interaction,
        time_ms=1_767_225_700_000,
        data=InteractionEnded(
            interaction_id=interaction, domain="acme.main", reason="idle", ended_at_ms=1_767_225_700_000
        ),
    )


async def waiting_ids(outbox: Outbox) -> list[str]:
    """The event ids in the outbox, oldest first."""
    async with outbox.batch(rows_max=1000) as batch:
        return [dict(row.outgoing.headers)["ce_id"].decode() for row in batch.rows]


class WantedError(Exception):
    """Raised on purpose inside a transaction."""


class TransactionLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_announcements_wait_in_the_order_of_their_making(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as transaction:
            await transaction.announce(said(1))
            await transaction.announce(said(2))
            await transaction.announce(ended(), partition=3)

        async with keeper.outbox.batch(rows_max=2) as batch:
            oldest = list(batch.rows)

        assert [row.order_key for row in oldest] == ["chat-1", "chat-1"]
        assert oldest[0].outgoing.key == b"chat-1"
        assert oldest[0].outgoing.topic == "messages"
        assert oldest[0].outgoing.partition is None
        assert oldest[0].id < oldest[1].id
        assert await waiting_ids(keeper.outbox) == ["chat-1-1", "chat-1-2", "chat-1-ended"]

    async def test_an_exception_undoes_everything(self, keeper: Keeper) -> None:
        async def fails() -> None:
            async with keeper.transaction("acme") as transaction:
                await transaction.announce(said(1))
                await transaction.first_time("whatsapp", "wamid.1")
                await transaction.advance("crm", MESSAGES, 5)
                raise WantedError

        with pytest.raises(WantedError):
            await fails()

        assert await waiting_ids(keeper.outbox) == []
        async with keeper.transaction("acme") as transaction:
            assert await transaction.next_offset("crm", MESSAGES) is None
            assert await transaction.first_time("whatsapp", "wamid.1")

    async def test_a_cancelled_transaction_leaves_nothing(self, keeper: Keeper) -> None:
        begun = asyncio.Event()

        async def never_ends() -> None:
            async with keeper.transaction("acme") as transaction:
                await transaction.first_time("whatsapp", "wamid.1")
                await transaction.announce(said(1))
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(never_ends())
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await waiting_ids(keeper.outbox) == []
        async with keeper.transaction("acme") as transaction:
            assert await transaction.first_time("whatsapp", "wamid.1")

    async def test_a_message_is_taken_once_by_each_tenant_and_source(self, keeper: Keeper) -> None:
        taken: list[bool] = []
        for tenant, source in [("acme", "sms"), ("acme", "sms"), ("globex", "sms"), ("acme", "email")]:
            async with keeper.transaction(tenant) as transaction:
                taken.append(await transaction.first_time(source, "id-1"))
        async with keeper.transaction("acme") as transaction:
            taken.append(await transaction.first_time("sms", "id-2"))
            taken.append(await transaction.first_time("sms", "id-2"))

        assert taken == [True, False, True, True, True, False]

    async def test_a_consumer_goes_past_a_record_once(self, keeper: Keeper) -> None:
        fresh: list[bool] = []
        for next_offset in (1, 2, 2, 1, 7):
            async with keeper.transaction(EVERY_TENANT) as transaction:
                fresh.append(await transaction.advance("crm", MESSAGES, next_offset))

        assert fresh == [True, True, False, False, True]
        async with keeper.transaction(EVERY_TENANT) as transaction:
            assert await transaction.next_offset("crm", MESSAGES) == 7
            assert await transaction.next_offset("crm", Partition("messages", 1)) is None
            assert await transaction.next_offset("other", MESSAGES) is None

    async def test_a_sequence_that_is_not_greater_was_seen_but_its_offset_counts(self, keeper: Keeper) -> None:
        events = Partition(ROUTING_EVENTS.name, 0)
        fresh: list[bool] = []
        async with keeper.transaction(EVERY_TENANT) as transaction:
            fresh.append(await transaction.advance("crm", events, 1, "0001-05-00"))
            fresh.append(await transaction.advance("crm", events, 2, "0001-05-01"))
        async with keeper.transaction(EVERY_TENANT) as transaction:
            fresh.append(await transaction.advance("crm", events, 3, "0001-05-00"))
            fresh.append(await transaction.advance("crm", events, 4, None))
            fresh.append(await transaction.advance("crm", events, 5, "0001-05-01"))
            fresh.append(await transaction.advance("crm", events, 6, "0001-06-00"))

        assert fresh == [True, True, False, True, False, True]
        async with keeper.transaction(EVERY_TENANT) as transaction:
            assert await transaction.next_offset("crm", events) == 6

    async def test_an_event_of_another_tenant_is_refused(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as transaction:
            with pytest.raises(ValueError, match="another tenant"):
                await transaction.announce(said(1, tenant="globex"))
        async with keeper.transaction(EVERY_TENANT) as transaction:
            await transaction.announce(said(1, tenant="globex"))

        assert await waiting_ids(keeper.outbox) == ["chat-1-1"]

    async def test_a_topic_of_domains_needs_the_partition(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as transaction:
            with pytest.raises(ValueError, match="partition"):
                await transaction.announce(ended())

    @pytest.mark.parametrize("tenant", ["", "*", "a b", "acme'--", "x" * 65, "acme\n"])
    async def test_no_string_spells_every_tenant(self, keeper: Keeper, tenant: str) -> None:
        with pytest.raises(ValueError, match="tenant"):
            async with keeper.transaction(tenant):
                pass

    async def test_removed_rows_are_gone_and_refused_ones_are_passed_over(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as transaction:
            for number in (1, 2, 3):
                await transaction.announce(said(number))

        async with keeper.outbox.batch(rows_max=10) as batch:
            await batch.remove([batch.rows[0].id])
            await batch.refuse(batch.rows[1].id, "too large")

        assert await waiting_ids(keeper.outbox) == ["chat-1-3"]

    async def test_a_failed_batch_leaves_all_rows(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as transaction:
            await transaction.announce(said(1))

        async def fails() -> None:
            async with keeper.outbox.batch(rows_max=10) as batch:
                await batch.remove([batch.rows[0].id])
                raise WantedError

        with pytest.raises(WantedError):
            await fails()

        assert await waiting_ids(keeper.outbox) == ["chat-1-1"]

    async def test_writers_go_on_while_a_relay_holds_a_batch(self, keeper: Keeper) -> None:
        async with keeper.outbox.batch(rows_max=10) as batch:
            async with asyncio.timeout(5), keeper.transaction("acme") as transaction:
                await transaction.announce(said(1))
            held = len(batch.rows)

        assert held == 0
        assert await waiting_ids(keeper.outbox) == ["chat-1-1"]

    async def test_a_commit_wakes_the_relay(self, keeper: Keeper) -> None:
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keeper.outbox.wait(timeout_seconds=30))
            async with keeper.transaction("acme") as transaction:
                await transaction.announce(said(1))

        assert loop.time() - begun_at < 25
