"""100,000 deliveries of ten providers, shuffled and some twice, to two chat gateways that are killed while Kafka goes.

Each is sent at its own instant, whatever has become of those before; its acknowledgement is measured from that instant
on, over all attempts. Afterwards S6 is checked in the topics themselves. The exit code is 1 when it does not hold
or something was never acknowledged, and then data and logs stay.
"""

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from centralino.proof.faults import report as as_lines

from benchmarks.report import Report
from benchmarks.webhook_storm.figures import tell
from benchmarks.webhook_storm.plan import Size
from benchmarks.webhook_storm.storm import pass_over


def main(arguments: Sequence[str] | None = None) -> None:
    """Let it pass, tell the figures, write `build/bench/webhook_storm.jsonl`."""
    size = _size(arguments)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is stopped on purpose is no news
    folder = Path(mkdtemp(prefix="webhook-storm-"))
    passed = pass_over(size, folder)
    tell(Report("webhook_storm"), passed)
    if passed.faults:
        print(as_lines(passed.faults))
        sys.exit(f"S6 does not hold; data and logs are in {folder}")
    if any(sent.acked is None for sent in passed.sent):
        sys.exit(f"not all were acknowledged; data and logs are in {folder}")
    shutil.rmtree(folder)


def _size(arguments: Sequence[str] | None) -> Size:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhook_storm", description=__doc__)
    size = Size()
    parser.add_argument("--deliveries", type=int, default=size.deliveries)
    parser.add_argument("--rate", type=float, default=size.rate, help="deliveries a second (%(default)s)")
    parser.add_argument("--duplicates", type=float, default=size.duplicates, help="their share (%(default)s)")
    parser.add_argument("--shuffle-seconds", type=float, default=size.shuffle_seconds)
    parser.add_argument("--kills", type=int, default=size.kills, help="of gateways, in turn (%(default)s)")
    parser.add_argument("--restarts", type=int, default=size.restarts, help="of the broker (%(default)s)")
    parser.add_argument("--outage-seconds", type=float, default=size.outage_seconds, help="of the broker (%(default)s)")
    parser.add_argument("--kafka", choices=("real", "embedded"), default="real")
    parser.add_argument("--seed", type=int, default=size.seed)
    chosen = vars(parser.parse_args(arguments))
    return Size(real_kafka=chosen.pop("kafka") == "real", **chosen)


if __name__ == "__main__":
    main()
