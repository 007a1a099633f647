"""One domain with a million waiting tasks and 100,000 agents: what it weighs, and how long a take-over takes.

The features of `benchmarks.features` are configured; the cap of one client leaves agents idle. Seconds are CPU
time, memory is what the kernel says of the process. A take-over loads the snapshot, then folds what the journal has
behind it: decoding and folding is measured on `task.queued`.
"""

import gc
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from router.domain.facts import Fact, JournaledFact, decode_facts, encode_facts
from router.domain.fold import fold
from router.domain.snapshot import dump, load
from router.domain.state import State
from router.engine.collector import collector_paused
from router.testing.story import TENANT

from benchmarks.match import Centre
from benchmarks.report import Report

TASKS: Final = 1_000_000
AGENTS: Final = 100_000
JOURNALED: Final = 50_000
MIB: Final = 2**20
Result = TypeVar("Result")


def main() -> None:
    """Measure, print, and write `build/bench/scale.jsonl`. Takes minutes and several GiB."""
    report = Report("scale")
    centre = Centre(every_feature=True, agents=AGENTS)
    report.write("scale.busy_agents", len(centre.busy), "")
    report.write("scale.memory_before_tasks", _resident() / MIB, "MiB")
    centre.fill(TASKS)
    report.write("scale.memory", _resident() / MIB, "MiB")
    with collector_paused():
        data, seconds = _timed(partial(dump, centre.story.state))
    report.write("scale.dump", seconds, "s")
    report.write("scale.snapshot", len(data) / MIB, "MiB")
    centre.story.state = State()
    with collector_paused():
        state, seconds = _timed(partial(load, data))
    report.write("scale.load", seconds, "s")
    centre.story.state = state
    del data
    report.write("scale.memory_after_load", _resident() / MIB, "MiB")
    report.write("scale.fold", _fold_us(centre), "us")
    report.write("scale.first_claim", _first_claim_seconds(centre), "s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report.write("scale.memory_peak", peak / MIB, "MiB")


def _fold_us(centre: Centre) -> float:
    """Decoding and folding a fact of the journal."""
    facts = [Fact(TENANT, queued) for queued in centre.queued(JOURNALED)]
    text = msgspec.json.encode(encode_facts(facts))
    state, now_ms = centre.story.state, centre.story.now_ms

    def work() -> None:
        for fact in decode_facts(msgspec.json.decode(text, type=list[JournaledFact])):
            fold(state, fact, now_ms)

    return _timed(work)[1] * 1e6 / JOURNALED


def _first_claim_seconds(centre: Centre) -> float:
    """The first decision files what the load has not: every lane and every group."""
    agent_id, assignment_id = centre.busy[0]
    return _timed(lambda: centre.story.complete(agent_id, assignment_id))[1]


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def _resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
