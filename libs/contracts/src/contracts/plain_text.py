"""Text that people set, without control characters: no page shows them, and PostgreSQL does not keep NUL.

Writers' edges check it - the configuration document, requests over HTTP. What events and kept documents hold is read
as it is: a release before this one took such text, and a reader never refuses what was taken.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROLS_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_FIELDS_WITH_LINES: Final = frozenset({"message", "when", "identity_keys", "text", "signature", "acknowledgement"})
"""Of the configuration document; their text may have several lines."""


def control_fault(text: str, *, has_lines: bool) -> str | None:
    """Which control character stands where; `has_lines` allows tabs and line breaks. None: the text is plain."""
    found = (_CONTROLS_IN_LINES if has_lines else _CONTROLS).search(text)
    if found is None:
        return None
    allowed = "other than tabs and line breaks " if has_lines else ""
    return f"character {found.start() + 1} is U+{ord(found[0]):04X}; control characters {allowed}are not text"


def text_faults(part: object) -> list[tuple[str, str]]:
    """JSON Pointer and message of every text in a configuration document that is not plain."""
    found: list[tuple[str, str]] = []
    _look_into(part, "", found, has_lines=False)
    return found


def _look_into(part: object, path: str, found: list[tuple[str, str]], *, has_lines: bool) -> None:
    if isinstance(part, str):
        message = control_fault(part, has_lines=has_lines)
        if message is not None:
            found.append((path, message))
    elif isinstance(part, BaseModel | Mapping):
        for name, value in part.items() if isinstance(part, Mapping) else part:
            if _is_open(value):
                _look_into(value, f"{path}/{name}", found, has_lines=name in _FIELDS_WITH_LINES)
    elif isinstance(part, list | tuple):
        for index, value in enumerate(part):
            if _is_open(value):
                _look_into(value, f"{path}/{index}", found, has_lines=has_lines)


def _is_open(value: object) -> bool:
    """Whether to look into it at all: most of a large document is numbers, empty lists and printable text."""
    return not value.isprintable() if isinstance(value, str) else bool(value) and not isinstance(value, int)


def _line(text: str) -> str:
    return _plain(text, has_lines=False)


def _lines(text: str) -> str:
    return _plain(text, has_lines=True)


def _plain(text: str, *, has_lines: bool) -> str:
    message = control_fault(text, has_lines=has_lines)
    if message is not None:
        raise PydanticCustomError("control_character", "{message}", {"message": message})
    return text


PlainLine = Annotated[str, AfterValidator(_line)]
"""One line of text."""

PlainLines = Annotated[str, AfterValidator(_lines)]
"""Text that may have tabs and line breaks."""
