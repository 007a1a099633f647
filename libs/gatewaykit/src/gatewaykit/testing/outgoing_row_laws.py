"""What a store of parts that go to providers answers and hides: the part of its law that is about rows alone."""

from dataclasses import replace

from servicekit.store import EVERY_TENANT
from servicekit.testing.set_clock import NOW_MS

from gatewaykit.domain.provider import Outcome, Refused, Sent, Uncertain
from gatewaykit.outgoings import Outgoings
from gatewaykit.testing.outgoing_samples import (
    FAST,
    LINE,
    PARTS,
    OutgoingKeeper,
    SampleConversation,
    SampleMessage,
    answered,
    claimed,
    put,
    report,
    rows_of,
    states,
    told,
)


class OutgoingRowLaws:
    """Inherited by OutgoingLaws."""

    async def test_what_was_taken_and_not_reported_on_is_found_by_when_it_was_tried(
        self, keeper: OutgoingKeeper
    ) -> None:
        outcomes: list[Outcome] = [Sent(provider_message_id=f"w{n}") for n in range(5)]
        two_at_once = replace(FAST, account_per_second=1e9)
        for number, outcome in enumerate([*outcomes, Refused(code="gone", detail=""), Uncertain()]):
            await put(keeper, f"m{number}", counterpart=f"c{number}")
            rows = await claimed(keeper, now_ms=NOW_MS + number // 2, capabilities=two_at_once)
            await answered(keeper, rows[0], outcome)  # by a clock that is slow
        await told(keeper, report("delivered", "w3"))
        await put(keeper, "m7")
        await claimed(keeper, now_ms=NOW_MS + 7)
        forgotten = replace((await rows_of(keeper, "m1"))[0], payload=None)
        async with keeper.transaction(EVERY_TENANT) as tx:
            await tx.save_outgoing(forgotten)
            every = await tx.taken_since(LINE, since_ms=0, after="", rows_max=100)
            later = await tx.taken_since(LINE, since_ms=NOW_MS + 1, after="", rows_max=100)
            pages = [
                await tx.taken_since(LINE, since_ms=row.tried_at_ms or 0, after=row.outgoing_id, rows_max=2)
                for row in every
            ]
            others = await tx.taken_since(("acme", "whatsapp:2"), since_ms=0, after="", rows_max=100)

        assert {row.message_id for row in every} == {"m0", "m2", "m4", "m6"}
        assert [row.tried_at_ms for row in every] == sorted(row.tried_at_ms or 0 for row in every)
        assert [row.message_id for row in later] == ["m2", "m4", "m6"]
        assert pages == [every[place : place + 2] for place in range(1, 5)]
        assert others == []

    async def test_a_tenant_sees_and_changes_its_own_alone(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1")
        await put(keeper, "m1", tenant_id="globex")
        rows = await claimed(keeper)
        await answered(keeper, rows[0], Sent(provider_message_id="w1"))
        await told(keeper, report("read", "w1"), report("read", reference=rows[0].outgoing_id), tenant="globex")
        async with keeper.transaction("globex") as tx:
            seen = [
                await tx.parts_of("acme", "m1", lock=False),
                await tx.outgoing_of_provider(LINE, "w1"),
                await tx.taken_since(LINE, since_ms=0, after="", rows_max=100),
                await tx.lock_account(LINE),
                await tx.lock_pair(*LINE, "anna"),
            ]
            accounts = await tx.due_accounts(NOW_MS)

        assert [row.tenant_id for row in rows] == ["acme"]
        assert await states(keeper, "m1") == ["sent"]
        assert seen == [[], [], [], None, None]
        assert accounts == [("globex", LINE[1])]

    async def test_who_puts_something_is_told_to_wake_the_sending(self, keeper: OutgoingKeeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            before = tx.put_outgoing
            await Outgoings().put(tx, SampleMessage(message_id="m1"), SampleConversation(), PARTS)

            assert (before, tx.put_outgoing) == (False, True)

    async def test_parts_move_with_their_message_and_go_on_in_their_line(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", *PARTS)
        await put(keeper, "m2")
        first = (await claimed(keeper))[0]
        async with keeper.transaction("acme") as tx:
            await tx.move_outgoings(LINE, "anna", ["m1", "m9"], "i9")
        await answered(keeper, first, Sent(provider_message_id="w1"))
        rest = await claimed(keeper)

        assert [row.interaction_id for row in await rows_of(keeper, "m1")] == ["i9", "i9"]
        assert [row.interaction_id for row in await rows_of(keeper, "m2")] == ["i-anna"]
        assert [(row.message_id, row.part) for row in rest] == [("m1", 2)]
