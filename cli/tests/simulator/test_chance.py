"""Random traffic: the right distributions, and the same contacts for two configurations."""

from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

import pytest
from centralino.simulator.chance import arrivals, sampler, stream
from centralino.simulator.scenario import Duration, Exponential, Fixed, Gamma, Lognormal, Uniform

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("duration", "mean", "deviation"),
    [
        (Exponential(distribution="exponential", mean_seconds=90), 90, 90),
        (Lognormal(distribution="lognormal", mean_seconds=90, deviation_seconds=60), 90, 60),
        (Gamma(distribution="gamma", mean_seconds=90, deviation_seconds=30), 90, 30),
        (Uniform(distribution="uniform", least_seconds=30, most_seconds=150), 90, 120 / sqrt(12)),
    ],
    ids=lambda value: getattr(value, "distribution", ""),
)
def test_durations_have_the_mean_and_the_deviation_asked_for(duration: Duration, mean: float, deviation: float) -> None:
    draw, random = sampler(duration), stream("durations")
    seconds = [draw(random) / 1000 for _ in range(20_000)]

    assert abs(fmean(seconds) - mean) < 4 * deviation / sqrt(len(seconds))
    assert stdev(seconds) == pytest.approx(deviation, rel=0.05)


def test_a_fixed_duration_is_fixed() -> None:
    assert sampler(Fixed(distribution="fixed", seconds=1.5))(stream()) == 1500


def test_arrivals_follow_the_rate_of_each_period() -> None:
    days = [list(arrivals(stream(day), [60, 0, 240], 3600)) for day in range(200)]
    counts = [[sum(instant // HOUR_MS == period for instant in day) for day in days] for period in range(3)]

    for rate, of_days in zip((60, 0, 240), counts, strict=True):
        assert abs(fmean(of_days) - rate) <= 4 * sqrt(rate / len(days))
    assert stdev(counts[2]) == pytest.approx(sqrt(240), rel=0.2)
    assert all(before <= after for day in days for before, after in pairwise(day))


def test_a_busier_day_has_the_same_contacts_sooner_and_more_of_them() -> None:
    quiet = list(arrivals(stream("a"), [60], 36_000))
    busy = list(arrivals(stream("a"), [120], 36_000))

    assert len(busy) > len(quiet)
    assert busy[: len(quiet)] == pytest.approx([instant / 2 for instant in quiet], abs=1)


def test_streams_of_different_names_differ() -> None:
    assert stream(1, 2).random() != stream(1, 3).random()
    assert stream(1, 2).random() == stream(1, 2).random()
