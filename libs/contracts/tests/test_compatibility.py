"""The checker lets an event gain optional fields, and stops everything else."""

import copy
from typing import cast

import pytest
from contracts.compatibility import Schema, View, breaches
from contracts.registry import EVENT_TYPES
from contracts.schema import schemas

VIEWS: tuple[View, ...] = ("produced", "consumed")
RELEASED: Schema = {
    "type": "object",
    "x-topic": "messages",
    "required": ["name", "kind"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 10, "pattern": "^a"},
        "kind": {"enum": ["one", "two"], "type": "string"},
        "count": {"type": "integer", "minimum": 0, "maximum": 9, "default": 0},
        "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}], "default": None},
        "parts": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/Part"}},
        "scores": {"type": "object", "additionalProperties": {"type": "integer", "maximum": 5}},
        "costs": {
            "type": "object",
            "patternProperties": {"^b": {"type": "integer"}},
            "propertyNames": {"maxLength": 9},
        },
    },
    "$defs": {
        "Part": {
            "type": "object",
            "required": ["id"],
            "properties": {"id": {"type": "string"}, "place": {"type": "integer"}},
        }
    },
}


PART: Schema = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "place": {"type": "integer"},
        "new": {"type": "integer"},
        "newer": {"type": "string"},
    },
}
IF_NEW: Schema = {"if": {"required": ["new"]}, "then": {"required": ["newer"]}}


def test_every_schema_may_follow_itself() -> None:
    for name, schema in schemas().items():
        for view in VIEWS:
            assert breaches(schema, copy.deepcopy(schema), view) == [], name
    assert len(schemas()) > 2 * len(EVENT_TYPES)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/extra", {"type": "string"}),
        ("$defs/Part/properties/extra", {"type": "string"}),
        ("properties/name/description", "said better"),
        ("$defs/Part", PART | IF_NEW | {"else": {"properties": {"newer": {"type": "null"}}}}),
        ("$defs/Part", PART | IF_NEW),
        ("title", "Renamed"),
    ],
)
def test_optional_fields_and_better_words_are_let_through(path: str, value: object, view: View) -> None:
    assert breaches(RELEASED, _with(path, value), view) == []


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/name", None),
        ("properties/note", None),
        ("properties/name/type", "integer"),
        ("properties/name/pattern", "^b"),
        ("properties/name/pattern", None),
        ("properties/name/format", "uuid"),
        ("properties/count/default", 1),
        ("properties/count/default", None),
        ("properties/note/default", "x"),
        ("required", ["name"]),
        ("required", ["name", "kind", "count"]),
        ("required", None),
        ("x-topic", "interactions"),
        ("additionalProperties", False),
        ("properties/parts/items", {"type": "string"}),
        ("properties/parts/items", None),
        ("$defs/Part/required", ["id", "place"]),
        ("$defs/Part/properties/id/type", "integer"),
        ("$defs/Part/properties/place", None),
        ("properties/scores/additionalProperties", True),
        ("properties/scores/additionalProperties/type", "string"),
        ("properties/costs/patternProperties", {"^c": {"type": "integer"}}),
        ("properties/costs/patternProperties/^b/type", "string"),
        ("properties/costs/propertyNames", None),
        ("properties/name/oneOf", [{"type": "string"}]),
        ("$defs/Part", PART | IF_NEW | {"else": {"properties": {"place": {"type": "null"}}}}),
        ("$defs/Part", PART | IF_NEW | {"else": {"required": ["new"]}}),
        ("$defs/Part", PART | IF_NEW | {"if": {"required": ["place"]}}),
        ("$defs/Part", PART | IF_NEW | {"if": {}}),
        ("$defs/Part", PART | IF_NEW | {"allOf": [{"required": ["place"]}]}),
    ],
)
def test_a_change_of_form_or_meaning_is_stopped_in_both_views(path: str, value: object, view: View) -> None:
    assert breaches(RELEASED, _with(path, value), view)


def test_a_new_field_that_is_required_is_stopped_in_both_views() -> None:
    changed = _with("properties/extra", {"type": "string"}) | {"required": ["name", "kind", "extra"]}

    for view in VIEWS:
        assert [breach.path for breach in breaches(RELEASED, changed, view)] == ["/extra"]


@pytest.mark.parametrize(
    ("path", "value", "stopped"),
    [
        ("properties/name/maxLength", 11, "produced"),
        ("properties/name/maxLength", None, "produced"),
        ("properties/name/minLength", 0, "produced"),
        ("properties/count/minimum", None, "produced"),
        ("properties/parts/maxItems", 4, "produced"),
        ("properties/kind/enum", ["one", "two", "three"], "produced"),
        ("properties/kind/enum", None, "produced"),
        ("properties/scores/additionalProperties/maximum", 6, "produced"),
        ("properties/costs/propertyNames/maxLength", 10, "produced"),
        ("properties/note/anyOf", [{"type": "string", "maxLength": 6}, {"type": "null"}], "produced"),
        (
            "properties/count",
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 9}, {"type": "null"}], "default": 0},
            "produced",
        ),
        ("properties/name/maxLength", 9, "consumed"),
        ("properties/name/minLength", 2, "consumed"),
        ("properties/count/maximum", 8, "consumed"),
        ("properties/parts/minItems", 1, "consumed"),
        ("properties/kind/enum", ["one"], "consumed"),
        ("properties/name/enum", ["a"], "consumed"),
        ("properties/kind", {"const": "one", "type": "string"}, "consumed"),
        ("properties/note", {"type": "string", "maxLength": 5, "default": None}, "consumed"),
        ("properties/count/exclusiveMaximum", 9, "consumed"),
    ],
)
def test_readers_may_only_widen_and_writers_may_only_narrow(path: str, value: object, stopped: View) -> None:
    other = next(view for view in VIEWS if view != stopped)

    assert breaches(RELEASED, _with(path, value), stopped)
    assert breaches(RELEASED, _with(path, value), other) == []


def test_the_reason_names_the_place() -> None:
    changed = _with("$defs/Part/properties/id/type", "integer")

    found = breaches(RELEASED, changed, "consumed")
    assert [(breach.path, breach.reason) for breach in found] == [("/parts/*/id", "type changed")]


def test_what_the_checker_cannot_follow_is_refused_not_passed() -> None:
    loop: Schema = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Loop"}}}
    loop["$defs"] = {"Loop": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Loop"}}}}
    twins: Schema = {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "string", "minLength": 5}]}

    with pytest.raises(ValueError, match="refers to itself"):
        breaches(loop, loop, "consumed")
    with pytest.raises(ValueError, match="one type"):
        breaches(twins, twins, "consumed")


def _with(path: str, value: object) -> Schema:
    """The released schema with one place changed; none removes it."""
    changed = copy.deepcopy(RELEASED)
    *steps, last = path.split("/")
    place = _walk(changed, steps)
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


def _walk(schema: Schema, steps: list[str]) -> Schema:
    for step in steps:
        schema = cast(Schema, schema[step])
    return schema
