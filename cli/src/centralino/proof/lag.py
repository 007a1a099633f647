"""L2: how far those who read are behind, as Kafka and the outboxes tell it.

The engine keeps its positions in the journal and not in a group; whether it is behind is seen by its answers: every
command that Kafka holds has a result (`find_faults`), every interaction a task (S1).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from centralino.proof.faults import Fault
from centralino.proof.timing import Bounds, Trouble


@dataclass(frozen=True, slots=True)
class Lag:
    """Records or rows that each reader had still to take at one moment, by reader."""

    at_ms: int
    behind: Mapping[str, int]


def lag_faults(lags: Sequence[Lag], trouble: Trouble, bounds: Bounds) -> Iterator[Fault]:
    """Readers that were not once at the end in time after the trouble, or are not in the end."""
    last = lags[-1].behind if lags else {}
    for name in sorted({name for lag in lags for name in lag.behind}):
        caught_up_ms = caught_up_at_ms([lag for lag in lags if name in lag.behind], trouble, name)
        if caught_up_ms is None:
            yield Fault("L2", name, f"never came to the end after the trouble; it is {last.get(name)} behind")
        elif caught_up_ms - trouble.calm_at_ms > bounds.ms(bounds.lag_seconds):
            yield Fault("L2", name, f"came to the end {caught_up_ms - trouble.calm_at_ms} ms after the trouble")
        elif last.get(name, 0):
            yield Fault("L2", name, f"is {last[name]} behind in the end")
    if not lags:
        yield Fault("L2", "the end", "nobody could be asked how far they are")


def caught_up_at_ms(lags: Sequence[Lag], trouble: Trouble, name: str | None = None) -> int | None:
    """The first moment after the trouble at which this reader, or else each of them, had come to the end once."""
    waiting = {name} if name is not None else {each for lag in lags for each in lag.behind}
    for lag in lags:
        if lag.at_ms >= trouble.calm_at_ms:
            waiting -= {each for each in waiting if lag.behind.get(each) == 0}
        if not waiting:
            return lag.at_ms
    return None
