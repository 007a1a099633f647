"""A configuration document from one file, or from a folder of files whose lists are joined."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import Fault, form_faults
from pydantic import ValidationError
from router.api.configuration import faults_of

from centralino.config.errors import ConfigError
from centralino.config.keys import kind_of, name_of
from centralino.config.texts import Text, read_text

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
CASES: Final = ".test"
"""`billing.test.yaml` holds routing cases and is no part of the document."""
FILES_MAX: Final = 1000
FAULTS_SHOWN_MAX: Final = 20
_EDITORS_OWN: Final = "$schema"


@dataclass(slots=True)
class Source:
    """The joined document, and where each thing in it comes from."""

    document: dict[str, object] = field(default_factory=dict)
    pieces: dict[str, list[tuple[int, Text]]] = field(default_factory=dict)
    """By part: the index of the first thing that comes from a file, and the file."""

    def place(self, pointer: str) -> str:
        """`file:line` of a JSON Pointer into the joined document; empty for what comes from no file."""
        part, index, rest = _taken_apart(pointer)
        pieces = self.pieces.get(part, [])
        if not pieces or index is None:
            return pieces[0][1].place(pointer) if pieces else ""
        first, text = next(piece for piece in reversed(pieces) if piece[0] <= index)
        return text.place("/".join(["", part, str(index - first), *rest]))

    def named(self, pointer: str) -> str:
        """The pointer with the name of the thing instead of its index: `agent ana: skills.es`."""
        part, index, rest = _taken_apart(pointer)
        items = self.document.get(part)
        if not isinstance(items, list) or index is None or index >= len(items):
            return part or "document"
        name = name_of(part, items[index]) or f"number {index + 1}"
        return ": ".join(filter(None, [f"{kind_of(part)} {name}", ".".join(rest)]))

    def told(self, faults: Sequence[Fault]) -> str:
        """Faults of the joined document for people, one a line."""
        lines = [
            ": ".join(filter(None, [self.place(fault.path), self.named(fault.path), fault.message]))
            for fault in faults[:FAULTS_SHOWN_MAX]
        ]
        if len(faults) > FAULTS_SHOWN_MAX:
            lines.append(f"and {len(faults) - FAULTS_SHOWN_MAX} more")
        return "\n".join(lines)


def read_source(paths: Sequence[Path]) -> Source:
    """Files and folders as one document; files of a folder in the order of their paths. Raises ConfigError."""
    source, seen = Source(), dict[tuple[str, str], str]()
    for path in files_of(paths):
        text = read_text(path)
        if text.value is None:
            continue
        if not isinstance(text.value, dict):
            raise ConfigError(f"{text.file}: a document has parts by name: {', '.join(_parts())}.")
        for part, value in text.value.items():
            if part != _EDITORS_OWN:
                _join(source, seen, text, part, value)
    if not source.document:
        raise ConfigError(f"{', '.join(map(str, paths))}: nothing stands there; a document has at least {_needed()}.")
    return source


def configuration_of(source: Source) -> TenantConfiguration:
    """The checked document, its rules compiled. Raises ConfigError with every fault and its place."""
    try:
        configuration = TenantConfiguration.model_validate_json(json.dumps(source.document), strict=True)
    except ValidationError as error:
        raise ConfigError(source.told(form_faults(error, TenantConfiguration))) from error
    if faults := faults_of(configuration, before=None):
        raise ConfigError(source.told(faults))
    return configuration


def read_configuration_files(paths: Sequence[Path]) -> tuple[Source, TenantConfiguration]:
    """Both of the above."""
    source = read_source(paths)
    return source, configuration_of(source)


def files_of(paths: Sequence[Path], *, cases: bool = False) -> list[Path]:
    """The files themselves, and those in the folders: of the document, or its routing cases. Raises ConfigError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(_inside(path, cases=cases))
        elif path.exists():
            found.append(path)
        else:
            raise ConfigError(f"There is no file or folder {path}.")
    if not found:
        wanted = f"*{CASES}.yaml" if cases else "*.yaml or *.json"
        raise ConfigError(f"There is no {wanted} in {', '.join(map(str, paths))}.")
    if len(found) > FILES_MAX:
        raise ConfigError(f"{len(found)} files are more than {FILES_MAX}.")
    return list(dict.fromkeys(found))


def _inside(folder: Path, *, cases: bool) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in SUFFIXES and not hidden and path.is_file() and path.stem.endswith(CASES) == cases:
            yield path


def _taken_apart(pointer: str) -> tuple[str, int | None, list[str]]:
    """`/agents/3/skills/es` as part, index and the rest."""
    part, *rest = pointer.removeprefix("/").split("/")
    if rest and rest[0].isdecimal():
        return part, int(rest[0]), rest[1:]
    return part, None, rest


def _join(source: Source, seen: dict[tuple[str, str], str], text: Text, part: str, value: object) -> None:
    if part not in _parts():
        place = text.place(f"/{part}")
        raise ConfigError(f"{place}: there is no part {part!r}; the parts are {', '.join(_parts())}.")
    things = source.document.setdefault(part, [])
    if not isinstance(value, list | None) or not isinstance(things, list):
        raise ConfigError(f"{text.place(f'/{part}')}: {part} must be a list.")
    source.pieces.setdefault(part, []).append((len(things), text))
    for index, item in enumerate(value or []):
        name, place = name_of(part, item), text.place(f"/{part}/{index}")
        if name is not None and (other := seen.setdefault((part, name), place)) is not place:
            raise ConfigError(f"{kind_of(part)} {name} stands in {other} and in {place}: keep one of them.")
        things.append(item)


def _needed() -> str:
    return " and ".join(name for name, field in TenantConfiguration.model_fields.items() if field.is_required())


def _parts() -> list[str]:
    return sorted(TenantConfiguration.model_fields)
