"""`docs/metrics-formulas.md`, written from the formulas; `contracts.docs` writes and checks it."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contracts.metrics import COUNT_NAMES, COUNTING, FORMULAS, Counts, Formula
from contracts.schema import field_notes

PAGE: Final = Path("docs/metrics-formulas.md")
_HEAD: Final = f"""\
# What figures mean

Generated from `libs/contracts/src/contracts/metrics.py` by `make docs`; a test fails when it is not current.

Every figure is computed from the router's events ([events](events.md), topic `routing.events`) and from nothing else,
by one piece of code that the router (live) and the CRM (history) share: `contracts.metering` says what an event adds to
which count, `contracts.meter` folds events in order. Whoever reads the topic can do the same. A test recounts random
histories naively and compares every count.

- A figure is named with its version: `service_level.v1`. Its meaning never changes; another meaning is another version
  beside it.
- Numerator and denominator are kept as whole numbers, by queue, client and channel, and by agent, for every quarter of
  an hour (UTC). A longer time, or several queues, is the sum of the numerators over the sum of the denominators.
- Each event counts in the interval of its own instant, in the queue where the task was then. A repeated event is passed
  over by its `sequence`, so that nothing counts twice.
- A denominator of zero has no ratio: nobody can say, and it is neither 0 nor 100 %.
- Figures stay for good. The events behind them, and so the tasks, can be asked of the CRM for
  `CENTRALINO_METRICS_EVIDENCE_DAYS` (400).
- These are the rules of counting number {COUNTING}; counts of another number are kept beside them, never mixed.

Prometheus metrics of processes are another thing: [metrics](metrics.md).
"""
_UNITS: Final = {
    "number": "a number",
    "share": "a share (0 to 1)",
    "milliseconds": "milliseconds",
    "times": "a number of tasks",
}


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_formulas(), *_counts()])


def _formulas() -> Iterator[str]:
    yield "## Formulas\n"
    for formula in FORMULAS:
        yield f"### `{formula.name}`: {formula.title}\n"
        yield f"{formula.says}\n"
        yield f"    {_written(formula)}\n"
        yield f"Unit: {_UNITS[formula.unit]}. Of each {' and each '.join(formula.of)}.\n"


def _written(formula: Formula) -> str:
    numerator = " + ".join(formula.numerator) + "".join(f" - {name}" for name in formula.less)
    if not formula.denominator:
        return numerator
    denominator = " + ".join(formula.denominator)
    return f"{numerator} / {denominator}" if len(formula.denominator) == 1 else f"({numerator}) / ({denominator})"


def _counts() -> Iterator[str]:
    yield "## Counts\n"
    yield f"{inspect.getdoc(Counts)}\n"
    yield "| count | what it counts |"
    yield "|---|---|"
    notes = field_notes(Counts)
    for name in COUNT_NAMES:
        yield f"| `{name}` | {notes[name].replace(chr(10), ' ')} |"
    yield ""
