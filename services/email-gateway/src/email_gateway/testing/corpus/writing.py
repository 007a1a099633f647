"""Messages as bytes, written by hand: the standard library would repair what must stay broken."""

from dataclasses import dataclass, field
from typing import Any, Final

USUAL: Final = (
    "From: Anna Muster <anna@customer.example>",
    "To: Help <help@shop.example>",
    "Subject: Where is my order?",
    "Date: Mon, 02 Mar 2026 10:00:00 +0100",
    "Message-ID: <m1@customer.example>",
    "MIME-Version: 1.0",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A message and what it must parse to; `expected` is read by `views.view`: only what is named is compared."""

    name: str
    raw: bytes
    expected: dict[str, Any] = field(default_factory=dict)


def as_bytes(text: str | bytes) -> bytes:
    r"""UTF-8 with `\r\n`."""
    return text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode("utf-8")


def entity(*fields: str | bytes, body: str | bytes = "") -> bytes:
    """A part: these fields and no others."""
    return b"".join(as_bytes(one) + b"\r\n" for one in fields) + b"\r\n" + as_bytes(body)


def mail(*fields: str | bytes, body: str | bytes = "", without: tuple[str, ...] = ()) -> bytes:
    """A message with the usual fields, but for those that are given or left out."""
    given = {as_bytes(one).partition(b":")[0].strip().lower() for one in fields}
    given |= {name.encode() for name in without}
    kept = [one for one in USUAL if one.partition(":")[0].lower().encode() not in given]
    return entity(*kept, *fields, body=body)


def several(*parts: bytes, boundary: str = "=_b1", closed: bool = True) -> bytes:
    """The body of a multipart."""
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + (mark + b"--\r\n" if closed else b"")


def multipart(kind: str, *parts: bytes, boundary: str = "=_b1", fields: tuple[str, ...] = ()) -> bytes:
    """A message of several parts."""
    content = f'Content-Type: multipart/{kind}; boundary="{boundary}"'
    return mail(*fields, content, body=several(*parts, boundary=boundary))


def inner(kind: str, *parts: bytes, boundary: str) -> bytes:
    """A multipart within another."""
    return entity(f'Content-Type: multipart/{kind}; boundary="{boundary}"', body=several(*parts, boundary=boundary))


def text(body: str, *, kind: str = "plain") -> bytes:
    """A text part in UTF-8."""
    return entity(f"Content-Type: text/{kind}; charset=utf-8", "Content-Transfer-Encoding: 8bit", body=body)
