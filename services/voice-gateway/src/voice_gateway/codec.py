"""Commands to a node as they are kept until they are done: `[[number, name, fields], ...]`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import TypeAdapter

from voice_gateway.domain.commands import Command

_ADAPTERS: Final[Mapping[str, TypeAdapter[Any]]] = {kind.__name__: TypeAdapter(kind) for kind in get_args(Command)}
_FORM: Final = TypeAdapter(list[tuple[int, str, dict[str, object]]])


@dataclass(frozen=True, slots=True)
class Numbered:
    """A command and its place among those of its call."""

    number: int
    command: Command


def to_json(commands: Sequence[Numbered]) -> str:
    """In their order."""
    rows = []
    for each in commands:
        name = type(each.command).__name__
        rows.append((each.number, name, _ADAPTERS[name].dump_python(each.command, mode="json")))
    return _FORM.dump_json(rows).decode()


def from_json(kept: str) -> list[Numbered]:
    """What `to_json` gave. Raises ValueError for commands of a newer release."""
    found = []
    for number, name, fields in _FORM.validate_json(kept):
        if name not in _ADAPTERS:
            raise ValueError(f"no command {name[:80]!r} is known")
        found.append(Numbered(number, _ADAPTERS[name].validate_python(fields)))
    return found
