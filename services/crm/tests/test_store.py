"""What the store keeps: one suite for PostgreSQL and its twin in memory."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from crm.domain.identity import Decision, Holding, Identifier
from crm.domain.routing import Task
from crm.domain.stories import FailedMessage, Interaction, Message
from crm.store import PostgresCrmStore
from crm.testing import MemoryCrmStore
from crm.transaction import CrmStore, DecisionRow, TakenMeanwhileError
from servicekit.errors import RejectError
from servicekit.store import EVERY_TENANT
from servicekit.testing.databases import migrated
from servicekit.testing.plugin import FreshDatabase

VISITOR = Identifier("visitor", "v-1", verified=False)
INTERACTION = Interaction(
    tenant_id="acme", interaction_id="chat-1", domain="acme.main", attributes={"page": "tents"}, started_at_ms=1
)
MESSAGE = Message(
    tenant_id="acme",
    interaction_id="chat-1",
    number=1,
    message_id="m-1",
    direction="outbound",
    agent_id="ana",
    text="Hello, hello",
    at_ms=1,
)
TASK = Task(tenant_id="acme", task_id="t-1", interaction_id="chat-1", domain="acme.main", queue="sales")


class StoreSuite:
    async def test_an_interaction_is_kept_as_it_is_now(self, store: CrmStore) -> None:
        ended = replace(INTERACTION, ended_at_ms=9, end_reason="idle", attributes={"page": "boots", "zone": "é"})
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.save_interaction(INTERACTION)
            await tx.save_interaction(ended)

        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.interaction("acme", "chat-1") == ended
            assert await tx.interaction("acme", "chat-2") is None

    async def test_a_task_is_kept_as_it_is_now(self, store: CrmStore) -> None:
        done = replace(TASK, state="completed", agent_id="ana", waited_ms=5, requeues=2, disposition="solved")
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.save_task(TASK)
            await tx.save_task(done)

        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.task("acme", "t-1") == done
            assert await tx.task("acme", "t-2") is None

    async def test_a_message_is_kept_once(self, store: CrmStore) -> None:
        for _ in range(2):
            await keep(store, MESSAGE, MESSAGE)

        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.message("acme", "m-1") == MESSAGE
            assert await tx.message("acme", "m-3") is None

    @pytest.mark.parametrize("together", [True, False])
    @pytest.mark.parametrize(
        ("other", "reason"),
        [
            (replace(MESSAGE, message_id="m-2"), "message_number_taken"),
            (replace(MESSAGE, number=2), "message_id_taken"),
        ],
    )
    async def test_another_message_of_its_number_or_id_is_refused(
        self, store: CrmStore, other: Message, reason: str, *, together: bool
    ) -> None:
        if not together:
            await keep(store, MESSAGE)

        with pytest.raises(RejectError) as refused:
            await keep(store, MESSAGE, other)

        assert refused.value.reason == reason

    async def test_delivery_marks_agents_messages_up_to_a_number_once(self, store: CrmStore) -> None:
        inbound = replace(MESSAGE, message_id="m-2", number=2, direction="inbound", agent_id=None)
        later = replace(MESSAGE, message_id="m-3", number=3)
        async with store.transaction(EVERY_TENANT) as tx:
            for message in (MESSAGE, inbound, later):
                await tx.add_message(message)
            await tx.mark_delivered("acme", "chat-1", number=2, delivered_at_ms=7)
            await tx.mark_delivered("acme", "chat-1", number=2, delivered_at_ms=8)

        async with store.transaction(EVERY_TENANT) as tx:
            found = [await tx.message("acme", name) for name in ("m-1", "m-2", "m-3")]
        assert [each.delivered_at_ms if each else -1 for each in found] == [7, None, None]

    async def test_a_failed_message_is_kept_once(self, store: CrmStore) -> None:
        failed = FailedMessage(
            tenant_id="acme",
            message_id="m-9",
            interaction_id="chat-1",
            agent_id="ana",
            reason="interaction_ended",
            detail="Over.",
            failed_at_ms=3,
        )

        async with store.transaction(EVERY_TENANT) as tx:
            await tx.add_failed_message(failed)
            await tx.add_failed_message(failed)
            assert await tx.message("acme", "m-9") is None

    async def test_an_identifier_is_held_by_one_customer_of_a_tenant(self, store: CrmStore) -> None:
        async with store.transaction(EVERY_TENANT) as tx:
            for tenant in ("acme", "globex"):
                await tx.add_customer(tenant, "c-1", created_at_ms=1)
                await tx.attach(tenant, VISITOR, customer_id="c-1", decision_id="d", held_by=None)

        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.holdings("acme", [VISITOR.key, ("email", "x")]) == {
                VISITOR.key: Holding("c-1", verified=False)
            }
            assert await tx.holdings("initech", [VISITOR.key]) == {}

    @pytest.mark.parametrize("held_by", [None, "c-2"])
    async def test_an_identifier_that_was_taken_meanwhile_is_not_attached(
        self, store: CrmStore, held_by: str | None
    ) -> None:
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.add_customer("acme", "c-1", created_at_ms=1)
            await tx.add_customer("acme", "c-2", created_at_ms=1)
            await tx.attach("acme", VISITOR, customer_id="c-1", decision_id="d", held_by=None)

            with pytest.raises(TakenMeanwhileError):
                await tx.attach("acme", VISITOR, customer_id="c-2", decision_id="d", held_by=held_by)

    async def test_a_verified_identifier_is_never_taken_away(self, store: CrmStore) -> None:
        proven = replace(VISITOR, verified=True)
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.add_customer("acme", "c-1", created_at_ms=1)
            await tx.add_customer("acme", "c-2", created_at_ms=1)
            await tx.attach("acme", VISITOR, customer_id="c-1", decision_id="d", held_by=None)
            await tx.attach("acme", proven, customer_id="c-2", decision_id="d", held_by="c-1")

            with pytest.raises(TakenMeanwhileError):
                await tx.attach("acme", proven, customer_id="c-1", decision_id="d", held_by="c-2")
            assert await tx.holdings("acme", [VISITOR.key]) == {VISITOR.key: Holding("c-2", verified=True)}

    async def test_a_verified_name_replaces_an_older_one_and_another_only_fills_a_gap(self, store: CrmStore) -> None:
        told = [("gap", False, 5), ("said", False, 9), ("proven", True, 7), ("older", True, 6), ("newer", True, 8)]
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.add_customer("acme", "c-1", created_at_ms=1)
            taken = [
                await tx.name_customer("acme", "c-1", name, verified=verified, at_ms=at_ms)
                for name, verified, at_ms in told
            ]

        assert taken == [True, False, True, False, True]

    async def test_the_claims_of_an_interaction_come_back_in_the_order_of_their_decisions(
        self, store: CrmStore
    ) -> None:
        email = Identifier("email", "é@example.org", verified=True)
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.add_customer("acme", "c-1", created_at_ms=1)
            for number, claims in [(2, (email,)), (1, (VISITOR,))]:
                await tx.add_decision(
                    DecisionRow(
                        tenant_id="acme",
                        decision_id=f"d-{number}",
                        interaction_id="chat-1",
                        claims=claims,
                        decision=Decision(customer_id="c-1", is_new=True, reason="new_identifier"),
                        decided_at_ms=number,
                    )
                )

        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.claims("acme", "chat-1") == [VISITOR, email]
            assert await tx.claims("acme", "chat-2") == []

    async def test_a_transaction_of_one_tenant_sees_nothing_of_another(self, store: CrmStore) -> None:
        async with store.transaction(EVERY_TENANT) as tx:
            await tx.save_interaction(INTERACTION)
            await tx.save_task(TASK)
            await tx.add_message(MESSAGE)
            await tx.add_customer("acme", "c-1", created_at_ms=1)
            await tx.attach("acme", VISITOR, customer_id="c-1", decision_id="d", held_by=None)

        async with store.transaction("globex") as tx:
            assert await tx.interaction("acme", "chat-1") is None
            assert await tx.task("acme", "t-1") is None
            assert await tx.message("acme", "m-1") is None
            assert await tx.holdings("acme", [VISITOR.key]) == {}


class TestMemory(StoreSuite):
    @pytest.fixture
    def store(self) -> CrmStore:
        return MemoryCrmStore()


class TestPostgres(StoreSuite):
    @pytest.fixture
    async def store(self, postgres: FreshDatabase) -> AsyncGenerator[CrmStore, None]:
        async with migrated(postgres.admin_url, "crm") as kept:
            yield PostgresCrmStore(kept.database)

    async def test_of_two_who_attach_at_once_one_wins_and_the_other_is_told(self, store: CrmStore) -> None:
        attached = asyncio.Event()

        async def first() -> None:
            async with store.transaction(EVERY_TENANT) as tx:
                await tx.add_customer("acme", "c-1", created_at_ms=1)
                await tx.attach("acme", VISITOR, customer_id="c-1", decision_id="d", held_by=None)
                attached.set()

        async def second() -> None:
            await attached.wait()
            async with store.transaction(EVERY_TENANT) as tx:
                await tx.add_customer("acme", "c-2", created_at_ms=1)
                await tx.attach("acme", VISITOR, customer_id="c-2", decision_id="d", held_by=None)

        outcomes = await asyncio.wait_for(asyncio.gather(first(), second(), return_exceptions=True), 20)

        assert outcomes[0] is None
        assert isinstance(outcomes[1], TakenMeanwhileError)

    @pytest.mark.parametrize("prover", ["c-1", "c-2"])
    async def test_who_proved_an_identifier_after_it_was_looked_up_keeps_it(self, store: CrmStore, prover: str) -> None:
        proven = replace(VISITOR, verified=True)
        async with store.transaction(EVERY_TENANT) as tx:
            for customer_id in ("c-1", "c-2", "c-3"):
                await tx.add_customer("acme", customer_id, created_at_ms=1)
            await tx.attach("acme", VISITOR, customer_id="c-1", decision_id="d", held_by=None)

        async def take_it_late() -> None:
            async with store.transaction(EVERY_TENANT) as late:
                await late.holdings("acme", [VISITOR.key])
                async with store.transaction(EVERY_TENANT) as tx:
                    await tx.attach("acme", proven, customer_id=prover, decision_id="d", held_by="c-1")
                await late.attach("acme", proven, customer_id="c-3", decision_id="d", held_by="c-1")

        with pytest.raises(TakenMeanwhileError):
            await take_it_late()

        async with store.transaction(EVERY_TENANT) as tx:
            assert await tx.holdings("acme", [VISITOR.key]) == {VISITOR.key: Holding(prover, verified=True)}


async def keep(store: CrmStore, *messages: Message) -> None:
    async with store.transaction(EVERY_TENANT) as tx:
        for message in messages:
            await tx.add_message(message)
