"""What every gateway's store of conversations keeps, on PostgreSQL and in memory: one suite for both."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final, Protocol

from contracts import Event, decode
from servicekit.store import EVERY_TENANT, Outbox, Tenant
from servicekit.testing.set_clock import NOW_MS
from servicekit.testing.store_laws import TransactionLaws

from gatewaykit.domain.content import File, Identifier, Window
from gatewaykit.domain.records import Conversation, Message, Seat
from gatewaykit.store import ConversationTransaction

FRESH: Final = Conversation(
    tenant_id="acme",
    interaction_id="i1",
    channel="webchat",
    address="webchat:acme-shop",
    client="shop",
    domain="acme.main",
    partition=2,
    queue_hint=None,
    idle_close_seconds=1800,
    abandon_seconds=60,
    idle_release_seconds=600,
    state="open",
    active_at_ms=NOW_MS,
    check_at_ms=NOW_MS + 30_000,
)
WRITTEN: Final = replace(
    FRESH,
    channel="whatsapp",
    address="whatsapp:acme",
    counterpart="15550001",
    identifiers=(Identifier(type="whatsapp_user_id", value="u-1"),),
    subject="Order 7",
    continues="i0",
    reopen_seconds=3600,
    reply_window=Window(opens_at_ms=NOW_MS, closes_at_ms=NOW_MS + 86_400_000, basis="customer_message"),
)
"""Of somebody who writes by a provider."""
PAIR: Final = (WRITTEN.address, "15550001")
PHOTO: Final = File(blob_id="b1", name="a.png", mime="image/png", size_bytes=3, sha256="0" * 64, inline_id="c1")


class ConversationKeeper(Protocol):
    """A store under test; `told` holds the interactions of which it told after commits."""

    told: list[str]

    @property
    def outbox(self) -> Outbox:
        """Its outbox."""
        ...

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ConversationTransaction]:
        """See ConversationStore."""
        ...


async def announced(keeper: ConversationKeeper) -> list[Event]:
    """What waits in the outbox, oldest first."""
    async with keeper.outbox.batch(rows_max=1000) as batch:
        return [decode(row.outgoing.value, row.outgoing.headers) for row in batch.rows]


def message(number: int, *, interaction_id: str = "i1") -> Message:
    """A message of a web chat."""
    return Message(
        tenant_id="acme",
        interaction_id=interaction_id,
        number=number,
        message_id=f"{interaction_id}-{number}",
        sender="customer",
        text="hello \N{GRINNING FACE}",
        at_ms=NOW_MS,
        client_message_id=f"client-{number}",
    )


class ConversationLaws(TransactionLaws):
    """Inherit and give a fixture `keeper`."""

    async def test_a_conversation_is_kept_whole(self, keeper: ConversationKeeper) -> None:
        helper = Seat(assignment_id="b", task_id="t2", agent_id="l", agent_name="Lin\u00fas", role="consultant")
        changed = replace(
            WRITTEN,
            state="ended",
            end_reason="refused",
            end_cause="closed",
            task_id="t",
            assignment_id="a",
            agent_id="g",
            helpers=(helper, replace(helper, assignment_id="c", agent_name=None, role="participant")),
            parked=True,
            gone_at_ms=5,
            silent=True,
            unanswered_since_ms=4,
            ended_at_ms=6,
            identifiers=(Identifier(type="phone", value="+15550001", verified=True),),
            reply_window=Window(opens_at_ms=1, closes_at_ms=None, basis="always"),
        )
        async with keeper.transaction("acme") as tx:
            assert await tx.open_conversation(WRITTEN) == WRITTEN
            await tx.save_conversation(changed)

        async with keeper.transaction("acme") as tx:
            kept = await tx.lock_conversation("acme", "i1")

        assert kept == replace(changed, revision=1)
        assert keeper.told == ["i1"]

    async def test_opening_a_conversation_twice_gives_the_first(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(FRESH)
            again = await tx.open_conversation(replace(FRESH, client="other"))

        assert again == FRESH

    async def test_two_who_open_at_once_take_turns_on_one_conversation(self, keeper: ConversationKeeper) -> None:
        async def say() -> int:
            async with keeper.transaction("acme") as tx:
                conversation = await tx.open_conversation(FRESH)
                number = conversation.last_number + 1
                await tx.add_message(message(number))
                await tx.save_conversation(replace(conversation, last_number=number))
                return number

        numbers = await asyncio.gather(*(say() for _ in range(5)))

        assert sorted(numbers) == [1, 2, 3, 4, 5]

    async def test_messages_are_read_behind_a_number_in_order(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(FRESH)
            for number in (2, 1, 3):
                await tx.add_message(message(number))

        async with keeper.transaction("acme") as tx:
            found = await tx.messages_after("acme", "i1", 1)
            one = await tx.message("acme", "i1-2")
            none = await tx.message("acme", "i1-9")

        assert found == [message(2), message(3)]
        assert one == message(2)
        assert none is None

    async def test_what_is_due_comes_longest_due_first_and_within_the_limit(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            for number, check_at_ms in enumerate([30, 10, 20, 99]):
                await tx.open_conversation(replace(FRESH, interaction_id=f"i{number}", check_at_ms=check_at_ms))

        async with keeper.transaction(EVERY_TENANT) as tx:
            due = await tx.due_conversations(30, rows_max=2)

        assert [each.interaction_id for each in due] == ["i1", "i2"]

    async def test_a_removed_conversation_takes_its_messages_along(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(FRESH)
            await tx.add_message(message(1))
            await tx.remove_conversation("acme", "i1")
            await tx.remove_conversation("acme", "i1")

        async with keeper.transaction("acme") as tx:
            assert await tx.conversation("acme", "i1") is None
            assert await tx.message("acme", "i1-1") is None

    async def test_what_the_gateway_itself_says_is_kept(self, keeper: ConversationKeeper) -> None:
        said = replace(message(1), sender="system", client_message_id=None)
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(FRESH)
            await tx.add_message(said)

        async with keeper.transaction("acme") as tx:
            assert await tx.messages_after("acme", "i1", 0) == [said]

    async def test_revisions_rise_with_each_change(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            conversation = await tx.open_conversation(FRESH)
            await tx.save_conversation(conversation)

        async with keeper.transaction(EVERY_TENANT) as tx:
            found = await tx.revisions([("acme", "i1"), ("acme", "none"), ("other", "i1")])

        assert found == {("acme", "i1"): 1}

    async def test_another_tenant_sees_nothing(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(FRESH)
            await tx.add_message(message(1))

        async with keeper.transaction("other") as tx:
            assert await tx.conversation("acme", "i1") is None
            assert await tx.messages_after("acme", "i1", 0) == []
            assert await tx.message("acme", "i1-1") is None
            assert await tx.revisions([("acme", "i1")]) == {}
            assert await tx.due_conversations(NOW_MS * 2, rows_max=10) == []

    async def test_a_message_is_kept_whole_and_what_may_change_of_it_changes(self, keeper: ConversationKeeper) -> None:
        said = replace(message(1), address=WRITTEN.address, provider_message_id="p1", files=(PHOTO,), html="<b>hi</b>")
        erased = replace(said, text="", files=(), html=None, edited_at_ms=7, erased_at_ms=8)
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(WRITTEN)
            await tx.add_message(said)
            await tx.add_message(message(2))
            before = await tx.message("acme", said.message_id)
            await tx.change_message(replace(erased, message_id="other", sender="agent"))

        async with keeper.transaction("acme") as tx:
            after = await tx.messages_after("acme", "i1", 0)

        assert before == said
        assert after == [erased, message(2)]

    async def test_a_counterpart_has_one_open_conversation_at_an_address(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(WRITTEN)
            joined = await tx.open_conversation(replace(WRITTEN, interaction_id="i2"))
            elsewhere = await tx.open_conversation(replace(WRITTEN, interaction_id="i3", address="whatsapp:other"))
            other = await tx.open_conversation(replace(WRITTEN, interaction_id="i4", counterpart="15550002"))
            chats = [await tx.open_conversation(replace(FRESH, interaction_id=name)) for name in ("w1", "w2")]

        async with keeper.transaction("acme") as tx:
            found = await tx.lock_open("acme", WRITTEN.address, "15550001")
            none = await tx.conversation("acme", "i2")

        assert joined == found == WRITTEN
        assert (elsewhere.interaction_id, other.interaction_id) == ("i3", "i4")
        assert [each.interaction_id for each in chats] == ["w1", "w2"]
        assert none is None

    async def test_an_ended_conversation_makes_room_and_the_last_is_found(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            for number in (1, 3, 2):
                opened = await tx.open_conversation(replace(WRITTEN, interaction_id=f"i{number}"))
                await tx.save_conversation(replace(opened, state="ended", ended_at_ms=NOW_MS + number))
            last = await tx.last_ended("acme", [PAIR, (WRITTEN.address, "15550009")])
            still_open = await tx.lock_open("acme", WRITTEN.address, "15550001")

        async with keeper.transaction("other") as tx:
            hidden = await tx.last_ended("acme", [PAIR])

        assert {pair: each.interaction_id for pair, each in last.items()} == {PAIR: "i3"}
        assert still_open is None
        assert hidden == {}

    async def test_two_first_messages_at_once_make_one_conversation(self, keeper: ConversationKeeper) -> None:
        async def say(name: str) -> str:
            async with keeper.transaction("acme") as tx:
                conversation = await tx.open_conversation(replace(WRITTEN, interaction_id=name))
                await tx.save_conversation(replace(conversation, last_number=conversation.last_number + 1))
                return conversation.interaction_id

        said = await asyncio.gather(*(say(f"i{number}") for number in range(5)))
        async with keeper.transaction("acme") as tx:
            kept = await tx.lock_open("acme", WRITTEN.address, "15550001")

        assert kept is not None
        assert set(said) == {kept.interaction_id}
        assert kept.last_number == 5

    async def test_messages_move_with_their_words_to_new_places(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            for name in ("i1", "i2"):
                await tx.open_conversation(replace(FRESH, interaction_id=name))
                for number in (1, 2):
                    await tx.add_message(message(number, interaction_id=name))
            moved = [replace(message(number), interaction_id="i2", number=number + 2) for number in (1, 2)]
        async with keeper.transaction("acme") as tx:
            await tx.move_messages([replace(each, text="other words") for each in moved])
        async with keeper.transaction("acme") as tx:
            left, found = await tx.messages_after("acme", "i1", 0), await tx.messages_after("acme", "i2", 0)

        assert left == []
        assert found == [message(1, interaction_id="i2"), message(2, interaction_id="i2"), *moved]

    async def test_conversations_of_one_counterpart_become_anothers(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            for number, counterpart in enumerate(("a", "a", "b")):
                opened = replace(WRITTEN, interaction_id=f"i{number}", counterpart=counterpart)
                await tx.open_conversation(opened)
                await tx.save_conversation(replace(opened, state="ended", ended_at_ms=NOW_MS + number))
            await tx.open_conversation(replace(WRITTEN, interaction_id="i9", counterpart="b"))
            await tx.join_counterparts("acme", "elsewhere", "a", "c")
            await tx.join_counterparts("acme", WRITTEN.address, "a", "b")
        async with keeper.transaction("acme") as tx:
            kept = [await tx.conversation("acme", name) for name in ("i0", "i1", "i2", "i9")]
            nobody = await tx.last_ended("acme", [(WRITTEN.address, "a")])

        assert [each.counterpart for each in kept if each] == ["b"] * 4
        assert nobody == {}

    async def test_activity_is_never_taken_back_by_another_clock(self, keeper: ConversationKeeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(FRESH)
            for at_ms in (NOW_MS + 5, NOW_MS + 1):
                await tx.save_conversation(replace(FRESH, active_at_ms=at_ms))
            kept = await tx.conversation("acme", "i1")

        assert kept is not None
        assert kept.active_at_ms == NOW_MS + 5
