"""The syntax tree of a checked CEL expression, from the bytes that the library serialises.

The library has no classes for the tree. Its form is that of `cel/expr/checked.proto` and `cel/expr/syntax.proto`; only
what the checks of `router.domain.rule_expressions` look at is read.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["constant", "name", "select", "call", "list", "map", "loop"]

_KINDS: Final[dict[int, Kind]] = {
    3: "constant", 4: "name", 5: "select", 6: "call", 7: "list", 8: "map", 9: "loop",
}  # fmt: skip
_NAMES: Final[dict[Kind, int]] = {"constant": 6, "name": 1, "select": 2, "call": 2, "loop": 1}
_CHILDREN: Final[dict[Kind, tuple[int, ...]]] = {"select": (1,), "call": (1, 3), "list": (1,), "loop": (2, 4, 5, 6, 7)}
"""Fields with the expressions below: of a call the receiver first, of a loop the list that it goes over."""


@dataclass(frozen=True, slots=True)
class Node:
    """An expression. `name` is that of a name, a field, a function or a loop's variable, or a constant string."""

    number: int
    kind: Kind
    name: str | None
    children: tuple["Node", ...]

    def walk(self) -> Iterator["Node"]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole expression; by the number of a node the declared variable that it names, and its place in the source."""

    root: Node
    variables: Mapping[int, str]
    offsets: Mapping[int, int]


def read_tree(serialized: bytes, *, names: Collection[str]) -> Tree:
    """The tree in a serialised `google.protobuf.Any` that holds a `cel.expr.CheckedExpr`; `names`: the variables."""
    checked = _fields(_data(_fields(serialized), 2))
    references = {_integer(entry, 1): _text(_fields(_data(entry, 2)), 1) for entry in map(_fields, _all(checked, 2))}
    source = _fields(_data(checked, 5))
    return Tree(
        root=_node(_data(checked, 4)),
        variables={number: name for number, name in references.items() if name in names},
        offsets={_integer(entry, 1): _integer(entry, 2) for entry in map(_fields, _all(source, 4))},
    )


_Fields = Mapping[int, list[int | bytes]]


def _node(data: bytes) -> Node:
    fields = _fields(data)
    kind, content = next((kind, _fields(_data(fields, number))) for number, kind in _KINDS.items() if number in fields)
    name = _NAMES.get(kind, 0)
    children = [child for number in _CHILDREN.get(kind, ()) for child in _all(content, number)]
    return Node(
        number=_integer(fields, 2),
        kind=kind,
        name=_text(content, name) if name in content else None,
        children=tuple(map(_node, children)),
    )


def _fields(data: bytes) -> _Fields:
    """A message of the wire format of Protocol Buffers: every field's values by number."""
    found: defaultdict[int, list[int | bytes]] = defaultdict(list)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        form = tag & 7
        if form == 0:
            value, at = _varint(data, at)
            found[tag >> 3].append(value)
            continue
        length, at = _varint(data, at) if form == 2 else ({1: 8, 5: 4}[form], at)
        found[tag >> 3].append(data[at : at + length])
        at += length
    return dict(found)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _all(fields: _Fields, number: int) -> list[bytes]:
    return [value for value in fields.get(number, []) if isinstance(value, bytes)]


def _data(fields: _Fields, number: int) -> bytes:
    return next(iter(_all(fields, number)), b"")


def _text(fields: _Fields, number: int) -> str:
    return _data(fields, number).decode()


def _integer(fields: _Fields, number: int) -> int:
    return next((value for value in fields.get(number, []) if isinstance(value, int)), 0)
