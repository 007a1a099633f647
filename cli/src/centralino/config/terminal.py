"""Where a command says what it finds, and whom it asks."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_COLOURS: Final = {"+": "\x1b[32m", "~": "\x1b[33m", "-": "\x1b[31m", "!": "\x1b[31m"}
_PLAIN: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """`ask` is none where nobody can be asked."""

    say: Callable[[str], None]
    ask: Callable[[str], str] | None = None
    coloured: bool = False

    def mark(self, line: str) -> None:
        """Say a line whose first character is a mark, coloured on a terminal."""
        colour = _COLOURS.get(line[:1]) if self.coloured else None
        self.say(f"{colour}{line}{_PLAIN}" if colour else line)


def this_terminal() -> Terminal:
    """Standard input and output; colours unless NO_COLOR is set (https://no-color.org)."""
    return Terminal(
        say=lambda text: print(text, flush=True),
        ask=input if sys.stdin.isatty() else None,
        coloured=sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )
