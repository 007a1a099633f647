"""The garbage collector beside a state: it rests, or looks more rarely, and is as before afterwards."""

import gc
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from router.engine.collector import THRESHOLDS, collector_paused, collector_relaxed


def seen_inside(manner: Callable[[], AbstractContextManager[None]]) -> tuple[bool, tuple[int, int, int]]:
    """Whether it is on in there, and its thresholds; the work fails."""
    seen: list[tuple[bool, tuple[int, int, int]]] = []

    def work() -> None:
        with manner():
            seen.append((gc.isenabled(), gc.get_threshold()))
            raise LookupError

    with pytest.raises(LookupError):
        work()
    return seen[0]


def test_it_rests_while_a_state_is_built_and_works_again_even_after_a_failure() -> None:
    enabled, _ = seen_inside(collector_paused)

    assert not enabled
    assert gc.isenabled()


def test_it_looks_more_rarely_while_an_engine_runs_and_as_often_as_before_afterwards() -> None:
    before = gc.get_threshold()

    enabled, thresholds = seen_inside(collector_relaxed)

    assert enabled
    assert thresholds == THRESHOLDS
    assert gc.get_threshold() == before != THRESHOLDS
