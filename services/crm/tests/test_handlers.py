"""From events to the story: the same whatever topic is read first, and whatever comes twice."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from contracts import Event
from contracts.interactions import InteractionUpdated
from contracts.messages import MessageFailed, MessageReceived
from contracts.tasks import TaskAbandoned, TaskRequeued
from crm.consumers import GROUP, reactions
from crm.store import PostgresCrmStore
from crm.testing import Conversation, CrmTables, MemoryCrmStore, Topics
from crm.transaction import CrmStore, CrmTransaction
from hypothesis import given, settings
from hypothesis import strategies as st
from servicekit.errors import PoisonedError, RejectError, RetryLaterError
from servicekit.store import EVERY_TENANT
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.virtual import VirtualClock, run_virtual
from servicekit.transactional import TransactionalProcessor

VISITOR = {"type": "visitor", "value": "v-1", "verified": False}
CUSTOMER = {"type": "external", "value": "c-77", "verified": True}
TELEMETRY = Telemetry("test")
CLOCK = VirtualClock()


def processor_of(store: CrmStore) -> TransactionalProcessor[CrmTransaction]:
    return TransactionalProcessor(group=GROUP, store=store, reactions=reactions(CLOCK), telemetry=TELEMETRY)


async def kept_of(events: Iterable[Event], store: MemoryCrmStore | None = None) -> CrmTables:
    """What the CRM has after these events, read one by one."""
    store, topics = store or MemoryCrmStore(), Topics()
    for event in events:
        await processor_of(store).process([topics.land(event)])
    return store.database.tables


async def test_a_conversation_is_kept_whole() -> None:
    chat = Conversation(personal={"name": "Maria", "identifiers": [VISITOR]})

    tables = await kept_of(chat.events())

    interaction = tables.interactions["acme", "chat-1"]
    customer = tables.customers["acme", interaction.customer_id or ""]
    task = tables.tasks["acme", "chat-1-t1"]
    assert (interaction.channel, interaction.address, interaction.end_reason) == (
        "webchat",
        "webchat:shop",
        "customer_left",
    )
    assert (customer.name, customer.created_at_ms) == ("Maria", chat.first_ms)
    assert customer.words >= {"maria", "v", "1"}
    assert [(key[2], each.direction, each.text) for key, each in sorted(tables.messages.items())] == [
        (1, "inbound", "Where is my tent?"),
        (2, "outbound", "On its way."),
        (3, "inbound", "Thank you!"),
    ]
    assert tables.messages["acme", "chat-1", 2].delivered_at_ms == chat.first_ms + 5_050
    assert (task.state, task.agent_id, task.disposition) == ("completed", "ana", "solved")
    assert (task.waited_ms, task.handled_ms, task.requeues) == (4_000, 5_000, 0)


CHATS = [
    Conversation(personal={"name": "Maria", "identifiers": [VISITOR]}),
    Conversation(interaction_id="chat-2", first_ms=1_767_225_700_000, personal={"identifiers": [VISITOR, CUSTOMER]}),
    Conversation(interaction_id="chat-3", first_ms=1_767_225_800_000, personal={"identifiers": [CUSTOMER]}),
    Conversation(tenant_id="globex", personal={"identifiers": [VISITOR]}),
]
STREAMS: dict[str, list[Event]] = {}
for told in (event for chat in CHATS for event in chat.events()):
    STREAMS.setdefault(told.type.topic.name, []).append(told)
UPDATED = InteractionUpdated(
    interaction_id="chat-1", domain="acme.main", updated_at_ms=CHATS[0].first_ms + 9, attributes={"page": "boots"}
)
STREAMS["interactions"].append(CHATS[0].event(UPDATED, "updated"))
EXPECTED = run_virtual(kept_of(event for stream in STREAMS.values() for event in stream))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_topics_may_be_read_in_any_order_and_records_may_come_again(data: st.DataObject) -> None:
    """Each topic keeps its order; a gateway's relay and the engine may publish a stretch anew at any time."""
    topics, waiting = Topics(), {name: list(stream) for name, stream in STREAMS.items()}
    done: dict[str, list[Event]] = {name: [] for name in STREAMS}
    store = MemoryCrmStore()
    processor = processor_of(store)

    async def story() -> None:
        while any(waiting.values()):
            name = data.draw(st.sampled_from(sorted(name for name, stream in waiting.items() if stream)))
            count = data.draw(st.integers(1, len(waiting[name])))
            fresh = waiting[name][:count]
            del waiting[name][:count]
            again = done[name][-data.draw(st.integers(0, 4)) or len(done[name]) :]
            batch = [topics.land(event) for event in (*again, *fresh)]
            await processor.process(batch)
            if data.draw(st.booleans()):  # a crash after the commit, before Kafka heard of it
                await processor.process(batch)
            done[name] += fresh

    run_virtual(story())

    assert store.database.tables == EXPECTED


def test_what_is_expected_there_is_right() -> None:
    whose = {key: interaction.customer_id for key, interaction in EXPECTED.interactions.items()}

    assert EXPECTED.interactions["acme", "chat-1"].attributes == {"page": "boots"}
    assert len(EXPECTED.messages) == 12
    assert len(set(whose.values())) == 3
    assert whose["acme", "chat-2"] == whose["acme", "chat-3"] != whose["acme", "chat-1"]
    assert whose["globex", "chat-1"] not in (whose["acme", "chat-1"], whose["acme", "chat-2"])


async def test_a_customer_who_proves_who_they_are_during_the_chat_gets_it() -> None:
    known = Conversation(interaction_id="chat-0", personal={"identifiers": [CUSTOMER]})
    chat = Conversation(personal={"identifiers": [VISITOR]})
    update = InteractionUpdated(
        interaction_id="chat-1",
        domain="acme.main",
        updated_at_ms=chat.first_ms + 1,
        attributes={"vip": "yes"},
        personal={"identifiers": [CUSTOMER]},
    )

    tables = await kept_of([*known.events(), *chat.events(), chat.event(update, "updated")])

    assert tables.interactions["acme", "chat-1"].customer_id == tables.interactions["acme", "chat-0"].customer_id
    assert tables.interactions["acme", "chat-1"].attributes == {"page": "tents", "vip": "yes"}
    assert [row.decision.reason for row in tables.decisions.values()] == [
        "new_identifier",
        "new_identifier",
        "verified_identifier",
    ]


async def test_a_name_that_was_only_said_does_not_replace_a_proven_one() -> None:
    proven = Conversation(personal={"name": "Maria", "identifiers": [CUSTOMER]})
    said = Conversation(
        interaction_id="chat-2",
        personal={"name": "Mallory", "identifiers": [{**CUSTOMER, "verified": False}]},
    )

    tables = await kept_of([*proven.events(), *said.events()])

    assert [row.name for row in tables.customers.values()] == ["Maria"]


async def test_a_requeued_task_counts_it_and_keeps_its_place() -> None:
    chat = Conversation()
    started, said, queued, assigned, *_ = chat.events()
    requeued = TaskRequeued(
        task_id="chat-1-t1",
        interaction_id="chat-1",
        domain="acme.main",
        queue="sales",
        assignment_id="chat-1-a1",
        agent_id="ana",
        reason="agent_lost",
        queued_at_ms=chat.first_ms + 10,
        requeued_at_ms=chat.first_ms + 99,
    )
    abandoned = TaskAbandoned(
        task_id="chat-1-t1",
        interaction_id="chat-1",
        domain="acme.main",
        queue="sales",
        reason="customer_left",
        abandoned_at_ms=chat.first_ms + 500,
        waited_ms=490,
    )

    tables = await kept_of(
        [started, said, queued, assigned, chat.event(requeued, "requeued"), chat.event(abandoned, "abandoned")]
    )

    task = tables.tasks["acme", "chat-1-t1"]
    assert (task.state, task.requeues, task.queued_at_ms) == ("abandoned", 1, chat.first_ms + 10)
    assert (task.reason, task.waited_ms, task.agent_id) == ("customer_left", 490, "ana")


async def test_a_failed_message_is_no_part_of_the_conversation() -> None:
    chat = Conversation()
    failed = MessageFailed(
        message_id="m-9",
        interaction_id="chat-1",
        domain="acme.main",
        agent_id="ana",
        reason="interaction_ended",
        detail="The conversation is over.",
        failed_at_ms=chat.first_ms,
    )

    tables = await kept_of([*chat.events(), chat.event(failed, "failed")])

    assert [each.reason for each in tables.failed_messages.values()] == ["interaction_ended"]
    assert len(tables.messages) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"message_id": "other"}, "message_number_taken"), ({"number": 9}, "message_id_taken")],
)
async def test_another_message_of_the_same_number_or_id_goes_to_the_dead_letters(
    change: dict[str, Any],
    reason: str,  # Any: fields of several types
) -> None:
    chat, store, topics = Conversation(), MemoryCrmStore(), Topics()
    said = next(event for event in chat.events() if isinstance(event.data, MessageReceived))
    assert isinstance(said.data, MessageReceived)
    wrong = replace(said, data=replace(said.data, **change))
    await processor_of(store).process([topics.land(said)])

    with pytest.raises(PoisonedError) as poisoned:
        await processor_of(store).process([topics.land(wrong)])

    assert isinstance(poisoned.value.error, RejectError)
    assert poisoned.value.error.reason == reason


class TestPostgres:
    @pytest.fixture
    async def store(self, postgres: FreshDatabase) -> AsyncGenerator[PostgresCrmStore, None]:
        async with migrated(postgres.admin_url, "crm") as kept:
            yield PostgresCrmStore(kept.database)

    async def test_the_same_is_kept_there_as_in_memory(self, store: PostgresCrmStore) -> None:
        topics = Topics()
        for stream in STREAMS.values():
            await processor_of(store).process([topics.land(event) for event in stream])

        async with store.transaction(EVERY_TENANT) as tx:
            for key, interaction in EXPECTED.interactions.items():
                assert await tx.interaction(*key) == interaction
            for key, task in EXPECTED.tasks.items():
                assert await tx.task(*key) == task
            for message in EXPECTED.messages.values():
                assert await tx.message(message.tenant_id, message.message_id) == message
            for tenant, key in EXPECTED.identifiers:
                assert await tx.holdings(tenant, [key]) == {key: EXPECTED.identifiers[tenant, key]}

    async def test_two_first_interactions_of_a_visitor_at_once_make_one_customer(self, store: PostgresCrmStore) -> None:
        chats = [Conversation(interaction_id=f"chat-{number}", personal=CHATS[0].personal) for number in range(4)]
        begun = [[event for event in chat.events() if event.type.name == "interaction.started"] for chat in chats]

        await asyncio.gather(*(patiently(store, number, events) for number, events in enumerate(begun)))

        async with store.transaction(EVERY_TENANT) as tx:
            found = [await tx.interaction("acme", chat.interaction_id) for chat in chats]
        assert len({each.customer_id if each else "" for each in found}) == 1

    async def test_text_that_the_database_cannot_hold_is_no_reason_to_refuse_it(self, store: PostgresCrmStore) -> None:
        chat = Conversation(
            words=("a\x00b", "é" * 4000, "\U0001f3d5 " * 1000),
            personal={"name": "M\x00", "identifiers": [{"type": "visitor", "value": "v\x00", "verified": False}]},
        )
        topics = Topics()

        await processor_of(store).process([topics.land(event) for event in chat.events() if is_message(event)])
        await processor_of(store).process([topics.land(event) for event in chat.events()[:1]])

        async with store.transaction(EVERY_TENANT) as tx:
            kept = await tx.message("acme", "chat-1-1")
        assert kept is not None
        assert kept.text == "ab"


async def patiently(store: PostgresCrmStore, number: int, events: Sequence[Event]) -> None:
    """What the consumer loop does when the world is not ready: the same again. Each has a partition of its own."""
    topics = Topics()
    records = [replace(topics.land(event), partition=number) for event in events]
    for _ in range(20):
        try:
            await processor_of(store).process(records)
        except RetryLaterError:
            continue
        return
    raise AssertionError("it never came to an end")


def is_message(event: Event) -> bool:
    return event.type.topic.name == "messages"
