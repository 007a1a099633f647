"""HTML without what the sanitiser drops in any case: drawings, scripts, what stands around the words of a button.

In these, and behind them, a browser reads tags by rules that `tree` does not know, and ordinary mail has some. Whatever
is taken away by mistake, what is left is measured and sanitised as it is.
"""

import re
from typing import Final

from email_gateway.domain.markup import tag_end

_WHOLE: Final = "svg math script noscript template select"
_TAG_ALONE: Final = "button marquee object applet iframe"
_TAG: Final = re.compile(
    rf"<(/?)({'|'.join([*_WHOLE.split(), *_TAG_ALONE.split()])})(?=[ \t\n\r/>])", re.IGNORECASE | re.ASCII
)


def without_unseen(html: str) -> str:
    """What is never closed stays."""
    kept: list[str] = []
    endless: set[str] = set()
    position = opened = depth = 0
    within = ""
    for match in _TAG.finditer(html):
        start, closes, name = match.start(), bool(match[1]), match[2].lower()
        if start < position:
            continue
        if within:
            depth += 0 if name != within else -1 if closes else within != "script"
            start = opened
        elif name not in _TAG_ALONE.split():
            within, opened, depth = ("", 0, 0) if closes else (name, start, 1)
            continue
        if depth == 0:
            kept.append(html[position:start])
            position = tag_end(html, match.end(), endless)
            within = ""
    return "".join([*kept, html[position:]])
