"""What happens for each event and command, on the memory twin of the store."""

import asyncio
from dataclasses import replace

import pytest
from chat_gateway import handlers
from chat_gateway.domain.records import Visit
from chat_gateway.handlers import EndedError, UnknownAddressError
from chat_gateway.testing.fed import FedGateway
from chat_gateway.testing.samples import (
    ADDRESS,
    assigned,
    completed,
    configuration,
    place,
    queued,
    requeued,
    spoken,
    visit,
    wrapped_up,
)
from contracts.configuration import WEB_CHAT
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import ActivityChanged, AttentionRequested, InteractionEnded, InteractionStarted
from contracts.messages import MessageDelivered, MessageFailed, MessageReceived, MessageSent
from gatewaykit.directory import Directory
from servicekit.errors import RetryLaterError
from servicekit.store import EVERY_TENANT
from servicekit.testing.set_clock import NOW_MS


@pytest.fixture
def gateway() -> FedGateway:
    return FedGateway()


async def test_a_first_message_is_announced_with_its_interaction_to_the_domains_partition(gateway: FedGateway) -> None:
    await gateway.say()

    rows = gateway.store.database.outbox.rows
    started = gateway.announced()[0]
    assert gateway.kinds() == [InteractionStarted, MessageReceived]
    assert [row.outgoing.partition for row in rows] == [2, None]
    assert {row.outgoing.key for row in rows} == {b"i1"}
    assert isinstance(started, InteractionStarted)
    assert started.personal == {
        "name": "Ada",
        "identifiers": [{"type": "webchat", "value": "visitor-1", "verified": False}],
        "text": "hi",
    }


async def test_a_repeated_message_gets_its_first_number_and_nothing_else_happens(gateway: FedGateway) -> None:
    first = await gateway.say("c1")
    await gateway.say("c2")

    assert await gateway.say("c1", text="hi again") == first == 1
    assert gateway.kinds() == [InteractionStarted, MessageReceived, MessageReceived]


async def test_a_repeated_message_gets_its_number_even_after_the_end(gateway: FedGateway) -> None:
    await gateway.say("c1")
    async with gateway.store.transaction("acme") as tx:
        await handlers.end_by_customer(tx, visit(), now_ms=NOW_MS)

    assert await gateway.say("c1") == 1
    with pytest.raises(EndedError):
        await gateway.say("c2")


async def test_the_same_client_id_in_two_conversations_is_two_messages(gateway: FedGateway) -> None:
    assert await gateway.say("c1") == 1
    assert await gateway.say("c1", window=visit("i2")) == 1
    assert gateway.kinds().count(MessageReceived) == 2


async def test_two_first_messages_at_once_make_one_interaction(gateway: FedGateway) -> None:
    numbers = await asyncio.gather(gateway.say("c1"), gateway.say("c2"))

    assert sorted(numbers) == [1, 2]
    assert gateway.kinds().count(InteractionStarted) == 1


async def test_an_address_of_another_tenant_opens_nothing(gateway: FedGateway) -> None:
    foreign = Visit(
        tenant_id="other",
        interaction_id="i9",
        address=ADDRESS,
        identifiers=[],
        opened_at_ms=0,
        expires_at_ms=0,
        attributes={},
    )

    with pytest.raises(UnknownAddressError):
        await gateway.say(window=foreign)
    assert gateway.kinds() == []


async def test_an_address_that_is_a_providers_now_opens_no_web_chat(gateway: FedGateway) -> None:
    with pytest.raises(UnknownAddressError):
        await gateway.say(at=replace(place(), channel="whatsapp"))


async def test_an_assigned_conversation_shows_the_agents_name_from_the_configuration(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2))

    assert gateway.conversation().state == "assigned"
    assert gateway.conversation().agent_name == "Grace"


async def test_the_current_agents_message_is_sent_once(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2), spoken(sequence=2), spoken(sequence=2))

    sent = [each for each in gateway.announced() if isinstance(each, MessageSent)]
    assert [(each.number, each.agent_id, each.personal) for each in sent] == [
        (2, "agent-1", {"text": "Hello, how can I help?"})
    ]
    assert MessageFailed not in gateway.kinds()


async def test_a_command_that_is_ahead_of_routing_events_waits_and_then_succeeds(gateway: FedGateway) -> None:
    await gateway.say()
    early = gateway.record(spoken(sequence=2))
    with pytest.raises(RetryLaterError):
        await gateway.processor.process([early])
    await gateway.feed(queued(sequence=1), assigned(sequence=2))
    await gateway.processor.process([early])

    assert gateway.kinds()[-1] is MessageSent


async def test_a_command_that_waited_five_seconds_is_refused(gateway: FedGateway) -> None:
    await gateway.say()
    early = gateway.record(spoken(sequence=2))
    with pytest.raises(RetryLaterError):
        await gateway.processor.process([early])
    gateway.clock.at_ms += 4_999
    with pytest.raises(RetryLaterError):
        await gateway.processor.process([early])
    gateway.clock.at_ms += 1
    await gateway.processor.process([early])

    failed = gateway.announced()[-1]
    assert isinstance(failed, MessageFailed)
    assert failed.reason == "assignment_gone"


async def test_an_old_assignments_message_is_refused_at_once(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2), requeued(sequence=3), spoken(sequence=2))

    failed = gateway.announced()[-1]
    assert isinstance(failed, MessageFailed)
    assert failed.reason == "assignment_gone"
    assert gateway.conversation().last_number == 1


@pytest.mark.parametrize("text", ["", "x" * 4001, "a\x00b", 7, None])
async def test_an_agents_text_that_is_none_is_refused(gateway: FedGateway, text: object) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2), spoken(text, sequence=2))

    failed = gateway.announced()[-1]
    assert isinstance(failed, MessageFailed)
    assert failed.reason == "text_invalid"


async def test_a_message_into_another_tenants_conversation_is_refused(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2), spoken(sequence=2, tenant_id="other"))

    failed = gateway.announced()[-1]
    assert isinstance(failed, MessageFailed)
    assert failed.reason == "interaction_unknown"


async def test_routing_events_published_again_change_nothing(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2), requeued(sequence=3))
    await gateway.feed(queued(sequence=1), assigned(sequence=2))

    assert gateway.conversation().state == "waiting"
    assert gateway.conversation().assignment_id is None


async def test_closing_with_everything_seen_ends_the_interaction_once(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2))
    await gateway.feed(wrapped_up(sequence=3, seen_number=1), completed(sequence=4, seen_number=1))

    assert gateway.kinds().count(InteractionEnded) == 1
    assert gateway.conversation().state == "ended"


async def test_closing_over_a_later_message_asks_for_attention_under_an_id_of_its_own(gateway: FedGateway) -> None:
    await gateway.say("c1")
    await gateway.feed(queued(sequence=1), assigned(sequence=2))
    await gateway.say("c2")
    await gateway.feed(wrapped_up(sequence=3, seen_number=1), completed(sequence=4, seen_number=1))

    asked = [each for each in gateway.announced() if isinstance(each, AttentionRequested)]
    assert [each.request_id for each in asked] == ["i1.t1.wrapup_started", "i1.t1.completed"]
    assert InteractionEnded not in gateway.kinds()


async def test_the_end_of_a_task_whose_successor_is_queued_asks_for_nothing(gateway: FedGateway) -> None:
    await gateway.say("c1")
    await gateway.feed(queued(sequence=1), assigned(sequence=2))
    await gateway.say("c2")
    await gateway.feed(wrapped_up(sequence=3, seen_number=1), queued(task=2, sequence=4), completed(sequence=5))

    assert gateway.kinds().count(AttentionRequested) == 1
    assert gateway.conversation().state == "waiting"


async def test_a_customer_who_writes_into_a_kept_conversation_gets_an_agent_again(gateway: FedGateway) -> None:
    await gateway.say("c1")
    await gateway.feed(queued(sequence=1), assigned(sequence=2), completed(sequence=3, then="keep_open", seen_number=1))
    await gateway.say("c2")
    await gateway.say("c3")

    assert gateway.kinds().count(AttentionRequested) == 1


async def test_confirmed_delivery_is_announced_for_the_highest_number(gateway: FedGateway) -> None:
    await gateway.say("c1")
    for number in (1, 1):
        async with gateway.store.transaction("acme") as tx:
            await handlers.confirm_delivery(tx, visit(), number=number, now_ms=NOW_MS)

    assert gateway.kinds().count(MessageDelivered) == 1


async def test_a_window_without_a_word_leaves_no_trace(gateway: FedGateway) -> None:
    async with gateway.store.transaction("acme") as tx:
        await handlers.note_connection(tx, visit(), connected=True, now_ms=NOW_MS)
        await handlers.end_by_customer(tx, visit(), now_ms=NOW_MS)
        await handlers.confirm_delivery(tx, visit(), number=1, now_ms=NOW_MS)

    assert gateway.kinds() == []
    assert gateway.store.database.tables.conversations == {}


async def test_a_visitor_whose_replica_died_silently_is_noticed_and_left_after_the_grace(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.signals.keep_present(["i1"])
    ends_ms = []
    for _ in range(120):
        gateway.clock.at_ms += 1000
        await gateway.timers.turn()
        if gateway.conversation().state == "ended":
            ends_ms.append(gateway.clock.at_ms - NOW_MS)

    assert ends_ms[0] == 90_000  # first look at 30 s, then 60 s of grace
    assert gateway.conversation().end_reason == "customer_left"
    assert gateway.kinds().count(InteractionEnded) == 1


def test_an_address_says_after_how_long_its_customers_are_silent() -> None:
    directory = Directory([WEB_CHAT])
    for event in configuration(idle_release_seconds=600):
        assert isinstance(event.data, ConfigurationRecord)
        directory.apply(event.tenant_id, event.data)
    found = directory.place(ADDRESS)

    assert found is not None
    assert found.idle_release_seconds == 600


def directory_with(*later: dict[str, object]) -> Directory:
    """Knows the sample tenant, and then these fields of its address, one configuration after the other."""
    directory, records = Directory([WEB_CHAT]), [event.data for event in configuration()]
    for data in records:
        assert isinstance(data, ConfigurationRecord)
        directory.apply("acme", data)
    known = records[-1]
    assert isinstance(known, ConfigurationRecord)
    assert known.value is not None
    for version, fields in enumerate(later, 2):
        directory.apply("acme", replace(known, version=version, value=known.value | fields))
    return directory


def test_an_address_of_a_newer_configuration_counts_without_what_this_release_does_not_know() -> None:
    found = directory_with({"abandon_seconds": 77, "colour": "red"}).place(ADDRESS)

    assert found is not None
    assert found.abandon_seconds == 77


def test_an_address_that_is_not_understood_stays_as_it_was_which_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong: dict[str, object] = {"abandon_seconds": "soon"}
    directory = directory_with({"abandon_seconds": 77}, wrong, wrong)
    found = directory.place(ADDRESS)

    assert found is not None
    assert found.abandon_seconds == 77
    assert caplog.messages == ["address_not_understood"]


async def test_a_silent_customer_is_announced_to_the_domains_partition_and_back_with_the_next_message(
    gateway: FedGateway,
) -> None:
    await gateway.say(at=place(idle_release_seconds=120))
    await gateway.feed(queued(sequence=1), assigned(sequence=2), spoken(sequence=2))
    for _ in range(30):
        gateway.clock.at_ms += 10_000
        await gateway.signals.keep_present(["i1"])
        await gateway.timers.turn()
    await gateway.say("c2")

    rows = [row.outgoing for row in gateway.store.database.outbox.rows]
    announced = zip(gateway.announced(), rows, strict=True)
    activity = [(data, row) for data, row in announced if isinstance(data, ActivityChanged)]
    assert [(data.active, data.changed_at_ms - NOW_MS) for data, _ in activity] == [(False, 120_000), (True, 300_000)]
    assert [outgoing.partition for _, outgoing in activity] == [2, 2]


async def test_nobody_is_gone_while_redis_cannot_be_read(gateway: FedGateway) -> None:
    await gateway.say()
    gateway.signals.away = True
    for _ in range(60):
        gateway.clock.at_ms += 10_000
        await gateway.timers.turn()

    assert gateway.conversation().state == "waiting"


async def test_an_ended_conversation_is_forgotten_after_thirty_days(gateway: FedGateway) -> None:
    await gateway.say()
    async with gateway.store.transaction("acme") as tx:
        await handlers.end_by_customer(tx, visit(), now_ms=NOW_MS)
    gateway.clock.at_ms += 30 * 24 * 3_600_000
    await gateway.timers.turn()

    assert gateway.store.database.tables.conversations == {}
    assert gateway.store.database.tables.messages == {}


async def test_every_change_wakes_its_interaction_after_the_commit(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(sequence=1))

    assert gateway.woken == ["i1", "i1"]


async def test_waiting_tasks_of_other_channels_count_in_the_line(gateway: FedGateway) -> None:
    await gateway.say()
    await gateway.feed(queued(interaction_id="mail-7", sequence=1), queued(sequence=2))
    async with gateway.store.transaction(EVERY_TENANT) as tx:
        before = await tx.places_in_line([("acme", "i1")])
    await gateway.feed(assigned(interaction_id="mail-7", sequence=3))
    async with gateway.store.transaction(EVERY_TENANT) as tx:
        after = await tx.places_in_line([("acme", "i1")])

    assert (before["acme", "i1"].number, after["acme", "i1"].number) == (2, 1)
