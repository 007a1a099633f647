"""The soak's verdict: it finds a leak, and says nothing about noise."""

import random

import pytest
from centralino.proof.lag import Lag
from centralino.proof.soak.meter import Use
from centralino.proof.soak.verdict import MIB, Row, lag_faults, rows_of, slope_of, table

CHANCE = random.Random(7)


def uses(*, mib_per_hour: float = 0, noise_mib: float = 0, more_tasks: float = 0, restart: bool = False) -> list[Use]:
    """A process that starts with a jump, looked at every 5 s for 20 minutes."""
    return [
        Use(
            part="engine",
            at_seconds=at,
            pid=2 if restart and at > 600 else 1,
            pss_bytes=round(
                MIB * (50 + (0 if at < 60 else 20) + mib_per_hour * at / 3600 + CHANCE.uniform(-noise_mib, noise_mib))
            ),
            uss_bytes=0,
            descriptors=30,
            threads=4,
            tasks=round(100 + more_tasks * at / 60),
        )
        for at in range(0, 1200, 5)
    ]


def verdict(taken: list[Use]) -> Row:
    [row] = rows_of(taken, warmup_seconds=300)
    return row


def test_a_line_has_its_slope_and_no_error() -> None:
    slope = slope_of([(0, 1), (1, 3), (2, 5), (3, 7)])

    assert slope.per_second == pytest.approx(2)
    assert slope.error == pytest.approx(0)


def test_noise_and_the_warm_up_are_no_leak_but_stand_in_the_error() -> None:
    row = verdict(uses(noise_mib=3))

    assert row.faults == []
    assert abs(row.slope_mib_per_hour) < 3 * row.error_mib_per_hour
    assert 0 < row.error_mib_per_hour < 5


def test_a_leak_is_found_in_spite_of_noise() -> None:
    row = verdict(uses(mib_per_hour=60, noise_mib=3))

    assert len(row.faults) == 1
    assert row.faults[0].startswith("memory grows by ")
    assert "memory grows" in table([row])


def test_tasks_that_grow_and_a_restart_are_found() -> None:
    [growing] = verdict(uses(more_tasks=10)).faults

    assert growing == "tasks grow from 187 to 299"
    assert verdict(uses(restart=True)).faults == ["it was restarted"]


def test_a_reader_that_never_comes_to_the_end_is_found_and_one_that_does_is_not() -> None:
    lags = [Lag(at_ms, {"slow": 5 + at_ms // 1000, "keeps up": at_ms // 1000 % 3}) for at_ms in range(0, 120_000, 1000)]

    assert list(lag_faults(lags, 120_000)) == ["slow was never at the end in the last minute, at best 65 behind"]
    assert list(lag_faults([], 120_000)) == ["nobody could be asked how far they are"]
