"""winmail.dat, as Outlook sends it to those who have no Outlook."""

import base64
import struct
from typing import Final

from email_gateway.testing.corpus.writing import Sample, entity, mail, multipart, text

_PDF: Final = b"%PDF-1.4\n" + b"x" * 100
_PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(40))


def _winmail() -> bytes:
    def attribute(level: int, name: int, data: bytes) -> bytes:
        return struct.pack("<BII", level, name, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)

    def text_property(kind: int, name: int, value: bytes) -> bytes:
        return struct.pack("<HHII", kind, name, 1, len(value)) + value + b"\0" * (-len(value) % 4)

    long_name = text_property(0x1F, 0x3707, "Brief für Sie.pdf\0".encode("utf-16le"))
    number = struct.pack("<HHI", 3, 0x3705, 1)
    return (
        b"\x78\x9f\x3e\x22\x01\x00"
        + attribute(1, 0x69007, struct.pack("<II", 1252, 0))
        + attribute(1, 0x2800C, "Grüße aus Outlook\0".encode("cp1252"))
        + attribute(2, 0x69002, b"\0" * 14)
        + attribute(2, 0x18010, b"BRIEFF~1.PDF\0")
        + attribute(2, 0x6800F, _PDF)
        + attribute(2, 0x69005, struct.pack("<I", 2) + number + long_name)
    )


def _winmail_with_properties() -> bytes:
    def attribute(level: int, name: int, data: bytes) -> bytes:
        return struct.pack("<BII", level, name, len(data)) + data + b"\0\0"

    def words(kind: int, name: int, value: bytes) -> bytes:
        return struct.pack("<HHII", kind, name, 1, len(value)) + value + b"\0" * (-len(value) % 4)

    named = struct.pack("<HH", 3, 0x8001) + bytes(16) + struct.pack("<II", 0, 7) + b"\1\0\0\0"
    worded = struct.pack("<HH", 0x1E, 0x8002) + bytes(16) + struct.pack("<II", 1, 5) + b"a\0b\0\0\0\0\0"
    worded += struct.pack("<II", 1, 2) + b"v\0\0\0"
    several = struct.pack("<HHI", 0x1003, 0x3001, 2) + bytes(8)
    page = struct.pack("<HHI", 3, 0x3FDE, 65001)
    bodies = words(0x1F, 0x1000, "Grüße\0".encode("utf-16le")) + words(0x102, 0x1013, "<p>Grüße".encode())
    file = words(0x102, 0x3701, _PNG) + words(0x1E, 0x370E, b"image/png\0") + words(0x1E, 0x3712, b"<pic@x>\0")
    return (
        b"\x78\x9f\x3e\x22\x01\x00"
        + attribute(1, 0x69003, struct.pack("<I", 6) + named + worded + several + page + bodies)
        + attribute(2, 0x69002, b"\0" * 14)
        + attribute(2, 0x69005, struct.pack("<I", 3) + file)
        + attribute(2, 0x69002, b"\0" * 14)
        + attribute(2, 0x69005, struct.pack("<IHH", 1, 0x77, 1))
    )


SAMPLES: Final = [
    Sample(
        name="winmail",
        raw=multipart(
            "mixed",
            entity(
                'Content-Type: application/ms-tnef; name="winmail.dat"',
                "Content-Transfer-Encoding: base64",
                body=base64.encodebytes(_winmail()),
            ),
        ),
        expected={
            "text": "Grüße aus Outlook",
            "files": [("Brief für Sie.pdf", "application/pdf")],
            "data": [_PDF],
        },
    ),
    Sample(
        name="winmail_properties",
        raw=mail("Content-Type: application/ms-tnef", body=_winmail_with_properties()),
        expected={
            "text": "Grüße",
            "html": "<p>Grüße</p>",
            "files": [("attachment-1.png", "image/png"), ("attachment-2.txt", "text/plain")],
            "warns": {"winmail_broken"},
        },
    ),
    Sample(
        name="winmail_unknown",
        raw=mail("Content-Type: application/ms-tnef; name=winmail.dat", body=b"\x78\x9f\x3e\x22\x01\x00"),
        expected={"files": [("winmail.dat", "application/vnd.ms-tnef")]},
    ),
    Sample(
        name="winmail_broken",
        raw=multipart(
            "mixed",
            text("Hi"),
            entity('Content-Type: application/octet-stream; name="winmail.dat"', body=_winmail()[:-70]),
        ),
        expected={"text": "Hi", "warns": {"winmail_broken"}},
    ),
]
