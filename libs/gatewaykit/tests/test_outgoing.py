"""What becomes of a part: pure decisions."""

from dataclasses import replace
from itertools import permutations
from typing import get_args

import pytest
from contracts import Event, encode
from gatewaykit.domain import outgoing
from gatewaykit.domain.outgoing import (
    GIVE_UP_MS,
    LEASE_MS,
    SEND_MS,
    OutgoingRow,
    Part,
    Rate,
    message_status,
    news,
    pause_ms,
    reported,
    settled,
    turn,
)
from gatewaykit.domain.provider import Again, Capabilities, Echo, Outcome, Refused, Sent, StatusReport, Uncertain
from gatewaykit.domain.recipients import State
from hypothesis import given
from hypothesis import strategies as st
from servicekit.testing.set_clock import NOW_MS

SAYS_ALL = Capabilities(text_max=1, statuses=("sent", "delivered", "read", "failed"))
SAYS_NOTHING = Capabilities(text_max=1)
SAFE = replace(SAYS_ALL, idempotent=True)
STATES: tuple[State, ...] = get_args(State)


def row(state: State = "sending", *, part: int = 1, round_: int = 1, attempts: int = 1) -> OutgoingRow:
    return OutgoingRow(
        tenant_id="acme",
        outgoing_id=f"o{part}{round_}",
        message_id="m1",
        interaction_id="i1",
        domain="acme.main",
        address="whatsapp:1",
        counterpart="anna",
        part=part,
        round=round_,
        number=part,
        payload=Part(text="hi"),
        state=state,
        attempts=attempts,
        created_at_ms=NOW_MS,
        due_at_ms=NOW_MS,
        changed_at_ms=NOW_MS,
        tried_at_ms=NOW_MS,
        lease_until_ms=NOW_MS + LEASE_MS if state == "sending" else None,
    )


def after(
    before: OutgoingRow, outcome: Outcome, capabilities: Capabilities = SAYS_ALL, *, attempt: int = 1, later_ms: int = 0
) -> OutgoingRow:
    now_ms = NOW_MS + later_ms
    return settled(before, outcome, capabilities, attempt=attempt, now_ms=now_ms, again_at_ms=now_ms + 500)


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (Sent(provider_message_id="w1"), "sent", None),
        (Sent(provider_message_id=None), "sent", None),
        (Refused(code="window_closed", detail="late"), "failed", "window_closed"),
        (Refused(code="", detail=""), "failed", "provider_error"),
        (Refused(code="__(#131047) Re-engage", detail="x"), "failed", "131047_re-engage"),
        (Again(after_ms=1, scope="pair"), "pending", None),
        (Uncertain(detail="time-out"), "unknown", None),
    ],
)
def test_an_answer_settles_what_was_sent(outcome: Outcome, state: State, reason: str | None) -> None:
    found = after(row(), outcome)

    assert (found.state, found.reason, found.lease_until_ms) == (state, reason, None)


def test_what_is_uncertain_is_sent_again_only_where_that_makes_one_message_of_two() -> None:
    assert after(row(), Uncertain()).state == "unknown"
    assert after(row(), Uncertain(), SAFE).state == "pending"
    assert after(row(attempts=20), Uncertain(), SAFE, attempt=20).state == "unknown"
    assert after(row(attempts=20), Uncertain(), replace(SAFE, attempts_max=21), attempt=20).state == "pending"


@pytest.mark.parametrize(("attempts", "later_ms"), [(20, 0), (1, GIVE_UP_MS)])
def test_a_provider_that_is_away_too_long_is_asked_no_more(attempts: int, later_ms: int) -> None:
    again = Again(after_ms=1, scope="account", detail="503")
    found = after(row(attempts=attempts), again, attempt=attempts, later_ms=later_ms)

    assert (found.state, found.reason, found.detail) == ("failed", "provider_away", "503")
    assert after(row(attempts=19), again, attempt=19).state == "pending"


def test_a_late_answer_resolves_what_was_given_up_and_nothing_else() -> None:
    outcomes: list[Outcome] = [
        Sent(provider_message_id="w1"),
        Refused(code="x", detail=""),
        Again(after_ms=0, scope="pair"),
        Uncertain(),
    ]
    of_unknown = [after(row("unknown"), each).state for each in outcomes]
    of_next_attempt = [after(row(attempts=2), each).state for each in outcomes]
    of_delivered = [after(row("delivered"), each).state for each in outcomes]
    of_pending = [after(row("pending"), each).state for each in outcomes]

    assert of_unknown == ["sent", "failed", "failed", "unknown"]
    assert of_next_attempt == ["sent", "sending", "sending", "sending"]
    assert of_delivered == ["delivered"] * 4
    assert of_pending == ["sent", "pending", "pending", "pending"]


def test_the_words_go_with_the_last_news_that_a_channel_can_bring() -> None:
    sent = Sent(provider_message_id="w1")

    assert after(row(), sent).payload is not None
    assert after(row(), sent, SAYS_NOTHING).payload is None
    assert after(row(), Uncertain(), SAYS_NOTHING).payload is not None


def told(status: str, provider_message_id: str | None = "w1") -> StatusReport:
    return StatusReport(account_id="1", status=status, provider_message_id=provider_message_id)  # type: ignore[arg-type]  # plain strings are shorter


def test_reports_may_come_in_any_order_and_twice() -> None:
    echo = Echo(account_id="1", provider_message_id="w1", counterpart="anna")
    items: list[StatusReport | Echo] = [
        told("sent"),
        told("delivered"),
        told("read"),
        told("failed"),
        echo,
        told("sent"),
    ]
    ends = set()
    for order in permutations(items):
        kept = row("unknown")
        for item in (*order, *order):
            kept = reported(kept, item, NOW_MS)
        ends.add((kept.state, kept.provider_message_id, kept.reason))

    assert ends == {("read", "w1", None)}


@pytest.mark.parametrize(
    ("before", "status", "state"),
    [
        ("pending", "sent", "sent"),
        ("sending", "failed", "failed"),
        ("unknown", "failed", "failed"),
        ("sent", "failed", "failed"),
        ("failed", "sent", "failed"),
        ("failed", "delivered", "delivered"),
        ("delivered", "failed", "delivered"),
        ("read", "delivered", "read"),
    ],
)
def test_a_status_never_goes_back(before: State, status: str, state: State) -> None:
    assert reported(row(before), told(status), NOW_MS).state == state


def test_an_echo_without_a_reference_is_of_the_unknown_part_that_said_the_same_at_that_time() -> None:
    def found(before: OutgoingRow | None = None, *, text: str = "hi", to: str = "anna", at_ms: int = NOW_MS) -> bool:
        before = before or row("unknown")
        echo = Echo(provider_message_id="e", account_id="a", counterpart=to, text=text, sent_at_ms=at_ms)
        return outgoing.echoed([row("sent"), before], echo) is before

    assert found()
    assert found(at_ms=NOW_MS + SEND_MS + 60_000)
    assert not found(at_ms=NOW_MS + SEND_MS + 60_001)
    assert not found(at_ms=NOW_MS - 60_001)
    assert not found(text="Hi")
    assert not found(to="bob")
    assert not found(row("sending"))
    assert not found(replace(row("unknown"), provider_message_id="w1"))
    assert not found(replace(row("unknown"), payload=None))
    assert not found(replace(row("unknown"), payload=Part()), text="")


def test_watermarks_tell_nothing_of_what_is_unknown() -> None:
    read = Rate(tenant_id="acme", address="whatsapp:1", counterpart="anna", read_to_ms=NOW_MS, delivered_to_ms=NOW_MS)

    assert [outgoing.reached(row(state), read, NOW_MS).state for state in STATES] == [
        "read" if state in ("sent", "delivered") else state for state in STATES
    ]


def test_the_first_id_of_the_provider_stays_and_one_that_cannot_be_kept_is_none() -> None:
    known = reported(row("unknown"), told("sent", "w1"), NOW_MS)

    assert reported(known, told("read", "w2"), NOW_MS).provider_message_id == "w1"
    assert reported(row("unknown"), told("sent", "a\x00b"), NOW_MS).provider_message_id is None


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        (["sent"], "sent"),
        (["pending", "sending"], None),
        (["sent", "pending"], None),
        (["delivered", "sending", "failed"], "failed"),
        (["unknown", "pending"], "unknown"),
        (["unknown", "read"], "unknown"),
        (["unknown", "failed"], "failed"),
        (["read", "sent", "delivered"], "sent"),
        (["read", "delivered"], "delivered"),
        (["read", "read"], "read"),
    ],
)
def test_a_message_is_as_its_worst_part(parts: list[State], status: str | None) -> None:
    rows = [row(state, part=place) for place, state in enumerate(parts)]

    assert message_status(rows) == status
    assert message_status(reversed(rows)) == status


@pytest.mark.parametrize(
    ("times", "status"),
    [
        (["failed", "pending"], None),
        (["unknown", "sending"], None),
        (["failed", "failed"], "failed"),
        (["unknown", "failed"], "unknown"),
        (["failed", "delivered"], "delivered"),
        (["read", "failed"], "read"),
    ],
)
def test_a_part_that_was_sent_twice_is_as_the_better_of_them(times: list[State], status: str | None) -> None:
    rows = [row(state, round_=place + 1) for place, state in enumerate(times)]

    assert message_status(rows) == status


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(STATES), st.text(max_size=90)), min_size=1, max_size=6))
def test_news_is_told_only_of_a_change_and_as_contracts_want_it(steps: list[tuple[int, State, str]]) -> None:
    before = [row("pending", part=part) for part in (1, 2, 3)]
    for part, state, words in steps:
        if state == "failed":
            report = StatusReport(account_id="1", status="failed", code=words, detail=words)
            changed = [reported(each, report, NOW_MS) if each.part == part else each for each in before]
        else:
            changed = [replace(each, state=state) if each.part == part else each for each in before]
        data = news(before, changed, NOW_MS)
        if data is None:
            assert message_status(changed) in (None, message_status(before))
        else:
            assert data.status == message_status(changed) != message_status(before)
            event = Event(id="e1", source="/x", tenant_id="acme", subject="i1", time_ms=NOW_MS, data=data)
            assert encode(event)
        before = changed


def test_pauses_grow_to_a_bound_and_are_never_shorter_than_the_provider_wants() -> None:
    plain = [pause_ms(attempts, Uncertain(), 0, (500, 300_000)) for attempts in (1, 2, 3, 10, 11, 20, 60)]

    assert plain == [500, 1000, 2000, 256_000, 300_000, 300_000, 300_000]
    assert pause_ms(1, Uncertain(after_ms=7000), 0, (500, 300_000)) == 7000
    assert pause_ms(1, Again(after_ms=7000, scope="pair"), 0, (500, 300_000)) == 7000
    assert pause_ms(1, Again(after_ms=7000, scope="pair"), 1, (500, 300_000)) == 8750
    assert pause_ms(9, Again(after_ms=7000, scope="pair"), 0, (500, 300_000)) == 128_000
    assert pause_ms(3, Uncertain(), 0, (5000, 15_000)) == 15_000


@given(st.floats(0.2, 200), st.lists(st.integers(0, 400), min_size=1, max_size=80))
def test_no_second_sees_more_than_an_account_may_send(per_second: float, steps_ms: list[int]) -> None:
    capabilities = replace(SAYS_ALL, account_per_second=per_second)
    account, now_ms = Rate(tenant_id="acme", address="whatsapp:1"), NOW_MS
    instants: list[int] = []
    for step_ms in steps_ms:
        now_ms += step_ms
        while (found := turn(account, capabilities, now_ms)) is not None:
            instants.append(found[0])
            account = found[1]
            assert now_ms <= found[0] <= now_ms + outgoing.AHEAD_MS + 1

    for place, at_ms in enumerate(instants):
        assert sum(each < at_ms + 1000 for each in instants[place:]) <= -(-per_second // 1)


def test_a_lease_outlives_the_longest_question() -> None:
    assert outgoing.claimed(row(), NOW_MS).lease_until_ms == NOW_MS + LEASE_MS
    assert LEASE_MS > SEND_MS + outgoing.AHEAD_MS
