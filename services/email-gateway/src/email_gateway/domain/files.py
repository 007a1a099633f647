"""What a file is, seen from its bytes, and a name that harms nobody. Archives are never opened."""

from typing import Final

_LOOKED_AT_BYTES: Final = 4096
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"{\\rtf", "application/rtf"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-elf"),
    (b"#!", "text/x-script"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR", "audio/amr"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"BEGIN:VCARD", "text/vcard"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"-----BEGIN PGP", "application/pgp-encrypted"),
    (b"\x78\x9f\x3e\x22", "application/ms-tnef"),
)
_IN_ZIP: Final = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_MARKUP: Final = (
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"<script", "text/html"),
    (b"<svg", "image/svg+xml"),
    (b"<?xml", "application/xml"),
)
_EXTENSIONS: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "text/plain": "txt",
    "text/html": "html",
    "text/calendar": "ics",
    "text/vcard": "vcf",
    "message/rfc822": "eml",
}
_TEXT_TYPES: Final = ("text/", "message/", "application/json")
_FORBIDDEN: Final = frozenset('<>:"|?*')


def sniffed(data: bytes, declared: str) -> str:
    """The media type; what was declared counts only among kinds of plain text and of old office files."""
    head = data[:_LOOKED_AT_BYTES]
    kind = next((kind for mark, kind in _MAGIC if head.startswith(mark)), None)
    if kind == "application/zip":
        return _kind_of_zip(head)
    if kind == "application/x-ole-storage" and declared.startswith(("application/vnd.ms-", "application/msword")):
        return declared
    if kind is not None:
        return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/avi"}.get(head[8:12], "application/riff")
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return (
            "image/heic" if brand in (b"heic", b"heix", b"mif1") else "image/avif" if brand == b"avif" else "video/mp4"
        )
    return _kind_of_text(head, declared)


def _kind_of_zip(head: bytes) -> str:
    if b"mimetypeapplication/" in head[:80]:
        # OpenDocument and EPUB say it themselves, uncompressed, at once.
        text = head[head.index(b"mimetype") + 8 :].partition(b"PK")[0][:100]
        word = bytes(char for char in text if char in b"abcdefghijklmnopqrstuvwxyz0123456789./+-")
        return word.decode("ascii")
    if b"[Content_Types].xml" in head or b"_rels/" in head:
        return next((kind for mark, kind in _IN_ZIP if mark in head), "application/zip")
    return "application/zip"


def _kind_of_text(head: bytes, declared: str) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:512].lower()
    found = next((kind for mark, kind in _MARKUP if start.startswith(mark)), None)
    if found == "application/xml":
        return "image/svg+xml" if b"<svg" in head.lower() else "text/html" if b"<html" in head.lower() else found
    if found is not None:
        return found
    if b"\0" in head or not head:
        return "application/octet-stream"
    if declared in ("text/html", "image/svg+xml"):
        return declared
    return (
        declared if declared.startswith(_TEXT_TYPES) else "text/plain" if _is_text(head) else "application/octet-stream"
    )


def _is_text(head: bytes) -> bool:
    controls = sum(char < 0x20 and char not in b"\t\r\n\f\x1b" for char in head)
    if controls:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True


def safe_name(name: str, mime: str, number: int, name_chars_max: int) -> str:
    """The last part of a path, without controls, direction marks and what file systems mind; with its extension."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join("_" if char in _FORBIDDEN else char for char in last if char.isprintable())
    kept = " ".join(kept.split()).strip(". ")
    if not kept:
        return f"attachment-{number}.{_EXTENSIONS.get(mime, 'bin')}"
    if len(kept) <= name_chars_max:
        return kept
    stem, dot, extension = kept.rpartition(".")
    if not dot or len(extension) > 10:
        return kept[:name_chars_max]
    return f"{stem[: name_chars_max - len(extension) - 1].rstrip()}.{extension}"
