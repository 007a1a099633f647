"""A real Asterisk for a test: its own ports and files, with the configuration of deploy/asterisk."""

import asyncio
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from servicekit.http_client import http_client
from servicekit.ports import HttpNotSentError, HttpUnknownError

from voice_gateway.testing.asterisk_install import NODE_FOLDER, asterisk_root

DEPLOY: Final = Path(__file__).parents[5] / "deploy" / "asterisk"
PASSWORD: Final = "of-a-test"  # noqa: S105 - of a node that lives as long as a test
START_TIMEOUT_SECONDS: Final = 30
STOP_TIMEOUT_SECONDS: Final = 10
TRIES: Final = 3

# Its files are seen where the system keeps them free; the mounts are of this process alone. `exec` keeps its id.
_RUN: Final = """set -eu
mount --bind "$FILES" "$ROOT/srv/node"
mount --bind "$FILES/hosts" "$ROOT/etc/hosts"
mount -t proc proc "$ROOT/proc"
exec chroot "$ROOT" /srv/node/start
"""


class AsteriskNotStartedError(RuntimeError):
    """Asterisk did not answer in time; the last that it said is in the message, all of it in `asterisk.log`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Get:
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class AsteriskNode:
    """A node with its files in a folder; `start` it, `end` it by a signal, start it again as it was."""

    def __init__(self, directory: Path, trunk_port: int) -> None:
        self.files = directory
        self.process: subprocess.Popen[bytes] | None = None
        self._trunk_port = trunk_port
        self._ports: tuple[int, int] | None = None
        for folder in ("music", "sounds"):
            (directory / folder).mkdir(parents=True, exist_ok=True)
        (directory / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
        shutil.copy(DEPLOY / "start", directory / "start")
        shutil.copytree(DEPLOY / "etc", directory / "etc", dirs_exist_ok=True)
        directory.chmod(0o755)

    @property
    def http_port(self) -> int:
        """Where it answers ARI. Once it was started."""
        assert self._ports is not None
        return self._ports[0]

    @property
    def sip_port(self) -> int:
        """Where it answers SIP over UDP. Once it was started."""
        assert self._ports is not None
        return self._ports[1]

    async def start(self) -> None:
        """Returns when ARI answers. A port that somebody took meanwhile is chosen anew, but for a node that was started
        before. Raises AsteriskNotStartedError."""
        started_before = self._ports is not None
        for _ in range(TRIES):
            self._ports = self._ports if started_before else _free_ports()
            self._launch()
            if await self._answers():
                return
            self.end(signal.SIGKILL)
        raise AsteriskNotStartedError((self.files / "asterisk.log").read_text(errors="replace")[-2000:])

    def send_signal(self, number: signal.Signals) -> None:
        """While it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal it and wait for its end; one that takes too long is killed."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def path(self, name: str) -> str:
        """How the node calls one of its files."""
        return f"{NODE_FOLDER}/{name}"

    def _launch(self) -> None:
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "ROOT": str(asterisk_root()),
            "FILES": str(self.files),
            "FOLDER": NODE_FOLDER,
            "ARI_PASSWORD": PASSWORD,
            "HTTP_PORT": str(self.http_port),
            "SIP_BIND": "127.0.0.1",
            "SIP_PORT": str(self.sip_port),
            "TRUNK_URI": f"sip:127.0.0.1:{self._trunk_port}",
            "MUSIC": self.path("music"),
        }
        command = ["unshare", "--mount", "sh", "-c", _RUN]
        with (self.files / "asterisk.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    async def _answers(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_TIMEOUT_SECONDS
        asked = _Get(url=f"http://127.0.0.1:{self.http_port}/ari/asterisk/ping?api_key=centralino:{PASSWORD}")
        async with http_client() as http:
            while loop.time() < deadline and self.process is not None and self.process.poll() is None:
                with suppress(HttpNotSentError, HttpUnknownError):
                    if (await http.send(asked, timeout_seconds=2, bytes_max=10_000)).status == 200:
                        return True
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.Event().wait(), 0.05)
        return False


def _free_ports() -> tuple[int, int]:
    with (
        closing(socket.socket()) as http,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sip,
    ):
        http.bind(("127.0.0.1", 0))
        sip.bind(("127.0.0.1", 0))
        return http.getsockname()[1], sip.getsockname()[1]
