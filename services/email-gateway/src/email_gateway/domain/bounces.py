"""Reports on delivery: RFC 3464, RFC 6533, and those of servers that write a letter instead."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from email_gateway.domain.addresses import parse_message_ids, valid_address
from email_gateway.domain.charsets import decode
from email_gateway.domain.headers import Headers, read_headers
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.smtp_replies import LASTING
from email_gateway.domain.words import header_text

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
_ACTIONS: Final[dict[str, Action]] = {
    "failed": "failed",
    "failure": "failed",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "relayed",
    "expanded": "expanded",
}
_DIAGNOSTIC_CHARS_MAX: Final = 500
_LETTER_CHARS_MAX: Final = 20_000
_LETTER_LINES_MAX: Final = 400
STATUS_TYPES: Final = frozenset(("message/delivery-status", "message/global-delivery-status"))
RETURNED_TYPES: Final = frozenset(
    ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
)
_COPY_MARKS: Final = (
    "--- below this line is a copy of the message.",
    "--- enclosed are the original headers of the message.",
    "this is a copy of the message, including all the headers",
    "this is a copy of your message, including all the headers",
    "this is a copy of the message's headers",
    "this is a copy of the headers",
    "--- undelivered message follows ---",
    "original message headers:",
    "----- original message -----",
)
_LETTERS: Final = (
    "hi. this is the qmail-send program",
    "this message was created automatically by mail delivery software",
    "this is the mail system at host",
    "a message that you sent could not be delivered",
    "a message that you sent has not yet been delivered",
    "delivery has failed to these recipients",
    "your message did not reach some or all of the intended recipients",
    "your message wasn't delivered to",
    "delivery to the following recipient",
    "die nachricht konnte nicht zugestellt werden",
    "échec de la remise à",
    "no se pudo entregar el mensaje",
)
_LINE_ENDS: Final = re.compile(rb"[\r\n]*")
_SPACES: Final = str.maketrans("()#-<>", "      ")
_DELAYS: Final = ("has not yet been delivered", "delivery incomplete", "will be retried", "delayed")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What became of one recipient's copy of a message of ours."""

    original_message_id: str | None
    final_recipient: str | None
    original_recipient: str | None = None
    action: Action = "failed"
    status: str | None = None
    """`5.1.1`: 5 is for good, 4 for now (RFC 3463)."""
    diagnostic: str = ""
    reporting_mta: str = ""
    guessed: bool = False
    """Read from a letter to a person."""

    @property
    def is_lasting(self) -> bool:
        """Writing there again is useless: nobody is there. Full mailboxes and refused words are another matter."""
        return self.action == "failed" and self.status in LASTING


def read_status(body: bytes, message_id: str | None, limits: Limits, notes: Notes) -> list[DeliveryReport]:
    """The reports of a message/delivery-status part: groups of fields, the first of them about the message."""
    blocks: list[Headers] = []
    position = 0
    while position < len(body) and len(blocks) <= limits.reports_max:
        position = _after_line_ends(body, position)
        headers, after = read_headers(body, position, len(body), limits, notes)
        if headers.fields:
            blocks.append(headers)
        if after <= position:
            break
        position = after
    mta = _typed(blocks[0].first("reporting-mta"), notes) if blocks else ""
    rows = [
        block
        for block in blocks
        if block.has("final-recipient") or block.has("original-recipient") or block.has("action")
    ]
    return [_report(row, message_id, mta, notes) for row in rows[: limits.reports_max]]


def _after_line_ends(body: bytes, position: int) -> int:
    match = _LINE_ENDS.match(body, position)
    return match.end() if match else position


def _report(row: Headers, message_id: str | None, mta: str, notes: Notes) -> DeliveryReport:
    status = row.word("status").split(" ")[0]
    return DeliveryReport(
        original_message_id=message_id,
        final_recipient=_recipient(row.first("final-recipient"), notes),
        original_recipient=_recipient(row.first("original-recipient"), notes),
        action=_ACTIONS.get(row.word("action").split(" ")[0], "delayed" if status.startswith("4") else "failed"),
        status=status if is_status(status) else _status_in(_typed(row.first("diagnostic-code"), notes)),
        diagnostic=_typed(row.first("diagnostic-code"), notes)[:_DIAGNOSTIC_CHARS_MAX],
        reporting_mta=mta[:200],
    )


def _typed(value: bytes, notes: Notes) -> str:
    """What stands after the type: `smtp; 550 no such user`, `dns; mx.example`."""
    head, semicolon, rest = value.partition(b";")
    return header_text(rest if semicolon and b" " not in head.strip() else value, notes)


def _recipient(value: bytes, notes: Notes) -> str | None:
    text = _typed(value, notes).strip("<> ")
    if value[:6].lower() == b"utf-8;" and "\\x{" in text:
        text = _unescaped(text)
    return valid_address(text)


def _unescaped(text: str) -> str:
    r"""RFC 6533 section 3: `\x{E9}`."""
    first, *others = text.split("\\x{")
    pieces = [first]
    for other in others:
        digits, brace, rest = other.partition("}")
        good = brace and 0 < len(digits) <= 5 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
        code = int(digits, 16) if good else 0
        pieces.append(f"{chr(code)}{rest}" if 0x20 < code < 0xD800 or code >= 0xE000 else other)
    return "".join(pieces)


def is_status(text: str) -> bool:
    """`5.1.1` (RFC 3463)."""
    parts = text.split(".")
    digits = all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts)
    return len(parts) == 3 and parts[0] in ("2", "4", "5") and digits


def _status_in(text: str) -> str | None:
    """A code of either kind in what a server said."""
    spaced = text.translate(_SPACES).split()[:60]
    words = [word.strip(".,:;") for word in spaced]
    replies = (f"{word[0]}.0.0" for word in words if len(word) == 3 and word.isdigit() and word[0] in "45")
    return next(filter(is_status, words), None) or next(replies, None)


def returned_headers(body: bytes, limits: Limits, notes: Notes) -> Headers:
    """Of a message, or of its header, that was sent back."""
    start = len(body) - len(body.lstrip())
    return read_headers(body, start, len(body), limits, notes)[0]


def read_letter(headers: Headers, text: str, limits: Limits, notes: Notes) -> list[DeliveryReport]:
    """What qmail, Exim, old Exchange and others tell people. Empty where it is no such letter."""
    letter = text[:_LETTER_CHARS_MAX]
    lowered = letter.lower()
    failed = decode(headers.first("x-failed-recipients"), None, notes)
    if not failed and not any(mark in lowered for mark in _LETTERS):
        return []
    places = [place for place in (lowered.find(mark) for mark in _COPY_MARKS) if place >= 0]
    said, copy = (letter[: min(places)], letter[min(places) :]) if places else (letter, letter)
    message_id = _message_id_in(copy)
    named = [valid_address(one) for one in failed.split(",")]
    rows = [(one, _about(one, said)) for one in named if one] or _recipients_in(said)
    delayed = any(mark in said.lower() for mark in _DELAYS)
    return [
        DeliveryReport(
            original_message_id=message_id,
            final_recipient=address,
            action="delayed" if delayed else "failed",
            status=_status_in(diagnostic) or ("4.0.0" if delayed else None),
            diagnostic=diagnostic[:_DIAGNOSTIC_CHARS_MAX],
            guessed=True,
        )
        for address, diagnostic in rows[: limits.reports_max]
    ]


def _message_id_in(copy: str) -> str | None:
    for line in copy.split("\n")[:_LETTER_LINES_MAX]:
        if line.lstrip("> \t").lower().startswith("message-id:"):
            return next(iter(parse_message_ids(line.partition(":")[2].encode("utf-8", "replace"))), None)
    return None


def _recipients_in(said: str) -> list[tuple[str, str]]:
    """Addresses that begin a line, each with the lines below it: so do qmail, Exim and Postfix."""
    lines = said.split("\n")[:_LETTER_LINES_MAX]
    found: dict[str, str] = {}
    for place, line in enumerate(lines):
        head = line.strip().partition(" ")[0]
        address = valid_address(head.strip("<>:*").removeprefix("mailto:"))
        if address and address not in found:
            found[address] = _below(lines, place)
    return list(found.items())


def _about(address: str, said: str) -> str:
    lines = said.split("\n")[:_LETTER_LINES_MAX]
    return next((_below(lines, place) for place, line in enumerate(lines) if address in line.lower()), "")


def _below(lines: list[str], place: int) -> str:
    """The rest of the line and the paragraph below it."""
    _, _, rest = lines[place].strip().partition(" ")
    pieces = [rest]
    for line in lines[place + 1 : place + 6]:
        if not line.strip():
            break
        pieces.append(line.strip())
    return " ".join(" ".join(pieces).split()).lstrip(":( ")
