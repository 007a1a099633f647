"""YAML and JSON files as plain values, with the line of each value.

YAML is read by the rules of version 1.2 (core schema) as far as 1.1 agrees: `no`, `on`, `17:00` and `2026-12-24` are
text, numbers are decimal. So nothing that people write in a contact centre turns into something else, and editors,
which follow 1.2, see the same.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from centralino.config.errors import ConfigError

FILE_BYTES_MAX: Final = 8 * 1024 * 1024
"""What the router's API takes in all."""
REPEATED_MAX: Final = 100_000
"""Values that the aliases of one file add."""
DEPTH_MAX: Final = 32
_TAG: Final = "tag:yaml.org,2002:"
_PRIVATE_KEY: Final = "PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Text:
    """A file's content. `lines` has the line of each JSON Pointer (RFC 6901); it is empty for JSON."""

    file: str
    value: object
    lines: Mapping[str, int] = field(default_factory=dict)

    def place(self, pointer: str) -> str:
        """`file:line` of the value, or of the nearest one around it."""
        while pointer:
            if pointer in self.lines:
                return f"{self.file}:{self.lines[pointer]}"
            pointer = pointer.rpartition("/")[0]
        return self.file


def read_text(path: Path) -> Text:
    """The file: JSON if its name ends in `.json`, else YAML. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} has more than {FILE_BYTES_MAX // 2**20} MiB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no UTF-8 text.") from error
    if (found := text.find(_PRIVATE_KEY)) >= 0:
        line = text.count("\n", 0, found) + 1
        raise ConfigError(f"{path}:{line}: a private key stands here: documents hold no secrets, only public keys.")
    return read_json(str(path), text) if path.suffix == ".json" else read_yaml(str(path), text)


def read_json(file: str, text: str) -> Text:
    """JSON. Raises ConfigError, also for a name that stands twice in one object."""
    try:
        return Text(file, json.loads(text, object_pairs_hook=_object, parse_constant=_constant))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file}:{error.lineno}: this is no JSON: {error.msg}.") from error
    except RecursionError:
        raise ConfigError(f"{file}: values stand in each other more than {DEPTH_MAX} deep.") from None
    except ValueError as error:
        raise ConfigError(f"{file}: {error}.") from error


def read_yaml(file: str, text: str) -> Text:
    """One YAML document. Raises ConfigError: for a key that stands twice, for tags, for aliases that grow too much."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            return Text(file, None)
        builder = _Builder(file)
        return Text(file, builder.build(node, "", 1), builder.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{line}: this is no YAML: {error.problem or error.context}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{file}: this is no YAML: {str(error).splitlines()[0]}.") from error


def escaped(part: str) -> str:
    """A name as a part of a JSON Pointer."""
    return part.replace("~", "~0").replace("/", "~1")


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
        raise ValueError(f"{twice!r} stands twice in one object")
    return found


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


_INTEGER: Final = r"[-+]?(?:0|[1-9][0-9]{0,17})"
_PLAIN: Final = (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", _INTEGER),
    ("float", rf"{_INTEGER}\.[0-9]{{1,18}}(?:[eE][-+][0-9]{{1,2}})?"),
    ("merge", "<<"),
)
"""What a scalar without quotes and tag may be, besides text."""


class _Loader(yaml.CSafeLoader):
    """Takes apart; of the library's own rules for plain scalars none is left."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's own
        None: [(_TAG + name, re.compile(rf"(?:{pattern})\Z")) for name, pattern in _PLAIN]
    }


class _Builder:
    """Nodes to values. An alias is built anew at each place, so that what it costs is counted."""

    def __init__(self, file: str) -> None:
        self.lines: dict[str, int] = {}
        self._file = file
        self._built: set[int] = set()
        self._repeated = 0

    def build(self, node: yaml.Node, pointer: str, depth: int) -> object:
        """The value of a node."""
        self._repeated += id(node) in self._built
        self._built.add(id(node))
        if self._repeated > REPEATED_MAX:
            raise self._fault(node, f"aliases make more than {REPEATED_MAX} values of this file")
        if depth > DEPTH_MAX:
            raise self._fault(node, f"values stand in each other more than {DEPTH_MAX} deep")
        self.lines[pointer] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, pointer, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(each, f"{pointer}/{index}", depth + 1) for index, each in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, pointer: str, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                for each in self._sources(value):
                    merged = {**self._mapping_of(each, pointer, depth), **merged}
                continue
            name = self._scalar(key) if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(name, str):
                raise self._fault(key, "a key must be text: put it in quotes")
            if name in found:
                raise self._fault(key, f"{name!r} stands twice here")
            found[name] = self.build(value, f"{pointer}/{escaped(name)}", depth + 1)
            self.lines[f"{pointer}/{escaped(name)}"] = key.start_mark.line + 1
        return {**merged, **found}

    def _sources(self, node: yaml.Node) -> Iterator[yaml.Node]:
        yield from node.value if isinstance(node, yaml.SequenceNode) else [node]

    def _mapping_of(self, node: yaml.Node, pointer: str, depth: int) -> dict[str, object]:
        value = self.build(node, pointer, depth + 1)
        if not isinstance(value, dict):
            raise self._fault(node, "'<<' takes mappings only")
        return value

    def _scalar(self, node: yaml.Node) -> object:
        convert = _SCALARS.get(node.tag.removeprefix(_TAG)) if isinstance(node, yaml.ScalarNode) else None
        if convert is None:
            raise self._fault(node, f"the tag {node.tag!r} is not taken here")
        try:
            return convert(node.value)
        except (ValueError, KeyError):
            raise self._fault(node, f"{node.value!r} is not what its tag says") from None

    def _fault(self, node: yaml.Node, message: str) -> ConfigError:
        return ConfigError(f"{self._file}:{node.start_mark.line + 1}: {message}.")


_SCALARS: Final[Mapping[str, Any]] = {  # Any: text to what it stands for
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "null": lambda _: None,
}
