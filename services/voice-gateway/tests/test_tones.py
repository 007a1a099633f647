"""Telling tones apart."""

import math

from voice_gateway.drivers.tones import wave_of
from voice_gateway.testing.tones import RATE, WINDOW, names_in, seconds_of

TONES = {"anna": 450, "ada": 460, "eve": 900}


def test_a_window_tells_tones_apart_that_are_10_hz_apart() -> None:
    def sound(*hertz: int) -> list[int]:
        turns = [2 * math.pi * each / RATE for each in hertz]
        return [round(4000 * sum(math.sin(turn * place) for turn in turns)) for place in range(WINDOW)]

    heard = [names_in(sound(*hertz), TONES) for hertz in ((450,), (460,), (450, 460, 900), (470,), ())]

    assert heard == [{"anna"}, {"ada"}, {"anna", "ada", "eve"}, set(), set()]


def test_each_name_of_a_recording_has_its_time() -> None:
    spans = [(1_000, frozenset({"anna"})), (500, frozenset()), (2_000, frozenset({"anna", "ada"}))]

    heard = seconds_of(b"".join(wave_of(spans)), {"anna": 450, "ada": 900})

    assert {name: round(seconds, 3) for name, seconds in heard.items()} == {"anna": 3.0, "ada": 2.0, "all": 3.5}
