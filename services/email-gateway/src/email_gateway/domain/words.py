"""Unstructured header text: encoded words (RFC 2047) as they are really written, raw bytes beyond ASCII."""

import binascii
from typing import Final

from email_gateway.domain.charsets import clean, decode
from email_gateway.domain.limits import Notes

_CHARSET_BYTES_MAX: Final = 60
_BASE64: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NOT_BASE64: Final = bytes(sorted(set(range(256)) - _BASE64))
_Word = tuple[str, bytes]


def header_text(value: bytes, notes: Notes) -> str:
    """One line of text.

    Taken as meant: words that hold spaces or stand in quotes, characters that are split between two words, padding that
    is missing. A word without an end stays as it is.
    """
    if b"=?" not in value and value.isascii():
        return " ".join(clean(value.decode("ascii")).split())
    pieces: list[str] = []
    joined: list[_Word] = []
    position = searched = 0
    last_end = value.rfind(b"?=")
    while True:
        start = value.find(b"=?", searched)
        # Beyond the last end there is none: looking again for each beginning would take quadratic time.
        start = -1 if start + 2 > last_end else start
        word = _word_at(value, start) if start >= 0 else None
        if start >= 0 and word is None:
            searched = start + 2
            continue
        literal = value[position:] if word is None else value[position:start]
        if literal.strip() or word is None:
            _flush(joined, pieces, notes)
            pieces.append(decode(literal, None, notes))
        elif not joined:
            pieces.append(literal.decode("ascii", "replace"))
        if word is None:
            break
        (charset, data), position = word
        searched = position
        if joined and joined[-1][0] == charset:
            joined[-1] = (charset, joined[-1][1] + data)
        else:
            joined.append((charset, data))
    return " ".join("".join(pieces).split())


def _word_at(value: bytes, start: int) -> tuple[_Word, int] | None:
    """The encoded word that begins there, and where it ends."""
    mark = value.find(b"?", start + 2, start + 2 + _CHARSET_BYTES_MAX)
    if mark < 0 or value[mark + 2 : mark + 3] != b"?":
        return None
    encoding = value[mark + 1 : mark + 2].lower()
    if encoding not in (b"b", b"q"):
        return None
    end = value.find(b"?=", mark + 3)
    if end < 0:
        return None
    charset = value[start + 2 : mark].decode("ascii", "replace").partition("*")[0].lower()
    return (charset, _decoded(value[mark + 3 : end], encoding)), end + 2


def _decoded(text: bytes, encoding: bytes) -> bytes:
    if encoding == b"q":
        return binascii.a2b_qp(text.replace(b" ", b"_"), header=True)
    return base64_bytes(text)


def base64_bytes(text: bytes) -> bytes:
    """What base64 says, without its rubbish and as far as it is whole; it ends at the first padding."""
    kept = text.partition(b"=")[0].translate(None, _NOT_BASE64)
    if len(kept) % 4 == 1:
        kept = kept[:-1]
    return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def _flush(words: list[_Word], pieces: list[str], notes: Notes) -> None:
    pieces.extend(decode(data, charset, notes) for charset, data in words)
    words.clear()
