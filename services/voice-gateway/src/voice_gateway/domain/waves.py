"""Sounds as telephones carry them - 16 bits, one channel, 8 kHz - and as WAV files; the few that we make ourselves."""

import math
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import mul
from typing import Final

RATE: Final = 8_000
"""Samples a second of a telephone (G.711)."""
RATES: Final = (8_000, 48_000)
"""From and to: what is made a telephone's."""
SECONDS_MAX: Final = 600
RESAMPLED_SECONDS_MAX: Final = 120
"""Of another rate than a telephone's: making it one takes 1 s of CPU for 30 s of sound, beside the calls."""
_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE  # the format stands in the first two bytes of its subformat
_PASSED: Final = 0.45  # of the lower rate: telephones pass up to 3.4 kHz
_CROSSINGS: Final = 8


class NotASoundError(ValueError):
    """It is no WAV file of 16 bits, one or two channels and 8 to 48 kHz, or is empty or too long; the text says which,
    in a code."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What a WAV file holds; of several channels the samples stand side by side."""

    rate: int
    channels: int
    samples: "array[int]"

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.samples) / self.channels / self.rate


def read_wave(content: bytes) -> Wave:
    """The sound of a WAV file. One that was written without knowing its end, as speech is, reaches to the end of the
    file. Raises NotASoundError."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise NotASoundError("not_wav")
    at, form = 12, b""
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        body = content[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = body
        elif name == b"data":
            return _wave(form, body)
        at += 8 + size + size % 2
    raise NotASoundError("no_sound")


def seconds_of(head: bytes, size_bytes: int) -> float | None:
    """How long a WAV file of so many bytes plays, by its first kilobyte; none: it cannot be told."""
    at = 12 if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else len(head)
    bytes_a_second = 0
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt ":
            bytes_a_second = int.from_bytes(head[at + 16 : at + 20], "little")
        elif name == b"data":
            return min(size or size_bytes, size_bytes - at - 8) / bytes_a_second if bytes_a_second else None
        at += 8 + size + size % 2
    return None


def _wave(form: bytes, body: bytes) -> Wave:
    if len(form) < 16:
        raise NotASoundError("not_wav")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if kind == _EXTENSIBLE and len(form) >= 26:
        kind = int.from_bytes(form[24:26], "little")
    if kind != _PCM or bits != 16 or channels not in (1, 2):
        raise NotASoundError("not_pcm_of_16_bits")
    if not RATES[0] <= rate <= RATES[1]:
        raise NotASoundError("rate_not_allowed")
    whole = len(body) - len(body) % (2 * channels)
    if not whole:
        raise NotASoundError("no_sound")
    if whole > 2 * channels * rate * (SECONDS_MAX if rate == RATE else RESAMPLED_SECONDS_MAX):
        raise NotASoundError("too_long")
    return Wave(rate, channels, _array(body[:whole]))


def for_telephones(wave: Wave) -> "array[int]":
    """Its samples as a telephone's: two channels as one, at 8 kHz."""
    samples: Sequence[int] = wave.samples
    if wave.channels == 2:
        samples = [(left + right) // 2 for left, right in zip(samples[::2], samples[1::2], strict=True)]
    if wave.rate != RATE:
        samples = _resampled(samples, wave.rate)
    return array("h", samples)


def wave_file(samples: "array[int]", *, rate: int = RATE) -> bytes:
    """A WAV file of one channel."""
    body = array("h", samples)
    if sys.byteorder == "big":
        body.byteswap()
    return wave_header(2 * len(body), rate=rate) + body.tobytes()


def wave_header(size: int, *, rate: int = RATE) -> bytes:
    """What stands before so many bytes of samples of one channel."""
    form = struct.pack("<IHHIIHH", 16, _PCM, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)


@cache
def beep() -> bytes:
    """A third of a second of 1 kHz, then a pause, as before a voicemail's recording."""
    return wave_file(_tone(1000.0, seconds=0.35, loudness=9_000) + _rest(0.25))


@cache
def silence() -> bytes:
    """A second of it."""
    return wave_file(_rest(1.0))


@cache
def music() -> bytes:
    """A quiet melody of half a minute for who waits where nobody has given another: it is ours, so nobody's licence."""
    # C, a minor, F, G: each chord broken twice, its notes in Hz.
    chords = (
        (261.63, 329.63, 392.00, 523.25),
        (220.00, 261.63, 329.63, 440.00),
        (174.61, 220.00, 261.63, 349.23),
        (196.00, 246.94, 293.66, 392.00),
    )
    notes = [note for chord in chords for note in (*chord, *reversed(chord))]
    melody = array("h")
    for note in notes:
        melody += _tone(note, seconds=0.5, loudness=4_000, fades=True)
    return wave_file(melody + melody)


def _tone(frequency: float, *, seconds: float, loudness: float, fades: bool = False) -> "array[int]":
    """It rises and ends within 10 ms, so that it does not click; one that fades is like a plucked string."""
    count, edge, turn = int(RATE * seconds), RATE // 100, 2 * math.pi * frequency / RATE
    return array(
        "h",
        (
            round(
                loudness
                * min(1.0, place / edge, (count - place) / edge)
                * (math.exp(-4 * place / count) if fades else 1.0)
                * math.sin(turn * place)
            )
            for place in range(count)
        ),
    )


def _rest(seconds: float) -> "array[int]":
    return array("h", bytes(2 * int(RATE * seconds)))


def _resampled(samples: Sequence[int], rate: int) -> list[int]:
    """At 8 kHz, by a windowed sinc (https://ccrma.stanford.edu/~jos/resample/), so that nothing higher folds back."""
    step = math.gcd(rate, RATE)
    up, down = RATE // step, rate // step
    half = math.ceil(_CROSSINGS * rate / RATE)
    kernels = [_kernel(phase / up, half, rate) for phase in range(up)]
    padded = [0] * half + list(samples) + [0] * (half + 1)
    result: list[int] = []
    for place in range(len(samples) * up // down):
        whole, phase = divmod(place * down, up)
        value = sum(map(mul, kernels[phase], padded[whole : whole + 2 * half + 1]))
        result.append(max(-32_768, min(32_767, round(value))))
    return result


def _kernel(offset: float, half: int, rate: int) -> list[float]:
    """Weights of the samples around a place that is `offset` of a sample behind one; together they are 1."""
    width = 2 * _PASSED * RATE / rate
    weights = []
    for place in range(-half, half + 1):
        away = place - offset
        sinc = 1.0 if away == 0 else math.sin(math.pi * width * away) / (math.pi * width * away)
        weights.append(sinc * (0.5 + 0.5 * math.cos(math.pi * away / (half + 1))))
    total = sum(weights)
    return [weight / total for weight in weights]


def _array(content: bytes) -> "array[int]":
    samples = array("h", content)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
