"""From rounds to figures: medians by arm, and ratios within a round: all else a shared machine makes worthless."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.report import FOLDER, Report

ROUNDS: Final = FOLDER / "pipeline.rounds.jsonl"
OURS: Final = "ours"
ALL: Final = "ours-all"
"""The same with routing's features configured."""
Run = Mapping[str, Any]
"""What the driver says of one arm's run, with the number of the round and the load average at its end."""
Round = Mapping[str, Run]

GOALS: Final = {
    "router_us": {"faststream-lazy": ">= 25", "call": ">= 8", "pipelined": ">= 3"},
    "events_per_second": {"faststream-lazy": ">= 15", "call": ">= 5", "pipelined": ">= 2", "null": ">= 0.4"},
}
"""Of ours against the arm, in favour of ours."""
ABSOLUTE: Final = {"pipeline.ours.valkey_us": "<= 2"}
UNITS: Final = {"events_per_second": "/s", "tasks_per_second": "/s", "rate": "/s", "p50_ms": "ms", "p99_ms": "ms"}


def keep(run: Run, *, number: int, load: float) -> None:
    """Add a run to those of this report."""
    ROUNDS.parent.mkdir(parents=True, exist_ok=True)
    with ROUNDS.open("a") as file:
        file.write(json.dumps({**run, "round": number, "load_average": round(load, 2)}) + "\n")


def set_aside(path: Path = ROUNDS) -> Path | None:
    """Make place for other rounds, so that a quick look costs no hours of measuring; returns where they are now."""
    if not path.exists():
        return None
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
    aside = next(name for name in names if not name.exists())
    return path.rename(aside)


def rounds(path: Path = ROUNDS) -> list[Round]:
    """What was kept, by round and arm; runs with faults count for nothing."""
    found: dict[int, dict[str, Run]] = defaultdict(dict)
    for line in path.read_text().splitlines() if path.exists() else ():
        run = json.loads(line)
        if not run["faults"]:
            found[run["round"]][run["arm"]] = run
    return [found[number] for number in sorted(found)]


def report(played: Sequence[Round]) -> None:
    """Print all figures and write `build/bench/pipeline.jsonl`."""
    out = Report("pipeline")
    arms = list(dict.fromkeys(arm for one in played for arm in one))
    for arm in arms:
        for phase in ("load", "calm", "half"):
            _medians(out, [one[arm] for one in played if arm in one], arm, phase)
    for mine in (OURS, ALL):
        for arm in arms:
            if arm != mine:
                _compare(out, played, mine, arm)
    _backlog(out, played)
    for mine in (OURS, ALL):
        _latencies(out, played, mine)
    _ratio(out, "load_average", [run["load_average"] for one in played for run in one.values()], "")


def _compare(out: Report, played: Sequence[Round], mine: str, arm: str) -> None:
    pairs = [(one[mine], one[arm]) for one in played if mine in one and arm in one]
    for name in ("router_us", "valkey_us", "kafka_us"):
        ratios = [other["load"][name] / ours["load"][name] for ours, other in pairs if ours["load"][name]]
        _ratio(out, f"{name}.{arm}_to_{mine}", ratios, GOALS.get(name, {}).get(arm, ""))
    speeds = [ours["load"]["events_per_second"] / other["load"]["events_per_second"] for ours, other in pairs]
    _ratio(out, f"events_per_second.{mine}_to_{arm}", speeds, GOALS["events_per_second"].get(arm, ""))


def _medians(out: Report, runs: Sequence[Run], arm: str, phase: str) -> None:
    found = [run[phase] for run in runs if phase in run]
    for name in found[0] if found else ():
        full = f"pipeline.{arm}.{name}" if phase == "load" else f"pipeline.{arm}.{phase}.{name}"
        values = [each[name] for each in found]
        out.write(full, median(values), UNITS.get(name, "us"), ABSOLUTE.get(full, ""), values=values)


def _backlog(out: Report, played: Sequence[Round]) -> None:
    costs = _pairs(played, "ours-backlog", OURS, lambda run: float(run["load"]["router_us"]))
    _ratio(out, "router_us.backlog_to_none", costs, "<= 1.5")


def _latencies(out: Report, played: Sequence[Round], mine: str) -> None:
    for phase, goal in (("calm", "<= 1.5"), ("half", "")):
        for name in ("p50_ms", "p99_ms"):

            def latency(run: Run, phase: str = phase, name: str = name) -> float | None:
                return float(run[phase][name]) if phase in run else None

            ratios = _pairs(played, mine, "null", latency)
            _ratio(out, f"{phase}.{name}.{mine}_to_null", ratios, goal if name == "p99_ms" else "")


def _pairs(played: Sequence[Round], one: str, other: str, figure: Callable[[Run], float | None]) -> list[float]:
    """A figure of one arm by that of another, in each round that has both."""
    ratios = []
    for each in played:
        pair = [figure(each[arm]) for arm in (one, other) if arm in each]
        if len(pair) == 2 and pair[0] is not None and pair[1]:
            ratios.append(pair[0] / pair[1])
    return ratios


def _ratio(out: Report, name: str, values: Sequence[float], goal: str) -> None:
    if values:
        out.write(f"pipeline.{name}", median(values), "" if name == "load_average" else "x", goal, values=values)
