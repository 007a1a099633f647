"""The figures of a benchmark, for people and for machines."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

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
