"""Which tones are in a piece of sound: Goertzel's filter (G. Goertzel, 1958) at each frequency that is asked for.

The frequencies are multiples of 10 Hz, so that a window of 100 ms tells them apart.
"""

import io
import math
import wave
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

RATE: Final = 8_000
"""Samples a second."""
WINDOW: Final = RATE // 10
_AMPLITUDE_MIN: Final = 300
"""Of 16 bits: below it there is only noise."""
_SHARE_MIN: Final = 0.1
"""Of the strongest tone: below it there is only distortion."""


def names_in(samples: Sequence[int], tones: Mapping[str, int]) -> frozenset[str]:
    """The names of the tones (name: Hz) that are in one WINDOW of samples of 16 bits."""
    amplitudes = {name: amplitude(samples, hertz) for name, hertz in tones.items()}
    floor = max(_AMPLITUDE_MIN, _SHARE_MIN * max(amplitudes.values(), default=0))
    return frozenset(name for name, strength in amplitudes.items() if strength >= floor)


def amplitude(samples: Sequence[int], hertz: int) -> float:
    """How strong a frequency is in a piece of sound, as the amplitude of its sine."""
    turn = 2 * math.cos(2 * math.pi * hertz / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + turn * last - before
    power = last * last + before * before - turn * last * before
    return 2 * math.sqrt(max(power, 0)) / max(len(samples), 1)


def seconds_of(recording: bytes, tones: Mapping[str, int]) -> dict[str, float]:
    """How long each name is heard in a WAV file (8 kHz, 16 bits, one channel), in tenths; `all` is its length."""
    samples = samples_of(recording)
    heard = dict.fromkeys(tones, 0.0)
    for begun in range(0, len(samples) - WINDOW + 1, WINDOW):
        for name in names_in(samples[begun : begun + WINDOW], tones):
            heard[name] += WINDOW / RATE
    return heard | {"all": len(samples) / RATE}


def samples_of(recording: bytes) -> "array[int]":
    """The samples of a WAV file that a telephone can play."""
    with wave.open(io.BytesIO(recording)) as file:
        form = (file.getframerate(), file.getsampwidth(), file.getnchannels())
        assert form == (RATE, 2, 1), f"{form} is no sound of a telephone"
        return array("h", file.readframes(file.getnframes()))
