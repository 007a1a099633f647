"""The tenants' secrets as the operator gives them: files `<folder>/<tenant id>/<name>`, as Kubernetes mounts them."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from servicekit.errors import RetryLaterError
from servicekit.ports import Clock
from servicekit.store import TENANT_PATTERN
from servicekit.telemetry import log

LOG: Final = log("secrets")

CHECK_SECONDS: Final = 10
SECRET_BYTES_MAX: Final = 65_536

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SecretMissingError(RetryLaterError):
    """A secret that the configuration names is not among those that the operator gave, or is no text; an operator must
    act. Names tenant and secret, never a value."""

    def __init__(self, tenant_id: str, name: str, fault: str) -> None:
        super().__init__(f"tenant {tenant_id}: secret {name} {fault}")
        self.tenant_id = tenant_id
        self.name = name
        self.fault = fault


@dataclass(frozen=True, slots=True)
class _Found:
    """What was seen of a file, and when; without a value the fault says why."""

    looked_at_ms: int
    mark: tuple[int, int, int] | None
    value: str | None = field(repr=False)
    fault: str = ""


class Secrets:
    """Reads secrets, again when their files have changed, and looks whether they have at most every CHECK_SECONDS."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._found: dict[tuple[str, str], _Found] = {}

    def secret(self, tenant_id: str, name: str) -> str:
        """The value, without the end of its last line. Raises SecretMissingError; ValueError for what is no name."""
        if not re.fullmatch(TENANT_PATTERN, tenant_id) or not _NAME.fullmatch(name):
            raise ValueError("not a tenant id, or not a secret's name")
        found, now_ms = self._found.get((tenant_id, name)), self._clock.now_ms()
        # A clock that was set back counts as age.
        if found is None or abs(now_ms - found.looked_at_ms) >= CHECK_SECONDS * 1000:
            found = self._found[tenant_id, name] = _look(self._folder / tenant_id / name, found, now_ms)
            if found.value is None:
                LOG.error("secret_missing", extra={"tenant_id": tenant_id, "secret": name, "fault": found.fault})
        if found.value is None:
            raise SecretMissingError(tenant_id, name, found.fault)
        return found.value

    def by_use(self, tenant_id: str, names: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """The values for the names of a configuration (contracts.channel_parts.Secrets), the current one first. One
        before that is gone already is left out. Raises SecretMissingError for a current one."""
        return {use: self._current_and_before(tenant_id, given) for use, given in names.items()}

    def _current_and_before(self, tenant_id: str, names: Sequence[str]) -> tuple[str, ...]:
        current, *before = names
        values = [self.secret(tenant_id, current)]
        for name in before:
            try:
                values.append(self.secret(tenant_id, name))
            except SecretMissingError:  # logged where it was looked for
                continue
        return tuple(values)


def _look(path: Path, before: _Found | None, now_ms: int) -> _Found:
    try:
        stat = path.stat()
        mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if before is not None and before.mark == mark:
            return _Found(now_ms, mark, before.value, before.fault)
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
    except FileNotFoundError:
        return _Found(now_ms, None, None, "is not there")
    except OSError as error:
        return _Found(now_ms, None, None, f"cannot be read ({os.strerror(error.errno or 0)})")
    if len(content) > SECRET_BYTES_MAX:
        return _Found(now_ms, mark, None, f"has more than {SECRET_BYTES_MAX} bytes")
    try:
        value = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return _Found(now_ms, mark, None, "is no UTF-8 text")
    return _Found(now_ms, mark, value or None, "is empty")
