"""Estimates: intervals, ratios, percentiles."""

from random import Random
from statistics import fmean, stdev

import pytest
from centralino.simulator.figures import Histogram, Moments, student


@pytest.mark.parametrize(
    ("freedom", "confidence", "value"),
    [
        (1, 0.95, 12.7062047362),
        (2, 0.99, 9.9248432009),
        (9, 0.95, 2.2621571628),
        (30, 0.999, 3.6459586350),
        (999, 0.95, 1.9623414611),
    ],
)
def test_students_t_is_as_tabled(freedom: int, confidence: float, value: float) -> None:
    assert student(freedom, confidence) == pytest.approx(value, abs=1e-9)


def test_a_mean_has_the_standard_error_of_its_days() -> None:
    days = [(3, 10), (5, 14), (4, 9), (9, 30)]
    moments = moments_of(days)

    first = moments.mean(0)
    both = moments.mean(0, 1, unit=2)

    assert (first.value, first.error) == pytest.approx((5.25, stdev([3, 5, 4, 9]) / 2))
    assert (both.value, both.error) == pytest.approx((fmean([13, 19, 13, 39]) / 2, stdev([13, 19, 13, 39]) / 4))
    assert first.half_width(0.95) == pytest.approx(3.182446305 * first.error)


def test_a_ratio_is_of_sums_and_its_error_is_that_of_its_residuals() -> None:
    days = [(3, 10), (5, 14), (4, 9), (9, 30)]
    ratio = 21 / 63
    residuals = [over - ratio * under for over, under in days]

    found = moments_of(days).ratio((0,), (1,))

    assert found.value == pytest.approx(ratio)
    assert found.error == pytest.approx(stdev(residuals) / 2 / (63 / 4))


def test_an_interval_of_a_ratio_holds_the_truth_as_often_as_it_says() -> None:
    random = Random(1)
    held = 0
    for _ in range(400):
        rows = []
        for _ in range(15):
            under = 50 + random.randrange(100)
            rows.append((sum(random.random() < 0.3 for _ in range(under)), under))
        found = moments_of(rows).ratio((0,), (1,))
        held += abs(found.value - 0.3) <= found.half_width(0.9)

    assert 340 <= held <= 380


def test_one_day_has_no_interval_and_nothing_has_no_ratio() -> None:
    one = moments_of([(3, 10)])

    assert one.mean(0).value == 3
    assert str(one.mean(0).half_width(0.95)) == "nan"
    assert str(moments_of([(0, 0), (0, 0)]).ratio((0,), (1,)).value) == "nan"
    assert str(moments_of([]).mean(0).value) == "nan"


def test_percentiles_are_right_to_half_a_percent() -> None:
    histogram = Histogram()
    for duration in range(1, 100_001):
        histogram.add(duration)

    assert histogram.percentile(50) == pytest.approx(50_000, rel=0.0051)
    assert histogram.percentile(99) == pytest.approx(99_000, rel=0.0051)


def test_who_did_not_wait_counts_as_zero() -> None:
    histogram = Histogram()
    for duration in (0, 0, 0, 1000):
        histogram.add(duration)

    assert histogram.percentile(50) == 0
    assert histogram.percentile(90) == pytest.approx(1000, rel=0.0051)
    assert str(Histogram().percentile(50)) == "nan"


def moments_of(rows: list[tuple[int, int]]) -> Moments:
    moments = Moments(2)
    for row in rows:
        moments.add(row)
    return moments
