"""How many calls a node takes."""

from voice_gateway.admission import Admission


def test_a_burst_is_taken_and_then_so_many_a_second() -> None:
    admission = Admission(calls_max=100, per_second=2, burst=3)

    taken = [admission.takes(0, now_ms) for now_ms in (0, 0, 0, 0, 499, 500, 500, 60_000, 60_000, 60_000, 60_000)]

    assert taken == [True, True, True, False, False, True, False, True, True, True, False]


def test_no_more_than_so_many_calls_at_once_and_who_is_refused_takes_no_turn() -> None:
    admission = Admission(calls_max=2, per_second=1, burst=1)

    assert [admission.takes(2, 0), admission.takes(1, 0), admission.takes(1, 0)] == [False, True, False]


def test_a_clock_that_is_set_back_neither_gives_turns_nor_takes_any() -> None:
    admission = Admission(calls_max=9, per_second=1, burst=1)

    assert [admission.takes(0, now_ms) for now_ms in (10_000, 0, 999, 1000)] == [True, False, False, True]
