"""Many trials: `python -m centralino.proof.trials --seeds 20 --part router-engine --kind kill`, or `make faults`."""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from servicekit.testing import kafka_jars

from centralino.proof.trials.plan import KINDS, PARTS, Plan, cases, plan_of
from centralino.proof.trials.report import line, summary, unmet
from centralino.proof.trials.trial import Size, Verdict, judge_plans

EXIT_FAULTS: Final = 1
EXIT_USAGE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """0: every promise was kept, in each trial and by all together; 1: not; 2: nothing to do, or no Java for Kafka."""
    options = _parser().parse_args(arguments)
    chosen = cases(options.part or PARTS, options.kind or KINDS)
    missing = kafka_jars.available() if options.kafka == "real" else None
    if missing or not chosen:
        print(missing or "there is no such kind for this part", file=sys.stderr)
        return EXIT_USAGE
    plans = [plan_of(seed, chosen) for seed in range(options.first, options.first + options.seeds)]
    for plan in plans:
        print(plan, flush=True)
    verdicts = Campaign(options).run(plans)
    broken = unmet(verdicts, options.patience)
    told = "\n\n".join([summary(verdicts), *broken])
    (options.out / "summary.md").write_text(f"{told}\n")
    print(f"\n{told}\n\nEach trial is a line of {options.out / 'trials.jsonl'}.", flush=True)
    return 0 if all(verdict.sound for verdict in verdicts) and not broken else EXIT_FAULTS


@dataclass(slots=True)
class Campaign:
    """Trials on several stacks at the same time, several plans on each stack."""

    options: argparse.Namespace
    verdicts: list[Verdict] = field(default_factory=list)

    def run(self, plans: Sequence[Plan]) -> list[Verdict]:
        """All of them, telling each as it ends."""
        options, stories = self.options, self.options.stories
        size = Size(chats=options.chats, real_kafka=options.kafka == "real", patience=options.patience)
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "trials.jsonl").write_text("")
        waiting = [plans[start : start + stories] for start in range(0, len(plans), stories)]
        running: dict[Future[list[Verdict]], Sequence[Plan]] = {}
        # Not forked: a trial has an event loop and threads of its own.
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            while waiting or running:
                while waiting and len(running) < options.jobs:
                    chunk = waiting.pop(0)
                    running[pool.submit(judge_plans, chunk, size, self._folder(chunk))] = chunk
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    chunk, judged = running.pop(done), done.result()
                    self._tell(chunk, judged, len(plans))
                    if len(judged) < len(chunk):
                        waiting.insert(0, chunk[len(judged) :])
        return self.verdicts

    def _folder(self, chunk: Sequence[Plan]) -> Path:
        folder: Path = self.options.out / f"{self.options.kafka}-{chunk[0].seed}-{chunk[0].kind}-{chunk[0].part}"
        return folder

    def _tell(self, chunk: Sequence[Plan], judged: Sequence[Verdict], wanted: int) -> None:
        with (self.options.out / "trials.jsonl").open("a") as lines:
            for verdict in judged:
                lines.write(json.dumps(verdict.as_json()) + "\n")
                self.verdicts.append(verdict)
                print(line(verdict, len(self.verdicts), wanted), flush=True)
        if not judged[-1].sound:
            for fault in judged[-1].faults[:20]:
                print(f"    {fault}")
            print(f"    data and logs: {self._folder(chunk)}\n    again: {self._again(judged)}", flush=True)

    def _again(self, judged: Sequence[Verdict]) -> str:
        """The command that carries out the plans of this stack again, the last of which was not sound."""
        options, count = self.options, len(judged)
        words = [f"FIRST={judged[0].plan.seed} SEEDS={count} STORIES={count} CHATS={options.chats}"]
        words += [f"KAFKA={options.kafka} PATIENCE={options.patience:g}"]
        words += [f"PART='{' '.join(options.part)}'"] if options.part else []
        words += [f"KIND='{' '.join(options.kind)}'"] if options.kind else []
        return f"make faults {' '.join(words)}"


def positive(text: str) -> int:
    """A whole number above nought."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m centralino.proof.trials", description=__doc__)
    parser.add_argument("--seeds", type=positive, default=7, metavar="N", help="how many trials (default: %(default)s)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed (default: %(default)s)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this kind; may be repeated")
    parser.add_argument("--kafka", choices=("embedded", "real"), default="embedded")
    parser.add_argument("--chats", type=positive, default=Size().chats, metavar="N", help="of each story")
    parser.add_argument(
        "--stories", type=positive, default=5, metavar="N", help="trials on one stack, one after the other"
    )
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="stacks at the same time")
    parser.add_argument("--patience", type=float, default=1.0, metavar="X", help="stretches every bound of time")
    parser.add_argument("--out", type=Path, default=Path("build/faults"), metavar="DIR", help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
