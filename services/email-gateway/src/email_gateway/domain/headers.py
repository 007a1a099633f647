"""The header section, scanned once: fields as bytes, unfolded, bounded. What they mean is for others."""

from dataclasses import dataclass, field
from typing import Final

from email_gateway.domain.limits import Limits, Notes

_NAME: Final = frozenset(range(0x21, 0x7F)) - {0x3A}
_NAME_BYTES_MAX: Final = 100
_LINE_END_WITHIN: Final = 65_536


@dataclass(frozen=True, slots=True)
class Headers:
    """Fields in their order; names are in lower case."""

    fields: tuple[tuple[str, bytes], ...] = ()
    _values: dict[str, list[bytes]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.fields:
            self._values.setdefault(name, []).append(value)

    def first(self, name: str) -> bytes:
        """The value of the first field of that name; empty if there is none."""
        return self._values[name][0] if name in self._values else b""

    def all(self, name: str) -> list[bytes]:
        """The values of every field of that name, topmost first."""
        return list(self._values.get(name, ()))

    def has(self, name: str) -> bool:
        """There is such a field."""
        return name in self._values

    def word(self, name: str) -> str:
        """The first field's value in lower case, without what follows a semicolon; for values that are one word."""
        return self.first(name).partition(b";")[0].strip().decode("ascii", "replace").lower()


def with_line_ends(raw: bytes) -> bytes:
    r"""A message that knows no `\n` has its lines ended by `\r`, as old programs did."""
    return raw.replace(b"\r", b"\n") if b"\n" not in raw[:_LINE_END_WITHIN] and b"\r" in raw else raw


def read_headers(raw: bytes, start: int, end: int, limits: Limits, notes: Notes) -> tuple[Headers, int]:
    """The fields that begin at `start`, and where the body begins."""
    found: list[tuple[str, list[bytes]]] = []
    position = start
    stop = min(end, start + limits.header_bytes_max)
    while position < end:
        if position >= stop or len(found) >= limits.headers_max:
            notes.add("headers_cut")
            position = _blank_line(raw, position, end)
            break
        line_end = raw.find(b"\n", position, end)
        next_line = end if line_end < 0 else line_end + 1
        line = raw[position : min(next_line, position + limits.header_value_bytes_max)].rstrip(b"\r\n")
        if not line:
            position = next_line
            break
        if not _take(line, found, position == start, notes) and not _goes_on(raw, next_line, end, found, line):
            notes.add("headers_end_guessed")
            break
        if next_line - position > limits.header_value_bytes_max:
            notes.add("header_cut")
        position = next_line
    fields = ((name, b"".join(pieces)[: limits.header_value_bytes_max].strip()) for name, pieces in found)
    return Headers(tuple(fields)), position


def _take(line: bytes, found: list[tuple[str, list[bytes]]], at_start: bool, notes: Notes) -> bool:
    """Add the line to what was found; false: it is no line of a header."""
    if line[0] in b" \t":
        if found:
            found[-1][1].append(b" " + line.strip())
            return True
        return not line.strip()
    name = field_name(line)
    if name is None:
        # The envelope line of an mbox, also one that was quoted on its way.
        return at_start and line.startswith((b"From ", b">From "))
    found.append((name, [line[line.index(b":") + 1 :].strip()]))
    return True


def field_name(line: bytes) -> str | None:
    """The name of the field that begins with this line, in lower case; none: none does."""
    colon = line.find(b":", 0, _NAME_BYTES_MAX)
    if colon < 1:
        return None
    name = line[:colon].rstrip()
    return name.decode("ascii").lower() if name and _NAME.issuperset(name) else None


def _goes_on(raw: bytes, position: int, end: int, found: list[tuple[str, list[bytes]]], line: bytes) -> bool:
    """A line broken by a careless program stands between fields: it belongs to the one before."""
    if not found or field_name(raw[position : min(end, position + _NAME_BYTES_MAX)]) is None:
        return False
    found[-1][1].append(b" " + line.strip())
    return True


def _blank_line(raw: bytes, position: int, end: int) -> int:
    places = [(raw.find(mark, position, end), len(mark)) for mark in (b"\n\n", b"\n\r\n")]
    return min((place + length for place, length in places if place >= 0), default=end)
