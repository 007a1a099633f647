"""What the embedded stack costs: seconds from the command to readiness, cold and warm, and its resident memory.

Cold: an empty data folder (database cluster, topics, schemas and sample tenant are made). Warm: the folder again.
Memory is the proportional set size (PSS) of every process: a page that several share counts once over all.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from centralino.backends import remove_postgres_data
from centralino.testing import started

from benchmarks.report import Report

WARM_STARTS = 3


def main() -> None:
    """Start it once cold and several times warm; the slowest warm start counts."""
    report = Report("stack")
    with TemporaryDirectory() as name:
        folder = Path(name)
        report.write("stack.cold_start", _start(folder)[0], "s", "<= 60")
        warm = [_start(folder) for _ in range(WARM_STARTS)]
        report.write("stack.warm_start", max(seconds for seconds, _ in warm), "s", "<= 10")
        report.write("stack.memory", max(memory for _, memory in warm) / 2**20, "MiB", "<= 1024")
        remove_postgres_data(folder / "data")


def _start(folder: Path) -> tuple[float, int]:
    """Seconds to readiness and bytes resident then."""
    began = time.monotonic()
    with started(folder / "data", folder / "output") as up:
        up.wait_until_ready()
        return time.monotonic() - began, up.report().memory_bytes


if __name__ == "__main__":
    main()
