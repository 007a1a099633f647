"""The checked-in schemas are those of the models, and keep what releases promised."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from contracts import schema
from contracts.compatibility import Schema
from contracts.envelope import encode
from contracts.registry import EVENT_TYPES, EventType
from contracts.routing_parts import Alert, Destination, Queue
from contracts.testing import events
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

GOLDEN = Path(__file__).parent / "golden"
every_type = pytest.mark.parametrize("entry", EVENT_TYPES, ids=lambda entry: entry.name)


def test_the_files_are_what_the_models_say() -> None:
    assert list(schema.stale_files()) == []


def test_no_schema_breaks_a_release() -> None:
    assert list(schema.RELEASED.glob("*.json"))
    assert list(schema.broken_promises()) == []


def test_a_release_is_never_rewritten() -> None:
    with pytest.raises(FileExistsError):
        schema.release(next(schema.RELEASED.glob("*.json")).stem)


def test_every_schema_is_valid_in_its_draft_and_has_its_own_identifier() -> None:
    identifiers = set()
    for found in schema.schemas().values():
        Draft202012Validator.check_schema(found)
        identifiers.add(found["$id"])

    assert len(identifiers) == 2 * len(EVENT_TYPES) + 1


@every_type
def test_writers_are_closed_and_readers_open_at_every_level(entry: EventType) -> None:
    written = [part.get("additionalProperties") for part in _classes(schema.event_schema(entry, "produced"))]
    read = [part.get("additionalProperties") for part in _classes(schema.event_schema(entry, "consumed"))]

    assert set(written) == {False}
    assert set(read) == {None}


@every_type
def test_only_readers_pass_over_a_field_of_a_later_release(entry: EventType) -> None:
    data = json.loads((GOLDEN / f"{entry.name}.json").read_bytes())["data"] | {"of_a_later_release": 1}

    assert _accepts(schema.event_schema(entry, "consumed"), data)
    assert not _accepts(schema.event_schema(entry, "produced"), data)


@every_type
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_we_write_is_valid_by_the_writers_schema(entry: EventType, data: st.DataObject) -> None:
    value, _ = encode(data.draw(events(entry)))

    assert _accepts(schema.event_schema(entry, "produced"), json.loads(value))


def _accepts(found: Schema, document: object) -> bool:
    return bool(Draft202012Validator(found).is_valid(document))


def _classes(part: object) -> Iterator[dict[str, object]]:
    """Every schema, however deep, that lists fields."""
    if isinstance(part, dict):
        if "properties" in part:
            yield part
        for inner in part.values():
            yield from _classes(inner)


ABSENT = object()


@pytest.mark.parametrize(
    ("model", "given", "choices"),
    [
        (Alert, {"id": "a", "measure": "waiting"}, {"above": [3], "below": [3]}),
        (Destination, {"to": "queue"}, {"queue": ["q"], "message": ["m"]}),
        (Destination, {"to": "message"}, {"queue": ["q"], "message": ["m"]}),
        (Destination, {"to": "voicemail"}, {"queue": ["q"], "message": ["m"]}),
        (Queue, {"id": "q", "domain": "d", "name": "Q"}, {"waiting_max": [3], "full": [{"to": "voicemail"}]}),
    ],
)
def test_the_schema_of_the_configuration_tells_editors_which_fields_belong_together(
    model: type[BaseModel], given: dict[str, object], choices: dict[str, list[object]]
) -> None:
    whole = schema.schemas()[schema.CONFIGURATION]
    validator = Draft202012Validator({"$ref": f"#/$defs/{model.__name__}", "$defs": whole["$defs"]})
    verdicts = set()
    for values in product(*([ABSENT, None, *values] for values in choices.values())):
        document = given | {name: value for name, value in zip(choices, values, strict=True) if value is not ABSENT}
        verdicts.add(_fits(model, document))

        assert validator.is_valid(document) == _fits(model, document), document
    assert verdicts == {True, False}


def _fits(model: type[BaseModel], document: object) -> bool:
    try:
        model.model_validate(document, strict=True)
    except ValidationError:
        return False
    return True
