"""What a file is, seen from its bytes, and a name that harms nobody. Archives are never opened."""

import re
from typing import Final

from gatewaykit.sniffed import TEXT, sniffed

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
_DECLARED: Final = re.compile(r"(?:text|application)/[a-z0-9][a-z0-9.+-]{0,90}")
_SCRIPTED: Final = frozenset(("text/html", "text/x-script"))
_OLD_OFFICE: Final = ("application/vnd.ms-", "application/msword", "application/x-ole-storage")
_FORBIDDEN: Final = frozenset('<>:"|?*')


def typed(data: bytes, declared: str) -> str:
    """The media type; what was declared counts only among kinds of plain text and of old office files."""
    kind = sniffed(data)
    if not _DECLARED.fullmatch(declared) or declared in _SCRIPTED:
        return kind
    is_text = kind == TEXT and (declared.startswith("text/") or declared == "application/json")
    return declared if is_text or (kind == _OLD_OFFICE[-1] and declared.startswith(_OLD_OFFICE)) else kind


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
