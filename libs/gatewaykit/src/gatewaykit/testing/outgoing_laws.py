"""What every store of parts that go to providers keeps, on PostgreSQL and in memory: one suite for both."""

from dataclasses import replace

from servicekit.store import EVERY_TENANT
from servicekit.testing.set_clock import NOW_MS

from gatewaykit.domain.content import File, TemplateUse
from gatewaykit.domain.outgoing import AHEAD_MS, GIVE_UP_MS, LEASE_MS, Part
from gatewaykit.domain.provider import (
    Again,
    Echo,
    Refused,
    Sent,
    Uncertain,
)
from gatewaykit.domain.recipients import Recipient
from gatewaykit.sending import lapse
from gatewaykit.testing.outgoing_row_laws import OutgoingRowLaws
from gatewaykit.testing.outgoing_samples import (
    FAST,
    LINE,
    PARTS,
    OutgoingKeeper,
    answered,
    claimed,
    news,
    put,
    report,
    resent,
    rows_of,
    states,
    told,
    watermark,
)


class OutgoingLaws(OutgoingRowLaws):
    """Inherit and give a fixture `keeper`."""

    async def test_what_is_put_is_claimed_as_it_was_put_once(self, keeper: OutgoingKeeper) -> None:
        file = File(blob_id="b1", name="a\x00b.png", mime="image/png", size_bytes=3, sha256="00")
        template = TemplateUse(name="hello", language="en", variables=("Anna",), attributes={"namespace": "n"})
        part = Part(
            text="hi \N{GRINNING FACE} \ud800",
            file=file,
            template=template,
            reply_to="w1",
            extra={"cc": ["b@b.example"]},
        )
        await put(keeper, "m1", part)
        await put(keeper, "m1", Part(text="another"))
        rows = await claimed(keeper)

        assert [row.payload for row in rows] == [part]
        assert [(row.part, row.round, row.number, row.attempts) for row in rows] == [(1, 1, 1, 1)]
        assert await rows_of(keeper, "m1") == rows
        assert await claimed(keeper) == []

    async def test_one_part_of_a_pair_goes_after_the_other(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", *PARTS)
        await put(keeper, "m2")
        await put(keeper, "m3", counterpart="bob")
        first = await claimed(keeper)
        while_sending = await claimed(keeper)
        async with keeper.transaction(EVERY_TENANT) as tx:
            in_flight = [await tx.pair_in_flight(LINE, each) for each in ("anna", "bob", "cid")]
        for row in first:
            await answered(keeper, row, Sent(provider_message_id=f"w-{row.message_id}"))
        second = await claimed(keeper)
        await answered(keeper, second[0], Refused(code="window_closed", detail="too late"))
        third = await claimed(keeper)
        await answered(keeper, third[0], Uncertain())

        assert [(row.message_id, row.part) for row in first] == [("m1", 1), ("m3", 1)]
        assert while_sending == []
        assert in_flight == [True, True, False]
        assert [(row.message_id, row.part) for row in second] == [("m1", 2)]
        assert [(row.message_id, row.part) for row in third] == [("m2", 1)]
        assert await states(keeper, "m1") == ["sent", "failed"]
        assert await news(keeper) == [("m3", "sent"), ("m1", "failed"), ("m2", "unknown")]

    async def test_a_part_that_the_provider_does_not_want_yet_holds_up_its_pair(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", *PARTS)
        await put(keeper, "m2", counterpart="bob")
        first = await claimed(keeper, rows_max=1)
        await answered(keeper, first[0], Again(after_ms=10_000, scope="pair"))
        others = await claimed(keeper)
        too_early = await claimed(keeper, now_ms=NOW_MS + 9_999)
        later = await claimed(keeper, now_ms=NOW_MS + 10_000)

        assert [row.message_id for row in others] == ["m2"]
        assert too_early == []
        assert [(row.outgoing_id, row.attempts) for row in later] == [(first[0].outgoing_id, 2)]

    async def test_a_part_that_is_given_up_holds_up_its_pair_as_well(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", *PARTS)
        first = await claimed(keeper)
        await told(keeper, report("failed", reference=first[0].outgoing_id))
        await answered(keeper, first[0], Again(after_ms=10_000, scope="pair"))
        too_early = await claimed(keeper, now_ms=NOW_MS + 9_999)
        later = await claimed(keeper, now_ms=NOW_MS + 10_000)

        assert await states(keeper, "m1") == ["failed", "sending"]
        assert too_early == []
        assert [row.part for row in later] == [2]

    async def test_a_provider_may_want_nothing_more_of_an_account(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1")
        await put(keeper, "m2", counterpart="bob")
        first = await claimed(keeper, rows_max=1)
        await answered(keeper, first[0], Again(after_ms=10_000, scope="account"))
        async with keeper.transaction(EVERY_TENANT) as tx:
            due = [await tx.due_accounts(NOW_MS + after_ms) for after_ms in (9_999, 10_000)]

        assert due == [[], [LINE]]
        assert await claimed(keeper, now_ms=NOW_MS + 9_999) == []
        assert len(await claimed(keeper, now_ms=NOW_MS + 10_000)) == 2

    async def test_after_long_trouble_an_account_is_tried_again_before_the_message_that_met_it(
        self, keeper: OutgoingKeeper
    ) -> None:
        patient = replace(FAST, idempotent=True, pause_ms=(5000, 1_800_000), attempts_max=60)
        await put(keeper, "m1")
        now_ms = NOW_MS
        for _ in range(10):
            now_ms += 3_600_000
            (row,) = await claimed(keeper, now_ms=now_ms, capabilities=patient)
            await answered(keeper, row, Uncertain(throttles=True), now_ms=now_ms, capabilities=patient)
        await put(keeper, "m2", counterpart="bob", at_ms=now_ms)
        early = await claimed(keeper, now_ms=now_ms + 255_999, capabilities=patient)
        then = await claimed(keeper, now_ms=now_ms + 300_000, capabilities=patient)
        last = await claimed(keeper, now_ms=now_ms + 1_800_000, capabilities=patient)

        assert (early, [row.message_id for row in then], [row.message_id for row in last]) == ([], ["m2"], ["m1"])

    async def test_an_account_takes_turns_in_even_steps(self, keeper: OutgoingKeeper) -> None:
        for number in range(10):
            await put(keeper, f"m{number}", counterpart=f"c{number}")
        slow = replace(FAST, account_per_second=4)
        first = await claimed(keeper, capabilities=slow)
        at_once = await claimed(keeper, capabilities=slow)
        second = await claimed(keeper, capabilities=slow, now_ms=NOW_MS + 500)

        assert AHEAD_MS == 500
        assert [(row.tried_at_ms or 0) - NOW_MS for row in first] == [0, 250, 500]
        assert at_once == []
        assert [(row.tried_at_ms or 0) - NOW_MS for row in second] == [750, 1000]

    async def test_a_pair_takes_so_many_at_once_and_then_one_after_a_time(self, keeper: OutgoingKeeper) -> None:
        for number in range(4):
            await put(keeper, f"m{number}")
        burst = replace(FAST, pair_every_ms=6000, pair_burst=2)
        at_ms: list[int] = []
        for after_ms in (0, 1, 5_999, 6_001, 6_002, 12_001):
            for row in await claimed(keeper, capabilities=burst, now_ms=NOW_MS + after_ms):
                at_ms.append(after_ms)
                await answered(keeper, row, Sent(provider_message_id=f"w{after_ms}"), now_ms=NOW_MS + after_ms)

        assert at_ms == [0, 1, 6_001, 12_001]

    async def test_so_many_of_an_account_are_with_the_provider_at_most(self, keeper: OutgoingKeeper) -> None:
        for number in range(40):
            await put(keeper, f"m{number}", counterpart=f"c{number}")
        first = await claimed(keeper)
        full = await claimed(keeper)
        await answered(keeper, first[0], Sent(provider_message_id="w0"))

        assert (len(first), len(full)) == (32, 0)
        assert len(await claimed(keeper)) == 1

    async def test_a_report_that_comes_before_the_answer_is_not_lost(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1")
        rows = await claimed(keeper)
        await told(keeper, report("read", "w1"), report("delivered", "w1"), report("failed", "w2"))
        await answered(keeper, rows[0], Sent(provider_message_id="w1"))
        async with keeper.transaction(EVERY_TENANT) as tx:
            left = [await tx.take_early_reports(LINE, each) for each in ("w1", "w2")]

        assert await states(keeper, "m1") == ["read"]
        assert (await news(keeper))[-1] == ("m1", "read")
        assert [[each.status for each in reports] for reports in left] == [[], ["failed"]]

    async def test_reports_move_a_message_on_and_never_back(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", *PARTS)
        for name in ("w1", "w2"):
            await answered(keeper, (await claimed(keeper))[0], Sent(provider_message_id=name))
        for name, status in (("w2", "read"), ("w2", "sent"), ("w1", "delivered"), ("w1", "delivered"), ("w1", "read")):
            await told(keeper, report(status, name))  # type: ignore[arg-type]  # mypy widens words in a tuple

        assert await news(keeper) == [("m1", "sent"), ("m1", "delivered"), ("m1", "read")]
        assert [row.payload for row in await rows_of(keeper, "m1")] == [None, None]

    async def test_one_delivery_tells_of_several_and_our_reference_names_what_nobody_knew_of(
        self, keeper: OutgoingKeeper
    ) -> None:
        await put(keeper, "m1", *PARTS)
        rows = [*await claimed(keeper)]
        await answered(keeper, rows[0], Uncertain())
        rows += await claimed(keeper)
        await answered(keeper, rows[1], Uncertain())
        await told(keeper, report("delivered", "w1"))  # nothing has this id yet
        echo = Echo(
            provider_message_id="w1", account_id="1", counterpart="anna", reference=rows[0].outgoing_id, text="first"
        )
        past_us = Echo(provider_message_id="w9", account_id="1", counterpart="anna", text="by hand")
        left = await told(keeper, echo, past_us, report("sent", reference=rows[1].outgoing_id))

        assert left == [past_us]
        assert await states(keeper, "m1") == ["delivered", "sent"]
        assert [row.provider_message_id for row in await rows_of(keeper, "m1")] == ["w1", None]
        assert await news(keeper) == [("m1", "unknown"), ("m1", "sent")]

    async def test_a_part_that_is_reported_while_it_is_sent_holds_up_its_pair_until_then(
        self, keeper: OutgoingKeeper
    ) -> None:
        await put(keeper, "m1", *PARTS)
        rows = await claimed(keeper)
        await told(keeper, report("delivered", reference=rows[0].outgoing_id))
        while_sending = await claimed(keeper)
        await answered(keeper, rows[0], Uncertain())

        assert while_sending == []
        assert await states(keeper, "m1") == ["delivered", "pending"]
        assert [row.part for row in await claimed(keeper)] == [2]

    async def test_a_watermark_is_about_all_that_was_sent_by_then(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1")
        await put(keeper, "m2")
        await put(keeper, "m3", counterpart="bob")
        for row in await claimed(keeper):
            await answered(keeper, row, Sent(provider_message_id=None))
        late = (await claimed(keeper, now_ms=NOW_MS + 1000))[0]
        await told(keeper, watermark("delivered", NOW_MS + 999), watermark("sent", NOW_MS + 5000))
        before = await states(keeper, "m1"), await states(keeper, "m3")
        await told(keeper, watermark("read", NOW_MS + 1000))
        await answered(keeper, late, Sent(provider_message_id="w2"), now_ms=NOW_MS + 1000)

        assert before == (["delivered"], ["sent"])
        assert late.message_id == "m2"
        assert await states(keeper, "m1") == ["read"]
        assert await states(keeper, "m2") == ["read"]
        assert await states(keeper, "m3") == ["sent"]

    async def test_a_watermark_never_falls(self, keeper: OutgoingKeeper) -> None:
        for kind in ("delivered", "read"):
            await put(keeper, kind)
            await told(keeper, *(watermark(kind, NOW_MS + each) for each in (900, -1)))
            await answered(keeper, (await claimed(keeper))[0], Sent(provider_message_id=kind))
        assert await news(keeper) == [("delivered", "delivered"), ("delivered", "read"), ("read", "read")]

    async def test_who_dies_while_sending_leaves_it_unknown(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", *PARTS)
        rows = await claimed(keeper)
        for after_ms in (LEASE_MS - 1, LEASE_MS):
            async with keeper.transaction(EVERY_TENANT) as tx:
                found = await tx.lapsed_outgoing(NOW_MS + after_ms)
            for row in found:
                async with keeper.transaction(EVERY_TENANT) as tx:
                    await lapse(tx, row, FAST, NOW_MS + after_ms)
            if after_ms < LEASE_MS:
                assert found == []

        assert await states(keeper, "m1") == ["unknown", "pending"]
        assert [row.part for row in await claimed(keeper, now_ms=NOW_MS + LEASE_MS)] == [2]
        await answered(keeper, rows[0], Sent(provider_message_id="w1"))  # it had not died after all
        assert (await states(keeper, "m1"))[0] == "sent"

    async def test_where_a_reference_makes_one_message_of_two_it_is_sent_again(self, keeper: OutgoingKeeper) -> None:
        safe = replace(FAST, idempotent=True)
        await put(keeper, "m1")
        rows = await claimed(keeper)
        async with keeper.transaction(EVERY_TENANT) as tx:
            await lapse(tx, rows[0], safe, NOW_MS + LEASE_MS)
        again = await claimed(keeper, now_ms=NOW_MS + LEASE_MS)
        await answered(keeper, rows[0], Refused(code="late", detail="of the first attempt"))

        assert [(row.outgoing_id, row.attempts) for row in again] == [(rows[0].outgoing_id, 2)]
        assert await states(keeper, "m1") == ["sending"]

    async def test_what_waits_for_a_day_has_failed(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1")
        await put(keeper, "m2", at_ms=NOW_MS + 1)
        now_ms = NOW_MS + GIVE_UP_MS
        async with keeper.transaction(EVERY_TENANT) as tx:
            found = await tx.lapsed_outgoing(now_ms)
            for row in found:
                await lapse(tx, row, None, now_ms)
            backlog = await tx.outgoing_backlog()

        assert [row.message_id for row in found] == ["m1"]
        assert [row.reason for row in await rows_of(keeper, "m1")] == ["provider_away"]
        assert backlog == (1, NOW_MS + 1)

    async def test_an_agent_has_sent_again_what_failed(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", *PARTS)
        await put(keeper, "m2")
        await answered(keeper, (await claimed(keeper))[0], Sent(provider_message_id="w1"))
        second = (await claimed(keeper))[0]
        await answered(keeper, second, Refused(code="Bad Gateway!", detail="no\x00 luck"))
        answers = [await resent(keeper, each) for each in ("m1", "m1", "m2", "m9")]
        answers.append(await resent(keeper, "m1", "r2"))
        rows = await rows_of(keeper, "m1")
        queue = [*await claimed(keeper)]
        await answered(keeper, queue[0], Sent(provider_message_id="w2"))
        queue += await claimed(keeper, now_ms=NOW_MS + 5000)
        await answered(keeper, queue[1], Sent(provider_message_id="w3"))

        assert answers == [None, None, "nothing_to_resend", "message_unknown", "nothing_to_resend"]
        assert [(row.part, row.round, row.state) for row in rows] == [
            (1, 1, "sent"),
            (2, 1, "failed"),
            (2, 2, "pending"),
        ]
        assert (rows[1].reason, rows[1].detail) == ("bad_gateway_", "no luck")
        assert rows[2].outgoing_id != rows[1].outgoing_id
        assert (rows[2].payload, rows[2].request_id, rows[2].reason) == (PARTS[1], "r1", None)
        assert [row.message_id for row in queue] == ["m2", "m1"]
        assert await news(keeper) == [("m1", "failed"), ("m2", "sent"), ("m1", "sent")]

    async def test_what_became_of_it_for_each_of_several_is_kept_and_told(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1", Part(text="hi", recipients=("a@x.example", "b@x.example")))
        [row] = await claimed(keeper)
        found = (Recipient(address="a@x.example", state="sent"), Recipient(address="b@x.example", state="sent"))
        await answered(keeper, row, Sent(provider_message_id="w1", recipients=found))
        for each in ("a@x.example", "a@x.example", "b@x.example"):
            await told(keeper, replace(report("failed", reference=row.outgoing_id), recipient=each, code="bounced"))
        [kept] = await rows_of(keeper, "m1")
        await resent(keeper, "m1")
        again = (await rows_of(keeper, "m1"))[1]

        assert row.recipients == tuple(replace(each, state="pending") for each in found)
        assert kept.recipients == tuple(replace(each, state="failed", reason="bounced") for each in found)
        assert again.recipients == row.recipients
        assert await news(keeper) == [("m1", "sent"), ("m1", "sent"), ("m1", "failed")]

    async def test_what_was_forgotten_is_not_sent_again(self, keeper: OutgoingKeeper) -> None:
        await put(keeper, "m1")
        await answered(keeper, (await claimed(keeper))[0], Uncertain())
        async with keeper.transaction(EVERY_TENANT) as tx:
            rows = await tx.parts_of("acme", "m1", lock=True)
            await tx.save_outgoing(replace(rows[0], payload=None))

        assert await resent(keeper, "m1") == "words_gone"
