"""The data folder of an embedded stack: whose it is, who uses it now, its secrets, its ports, what runs."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from pydantic import BaseModel, ValidationError

from centralino.backends import remove_postgres_data
from centralino.children import free_port
from centralino.development import make_signing_key

_MARK: Final = "centralino.data"
_LOCK: Final = "lock"
_STATE: Final = "stack.json"
_LEFTOVER_SECONDS_MAX: Final = 15.0


class FolderRefusedError(Exception):
    """The folder cannot be used for data: the sentence says why."""


class InUseError(Exception):
    """Another `centralino up` uses the data folder."""


class PartState(BaseModel):
    """A process of the running stack; `created` is its start time as the system tells it, so that a pid is sure."""

    name: str
    pid: int
    created: float
    log: str
    ready_url: str | None = None


class StackState(BaseModel):
    """What `up` tells `status`; the addresses hold passwords, so only their owner may read the file."""

    pid: int
    created: float
    started_at_ms: int
    addresses: dict[str, str]
    parts: list[PartState]

    def running(self) -> bool:
        """Whether the `up` that wrote it is alive."""
        return process_of(self.pid, self.created) is not None


@dataclass(frozen=True, slots=True)
class Home:
    """A data folder that is ours: it was empty when we first took it, and bears our mark since."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "Home":
        """Take the folder. Raises FolderRefusedError for one that holds something else, or cannot be written."""
        folder = folder.expanduser().absolute()
        mark = folder / _MARK
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not mark.exists():
                if any(folder.iterdir()):
                    raise FolderRefusedError(f"{folder} holds something that is not ours: give an empty folder")
                mark.write_text("Data of an embedded Centralino. `centralino up --fresh` empties this folder.\n")
            if not os.access(folder, os.W_OK):
                raise FolderRefusedError(f"{folder} belongs to somebody else: give another folder by --data")
        except OSError as error:
            raise FolderRefusedError(f"{folder} cannot be used: {error.strerror}") from error
        return cls(folder.resolve())

    @property
    def logs(self) -> Path:
        """Where each part's log goes."""
        return self.folder / "logs"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Use the folder alone. Raises InUseError."""
        with (self.folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUseError from None
            yield

    def empty(self) -> None:
        """Remove all data; only while it is locked."""
        remove_postgres_data(self.folder)
        for child in self.folder.iterdir():
            if child.name in {_MARK, _LOCK}:
                continue
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()

    def secret(self, name: str) -> str:
        """A secret made once (64 hexadecimal digits)."""
        file = self.folder / "secrets" / name
        if not file.exists():
            write_private(file, secrets.token_hex(32))
        return file.read_text()

    def signing_key(self) -> Path:
        """The key pair that signs development tokens, made once; its JWK set stands beside it."""
        file = self.folder / "keys" / "signing.pem"
        make_signing_key(file, file.parent / "jwks.json")
        return file

    def jwks_url(self) -> str:
        """A `file:` URL of the JWK set that verifies development tokens."""
        return (self.signing_key().parent / "jwks.json").as_uri()

    def ports(self, names: list[str]) -> dict[str, int]:
        """A free port for each name: the same as last time where that is still free."""
        file = self.folder / "ports.json"
        kept: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        ports: dict[str, int] = {}
        for name in names:
            port = free_port(kept.get(name))
            while port in ports.values():
                port = free_port()
            ports[name] = port
        write_private(file, json.dumps(ports))
        return ports

    def state(self) -> StackState | None:
        """What runs here, or what ran here when the last `up` was killed."""
        try:
            return StackState.model_validate_json((self.folder / _STATE).read_bytes())
        except (OSError, ValidationError):
            return None

    def write_state(self, state: StackState) -> None:
        """Tell `status` what runs."""
        write_private(self.folder / _STATE, state.model_dump_json(indent=1))

    def forget_state(self) -> None:
        """Nothing runs any more."""
        (self.folder / _STATE).unlink(missing_ok=True)

    def end_leftovers(self) -> None:
        """Processes of an `up` that was killed are ending: wait for them, then kill what is left."""
        state = self.state()
        found = [process_of(part.pid, part.created) for part in state.parts] if state else []
        _, left = psutil.wait_procs([each for each in found if each], timeout=_LEFTOVER_SECONDS_MAX)
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=_LEFTOVER_SECONDS_MAX)
        self.forget_state()


def process_of(pid: int, created: float) -> psutil.Process | None:
    """The process, unless it has ended (its pid may be another's by now)."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def write_private(file: Path, text: str) -> None:
    """Write a file whole, readable by its owner only."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    partial.replace(file)


def default_folder() -> Path:
    """By the XDG base directory specification (https://specifications.freedesktop.org/basedir-spec/latest/)."""
    kept = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(kept) / "centralino"
