"""A part that goes to several: what became of it for each, and what that makes of it."""

from dataclasses import replace
from itertools import permutations
from typing import get_args

import pytest
from contracts import Event, encode
from gatewaykit.domain.outgoing import GIVE_UP_MS, LEASE_MS, OutgoingRow, Part, lapsed, news, reported, settled
from gatewaykit.domain.provider import Again, Capabilities, Outcome, Refused, Sent, StatusReport, Uncertain
from gatewaykit.domain.recipients import RANK, Recipient, State, advanced, of_all, once_more
from hypothesis import example, given
from hypothesis import strategies as st
from servicekit.testing.set_clock import NOW_MS

SAYS_ALL = Capabilities(text_max=1, statuses=("sent", "delivered", "failed"))
STATES = st.sampled_from(get_args(State))
A, B, C = "a@example.net", "b@example.net", "c@example.net"


def people(**states: State) -> tuple[Recipient, ...]:
    """By the letter before the @."""
    return tuple(
        Recipient(address=f"{name}@example.net", state=state, reason="x" if state == "failed" else None)
        for name, state in states.items()
    )


def row(*recipients: Recipient, state: State = "sending") -> OutgoingRow:
    return OutgoingRow(
        tenant_id="acme",
        outgoing_id="o1",
        message_id="m1",
        interaction_id="i1",
        domain="acme.main",
        address="help@shop.example",
        counterpart="mail:1",
        part=1,
        number=1,
        payload=Part(text="hi"),
        state=state,
        attempts=1,
        created_at_ms=NOW_MS,
        due_at_ms=NOW_MS,
        changed_at_ms=NOW_MS,
        tried_at_ms=NOW_MS,
        lease_until_ms=NOW_MS + LEASE_MS,
        recipients=recipients,
    )


def after(before: OutgoingRow, outcome: Outcome, *, attempt: int = 1, later_ms: int = 0) -> OutgoingRow:
    now_ms = NOW_MS + later_ms
    return settled(before, outcome, SAYS_ALL, attempt=attempt, now_ms=now_ms, again_at_ms=now_ms)


def bounced(address: str, status: str = "failed") -> StatusReport:
    code = "bounced" if status == "failed" else None
    return StatusReport(account_id="1", status=status, recipient=address, code=code, detail="status 5.0.0")  # type: ignore[arg-type]  # plain strings are shorter


def states(found: OutgoingRow) -> list[str]:
    return [found.state, *(each.state for each in found.recipients)]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Sent(provider_message_id="w", recipients=people(a="sent", b="failed")), ["sent", "sent", "failed"]),
        (Refused(code="x", detail="", recipients=people(a="failed", b="failed")), ["failed", "failed", "failed"]),
        (Refused(code="file_gone", detail=""), ["failed", "failed", "failed"]),
        (Uncertain(recipients=people(a="unknown", b="failed")), ["unknown", "unknown", "failed"]),
        (Uncertain(), ["unknown", "unknown", "unknown"]),
        (Again(after_ms=1, scope="pair", recipients=people(a="sent", b="pending")), ["pending", "sent", "pending"]),
    ],
)
def test_an_answer_settles_it_for_each(outcome: Outcome, expected: list[str]) -> None:
    assert states(after(row(*people(a="pending", b="pending")), outcome)) == expected


def test_who_cannot_be_reached_in_time_does_not_hide_who_has_it() -> None:
    waits = row(*people(a="sent", b="pending"), state="pending")
    given_up = lapsed(waits, SAYS_ALL, NOW_MS + GIVE_UP_MS)
    answered = after(replace(waits, state="sending"), Again(after_ms=1, scope="pair"), later_ms=GIVE_UP_MS)

    assert states(given_up) == states(answered) == ["sent", "sent", "failed"]
    assert [each.reason for each in given_up.recipients] == [None, "provider_away"]
    assert given_up.reason is None


def test_a_late_answer_to_an_attempt_before_tells_only_who_has_it() -> None:
    late = Uncertain(recipients=people(a="sent", b="failed"))

    assert states(after(replace(row(*people(a="pending", b="pending")), attempts=2), late)) == [
        "sending",
        "sent",
        "pending",
    ]


def test_a_bounce_of_one_is_the_failure_of_that_one() -> None:
    sent = row(*people(a="sent", b="sent"), state="sent")
    one = reported(sent, bounced(A.upper()), NOW_MS)
    both = reported(one, bounced(B), NOW_MS)

    assert states(one) == ["sent", "failed", "sent"]
    assert (one.reason, one.recipients[0].reason) == (None, "bounced")
    assert states(both) == ["failed", "failed", "failed"]
    assert (both.reason, both.detail) == ("bounced", "status 5.0.0")
    assert reported(sent, bounced(C), NOW_MS) == sent


def test_it_is_delivered_when_all_have_it_who_get_it() -> None:
    sent = row(*people(a="sent", b="sent"), state="sent")
    one = reported(sent, bounced(A, "delivered"), NOW_MS)

    assert states(one) == ["sent", "delivered", "sent"]
    assert states(reported(one, bounced(B, "delivered"), NOW_MS)) == ["delivered"] * 3
    assert states(reported(one, bounced(B), NOW_MS)) == ["delivered", "delivered", "failed"]


def test_a_bounce_that_overtakes_the_answer_counts() -> None:
    sent = Sent(provider_message_id="w", recipients=people(a="sent", b="sent"))
    early = reported(row(*people(a="pending", b="pending")), bounced(A), NOW_MS)

    assert states(early) == ["sending", "failed", "pending"]
    assert states(after(early, sent)) == ["sent", "failed", "sent"]
    assert states(after(reported(early, bounced(B), NOW_MS), sent)) == ["failed", "failed", "failed"]


def test_sent_again_it_goes_to_those_who_have_it_not() -> None:
    assert once_more(people(a="sent", b="failed", c="unknown")) == people(a="sent", b="pending", c="pending")


def test_it_is_told_who_has_it_and_again_when_that_changes() -> None:
    before = row(*people(a="pending", b="pending"))
    sent = after(before, Sent(provider_message_id="w", recipients=people(a="sent", b="failed")))
    delivered = reported(sent, bounced(A, "delivered"), NOW_MS)
    first, second = news([before], [sent], NOW_MS), news([sent], [delivered], NOW_MS)

    assert first is not None
    assert (first.status, first.reason, first.recipients_failed) == ("sent", None, 1)
    assert first.personal == {
        "recipients": [{"address": A, "status": "sent"}, {"address": B, "status": "failed", "reason": "x"}]
    }
    assert second is not None
    assert (second.status, second.recipients_failed) == ("delivered", 1)
    assert news([sent], [replace(sent, lease_until_ms=None)], NOW_MS) is None


def test_a_complaint_is_told_though_the_message_was_delivered_before() -> None:
    sent = row(*people(a="sent"), state="sent")
    complaint = StatusReport(account_id="1", status="delivered", code="complained", recipient=A)
    delivered = reported(sent, bounced(A, "delivered"), NOW_MS)
    complained = reported(delivered, complaint, NOW_MS)
    data = news([delivered], [complained], NOW_MS)

    assert data is not None
    assert (data.status, data.reason, data.personal) == ("delivered", "complained", {})
    assert reported(complained, complaint, NOW_MS) == complained
    assert reported(sent, complaint, NOW_MS) == complained


def test_of_one_recipient_nothing_is_told_apart() -> None:
    data = news([row()], [after(row(), Sent(provider_message_id="w"))], NOW_MS)

    assert data is not None
    assert (data.recipients_failed, data.personal) == (None, {})


@given(st.lists(st.tuples(st.sampled_from((A, B, C)), STATES), min_size=1, max_size=8))
def test_whatever_the_order_each_is_as_far_as_the_furthest(told: list[tuple[str, State]]) -> None:
    items = [Recipient(address=address, state=state) for address, state in told]
    begun = people(a="pending", b="pending", c="pending")
    ends = {advanced(begun, order) for order in list(permutations(items))[:200]}
    furthest = {each: max((RANK[state] for address, state in told if address == each), default=0) for each in (A, B, C)}

    assert {tuple(RANK[each.state] for each in end) for end in ends} == {tuple(furthest.values())}


@given(st.lists(STATES, min_size=2, max_size=4), st.lists(st.tuples(st.integers(0, 3), STATES), max_size=6))
@example(begun=["pending", "pending"], steps=[(0, "failed"), (1, "read"), (0, "delivered")])
def test_news_of_several_never_goes_back_and_is_as_contracts_want_it(
    begun: list[State], steps: list[tuple[int, State]]
) -> None:
    named = [Recipient(address=f"r{place}@example.net", state=state) for place, state in enumerate(begun)]
    before = row(*named, state=of_all(named))
    furthest: State = before.state
    for place, state in steps:
        if state in ("sent", "delivered", "read", "failed"):
            now = reported(before, bounced(f"r{place}@example.net", state), NOW_MS)
            data = news([before], [now], NOW_MS)
            before = now
            furthest = max(furthest, of_all(now.recipients), key=lambda each: RANK[each])
            assert data is None or encode(
                Event(id="e", source="/x", tenant_id="acme", subject="i1", time_ms=NOW_MS, data=data)
            )

    assert before.state == furthest
