"""What a person wrote, and what their program added: the message that is answered, signatures.

By lines, forward only. Programs mark quotes in a few ways: `>`; a sentence above (`On ... wrote:`); a rule with the
words of the original message; Outlook's block of header fields. Answers between quoted lines keep those lines.
"""

from dataclasses import dataclass
from typing import Final

from email_gateway.domain.phrases import (
    FORWARD_PREFIXES,
    FORWARDED,
    FROM,
    MOBILE,
    OPENERS,
    ORIGINAL,
    SAYS,
    SENT,
    SUBJECT,
    TO,
)
from email_gateway.domain.plain import Line

_LINE_CHARS_MAX: Final = 400
_ATTRIBUTION_LINES_MAX: Final = 3
_BLOCK_LINES: Final = 7
_LABEL_CHARS_MAX: Final = 16
_SIGNATURE_LINES_MAX: Final = 25
_LONG_RUN_LINES: Final = 40


@dataclass(frozen=True, slots=True)
class Said:
    """`cut_from`: the place in the HTML from where on everything is quoted. `inline`: answers stand between quotes."""

    visible: str
    quoted: str
    inline: bool = False
    cut_from: int | None = None


_OPEN, _QUOTED, _SIGNATURE = range(3)


def is_forward(subject: str) -> bool:
    """The subject says so: then what stands below is what the sender wants read."""
    for word in subject.lower().replace("：", ":").split(":")[:3]:
        if word.strip() in FORWARD_PREFIXES:
            return True
        if len(word) > _LABEL_CHARS_MAX:
            return False
    return False


def split_said(lines: list[Line], *, forward: bool = False) -> Said:
    """What is visible never is empty, unless the message is."""
    whole = _text(lines)
    if forward or not whole:
        return Said(whole, "")
    marks, tail = _marks(lines)
    if _OPEN not in {mark for mark, line in zip(marks, lines, strict=True) if line.text.strip()}:
        return Said(whole, "")
    inline = _keep_answered(lines, marks)
    visible = _text([line for line, mark in zip(lines, marks, strict=True) if mark == _OPEN], inline=inline)
    quoted = _text([line for line, mark in zip(lines, marks, strict=True) if mark != _OPEN])
    return Said(visible, quoted, inline, None if tail is None else lines[tail].at)


def _marks(lines: list[Line]) -> tuple[list[int], int | None]:
    """What each line is, and the one from which on everything is quoted."""
    marks = [_QUOTED if line.quoted else _OPEN for line in lines]
    last_quoted = max((place for place, line in enumerate(lines) if line.quoted), default=-1)
    tail: int | None = None
    place = 0
    while place < len(lines):
        text = lines[place].text.strip()[:_LINE_CHARS_MAX]
        if lines[place].quoted or not text:
            place += 1
            continue
        if _is_forward_mark(text):
            break
        if _is_original_mark(text) or _is_block(lines, place):
            tail = _with_rule_above(lines, place)
            break
        length = _attribution_lines(lines, place)
        if length:
            follows = _next_text(lines, place + length)
            if follows is None or follows > last_quoted:
                tail = place
                break
            if lines[follows].quoted:
                marks[place:follows] = [_QUOTED] * (follows - place)
            place += length
            continue
        place += 1
    if tail is not None:
        marks[tail:] = [_QUOTED] * (len(lines) - tail)
    _mark_signatures(lines, marks)
    return marks, tail


def _is_forward_mark(text: str) -> bool:
    lowered = text.lower().strip("-–—_ :")
    return len(lowered) < 80 and lowered.startswith(FORWARDED)


def _is_original_mark(text: str) -> bool:
    if not text.startswith(("--", "—", "__", "==", "*-", "<")):
        return False
    bare = text.lower().strip("-–—_=* <>:")
    return bare in ORIGINAL


def _is_block(lines: list[Line], place: int) -> bool:
    if _label(lines[place].text) not in FROM:
        return False
    labels = [_label(line.text) for line in lines[place + 1 : place + 1 + _BLOCK_LINES]]
    kinds = [any(label in kind for label in labels if label) for kind in (SENT, TO, SUBJECT)]
    return sum(kinds) >= 2


def _label(text: str) -> str:
    head = text[: _LABEL_CHARS_MAX + 8].replace("：", ":").lstrip("*_ \t\u3000")
    label, colon, _ = head.partition(":")
    return label.strip("*_ \t\xa0\u3000").lower() if colon else ""


def _with_rule_above(lines: list[Line], place: int) -> int:
    above = place - 1
    while above >= 0 and not lines[above].text.strip():
        above -= 1
    is_rule = above >= 0 and not lines[above].quoted and len(lines[above].text.strip()) > 4
    return above if is_rule and not lines[above].text.strip().strip("_-") else place


def _attribution_lines(lines: list[Line], place: int) -> int:
    """How many lines the sentence above a quote has; 0: here is none."""
    joined = ""
    for length in range(1, _ATTRIBUTION_LINES_MAX + 1):
        if place + length > len(lines) or lines[place + length - 1].quoted:
            return 0
        text = lines[place + length - 1].text.strip()[:_LINE_CHARS_MAX]
        if not text or (length > 1 and not joined.lower().startswith(OPENERS) and "<" not in joined):
            return 0
        joined = f"{joined} {text}".strip()
        if _is_attribution(joined):
            return length
    return 0


def _is_attribution(text: str) -> bool:
    if not text.endswith((":", "：")) or len(text) > _LINE_CHARS_MAX:
        return False
    has_figure = any(char.isdigit() for char in text) or "@" in text
    bare = text.rstrip(":： \xa0").lower()
    if has_figure and bare.endswith(SAYS):
        return True
    # German and Dutch end otherwise: "Am 1.2.2026 schrieb Anna <anna@example.org>:"; Gmail in Japanese has no verb.
    address = bare.endswith(">") and "@" in bare
    said = any(f" {word} " in bare for word in SAYS)
    opened = bare.startswith(OPENERS)
    return has_figure and ((said and opened) or (address and (opened or bare[:4].isdigit())))


def _next_text(lines: list[Line], place: int) -> int | None:
    return next((number for number in range(place, len(lines)) if lines[number].text.strip()), None)


def _mark_signatures(lines: list[Line], marks: list[int]) -> None:
    """From `-- ` to the next quote or the end; a telephone's line where nothing but quotes follows."""
    open_lines = [place for place, mark in enumerate(marks) if mark == _OPEN and lines[place].text.strip()]
    for place in reversed(open_lines[-3:]):
        # Only the last ones can be a program's.
        if lines[place].text.strip().lower().startswith(MOBILE) and len(lines[place].text) < 120:
            marks[place] = _SIGNATURE
        else:
            break
    for place in open_lines:
        if lines[place].text.strip() != "--":
            continue
        # No further than a signature is long: there may be as many such lines as there are lines.
        last = min(len(lines), place + _SIGNATURE_LINES_MAX + 1)
        end = next((number for number in range(place, last) if marks[number] == _QUOTED), last)
        if end - place <= _SIGNATURE_LINES_MAX:
            marks[place:end] = [_SIGNATURE] * (end - place)
            return


def _keep_answered(lines: list[Line], marks: list[int]) -> bool:
    """Quoted lines that are answered below them are part of what is said, unless the whole message is quoted first."""
    said = [place for place, mark in enumerate(marks) if mark == _OPEN and lines[place].text.strip()]
    if not said:
        return False
    runs = [run for run in _runs(marks) if run[0] < said[-1]]
    if not runs or (len(runs) == 1 and (runs[0][0] < said[0] or runs[0][1] - runs[0][0] > _LONG_RUN_LINES)):
        return False
    for start, end in runs:
        marks[start:end] = [_OPEN] * (end - start)
    return True


def _runs(marks: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start: int | None = None
    for place, mark in enumerate([*marks, _OPEN]):
        if mark == _QUOTED:
            start = place if start is None else start
        elif start is not None:
            found.append((start, place))
            start = None
    return found


def _text(lines: list[Line], *, inline: bool = False) -> str:
    """With at most one blank line at once."""
    found: list[str] = []
    for line in lines:
        text = line.text.rstrip()
        if inline and line.quoted and text and not text.lstrip().startswith(">"):
            text = f"> {text}"
        if text or (found and found[-1]):
            found.append(text)
    return "\n".join(found).strip("\n")
