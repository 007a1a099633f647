"""Many simulated stories on all cores.

python -m centralino.proof.simulation.many 500 3000     tells the seeds from 500 up to but not including 3000
"""

import argparse
import logging
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from centralino.proof.faults import report
from centralino.proof.simulation.plan import plan_of
from centralino.proof.simulation.story import Told, tell

SEEDS_AT_ONCE: Final = 5


def tell_many(seeds: range) -> Iterator[Told]:
    """The stories of these seeds, in order, as they are told."""
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawning, initializer=_be_quiet) as pool:
        yield from pool.map(_tell_seed, seeds, chunksize=SEEDS_AT_ONCE)


def describe(told: Told) -> str:
    """What is needed to understand a failed seed."""
    return "\n".join([str(told.plan), *told.deaths, report(told.faults)])


def _tell_seed(seed: int) -> Told:
    return tell(plan_of(seed))


def _be_quiet() -> None:
    logging.disable(logging.CRITICAL)


def main() -> int:
    """Answers 1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m centralino.proof.simulation.many", description=__doc__)
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("end", type=int, help="the seed after the last one")
    options = parser.parse_args()
    if options.end <= options.first:
        parser.error("the end has to come after the first seed")
    happened: Counter[str] = Counter()
    failed = 0
    for told in tell_many(range(options.first, options.end)):
        happened.update(told.happened)
        if told.faults:
            failed += 1
            print(describe(told), flush=True)
    for name, count in sorted(happened.items()):
        print(f"{count:>8} {name}")
    print(f"{failed} seeds failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
