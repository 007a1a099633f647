"""Sounds are made a telephone's, or refused."""

import io
import math
import struct
import wave
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as some
from voice_gateway.domain.waves import (
    RATE,
    RESAMPLED_SECONDS_MAX,
    SECONDS_MAX,
    NotASoundError,
    beep,
    for_telephones,
    music,
    read_wave,
    seconds_of,
    silence,
    wave_file,
    wave_header,
)


def made(*tones: int, rate: int = RATE, channels: int = 1, seconds: float = 0.5, width: int = 2) -> bytes:
    """A WAV file as the standard library writes it; of two channels the second is silent."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        for place in range(int(rate * seconds)):
            value = sum(8000 * math.sin(2 * math.pi * tone * place / rate) for tone in tones)
            writer.writeframes(
                struct.pack("<h", int(value))[:width].ljust(width, b"\0") + bytes(width * (channels - 1))
            )
    return file.getvalue()


def loudness(samples: "array[int]", tone: int) -> float:
    """How loud a tone is at 8 kHz, away from the ends (Goertzel's sum)."""
    middle = samples[800:-800]
    turn = 2 * math.pi * tone / RATE
    real = sum(value * math.cos(turn * place) for place, value in enumerate(middle))
    other = sum(value * math.sin(turn * place) for place, value in enumerate(middle))
    return 2 * math.hypot(real, other) / len(middle)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_stays_the_same_tone_at_every_rate(rate: int) -> None:
    samples = for_telephones(read_wave(made(1000, rate=rate)))

    assert len(samples) == pytest.approx(RATE / 2, abs=1)
    assert loudness(samples, 1000) == pytest.approx(8000, rel=0.02)
    assert loudness(samples, 2000) < 80


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_what_a_telephone_cannot_carry_does_not_come_back_as_another_tone(rate: int) -> None:
    samples = for_telephones(read_wave(made(1000, 6000, rate=rate)))

    assert loudness(samples, RATE - 6000) < 80
    assert loudness(samples, 1000) == pytest.approx(8000, rel=0.02)


def test_two_channels_are_mixed() -> None:
    assert loudness(for_telephones(read_wave(made(1000, channels=2))), 1000) == pytest.approx(4000, rel=0.02)


def test_a_sound_that_was_written_without_knowing_its_end_is_whole() -> None:
    whole = made(1000)
    at = whole.index(b"data") + 4
    streamed = whole[:at] + struct.pack("<I", 0x7FFFF000) + whole[at + 4 :]

    assert read_wave(streamed) == read_wave(whole)
    assert seconds_of(streamed[:1024], len(streamed)) == 0.5


def chunks(*parts: bytes) -> bytes:
    """A WAV file of chunks: name, content, name, content."""
    pairs = zip(parts[::2], parts[1::2], strict=True)
    body = b"".join(name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in pairs)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def test_other_chunks_are_passed_over_with_their_padding() -> None:
    good = made(1000)
    content = chunks(b"LIST", b"odd", b"fmt ", good[20:36], b"data", good[44:])

    assert read_wave(content) == read_wave(good)
    assert seconds_of(content[:1024], len(content)) == 0.5


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not_wav"),
        (b"ID3\4\0\0\0\0\0\0", "not_wav"),
        (wave_header(100)[:40], "no_sound"),
        (wave_header(0), "no_sound"),
        (chunks(b"data", bytes(8)), "not_wav"),
        (wave_header(1) + b"\0", "no_sound"),
        (made(1000, width=1), "not_pcm_of_16_bits"),
        (made(1000, channels=3, seconds=0.01), "not_pcm_of_16_bits"),
        (made(1000, rate=4000), "rate_not_allowed"),
        (made(1000, rate=96_000), "rate_not_allowed"),
        (wave_file(array("h", bytes(2 * RATE * SECONDS_MAX + 2))), "too_long"),
        (wave_file(array("h", bytes(2 * 16_000 * RESAMPLED_SECONDS_MAX + 2)), rate=16_000), "too_long"),
    ],
)
def test_anything_else_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(NotASoundError, match=why):
        read_wave(content)


@given(some.binary(max_size=200), some.integers(0, 60), some.booleans())
def test_no_bytes_are_taken_for_what_they_are_not(noise: bytes, at: int, behind: bool) -> None:
    good = made(1000, seconds=0.01)
    content = good[:at] + noise + (good[at:] if behind else b"")
    try:
        found = read_wave(content)
    except NotASoundError:
        return

    assert 8_000 <= found.rate <= 48_000
    assert 0 < len(found.samples) * 2 <= len(content)
    seconds_of(content, len(content))


@pytest.mark.parametrize("sound", [beep, silence, music])
def test_our_own_sounds_are_a_telephones(sound: type) -> None:
    content: bytes = sound()
    found = read_wave(content)

    assert (found.rate, found.channels) == (RATE, 1)
    assert seconds_of(content[:1024], len(content)) == found.seconds
    with wave.open(io.BytesIO(content)) as reader:
        assert reader.getnframes() == len(found.samples)
    assert max(found.samples) < 16_000


def test_the_beep_is_heard_and_silence_is_not() -> None:
    assert loudness(read_wave(beep()).samples[:2800], 1000) > 8000
    assert max(read_wave(silence()).samples) == 0
    assert max(read_wave(music()).samples) > 3000


def test_seconds_are_not_guessed() -> None:
    assert seconds_of(b"", 0) is None
    assert seconds_of(b"ID3", 3) is None
    assert seconds_of(wave_header(16_000, rate=0), 16_044) is None
    assert seconds_of(wave_header(16_000), 16_044) == 1.0
    assert seconds_of(wave_header(0), 8_044) == 0.5
