"""What one message costs, which lines it reaches, and what must be true of every result."""

import dis
import resource
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import email_gateway.domain
from email_gateway.domain.authentication import judge
from email_gateway.domain.automatic import classify
from email_gateway.domain.limits import Limits
from email_gateway.domain.mail import ParsedMail
from email_gateway.domain.parse import parse_mail
from email_gateway.domain.threading import Keys, join_candidates

FOLDER: Final = str(Path(email_gateway.domain.__file__).parent)
AFTER_READING: Final = frozenset(
    {
        "compose.py",
        "dkim.py",
        "incoming.py",
        "outgoing.py",
        "records.py",
        "smtp_replies.py",
        "suppression.py",
        "writing.py",
    }
)
"""What is done with a message that was read, or sent: no stranger's bytes get there unread."""
LIMITS: Final = Limits()
_KEYS: Final = Keys(active=b"a" * 32, previous=b"b" * 32)
_SERVER: Final = "mx.shop.example"
# A small message costs 2 ms, a large one 1 us a byte; HTML at its limits 10 times that.
SECONDS_AT_REST: Final = 0.3
SECONDS_PER_BYTE: Final = 10e-6
BYTES_AT_REST: Final = 6_000_000
BYTES_PER_BYTE: Final = 80


class BrokenPromiseError(Exception):
    """A result, or what it took, is not as it must be."""


def exercise(raw: bytes) -> ParsedMail:
    """Everything that a gateway would ask of the message."""
    mail = parse_mail(raw, LIMITS)
    classify(mail.headers, envelope_sender=None)
    classify(mail.headers, envelope_sender="", own_addresses=frozenset(("help@shop.example",)))
    judge(mail.headers, _SERVER, trusted_sealers=frozenset(("lists.example",)))
    join_candidates(
        recipients=[one.address for one in mail.to] + list(mail.delivered_to),
        in_reply_to=mail.in_reply_to,
        references=mail.references,
        text=mail.text,
        domain="shop.example",
        keys=_KEYS,
    )
    return mail


def check(raw: bytes, mail: ParsedMail) -> None:
    """Promises of `domain`."""
    words = [
        mail.subject,
        mail.text,
        mail.visible_text,
        mail.quoted_text,
        mail.html,
        mail.visible_html,
        mail.language or "",
    ]
    words += [one.name + one.mime for one in mail.attachments] + [one.address + one.name for one in mail.to]
    words += [*mail.references, *mail.in_reply_to, mail.message_id or ""]
    words += [(one.inline_id or "") + one.declared_mime for one in mail.attachments]
    words += [one.summary + one.uid + one.organiser for one in mail.invites] + [one.diagnostic for one in mail.reports]
    if mail.complaint:
        words += [mail.complaint.kind, *mail.complaint.recipients, *mail.complaint.reply_addresses]
        _must(len(mail.complaint.recipients) <= 2 * LIMITS.reports_max**2, "too many")
    _must(all("\0" not in word and word.encode("utf-8") is not None for word in words), "text that no store takes")
    _must(bool(mail.visible_text) == bool(mail.text.strip()), "visible text is lost")
    _must(
        all("/" not in one.name and "\\" not in one.name and one.name for one in mail.attachments), "a name with a path"
    )
    _must(len(mail.attachments) <= LIMITS.parts_max and len(mail.to) <= LIMITS.addresses_max, "too many")
    _must(sum(len(one.data) for one in mail.attachments) <= LIMITS.decoded_bytes_max, "too many bytes")
    for html in (mail.html.lower(), mail.visible_html.lower()):
        _must(not any(word in html for word in ("<script", "<iframe", "<form", "<svg", "<style")), "unsafe HTML")


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenPromiseError(otherwise)


@dataclass(slots=True)
class Costs:
    """The worst seen, as a share of what is allowed."""

    time_share: float = 0.0
    memory_share: float = 0.0
    messages: int = 0
    bytes: int = 0
    cpu_seconds: float = 0.0


def timed(raw: bytes, costs: Costs) -> ParsedMail:
    """Processor time, so that a busy machine is no failure; what is too slow is measured twice more."""
    allowed = SECONDS_AT_REST + SECONDS_PER_BYTE * len(raw)
    best, mail = 1e9, None
    for _ in range(3):
        before = _cpu_seconds()
        mail = exercise(raw)
        best = min(best, _cpu_seconds() - before)
        if best <= allowed:
            break
    costs.messages += 1
    costs.bytes += len(raw)
    costs.cpu_seconds += best
    costs.time_share = max(costs.time_share, best / allowed)
    _must(best <= allowed, f"{best:.2f} s for {len(raw)} bytes")
    assert mail is not None
    return mail


def weighed(raw: bytes, costs: Costs) -> None:
    """The most memory that was held at once."""
    allowed = BYTES_AT_REST + BYTES_PER_BYTE * len(raw)
    tracemalloc.start()
    try:
        exercise(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    costs.memory_share = max(costs.memory_share, peak / allowed)
    _must(peak <= allowed, f"{peak} bytes of memory for {len(raw)} bytes")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(slots=True)
class Coverage:
    """Lines of the domain that were run."""

    reached: set[tuple[str, int]] = field(default_factory=set)

    def trace(self, act: Callable[[], object]) -> int:
        """How many lines it reached for the first time."""
        before = len(self.reached)
        found = sys.gettrace()
        sys.settrace(self._call)
        try:
            act()
        finally:
            sys.settrace(found)
        return len(self.reached) - before

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(FOLDER) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.reached.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def report(self) -> dict[str, tuple[int, int, list[int]]]:
        """(lines reached, lines there are, those not reached) of each file; lines within functions only."""
        found = {}
        for path in sorted(Path(FOLDER).glob("*.py")):
            lines = _lines_of(compile(path.read_text(), str(path), "exec"), top=True)
            if lines and path.name not in AFTER_READING:
                missing = sorted(line for line in lines if (str(path), line) not in self.reached)
                found[path.name] = (len(lines) - len(missing), len(lines), missing)
        return found


def _lines_of(code: CodeType, *, top: bool) -> set[int]:
    """Of functions; a class's body and a module's run at import."""
    inside = bool(code.co_flags & 0x2) and not top
    lines = {line for _, line in dis.findlinestarts(code) if line} - {code.co_firstlineno} if inside else set()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            lines |= _lines_of(constant, top=False)
    return lines
