"""The soak's verdict: it finds a leak, and says nothing about noise."""

import random

import pytest
from centralino.proof.lag import Lag
from centralino.proof.soak.meter import Use
from centralino.proof.soak.verdict import MIB, Row, lag_faults, rows_of, slope_of, table

CHANCE = random.Random(7)


def uses(
    *,
    part: str = "engine",
    mib_per_hour: float = 0,
    noise_mib: float = 0,
    more_tasks: float = 0,
    restart: bool = False,
    burst_at: float = 60,
) -> list[Use]:
    """A process that takes 20 MiB in a burst, looked at every 5 s for 20 minutes."""
    return [
        Use(
            part=part,
            at_seconds=at,
            pid=2 if restart and at > 600 else 1,
            pss_bytes=0,
            uss_bytes=round(
                MIB
                * (50 + (0 if at < burst_at else 20) + mib_per_hour * at / 3600 + CHANCE.uniform(-noise_mib, noise_mib))
            ),
            descriptors=30,
            threads=4,
            tasks=round(100 + more_tasks * at / 60),
        )
        for at in range(0, 1200, 5)
    ]


def verdict(taken: list[Use], chats_per_second: float = 0) -> Row:
    [row] = rows_of(taken, warmup_seconds=300, chats_per_second=chats_per_second)
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


def test_what_a_burst_took_is_no_leak_and_a_leak_beside_it_is_one() -> None:
    assert verdict(uses(noise_mib=1, burst_at=500)).faults == []
    assert len(verdict(uses(noise_mib=1, burst_at=500, mib_per_hour=60)).faults) == 1


def test_a_leak_that_begins_late_is_found() -> None:
    early, late = uses(), uses(mib_per_hour=120)

    assert len(verdict([*early[:150], *late[150:]]).faults) == 1


def test_what_redis_keeps_of_each_chat_is_no_leak_and_more_than_that_is_one() -> None:
    assert verdict(uses(part="redis", mib_per_hour=40), chats_per_second=1).faults == []
    assert len(verdict(uses(part="redis", mib_per_hour=80), chats_per_second=1).faults) == 1
    assert len(verdict(uses(part="engine", mib_per_hour=40), chats_per_second=1).faults) == 1


def test_tasks_that_grow_and_a_restart_are_found() -> None:
    [growing] = verdict(uses(more_tasks=10)).faults

    assert growing == "tasks grow from 187 to 299"
    assert verdict(uses(restart=True)).faults == ["it was restarted"]


def test_a_reader_that_never_comes_to_the_end_is_found_and_one_that_does_is_not() -> None:
    lags = [Lag(at_ms, {"slow": 5 + at_ms // 1000, "keeps up": at_ms // 1000 % 3}) for at_ms in range(0, 120_000, 1000)]

    assert list(lag_faults(lags, 120_000)) == ["slow was never at the end in the last minute, at best 65 behind"]
    assert list(lag_faults([], 120_000)) == ["nobody could be asked how far they are"]
