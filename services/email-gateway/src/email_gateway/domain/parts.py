"""The tree of a message: its leaves in order, each with the bytes of its body still encoded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from email_gateway.domain.charsets import clean
from email_gateway.domain.headers import Headers, read_headers, with_line_ends
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.parameters import Value, parse_value
from email_gateway.domain.transfer import decode_transfer

_LINE_REST_MAX: Final = 200
_BOUNDARY_BYTES_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A leaf."""

    headers: Headers
    content: Value
    disposition: Value
    body: bytes
    """Still encoded."""
    group: tuple[int, ...]
    """The multipart/alternative in which it stands, outermost first; empty: in none."""

    @property
    def encoding(self) -> str:
        """Its Content-Transfer-Encoding."""
        return self.headers.word("content-transfer-encoding")

    @property
    def file_name(self) -> str:
        """As declared, or empty."""
        return self.disposition.parameters.get("filename") or self.content.parameters.get("name") or ""

    @property
    def content_id(self) -> str | None:
        """By which HTML names it."""
        text = clean(self.headers.first("content-id").decode("ascii", "ignore")).strip().strip("<>").strip()
        return text[:200] or None


@dataclass(slots=True)
class _Walk:
    raw: bytes
    limits: Limits
    notes: Notes
    leaves: list[Part] = field(default_factory=list)
    groups: int = 0
    seen: int = 0


def read_parts(raw: bytes, limits: Limits, notes: Notes) -> tuple[Headers, list[Part]]:
    """The message's own fields and its leaves."""
    if len(raw) > limits.message_bytes_max:
        notes.add("message_cut")
        raw = raw[: limits.message_bytes_max]
    walk = _Walk(with_line_ends(raw), limits, notes)
    headers, body = read_headers(walk.raw, 0, len(walk.raw), limits, notes)
    _visit(walk, headers, body, len(walk.raw), (), "text/plain", 0)
    return headers, walk.leaves


def _visit(
    walk: _Walk, headers: Headers, start: int, end: int, group: tuple[int, ...], default: str, depth: int
) -> None:
    walk.seen += 1
    content = parse_value(headers.first("content-type"), walk.notes)
    kind = content.main if content.main.count("/") == 1 and not content.main.startswith("/") else default
    kind = "text/html" if content.main == "html" else kind
    if kind.startswith("multipart/"):
        boundary = _boundary(walk, content, start, end)
        ranges = list(_ranges(walk, boundary, start, end)) if boundary else []
        if ranges and depth < walk.limits.depth_max:
            _visit_all(walk, ranges, kind, group, depth)
            return
        walk.notes.add("depth_cut" if ranges else "boundary_missing")
        if ranges:
            return
        kind = "text/plain"
    walk.leaves.append(
        Part(
            headers=headers,
            content=Value(kind, content.parameters),
            disposition=parse_value(headers.first("content-disposition"), walk.notes),
            body=walk.raw[start:end],
            group=group,
        )
    )


def _visit_all(walk: _Walk, ranges: list[tuple[int, int]], kind: str, group: tuple[int, ...], depth: int) -> None:
    if kind == "multipart/alternative":
        walk.groups += 1
        group = (*group, walk.groups)
    default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
    for first, last in ranges:
        if walk.seen >= walk.limits.parts_max:
            walk.notes.add("parts_cut")
            return
        headers, body = read_headers(walk.raw, first, last, walk.limits, walk.notes)
        _visit(walk, headers, min(body, last), last, group, default, depth + 1)


def _boundary(walk: _Walk, content: Value, start: int, end: int) -> bytes:
    declared = content.parameters.get("boundary", "").rstrip()
    if declared:
        return declared[:_BOUNDARY_BYTES_MAX].encode("utf-8", "replace")
    # Undeclared: the first line with two hyphens, near the beginning.
    place = walk.raw.find(b"--", start, min(end, start + 2000))
    if place < 0 or (place > start and walk.raw[place - 1 : place] != b"\n"):
        return b""
    line = walk.raw[place + 2 : place + 2 + _BOUNDARY_BYTES_MAX].partition(b"\n")[0].strip()
    if line:
        walk.notes.add("boundary_guessed")
    return line


def _ranges(walk: _Walk, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the parts are; one pass. A last part without its closing line goes on to the end."""
    raw, mark = walk.raw, b"\n--" + boundary
    # The line may be the first one of the body: the line end before it belongs to the header.
    position = start - 1 if start > 0 else 0
    first = -1
    found = 0
    while found <= walk.limits.parts_max:
        place = raw.find(mark, position, end)
        if place < 0:
            break
        after, closes = _after_boundary(raw, place + len(mark), end)
        position = place + 1
        if after < 0:
            continue
        if first >= 0:
            found += 1
            yield first, max(first, place - 1 if raw[place - 1 : place] == b"\r" else place)
        if closes:
            return
        first = after
        position = max(position, after - 1)
    if first >= 0 and found <= walk.limits.parts_max:
        walk.notes.add("boundary_unclosed")
        yield first, end


def _after_boundary(raw: bytes, position: int, end: int) -> tuple[int, bool]:
    """Where the next line begins, and whether this one closes the multipart; -1: it is another boundary's line."""
    closes = raw.startswith(b"--", position)
    position += 2 * closes
    line_end = raw.find(b"\n", position, min(end, position + _LINE_REST_MAX))
    if line_end < 0:
        line_end = min(end, position + _LINE_REST_MAX)
    if raw[position:line_end].strip():
        return -1, False
    return min(line_end + 1, end), closes


def decoded(part: Part, decoded_bytes_max: int, notes: Notes) -> bytes:
    """The part's bytes."""
    return decode_transfer(part.body, part.encoding, decoded_bytes_max, notes)
