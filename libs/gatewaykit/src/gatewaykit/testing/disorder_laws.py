"""What comes late, in another order or under another name, on PostgreSQL and in memory: one suite for both."""

from dataclasses import replace

from contracts.interactions import InteractionStarted, InteractionUpdated
from contracts.messages import MessageReceived
from contracts.written import MessageEdited
from servicekit.testing.set_clock import NOW_MS

from gatewaykit.domain.content import Identifier, Window
from gatewaykit.domain.provider import IdentityChanged, Unsent, WindowChanged
from gatewaykit.inbound import message_id_of
from gatewaykit.testing.conversation_laws import PHOTO, ConversationKeeper
from gatewaykit.testing.inbound_laws import (
    ACCOUNT,
    CUSTOMER,
    PHONE,
    PLACE,
    current,
    end,
    received,
    said,
    take,
    window,
)


class DisorderLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_an_edit_that_comes_before_its_message_is_the_message(self, keeper: ConversationKeeper) -> None:
        first = await take(keeper, received("e2", edits="p1", text="second", sent_at_ms=2000))
        opened = (await current(keeper)).reply_window
        late = await take(keeper, received(window=window()), files=[PHOTO])
        older = await take(keeper, received("e1", edits="p1", text="first", sent_at_ms=1000))
        again = await take(keeper, received("e2", edits="p1", text="second", sent_at_ms=2000))
        newer = await take(keeper, received("e3", edits="p1", text="third", sent_at_ms=3000))
        repeated = await take(keeper, received(window=window(72)))
        [message] = await said(keeper, MessageReceived)
        [edit] = await said(keeper, MessageEdited)

        assert (first.is_new, first.message_id, opened) == (True, message_id_of(PLACE, "p1"), None)
        assert [each.outcome for each in (late, older, again, newer)] == ["repeated", "passed", "repeated", "accepted"]
        assert (message.personal["text"], edit.personal["text"], newer.is_new) == ("second", "third", False)
        assert repeated.outcome == "repeated"
        assert (await current(keeper)).reply_window == window()

    async def test_a_message_that_comes_after_it_was_taken_back_is_not_taken(self, keeper: ConversationKeeper) -> None:
        early = await take(keeper, Unsent(provider_message_id="p1", account_id=ACCOUNT, counterpart=CUSTOMER))
        late = await take(keeper, received(), files=[PHOTO])

        assert (early.outcome, late.outcome) == ("passed", "repeated")
        assert late.blob_ids == (PHOTO.blob_id,)
        assert await said(keeper) == []

    async def test_a_block_that_comes_late_undoes_nothing_that_the_customer_did_since(
        self, keeper: ConversationKeeper
    ) -> None:
        always = Window(opens_at_ms=NOW_MS + 20, closes_at_ms=None, basis="always")
        blocked = WindowChanged(account_id=ACCOUNT, counterpart=CUSTOMER, window=None, at_ms=NOW_MS + 10)
        back = replace(blocked, window=always, at_ms=NOW_MS + 20)
        late_ms = NOW_MS + 60_000
        await take(keeper, received())
        for item in (blocked, back, blocked):
            await take(keeper, item, now_ms=late_ms)
        stands = (await current(keeper)).reply_window
        await take(keeper, replace(blocked, at_ms=NOW_MS + 30), now_ms=late_ms)
        await take(keeper, received("p2", sent_at_ms=NOW_MS + 29), now_ms=late_ms)
        again = (await current(keeper)).reply_window
        await take(keeper, received("p3", sent_at_ms=NOW_MS + 31), now_ms=late_ms)
        at_last = (await current(keeper)).reply_window

        assert stands == always
        assert again == Window(opens_at_ms=NOW_MS + 30, closes_at_ms=NOW_MS + 30, basis="blocked")
        assert at_last == replace(always, opens_at_ms=NOW_MS + 31)

    async def test_whom_the_provider_calls_otherwise_goes_on_in_the_same_conversation(
        self, keeper: ConversationKeeper
    ) -> None:
        user, new, name = (
            Identifier(type=type_, value=value, verified=True)
            for type_, value in (("user_id", "u-1"), ("user_id", "u-2"), ("name", "ada"))
        )
        changed = IdentityChanged(
            account_id=ACCOUNT, counterpart=CUSTOMER, to="u-2", identifiers=(new,), gone=("phone",)
        )
        nobody = await take(keeper, changed)
        first = await take(keeper, received(identifiers=(PHONE, user, name)))
        done, again = await take(keeper, changed), await take(keeper, changed)
        second = await take(keeper, received("p2", counterpart="u-2", identifiers=(new,)))
        third = await take(keeper, received("p3"))
        await take(keeper, changed)
        async with keeper.transaction("acme") as tx:
            before, after = [await tx.lock_open("acme", PLACE.address, each) for each in (CUSTOMER, "u-2")]
        (told,) = await said(keeper, InteractionUpdated)

        assert [each.outcome for each in (nobody, done, again)] == ["passed", "accepted", "passed"]
        assert first.interaction_id == second.interaction_id != third.interaction_id
        assert [(each["type"], each["value"]) for each in told.personal["identifiers"]] == [
            ("user_id", "u-2"),
            ("name", "ada"),
        ]
        assert before
        assert after
        assert (before.interaction_id, after.interaction_id) == (third.interaction_id, first.interaction_id)

    async def test_who_writes_under_a_new_name_after_the_end_goes_on_with_what_was_said(
        self, keeper: ConversationKeeper
    ) -> None:
        first = await take(keeper, received())
        await end(keeper, NOW_MS + 1)
        await take(keeper, IdentityChanged(account_id=ACCOUNT, counterpart=CUSTOMER, to="u-2", identifiers=()))
        await take(keeper, received("p2", counterpart="u-2"), now_ms=NOW_MS + 2)
        _, again = await said(keeper, InteractionStarted)

        assert again.attributes == {"continues": first.interaction_id}
