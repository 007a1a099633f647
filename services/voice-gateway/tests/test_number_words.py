"""Numbers and keys, as a voice reads them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as some
from voice_gateway.domain.number_words import NUMBER_MAX, digits_in_words, key_in_words, number_in_words

LANGUAGES = ("en", "it", "de", "fr", "es")
SAID = {
    "en": {
        0: "zero",
        13: "thirteen",
        21: "twenty-one",
        101: "one hundred one",
        1121: "one thousand one hundred twenty-one",
    },
    "it": {
        1: "uno",
        3: "tre",
        23: "ventitré",
        28: "ventotto",
        81: "ottantuno",
        100: "cento",
        113: "centotredici",
        2003: "duemilatré",
    },
    "de": {
        1: "eins",
        16: "sechzehn",
        21: "einundzwanzig",
        30: "dreißig",
        101: "einhunderteins",
        2023: "zweitausenddreiundzwanzig",
    },
    "fr": {
        21: "vingt et un",
        71: "soixante et onze",
        80: "quatre-vingts",
        81: "quatre-vingt-un",
        91: "quatre-vingt-onze",
        200: "deux cents",
        201: "deux cent un",
        1000: "mille",
    },
    "es": {
        16: "dieciséis",
        22: "veintidós",
        31: "treinta y uno",
        100: "cien",
        101: "ciento uno",
        500: "quinientos",
        2000: "dos mil",
    },
}


@pytest.mark.parametrize(
    ("language", "number", "words"), [(each, *said) for each in LANGUAGES for said in SAID[each].items()]
)
def test_a_number_is_said_as_its_language_does(language: str, number: int, words: str) -> None:
    assert number_in_words(number, language) == words
    assert number_in_words(number, f"{language}-CH") == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_numbers_sound_alike_and_none_has_digits_or_gaps(language: str) -> None:
    words = [number_in_words(number, language) for number in range(NUMBER_MAX + 1)]

    assert len(set(words)) == len(words)
    assert all(re.fullmatch(r"[a-zäéíóöúüß]+([ -][a-zäéíóöúüß]+)*", each) for each in words)


@given(some.integers())
def test_what_cannot_be_said_stays_as_it_is(number: int) -> None:
    assert number_in_words(number, "pt") == str(number)
    if not 0 <= number <= NUMBER_MAX:
        assert number_in_words(number, "en") == str(number)


def test_a_telephone_number_is_said_digit_by_digit() -> None:
    assert digits_in_words("+39 06-1", "en") == "three nine zero, six one"
    assert digits_in_words("12", "pt") == "1 2"


@pytest.mark.parametrize(
    ("key", "language", "words"),
    [("#", "it", "cancelletto"), ("*", "de-AT", "Stern"), ("1", "fr", "un"), ("#", "pt", "hash"), ("9", "pt", "9")],
)
def test_a_key_is_said_by_its_name(key: str, language: str, words: str) -> None:
    assert key_in_words(key, language) == words
