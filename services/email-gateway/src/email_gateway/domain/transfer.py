"""Content transfer encodings, decoded as far as they are whole."""

import binascii
from typing import Final

from email_gateway.domain.limits import Notes
from email_gateway.domain.words import base64_bytes

_AS_IS: Final = frozenset(("", "7bit", "8bit", "binary", "7-bit", "8-bit"))
_BASE64_LINES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n\t "
_PIECES_MAX: Final = 500_000
"""A piece for each line of a large file; each takes a microsecond and a hundred bytes."""
_UU_LINES_MAX: Final = 1_000_000


def decode_transfer(body: bytes, encoding: str, decoded_bytes_max: int, notes: Notes) -> bytes:
    """The bytes that were encoded, at most so many."""
    encoding = encoding.strip(" \t\"'.")
    if encoding == "base64":
        return _cut(_base64(body[: decoded_bytes_max * 2], notes), decoded_bytes_max, notes)
    if encoding == "quoted-printable":
        return _cut(binascii.a2b_qp(_without_odd_ends(body)), decoded_bytes_max, notes)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        files, _ = take_uuencoded(body, decoded_bytes_max, notes)
        return files[0][1] if files else body[:decoded_bytes_max]
    if encoding not in _AS_IS:
        notes.add("encoding_unknown")
    return _cut(body, decoded_bytes_max, notes)


def _base64(body: bytes, notes: Notes) -> bytes:
    head, padding, rest = body.partition(b"=")
    data = base64_bytes(head)
    if _not_base64(body):
        notes.add("base64_broken")
    # Some programs encode piece by piece, with padding in the middle; and lists add a footer in plain text.
    if rest.count(b"=") > _PIECES_MAX:
        notes.add("base64_rest_dropped")
        return data
    pieces = [piece for piece in rest.split(b"=") if piece.strip()] if padding else []
    if not pieces:
        return data
    if not all(len(piece.split()) <= 1 or _is_base64(piece) for piece in pieces):
        notes.add("base64_rest_dropped")
        return data
    return data + b"".join(base64_bytes(piece) for piece in pieces)


def _is_base64(piece: bytes) -> bool:
    """Long lines without spaces in them."""
    lines = piece.split()
    return not _not_base64(piece) and all(len(line) % 4 == 0 for line in lines[:-1])


def _not_base64(piece: bytes) -> bytes:
    return piece.translate(None, _BASE64_LINES)


def _without_odd_ends(body: bytes) -> bytes:
    """A last soft break has no line to go on with."""
    return body.removesuffix(b"=")


def _cut(data: bytes, bytes_max: int, notes: Notes) -> bytes:
    if len(data) > bytes_max:
        notes.add("decoded_cut")
        return data[:bytes_max]
    return data


def take_uuencoded(text: bytes, decoded_bytes_max: int, notes: Notes) -> tuple[list[tuple[str, bytes]], bytes]:
    """Files that stand uuencoded in a text, by name, and the text without them."""
    if b"begin " not in text or b"\nend" not in text:
        return [], text
    files: list[tuple[str, bytes]] = []
    kept: list[bytes] = []
    name: str | None = None
    data: list[bytes] = []
    pending: list[bytes] = []
    for line in text.split(b"\n", _UU_LINES_MAX):
        bare = line.rstrip(b"\r")
        if name is None:
            name = _begins(bare)
            (kept if name is None else pending).append(line)
            continue
        pending.append(line)
        if bare.rstrip() == b"end":
            files.append((name, _cut(b"".join(data), decoded_bytes_max, notes)))
            decoded_bytes_max -= len(files[-1][1])
            name, data, pending = None, [], []
        elif (piece := _uu_line(bare)) is None:
            # It only looked like one.
            kept += pending
            name, data, pending = None, [], []
        else:
            data.append(piece)
    return files, b"\n".join(kept + pending)


def _begins(line: bytes) -> str | None:
    words = line.split(b" ", 2)
    if len(words) < 3 or words[0] != b"begin" or not words[1].isdigit() or len(words[1]) not in (3, 4):
        return None
    return words[2].decode("utf-8", "replace").strip() or None


def _uu_line(line: bytes) -> bytes | None:
    if line.strip(b" `") == b"":
        return b""
    length = (line[0] - 32) & 63
    needed = (length + 2) // 3 * 4 + 1
    if len(line) > needed + 3 or not 32 <= line[0] <= 96:
        return None
    try:
        return binascii.a2b_uu(line[:needed])
    except binascii.Error:
        return None
