"""What an SMTP server's answer means for one recipient (RFC 5321, enhanced status codes of RFC 3463).

Details hold the codes alone: what servers say beside them names people.
"""

import re
from typing import Final, Literal

from gatewaykit.domain.provider import Again, Refused

Step = Literal["connect", "login", "mail", "rcpt", "data"]
RETRY_MS: Final = 60_000
"""At least so long after a server said not now: greylisting lets nobody through before."""
LOGIN_RETRY_MS: Final = 300_000
_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)")
_UNKNOWN: Final = frozenset(("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"))
_BY_ENHANCED: Final = {
    "5.2.2": "recipient_full",
    "5.2.3": "message_too_large",
    "5.3.4": "message_too_large",
    "5.6.7": "address_unsupported",
}
_BY_CODE: Final = {550: "recipient_unknown", 551: "recipient_unknown", 553: "recipient_unknown"}
LASTING: Final = frozenset(("5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.2.1"))
"""Statuses of RFC 3463 that say that nobody is there, nor will be."""


def refusal_of(step: Step, code: int, text: str) -> Refused | Again:
    """Of an answer that is no success. What is wrong with us, not with the message, may be right later: an operator
    sees to it."""
    enhanced = enhanced_code(text)
    detail = f"{step}: {code} {enhanced}".rstrip()
    if step in ("connect", "login") or code in (421, 530, 535):
        return Again(after_ms=LOGIN_RETRY_MS if step == "login" else RETRY_MS, scope="account", detail=detail)
    if not 500 <= code < 600:
        return Again(after_ms=RETRY_MS, scope="pair", detail=detail)
    return Refused(code=_word(step, code, enhanced), detail=detail)


def enhanced_code(text: str) -> str:
    """At the beginning of what the server says; empty if none stands there."""
    found = _ENHANCED.match(text)
    return found[0] if found else ""


def is_lasting(step: Step, code: int, text: str) -> bool:
    """Nobody is, nor will be, at the address: it is not written to any more. Only what says so certainly."""
    return step == "rcpt" and 500 <= code < 600 and enhanced_code(text) in LASTING


def _word(step: Step, code: int, enhanced: str) -> str:
    if enhanced in _BY_ENHANCED:
        return _BY_ENHANCED[enhanced]
    if step == "rcpt":
        if enhanced in _UNKNOWN:
            return "recipient_unknown"
        return "not_authorised" if enhanced.startswith("5.7.") else _BY_CODE.get(code, f"smtp_{code}")
    if code == 552:
        return "message_too_large"
    if step == "mail":
        return "not_authorised" if code in (550, 553) or enhanced.startswith("5.7.") else f"smtp_{code}"
    return "content_refused" if code in (550, 554) or enhanced.startswith(("5.6.", "5.7.")) else f"smtp_{code}"
