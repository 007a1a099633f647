"""Child processes of the embedded stack: started with a log file, ended with their parent, stopped by pid."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LOG_BYTES_MAX: Final = 8 * 1024 * 1024


class StartError(Exception):
    """A part of the embedded stack did not start; its last log lines are in the message."""


@dataclass(slots=True)
class Child:
    """A process that we started, and where its log goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    asked: bool = False

    def running(self) -> bool:
        """Whether the process is alive."""
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Once: a second signal means `at once` to some."""
        if not self.asked and self.running():
            self.asked = True
            self.process.send_signal(self.stop_signal)

    def stop(self, *, timeout_seconds: float) -> None:
        """Ask it to end, wait so long, then kill it."""
        if self.running():
            self.ask_to_stop()
            try:
                self.process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout_seconds)

    def bound_log(self) -> None:
        """Put a log that has grown too long aside; the process goes on writing at the end of the emptied file."""
        if self.log.stat().st_size > _LOG_BYTES_MAX:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def tail(self, lines_max: int = 15) -> str:
        """The last lines of its log."""
        return tail(self.log, lines_max)


def spawn(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: int | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a process that appends to `log` and gets `stop_signal` when this process dies."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(environment) if environment is not None else None,
            user=user,
            extra_groups=[] if user is not None else None,
            cwd="/",
            preexec_fn=_die_with_parent(stop_signal),  # noqa: PLW1509 - no threads here; the only way to set it
            start_new_session=True,  # Ctrl-C reaches only the parent, which stops its children in order
        )
    return Child(name, process, log, stop_signal)


def wait_ready(child: Child, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
    """Wait until `ready` says so; raises StartError with the log's end when the process dies or time is up."""
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if not child.running():
            raise StartError(f"{child.name} ended with code {child.process.returncode}:\n{child.tail()}")
        if time.monotonic() > deadline:
            child.stop(timeout_seconds=5)
            raise StartError(f"{child.name} was not ready after {timeout_seconds:.0f} s:\n{child.tail()}")
        time.sleep(0.02)


def port_open(port: int) -> bool:
    """Whether something listens on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def free_port(wanted: int | None = None) -> int:
    """A loopback port that is free now: the wanted one if possible."""
    for port in (wanted, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StartError("no free port on 127.0.0.1")


def tail(log: Path, lines_max: int) -> str:
    """The last lines of a log file, or nothing when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines_max:])


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Linux ends the child when the parent dies, even by SIGKILL; elsewhere `up` stops its children itself."""
    try:
        libc = ctypes.CDLL(None)
        prctl = libc.prctl
    except (OSError, AttributeError):
        return None
    return lambda: prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
