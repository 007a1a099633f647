"""Header fields and parts of what we send, as bytes. Whatever stands in a text, it ends no line and begins no field.

Our own writer, for the standard library's folds addresses and long words wrongly in ways that differ by its version.
Lines end with CRLF; encoded words are UTF-8 in base64 (RFC 2047), parameters as of RFC 2231.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from email_gateway.domain.addresses import Address
from email_gateway.domain.charsets import clean
from email_gateway.domain.files import safe_name

CRLF: Final = b"\r\n"
_LINE_CHARS: Final = 76
_WORD_BYTES: Final = 39
"""So many bytes of text make an encoded word of 64 characters: a line has at most 76, with the field's name."""
_LITERAL_CHARS_MAX: Final = 60
_PARAMETER_BYTES: Final = 50
_NAME_CHARS_MAX: Final = 120
_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_PLAIN_FILE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,60}")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_MIME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,60}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,100}")
_MESSAGE_ID: Final = re.compile(r"[!-;=?-~]{1,490}@[!-;=?-~]{1,490}")


def one_line(text: str) -> str:
    """Without controls; spaces of any kind are one space."""
    return " ".join(clean(text).split())


def field(name: str, value: bytes) -> bytes:
    """A field whose value is folded already."""
    return name.encode("ascii") + b": " + value + CRLF


def text_value(text: str) -> bytes:
    """The value of an unstructured field."""
    text = one_line(text)
    words = text.split(" ")
    plain = text.isascii() and text.isprintable() and "=?" not in text
    if plain and all(len(word) <= _LITERAL_CHARS_MAX for word in words):
        return _folded((word.encode("ascii") for word in words), b" ")
    return CRLF_SPACE.join(_encoded_words(text))


def addresses_value(people: Iterable[Address]) -> bytes:
    """The value of From, To, Cc, Reply-To; a local part beyond ASCII stays as it is (RFC 6532)."""
    return _folded((_mailbox(person) for person in people), b", ")


def ids_value(message_ids: Iterable[str]) -> bytes:
    """The value of In-Reply-To and References; the ids are without brackets."""
    return _folded((f"<{one}>".encode("ascii") for one in message_ids), b" ")


def is_message_id(text: str) -> bool:
    """It may be written into a field: strangers' ids hold anything."""
    return _MESSAGE_ID.fullmatch(text) is not None


def parameter(name: str, value: str) -> bytes:
    """`; name=value`, in pieces where the value is long or beyond ASCII."""
    if _PLAIN_FILE_NAME.fullmatch(value):
        return f'; {name}="{value}"'.encode("ascii")
    pieces: list[bytes] = []
    piece = b"UTF-8''"
    for char in one_line(value):
        encoded = b"".join(bytes([byte]) if byte in _UNRESERVED else b"%%%02X" % byte for byte in char.encode())
        if len(piece) + len(encoded) > _PARAMETER_BYTES:
            pieces.append(piece)
            piece = b""
        piece += encoded
    pieces.append(piece)
    if len(pieces) == 1:
        return f";\r\n {name}*=".encode("ascii") + piece
    return b"".join(f";\r\n {name}*{place}*=".encode("ascii") + each for place, each in enumerate(pieces))


@dataclass(frozen=True, slots=True)
class Entity:
    """A part, or the body of the message: `fields` describe it (Content-...)."""

    fields: bytes
    body: bytes

    def as_bytes(self) -> bytes:
        """As it stands within a multipart."""
        return self.fields + CRLF + self.body


def text_entity(text: str, subtype: str) -> Entity:
    """Text of lines that end with a line feed; quoted-printable, so that nothing on the way needs to change it."""
    encoded = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True).replace(b"\n", CRLF)
    kind = field("Content-Type", f'text/{subtype}; charset="utf-8"'.encode("ascii"))
    return Entity(kind + field("Content-Transfer-Encoding", b"quoted-printable"), encoded)


def file_entity(name: str, mime: str, data: bytes, inline_id: str | None) -> Entity:
    """A file, in base64; one with a Content-ID is shown where the HTML names it."""
    kind = mime.encode("ascii") if _MIME.fullmatch(mime) and not mime.startswith(("multipart/", "message/")) else OCTETS
    disposition = b"attachment" if inline_id is None else b"inline"
    fields = field("Content-Type", kind) + field("Content-Transfer-Encoding", b"base64")
    fields += field(
        "Content-Disposition", disposition + parameter("filename", safe_name(name, mime, 1, _NAME_CHARS_MAX))
    )
    if inline_id is not None:
        fields += field("Content-ID", f"<{inline_id}>".encode("ascii"))
    encoded = binascii.b2a_base64(data, newline=False)
    lines = (encoded[start : start + _LINE_CHARS] for start in range(0, len(encoded), _LINE_CHARS))
    return Entity(fields, CRLF.join(lines))


def multipart(subtype: str, parts: list[Entity], boundary: str, *, parameters: bytes = b"") -> Entity:
    """Parts within one; a single one stays what it is. `=_` stands in no encoded body, so the boundary does not."""
    if len(parts) == 1:
        return parts[0]
    mark = f"=_{boundary}".encode("ascii")
    kind = f"multipart/{subtype};\r\n boundary=".encode("ascii") + b'"' + mark + b'"' + parameters
    pieces = [b"--" + mark + CRLF + part.as_bytes() for part in parts]
    return Entity(field("Content-Type", kind), CRLF.join(pieces) + CRLF + b"--" + mark + b"--" + CRLF)


def wire_address(address: str) -> str:
    """As it goes on the wire: the domain in ASCII (IDNA). Raises ValueError if it has no such form."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode('ascii')}"


def _mailbox(person: Address) -> bytes:
    address = wire_address(person.address).encode()
    name = one_line(person.name)
    if not name:
        return address
    if not name.isascii() or len(name) > _LITERAL_CHARS_MAX or "=?" in name:
        return CRLF_SPACE.join(_encoded_words(name)) + b" <" + address + b">"
    if not _ATOM.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return name.encode("ascii") + b" <" + address + b">"


def _encoded_words(text: str) -> Iterator[bytes]:
    """Each holds whole characters."""
    piece = b""
    for char in text:
        encoded = char.encode("utf-8", "replace")
        if len(piece) + len(encoded) > _WORD_BYTES:
            yield _encoded_word(piece)
            piece = b""
        piece += encoded
    if piece:
        yield _encoded_word(piece)


def _encoded_word(piece: bytes) -> bytes:
    return b"=?utf-8?b?" + binascii.b2a_base64(piece, newline=False) + b"?="


def _folded(items: Iterable[bytes], separator: bytes) -> bytes:
    """Items in lines of at most 76 characters, as far as none is longer alone."""
    lines: list[bytes] = []
    line = b""
    for item in items:
        if line and len(line) + len(separator) + len(item) > _LINE_CHARS - 12:  # the first has the name before it
            lines.append(line)
            line = item
        else:
            line = line + separator + item if line else item
    lines.append(line)
    return (separator.rstrip() + CRLF_SPACE).join(lines)


CRLF_SPACE: Final = b"\r\n "
OCTETS: Final = b"application/octet-stream"
