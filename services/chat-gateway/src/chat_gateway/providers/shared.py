"""What provider files share besides reading: limits checked before anything leaves, and answers that say nothing."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

from gatewaykit.domain.provider import (
    Capabilities,
    HttpReply,
    NotUnderstoodError,
    Outcome,
    Outgoing,
    Passed,
    RefusedError,
    Uncertain,
)

from chat_gateway.providers.reading import Node, number_of

WAIT_MS_MAX: Final = 3_600_000


def passed(kind: str) -> Passed:
    """It becomes a metric's label, so only a word of moderate length does."""
    return Passed(kind=kind if len(kind) <= 64 and kind.isascii() and kind.isidentifier() else "unknown")


def check(outgoing: Outgoing, capabilities: Capabilities) -> None:
    """Raises RefusedError for what the channel cannot carry."""
    if outgoing.template is not None and not capabilities.templates:
        raise RefusedError("content_refused", "the channel has no templates")
    if outgoing.file is not None and outgoing.text and not capabilities.caption_max:
        raise RefusedError("content_refused", "no text goes with a file: send it as a message of its own")
    text_max = capabilities.text_max if outgoing.file is None else capabilities.caption_max
    if len(outgoing.text) > text_max:
        raise RefusedError("content_refused", f"{len(outgoing.text)} characters, {text_max} are allowed")
    if outgoing.file is not None:
        if not any(fnmatchcase(outgoing.file.mime, allowed) for allowed in capabilities.file_types):
            raise RefusedError("content_refused", f"the channel carries no {outgoing.file.mime}")
        if outgoing.file.size_bytes > capabilities.file_bytes_max:
            raise RefusedError(
                "content_refused", f"{outgoing.file.size_bytes} bytes, {capabilities.file_bytes_max} are allowed"
            )
    elif outgoing.template is None and not outgoing.text.strip():
        raise RefusedError("content_refused", "there is nothing to send")


def place(node: Node, latitude: str, longitude: str, *words: str | None) -> str:
    """A geo URI (RFC 5870) of the coordinates under the two keys, and what is said of the place, a line each."""
    return "\n".join(filter(None, (f"geo:{_degrees(node, latitude)},{_degrees(node, longitude)}", *words)))


def digits(number: float) -> str:
    """In decimal, all of it: no exponent, no zeros at the end."""
    return f"{number:.8f}".rstrip("0").rstrip(".")


def _degrees(node: Node, key: str) -> str:
    value = node.get(key)
    try:
        degrees = float(value) if isinstance(value, str) else number_of(node, key)
    except ValueError as error:
        raise NotUnderstoodError(f"{key} is not a number") from error
    if not abs(degrees) <= 180:
        raise NotUnderstoodError(f"{key} is on no map")
    return digits(degrees)


def judged(judge: Callable[[HttpReply], Outcome], reply: HttpReply) -> Outcome:
    """What `judge` says of the answer; an answer of another shape says nothing, and neither does a 5xx: a server that
    failed may have sent it first."""
    if reply.status >= 500:
        return Uncertain(detail=f"HTTP {reply.status}")
    try:
        return judge(reply)
    except NotUnderstoodError as error:
        return Uncertain(detail=f"HTTP {reply.status}: {error}")


def wait_ms(reply: HttpReply, *, otherwise_ms: int) -> int:
    """How long the `Retry-After` header (RFC 9110, in seconds) says to wait, between a second and an hour."""
    header = reply.headers.get("retry-after", "").strip()
    seconds = int(header) if header.isascii() and header.isdigit() and len(header) < 10 else 0
    return min(max(seconds * 1000, 1000), WAIT_MS_MAX) if seconds else otherwise_ms
