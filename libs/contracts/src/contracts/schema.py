"""The checked-in JSON Schemas (draft 2020-12) of every event and of the configuration document.

`python -m contracts.schema --write` renews them from the models, `--check` fails when they are not current or break
a released one, `--release VERSION` keeps today's as a release. Two views of each event: `produced` is closed, so a
writer's slip shows; `consumed` is open, so a reader passes over what a later release adds.
"""

import argparse
import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, cast

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from contracts.compatibility import Schema, View, breaches
from contracts.configuration import TenantConfiguration
from contracts.registry import EVENT_TYPES, EventType

FOLDER: Final = Path(__file__).parent / "schemas"
RELEASED: Final = FOLDER / "released"
CONFIGURATION: Final = "tenant-configuration"


def main(arguments: list[str]) -> int:
    """The command line; 1 when a check fails."""
    parser = argparse.ArgumentParser(prog="python -m contracts.schema", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="renew the files")
    action.add_argument("--check", action="store_true", help="fail if a file is not current or breaks a release")
    action.add_argument("--release", metavar="VERSION", help="keep today's schemas as those of a release")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        write()
    elif chosen.release:
        release(chosen.release)
    faults = [*stale_files(), *broken_promises()]
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


def schemas() -> dict[str, Schema]:
    """Every schema by its name, which is its path under `schemas/` without the suffix."""
    found = {
        f"{view}/{entry.name}": event_schema(entry, view) for entry in EVENT_TYPES for view in ("produced", "consumed")
    }
    found[CONFIGURATION] = _schema(TypeAdapter(TenantConfiguration), CONFIGURATION, "produced")
    return found


def event_schema(entry: EventType, view: View) -> Schema:
    """The schema of the type's data."""
    return _schema(TypeAdapter(entry.data), f"{view}:{entry.name}", view) | {"x-topic": entry.topic.name}


def write() -> None:
    """Renew the files and remove those of types that are gone."""
    current = schemas()
    for path in _files():
        if _name(path) not in current:
            path.unlink()
    for name, schema in current.items():
        path = FOLDER / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_rendered(schema))


def release(version: str) -> None:
    """Keep today's schemas for good. Raises FileExistsError: a release is never rewritten."""
    RELEASED.mkdir(parents=True, exist_ok=True)
    with (RELEASED / f"{version}.json").open("x") as file:
        file.write(json.dumps(schemas(), sort_keys=True, separators=(",", ":")) + "\n")


def stale_files() -> Iterator[str]:
    """A sentence for each file that is missing, left over, or not what the models say."""
    current = {name: _rendered(schema) for name, schema in schemas().items()}
    present = {_name(path): path.read_text() for path in _files()}
    for name in sorted(current.keys() | present.keys()):
        if current.get(name) != present.get(name):
            yield f"{name}.json is not what the models say: run python -m contracts.schema --write"


def broken_promises() -> Iterator[str]:
    """A sentence for each place where today's schemas break those of any release."""
    current = schemas()
    for path in sorted(RELEASED.glob("*.json")):
        released: dict[str, Schema] = json.loads(path.read_text())
        for name, schema in released.items():
            if name not in current:
                yield f"{name} of release {path.stem} is gone"
                continue
            view: View = "produced" if name.startswith("produced/") else "consumed"
            for breach in breaches(schema, current[name], view):
                yield f"{name} breaks release {path.stem} at {breach.path or '/'}: {breach.reason}"


class _Consumed(GenerateJsonSchema):
    """Without the titles that repeat names; the strings below fields become their descriptions."""

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    @override
    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return self._described(super().dataclass_schema(schema), schema["cls"])

    @override
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return self._described(super().model_schema(schema), schema["cls"])

    def _described(self, generated: JsonSchemaValue, described: type) -> JsonSchemaValue:
        notes = field_notes(described)
        for name, field in generated["properties"].items():
            if name in notes:
                field["description"] = notes[name]
        return generated


class _Produced(_Consumed):
    """Closed at every level."""

    @override
    def _described(self, generated: JsonSchemaValue, described: type) -> JsonSchemaValue:
        return super()._described(generated, described) | {"additionalProperties": False}


def field_notes(described: type) -> dict[str, str]:
    """The string below each field of a class, by the field's name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(described)))
    body = cast(ast.ClassDef, tree.body[0]).body
    notes = {}
    for field, note in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match note:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    notes[field.target.id] = inspect.cleandoc(text)
    return notes


def _schema(adapter: TypeAdapter[object], name: str, view: View) -> Schema:
    generator = _Produced if view == "produced" else _Consumed
    generated = adapter.json_schema(schema_generator=generator)
    return generated | {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"urn:centralino:schema:{name}"}


def _rendered(schema: Schema) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _files() -> list[Path]:
    return [path for path in FOLDER.rglob("*.json") if RELEASED not in path.parents]


def _name(path: Path) -> str:
    return path.relative_to(FOLDER).with_suffix("").as_posix()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
