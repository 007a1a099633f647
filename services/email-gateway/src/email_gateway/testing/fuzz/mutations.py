"""Ways to spoil a message: some by bytes, some by its structure."""

import base64
import binascii
from collections.abc import Callable
from typing import Final

from email_gateway.testing.fuzz.dice import Dice

MESSAGE_BYTES_MAX: Final = 300_000
_WORDS: Final = (
    *(b"=?", b"?=", b"=?utf-8?b?", b"=?iso-2022-jp?q?", b"?", b"=", b"\r\n", b"\n\n", b"\r\n ", b"\t", b"\0", b"\xff"),
    *(
        b"(",
        b")",
        b"<",
        b">",
        b'"',
        b"\\",
        b",",
        b";",
        b":",
        b"@",
        b"%",
        b"'",
        b"*0*=",
        b"*1=",
        b"--",
        b"--=_b1",
        b"--=_b1--",
    ),
    *(b"&#", b"&#x110000;", b"&lt", b"<!--", b"-->", b"<![CDATA[", b"</", b"<b>", b"<div>", b"</p>", b"<table><td>"),
    *(b"<blockquote type=cite>", b"<script>", b"</script>", b"<style>", b"<pre>", b"<img src=http://x>", b"<a href='"),
    *(
        b"<div class=gmail_quote>",
        b"<a class=gmail_attr>q</font></a>",
        b"<div id=divRplyFwdMsg>",
        b"<p style='display:none'>",
        b"\x1b$B",
        b"\x1b(B",
        b"~{",
    ),
    *(
        b"<!--x--!>",
        b"</table>",
        b"</!",
        b'<p a="',
        b"<svg><style>",
        b"</svg>",
        b"<xmp>",
        b"<font size=1>",
        b"<html a>",
        b"<p>x",
    ),
    *(b"begin 644 a\n", b"\nend\n", b"> ", b"-- \n", b"On 1.1. a@b wrote:", b"From: a\nSent: b\nTo: c\nSubject: d\n"),
    *(
        b"-----Original Message-----",
        b"\x78\x9f\x3e\x22",
        b"BEGIN:VEVENT\n",
        b"DTSTART:99991231T235959Z\n",
        b"\xef\xbb\xbf",
    ),
)
_FIELDS: Final = (
    *(b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: multipart/alternative; boundary==_b1"),
    *(b"Content-Type: multipart/digest; boundary=b", b"Content-Type: message/rfc822", b"Content-Type: text/html"),
    *(b"Content-Type: message/delivery-status", b"Content-Type: application/ms-tnef", b"Content-Type: text/calendar"),
    *(b"Content-Type: text/plain; charset=utf-16", b"Content-Type: text/plain; charset=hz; format=flowed; delsp=yes"),
    *(b"Content-Type: text/plain; charset=iso-2022-kr", b"Content-Type: text/plain; charset=utf-7"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable"),
    *(
        b"Content-Transfer-Encoding: x-uuencode",
        b"Content-Disposition: attachment; filename*0*=utf-8''%",
        b"X-Failed-Recipients: a@b",
    ),
    *(b"Authentication-Results: mx.shop.example; dmarc=pass header.from=a", b"Return-Path: <>", b"Precedence: bulk"),
    *(b"Date: Mon, 99 Mar 99999 99:99:99 +9999", b"References: <a@b> <", b"To: a@b, (((", b"Subject: =?utf-8?q?=?="),
)


def spoiled(raw: bytes, others: list[bytes], dice: Dice) -> bytes:
    """The message after one to six spoilings."""
    for _ in range(1 + dice.below(6)):
        raw = dice.one(MUTATIONS)(raw, others, dice)[:MESSAGE_BYTES_MAX]
    return raw


def _range(raw: bytes, dice: Dice) -> tuple[int, int]:
    start = dice.below(len(raw))
    return start, min(len(raw), start + dice.size(len(raw) or 1))


def _flip(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    data = bytearray(raw)
    for _number in range(dice.size(16) if raw else 0):
        data[dice.below(len(data))] = dice.below(256)
    return bytes(data)


def _remove(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    start, end = _range(raw, dice)
    return raw[:start] + raw[end:]


def _repeat(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    start, end = _range(raw, dice)
    times = min(dice.size(4000), MESSAGE_BYTES_MAX // max(1, end - start))
    return raw[:start] + raw[start:end] * times + raw[end:]


def _insert(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    place = dice.below(len(raw) + 1)
    return raw[:place] + dice.one(_WORDS) * dice.size(2000 if dice.below(10) == 0 else 2) + raw[place:]


def _replace_word(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    return raw.replace(dice.one(_WORDS), dice.one(_WORDS), dice.size(50))


def _truncate(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    return raw[: dice.below(len(raw) + 1)]


def _splice(raw: bytes, others: list[bytes], dice: Dice) -> bytes:
    other = dice.one(others)
    return raw[: dice.below(len(raw) + 1)] + other[dice.below(len(other) + 1) :]


def _ends(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    return (
        raw.replace(b"\r\n", dice.one((b"\n", b"\r", b"\n\r", b"\r\n ")))
        if dice.below(2)
        else raw.replace(b"\n", b"\r\n")
    )


def _lines(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    lines = raw.split(b"\n")
    first, second = dice.below(len(lines)), dice.below(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _field(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    """At the beginning, or after any line: that may be a part's header."""
    place = 0 if dice.below(2) else raw.find(b"\n", dice.below(len(raw))) + 1
    return raw[:place] + dice.one(_FIELDS) + b"\r\n" + raw[place:]


def _wrap(raw: bytes, others: list[bytes], dice: Dice) -> bytes:
    for level in range(dice.size(30)):
        kind = dice.one((b"mixed", b"alternative", b"related", b"digest", b"report", b"signed"))
        mark = b"w%d" % level
        rest = b"\r\n--" + mark + b"\r\n" + dice.one(others)[:5000] if dice.below(4) == 0 else b""
        raw = b"Content-Type: multipart/" + kind + b"; boundary=" + mark + b"\r\n\r\n--" + mark + b"\r\n" + raw + rest
        raw += b"\r\n--" + mark + b"--\r\n"
    return raw


def _encode(raw: bytes, _: list[bytes], dice: Dice) -> bytes:
    """Its body in another encoding, declared or not."""
    head, _blank, body = raw.partition(b"\r\n\r\n")
    name, data = dice.one(
        ((b"base64", base64.encodebytes(body)), (b"quoted-printable", binascii.b2a_qp(body)), (b"8bit", body))
    )
    return head + b"\r\nContent-Transfer-Encoding: " + name + b"\r\n\r\n" + data


Mutation = Callable[[bytes, list[bytes], Dice], bytes]
MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(_flip, _remove, _repeat, _insert, _insert, _replace_word, _truncate),
    *(_splice, _ends, _lines, _field, _field, _wrap, _encode),
)
