"""Plain text bodies to lines; format=flowed (RFC 3676) to paragraphs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a body. `at`: where it began in the HTML that it was read from."""

    text: str
    quoted: bool = False
    at: int = 0


def plain_lines(text: str) -> list[Line]:
    """Of a text with one kind of line ends; those that begin with `>` are quoted."""
    return [Line(line.rstrip(), line.lstrip(" ").startswith(">")) for line in text.split("\n")]


def one_kind_of_ends(text: str) -> str:
    r"""Every line ends with `\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unflowed(text: str, *, delete_spaces: bool) -> str:
    """Soft line ends are taken back, within one depth of quoting; `delete_spaces` is DelSp."""
    paragraphs: list[str] = []
    pieces: list[str] = []
    depth_before = 0
    for line in one_kind_of_ends(text).split("\n"):
        rest = line.lstrip(">")
        depth = len(line) - len(rest)
        body = rest.removeprefix(" ")
        if pieces and depth != depth_before:
            paragraphs.append(_quoted(pieces, depth_before))
            pieces = []
        depth_before = depth
        flows = body.endswith(" ") and body != "-- "
        pieces.append(body[:-1] if flows and delete_spaces else body)
        if not flows:
            paragraphs.append(_quoted(pieces, depth))
            pieces = []
    if pieces:
        paragraphs.append(_quoted(pieces, depth_before))
    return "\n".join(paragraphs)


def _quoted(pieces: list[str], depth: int) -> str:
    return f"{'>' * depth} {''.join(pieces)}" if depth else "".join(pieces)
