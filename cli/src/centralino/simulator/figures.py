"""Estimates over days that are alike: Student's t for means, the delta method for ratios of means."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import atan, cos, exp, log, pi, sin, sqrt


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its standard error over `days` days; nan with nothing to divide by, or with one day."""

    value: float
    error: float
    days: int

    def half_width(self, confidence: float) -> float:
        """Half the width of the confidence interval."""
        return student(self.days - 1, confidence) * self.error if self.days > 1 else float("nan")


class Moments:
    """Sums and products over days of a row of whole numbers, so that any ratio of columns has its interval.

    Whole numbers are summed exactly: neither the order of days nor their number costs precision.
    """

    __slots__ = ("_products", "_sums", "days")

    def __init__(self, columns: int) -> None:
        self.days = 0
        self._sums = [0] * columns
        self._products = [[0] * columns for _ in range(columns)]

    def add(self, row: Sequence[int]) -> None:
        """One day."""
        self.days += 1
        for column, value in enumerate(row):
            if value:
                self._sums[column] += value
                products = self._products[column]
                for other, factor in enumerate(row):
                    products[other] += value * factor

    def mean(self, *columns: int, unit: float = 1) -> Estimate:
        """Mean per day of the columns' sum, in `unit`."""
        if not self.days:
            return Estimate(float("nan"), float("nan"), 0)
        error = sqrt(max(0, self._covariance(columns, columns)) / self.days)
        return Estimate(self._mean(columns) / unit, error / unit, self.days)

    def ratio(self, over: Sequence[int], under: Sequence[int], *, unit: float = 1) -> Estimate:
        """Mean of one sum of columns over the mean of another, in `unit`."""
        below = self._mean(under) if self.days else 0
        if not below:
            return Estimate(float("nan"), float("nan"), self.days)
        ratio = self._mean(over) / below
        spread = self._covariance(over, over) - 2 * ratio * self._covariance(over, under)
        spread += ratio * ratio * self._covariance(under, under)
        return Estimate(ratio / unit, sqrt(max(0, spread) / self.days) / below / unit, self.days)

    def _mean(self, columns: Sequence[int]) -> float:
        return sum(self._sums[column] for column in columns) / self.days

    def _covariance(self, some: Sequence[int], others: Sequence[int]) -> float:
        if self.days < 2:
            return float("nan")
        products = sum(self._products[one][other] for one in some for other in others)
        sums = sum(self._sums[one] for one in some) * sum(self._sums[other] for other in others)
        return (self.days * products - sums) / (self.days * (self.days - 1))


class Histogram:
    """Durations in buckets of 1 %: constant memory for any number of them."""

    __slots__ = ("_buckets", "_count")

    _GROWTH = log(1.01)

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._count = 0

    def add(self, duration_ms: int) -> None:
        """One more; 0 has a bucket of its own."""
        bucket = int(log(duration_ms) / self._GROWTH) if duration_ms > 0 else -1
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self._count += 1

    def percentile(self, percent: float) -> float:
        """Milliseconds that so many percent do not exceed, to half a percent; nan when empty."""
        wanted = self._count * percent / 100
        for bucket in sorted(self._buckets):
            wanted -= self._buckets[bucket]
            if wanted <= 0:
                return exp((bucket + 0.5) * self._GROWTH) if bucket >= 0 else 0.0
        return float("nan")


@cache
def student(freedom: int, confidence: float) -> float:
    """Student's t of the two-sided interval: |t| is below it with probability `confidence`; by bisection."""
    low, high = 0.0, 1.0
    while _within(high, freedom) < confidence:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| < t); Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4."""
    angle = atan(t / sqrt(freedom))
    terms = sum(_terms(cos(angle), freedom))
    return sin(angle) * terms if freedom % 2 == 0 else 2 / pi * (angle + sin(angle) * terms)


def _terms(cosine: float, freedom: int) -> Iterator[float]:
    odd = freedom % 2
    term = cosine if odd else 1.0
    for step in range(1 + odd, freedom, 2):
        yield term
        term *= step / (step + 1) * cosine * cosine
