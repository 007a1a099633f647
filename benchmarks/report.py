"""The figures of a benchmark, for people and for machines."""

import json
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "build" / "bench"


class Report:
    """Prints each figure and keeps all of them as JSON lines {name, value, unit, goal} in `build/bench/<name>.jsonl`.

    A new report replaces the file of the last run.
    """

    def __init__(self, name: str) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._file = FOLDER / f"{name}.jsonl"
        self._lines: list[str] = []

    def write(self, name: str, value: float, unit: str, goal: str = "") -> None:
        """Add a figure; `goal` says what it should be (`<= 0.15`), empty when it is only for information."""
        print(f"{name:<44} {value:>12,.3f} {unit:<6} {goal}")
        figure = {"name": name, "value": round(value, 4), "unit": unit, "goal": goal}
        self._lines.append(json.dumps(figure))
        self._file.write_text("\n".join(self._lines) + "\n")
