"""A soak: `python -m centralino.proof.soak --minutes 20`, or `make soak MINUTES=20`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

import httpx
from servicekit.testing import kafka_jars

from centralino.proof.faults import report
from centralino.proof.running import Running, running_stack
from centralino.proof.soak.meter import Meter
from centralino.proof.soak.verdict import Row, lag_faults, rows_of, table
from centralino.proof.story import Story
from centralino.proof.trials.watch import Watch

EXIT_FAULTS: Final = 1
WARMUP_SHARE: Final = 0.25
GRACE_SECONDS: Final = 240
STOP_SECONDS_MAX: Final = 60


def main(arguments: Sequence[str]) -> int:
    """0: flat, bounded and sound; 1: not."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        given = []
        if options.kafka == "real":
            given = ["--kafka", stack.enter_context(kafka_jars.kafka_from_jars(options.out / "kafka"))]
        running = stack.enter_context(running_stack(options.out, given=given))
        return asyncio.run(soak(running, options))


async def soak(running: Running, options: argparse.Namespace) -> int:
    """The load, what is measured meanwhile, and the verdict; all of it stands in `options.out` afterwards."""
    seconds = options.minutes * 60
    story = Story(
        home=running.home,
        addresses=running.addresses,
        chats=round(seconds * options.per_second),
        agents=options.agents,
        arrivals_per_second=options.per_second,
        seconds_max=seconds + GRACE_SECONDS,
    )
    watch = Watch(addresses=running.addresses)
    async with httpx.AsyncClient() as client, story.opened():
        meter = Meter(stack=running, client=client, lines=options.out / "uses.jsonl")
        watching = [asyncio.create_task(meter.watch()), asyncio.create_task(watch.watch_lags())]
        await story.tell()
        for task in watching:
            task.cancel()
        await asyncio.wait(watching, timeout=STOP_SECONDS_MAX)
    rows = rows_of(meter.uses, WARMUP_SHARE * seconds, options.per_second)
    faults = [*lag_faults(watch.lags, watch.clock.now_ms())]
    broken = await story.faults()
    return _tell(options, rows, faults + ([report(broken)] if broken else []))


def _tell(options: argparse.Namespace, rows: Sequence[Row], faults: Sequence[str]) -> int:
    sound = not faults and not any(row.faults for row in rows)
    head = (
        f"{options.minutes:g} minutes, {options.per_second:g} chats/s, {options.agents} agents, {options.kafka} Kafka"
    )
    told = f"{head}: {'sound' if sound else 'not sound'}\n\n{table(rows)}\n\n" + "\n".join(faults)
    (options.out / "summary.md").write_text(told.rstrip() + "\n")
    document = {"sound": sound, "faults": faults, "rows": [asdict(row) for row in rows]}
    (options.out / "summary.json").write_text(json.dumps(document, indent=1))
    print(told)
    return 0 if sound else EXIT_FAULTS


def above_nought(text: str) -> float:
    """A number above nought."""
    number = float(text)
    if number <= 0:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="centralino.proof.soak", description=__doc__)
    parser.add_argument("--minutes", type=above_nought, default=20)
    parser.add_argument("--per-second", type=above_nought, default=1.0, help="chats that begin in a second")
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--kafka", choices=("embedded", "real"), default="embedded")
    parser.add_argument("--out", type=Path, default=Path("build/soak"), help="emptied data go below it")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
