"""What the checker finds wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from typing_extensions import override

SHOWN_MAX: Final = 30
Invariant = Literal["S1", "S2", "S3", "S4", "S5", "S6", "L1", "L2", "L3", "L4", "L5"]


@dataclass(frozen=True, slots=True)
class Fault:
    """An invariant is broken: where (a sequence, an offset or a table) and how."""

    invariant: Invariant
    place: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.invariant} at {self.place}: {self.text}"


def report(faults: Sequence[Fault]) -> str:
    """The first faults, one a line; empty when there is none."""
    lines = [str(fault) for fault in faults[:SHOWN_MAX]]
    if len(faults) > SHOWN_MAX:
        lines.append(f"and {len(faults) - SHOWN_MAX} more")
    return "\n".join(lines)
