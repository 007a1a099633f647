"""A recording of who was heard when, as sound: each phone is a tone of its own, several together are their sum."""

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

RATE: Final = 8_000
"""Samples a second, 16 bits, one channel: what a telephone gives."""
_LOUDNESS: Final = 6_000
_CHUNK_MS: Final = 1_000


def tone_of(name: str) -> int:
    """The frequency in Hz of a phone; the same name, the same tone. Two names may share one."""
    return 300 + 50 * (crc32(name.encode()) % 30)


def wave_of(spans: Sequence[tuple[int, frozenset[str]]]) -> Iterator[bytes]:
    """A WAV file of spans (milliseconds, who is heard), a second at a time."""
    samples = sum(milliseconds * RATE // 1000 for milliseconds, _ in spans)
    yield _header(2 * samples)
    for milliseconds, names in spans:
        for begun_ms in range(0, milliseconds, _CHUNK_MS):
            yield _sound(min(_CHUNK_MS, milliseconds - begun_ms), [tone_of(name) for name in sorted(names)])


def _header(size: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
    )


def _sound(milliseconds: int, tones: Sequence[int]) -> bytes:
    count = milliseconds * RATE // 1000
    if not tones:
        return bytes(2 * count)
    loudness = _LOUDNESS / len(tones)
    turns = [2 * math.pi * tone / RATE for tone in tones]
    return struct.pack(
        f"<{count}h", *(round(loudness * sum(math.sin(turn * place) for turn in turns)) for place in range(count))
    )
