"""What programs get wrong: character sets, encoded words, encodings, structure."""

import base64
import binascii
from typing import Final

from email_gateway.testing.corpus.writing import Sample, entity, inner, mail, multipart, several, text

PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
_PDF: Final = b"%PDF-1.4\n" + b"x" * 100
_JAPANESE: Final = "ご注文について、よろしくお願いします。"
_RUSSIAN: Final = "Здравствуйте, где мой заказ? Спасибо."
_CHINESE: Final = "您好，我的订单在哪里？谢谢您的帮助。"


def _charset(name: str, declared: str | None, data: bytes, meant: str, *, kind: str = "plain") -> Sample:
    content = f"Content-Type: text/{kind}" + (f"; charset={declared}" if declared else "")
    return Sample(name=f"charset_{name}", raw=mail(content, body=data), expected={"text": meant})


def _subject(name: str, field: str | bytes, meant: str) -> Sample:
    raw = field if isinstance(field, bytes) else field.encode("utf-8")
    return Sample(name=f"subject_{name}", raw=mail(b"Subject: " + raw, body="x"), expected={"subject": meant})


def _file(name: str, field: str | bytes, meant: str) -> Sample:
    raw = field if isinstance(field, bytes) else field.encode("utf-8")
    part = entity("Content-Type: application/pdf", b"Content-Disposition: attachment; " + raw, body=_PDF)
    return Sample(
        name=f"file_{name}",
        raw=multipart("mixed", text("see"), part),
        expected={"files": [(meant, "application/pdf")], "text": "see"},
    )


def _uuencoded(data: bytes) -> str:
    lines = [binascii.b2a_uu(data[place : place + 45]).decode() for place in range(0, len(data), 45)]
    return "begin 644 scan.pdf\n" + "".join(lines) + "`\nend\n"


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


_CHARSETS: Final = [
    _charset("latin_as_ascii", "us-ascii", "Käse für später".encode("latin-1"), "Käse für später"),
    _charset("utf8_as_latin", "iso-8859-1", "Käse für später".encode(), "Käse für später"),
    _charset("windows_as_latin", "iso-8859-1", "“Quotes” – €".encode("cp1252"), "“Quotes” – €"),
    _charset("undeclared_utf8", None, "Żółć".encode(), "Żółć"),
    _charset("koi8", "koi8-r", _RUSSIAN.encode("koi8-r"), _RUSSIAN),
    _charset("undeclared_windows_1251", None, _RUSSIAN.encode("cp1251"), _RUSSIAN),
    _charset("undeclared_koi8", None, _RUSSIAN.encode("koi8-r"), _RUSSIAN),
    _charset("undeclared_shift_jis", None, _JAPANESE.encode("cp932"), _JAPANESE),
    _charset("undeclared_gb", None, _CHINESE.encode("gb18030"), _CHINESE),
    _charset("gb2312_beyond", "gb2312", "镕基 €".encode("gb18030"), "镕基 €"),
    _charset("iso_2022_jp", "iso-2022-jp", _JAPANESE.encode("iso2022_jp"), _JAPANESE),
    _charset("big5", "big5", "訂單".encode("big5"), "訂單"),
    _charset("korean", "ks_c_5601-1987", "주문 똠".encode("cp949"), "주문 똠"),
    _charset("utf7_refused", "utf-7", b"+ADw-script+AD4-", "+ADw-script+AD4-"),
    _charset("unknown", "x-klingon", "Käse".encode(), "Käse"),
    _charset("codec_that_is_none", "zlib", b"plain", "plain"),
    _charset("utf8_broken", "utf-8", "Grüße ".encode() * 10 + b"\xff", "Grüße " * 10 + "\ufffd"),
    _charset("nul_and_controls", "utf-8", b"a\x00b\x07c\td", "abc\td"),
    _charset("byte_order_mark", "utf-8", b"\xef\xbb\xbfHello", "Hello"),
    _charset("utf16", "utf-16", "Käse".encode("utf-16"), "Käse"),
    _charset("meta", None, '<meta charset="windows-1250"><p>Łódź'.encode("cp1250"), "Łódź", kind="html"),
]
_SUBJECTS: Final = [
    _subject("q", "=?utf-8?Q?K=C3=A4se_f=C3=BCr?= me", "Käse für me"),
    _subject(
        "split_character", "=?utf-8?B?5L2g5aW9?= =?utf-8?B?5LiW?=\n =?utf-8?B?55U=?= =?utf-8?B?jA==?=", "你好世界"
    ),
    _subject("no_padding", "=?utf-8?B?S8Okc2U?=", "Käse"),
    _subject("spaces_in_q", "=?iso-8859-1?Q?K=E4se und Brot?=", "Käse und Brot"),
    _subject("language", "=?utf-8*de?Q?K=C3=A4se?=", "Käse"),
    _subject("glued", "a=?utf-8?Q?=C3=A4?=b", "aäb"),
    _subject("no_end", "=?utf-8?Q?K=C3=A4se", "=?utf-8?Q?K=C3=A4se"),
    _subject("no_encoding", "=?utf-8?X?abc?= x", "=?utf-8?X?abc?= x"),
    _subject("raw_utf8", "Bestellung für Ödön", "Bestellung für Ödön"),
    _subject("raw_latin", "Größe".encode("latin-1"), "Größe"),
    _subject("injection", "=?utf-8?Q?a=0D=0ABcc:_x@y.example?=", "a Bcc: x@y.example"),
    _subject("japanese", "=?ISO-2022-JP?B?GyRCJDRDbUo4GyhC?=", "ご注文"),
]
_FILES: Final = [
    _file("plain", 'filename="a b.pdf"', "a b.pdf"),
    _file("unquoted", "filename=my file.pdf", "my file.pdf"),
    _file("rfc2231", "filename*=utf-8''R%C3%A4tsel.pdf", "Rätsel.pdf"),
    _file(
        "rfc2231_pieces", "filename*0*=utf-8''R%C3%A4;\n filename*1*=tsel%20;\n filename*2=\"2.pdf\"", "Rätsel 2.pdf"
    ),
    _file("rfc2231_without_charset", "filename*=R%C3%A4tsel.pdf", "Rätsel.pdf"),
    _file("encoded_word", 'filename="=?utf-8?B?UsOkdHNlbC5wZGY=?="', "Rätsel.pdf"),
    _file("raw_bytes", 'filename="Rätsel.pdf"'.encode("latin-1"), "Rätsel.pdf"),
    _file("path", 'filename="C:\\Users\\anna\\..\\secret.pdf"', "secret.pdf"),
    _file("traversal", 'filename="../../etc/passwd"', "passwd"),
    _file("direction_mark", 'filename="\u202efdp.exe"', "fdp.exe"),
    _file("no_end_quote", 'filename="open.pdf', "open.pdf"),
    _file("none", "size=3", "attachment-1.pdf"),
    _file("long", f'filename="{"n" * 300}.pdf"', "n" * 116 + ".pdf"),
    Sample(
        name="file_lies",
        raw=multipart(
            "mixed", text("x"), entity('Content-Type: image/png; name="cat.png"', body=b"MZ\x90\0" + bytes(60))
        ),
        expected={"files": [("cat.png", "application/x-msdownload")]},
    ),
]
_ENCODINGS: Final = [
    Sample(
        name="base64_rubbish",
        raw=mail("Content-Transfer-Encoding: base64", body=b"SGVs\x00bG8g\r\n!!d29y*bGQ=\r\n"),
        expected={"text": "Hello world", "warns": {"base64_broken"}},
    ),
    Sample(
        name="base64_footer",
        raw=mail("Content-Transfer-Encoding: base64", body=b"SGVsbG8=\r\n\r\n____ \r\nThis list is for everybody\r\n"),
        expected={"text": "Hello"},
    ),
    Sample(
        name="base64_pieces",
        raw=mail("Content-Transfer-Encoding: base64", body=b"SGVsbG8=\r\nIHdvcmxk\r\n"),
        expected={"text": "Hello world"},
    ),
    Sample(
        name="quoted_printable_broken",
        raw=mail(
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            body="K=C3=A4se =XY 100% =\n=3D end=",
        ),
        expected={"text": "Käse =XY 100% = end"},
    ),
    Sample(
        name="encoding_unknown",
        raw=mail("Content-Transfer-Encoding: x-magic", body="Hello"),
        expected={"text": "Hello", "warns": {"encoding_unknown"}},
    ),
    Sample(
        name="uuencoded",
        raw=mail(body=f"The scan:\n{_uuencoded(_PDF)}Thanks\n"),
        expected={"text": "The scan:\nThanks", "files": [("scan.pdf", "application/pdf")], "data": [_PDF]},
    ),
    Sample(
        name="uuencoded_not",
        raw=mail(body="begin 644 of the story\nit was night and ~~~~ nobody {{{{ came\nend\n"),
        expected={"text": "begin 644 of the story\nit was night and ~~~~ nobody {{{{ came\nend", "files": []},
    ),
]
_STRUCTURE: Final = [
    Sample(name="empty", raw=b"", expected={"text": "", "from": None, "warns": {"message_id_missing"}}),
    Sample(name="header_only", raw=b"Subject: x", expected={"subject": "x", "text": ""}),
    Sample(name="body_only", raw=b"\r\nHello\r\n", expected={"text": "Hello", "subject": ""}),
    Sample(
        name="no_header",
        raw=b"Hello there, no colon\r\nSecond\r\n",
        expected={"text": "Hello there, no colon\nSecond"},
    ),
    Sample(name="bare_cr", raw=mail(body="One\nTwo").replace(b"\r\n", b"\r"), expected={"text": "One\nTwo"}),
    Sample(name="bare_lf", raw=mail(body="One\nTwo").replace(b"\r\n", b"\n"), expected={"text": "One\nTwo"}),
    Sample(
        name="mbox_line",
        raw=b"From anna@customer.example Mon Mar  2 10:00:00 2026\r\n" + mail(body="x"),
        expected={"from": "anna@customer.example", "text": "x"},
    ),
    Sample(
        name="fold_without_space",
        raw=mail("X-Long: one\nbroken line\nSubject: After", body="x", without=("subject",)),
        expected={"subject": "After", "text": "x"},
    ),
    Sample(
        name="no_blank_line",
        raw=mail("X-Last: y").removesuffix(b"\r\n") + b"Dear shop,\nwhere is it?\r\n",
        expected={"text": "Dear shop,\nwhere is it?", "warns": {"headers_end_guessed"}},
    ),
    Sample(
        name="no_message_id",
        raw=mail(body="x", without=("message-id",)),
        expected={"message_id": None, "warns": {"message_id_missing"}},
    ),
    Sample(
        name="message_id_folded",
        raw=mail("Message-ID:\n <very.long.\n id@customer.example> (added by mta)", body="x"),
        expected={"message_id": "very.long.id@customer.example"},
    ),
    Sample(
        name="two_froms",
        raw=mail("From: a@one.example", "From: b@two.example", body="x"),
        expected={"from": "a@one.example", "warns": {"from_repeated"}},
    ),
    Sample(
        name="addresses",
        raw=mail(
            'From: "Muster, Anna" <ANNA@Customer.EXAMPLE>',
            'To: Team: a@x.example, "B \\"b\\" B" <b@x.example>;, =?utf-8?Q?J=C3=B6rg=2C_X?= <j@x.example>; '
            "c@x.example (Carl)",
            "Cc: <@relay.example:d@x.example>, undisclosed-recipients:;, not an address, e@ü.example",
            body="x",
        ),
        expected={
            "from": "ANNA@customer.example",
            "from_name": "Muster, Anna",
            "to": ["a@x.example", "b@x.example", "j@x.example", "c@x.example"],
            "to_names": ["", 'B "b" B', "Jörg, X", "Carl"],
            "cc": ["d@x.example", "", "e@ü.example"],
        },
    ),
    Sample(
        name="two_ats",
        raw=mail('From: "ceo@bank.example" <a@b@evil.example>', body="x"),
        expected={"from": "", "from_name": "ceo@bank.example a@b@evil.example", "warns": {"address_invalid"}},
    ),
    Sample(
        name="dates",
        raw=mail("Date: 2 Mar 26 10:00 EST (late)", body="x"),
        expected={"sent_at_ms": 1772463600000},
    ),
    Sample(name="date_bad", raw=mail("Date: 99 Foo 2026 88:99:00", body="x"), expected={"sent_at_ms": None}),
    Sample(
        name="unclosed",
        raw=mail(
            "Content-Type: multipart/mixed; boundary=b",
            body=several(text("One"), text("Two"), boundary="b", closed=False),
        ),
        expected={"text": "One\n\nTwo", "warns": {"boundary_unclosed"}},
    ),
    Sample(
        name="no_boundary",
        raw=mail("Content-Type: multipart/mixed", body=several(text("One"), boundary="zz")),
        expected={"text": "One", "warns": {"boundary_guessed"}},
    ),
    Sample(
        name="boundary_never_comes",
        raw=mail("Content-Type: multipart/mixed; boundary=b", body="Just text"),
        expected={"text": "Just text", "warns": {"boundary_missing"}},
    ),
    Sample(
        name="boundary_prefix",
        raw=multipart("mixed", inner("alternative", text("A"), text("<p>A", kind="html"), boundary="=_b11"), text("B")),
        expected={"text": "A\n\nB", "html": "<p>A</p>\n\nB"},
    ),
    Sample(
        name="inline_image",
        raw=multipart(
            "related",
            text('<p>See <img src="cid:logo@x"></p>', kind="html"),
            entity(
                "Content-Type: image/png",
                "Content-ID: <logo@x>",
                "Content-Transfer-Encoding: base64",
                body=_base64(PNG),
            ),
        ),
        expected={"html": '<p>See <img src="cid:logo@x"></p>', "inline": ["logo@x"], "data": [PNG]},
    ),
    Sample(
        name="inline_images_named_by_encoded_urls",
        raw=multipart(
            "related",
            text(
                '<p><img src="CID:logo%40x%2By"><img src="cid:pie%25chart@x"><img src="cid:a%22b%00"></p>', kind="html"
            ),
            *(
                entity(
                    "Content-Type: image/png",
                    f"Content-ID: <{name}>",
                    "Content-Transfer-Encoding: base64",
                    body=_base64(PNG),
                )
                for name in ("logo@x+y", "pie%25chart@x")
            ),
        ),
        expected={
            "html": '<p><img src="cid:logo@x+y"><img src="cid:pie%chart@x"><img src="cid:a&quot;b"></p>',
            "inline": ["logo@x+y", "pie%chart@x"],
        },
    ),
    Sample(
        name="apple_sandwich",
        raw=multipart(
            "alternative",
            text("Before\nAfter"),
            inner(
                "mixed",
                text("<p>Before", kind="html"),
                entity('Content-Type: application/pdf; name="a.pdf"', body=_PDF),
                text("<p>After", kind="html"),
                boundary="=_m",
            ),
        ),
        expected={
            "text": "Before\nAfter",
            "html": "<p>Before\n</p><p>After</p>",
            "files": [("a.pdf", "application/pdf")],
        },
    ),
    Sample(
        name="nested_forwards",
        raw=multipart(
            "mixed",
            text("See both"),
            entity(
                "Content-Type: message/rfc822",
                body=multipart(
                    "mixed",
                    text("first"),
                    entity("Content-Type: message/rfc822", body=mail(body="deep")),
                    boundary="=_in",
                    fields=("Subject: Re: A/B",),
                ),
            ),
        ),
        expected={"text": "See both", "files": [("Re_ A_B.eml", "message/rfc822")]},
    ),
    Sample(
        name="digest",
        raw=multipart("digest", entity(body=mail(body="one")), entity(body=mail(body="two"))),
        expected={"text": "", "files": [("Where is my order_.eml", "message/rfc822")] * 2},
    ),
    Sample(
        name="signed",
        raw=multipart(
            "signed",
            text("Signed words"),
            entity('Content-Type: application/pkcs7-signature; name="smime.p7s"', body=b"\x30\x80\x00"),
        ),
        expected={"text": "Signed words", "files": [("smime.p7s", "application/octet-stream")]},
    ),
    Sample(
        name="encrypted",
        raw=multipart(
            "encrypted",
            entity("Content-Type: application/pgp-encrypted", body="Version: 1"),
            entity('Content-Type: application/octet-stream; name="x.asc"', body="-----BEGIN PGP MESSAGE-----\n"),
        ),
        expected={"text": "", "warns": {"encrypted"}},
    ),
    Sample(
        name="huge_header",
        raw=mail(*(f"X-Spam-{number}: {'y' * 900}" for number in range(400)), body="Still read"),
        expected={"text": "Still read", "from": "anna@customer.example", "warns": {"headers_cut"}},
    ),
    Sample(
        name="huge_field",
        raw=mail("To: " + ", ".join(f"p{number}@x.example" for number in range(5000)), body="Still read"),
        expected={"text": "Still read", "warns": {"header_cut", "addresses_cut"}},
    ),
]

SAMPLES: Final = [*_CHARSETS, *_SUBJECTS, *_FILES, *_ENCODINGS, *_STRUCTURE]
