"""Types by content, on the heads of real files."""

import io
import zipfile

import pytest
from gatewaykit.sniffed import UNKNOWN, delivered_as, sniffed
from hypothesis import given
from hypothesis import strategies as st

OFFICE = "application/vnd.openxmlformats-officedocument."


def zipped(*names: str, mimetype: str | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as folder:
        if mimetype:
            folder.writestr("mimetype", mimetype)
        for name in names:
            folder.writestr(name, "x" * 500)
    return made.getvalue()


HEADS = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF\0", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
    (b"GIF89a\x01\0\x01\0", "image/gif"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
    (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "image/heic"),
    (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "image/heif"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0isom3gp4", "video/mp4"),
    (b"\0\0\0\x18ftypmp42\0\0\0\0qt  isom", "video/mp4"),
    (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "video/mp4"),
    (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
    (b"\0\0\0\x14ftyp3gp4\0\0\0\0", "video/3gpp"),
    (b"\0\0\0\x14ftypM4A \0\0\0\0", "audio/mp4"),
    (b"OggS\0\x02" + b"\0" * 20 + b"\x01\x13OpusHead\x01", "audio/ogg"),
    (b"OggS\0\x02" + b"\0" * 20 + b"\x01\x2a\x80theora", "video/ogg"),
    (b"ID3\x04\0\0\0\0\x0f\x76TIT2", "audio/mpeg"),
    (b"\xff\xfb\x90\x00", "audio/mpeg"),
    (b"\xff\xf1\x50\x80", "audio/aac"),
    (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
    (b"#!AMR\n\x3c", "audio/amr"),
    (b"%PDF-1.7\n", "application/pdf"),
    (b"\r\n\r\n%PDF-1.4\n", "application/pdf"),
    (zipped("a.txt"), "application/zip"),
    (zipped("a.txt", "word/x"), "application/zip"),
    (zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"), OFFICE + "wordprocessingml.document"),
    (zipped("_rels/.rels", "docProps/app.xml", "xl/workbook.xml"), OFFICE + "spreadsheetml.sheet"),
    (zipped("[Content_Types].xml", "ppt/presentation.xml"), OFFICE + "presentationml.presentation"),
    (zipped("x", mimetype="application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"),
    (zipped("x", mimetype="text/html\r\nx: y"), "application/zip"),
    (zipped("META-INF/MANIFEST.MF"), "application/java-archive"),
    (b"{\\rtf1\\ansi", "application/rtf"),
    (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, "application/x-ole-storage"),
    (b"BEGIN:VCARD\r\nVERSION:3.0\r\n", "text/vcard"),
    (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "text/calendar"),
    (b"\x1f\x8b\x08\0\0\0", "application/gzip"),
    (b"7z\xbc\xaf'\x1c\0\x04", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07\x01\0", "application/vnd.rar"),
    (b"\x78\x9f\x3e\x22\x01\x00", "application/vnd.ms-tnef"),
    (b"MZ\x90\0" + b"\0" * 60 + b"PE\0\0", "application/x-msdownload"),
    (b"\x7fELF\x02\x01\x01", "application/x-executable"),
    (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "application/x-executable"),
    (b"\xca\xfe\xba\xbe\0\0\0\x02", "application/x-executable"),
    (b"#!/bin/sh\nrm -rf /\n", "text/x-script"),
    (b"<!DOCTYPE html><html>", "text/html"),
    (b"\xef\xbb\xbf \n<script>alert(1)</script>", "text/html"),
    (b"<!-- <p> --><!-- --> <BODY onload=x>", "text/html"),
    ("\ufeff<html>".encode("utf-16-le"), "text/html"),
    (b'<?xml version="1.0"?>\n<!-- c --><svg xmlns="http://www.w3.org/2000/svg">', "image/svg+xml"),
    (b"<svg onload=alert(1)>", "image/svg+xml"),
    (b"<!DOCTYPE svg PUBLIC x><svg>", "image/svg+xml"),
    (b"<?xml version='1.0'?><html xmlns='x'>", "application/xhtml+xml"),
    (b"<?xml version='1.0'?><order/>", "application/xml"),
    (b"Received: from a\r\n\tby b\r\nSubject: x\r\nFrom: a@b.c\r\n\r\nhi", "message/rfc822"),
    (b"hello there\n", "text/plain"),
    ("grüße".encode()[:-1], "text/plain"),
    ("grüße aus Köln".encode("latin-1"), "text/plain"),
    ("\ufeffgrüße".encode("utf-16-be"), "text/plain"),
    (b"MZ is how my name begins, and the rest of this is longer than a header of DOS.", "text/plain"),
    (b"BMW is a car\n", "text/plain"),
    (b"ID3 tags are fun\n", "text/plain"),
    (b"Subject: only a note\n\nhello", "text/plain"),
    (b"a < b and <b> is bold", "text/plain"),
    (b"\xff\xff\xff\xff", UNKNOWN),
    (b"text with \0 in it", UNKNOWN),
    (b"\x01\x02\x03", UNKNOWN),
]


@pytest.mark.parametrize(("head", "mime"), HEADS)
def test_a_file_is_what_its_bytes_say(head: bytes, mime: str) -> None:
    assert sniffed(head) == mime


def test_an_empty_file_is_text() -> None:
    assert sniffed(b"") == "text/plain"


@pytest.mark.parametrize(
    "head", [b"<!DOCTYPE html>", b"<svg>", b"<?xml version='1.0'?><x/>", b"#!/bin/sh", b"<?xml version='1.0'?><html>"]
)
def test_what_a_browser_would_run_goes_out_as_text(head: bytes) -> None:
    assert delivered_as(sniffed(head)) == "text/plain"


def test_programs_go_out_as_bytes_and_pictures_as_what_they_are() -> None:
    assert delivered_as("application/x-msdownload") == delivered_as("application/java-archive") == UNKNOWN
    assert delivered_as("image/png") == "image/png"


@given(st.binary(max_size=200), st.sampled_from([head for head, _ in HEADS]), st.integers(0, 300))
def test_any_bytes_have_some_type(tail: bytes, head: bytes, cut: int) -> None:
    mime = sniffed(head[:cut] + tail)

    assert mime.isascii()
    assert mime.count("/") == 1
    assert " " not in mime
