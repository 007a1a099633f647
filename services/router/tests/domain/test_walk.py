"""Busy days by a seed: whatever is configured and whatever happens, the invariants hold after every step.

`Story` has the checker compare each offer with a naive scan, each decision with a count over all agents, and the live
state with the fold of the journal.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from router.testing.crowded_walk import CrowdedWalk
from router.testing.walk import Walk

SEEDS = range(120)
STEPS = 150


@pytest.mark.parametrize("seed", SEEDS)
def test_a_busy_day_keeps_every_invariant(seed: int) -> None:
    day = Walk(Random(seed), reruns=seed % 10 == 0)
    for _ in range(STEPS):
        day.step()

    assert day.interactions > 10


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_a_day_of_transfers_keeps_every_invariant(seed: int) -> None:
    transfers_of(seed)


def test_days_of_transfers_are_full_of_them() -> None:
    assert sum(map(transfers_of, range(1000, 1010))) > 20


@pytest.mark.timeout(300)  # ten seconds of CPU on a machine that others load
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_a_day_with_a_crowd_keeps_every_invariant(seed: int) -> None:
    crowded(seed)


def test_a_day_on_which_an_agent_takes_the_rest_of_what_was_to_be_taken_from_them_and_is_served() -> None:
    crowded(900_002)


def test_days_with_a_crowd_need_more_than_one_step() -> None:
    assert all("shed" in crowded(seed).crossed for seed in (2, 4))


def crowded(seed: int) -> CrowdedWalk:
    """The beginning of such a day."""
    day = CrowdedWalk(Random(seed))
    for _ in range(30):
        day.step()
    return day


def transfers_of(seed: int) -> int:
    """How many transfers there were on the day."""
    day = Walk(Random(seed), reruns=seed % 10 == 0)
    day.transfer_much()
    for _ in range(STEPS):
        day.step()
    return len(day.told.checker.transfers) if day.told.checker is not None else 0


@pytest.mark.timeout(300)  # half a minute of CPU on a machine that others load
def test_the_router_and_a_naive_scan_agree_on_a_hundred_thousand_random_cases() -> None:
    cases, seed = 0, 5000
    while cases < 100_000:
        day = Walk(Random(seed))
        for _ in range(STEPS):
            day.step()
        assert day.told.checker is not None
        cases, seed = cases + day.told.checker.cases, seed + 1

    assert seed > 5020  # over many different days
