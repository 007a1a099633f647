"""Content-Type and Content-Disposition with their parameters (RFC 2045, RFC 2231), as they are really written."""

from dataclasses import dataclass, field
from typing import Final

from email_gateway.domain.charsets import clean, decode
from email_gateway.domain.limits import Notes
from email_gateway.domain.words import header_text

PARAMETERS_MAX: Final = 60
_HEX: Final = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Value:
    """`text/plain` or `attachment`, in lower case, and its parameters; their names are in lower case."""

    main: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_value(value: bytes, notes: Notes) -> Value:
    """Never fails; what cannot be a parameter is passed over."""
    head, _, rest = value.partition(b";")
    main = clean(head.partition(b"(")[0].decode("ascii", "replace")).strip().lower()
    if not rest:
        return Value(main)
    plain: dict[str, bytes] = {}
    numbered: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for name, data in _pairs(rest):
        base, star, number = name.partition("*")
        if not star:
            plain.setdefault(base, data)
            continue
        digits = number.rstrip("*")
        if not digits or (digits.isascii() and digits.isdigit() and len(digits) < 4):
            encoded = number.endswith("*") or not number
            numbered.setdefault(base, {}).setdefault(int(digits or "0"), (data, encoded))
    found = {name: header_text(data, notes) for name, data in plain.items()}
    found |= {name: _joined(pieces, notes) for name, pieces in numbered.items()}
    return Value(main, found)


def _pairs(rest: bytes) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    position = 0
    while position < len(rest) and len(found) < PARAMETERS_MAX:
        equals = rest.find(b"=", position)
        if equals < 0:
            break
        # A parameter without a value stands before this one.
        start = rest.rfind(b";", position, equals) + 1 or position
        name = rest[start:equals].strip().decode("ascii", "replace").lower()
        data, position = _value_at(rest, equals + 1)
        if name:
            found.append((name[:80], data))
    return found


def _value_at(rest: bytes, position: int) -> tuple[bytes, int]:
    while rest[position : position + 1] in (b" ", b"\t"):
        position += 1
    if rest[position : position + 1] != b'"':
        end = rest.find(b";", position)
        end = len(rest) if end < 0 else end
        return rest[position:end].strip(), end + 1
    pieces = bytearray()
    position += 1
    while position < len(rest):
        char = rest[position]
        if char == 0x22:
            end = rest.find(b";", position)
            return bytes(pieces), len(rest) if end < 0 else end + 1
        # A backslash before anything but a quote is part of a Windows path that nobody quoted.
        if char == 0x5C and rest[position + 1 : position + 2] in (b'"', b"\\"):
            position += 1
            char = rest[position]
        pieces.append(char)
        position += 1
    return bytes(pieces), len(rest)


def _joined(pieces: dict[int, tuple[bytes, bool]], notes: Notes) -> str:
    charset: str | None = None
    data: list[bytes] = []
    for number in sorted(pieces):
        piece, encoded = pieces[number]
        if encoded and not data and piece.count(b"'") >= 2:
            name, _, piece = piece.split(b"'", 2)
            charset = name.decode("ascii", "replace")
        data.append(_unescaped(piece) if encoded else piece)
    return " ".join(decode(b"".join(data), charset, notes).split())


def _unescaped(piece: bytes) -> bytes:
    first, *others = piece.split(b"%")
    return first + b"".join(_unescaped_piece(other) for other in others)


def _unescaped_piece(piece: bytes) -> bytes:
    digits = piece[:2].decode("latin-1")
    return bytes((int(digits, 16),)) + piece[2:] if len(digits) == 2 and _HEX.issuperset(digits) else b"%" + piece
