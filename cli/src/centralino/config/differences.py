"""What differs between two configurations, by the names of things. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal

from contracts.configuration import TenantConfiguration
from typing_extensions import override

from centralino.config.keys import ORDERED_PARTS, kind_of, name_of

Action = Literal["add", "change", "remove"]
MARKS: Final[Mapping[Action, str]] = {"add": "+", "change": "~", "remove": "-"}
SHOWN_MAX: Final = 60
_NATURAL_KEYS: Final = ("id", "skill", "client", "date", "after_seconds")
"""By which items of inner lists are told apart, where every item has one and no two have the same."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A value inside a thing; none: there is none."""

    path: str
    before: object
    after: object

    @override
    def __str__(self) -> str:
        return f"{self.path} {shown(self.before)} -> {shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Change:
    """A thing that comes, goes or changes; without a name the order of a whole part."""

    action: Action
    kind: str
    name: str
    fields: tuple[FieldChange, ...] = ()

    def lines(self) -> Iterator[str]:
        """`~ agent ana: skills.es 3 -> 4`: one for each field."""
        head = f"{MARKS[self.action]} {self.kind} {self.name}".rstrip()
        yield from [f"{head}: {field}" for field in self.fields] or [head]


def differences(before: TenantConfiguration | None, after: TenantConfiguration) -> list[Change]:
    """In the order of the document's parts, then by name."""
    old: Mapping[str, Any] = before.model_dump(mode="json") if before else {}  # Any: JSON
    new = after.model_dump(mode="json")
    return [change for part in new for change in _of_part(part, old.get(part, []), new[part])]


def shown(value: object) -> str:
    """A value on one line, cut, without anything that a terminal would obey."""
    if value is None:
        return "none"
    text = json.dumps(value, ensure_ascii=False)
    safe = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)
    return safe if len(safe) <= SHOWN_MAX else f"{safe[: SHOWN_MAX - 3]}..."


def _of_part(part: str, old: Sequence[object], new: Sequence[object]) -> Iterator[Change]:
    was = {str(name_of(part, item)): item for item in old}
    now = {str(name_of(part, item)): item for item in new}
    kind = kind_of(part)
    for name in sorted(was.keys() | now.keys()):
        if name not in was:
            yield Change("add", kind, name)
        elif name not in now:
            yield Change("remove", kind, name)
        elif fields := tuple(_fields("", was[name], now[name])):
            yield Change("change", kind, name, fields)
    if part in ORDERED_PARTS:
        yield from (Change("change", part, "", (moved,)) for moved in _moved("order", list(was), list(now)))


def _fields(path: str, was: object, now: object) -> Iterator[FieldChange]:
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for name in dict.fromkeys(chain(was, now)):
            yield from _fields(f"{path}.{name}".lstrip("."), was.get(name), now.get(name))
    elif isinstance(was, list) and isinstance(now, list) and (key := _natural_key(was, now)):
        yield from _fields_of_list(path, _by(key, was), _by(key, now))
    else:
        yield FieldChange(path, was, now)


def _fields_of_list(path: str, was: Mapping[str, object], now: Mapping[str, object]) -> Iterator[FieldChange]:
    for name in dict.fromkeys(chain(was, now)):
        yield from _fields(f"{path}.{name}", was.get(name), now.get(name))
    yield from _moved(f"{path} order", list(was), list(now))


def _moved(path: str, was: Sequence[str], now: Sequence[str]) -> Iterator[FieldChange]:
    """Whether what is in both stands in another order."""
    both = set(was) & set(now)
    before, after = [name for name in was if name in both], [name for name in now if name in both]
    if before != after:
        yield FieldChange(path, before, after)


def _natural_key(was: Sequence[object], now: Sequence[object]) -> str | None:
    for key in _NATURAL_KEYS:
        names = [[item.get(key) if isinstance(item, dict) else None for item in items] for items in (was, now)]
        if all(None not in each and len(set(each)) == len(each) for each in names):
            return key
    return None


def _by(key: str, items: Sequence[Any]) -> dict[str, object]:  # Any: mappings, as the caller saw
    return {str(item[key]): {name: value for name, value in item.items() if name != key} for item in items}
