"""winmail.dat (MS-OXTNEF): the text and the files in it. Read here because the libraries for it lie unmaintained.

Every length is checked against what is left, and nothing is read twice: time and memory are those of the input.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

from email_gateway.domain.charsets import decode
from email_gateway.domain.limits import Notes

SIGNATURE: Final = b"\x78\x9f\x3e\x22"
_ATTRIBUTES_MAX: Final = 2000
_PROPERTIES_MAX: Final = 2000
_BODY, _MAPI, _ATTACH_START, _ATTACH_TITLE, _ATTACH_DATA, _ATTACH_MAPI, _CODEPAGE = (
    0x2800C,
    0x69003,
    0x69002,
    0x18010,
    0x6800F,
    0x69005,
    0x69007,
)
_PLAIN, _HTML, _LONG_NAME, _DATA, _MIME, _CONTENT_ID, _CHARSET = (
    0x1000,
    0x1013,
    0x3707,
    0x3701,
    0x370E,
    0x3712,
    0x3FDE,
)
_FIXED_BYTES: Final = {0: 0, 1: 0, 2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE: Final = frozenset((0x1E, 0x1F, 0x102, 0xD))


@dataclass(slots=True)
class WinmailFile:
    """A file in it."""

    name: str = ""
    mime: str = ""
    content_id: str | None = None
    data: bytes = b""


@dataclass(slots=True)
class Winmail:
    """What was in it; text and HTML are empty where there is none."""

    text: str = ""
    html: str = ""
    files: list[WinmailFile] = field(default_factory=list)


class _ShortError(Exception):
    """The file ends in the middle of something."""


@dataclass(slots=True)
class _Reader:
    data: bytes
    position: int = 0

    def take(self, length: int) -> bytes:
        end = self.position + length
        if length < 0 or end > len(self.data):
            raise _ShortError
        self.position, start = end, self.position
        return self.data[start:end]

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "little")

    def padded(self, length: int) -> bytes:
        data = self.take(length)
        self.position = min(len(self.data), self.position + -length % 4)
        return data


def read_winmail(data: bytes, notes: Notes) -> Winmail:
    """What can be read; a broken file gives what stands before the break."""
    found = Winmail()
    reader = _Reader(data, 6)
    codepage = "cp1252"
    if not data.startswith(SIGNATURE):
        notes.add("winmail_unreadable")
        return found
    try:
        for _ in range(_ATTRIBUTES_MAX):
            if reader.position >= len(data):
                return found
            attribute, length = struct.unpack("<xII", reader.take(9))
            value = reader.take(length)
            reader.take(2)
            if attribute == _CODEPAGE:
                codepage = f"cp{int.from_bytes(value[:4], 'little')}"
            else:
                _attribute(found, attribute, value, codepage, notes)
    except _ShortError:
        notes.add("winmail_broken")
    return found


def _attribute(found: Winmail, attribute: int, value: bytes, codepage: str, notes: Notes) -> None:
    if attribute == _BODY and not found.text:
        found.text = decode(value.rstrip(b"\0"), codepage, notes)
    elif attribute == _MAPI:
        _message(found, value, codepage, notes)
    elif attribute == _ATTACH_START:
        found.files.append(WinmailFile())
    elif found.files:
        _file(found.files[-1], attribute, value, codepage, notes)


def _message(found: Winmail, value: bytes, codepage: str, notes: Notes) -> None:
    properties = _properties(value, notes)
    if _PLAIN in properties:
        found.text = _text(properties[_PLAIN], codepage, notes)
    if _HTML in properties:
        kind, data = properties[_HTML]
        page = properties.get(_CHARSET, (3, b""))[1]
        charset = f"cp{int.from_bytes(page, 'little')}" if page else codepage
        found.html = _text((kind, data), "utf-8" if charset == "cp65001" else charset, notes)


def _file(file: WinmailFile, attribute: int, value: bytes, codepage: str, notes: Notes) -> None:
    if attribute == _ATTACH_TITLE and not file.name:
        file.name = decode(value.rstrip(b"\0"), codepage, notes)
    elif attribute == _ATTACH_DATA:
        file.data = value
    elif attribute == _ATTACH_MAPI:
        properties = _properties(value, notes)
        if _LONG_NAME in properties:
            file.name = _text(properties[_LONG_NAME], codepage, notes)
        if _MIME in properties:
            file.mime = _text(properties[_MIME], codepage, notes).lower()
        if _CONTENT_ID in properties:
            file.content_id = _text(properties[_CONTENT_ID], codepage, notes).strip("<>") or None
        if not file.data and properties.get(_DATA, (0, b""))[0] == 0x102:
            file.data = properties[_DATA][1]


def _text(value: tuple[int, bytes], codepage: str, notes: Notes) -> str:
    kind, data = value
    if kind == 0x1F:
        return decode(data, "utf-16le", notes).rstrip("\0")
    return decode(data.rstrip(b"\0"), codepage, notes)


def _properties(data: bytes, notes: Notes) -> dict[int, tuple[int, bytes]]:
    """(type, first value) of each property."""
    reader = _Reader(data)
    found: dict[int, tuple[int, bytes]] = {}
    try:
        for _ in range(min(reader.number(4), _PROPERTIES_MAX)):
            kind, name = reader.number(2), reader.number(2)
            if name >= 0x8000:
                _skip_name(reader)
            values = _values(reader, kind)
            found.setdefault(name, (kind & 0xFFF, values[0] if values else b""))
    except _ShortError:
        notes.add("winmail_broken")
    return found


def _skip_name(reader: _Reader) -> None:
    reader.take(16)
    if reader.number(4) == 0:
        reader.take(4)
    else:
        reader.padded(reader.number(4))


def _values(reader: _Reader, kind: int) -> list[bytes]:
    several, base = bool(kind & 0x1000), kind & 0xFFF
    if base in _VARIABLE:
        return [reader.padded(reader.number(4)) for _ in range(_count(reader))]
    if base not in _FIXED_BYTES:
        raise _ShortError
    size = _FIXED_BYTES[base]
    return [reader.take(size) for _ in range(_count(reader) if several else 1)]


def _count(reader: _Reader) -> int:
    count = reader.number(4)
    if count > _PROPERTIES_MAX:
        raise _ShortError
    return count
