"""What a provider's refusal makes of the reply window that we kept."""

from dataclasses import replace

import pytest
from contracts.written import WindowChanged
from gatewaykit.domain.composing import window_now
from gatewaykit.domain.content import Basis, Window
from gatewaykit.domain.inbound import window_refused, window_told
from gatewaykit.domain.provider import Capabilities
from gatewaykit.domain.records import Conversation

HOUR_MS = 3_600_000
NOW_MS = 1_700_000_000_000
DAY = Capabilities(text_max=1000, window_hours=24)
WEEK = replace(DAY, human_agent_hours=168)
OPEN = Window(opens_at_ms=NOW_MS - HOUR_MS, closes_at_ms=NOW_MS + 23 * HOUR_MS, basis="customer_message")
OVER = Window(opens_at_ms=NOW_MS - 30 * HOUR_MS, closes_at_ms=NOW_MS - 6 * HOUR_MS, basis="customer_message")


def conversation(window: Window | None) -> Conversation:
    return Conversation(
        tenant_id="acme",
        interaction_id="i1",
        channel="messenger",
        address="page",
        client="shop",
        domain="main",
        partition=0,
        queue_hint=None,
        idle_close_seconds=60,
        abandon_seconds=60,
        state="open",
        active_at_ms=NOW_MS,
        check_at_ms=NOW_MS,
        counterpart="anna",
        reply_window=window,
    )


def refused(window: Window | None, capabilities: Capabilities = DAY, *, now_ms: int = NOW_MS) -> Window | None:
    """The window after a refusal of what was handed over a second before NOW_MS."""
    change = window_refused(conversation(window), capabilities, tried_at_ms=NOW_MS - 1000, now_ms=now_ms)
    told = [data for data in change.announce if isinstance(data, WindowChanged)]
    after = change.conversation.reply_window

    assert len(told) == (after != window)
    assert [(each.opens_at_ms, each.closes_at_ms, each.basis) for each in told] == (
        [(after.opens_at_ms, after.closes_at_ms, after.basis)] if told and after else []
    )
    return after


def test_a_refusal_closes_the_window_now_and_told_again_nothing_more() -> None:
    closed = refused(OPEN)

    assert closed == replace(OPEN, closes_at_ms=NOW_MS)
    assert window_now(closed, DAY, NOW_MS) is None
    assert refused(closed, now_ms=NOW_MS + 5000) == closed
    assert refused(replace(OPEN, closes_at_ms=None)) == closed


def test_where_people_may_answer_for_longer_they_may_until_that_is_refused_too() -> None:
    closed = refused(OPEN, WEEK)
    ended = refused(OVER, WEEK)
    still = window_now(closed, WEEK, NOW_MS)

    assert still is not None
    assert still.basis == "human_agent"
    assert ended == replace(OVER, closes_at_ms=NOW_MS, basis="human_agent")
    assert window_now(ended, WEEK, NOW_MS) is None
    assert refused(ended, WEEK, now_ms=NOW_MS + 5000) == ended
    assert refused(OVER, DAY) == OVER


@pytest.mark.parametrize("basis", ["always", "blocked"])
def test_what_is_no_window_is_not_closed(basis: Basis) -> None:
    standing = Window(opens_at_ms=0, closes_at_ms=None, basis=basis)

    assert refused(standing) == standing
    assert refused(None) is None


def test_what_the_customer_wrote_since_counts_and_opens_it_again() -> None:
    later = Window(opens_at_ms=NOW_MS, closes_at_ms=NOW_MS + 24 * HOUR_MS, basis="customer_message")

    assert refused(later) == later
    assert window_told(conversation(refused(OPEN)), later, NOW_MS).conversation.reply_window == later
