"""A Debian with Asterisk in a folder, for tests: made once by debootstrap in the user's cache.

67 MB of packages beside the base system, 450 MB on disk, about a minute. It comes from the mirror that the machine's
own apt uses. All mounts are made in a name space of their own and end with it: what removes the folder can remove
nothing else.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

FORM: Final = 1
"""Of what `MAKE` makes: a new number makes it anew."""
SUITE: Final = "sid"
"""Where Debian has Asterisk 22; its stable releases have none."""
INSTALL_TIMEOUT_SECONDS: Final = 600
NODE_FOLDER: Final = "/srv/node"
"""Where a node sees its own files."""
_SOURCES: Final = ("/etc/apt/sources.list", "/etc/apt/sources.list.d")
_TOOLS: Final = ("debootstrap", "unshare", "chroot")

# No service is started (policy-rc.d), and no name is asked for that only a resolver knows.
MAKE: Final = """set -eu
debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$ROOT" "$MIRROR" >"$LOG" 2>&1
printf '#!/bin/sh\\nexit 101\\n' >"$ROOT/usr/sbin/policy-rc.d"
chmod +x "$ROOT/usr/sbin/policy-rc.d"
cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
echo 'APT::Install-Recommends "false"; Acquire::Check-Valid-Until "false";' >"$ROOT/etc/apt/apt.conf.d/99tests"
chroot "$ROOT" apt-get update >>"$LOG" 2>&1
DEBIAN_FRONTEND=noninteractive chroot "$ROOT" apt-get install -y \\
    asterisk asterisk-core-sounds-en-gsm asterisk-moh-opsound-gsm >>"$LOG" 2>&1
chroot "$ROOT" apt-get clean
rm -rf "$ROOT"/var/lib/apt/lists/*
: >"$ROOT/etc/apt/sources.list"
rm -f "$ROOT"/etc/apt/sources.list.d/*
mkdir -p "$ROOT/srv/node"
: >"$ROOT/etc/hosts"
"""


class AsteriskNotInstalledError(RuntimeError):
    """The system for tests could not be made; the end of what its tools said is in the message."""


@cache
def available() -> str | None:
    """The reason why Asterisk cannot be had here, or None if it can; then it has been installed."""
    if os.geteuid() != 0:
        return "a real Asterisk needs root, to make its system in a folder"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        return f"a real Asterisk needs {' and '.join(missing)}"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False, capture_output=True).returncode:
        return "a real Asterisk needs name spaces of its own, which this machine does not give"
    if not _root().exists() and mirror(_apt_sources()) is None:
        return "a real Asterisk needs a mirror of Debian in the machine's apt sources"
    try:
        asterisk_root()
    except AsteriskNotInstalledError as error:
        return f"a real Asterisk could not be installed: {error}"
    return None


def mirror(sources: Iterable[str]) -> str | None:
    """The first mirror of Debian itself in the texts of apt's sources, of either form; none: there is none."""
    for text in sources:
        for line in text.splitlines():
            found = re.match(r"(?:URIs:|deb(?:\s+\[[^]]*])?)\s+(https?://\S+/debian/?)(?:\s|$)", line.strip())
            if found:
                return found[1].rstrip("/")
    return None


def asterisk_root() -> Path:
    """The system with Asterisk; makes it if it is not there, and waits while another process does. The rename makes a
    half install invisible. Raises AsteriskNotInstalledError."""
    root = _root()
    if root.exists():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / "asterisk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            with tempfile.TemporaryDirectory(dir=root.parent, prefix="asterisk-") as scratch:
                _make(Path(scratch))
                (Path(scratch) / "root").rename(root)
    return root


def _root() -> Path:
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_home / "centralino" / f"asterisk-{SUITE}-{FORM}"


def _apt_sources() -> list[str]:
    paths = [Path(_SOURCES[0]), *sorted(Path(_SOURCES[1]).glob("*"))]
    return [path.read_text(errors="replace") for path in paths if path.is_file()]


def _make(scratch: Path) -> None:
    log = scratch / "log"
    log.touch()
    environment = {**os.environ, "SUITE": SUITE, "ROOT": str(scratch / "root"), "LOG": str(log)}
    environment |= {"MIRROR": mirror(_apt_sources()) or "", "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", MAKE]
    # Its own group: of a process that takes too long nothing is left behind.
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    try:
        _, told = process.communicate(timeout=INSTALL_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise AsteriskNotInstalledError(f"not made within {INSTALL_TIMEOUT_SECONDS} s: {_end_of(log)}") from None
    if process.returncode:
        raise AsteriskNotInstalledError(_end_of(log) + told.decode(errors="replace")[-500:])


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
