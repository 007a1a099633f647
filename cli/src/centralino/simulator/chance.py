"""Random traffic: a stream of its own for each contact type, day and purpose.

So two configurations under the same seed meet the same contacts: the n-th of a day arrives at the same instant, is as
patient, and takes as long (common random numbers), whatever the router does with those before it.
"""

from collections.abc import Callable, Iterator
from math import exp, log, log1p, sqrt
from random import Random

from centralino.simulator.scenario import Duration, Exponential, Fixed, Gamma, Lognormal, Uniform

Sampler = Callable[[Random], int]
"""The next duration, in milliseconds."""


def stream(*names: object) -> Random:
    """The stream of this name: seed, day, contact type, purpose."""
    return Random("/".join(map(str, names)))  # noqa: S311 - repeatable on purpose, and nothing secret


def sampler(duration: Duration) -> Sampler:
    """Draws durations. How much of a stream it uses depends on a gamma's shape alone, never on a mean."""
    match duration:
        case Exponential(mean_seconds=mean):
            return lambda random: round(-log1p(-random.random()) * mean * 1000)
        case Lognormal(mean_seconds=mean, deviation_seconds=deviation):
            variance = log1p((deviation / mean) ** 2)
            location, scale = log(mean) - variance / 2, sqrt(variance)
            return lambda random: round(exp(location + scale * random.normalvariate()) * 1000)
        case Gamma(mean_seconds=mean, deviation_seconds=deviation):
            shape = (mean / deviation) ** 2
            return lambda random: round(random.gammavariate(shape, mean / shape) * 1000)
        case Uniform(least_seconds=least, most_seconds=most):
            return lambda random: round((least + (most - least) * random.random()) * 1000)
        case Fixed(seconds=seconds):
            return lambda _: round(seconds * 1000)


def arrivals(random: Random, per_hour: list[float], period_seconds: int) -> Iterator[int]:
    """Instants of a Poisson process in milliseconds of the day; its rate changes from period to period.

    Exact, by inversion of the expected number so far; a busier day has the same contacts earlier, and more of them.
    """
    length = period_seconds * 1000
    wanted = -log1p(-random.random())
    expected = 0.0
    for period, rate in enumerate(per_hour):
        per_ms = rate / 3_600_000
        while wanted < expected + per_ms * length:
            yield period * length + int((wanted - expected) / per_ms)
            wanted -= log1p(-random.random())
        expected += per_ms * length
