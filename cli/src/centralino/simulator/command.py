"""`centralino simulate FILE`."""

import json
import sys
from pathlib import Path
from time import perf_counter

from centralino.simulator.driver import Driver
from centralino.simulator.report import as_json, as_text
from centralino.simulator.scenario import ScenarioError, read_scenario


def simulate(file: Path, *, days: int | None, seed: int | None, as_program: bool) -> int:
    """Run the file's scenario and print its figures; 2 and a sentence if the file cannot be used."""
    changes = {name: value for name, value in (("days", days), ("seed", seed)) if value is not None}
    try:
        scenario = read_scenario(file, **changes)
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2
    started = perf_counter()
    tally = Driver(scenario).run()
    seconds = perf_counter() - started
    if as_program:
        print(json.dumps(as_json(scenario, tally, seconds), indent=2))
    else:
        print(as_text(scenario, tally, seconds))
    return 0
