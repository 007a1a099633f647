"""The figures of a benchmark, for people and for machines."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "build" / "bench"


class Report:
    """Prints each figure and keeps all of them as JSON lines {name, value, unit, goal} in `build/bench/<name>.jsonl`.

    A median of several values comes with their number, least and greatest: {..., rounds, min, max}.

    A new report replaces the file of the last run.
    """

    def __init__(self, name: str) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._file = FOLDER / f"{name}.jsonl"
        self._lines: list[str] = []

    def write(self, name: str, value: float, unit: str, goal: str = "", *, values: Sequence[float] = ()) -> None:
        """Add a figure; `goal` says what it should be (`<= 0.15`), empty when it is only for information."""
        figure: dict[str, object] = {"name": name, "value": round(value, 4), "unit": unit, "goal": goal}
        spread = ""
        if values:
            figure |= {"rounds": len(values), "min": round(min(values), 4), "max": round(max(values), 4)}
            spread = f"({len(values)} rounds, {min(values):,.3f} to {max(values):,.3f})"
        print(f"{name:<44} {value:>12,.3f} {unit:<6} {goal:<8} {spread}".rstrip())
        self._lines.append(json.dumps(figure))
        self._file.write_text("\n".join(self._lines) + "\n")

    def compare(
        self,
        name: str,
        pairs: Sequence[tuple[Any, Any]],  # Any: the figures of any benchmark
        *,
        rate: str,
        cost: str,
        goals: tuple[str, str],
    ) -> None:
        """Ours over a peer, both of one round: by the figure `rate`, by `cost` (`.by_cpu`) and by `p99_ms` (`.p99`).

        The goals are those of the first and the last.
        """
        rates = [getattr(ours, rate) / getattr(other, rate) for ours, other in pairs]
        self.write(name, median(rates), "x", goals[0], values=rates)
        spent = [getattr(other, cost) / getattr(ours, cost) for ours, other in pairs]
        self.write(f"{name}.by_cpu", median(spent), "x", values=spent)
        tails = [ours.p99_ms / other.p99_ms for ours, other in pairs]
        self.write(f"{name}.p99", median(tails), "x", goals[1], values=tails)
