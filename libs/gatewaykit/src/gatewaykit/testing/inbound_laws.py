"""What a gateway takes from providers, on PostgreSQL and in memory: one suite for both."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from contracts.interactions import (
    ActivityChanged,
    AttentionRequested,
    InteractionEnded,
    InteractionStarted,
    InteractionUpdated,
)
from contracts.messages import MessageAnnounced, MessageReceived
from contracts.written import MessageEdited, MessageErased
from contracts.written import WindowChanged as WindowNews
from servicekit.store import EVERY_TENANT
from servicekit.testing.set_clock import NOW_MS

from gatewaykit.domain import decisions
from gatewaykit.domain.content import File, Identifier, Window
from gatewaykit.domain.provider import Echo, Item, Passed, Received, StatusReport, Unsent, WindowChanged
from gatewaykit.domain.records import QUIET_CHECK_MS, Conversation, Place
from gatewaykit.inbound import Accepted, accept, message_id_of
from gatewaykit.keep import keep
from gatewaykit.store import ConversationTransaction
from gatewaykit.testing.conversation_laws import PHOTO, ConversationKeeper, announced
from gatewaykit.timers import look_at

PLACE: Final = Place(
    tenant_id="acme",
    channel="whatsapp",
    address="whatsapp:acme",
    client="shop",
    domain="acme.main",
    partition=2,
    idle_close_seconds=1800,
    abandon_seconds=60,
    reopen_seconds=3600,
)
DAY_MS: Final = 86_400_000
PHONE: Final = Identifier(type="phone", value="+15550001", verified=True)
ACCOUNT: Final = "pn-1"
CUSTOMER: Final = "15550001"


def received(name: str = "p1", **more: Any) -> Received:  # Any: fields of Received
    """The sample customer's message; `name` is the provider's id."""
    fields: dict[str, Any] = {"counterpart": CUSTOMER, "identifiers": (PHONE,), "text": f"text of {name}"} | more
    return Received(provider_message_id=name, account_id=ACCOUNT, **fields)


def window(hours: int = 24, *, from_ms: int = NOW_MS) -> Window:
    """Opened by the customer's message."""
    return Window(opens_at_ms=from_ms, closes_at_ms=from_ms + hours * 3_600_000, basis="customer_message")


async def take(
    keeper: ConversationKeeper,
    item: Item,
    *,
    files: Sequence[File] = (),
    now_ms: int = NOW_MS,
    place: Place = PLACE,
) -> Accepted:
    """In a transaction of its own."""
    async with keeper.transaction(place.tenant_id) as tx:
        return await accept(tx, place, item, files, now_ms)


async def end(keeper: ConversationKeeper, now_ms: int) -> None:
    """The sample customer's conversation is over."""
    async with keeper.transaction("acme") as tx:
        conversation = await tx.lock_open("acme", PLACE.address, CUSTOMER)
        assert conversation
        await keep(tx, conversation, decisions.ended(conversation, "agent_closed", now_ms), now_ms)


async def said(keeper: ConversationKeeper, kind: type | None = None) -> list[Any]:  # Any: data of any event
    """The data of what was announced, of one kind or of all."""
    data = [event.data for event in await announced(keeper)]
    return [each for each in data if kind is None or isinstance(each, kind)]


async def current(keeper: ConversationKeeper) -> Conversation:
    """The sample customer's open conversation."""
    async with keeper.transaction("acme") as tx:
        conversation = await tx.lock_open("acme", PLACE.address, CUSTOMER)
    assert conversation
    return conversation


class InboundLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_a_first_message_starts_an_interaction_with_all_that_is_known(
        self, keeper: ConversationKeeper
    ) -> None:
        item = received(
            name="p1",
            language="pt_BR",
            attributes={"referral": "ad-7", "kind": "x" * 600},
            window=window(),
        )
        done = await take(keeper, replace(item, name="Ada\0"), files=[PHOTO])
        started, message, opened = await said(keeper)

        assert done.outcome == "accepted"
        assert (started.interaction_id, message.message_id) == (done.interaction_id, done.message_id)
        assert (started.channel, started.address, started.client) == ("whatsapp", "whatsapp:acme", "shop")
        assert (started.language, started.attributes["referral"]) == ("pt-br", "ad-7")
        assert started.personal == {
            "identifiers": [{"type": "phone", "value": "+15550001", "verified": True}],
            "name": "Ada",
            "text": "text of p1",
        }
        assert message.personal["files"][0]["blob_id"] == PHOTO.blob_id
        assert message.attributes == {"referral": "ad-7", "kind": "x" * 500}
        assert (opened.closes_at_ms, opened.basis) == (NOW_MS + DAY_MS, "customer_message")

    async def test_what_comes_again_changes_nothing_and_ids_follow_from_the_providers(
        self, keeper: ConversationKeeper
    ) -> None:
        first = await take(keeper, received(window=window()))
        before = await announced(keeper)
        again = await take(keeper, received(text="other", window=window()), now_ms=NOW_MS + 1)
        await end(keeper, NOW_MS + 2)
        late = await take(keeper, received(), now_ms=NOW_MS + 3)
        after = await announced(keeper)

        assert (again.outcome, late.outcome) == ("repeated", "repeated")
        assert [event.id for event in after[:-1]] == [event.id for event in before]
        assert isinstance(after[-1].data, InteractionEnded)
        assert first.message_id == message_id_of(PLACE, "p1")
        assert before[0].id == f"{first.interaction_id}.started"

    async def test_first_messages_at_once_make_one_interaction_without_gaps(self, keeper: ConversationKeeper) -> None:
        names = [f"p{number}" for number in range(6)]
        await asyncio.gather(*(take(keeper, received(name)) for name in [*names, *names]))
        messages = await said(keeper, MessageReceived)
        (started,) = await said(keeper, InteractionStarted)

        assert {each.interaction_id for each in messages} == {started.interaction_id}
        assert sorted(each.number for each in messages) == [1, 2, 3, 4, 5, 6]
        assert {each.message_id for each in messages} == {message_id_of(PLACE, name) for name in names}

    async def test_another_person_address_or_tenant_is_another_interaction(self, keeper: ConversationKeeper) -> None:
        elsewhere = replace(PLACE, address="whatsapp:other")
        done = [
            await take(keeper, received()),
            await take(keeper, received("p2", counterpart="15550002")),
            await take(keeper, received(), place=elsewhere),
            await take(keeper, received(), place=replace(PLACE, tenant_id="other")),
        ]

        assert [each.outcome for each in done] == ["accepted"] * 4
        assert len({each.interaction_id for each in done}) == 4
        assert len({each.message_id for each in done}) == 4

    async def test_who_writes_soon_after_the_end_goes_on_with_what_was_said(self, keeper: ConversationKeeper) -> None:
        first = await take(keeper, received(window=window(72)))
        await end(keeper, NOW_MS + 1000)
        second = await take(keeper, received("p2", window=window()), now_ms=NOW_MS + 3_600_999)
        kept = await current(keeper)
        await end(keeper, NOW_MS + 4_000_000)
        third = await take(keeper, received("p3"), now_ms=NOW_MS + 7_600_000)
        _, again, alone = await said(keeper, InteractionStarted)

        assert len({first.interaction_id, second.interaction_id, third.interaction_id}) == 3
        assert again.attributes == {"continues": first.interaction_id}
        assert alone.attributes == {}
        assert kept.reply_window == window(72)

    async def test_a_message_that_nobody_would_read_asks_for_attention(self, keeper: ConversationKeeper) -> None:
        await take(keeper, received())
        async with keeper.transaction("acme") as tx:
            conversation = await tx.lock_open("acme", PLACE.address, CUSTOMER)
            assert conversation
            await tx.save_conversation(replace(conversation, state="open"))
        done = await take(keeper, received("p2"))
        await take(keeper, received("p3"))
        (asked,) = await said(keeper, AttentionRequested)

        assert (asked.message_id, asked.request_id) == (done.message_id, f"{done.interaction_id}.m2")

    async def test_a_reaction_opens_nothing_and_calls_nobody(self, keeper: ConversationKeeper) -> None:
        thumb = received("r1", text="\N{THUMBS UP SIGN}", attributes={"kind": "reaction"}, reply_to="p1")
        early = await take(keeper, replace(thumb, provider_message_id="r0"))
        nothing = await said(keeper)
        await take(keeper, received())
        async with keeper.transaction("acme") as tx:
            conversation = await tx.lock_open("acme", PLACE.address, CUSTOMER)
            assert conversation
            await tx.save_conversation(replace(conversation, state="open", parked=True))
        await take(keeper, thumb)
        kept = await current(keeper)
        message = (await said(keeper))[-1]

        assert (early.outcome, nothing) == ("passed", [])
        assert (message.number, message.in_reply_to) == (2, message_id_of(PLACE, "p1"))
        assert message.attributes == {"kind": "reaction"}
        assert (kept.state, kept.last_number, kept.customer_number) == ("open", 2, 1)

    async def test_edits_change_the_kept_words_and_the_last_one_stands(self, keeper: ConversationKeeper) -> None:
        await take(keeper, received())
        for name, text, at_ms in (("e2", "second", 2000), ("e3", "third", 2000), ("e1", "first", 1999)):
            await take(keeper, received(name, edits="p1", text=text, sent_at_ms=at_ms))
            await take(keeper, received(name, edits="p1", text=text, sent_at_ms=at_ms))
        edits = await said(keeper, MessageEdited)
        ids = [event.id for event in await announced(keeper)]
        async with keeper.transaction("acme") as tx:
            kept = await tx.message("acme", message_id_of(PLACE, "p1"))

        assert kept is not None
        assert kept.text == "third"
        assert [each.personal["text"] for each in edits] == ["second", "third"]
        assert len(ids) == len(set(ids)) == 4

    async def test_what_is_taken_back_is_erased_with_its_files_even_after_the_end(
        self, keeper: ConversationKeeper
    ) -> None:
        unsent = Unsent(provider_message_id="p1", account_id=ACCOUNT, counterpart=CUSTOMER)
        await take(keeper, received(), files=[PHOTO])
        await end(keeper, NOW_MS + 1)
        whole = await take(keeper, received(), files=[PHOTO])
        done, again = await take(keeper, unsent), await take(keeper, unsent)
        repeated = await take(keeper, received(), files=[PHOTO])
        edit = await take(keeper, received("e1", edits="p1", text="back"))
        async with keeper.transaction("acme") as tx:
            kept = await tx.message("acme", message_id_of(PLACE, "p1"))
        erased = await said(keeper, MessageErased)

        assert (done.outcome, done.blob_ids) == ("accepted", (PHOTO.blob_id,))
        assert (again.blob_ids, edit.outcome) == ((), "passed")
        assert (whole.blob_ids, repeated.blob_ids) == ((), (PHOTO.blob_id,))
        assert kept is not None
        assert (kept.text, kept.files) == ("", ())
        assert [each.message_id for each in erased] == [message_id_of(PLACE, "p1")]

    async def test_the_window_that_closes_last_stands_until_the_customer_blocks_us(
        self, keeper: ConversationKeeper
    ) -> None:
        blocked = WindowChanged(account_id=ACCOUNT, counterpart=CUSTOMER, window=None)
        unknown = await take(keeper, blocked)
        await take(keeper, received(window=window(72)))
        await take(keeper, received("p2", window=window(24, from_ms=NOW_MS + 5)), now_ms=NOW_MS + 5)
        first = (await current(keeper)).reply_window
        await take(keeper, blocked, now_ms=NOW_MS + 10)
        await take(keeper, received("p3", window=window(99, from_ms=NOW_MS + 9)), now_ms=NOW_MS + 11)
        second = (await current(keeper)).reply_window
        await take(keeper, received("p4", sent_at_ms=NOW_MS + 12), now_ms=NOW_MS + 12)
        news = await said(keeper, WindowNews)

        assert unknown.outcome == "passed"
        assert first == window(72)
        assert second == Window(opens_at_ms=NOW_MS + 10, closes_at_ms=NOW_MS + 10, basis="blocked")
        assert [each.basis for each in news] == ["customer_message", "blocked", "always"]

    async def test_what_was_sent_past_us_is_told_and_what_is_ours_is_the_sending_parts(
        self, keeper: ConversationKeeper
    ) -> None:
        echo = Echo(provider_message_id="o1", account_id=ACCOUNT, counterpart=CUSTOMER, text="I called her.")
        early = await take(keeper, echo)
        await take(keeper, received())
        ours = await take(keeper, replace(echo, reference="ref-1"))
        report = await take(keeper, StatusReport(account_id=ACCOUNT, status="read", provider_message_id="o2"))
        done, again = await take(keeper, echo), await take(keeper, echo)
        nothing = await take(keeper, Passed(kind="group"))
        (told,) = await said(keeper, MessageAnnounced)
        thanks = await take(keeper, received("p2", reply_to="o1"))
        answer = (await said(keeper, MessageReceived))[-1]

        assert [each.outcome for each in (early, ours, report)] == ["passed", "sending", "sending"]
        assert [each.outcome for each in (done, again, nothing)] == ["accepted", "repeated", "passed"]
        assert (told.number, told.reason, told.personal) == (2, "sent_elsewhere", {"text": "I called her."})
        assert (answer.message_id, answer.in_reply_to) == (thanks.message_id, told.message_id)

    async def test_our_own_messages_are_known_by_the_sending_part(self, keeper: ConversationKeeper) -> None:
        async def ours(_: ConversationTransaction, tenant_id: str, address: str, name: str) -> str | None:
            return "m-1" if (tenant_id, address, name) == ("acme", PLACE.address, "o1") else None

        echo = Echo(provider_message_id="o1", account_id=ACCOUNT, counterpart=CUSTOMER)
        await take(keeper, received())
        async with keeper.transaction("acme") as tx:
            known = await accept(tx, PLACE, echo, (), NOW_MS, ours=ours)
            await accept(tx, PLACE, received("p2", reply_to="o1"), (), NOW_MS, ours=ours)
            await accept(tx, PLACE, received("p3", reply_to="o9"), (), NOW_MS, ours=ours)
        answers = await said(keeper, MessageReceived)

        assert known.outcome == "sending"
        assert [each.in_reply_to for each in answers] == [None, "m-1", None]

    async def test_what_else_the_customer_is_known_by_is_told_once(self, keeper: ConversationKeeper) -> None:
        user = Identifier(type="whatsapp_user_id", value="u-1")
        await take(keeper, received())
        await take(keeper, received("p2", identifiers=(user,)), now_ms=NOW_MS + 1)
        await take(keeper, received("p3", identifiers=(replace(PHONE, verified=False), user)), now_ms=NOW_MS + 2)
        (news,) = await said(keeper, InteractionUpdated)

        assert [each["type"] for each in news.personal["identifiers"]] == ["phone", "whatsapp_user_id"]
        assert (await current(keeper)).identifiers == (PHONE, user)

    async def test_nobody_leaves_and_silence_ends_it_only_while_nobody_waits(self, keeper: ConversationKeeper) -> None:
        await take(keeper, received(), place=replace(PLACE, idle_release_seconds=600))
        for now_ms in (NOW_MS + 3_600_000, NOW_MS + 7_200_000):
            await _look(keeper, now_ms)
        waiting = await current(keeper)
        async with keeper.transaction("acme") as tx:
            conversation = await tx.lock_conversation("acme", waiting.interaction_id)
            assert conversation
            spoken_to = replace(conversation, state="assigned", unanswered_since_ms=NOW_MS, active_at_ms=NOW_MS)
            await tx.save_conversation(replace(spoken_to, check_at_ms=NOW_MS))
        await _look(keeper, NOW_MS + 600_000)
        (silent,) = await said(keeper, ActivityChanged)
        await _look(keeper, NOW_MS + 1_800_000)
        (over,) = await said(keeper, InteractionEnded)

        assert waiting.gone_at_ms is None
        assert waiting.check_at_ms == NOW_MS + 7_200_000 + QUIET_CHECK_MS
        assert silent.active is False
        assert over.reason == "idle"


async def _look(keeper: ConversationKeeper, now_ms: int) -> None:
    """As the timers do, where presence says that nobody is there."""
    async with keeper.transaction(EVERY_TENANT) as tx:
        due = await tx.due_conversations(now_ms, rows_max=10)
        await look_at(tx, due, [False] * len(due), now_ms=now_ms)
