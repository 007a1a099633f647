"""Python's garbage collector beside a state that is large, lives long and frees itself without it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

THRESHOLDS: Final = (50_000, 10, 10)
"""Objects more than were freed, before it looks at the youngest; how often until it looks at the older ones, and then
at all if they have become a quarter more. Python's own are 700, 10, 10."""


@contextmanager
def collector_relaxed() -> Iterator[None]:
    """It looks for garbage in circles more rarely: what an input leaves behind is none, and all of the state is seen
    each time that it looks at everything, while nothing is decided."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def collector_paused() -> Iterator[None]:
    """While a large state is built nothing of it is garbage, and looking for some takes three times as long as it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
