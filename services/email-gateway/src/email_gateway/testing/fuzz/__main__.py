"""Says what it found; answers 1 after a failure, whose message it keeps."""

import argparse
import resource
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from servicekit.system import SystemClock

from email_gateway.testing.fuzz.run import Found, fuzz


def main(arguments: Sequence[str] | None = None) -> int:
    """One line per file of the domain, then the costs."""
    parser = argparse.ArgumentParser(
        prog="python -m email_gateway.testing.fuzz", description="Fuzzes the parsing of mail."
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same messages")
    parser.add_argument("--memory-megabytes", type=int, default=2048, help="address space that the process may take")
    parser.add_argument(
        "--keep", type=Path, default=Path("build/fuzz"), help="folder for a message that broke something"
    )
    given = parser.parse_args(arguments)
    space = given.memory_megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    clock = SystemClock()
    until_ms = clock.now_ms() + given.seconds * 1000
    found = fuzz(given.seed, goes_on=lambda _: clock.now_ms() < until_ms)
    _report(found)
    if found.failure is None:
        return 0
    given.keep.mkdir(parents=True, exist_ok=True)
    path = given.keep / f"seed-{given.seed}-{found.failure.number}.eml"
    path.write_bytes(found.failure.raw)
    sys.stdout.write("".join(traceback.format_exception(found.failure.error)) + f"kept in {path}\n")
    return 1


def _report(found: Found) -> None:
    rows = found.coverage.report()
    for name, (reached, lines, missing) in rows.items():
        sys.stdout.write(f"{name:22} {reached:4} of {lines:4} lines; not: {', '.join(map(str, missing)) or 'none'}\n")
    reached, lines = sum(row[0] for row in rows.values()), sum(row[1] for row in rows.values())
    costs = found.costs
    sys.stdout.write(
        f"coverage {reached} of {lines} lines ({100 * reached / lines:.1f} %)\n"
        f"{costs.messages} messages, {costs.bytes} bytes, {costs.cpu_seconds:.1f} s of processor, "
        f"{found.grown} of them reached new lines\n"
        f"worst share of the time allowed {costs.time_share:.2f}, of the memory {costs.memory_share:.2f}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
