"""Lists of addresses (RFC 5322, RFC 6532) and lists of message ids."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from email_gateway.domain.charsets import clean
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.words import header_text

_ADDRESS_CHARS_MAX: Final = 320
_MESSAGE_ID_CHARS_MAX: Final = 500
_COMMENTS_DEPTH_MAX: Final = 10
_NOT_IN_ADDRESS: Final = frozenset(' \t\r\n<>()[],;:"\\')
_SPECIAL: Final = b'"\\()<>,;:'


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody in a header field."""

    address: str
    """Its domain in lower case; empty where what was written is no address: then it stands in `name`."""
    name: str = ""

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]


def parse_addresses(value: bytes, limits: Limits, notes: Notes) -> tuple[Address, ...]:
    """Everybody in the field, in order; groups are taken apart."""
    found: list[Address] = []
    for display, inside, comment in _mailboxes(value):
        if len(found) >= limits.addresses_max:
            notes.add("addresses_cut")
            break
        one = _address(display, inside, comment, notes)
        if one is not None:
            found.append(one)
    return tuple(found)


def parse_message_ids(value: bytes) -> tuple[str, ...]:
    """Ids without their brackets, in order, each once. Bare words count where no bracket stands."""
    found: dict[str, None] = {}
    text = clean(value.decode("utf-8", "replace"))
    if "<" not in text:
        found = dict.fromkeys(word for word in text.split() if "@" in word)
    for piece in text.split("<")[1:]:
        # Folding puts spaces into long ids.
        one = "".join(piece.partition(">")[0].split())
        if one:
            found[one] = None
    return tuple(one for one in found if len(one) <= _MESSAGE_ID_CHARS_MAX)


def valid_address(text: str) -> str | None:
    """The address in its usual form, or none: what is not certainly an address identifies nobody."""
    text = text.strip()
    local, at, domain = text.rpartition("@")
    if local.startswith('"') and local.endswith('"') and len(local) > 2:
        local_is_good = '"' not in local[1:-1] and "\\" not in local
    else:
        local_is_good = bool(local) and "@" not in local and _NOT_IN_ADDRESS.isdisjoint(local)
    if not at or not local_is_good or not domain or len(text) > _ADDRESS_CHARS_MAX:
        return None
    domain = domain.rstrip(".").lower()
    if not _NOT_IN_ADDRESS.isdisjoint(domain.removeprefix("[").removesuffix("]").replace(":", "")):
        return None
    return f"{local}@{domain}" if domain and ".." not in domain and text.isprintable() else None


def _address(display: bytes, inside: bytes | None, comment: bytes, notes: Notes) -> Address | None:
    if inside is None:
        written, name = display, comment
    else:
        # A route (RFC 822): <@a,@b:person@c>
        written = inside.rpartition(b":")[2] if inside.startswith(b"@") else inside
        name = display or comment
    text = _plain(written, notes)
    address = valid_address(text) or valid_address(text.replace(" ", ""))
    shown = _plain(name, notes).strip("'\" ")
    if address is None:
        rest = " ".join(part for part in (shown, text) if part)
        if not rest or inside == b"":
            return Address("", rest) if rest else None
        notes.add("address_invalid")
        return Address("", rest)
    return Address(address, "" if shown.lower() == address.lower() else shown)


def _plain(value: bytes, notes: Notes) -> str:
    return header_text(value.strip(), notes)


def _mailboxes(value: bytes) -> Iterator[tuple[bytes, bytes | None, bytes]]:
    """(what stands outside brackets, what stands in them, comments) of each member of the list; one pass."""
    display, comment = bytearray(), bytearray()
    inside: bytes | None = None
    position, length = 0, len(value)
    while position < length:
        end = _ordinary_until(value, position)
        if end > position:
            display += value[position:end]
            position = end
            continue
        char = value[position]
        if char == 0x22:  # "
            text, position = _quoted(value, position)
            at_follows = value[position : position + 1] == b"@"
            display += b'"' + text + b'"' if at_follows else text
        elif char == 0x28:  # (
            text, position = _comment(value, position)
            comment += text
        elif char == 0x3C:  # <
            inside, position = _bracket(value, position)
        elif char in b",;":
            yield bytes(display), inside, bytes(comment)
            display, comment, inside = bytearray(), bytearray(), None
            position += 1
        else:
            position += 1
            if char == 0x3A and b"@" not in display and inside is None:  # the name of a group ends
                display.clear()
            elif char == 0x3A:
                display.append(char)
    yield bytes(display), inside, bytes(comment)


def _ordinary_until(value: bytes, position: int) -> int:
    while position < len(value) and value[position] not in _SPECIAL:
        position += 1
    return position


def _quoted(value: bytes, position: int) -> tuple[bytes, int]:
    text = bytearray()
    position += 1
    while position < len(value):
        char = value[position]
        if char == 0x22:
            return bytes(text), position + 1
        if char == 0x5C and position + 1 < len(value):
            position += 1
            char = value[position]
        text.append(char)
        position += 1
    return bytes(text), position


def _comment(value: bytes, position: int) -> tuple[bytes, int]:
    text = bytearray()
    depth = 0
    while position < len(value):
        char = value[position]
        position += 1
        if char == 0x28 and depth < _COMMENTS_DEPTH_MAX:
            depth += 1
        elif char == 0x29:
            depth -= 1
            if depth <= 0:
                break
        elif char == 0x5C and position < len(value):
            text.append(value[position])
            position += 1
        else:
            text.append(char)
    return bytes(text), position


def _bracket(value: bytes, position: int) -> tuple[bytes, int]:
    """Where the bracket is not closed, it ends at the next comma."""
    for mark in (b">", b","):
        end = value.find(mark, position, position + _ADDRESS_CHARS_MAX * 4)
        if end >= 0:
            return value[position + 1 : end].strip(), end + (mark == b">")
    end = min(len(value), position + _ADDRESS_CHARS_MAX * 4)
    return value[position + 1 : end].strip(), end
