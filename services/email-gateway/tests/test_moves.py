"""Agents split conversations and join them: each message is somewhere once, and answers go where it is."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.messages import MessageFailed
from contracts.written import MessagesMoved
from email_gateway.domain.threading import own_message_id, reply_address
from email_gateway.store import PostgresMailStore
from email_gateway.testing.desk import Desk
from email_gateway.testing.memory import MemoryMailStore
from email_gateway.testing.samples import KEYS, SALES, TENANT
from gatewaykit.outgoings import reference_of
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT
from servicekit.testing.databases import migrated
from servicekit.testing.plugin import FreshDatabase

HOST = "shop.example"
BERT = "bert@customer.example"


@pytest.fixture(params=["memory", "postgres"])
async def here(request: pytest.FixtureRequest, postgres: FreshDatabase) -> AsyncIterator[Desk]:
    if request.param == "memory":
        store = MemoryMailStore()
        yield Desk(store, store.outbox)
        return
    async with migrated(postgres.admin_url, "email_gateway") as kept:
        yield Desk(PostgresMailStore(kept.database), PostgresOutbox(kept.database))


def answers(name: str) -> str:
    return f"In-Reply-To: <{name}@customer.example>"


def answers_ours(message_id: str) -> str:
    return f"In-Reply-To: <{own_message_id(reference_of(TENANT, message_id, 1), HOST, KEYS)}>"


async def refusals(here: Desk) -> list[tuple[str, str]]:
    return [(each.message_id, each.reason) for each in await here.said(MessageFailed)]


async def test_what_is_split_off_is_a_conversation_of_its_own_and_asks_for_an_agent(here: Desk) -> None:
    first = await here.get("m1")
    await here.assign(first)
    await here.get("m2", answers("m1"))
    await here.answer(first, "a1")
    await here.get("m3", answers("m1"))
    names = await here.ids(first, "m2", "a1")
    await here.split(first, *names)
    second = await here.begun()
    _, started = await here.said(InteractionStarted)
    (moved,) = await here.said(MessagesMoved)

    assert await here.numbers(first) == {"m1": 1, "m3": 4}
    assert await here.numbers(second) == {"m2": 1, "a1": 2}
    assert (started.attributes, started.personal["text"]) == ({"split_from": first}, "m2")
    assert started.personal["subject"] == "Where is my order?"
    assert [each["value"] for each in started.personal["identifiers"]] == ["anna@customer.example"]
    assert (moved.interaction_id, moved.to_interaction_id, moved.reason, moved.agent_id) == (
        first,
        second,
        "split",
        "gia",
    )
    assert [(each.message_id, each.number) for each in moved.moved] == [(names[0], 1), ("a1", 2)]
    kept = await here.conversation(second)
    assert (kept.state, kept.customer_message_id, kept.last_number) == ("waiting", names[0], 2)


async def test_answers_go_where_the_message_is_now(here: Desk) -> None:
    first = await here.get("m1")
    await here.assign(first)
    await here.get("m2", answers("m1"))
    await here.answer(first, "a1")
    await here.split(first, *await here.ids(first, "m2", "a1"))
    second = await here.begun()
    await here.assign(second)
    await here.answer(second, "a2", in_reply_to=(await here.ids(second, "m2"))[0])
    old_address = reply_address(first, HOST, KEYS)

    assert await here.get("m3", answers("m1")) == first
    assert await here.get("m4", answers("m2")) == second
    assert await here.get("m5", answers_ours("a1"), to=old_address) == second
    assert await here.get("m6", to=old_address) == first
    assert await refusals(here) == []
    async with here.store.transaction(EVERY_TENANT) as tx:
        rows = [row for name in ("a1", "a2") for row in await tx.parts_of(TENANT, name, lock=False)]
    assert [row.interaction_id for row in rows] == [second, second]


async def test_the_last_words_of_the_customer_are_those_that_stay(here: Desk) -> None:
    first = await here.get("m1")
    await here.assign(first)
    await here.get("m2", answers("m1"))
    await here.split(first, *await here.ids(first, "m2"))
    kept = await here.conversation(first)

    assert (kept.customer_number, [kept.customer_message_id]) == (1, await here.ids(first, "m1"))
    assert (kept.last_number, kept.state) == (2, "assigned")
    await here.get("m3", answers("m1"))
    assert await here.numbers(first) == {"m1": 1, "m3": 3}


async def test_what_is_joined_goes_on_in_the_other_and_ends(here: Desk) -> None:
    first, second = await here.get("m1"), await here.get("m2")
    await here.get("m3", answers("m2"))
    await here.assign(first)
    await here.join(first, second)
    (moved,) = await here.said(MessagesMoved)
    (ended,) = await here.said(InteractionEnded)

    assert await here.numbers(first) == {"m1": 1, "m2": 2, "m3": 3}
    assert await here.numbers(second) == {}
    assert (moved.interaction_id, moved.to_interaction_id, moved.reason) == (second, first, "joined")
    assert [each.number for each in moved.moved] == [2, 3]
    assert (ended.interaction_id, ended.reason, ended.cause) == (second, "agent_closed", "joined")
    kept = await here.conversation(first)
    assert (kept.customer_number, [kept.customer_message_id]) == (3, await here.ids(first, "m3"))
    assert await here.get("m4", answers("m3")) == first
    assert await here.get("m5", to=reply_address(second, HOST, KEYS)) == first


async def test_a_reply_address_of_what_was_joined_is_good_after_it_is_forgotten(here: Desk) -> None:
    third, second, first = await here.get("m3"), await here.get("m2"), await here.get("m1")
    await here.assign(first)
    await here.assign(second)
    await here.join(second, third, request_id="r1")
    await here.join(first, second, request_id="r2")
    async with here.store.transaction(TENANT) as tx:
        await tx.remove_conversation(TENANT, second)
        await tx.remove_conversation(TENANT, third)

    for name, each in (("m4", second), ("m5", third)):
        assert await here.get(name, to=reply_address(each, HOST, KEYS)) == first


async def test_what_was_split_off_may_be_joined_again(here: Desk) -> None:
    first = await here.get("m1")
    await here.assign(first)
    await here.get("m2", answers("m1"))
    await here.split(first, *await here.ids(first, "m2"), request_id="r1")
    second = await here.begun()
    await here.join(first, second, request_id="r2")
    away, back = await here.said(MessagesMoved)

    assert await here.numbers(first) == {"m1": 1, "m2": 3}
    assert away.moved_at_ms < back.moved_at_ms
    assert len({event.id for event in await here.events()}) == len(await here.events())


async def test_a_request_that_comes_again_changes_nothing(here: Desk) -> None:
    first, other = await here.get("m1"), await here.get("m9")
    await here.assign(first)
    await here.get("m2", answers("m1"))
    for _ in range(2):
        await here.split(first, *await here.ids(first, "m2"), "unknown", request_id="r0")
    names = await here.ids(first, "m2")
    for _ in range(2):
        await here.split(first, *names, request_id="r1")
        await here.join(first, other, request_id="r2")

    assert await refusals(here) == [("r0", "message_unknown")]
    assert [each.reason for each in await here.said(MessagesMoved)] == ["split", "joined"]
    assert await here.numbers(first) == {"m1": 1, "m9": 3}


async def test_what_cannot_be_split_is_refused(here: Desk) -> None:
    first, other = await here.get("m1"), await here.get("m9")
    await here.assign(first)
    await here.get("m2", answers("m1"))
    await here.split(first, *await here.ids(first, "m1", "m2"), request_id="all")
    await here.split(first, *await here.ids(other, "m9"), request_id="of-another")
    await here.split(first, *await here.ids(first, "m2"), request_id="not-mine", agent_id="eve")
    await here.split("nothing", "m2", request_id="unknown")

    assert await refusals(here) == [
        ("all", "nothing_left"),
        ("of-another", "message_unknown"),
        ("not-mine", "assignment_gone"),
        ("unknown", "interaction_unknown"),
    ]
    assert await here.said(MessagesMoved) == []


async def test_what_cannot_be_joined_is_refused(here: Desk) -> None:
    first, berts, busy, mine = [
        await here.get("m1"),
        await here.get("m2", sender=BERT),
        await here.get("m3"),
        await here.get("m4"),
    ]
    sales = await here.get("m5", to=SALES)
    for interaction_id, agent_id in ((first, "gia"), (busy, "eve"), (mine, "gia")):
        await here.assign(interaction_id, agent_id)
    for other in (first, "nothing", berts, busy, sales):
        await here.join(first, other, request_id=other)
    await here.join(busy, first, request_id="not-mine")
    await here.join(first, mine, request_id="good")
    await here.join(first, mine, request_id="twice")

    assert await refusals(here) == [
        (first, "interaction_unknown"),
        ("nothing", "interaction_unknown"),
        (berts, "not_the_same_customer"),
        (busy, "assigned_to_another"),
        (sales, "not_the_same_address"),
        ("not-mine", "assignment_gone"),
        ("twice", "interaction_ended"),
    ]
    assert await here.numbers(first) == {"m1": 1, "m4": 2}


async def test_of_two_that_are_joined_both_ways_at_once_one_is_left(here: Desk) -> None:
    for turn in range(4):
        one, other = await here.get(f"one{turn}"), await here.get(f"other{turn}")
        await here.assign(one)
        await here.assign(other)
        await asyncio.gather(here.join(one, other, request_id=f"a{turn}"), here.join(other, one, request_id=f"b{turn}"))
        states = {(await here.conversation(each)).state for each in (one, other)}
        sizes = [len(await here.messages(each)) for each in (one, other)]

        assert states == {"assigned", "ended"}
        assert sorted(sizes) == [0, 2]
    assert [reason for _, reason in await refusals(here)] == ["interaction_ended"] * 4


async def test_mail_that_comes_while_its_conversation_is_joined_goes_along(here: Desk) -> None:
    for turn in range(4):
        first, second = await here.get(f"first{turn}"), await here.get(f"second{turn}")
        await here.assign(first)
        _, *places = await asyncio.gather(
            here.join(first, second, request_id=f"r{turn}"),
            *(here.get(f"late{turn}-{each}", answers(f"second{turn}")) for each in range(3)),
        )
        found = await here.messages(first)

        assert set(places) <= {first, second}
        assert len(found) == 5
        assert [each.number for each in found] == [1, 2, 3, 4, 5]
