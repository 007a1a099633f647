"""Plays the job with one arm after the other, round by round, and reports figures and ratios."""

import argparse
import os
import pstats
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.pipeline import figures
from benchmarks.pipeline.parts import Backends, arm_process, backends, drive, empty
from benchmarks.report import FOLDER

RUN_SECONDS_MAX: Final = 400.0
PROFILE_LINES: Final = 40


@dataclass(frozen=True, slots=True)
class Arm:
    """How to start it, and what is special about its job."""

    module: str
    way: str
    backlog: int = 0


PEERS: Final = "benchmarks.pipeline.arms"
ARMS: Final = {
    "null": Arm(f"{PEERS}.relay", "null"),
    "faststream": Arm(f"{PEERS}.faststreamed", "commit"),
    "faststream-lazy": Arm(f"{PEERS}.faststreamed", "lazy"),
    "call": Arm(f"{PEERS}.handwritten", "call"),
    "pipelined": Arm(f"{PEERS}.handwritten", "pipelined"),
    "ours": Arm("router.app", "engine"),
    "ours-all": Arm("router.app", "engine"),
    "ours-full": Arm("router.app", "engine"),
    "ours-backlog": Arm("router.app", "engine", backlog=50_000),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """All rounds, then the report over them and those kept from before."""
    options = _options(arguments)
    if not options.resume:
        aside = figures.set_aside()
        if aside is not None:
            print(f"the rounds of before are in {aside}")
    before = len(figures.rounds())
    with backends() as parts:
        for number in range(before, before + options.rounds):
            arms = options.arms.split(",")
            for arm in arms if number % 2 == 0 else reversed(arms):
                result = run(parts, arm, options)
                figures.keep(result, number=number, load=os.getloadavg()[0])
                _say(number, result)
    figures.report(figures.rounds())


def run(parts: Backends, arm: str, options: argparse.Namespace) -> dict[str, Any]:
    """One arm's run on empty topics."""
    empty(parts)
    what = ARMS[arm]
    profile = FOLDER / f"pipeline.{arm}.pstats" if options.profile else None
    command = [sys.executable, *(["-m", "cProfile", "-o", str(profile)] if profile else []), "-m", what.module]
    # The engine is told by its settings.
    places = [] if what.way == "engine" else [f"--kafka={parts.kafka}", f"--redis={parts.redis}"]
    command += [what.way, *places]
    log = FOLDER / f"pipeline.{arm}.log"
    log.unlink(missing_ok=True)
    with arm_process(parts, command, log) as child:
        plan = {
            "arm": arm,
            "router-pid": child.process.pid,
            "warm-seconds": options.warm_seconds,
            "seconds": options.seconds,
            "backlog": options.backlog or what.backlog,
            "latency-seconds": 0 if what.backlog else options.latency_seconds,
            "rate": options.rate,
        }
        result = drive(parts, child, plan, RUN_SECONDS_MAX)
    if profile:
        pstats.Stats(str(profile)).sort_stats("tottime").print_stats(PROFILE_LINES)
    return result


def _say(number: int, result: dict[str, Any]) -> None:
    load = result["load"]
    costs = ", ".join(f"{part} {load[f'{part}_us']:.1f}" for part in ("router", "valkey", "kafka", "driver"))
    print(
        f"round {number} {result['arm']}: {load['events_per_second']:,.0f} events/s; us an event: {costs}", flush=True
    )
    for phase in ("calm", "half"):
        if phase in result:
            print(f"  {phase}: " + ", ".join(f"{name} {value:.2f}" for name, value in result[phase].items()))
    for fault in result["faults"]:
        print(f"  FAULT {fault}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--arms", default=",".join(ARMS), help="comma-separated, of %(default)s")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5, help="measured under full load")
    parser.add_argument("--warm-seconds", type=float, default=1.5, help="under full load before that")
    parser.add_argument("--latency-seconds", type=float, default=6, help="at `rate` and at half load each; 0: neither")
    parser.add_argument("--rate", type=float, default=200, help="tasks a second of the calm phase")
    parser.add_argument("--backlog", type=int, default=0, help="so many more tasks wait in each domain")
    parser.add_argument("--resume", action="store_true", help="add to the rounds of the last report")
    parser.add_argument("--profile", action="store_true", help="run arms under cProfile and leave its files")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.arms.split(",")) - set(ARMS)
    if unknown:
        parser.error(f"no such arm: {', '.join(sorted(unknown))}")
    return chosen


if __name__ == "__main__":
    main()
