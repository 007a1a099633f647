"""Transfers, parking and giving up, as the gateway reads of them: who may write to the customer, and when it ends."""

from dataclasses import replace
from itertools import permutations

import pytest
from chat_gateway.handlers import NoCallbackError, request_callback
from chat_gateway.testing.fed import FedGateway
from chat_gateway.testing.samples import assigned, completed, place, queued, requeued, routed, spoken, visit, wrapped_up
from chat_gateway.testing.transfers import (
    HELPER,
    SECOND,
    asked,
    decided,
    deferred,
    given_up,
    joined,
    moved,
    now_is,
    rerouted,
    resumed,
    unassigned,
)
from contracts import Event
from contracts.commands import ConnectAssignment, RequestCallback
from contracts.interactions import AttentionRequested, InteractionEnded
from contracts.messages import MessageAnnounced, MessageFailed, MessageNoted, MessageReceived, MessageSent
from contracts.tasks import Role
from gatewaykit.domain.routed import NOBODY_NOW, NOT_CALLED, WILL_CALL
from servicekit.errors import RetryLaterError
from servicekit.store import EVERY_TENANT
from servicekit.testing.set_clock import NOW_MS


@pytest.fixture
async def gateway() -> FedGateway:
    """The customer and the first owner talk."""
    made = FedGateway()
    await made.say()
    await made.feed(queued(sequence=1), assigned(sequence=2))
    return made


def by_helper(text: str = "Let me look", *, name: str = "m-2", sequence: int, note: bool = False) -> Event:
    return spoken(text, message_id=name, task=2, sequence=sequence, agent_id=HELPER, note=note)


def outcomes(gateway: FedGateway) -> list[tuple[str, str]]:
    """What became of agents' messages: the agent, and who gets it or the reason of the refusal."""
    heard: dict[type, str] = {MessageSent: "customer", MessageNoted: "agents"}
    return [
        (data.agent_id, data.reason if isinstance(data, MessageFailed) else heard[type(data)])
        for data in gateway.announced()
        if isinstance(data, MessageSent | MessageNoted | MessageFailed)
    ]


def texts_of_visitor(gateway: FedGateway) -> list[tuple[int, str, str]]:
    return [(each.number, each.sender, each.text) for each in gateway.store.database.tables.messages.values()]


async def test_the_owner_stays_while_a_transfer_waits_and_while_a_consultant_helps(gateway: FedGateway) -> None:
    await gateway.feed(asked(sequence=3), moved("requested", sequence=4))
    waiting = gateway.conversation()
    await gateway.feed(joined(sequence=5), moved("consulting", sequence=6), spoken(sequence=2))

    assert (waiting.state, waiting.agent_id, waiting.task_id) == ("assigned", "agent-1", "i1.t1")
    assert gateway.conversation().agent_name == "Grace"
    assert outcomes(gateway) == [("agent-1", "customer")]


async def test_a_consultant_writes_to_the_agents_and_never_to_the_customer(gateway: FedGateway) -> None:
    await gateway.feed(asked(sequence=3), joined(sequence=4))
    await gateway.feed(by_helper("hello customer", name="m-2", sequence=4))
    await gateway.feed(by_helper("between us", name="m-3", sequence=4, note=True))

    assert outcomes(gateway) == [(HELPER, "role_forbids"), (HELPER, "agents")]
    assert texts_of_visitor(gateway) == [(1, "customer", "hi")]


async def test_an_internal_message_takes_a_number_of_the_conversation(gateway: FedGateway) -> None:
    await gateway.feed(spoken("a note", sequence=2, note=True))
    number = await gateway.say("c2")

    noted = [data.number for data in gateway.announced() if isinstance(data, MessageNoted)]
    assert (noted, number) == ([2], 3)


async def test_in_a_conference_both_write_to_the_customer_under_their_own_names(gateway: FedGateway) -> None:
    await gateway.feed(asked(sequence=3), joined(sequence=4), now_is("participant", sequence=5))
    await gateway.feed(by_helper(sequence=5), spoken(sequence=2))

    messages = gateway.store.database.tables.messages.values()
    assert outcomes(gateway) == [(HELPER, "customer"), ("agent-1", "customer")]
    assert [each.agent_name for each in messages] == [None, "Linus", "Grace"]


async def test_a_command_of_a_new_role_waits_until_the_gateway_has_read_of_it(gateway: FedGateway) -> None:
    await gateway.feed(asked(sequence=3), joined(sequence=4))
    early = gateway.record(by_helper(sequence=6))
    with pytest.raises(RetryLaterError):
        await gateway.processor.process([early])
    await gateway.feed(now_is("participant", sequence=6))
    await gateway.processor.process([early])

    assert outcomes(gateway) == [(HELPER, "customer")]


HANDED_OVER = wrapped_up(sequence=9, then="keep_open", handed_over_to=SECOND)
WARM = {
    "role": now_is("owner", sequence=9),
    "transfer": moved("completed", sequence=9),
    "wrapup": HANDED_OVER,
}


@pytest.mark.parametrize("order", [*permutations(WARM), *((name,) for name in WARM)], ids="-".join)
async def test_a_warm_transfer_makes_the_consultant_the_owner_whichever_is_told_first(
    gateway: FedGateway, order: tuple[str, ...]
) -> None:
    await gateway.feed(asked(sequence=3), joined(sequence=4))
    for sequence, name in enumerate(order, 5):
        await gateway.feed(renumbered(WARM[name], sequence))
    await gateway.feed(by_helper(sequence=5), spoken(message_id="m-9", sequence=2))

    conversation = gateway.conversation()
    assert (conversation.state, conversation.task_id, conversation.agent_name) == ("assigned", SECOND, "Linus")
    assert conversation.helpers == ()
    assert outcomes(gateway) == [(HELPER, "customer"), ("agent-1", "assignment_gone")]


@pytest.mark.parametrize("role", ["owner", "consultant"])
async def test_a_cold_transfer_gives_the_conversation_to_who_accepts(gateway: FedGateway, role: Role) -> None:
    await gateway.feed(asked(sequence=3), joined(sequence=4, role=role), moved("completed", sequence=5))
    await gateway.feed(renumbered(HANDED_OVER, 6), given_up("handed_over", sequence=7, to_task_id=SECOND))

    assert (gateway.conversation().agent_id, gateway.conversation().state) == (HELPER, "assigned")
    assert gateway.conversation().helpers == ()


async def test_what_was_handed_over_asks_for_no_attention_although_a_later_word_was_not_seen(
    gateway: FedGateway,
) -> None:
    await gateway.say("c2")
    await gateway.feed(asked(sequence=3), joined(sequence=4))
    await gateway.feed(wrapped_up(sequence=5, then="keep_open", seen_number=1, handed_over_to=SECOND))
    await gateway.feed(given_up("handed_over", sequence=6, to_task_id=SECOND))

    assert AttentionRequested not in gateway.kinds()
    assert InteractionEnded not in gateway.kinds()


async def test_a_transfers_task_takes_the_place_of_a_lost_owners(gateway: FedGateway) -> None:
    await gateway.feed(asked(sequence=3), requeued(sequence=4), given_up("handed_over", sequence=5, to_task_id=SECOND))
    waiting = gateway.conversation()
    await gateway.feed(joined(sequence=6, role="owner"), by_helper(sequence=6))

    assert (waiting.state, waiting.task_id, waiting.agent_id) == ("waiting", SECOND, None)
    assert outcomes(gateway) == [(HELPER, "customer")]


@pytest.mark.parametrize(
    "end",
    [
        moved("cancelled", sequence=5),
        moved("failed", sequence=5),
        given_up("handed_over", task=2, sequence=5, reason="transfer_over"),
        unassigned("connect_failed", task=2, sequence=5),
        requeued(task=2, sequence=5),
        completed(task=2, sequence=5),
    ],
    ids=["cancelled", "failed", "given up", "given back", "lost", "completed"],
)
async def test_a_helper_who_is_gone_writes_no_more_and_the_owner_keeps_the_conversation(
    gateway: FedGateway, end: Event
) -> None:
    await gateway.feed(asked(sequence=3), joined(sequence=4), end)
    await gateway.feed(by_helper(sequence=4, note=True), spoken(sequence=2))

    assert outcomes(gateway) == [(HELPER, "assignment_gone"), ("agent-1", "customer")]
    assert (gateway.conversation().state, gateway.conversation().task_id) == ("assigned", "i1.t1")
    assert InteractionEnded not in gateway.kinds()


async def test_the_end_of_a_conversation_is_the_end_for_helpers_too(gateway: FedGateway) -> None:
    await gateway.feed(asked(sequence=3), joined(sequence=4), completed(sequence=5, seen_number=1))
    await gateway.feed(by_helper(sequence=4, note=True))

    assert gateway.conversation().state == "ended"
    assert outcomes(gateway) == [(HELPER, "interaction_ended")]


async def test_the_last_words_of_a_queue_that_gives_up_are_said_before_the_end() -> None:
    gateway = FedGateway()
    await gateway.say()
    await gateway.feed(queued(sequence=1), given_up("message", sequence=2, message="We are closed.", reason="closed"))
    await gateway.feed(given_up("message", sequence=2, message="We are closed.", reason="closed"))

    *_, said, end = gateway.announced()
    assert gateway.kinds()[-2:] == [MessageAnnounced, InteractionEnded]
    assert isinstance(said, MessageAnnounced)
    assert (said.number, said.reason, said.personal) == (2, "closed", {"text": "We are closed."})
    assert isinstance(end, InteractionEnded)
    assert (end.reason, end.cause) == ("refused", "closed")
    assert (gateway.conversation().end_cause, gateway.conversation().last_number) == ("closed", 2)
    assert texts_of_visitor(gateway) == [(1, "customer", "hi"), (2, "system", "We are closed.")]
    assert gateway.store.database.tables.line_tasks == {}


@pytest.mark.parametrize(("message", "said"), [("Clo\x00sed.\n", ["Closed.\n"]), ("\x00", [NOBODY_NOW])])
async def test_last_words_with_nul_which_the_store_does_not_keep_are_said_without_it(
    gateway: FedGateway, message: str, said: list[str]
) -> None:
    await gateway.feed(given_up("message", sequence=3, message=message))

    assert [text for _, sender, text in texts_of_visitor(gateway) if sender == "system"] == said
    assert [data.personal["text"] for data in gateway.announced() if isinstance(data, MessageAnnounced)] == said
    assert gateway.conversation().end_reason == "refused"


@pytest.mark.parametrize("to", ["callback", "voicemail", "message"])
@pytest.mark.parametrize("message", [None, "Write to us."])
async def test_a_chat_that_is_given_up_never_ends_without_a_word(
    gateway: FedGateway, to: str, message: str | None
) -> None:
    await gateway.feed(given_up(to, sequence=3, message=message))  # type: ignore[arg-type]  # one of those above

    assert _announced(gateway) == [message or NOBODY_NOW]
    assert gateway.conversation().end_reason == "refused"


def _announced(gateway: FedGateway) -> list[object]:
    return [data.personal["text"] for data in gateway.announced() if isinstance(data, MessageAnnounced)]


@pytest.mark.parametrize("message", [None, "We will call you today."])
async def test_who_is_to_be_called_back_is_told_so_once_and_may_go(message: str | None) -> None:
    gateway = FedGateway()
    await gateway.say()
    await gateway.feed(queued(sequence=1))
    await gateway.feed(rerouted(queue="support-en", sequence=2, reason="callback", message=message))
    await gateway.feed(rerouted(queue="support-en", sequence=3, reason="callback"))

    assert _announced(gateway) == [message or WILL_CALL]
    assert texts_of_visitor(gateway) == [(1, "customer", "hi"), (2, "system", message or WILL_CALL)]
    assert gateway.conversation().state == "waiting"


async def test_an_agent_who_came_meanwhile_is_not_contradicted(gateway: FedGateway) -> None:
    await gateway.feed(rerouted(queue="support-en", sequence=3, reason="callback"))

    assert _announced(gateway) == []


async def ask_for_callback(gateway: FedGateway, *, callbacks: bool = True) -> None:
    async with gateway.store.transaction("acme") as tx:
        at = replace(place(), callbacks=callbacks)
        await request_callback(tx, visit(), at, now_ms=gateway.clock.now_ms())


async def test_who_waits_may_ask_to_be_called_back_and_asks_the_same_again() -> None:
    gateway = FedGateway()
    await gateway.say()
    await gateway.feed(queued(sequence=1))
    await ask_for_callback(gateway)
    await ask_for_callback(gateway)

    *_, first, again = gateway.announced()
    assert isinstance(first, RequestCallback)
    assert first == again
    assert (first.interaction_id, first.domain) == ("i1", "acme.main")
    assert gateway.store.database.outbox.rows[-1].outgoing.partition == 2


def asked_ids(gateway: FedGateway) -> list[str]:
    return [data.request_id for data in gateway.announced() if isinstance(data, RequestCallback)]


async def test_who_was_refused_a_callback_is_told_and_may_ask_again_in_the_next_wait() -> None:
    gateway = FedGateway()
    await gateway.say()
    await gateway.feed(queued(sequence=1))
    await ask_for_callback(gateway)
    [refused] = asked_ids(gateway)
    await gateway.feed(assigned(sequence=2), decided(refused, "task_assigned", sequence=3))
    await gateway.feed(requeued(sequence=4))
    await ask_for_callback(gateway)
    accepted = asked_ids(gateway)[-1]
    await gateway.feed(rerouted(queue="support-en", sequence=5, reason="callback"), decided(accepted, None, sequence=6))

    assert accepted != refused
    assert _announced(gateway) == [NOT_CALLED, WILL_CALL]
    assert [text for _, sender, text in texts_of_visitor(gateway) if sender == "system"] == [NOT_CALLED, WILL_CALL]
    assert next(data.reason for data in gateway.announced() if isinstance(data, MessageAnnounced)) == "task_assigned"


async def test_a_refusal_is_told_once_and_never_after_the_end() -> None:
    gateway = FedGateway()
    await gateway.say()
    await gateway.feed(queued(sequence=1))
    await ask_for_callback(gateway)
    [asked_id] = asked_ids(gateway)
    await gateway.feed(decided(asked_id, "task_gone", sequence=2), decided(asked_id, "task_gone", sequence=3))
    await gateway.feed(decided("of-an-agent", "task_gone", sequence=4))
    await ask_for_callback(gateway)
    await gateway.feed(given_up("finished", sequence=5), decided(asked_ids(gateway)[-1], "task_gone", sequence=6))

    assert _announced(gateway) == [NOT_CALLED]


async def test_who_does_not_wait_or_cannot_be_called_asks_in_vain(gateway: FedGateway) -> None:
    with pytest.raises(NoCallbackError):  # an agent is there
        await ask_for_callback(gateway)
    waiting = FedGateway()
    with pytest.raises(NoCallbackError):  # nothing was said yet
        await ask_for_callback(waiting)
    await waiting.say()
    with pytest.raises(NoCallbackError):  # the router has not read it yet
        await ask_for_callback(waiting)
    await waiting.feed(queued(sequence=1))
    with pytest.raises(NoCallbackError):
        await ask_for_callback(waiting, callbacks=False)

    assert RequestCallback not in [*gateway.kinds(), *waiting.kinds()]


async def test_a_task_that_a_supervisor_finishes_ends_the_chat(gateway: FedGateway) -> None:
    await gateway.feed(given_up("finished", sequence=3, reason="by_supervisor", by="root"))

    assert (gateway.conversation().end_reason, gateway.conversation().end_cause) == ("agent_closed", "by_supervisor")


async def test_a_transfer_that_its_queue_gives_up_does_not_end_the_owners_conversation(gateway: FedGateway) -> None:
    await gateway.feed(asked(sequence=3), given_up("message", task=2, sequence=4, message="Closed."))

    assert gateway.kinds() == [*gateway.kinds()[:2]]
    assert gateway.conversation().state == "assigned"


@pytest.mark.parametrize("deferred_too", [True, False])
async def test_a_customer_who_writes_into_a_parked_conversation_asks_for_attention_once(
    gateway: FedGateway, *, deferred_too: bool
) -> None:
    await gateway.feed(unassigned("parked", sequence=3))
    if deferred_too:
        await gateway.feed(deferred("parked", sequence=4))
    gateway.clock.at_ms = NOW_MS + 100 * 3_600_000
    await gateway.signals.keep_present(["i1"])
    await gateway.timers.turn()
    still = gateway.conversation().state
    await gateway.say("c2")
    await gateway.say("c3")

    assert still == "waiting"  # the customer waits for us: that is no silence
    assert gateway.kinds() == [*gateway.kinds()[:2], MessageReceived, AttentionRequested, MessageReceived]


async def test_a_resumed_task_needs_no_attention(gateway: FedGateway) -> None:
    await gateway.feed(unassigned("parked", sequence=3), resumed(sequence=4))
    await gateway.say("c2")

    assert AttentionRequested not in gateway.kinds()


async def test_a_task_given_back_waits_again(gateway: FedGateway) -> None:
    await gateway.feed(unassigned("connect_failed", sequence=3))
    await gateway.say("c2")

    assert (gateway.conversation().state, gateway.conversation().agent_id) == ("waiting", None)
    assert AttentionRequested not in gateway.kinds()


async def place_of(gateway: FedGateway) -> tuple[str, int, int, int | None] | None:
    async with gateway.store.transaction(EVERY_TENANT) as tx:
        found = (await tx.places_in_line([("acme", "i1")])).get(("acme", "i1"))
    return (found.queue, found.number, found.waiting, found.expected_at_ms) if found else None


async def test_a_place_in_line_follows_queue_band_and_priority_and_tells_what_is_expected() -> None:
    gateway = FedGateway()
    await gateway.say()
    await gateway.feed(queued(interaction_id="i2", sequence=1), queued(sequence=2, expected_wait_ms=60_000))
    at_first = await place_of(gateway)
    await gateway.feed(rerouted(queue="support-en", sequence=3, priority=4, band=1))
    first = await place_of(gateway)
    await gateway.feed(rerouted(queue="billing", sequence=4))
    elsewhere = await place_of(gateway)

    assert at_first == ("support-en", 2, 2, NOW_MS + 2 + 60_000)
    assert first == ("support-en", 1, 2, NOW_MS + 2 + 60_000)
    assert elsewhere == ("billing", 1, 1, None)


async def test_who_is_parked_stands_in_no_line_until_resumed(gateway: FedGateway) -> None:
    await gateway.feed(unassigned("parked", sequence=3))
    parked = await place_of(gateway)
    await gateway.feed(resumed(sequence=5))
    resumed_place = await place_of(gateway)
    await gateway.feed(deferred("customer_facts", sequence=6))
    waiting_for_facts = await place_of(gateway)
    await gateway.feed(deferred("scheduled", sequence=7))

    assert parked is await place_of(gateway) is None
    assert resumed_place == waiting_for_facts == ("support-en", 1, 1, None)


def renumbered(event: Event, sequence: int) -> Event:
    """The same, later."""
    return routed(event.data, event.subject, sequence)


async def test_the_owners_first_word_to_the_customer_is_told_to_a_router_that_waits_for_it() -> None:
    gateway = FedGateway()
    await gateway.say()
    await gateway.feed(queued(sequence=1), assigned(sequence=2, respond_by_ms=NOW_MS + 30_000))
    await gateway.feed(spoken("Wait", message_id="m-1", sequence=2, note=True))
    before = gateway.kinds()
    await gateway.feed(spoken("Hello", message_id="m-2", sequence=2), spoken("?", message_id="m-3", sequence=2))

    told = [data for data in gateway.announced() if isinstance(data, ConnectAssignment)]
    assert ConnectAssignment not in before
    assert [(each.assignment_id, each.failure) for each in told] == [("i1.t1.o1.a", None)]
    assert [row.outgoing.partition for row in gateway.store.database.outbox.rows][-2:] == [2, None]


async def test_a_router_that_waits_for_no_answer_is_told_of_none(gateway: FedGateway) -> None:
    await gateway.feed(spoken("Hello", message_id="m-1", sequence=2))

    assert ConnectAssignment not in gateway.kinds()
