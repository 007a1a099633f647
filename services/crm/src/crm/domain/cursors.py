"""Cursors: where a page ended, as text that callers hand back as they got it.

A cursor names the last entry that was seen, not a count, so entries that come meanwhile neither repeat nor hide one.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

CURSOR_LENGTH_MAX: Final = 1000
_INSTANT_MS_MAX: Final = 2**53 - 1


class BadCursorError(ValueError):
    """The cursor is not one of ours."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last entry of a page, newest first: its instant, then what tells it from others of this instant."""

    at_ms: int
    key: str = ""
    number: int = 0


NEWEST: Final = Cursor(_INSTANT_MS_MAX + 1)
"""Before the first page."""


def encoded(cursor: Cursor) -> str:
    """The cursor as text, safe in a URL."""
    return urlsafe_b64encode(json.dumps([cursor.at_ms, cursor.key, cursor.number]).encode()).decode().rstrip("=")


def decoded(text: str) -> Cursor:
    """The cursor in a text. Raises BadCursorError."""
    if len(text) > CURSOR_LENGTH_MAX:
        raise BadCursorError
    try:
        parts = json.loads(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadCursorError from error
    match parts:
        case [int(at_ms), str(key), int(number)] if _fits(at_ms) and _fits(number) and key.isprintable():
            return Cursor(at_ms, key, number)
    raise BadCursorError


def _fits(number: int) -> bool:
    return not isinstance(number, bool) and 0 <= number <= _INSTANT_MS_MAX
