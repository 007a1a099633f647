"""What a file is, seen from its first bytes; neither its name nor what the sender says decides.

A table of our own: puremagic takes any zip for a Word document and any text that begins with `BM` for a picture,
filetype rests since 2022, and neither tells text, HTML, SVG or mail apart. The rules for HTML follow the WHATWG's
(https://mimesniff.spec.whatwg.org), the containers their specifications.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Final

SNIFF_BYTES: Final = 65_536
"""So much of a file's head is looked at."""
UNKNOWN: Final = "application/octet-stream"
TEXT: Final = "text/plain"

_PREFIXES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"#!AMR", "audio/amr"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/x-executable"),  # Mach-O for several machines, and Java classes
    *((magic, "application/x-executable") for magic in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf")),
    *((magic, "application/x-executable") for magic in (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")),
    (b"#!/", "text/x-script"),
    (b"BEGIN:VCARD", "text/vcard"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
# The beginnings of brands in the `ftyp` of ISO 14496-12; what has none of them is MP4.
_BRANDS: Final = (
    (b"heic", "image/heic"),
    (b"heix", "image/heic"),
    (b"avif", "image/avif"),
    (b"mif1", "image/heif"),
    (b"qt  ", "video/quicktime"),
    (b"3gp", "video/3gpp"),
    (b"3g2", "video/3gpp2"),
    (b"M4A", "audio/mp4"),
)
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OFFICE_PARTS: Final = (
    (b"word/", _OFFICE + "wordprocessingml.document"),
    (b"xl/", _OFFICE + "spreadsheetml.sheet"),
    (b"ppt/", _OFFICE + "presentationml.presentation"),
)
_MIMETYPE: Final = re.compile(rb"[a-z]+/[A-Za-z0-9.+-]{1,100}")
_HTML: Final = re.compile(
    r"<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|body|br?|p|img|meta|link|form)(?=[\s/>])",
    re.IGNORECASE,
)
_MARKUP: Final = re.compile(r"<(?:!doctype\s+)?(?:\w+:)?(svg|html)(?=[\s/>])", re.IGNORECASE)
_FIELD: Final = re.compile(r"([!-9;-~]{1,76}):")
_MAIL_FIELDS: Final = frozenset(
    ("received", "from", "to", "date", "subject", "message-id", "return-path", "mime-version", "delivered-to", "sender")
)
_CONTROLS: Final = re.compile(r"[\0-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_DELIVERED: Final[Mapping[str, str]] = {
    "text/html": TEXT,
    "image/svg+xml": TEXT,
    "application/xhtml+xml": TEXT,
    "application/xml": TEXT,
    "text/x-script": TEXT,
    "application/x-msdownload": UNKNOWN,
    "application/x-executable": UNKNOWN,
    "application/java-archive": UNKNOWN,
}


def sniffed(head: bytes) -> str:
    """The MIME type of a file that begins with `head`, at least its first SNIFF_BYTES or all; UNKNOWN if it is none
    that we know."""
    head = head[:SNIFF_BYTES]
    return _binary(head) or _text(head) or UNKNOWN


def delivered_as(mime: str) -> str:
    """The type under which a file of this one goes out: what a browser would run goes as text or as bytes."""
    return _DELIVERED.get(mime, mime)


def _binary(head: bytes) -> str | None:
    for prefix, mime in _PREFIXES:
        if head.startswith(prefix):
            return mime
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    if head[4:8] == b"ftyp":
        return _branded(head)
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12])
    if head.startswith(b"OggS"):
        return "video/ogg" if b"\x80theora" in head[:128] else "audio/ogg"
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    return _weak(head)


def _branded(head: bytes) -> str:
    """By the major brand; pictures also by a compatible one, since theirs is often the container's (`mif1`)."""
    compatible = {head[at : at + 4] for at in range(16, min(len(head), 64), 4)}
    for start, mime in _BRANDS:
        if head.startswith(start, 8) or (mime.startswith("image/") and start in compatible):
            return mime
    return "video/mp4"


def _weak(head: bytes) -> str | None:
    """Magic of two or three bytes, which text may begin with as well: something else must fit."""
    if head.startswith(b"ID3") and len(head) >= 10 and head[3] < 0x10 and not any(size & 0x80 for size in head[6:10]):
        return "audio/mpeg"
    if len(head) >= 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # Layer 0 is AAC's (ADTS), layer 1 is MP3's; the rate may be neither free nor forbidden.
        layer = head[1] >> 1 & 3
        if layer == 0 and head[1] & 0xF0 == 0xF0:
            return "audio/aac"
        return "audio/mpeg" if layer == 1 and 0 < head[2] >> 4 < 15 else None
    if head.startswith(b"MZ") and len(head) >= 64 and b"\0" in head[:64]:
        return "application/x-msdownload"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    return None


def _zip(head: bytes) -> str:
    name_length = int.from_bytes(head[26:28], "little")
    first = head[30 : 30 + name_length]
    if first == b"mimetype":  # OpenDocument and EPUB put it first and uncompressed
        said = _MIMETYPE.match(head, 30 + name_length + int.from_bytes(head[28:30], "little"))
        if said and int.from_bytes(head[18:22], "little") <= len(said[0]):
            return said[0][: int.from_bytes(head[18:22], "little")].decode() or "application/zip"
    if first.startswith((b"[Content_Types].xml", b"_rels/", b"docProps/", *(part for part, _ in _OFFICE_PARTS))):
        at = [(head.find(part), mime) for part, mime in _OFFICE_PARTS if part in head]
        if at:
            return min(at)[1]
    if first.startswith(b"META-INF/"):
        return "application/java-archive"
    return "application/zip"


def _text(head: bytes) -> str | None:
    text = _decoded(head)
    if text is None or _CONTROLS.search(text):
        return None
    start = _after_comments(text)
    if start.startswith("<"):
        markup = _MARKUP.search(text) if re.match(r"<[?!]|<(\w+:)?svg\b", start, re.IGNORECASE) else None
        if markup and markup[1].lower() == "svg":
            return "image/svg+xml"
        if _HTML.match(start):
            return "text/html"
        if start.startswith("<?xml"):
            return "application/xhtml+xml" if markup else "application/xml"
    return "message/rfc822" if _is_mail(text) else TEXT


def _decoded(head: bytes) -> str | None:
    """The head as text, if it is: UTF-8, UTF-16 with its mark, or mostly ASCII in some old code."""
    for mark, code in _BOMS:
        if head.startswith(mark):
            return head[len(mark) :].decode(code, "replace")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        ascii_count = sum(byte < 0x80 for byte in head)
        return head.decode("latin-1") if ascii_count >= 0.7 * len(head) else None


def _after_comments(text: str) -> str:
    start = text.lstrip()
    while start.startswith("<!--"):
        start = start.partition("-->")[2].lstrip()
    return start


def _is_mail(text: str) -> bool:
    names: set[str] = set()
    for line in text.splitlines()[:50]:
        if line.startswith((" ", "\t")) and names:
            continue
        field = _FIELD.match(line)
        if field is None:
            return line == "" and len(names & _MAIL_FIELDS) >= 2
        names.add(field[1].lower())
    return len(names & _MAIL_FIELDS) >= 2
