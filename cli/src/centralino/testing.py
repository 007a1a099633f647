"""`centralino up` as a process, for tests and benchmarks: start it, read what it says, ask its status, stop it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from centralino.home import Home, process_of
from centralino.status import Report, report_of

START_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 40.0
_POLL_SECONDS: Final = 0.05
COMMAND: Final = (sys.executable, "-m", "centralino")


class Up:
    """A started `up`; `output` is everything it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path, data: Path) -> None:
        self.process = process
        self.data = data
        self._output = output

    @property
    def output(self) -> str:
        """What it printed, errors too."""
        return self._output.read_text()

    def report(self) -> Report:
        """What `centralino status --json` tells."""
        return report_of(Home.open(self.data))

    def pids(self) -> dict[str, int]:
        """The process of each part."""
        return {part.name: part.pid for part in self.report().parts}

    def wait_until_ready(self) -> "Up":
        """Until everything runs; raises AssertionError with the output when it ends or takes too long."""
        self.wait_for(lambda: "Centralino is ready" in self.output, seconds=START_SECONDS_MAX)
        return self

    def wait_for(self, check: Callable[[], bool], *, seconds: float = 20.0) -> None:
        """Until the check is true; raises AssertionError when `up` ends first or time is up."""
        deadline = time.monotonic() + seconds
        while not check():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"exit code {self.process.returncode}, output:\n{self.output}")
            time.sleep(_POLL_SECONDS)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signal it and wait; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)

    def wait_until_parts_ended(self, parts: Sequence[tuple[int, float]]) -> None:
        """Until none of these processes (pid, start time) is left."""
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while left := [pid for pid, created in parts if process_of(pid, created)]:
            if time.monotonic() > deadline:
                raise AssertionError(f"still running: {left}")
            time.sleep(_POLL_SECONDS)


@contextmanager
def started(data: Path, output: Path, *arguments: str, command: Sequence[str] = COMMAND) -> Iterator[Up]:
    """Start `up` on a data folder, its output in a file; it is ended afterwards."""
    with output.open("wb") as out:
        process = subprocess.Popen(
            [*command, "up", "--data", str(data), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    running = Up(process, output, data)
    try:
        yield running
    finally:
        try:
            running.end()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS_MAX)
