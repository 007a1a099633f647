"""A whole stack, started as a person does: `centralino up` in a process of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from centralino.children import StartError
from centralino.home import Home, process_of
from centralino.web import status_of

READY_SECONDS_MAX: Final = 90.0
STOP_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.1
COMMAND: Final = "from centralino.app import main; main()"


@dataclass(frozen=True, slots=True)
class Running:
    """A stack that is ready."""

    home: Home
    output: Path
    """What `centralino up` prints."""

    @property
    def addresses(self) -> dict[str, str]:
        """Every address as a URL."""
        state = self.home.state()
        if state is None:
            raise StartError(f"the stack does not run any more:\n{self.output.read_text()}")
        return state.addresses

    def process(self, part: str) -> psutil.Process | None:
        """The process of a part; none while it is dead."""
        state = self.home.state()
        found = [process_of(each.pid, each.created) for each in (state.parts if state else ()) if each.name == part]
        return found[0] if found else None


@contextmanager
def running_stack(folder: Path, *, given: Sequence[str] = ()) -> Iterator[Running]:
    """Start a stack with its data in `folder`, without a tenant; `given` are more options (`--kafka host:port`)."""
    folder.mkdir(parents=True, exist_ok=True)
    running = Running(Home.open(folder / "data"), folder / "up.log")
    command = [sys.executable, "-c", COMMAND, "up", "--no-sample", "--data", str(running.home.folder), *given]
    with running.output.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait_until_ready(process, running)
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        running.home.end_leftovers()


def _wait_until_ready(process: "subprocess.Popen[bytes]", running: Running) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not _is_ready(running.home):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartError(f"the stack did not start:\n{running.output.read_text()}")
        time.sleep(POLL_SECONDS)


def _is_ready(home: Home) -> bool:
    state = home.state()
    urls = [part.ready_url for part in state.parts if part.ready_url] if state else []
    return bool(urls) and all(status_of(url) == 200 for url in urls)
