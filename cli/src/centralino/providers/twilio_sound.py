"""What a simulated telephone call sounds like: everybody who is heard is a tone of their own."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Final
from zlib import crc32

RATE: Final = 8_000
_LOUDNESS: Final = 6_000


def tone_of(name: str) -> int:
    """In Hz; the same name, the same tone. Two names may share one."""
    return 300 + 50 * (crc32(name.encode()) % 50)


def wave_of(spans: Sequence[tuple[float, frozenset[str]]], tones: Mapping[str, int]) -> bytes:
    """A WAV file, 8 kHz, 16 bits, one channel: seconds and who is heard meanwhile. `tones` may name some otherwise."""
    body = b"".join(
        _sound(round(seconds * RATE), [tones.get(name) or tone_of(name) for name in sorted(names)])
        for seconds, names in spans
    )
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    riff = b"RIFF" + struct.pack("<I", 36 + len(body)) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return riff + b"data" + struct.pack("<I", len(body)) + body


def _sound(count: int, tones: Sequence[int]) -> bytes:
    if not tones:
        return bytes(2 * count)
    loudness, turns = _LOUDNESS / len(tones), [2 * math.pi * tone / RATE for tone in tones]
    samples = (round(loudness * sum(math.sin(turn * place) for turn in turns)) for place in range(count))
    return struct.pack(f"<{count}h", *samples)
