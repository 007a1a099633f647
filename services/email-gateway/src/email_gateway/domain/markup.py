"""HTML to lines of text, with what its programs mark as quoted. One pass; it judges nothing about safety.

What a browser would show differently is no danger here: the text is text, and HTML is only shown sanitised.
"""

import html as entities
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from email_gateway.domain.plain import Line
from email_gateway.domain.tree import FORMATTING, VOID, Tree

# Where a tag or a comment ends is what a browser says (https://html.spec.whatwg.org/multipage/parsing.html): what stood
# in a tag for us and outside of it for the sanitiser would not be measured.
# Each pattern is one class of characters or one that cannot match in two ways: none can go back.
_TAG_NAME: Final = re.compile(r"[A-Za-z][^ \t\n\r/>]*")
_ATTRIBUTE_NAME: Final = re.compile(r"[ \t\n\r/]*[^ \t\n\r/>][^ \t\n\r/>=]*[ \t\n\r]*(=?)[ \t\n\r]*")
_UNQUOTED: Final = re.compile(r"[^ \t\n\r>]*")
_COMMENT_END: Final = re.compile("--!?>")
_ATTRIBUTE: Final = re.compile(r"([^\s=>\"'/]+)\s*(?:=\s*(\"[^\"]*\"|'[^']*'|[^\s>]*))?")
_RAW_ENDS: Final = {
    name: re.compile(rf"</{name}(?=[ \t\n\r/>])", re.IGNORECASE) for name in ("script", "style", "title", "textarea")
}
_ATTRIBUTES_CHARS_MAX: Final = 4096


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BLOCKS: Final = _names("""
    address article aside blockquote body center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5
    h6 header hr li main nav ol p pre section table tbody td tfoot th thead tr ul
""")
_SPACED: Final = _names("blockquote h1 h2 h3 h4 h5 h6 ol p pre table ul")
_LOOKED_INTO: Final = _names("blockquote div hr img span p table td body input a")
_QUOTE_CLASSES: Final = _names("""
    gmail_attr moz-cite-prefix yahoo_quoted protonmail_quote tutanota_quote zmail_extra
    gmail_quote_attribution
""")
# What follows them to the end is the message that was answered: Outlook's.
_REST_IDS: Final = _names("""
    divrplyfwdmsg appendonsend stopspelling mail-editor-reference-message-container ms-outlook-mobile-
    reference
""")
_REST_STYLES: Final = ("border-top:solid#e1e1e1", "border-top:solid#b5c4df", "border-top:1ptsolid#e1e1e1")


@dataclass(slots=True)
class Markup:
    """What was read. `cuts`: what is quoted, as ranges of the HTML."""

    lines: list[Line] = field(default_factory=list)
    cuts: list[tuple[int, int]] = field(default_factory=list)
    remote_images: bool = False
    tree: Tree = field(default_factory=Tree)


@dataclass(slots=True)
class _Region:
    """An element whose content is quoted or hidden, until it is closed."""

    name: str
    hidden: bool
    start: int
    open: int = 1


@dataclass(slots=True)
class _Reading:
    found: Markup = field(default_factory=Markup)
    pieces: list[str] = field(default_factory=list)
    line_at: int = 0
    region: _Region | None = None
    rest_quoted: bool = False
    preformatted: int = 0


def read_markup(html: str) -> Markup:
    """Lines with what is quoted, and the measures by which `sanitise` decides."""
    reading = _Reading()
    for start, end, name, text in _tokens(html):
        if not name:
            _text(reading, text, start)
        elif name[0] == "/":
            _close(reading, name[1:], end)
        else:
            _open(reading, name, text, start)
    _flush(reading, len(html))
    region = reading.region
    if reading.rest_quoted or (region and not region.hidden):
        reading.found.cuts[-1:] = [(reading.found.cuts[-1][0], len(html))]
    return reading.found


def _tokens(html: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, "", text), (start, end, "div", attributes), (start, end, "/div", "")."""
    position, length = 0, len(html)
    endless: set[str] = set()
    while position < length:
        start = html.find("<", position)
        start = length if start < 0 else start
        if start > position:
            yield position, start, "", html[position:start]
        if start >= length:
            return
        follows = html[start + 1 : start + 2]
        name_at = start + 1 + (follows == "/")
        match = _TAG_NAME.match(html, name_at)
        if follows in ("!", "?") or (follows == "/" and match is None):
            position = _after_comment(html, start)
            continue
        if match is None:
            yield start, start + 1, "", "<"
            position = start + 1
            continue
        name = match.group().lower()
        end = tag_end(html, match.end(), endless)
        if follows == "/":
            yield start, end, f"/{name}", ""
        else:
            looked_into = name in _LOOKED_INTO or name in FORMATTING or end - start > _ATTRIBUTES_CHARS_MAX
            yield start, end, name, html[match.end() : end - 1] if looked_into else ""
        position = end
        if name in _RAW_ENDS and follows != "/":
            closing = _RAW_ENDS[name].search(html, end)
            position = closing.start() if closing else length


def _after_comment(html: str, start: int) -> int:
    if not html.startswith("<!--", start):
        end = html.find(">", start + 1)
        return len(html) if end < 0 else end + 1
    # `<!-->` is a whole comment.
    if html.startswith((">", "->"), start + 4):
        return html.index(">", start + 4) + 1
    match = _COMMENT_END.search(html, start + 4)
    return match.end() if match else len(html)


def tag_end(html: str, position: int, endless: set[str]) -> int:
    """After the `>` that ends the tag. A quote that is never closed is none; `endless` remembers those."""
    while html[position : position + 1] != ">":
        name = _ATTRIBUTE_NAME.match(html, position)
        if name is None:
            end = html.find(">", position)
            return len(html) if end < 0 else end + 1
        position = name.end()
        if name[1]:
            position = _value_end(html, position, endless)
    return position + 1


def _value_end(html: str, position: int, endless: set[str]) -> int:
    quote = html[position : position + 1]
    if quote in ("'", '"'):
        closing = -1 if quote in endless else html.find(quote, position + 1)
        if closing >= 0:
            return closing + 1
        endless.add(quote)
    match = _UNQUOTED.match(html, position)
    return match.end() if match else position


def _open(reading: _Reading, name: str, attributes: str, start: int) -> None:
    reading.found.tree.start(name, attributes)
    values = _attributes(attributes) if attributes and name in _LOOKED_INTO else {}
    if name == "img":
        _image(reading, values)
    elif name == "br" or name in _BLOCKS:
        _flush(reading, start, blank=name in _SPACED)
        reading.preformatted += name == "pre"
        if name == "li":
            reading.pieces.append("- ")
    if name == "input":
        reading.pieces.append(" ")
    _mark(reading, name, values, start)


def _mark(reading: _Reading, name: str, values: dict[str, str], start: int) -> None:
    region = reading.region
    if region is not None and region.name == "p" and name in _BLOCKS:
        _end_region(reading, region, start)  # a paragraph ends where a block begins
        region = None
    if region is not None:
        region.open += region.name == name
        return
    kind = None if reading.rest_quoted else _kind_of(name, values)
    if kind == "rest":
        _flush(reading, start)
        reading.rest_quoted = True
        reading.found.cuts.append((start, start))
    elif kind is not None:
        _flush(reading, start)
        reading.region = _Region(name, kind == "hidden", start)
        if kind == "quoted":
            reading.found.cuts.append((start, start))


def _kind_of(name: str, values: dict[str, str]) -> str | None:
    classes = frozenset(values.get("class", "").lower().split())
    if name == "blockquote" and (values.get("type", "").lower() == "cite" or "gmail_quote" in classes):
        return "quoted"
    if not _QUOTE_CLASSES.isdisjoint(classes):
        return "quoted"
    if values.get("id", "").lower().removeprefix("x_") in _REST_IDS or "outlookmessageheader" in classes:
        return "rest"
    style = "".join(values.get("style", "").lower().split())
    if name == "div" and any(mark in style for mark in _REST_STYLES):
        return "rest"
    return "hidden" if "display:none" in style and name not in VOID else None


def _image(reading: _Reading, values: dict[str, str]) -> None:
    source = values.get("src", "").strip().lower()
    if source.startswith(("http:", "https:", "//")):
        reading.found.remote_images = True
    alt = " ".join(values.get("alt", "").split())
    if alt and not (reading.region and reading.region.hidden):
        reading.pieces.append(f"[{alt[:100]}]")


def _close(reading: _Reading, name: str, end: int) -> None:
    reading.found.tree.end(name)
    if name in _BLOCKS:
        _flush(reading, end, blank=name in _SPACED)
        reading.preformatted = max(0, reading.preformatted - (name == "pre"))
    region = reading.region
    if region is not None and region.name == name:
        region.open -= 1
        if region.open == 0:
            _end_region(reading, region, end)


def _end_region(reading: _Reading, region: _Region, end: int) -> None:
    _flush(reading, end)
    if not region.hidden:
        reading.found.cuts[-1:] = [(region.start, end)]
    reading.region = None


def _text(reading: _Reading, text: str, start: int) -> None:
    if reading.region is not None and reading.region.hidden:
        return
    text = _unescaped(text)
    if not reading.pieces:
        reading.line_at = start
    if not reading.preformatted:
        reading.pieces.append(text)
        return
    first, *others = text.replace("\r\n", "\n").split("\n")
    reading.pieces.append(first)
    for other in others:
        _flush(reading, start, keep=True)
        reading.pieces.append(other)


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    try:
        return entities.unescape(text)
    except ValueError:
        # The standard library turns any number of digits into an integer, and Python refuses long ones.
        return text


def _flush(reading: _Reading, at: int, *, blank: bool = False, keep: bool = False) -> None:
    joined = "".join(reading.pieces)
    text = joined.rstrip() if reading.preformatted else " ".join(joined.split())
    reading.pieces.clear()
    lines = reading.found.lines
    quoted = reading.rest_quoted or (reading.region is not None and not reading.region.hidden)
    if text or keep:
        lines.append(Line(text, quoted, reading.line_at))
    if blank and lines and lines[-1].text:
        lines.append(Line("", quoted, at))
    reading.line_at = at


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text[:_ATTRIBUTES_CHARS_MAX]):
        value = match.group(2) or ""
        if value[:1] in ('"', "'") and value[-1:] == value[:1]:
            value = value[1:-1]
        found.setdefault(match.group(1).lower(), _unescaped(value))
    return found
