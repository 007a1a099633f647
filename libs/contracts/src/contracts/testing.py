"""Events for tests: hypothesis strategies made from the schemas. Needs hypothesis, which services do not have."""

import re
from typing import Final, cast

from hypothesis import strategies as st

from contracts.compatibility import Schema, inlined
from contracts.envelope import Event, adapter_of
from contracts.registry import EVENT_TYPES, EventType
from contracts.schema import event_schema

Strategy = st.SearchStrategy[object]
_EXACT: Final = 2**53 - 1
_LAST_MS: Final = 253_402_300_799_999  # the year 9999, where RFC 3339 ends


def events(entry: EventType | None = None) -> st.SearchStrategy[Event]:
    """Every event, or every event of one type, that the contract allows."""
    entries = st.sampled_from(EVENT_TYPES) if entry is None else st.just(entry)
    return entries.flatmap(_events_of)


def documents(entry: EventType) -> st.SearchStrategy[dict[str, object]]:
    """JSON documents that the consumers' schema of the type allows; the optional fields come and go."""
    schema = event_schema(entry, "consumed")
    return cast(st.SearchStrategy[dict[str, object]], _of(inlined(schema, schema)))


def _events_of(entry: EventType) -> st.SearchStrategy[Event]:
    names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,50}", fullmatch=True)
    return st.builds(
        Event,
        id=names,
        source=names,
        tenant_id=names,
        subject=names,
        time_ms=st.integers(0, _LAST_MS),
        data=documents(entry).map(adapter_of(entry.data).validate_python),
        sequence=st.none() | names,
        causation_id=st.none() | names,
        traceparent=st.none() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", fullmatch=True),
    )


def _of(schema: Schema) -> Strategy:
    if "anyOf" in schema:
        return st.one_of([_of(branch) for branch in cast(list[Schema], schema["anyOf"])])
    if "enum" in schema:
        return st.sampled_from(cast(list[object], schema["enum"]))
    match schema["type"]:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(cast(int, schema.get("minimum", -_EXACT)), cast(int, schema.get("maximum", _EXACT)))
        case "number":
            return _numbers(schema)
        case "string":
            return _texts(schema)
        case "array":
            fewest = cast(int, schema.get("minItems", 0))
            return cast(Strategy, st.lists(_of(cast(Schema, schema["items"])), min_size=fewest, max_size=fewest + 3))
        case _:
            return _objects(schema)


def _numbers(schema: Schema) -> Strategy:
    least, most = cast(float, schema.get("minimum", -_EXACT)), cast(float, schema.get("maximum", _EXACT))
    return st.floats(least, most, allow_nan=False)


def _texts(schema: Schema) -> Strategy:
    shortest, longest = cast(int, schema.get("minLength", 0)), cast(int, schema.get("maxLength", 64))
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return cast(Strategy, st.text(st.characters(codec="utf-8"), min_size=shortest, max_size=longest))
    exact = re.compile(pattern.removesuffix("$"))
    return cast(Strategy, st.from_regex(exact, fullmatch=True).filter(lambda text: shortest <= len(text) <= longest))


def _objects(schema: Schema) -> Strategy:
    if "properties" not in schema:
        further = schema.get("additionalProperties", True)
        values = _of(further) if isinstance(further, dict) else _anything()
        return cast(Strategy, st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=10), values, max_size=3))
    fields = {name: _of(part) for name, part in cast(dict[str, Schema], schema["properties"]).items()}
    required = cast(list[str], schema.get("required", []))
    optional = {name: part for name, part in fields.items() if name not in required}
    return cast(Strategy, st.fixed_dictionaries({name: fields[name] for name in required}, optional=optional))


def _anything() -> Strategy:
    """Any JSON value that every reader keeps exactly."""
    text = st.text(st.characters(codec="utf-8"), max_size=20)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    plain = st.none() | st.booleans() | st.integers(-_EXACT, _EXACT) | finite | text
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=5
    )
