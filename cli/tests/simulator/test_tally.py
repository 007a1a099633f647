"""Counting: what a day says and does not say."""

from centralino.simulator.figures import Histogram
from centralino.simulator.tally import ANSWERED, OFFERED, DayTally, Tally
from centralino.simulator.traffic import Traffic
from centralino.simulator.validation import pool

SCENARIO = pool(1, 1, 1, days=3, hours=2)


def test_a_queue_that_is_first_used_on_the_second_day_had_nothing_on_the_first() -> None:
    tally = Tally(SCENARIO)
    for number in range(2):
        day = DayTally(2)
        day.over = True
        if number == 1:
            day.row(("queue", "late"), 1)[OFFERED] += 8
        tally.settle(day)

    offered = tally.figures(("queue", "late"))["offered"]
    in_period = tally.figures(("queue", "late"), 1)["offered"]

    assert (offered.value, offered.days) == (4, 2)
    assert in_period == offered


def test_a_day_counts_once_its_last_contact_is_over() -> None:
    tally, day = Tally(SCENARIO), DayTally(2)
    day.open, day.over = 1, True

    tally.settle(day)
    before = tally.figures(("contacts", "calls"))["offered"].days
    day.open = 0
    tally.settle(day)

    assert before == 0
    assert tally.figures(("contacts", "calls"))["offered"].days == 1


def test_only_the_first_answer_counts() -> None:
    traffic = Traffic(SCENARIO.contacts[0], SCENARIO.tenant, 2)
    traffic.open(1, 0, SCENARIO.day)
    day = DayTally(2)
    contact = traffic.arrive(1000, day, 0)
    row = day.row(("contacts", "calls"), 0)
    contact.count_in(row, Histogram())

    contact.answer(3000)
    contact.answer(9000)

    assert row[ANSWERED] == 1
