"""Bytes to text, whatever they claim to be."""

from typing import Final

from email_gateway.domain.limits import Notes

# Python's registry also has codecs that are no character sets (zlib, idna, punycode, unicode_escape), some of them with
# quadratic time: only what stands here is looked up. Narrow names get the wide codec that mail in fact uses.
_NAMES: Final = """
    utf-8 utf-16 utf-16le utf-16be utf-32 koi8-r koi8-u hz iso2022_kr iso2022_jp_ext cp437 cp850 cp852
    cp855 cp858 cp862 cp866 cp874 cp932 cp949 cp950 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256
    cp1257 cp1258 gb18030 big5hkscs euc_jp mac_roman mac_cyrillic mac_latin2 mac_greek mac_turkish
    iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-10 iso8859-13
    iso8859-14 iso8859-15 iso8859-16
"""
_SAME: Final = tuple(_NAMES.split())
_ALIASES: Final = {
    **{name: name for name in _SAME},
    **{f"windows-{name[2:]}": name for name in _SAME if name.startswith("cp12")},
    **{f"ibm{name[2:]}": name for name in _SAME if name.startswith("cp")},
    **{name.replace("iso8859", "iso-8859"): name for name in _SAME if name.startswith("iso8859")},
    **dict.fromkeys(("utf8", "unicode-1-1-utf-8", "utf8mb4", "utf-8-bom"), "utf-8"),
    **dict.fromkeys(("us-ascii", "ascii", "ansi_x3.4-1968", "646", "iso-8859-1", "iso8859-1", "iso_8859-1"), "cp1252"),
    **dict.fromkeys(("latin1", "latin-1", "l1", "cp819", "ansi", "8bit", "unknown-8bit", "x-unknown"), "cp1252"),
    **dict.fromkeys(("iso-8859-9", "iso8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "iso8859-11", "tis-620", "windows-874"), "cp874"),
    **dict.fromkeys(("latin2", "iso_8859-2"), "iso8859-2"),
    **dict.fromkeys(("iso-8859-8-i", "iso-8859-8-e"), "iso8859-8"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "cp936", "ms936", "euc-cn", "gb_2312-80", "gb-2312"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5"), "big5hkscs"),
    **dict.fromkeys(("euc-kr", "euckr", "ks_c_5601-1987", "ks_c_5601", "ksc5601", "uhc", "windows-949"), "cp949"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j", "ms932"), "cp932"),
    **dict.fromkeys(("euc-jp", "eucjp", "x-euc-jp"), "euc_jp"),
    **dict.fromkeys(("iso-2022-jp", "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-ms", "cp50220"), "iso2022_jp_ext"),
    **dict.fromkeys(("iso-2022-kr",), "iso2022_kr"),
    **dict.fromkeys(("hz-gb-2312",), "hz"),
    **dict.fromkeys(("macintosh", "x-mac-roman", "mac", "macroman"), "mac_roman"),
    **dict.fromkeys(("x-mac-cyrillic",), "mac_cyrillic"),
    **dict.fromkeys(("koi8", "koi8-ru"), "koi8-r"),
    **dict.fromkeys(("utf16", "unicode", "ucs-2"), "utf-16"),
    **dict.fromkeys(("utf-16-le",), "utf-16le"),
    **dict.fromkeys(("utf-16-be",), "utf-16be"),
}
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_LOOKED_AT_BYTES: Final = 4096
_HIGH: Final = bytes(range(0x80, 0x100))
_LETTERS: Final = bytes(range(0xC0, 0x100))
_LOW_HALF: Final = bytes(range(0x80))
# Text holds no controls but these three: PostgreSQL refuses NUL, and the others only disturb who reads.
_CONTROLS: Final = dict.fromkeys({*range(0x20), 0x7F, *range(0xD800, 0xE000)} - {0x09, 0x0A, 0x0D})


def codec_of(charset: str | None) -> str | None:
    """The codec to use for a charset's name; none: unknown, or refused as UTF-7 is."""
    return _ALIASES.get(charset.strip(" \t\"'").lower().partition("*")[0][:40]) if charset else None


def beginning(data: bytes, chars_max: int) -> bytes:
    """So many characters of it are in its beginning, whatever the charset; whole lines of it, where there are any."""
    bytes_max = 4 * chars_max
    if len(data) <= bytes_max:
        return data
    end = data.rfind(b"\n", 0, bytes_max)
    # In UTF-16 and UTF-32 a line end has zeros around it.
    return data[: bytes_max if end < 0 or b"\0" in data[max(0, end - 3) : end + 4] else end]


def decode(data: bytes, charset: str | None, notes: Notes, *, hint: str | None = None) -> str:
    """Text without controls: as declared, as the hint (HTML's own word) says, as UTF-8, or by a look at the bytes.

    UTF-7 is never decoded: it hides markup from whoever checks it.
    """
    if data.isascii() and b"\x1b" not in data and b"~{" not in data and b"\0" not in data:
        if charset and "utf-7" in charset.lower():
            notes.add("charset_utf7_refused")
        return clean(data.decode("ascii"))
    declared = codec_of(charset)
    if charset and declared is None:
        notes.add("charset_utf7_refused" if "utf-7" in charset.lower() else "charset_unknown")
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return clean(data.decode(codec, "replace").lstrip("\ufeff"))
    # UTF-8 that is declared as Latin is common; Latin that happens to be valid UTF-8 is not.
    first = "utf-8" if declared == "cp1252" else declared
    for candidate in (first, codec_of(hint), "utf-8", declared):
        text = _strictly(data, candidate)
        if text is not None:
            if candidate != declared:
                notes.add("charset_guessed")
            return clean(text)
    return clean(_guessed(data, declared, notes))


def clean(text: str) -> str:
    """Without the controls and lone surrogates that no store takes."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def _strictly(data: bytes, codec: str | None) -> str | None:
    if codec is None:
        return None
    try:
        return data.decode(codec)
    except (UnicodeError, ValueError):
        return None


def _guessed(data: bytes, declared: str | None, notes: Notes) -> str:
    notes.add("charset_guessed")
    if declared not in (None, "cp1252"):
        text = data.decode(declared or "utf-8", "replace")
        if text.count("\ufffd") * 10 <= len(text):
            notes.add("charset_broken")
            return text
    sample = data[:_LOOKED_AT_BYTES]
    utf8 = sample.decode("utf-8", "replace")
    broken, right = utf8.count("\ufffd"), sum(char > "\x7f" for char in utf8)
    if right > 3 * broken:
        notes.add("charset_broken")
        return data.decode("utf-8", "replace")
    return data.decode(_look_of(sample), "replace")


def _look_of(sample: bytes) -> str:
    """Cyrillic and Chinese, Japanese have runs of high bytes; Western text has single ones."""
    if b"\x1b$" in sample:
        return "iso2022_jp_ext"
    high = sample.translate(None, _LOW_HALF)
    if 2 * len(high) < len(sample.translate(None, b" \t\r\n.,:;-0123456789")):
        return "cp1252"
    if len(high.translate(None, _LETTERS)) * 20 <= len(high):
        lower_1251 = len(high.translate(None, bytes(range(0xC0, 0xE0))))
        return "cp1251" if 2 * lower_1251 > len(high) else "koi8-r"
    kana = sample.decode("cp932", "replace")
    if sum("\u3040" <= char <= "\u30ff" for char in kana) * 4 >= sum(char > "\x7f" for char in kana):
        return "cp932"
    han = sample.decode("gb18030", "replace")
    return "gb18030" if sum("\u4e00" <= char <= "\u9fff" for char in han) * 3 >= len(high) else "cp1252"
