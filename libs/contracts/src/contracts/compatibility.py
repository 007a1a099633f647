"""Whether a JSON Schema may take the place of a released one, over the subset that pydantic emits.

An event only gains optional fields. Beyond that, what readers accept may only grow (wider limits, more values) and
what writers write may only shrink, for old writers meet new readers and new writers meet old readers. Everything
else is a new type beside the old one. Background: R. Yokota, "Understanding JSON Schema Compatibility" (2021).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Schema = dict[str, object]
View = Literal["produced", "consumed"]

_NOTES: Final = frozenset({"$schema", "$id", "$defs", "title", "description"})
_FIXED: Final = ("default", "format", "pattern", "uniqueItems", "x-topic")
_LOWER_LIMITS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_LIMITS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_NESTED: Final = ("items", "propertyNames", "additionalProperties")
_LISTED: Final = ("prefixItems",)
"""Schemas by place in a list of fixed length."""
_CONDITION: Final = ("if", "then", "else")
_TOGETHER: Final = ("allOf", "oneOf")
_KNOWN: Final = _NOTES | {
    *_CONDITION, *_TOGETHER,
    *_FIXED, *_LOWER_LIMITS, *_UPPER_LIMITS, *_NESTED, *_LISTED,
    "$ref", "anyOf", "const", "enum", "patternProperties", "properties", "required", "type",
}  # fmt: skip
_DEPTH_MAX: Final = 32
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Breach:
    """One change that is not allowed; `path` leads through the data, `*` stands for every item or key."""

    path: str
    reason: str


def breaches(released: Schema, current: Schema, view: View) -> list[Breach]:
    """Every change from `released` to `current` that breaks writers or readers of the released schema.

    Raises ValueError for a schema that refers to itself: the checker does not follow it.
    """
    return list(_breaches(inlined(released, released), inlined(current, current), view, ""))


def _breaches(old: Schema, new: Schema, view: View, path: str) -> Iterator[Breach]:
    unknown = sorted((old.keys() | new.keys()) - _KNOWN)
    if unknown:
        yield Breach(path, f"the checker does not know {', '.join(unknown)}: teach it")
    if "anyOf" in old or "anyOf" in new:
        yield from _choices(old, new, view, path)
        return
    for key in ("type", *_FIXED):
        if old.get(key, _ABSENT) != new.get(key, _ABSENT):
            yield Breach(path, f"{key} changed")
    for key in _TOGETHER if _is_about_new_fields(old, new) else (*_TOGETHER, *_CONDITION):
        if old.get(key, _ABSENT) != new.get(key, _ABSENT):
            yield Breach(path, f"{key} changed")
    yield from _values(old, new, view, path)
    yield from _limits(old, new, view, path)
    yield from _fields(old, new, view, path)
    for key in _NESTED:
        yield from _nested(old.get(key, _ABSENT), new.get(key, _ABSENT), view, f"{path}/*", key)
    for key in _LISTED:
        yield from _by_place(old.get(key, []), new.get(key, []), view, path, key)
    patterns = (_part(old, "patternProperties"), _part(new, "patternProperties"))
    for pattern in sorted(patterns[0].keys() | patterns[1].keys()):
        before, after = (side.get(pattern, _ABSENT) for side in patterns)
        yield from _nested(before, after, view, f"{path}/*", "patternProperties")


def _is_about_new_fields(old: Schema, new: Schema) -> bool:
    """Whether the schema gained a condition that nothing of the release meets, and that asks nothing of the rest."""
    known, otherwise = _part(old, "properties").keys(), _schema(new.get("else", {}))
    others = otherwise.keys() - {"properties"}
    return (
        "if" not in old
        and bool(_names(_schema(new.get("if", {}))) - known)
        and not (_part(otherwise, "properties").keys() & known or others)
    )


def _choices(old: Schema, new: Schema, view: View, path: str) -> Iterator[Breach]:
    """Branches of `anyOf` are told apart by their type; a schema without it is its own only branch."""
    if old.get("default", _ABSENT) != new.get("default", _ABSENT):
        yield Breach(path, "default changed")
    before, after = _branches(old), _branches(new)
    for kind in sorted(before.keys() | after.keys()):
        if kind not in after and view == "consumed":
            yield Breach(path, f"{kind} is no longer accepted")
        elif kind not in before and view == "produced":
            yield Breach(path, f"{kind} may be written, which readers of the release refuse")
        elif kind in before and kind in after:
            yield from _breaches(before[kind], after[kind], view, path)


def _values(old: Schema, new: Schema, view: View, path: str) -> Iterator[Breach]:
    before, after = _allowed(old), _allowed(new)
    if view == "consumed" and after is not None and (before is None or before - after):
        yield Breach(path, "a value is no longer accepted")
    if view == "produced" and before is not None and (after is None or after - before):
        yield Breach(path, "a value may be written, which readers of the release refuse")


def _limits(old: Schema, new: Schema, view: View, path: str) -> Iterator[Breach]:
    for sign, keys, unlimited in ((1, _LOWER_LIMITS, float("-inf")), (-1, _UPPER_LIMITS, float("inf"))):
        for key in keys:
            # Both unlimited gives not-a-number, which is neither tighter nor wider.
            tightened = sign * (_number(new, key, unlimited) - _number(old, key, unlimited))
            if tightened > 0 and view == "consumed":
                yield Breach(path, f"{key} is tighter than what writers of the release keep")
            if tightened < 0 and view == "produced":
                yield Breach(path, f"{key} is wider than what readers of the release accept")


def _fields(old: Schema, new: Schema, view: View, path: str) -> Iterator[Breach]:
    before, after = _part(old, "properties"), _part(new, "properties")
    was_required, is_required = _names(old), _names(new)
    for name in before:
        if name not in after:
            yield Breach(f"{path}/{name}", "removed")
            continue
        if (name in was_required) != (name in is_required):
            yield Breach(f"{path}/{name}", "became required" if name in is_required else "became optional")
        yield from _nested(before[name], after[name], view, f"{path}/{name}", "properties")
    for name in after.keys() - before.keys():
        if name in is_required:
            yield Breach(f"{path}/{name}", "a new field must be optional")


def _by_place(old: object, new: object, view: View, path: str, key: str) -> Iterator[Breach]:
    if not isinstance(old, list) or not isinstance(new, list) or len(old) != len(new):
        yield Breach(path, f"{key} changed")
        return
    for place, (before, after) in enumerate(zip(old, new, strict=True)):
        yield from _nested(before, after, view, f"{path}/{place}", key)


def _nested(old: object, new: object, view: View, path: str, key: str) -> Iterator[Breach]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _breaches(old, new, view, path)
    elif old != new:
        yield Breach(path, f"{key} changed")


def inlined(node: Schema, root: Schema, depth: int = 0) -> Schema:
    """The schema with every `$ref` replaced by what it names."""
    if depth > _DEPTH_MAX:
        raise ValueError("the schema refers to itself, which the checker does not follow")
    reference = node.get("$ref")
    if isinstance(reference, str):
        named = _part(root, "$defs")[reference.removeprefix("#/$defs/")]
        node = {**_schema(named), **{key: part for key, part in node.items() if key != "$ref"}}
    return {key: _inlined_part(part, root, depth) for key, part in node.items() if key != "$defs"}


def _inlined_part(part: object, root: Schema, depth: int) -> object:
    if isinstance(part, dict):
        return inlined(part, root, depth + 1)
    if isinstance(part, list):
        return [_inlined_part(item, root, depth + 1) for item in part]
    return part


def _branches(schema: Schema) -> dict[str, Schema]:
    own = {key: part for key, part in schema.items() if key != "default"}
    choices = schema.get("anyOf", [own])
    if not isinstance(choices, list):
        raise TypeError("anyOf is not a list")
    found = {str(_schema(branch).get("type")): _schema(branch) for branch in choices}
    if len(found) != len(choices):
        raise ValueError("two branches of anyOf have one type, which the checker cannot tell apart")
    return found


def _allowed(schema: Schema) -> set[str] | None:
    """The values that `enum` or `const` lists; none where any value will do."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return {repr(value) for value in values} if isinstance(values, list) else None


def _number(schema: Schema, key: str, unlimited: float) -> float:
    limit = schema.get(key, unlimited)
    if not isinstance(limit, int | float):
        raise TypeError(f"{key} is not a number")
    return limit


def _names(schema: Schema) -> frozenset[str]:
    names = schema.get("required", [])
    return frozenset(names) if isinstance(names, list) else frozenset()


def _part(schema: Schema, key: str) -> Mapping[str, object]:
    return _schema(schema.get(key, {}))


def _schema(part: object) -> Schema:
    if not isinstance(part, dict):
        raise TypeError("not a schema")
    return part
