"""Words, cursors and summaries."""

from dataclasses import replace

import pytest
from crm.domain.cursors import BadCursorError, Cursor, decoded, encoded
from crm.domain.routing import Task, summary
from crm.domain.words import WORD_LENGTH_MAX, customer_words, query_words, words_of
from hypothesis import given
from hypothesis import strategies as st

WAITING = Task(tenant_id="acme", task_id="t", interaction_id="i", domain="d", queue="sales")


def test_case_and_accents_do_not_count() -> None:
    assert words_of("Chloé ÉCRIT: Straße, chloe!") == ["chloe", "ecrit", "strasse"]


def test_long_words_are_cut_alike_in_texts_and_queries() -> None:
    long = "x" * (WORD_LENGTH_MAX + 5)

    assert words_of(long) == query_words(long) == ["x" * WORD_LENGTH_MAX]


def test_a_customer_is_found_by_name_address_and_number() -> None:
    words = customer_words("Ana María", ["ana.maria@example.org", "+34600123456"])

    for query in ("maria", "ana.maria@example.org", "+34 600 123 456", "Ana example"):
        assert set(query_words(query)) <= words


@given(st.integers(0, 2**53 - 1), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@/-]*", fullmatch=True), st.integers(0, 9))
def test_a_cursor_comes_back_as_it_was(at_ms: int, key: str, number: int) -> None:
    assert decoded(encoded(Cursor(at_ms, key, number))) == Cursor(at_ms, key, number)


@pytest.mark.parametrize(
    "text",
    ["", "x", "é", "bm8", "W10", "WzEsMl0", "e30", "WyJhIiwiYiIsMF0", "Wy0xLCJhIiwwXQ", "W3RydWUsImEiLDBd", "A" * 1001],
)
def test_what_no_page_gave_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursorError):
        decoded(text)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        cursor = decoded(text)
    except BadCursorError:
        return

    assert isinstance(cursor.at_ms, int)


@pytest.mark.parametrize(
    ("task", "line"),
    [
        (None, "webchat, ended"),
        (WAITING, "webchat, waiting in sales"),
        (replace(WAITING, state="assigned", agent_id="ana"), "webchat with ana: assigned"),
        (replace(WAITING, state="completed", agent_id="ana", disposition="solved"), "webchat with ana: solved"),
        (replace(WAITING, state="completed", agent_id="ana"), "webchat with ana: completed"),
        (replace(WAITING, state="abandoned"), "webchat, abandoned in sales"),
    ],
)
def test_a_summary_says_what_became_of_it(task: Task | None, line: str) -> None:
    assert summary("webchat", task, is_over=True) == line
