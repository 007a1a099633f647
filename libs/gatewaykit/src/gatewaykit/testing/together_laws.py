"""Messages that are taken together, on PostgreSQL and in memory: one suite for both."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from contracts.interactions import InteractionStarted
from contracts.messages import MessageReceived
from servicekit.errors import RetryLaterError
from servicekit.testing.set_clock import NOW_MS

from gatewaykit.domain.content import Identifier
from gatewaykit.domain.provider import Item, Received
from gatewaykit.domain.records import Conversation, Place
from gatewaykit.inbound import ID_BYTES_MAX, Accepted
from gatewaykit.inbound_together import Word, accept_together, stands_alone
from gatewaykit.testing.conversation_laws import PAIR, WRITTEN, ConversationKeeper, announced, message
from gatewaykit.testing.inbound_laws import PLACE, end, received, said, take, window
from gatewaykit.testing.memory import MemoryConversationStore

ELSEWHERE: Final = replace(PLACE, address="whatsapp:other")
USER: Final = Identifier(type="whatsapp_user_id", value="u-1")
Came = tuple[Place, Received]
ROUNDS: Final[Sequence[Sequence[Came]]] = (
    [(PLACE, replace(received("p1", window=window(), attributes={"referral": "ad-7"}), name="Ada\0"))],
    [
        (PLACE, received("p2", window=window(72), text="a\0b")),
        (PLACE, received("p1")),
        (PLACE, received("q1", counterpart="15550002")),
        (PLACE, received("p3", identifiers=(USER,), html="<b>hi</b>", personal={"subject": "x"})),
        (ELSEWHERE, received("p1")),
        (PLACE, received("p3", text="once more")),
        (PLACE, received("q2", counterpart="15550002")),
    ],
    [(PLACE, received("q2", counterpart="15550002")), (PLACE, received("p2"))],
)


async def take_together(keeper: ConversationKeeper, came: Sequence[Came], now_ms: int) -> list[Accepted | None]:
    """In a transaction of their own."""
    async with keeper.transaction("acme") as tx:
        return await accept_together(tx, [Word(place=place, item=item) for place, item in came], now_ms)


class TogetherLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_what_is_taken_together_is_what_becomes_of_each_alone(self, keeper: ConversationKeeper) -> None:
        alone = MemoryConversationStore()
        outcomes: list[list[Accepted | None]] = [[], []]
        for number, came in enumerate(ROUNDS):
            now_ms = NOW_MS + number
            outcomes[0] += [await take(alone, item, place=place, now_ms=now_ms) for place, item in came]
            outcomes[1] += await take_together(keeper, came, now_ms)
            if number == 1:
                await end(alone, now_ms)
                await end(keeper, now_ms)

        assert outcomes[0] == outcomes[1]
        assert [(event.id, event.data) for event in await announced(keeper)] == [
            (event.id, event.data) for event in await announced(alone)
        ]
        assert await kept(keeper) == await kept(alone)
        assert {each and each.outcome for each in outcomes[1]} == {"accepted", "repeated"}

    async def test_who_comes_back_goes_on_with_what_was_said(self, keeper: ConversationKeeper) -> None:
        (first,) = await take_together(keeper, [(PLACE, received())], NOW_MS)
        await end(keeper, NOW_MS + 1)
        nothing = await take_together(keeper, [(PLACE, received())], NOW_MS + 2)
        second, third = await take_together(keeper, [(PLACE, received("p2")), (PLACE, received("p3"))], NOW_MS + 3)
        _, again = await said(keeper, InteractionStarted)
        numbers = [each.number for each in await said(keeper, MessageReceived)]

        assert first
        assert second
        assert third
        assert [each and each.outcome for each in nothing] == ["repeated"]
        assert second.interaction_id == third.interaction_id == again.interaction_id
        assert again.attributes == {"continues": first.interaction_id}
        assert numbers == [1, 1, 2]

    async def test_a_message_whose_edit_came_first_is_left_to_be_taken_alone(self, keeper: ConversationKeeper) -> None:
        late = received(window=window())
        await take(keeper, received("e1", edits="p1", text="better"))
        (first,) = await take_together(keeper, [(PLACE, late)], NOW_MS)
        alone = await take(keeper, late)
        (again,) = await take_together(keeper, [(PLACE, late)], NOW_MS)

        assert (first, alone.outcome) == (None, "repeated")
        assert again == alone

    async def test_open_conversations_are_found_by_address_and_counterpart(self, keeper: ConversationKeeper) -> None:
        ended, nobody = (WRITTEN.address, "15550002"), (WRITTEN.address, "15550003")
        async with keeper.transaction("acme") as tx:
            await tx.open_new([WRITTEN, replace(WRITTEN, interaction_id="i2", counterpart=ended[1])])
            await tx.put([replace(WRITTEN, interaction_id="i2", counterpart=ended[1], state="ended")], [])
        async with keeper.transaction("acme") as tx:
            found = await tx.lock_open_free("acme", [PAIR, ended, nobody])
        async with keeper.transaction("other") as tx:
            hidden = await tx.lock_open_free("acme", [PAIR])

        assert found == {PAIR: WRITTEN, ended: None, nobody: None}
        assert hidden == {PAIR: None}

    async def test_a_conversation_that_is_there_already_is_not_opened(self, keeper: ConversationKeeper) -> None:
        other = replace(WRITTEN, interaction_id="i2", counterpart="15550002")
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(WRITTEN)
        with pytest.raises(RetryLaterError):
            async with keeper.transaction("acme") as tx:
                await tx.open_new([other, replace(WRITTEN, interaction_id="i3")])
        async with keeper.transaction("acme") as tx:
            left = [await tx.conversation("acme", name) for name in ("i1", "i2", "i3")]

        assert left == [WRITTEN, None, None]

    async def test_conversations_and_messages_are_put_together(self, keeper: ConversationKeeper) -> None:
        second = replace(WRITTEN, interaction_id="i2", counterpart="15550002")
        async with keeper.transaction("acme") as tx:
            await tx.open_new([WRITTEN, second])
            changed = [replace(WRITTEN, last_number=2), replace(second, last_number=1, active_at_ms=1)]
            await tx.put(changed, [message(1), message(2), message(1, interaction_id="i2")])
            await tx.put([], [])
        async with keeper.transaction("acme") as tx:
            after = [await tx.conversation("acme", name) for name in ("i1", "i2")]
            messages = [await tx.messages_after("acme", name, 0) for name in ("i1", "i2")]

        assert after == [
            replace(WRITTEN, last_number=2, revision=1),
            replace(second, last_number=1, revision=1),
        ]
        assert messages == [[message(1), message(2)], [message(1, interaction_id="i2")]]
        assert keeper.told == ["i1", "i2"]

    async def test_a_message_is_first_once_and_never_if_it_is_kept(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(WRITTEN)
            await tx.add_message(message(1))
            first = await tx.first_messages("acme", {"m1": "a", "m2": "b", message(1).message_id: "a"})
            again = await tx.first_messages("acme", {"m2": "b", "m3": "a"})
        async with keeper.transaction("acme") as tx:
            source_counts = [await tx.first_time(source, "m1") for source in ("a", "b")]

        assert (sorted(first), list(again)) == (["m1", "m2"], ["m3"])
        assert source_counts == [False, True]

    @pytest.mark.parametrize(
        ("item", "expected"),
        [
            (received(media=(), window=window()), True),
            (received(edits="p0"), False),
            (received(reply_to="p0"), False),
            (received(attributes={"kind": "reaction"}), False),
            (received("x" * (ID_BYTES_MAX + 1)), False),
        ],
    )
    def test_what_needs_more_than_its_conversation_does_not_stand_alone(self, item: Item, *, expected: bool) -> None:
        assert stands_alone(item) is expected


async def kept(keeper: ConversationKeeper) -> list[tuple[Conversation | None, Sequence[object]]]:
    """All conversations of the rounds, and their messages; how often one was saved does not count."""
    names = dict.fromkeys(event.subject for event in await announced(keeper))
    async with keeper.transaction("acme") as tx:
        found = [(await tx.conversation("acme", name), await tx.messages_after("acme", name, 0)) for name in names]
    return [(each and replace(each, revision=0), messages) for each, messages in found]
