"""Files whose bytes say what they are, whatever their names and senders say."""

import io
import zipfile
from typing import Final

from email_gateway.testing.corpus.writing import Sample, entity, multipart, text


def _zip(*names: str, first: bytes = b"") -> bytes:
    """An archive of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), first)
    return packed.getvalue()


_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_KINDS: Final = {
    "jpeg": (b"\xff\xd8\xff\xe0", "application/pdf", "image/jpeg"),
    "webp": (b"RIFF\0\0\0\0WEBP", "image/png", "image/webp"),
    "wave": (b"RIFF\0\0\0\0WAVE", "image/png", "audio/wav"),
    "heic": (b"\0\0\0\x18ftypheic", "image/jpeg", "image/heic"),
    "avif": (b"\0\0\0\x18ftypavif", "image/jpeg", "image/avif"),
    "mp4": (b"\0\0\0\x18ftypisom", "a/b", "video/mp4"),
    "docx": (_zip("[Content_Types].xml", "word/document.xml"), "a/b", f"{_OFFICE}.wordprocessingml.document"),
    "xlsx": (_zip("_rels/.rels", "xl/workbook.xml"), "a/b", f"{_OFFICE}.spreadsheetml.sheet"),
    "odt": (
        _zip("mimetype", first=b"application/vnd.oasis.opendocument.text"),
        "application/zip",
        "application/vnd.oasis.opendocument.text",
    ),
    "old_word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msword", "application/msword"),
    "old_unknown": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "image/png", "application/x-ole-storage"),
    "program": (b"MZ\x90\0" + bytes(60), "application/pdf", "application/x-msdownload"),
    "html": (b"\xef\xbb\xbf \n<!DOCTYPE html><p>", "image/png", "text/html"),
    "xhtml": (b"<?xml version='1.0'?><html>", "image/png", "application/xhtml+xml"),
    "svg": (b"<?xml version='1.0'?><svg>", "image/png", "image/svg+xml"),
    "xml": (b"<?xml version='1.0'?><a>", "image/png", "application/xml"),
    "csv": (b"a,b\n1,2\n", "text/csv", "text/csv"),
    "words": ("Käse".encode(), "image/png", "text/plain"),
    "noise": (b"a\x01\x02", "image/png", "application/octet-stream"),
    "latin": (b"K\xe4se und mehr", "image/png", "text/plain"),
    "cut_utf8": ("Kä".encode()[:2], "image/png", "text/plain"),
    "empty": (b"", "image/png", "text/plain"),
    "no_html": (b"hello", "text/html", "text/plain"),
    "no_bitmap": (b"BMW 320d, order 5", "text/plain", "text/plain"),
    "no_program": (b"MZ is my name", "text/plain", "text/plain"),
    "long_type": (b"hello", "text/" + "x" * 3000, "text/plain"),
    "odd_type": (b"hello", 'text/a"b c', "text/plain"),
}
SAMPLES: Final = [
    Sample(
        name=f"kind_{name}",
        raw=multipart("mixed", text("x"), entity(f'Content-Type: {declared}; name="f"', body=data)),
        expected={"files": [("f", meant)]},
    )
    for name, (data, declared, meant) in _KINDS.items()
]
