"""SQL in files: statements of a package, each under a line `-- name: ...`."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def statements(package: str, path: str) -> Mapping[str, str]:
    """The statements of a file such as `sql/conversations.sql`, by name. Raises ValueError when a name stands twice."""
    _, *parts = _NAME.split(files(package).joinpath(path).read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for name, statement in zip(parts[::2], parts[1::2], strict=True):
        if name in found:
            raise ValueError(f"{package}/{path} has two statements named {name}")
        found[name] = statement.strip()
    return found
