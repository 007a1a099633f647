"""What a prompt says, in which language."""

import re

import pytest
from contracts.voice_parts import OWN_PROMPTS
from hypothesis import given
from hypothesis import strategies as some
from voice_gateway.domain.own_words import OWN_WORDS
from voice_gateway.domain.prompt_words import (
    TONES,
    Asked,
    Prompt,
    SoundFile,
    Tone,
    Words,
    asked,
    chosen,
    closest,
    in_words,
)
from voice_gateway.domain.prompts import prompt

NO_HALVES = some.characters(exclude_categories=["Cs"])
TEXT = some.text(NO_HALVES, min_size=1)
WELCOME = Prompt(
    texts={"it": "Benvenuto, {name}.", "en": "Welcome."}, files={"de": "https://example.com/de.wav"}, voice="anna"
)


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("prompt:welcome", Asked(name="welcome")),
        ("prompt:acme.main/welcome?lang=it", Asked(name="welcome", domain="acme.main", language="it")),
        (
            "prompt:position?lang=it-CH&position=3&key=%23",
            Asked(name="position", language="it-CH", values={"position": "3", "key": "#"}),
        ),
        ("prompt:nobody?text=Back+at+9%3A00", Asked(name="nobody", text="Back at 9:00")),
        ("sound:beep", None),
        ("https://example.com/prompt:x", None),
    ],
)
def test_a_prompts_uri_is_read(uri: str, wanted: Asked | None) -> None:
    assert asked(uri) == wanted


@given(TEXT, some.dictionaries(TEXT, some.text(NO_HALVES), max_size=3), TEXT)
def test_whatever_a_call_asks_for_is_read_as_it_was_written(name: str, values: dict[str, str], text: str) -> None:
    name, values = (
        name.replace("/", "") or "x",
        {key: each for key, each in values.items() if key not in ("lang", "text")},
    )
    media = prompt(name, domain="acme/main", language="it", values=(*values.items(),), text=text)

    assert asked(media.uri) == Asked(name=name, domain="acme/main", language="it", values=values, text=text)


def test_there_are_words_for_every_prompt_of_every_flow_and_values_for_all_their_places() -> None:
    assert set(OWN_PROMPTS) <= {*OWN_WORDS, *TONES}
    places = {name: {*re.findall(r"\{(\w+)\}", OWN_WORDS[name]["en"])} for name in OWN_PROMPTS if name in OWN_WORDS}
    assert {name: names for name, names in places.items() if not names <= {*OWN_PROMPTS[name]}} == {}


@pytest.mark.parametrize(
    ("language", "text", "spoken_in"),
    [
        ("it", "Benvenuto, Anna.", "it"),
        ("it-CH", "Benvenuto, Anna.", "it"),
        ("en", "Welcome.", "en"),
        ("pt", "Welcome.", "en"),
        (None, "Welcome.", "en"),
    ],
)
def test_it_is_said_in_the_language_or_in_english(language: str | None, text: str, spoken_in: str) -> None:
    found = chosen(Asked(name="welcome", language=language, values={"name": "Anna"}), WELCOME)

    assert found == Words(text=text, language=spoken_in, voice="anna", personal="Anna" in text)


def test_a_recorded_sound_is_played_in_its_language() -> None:
    assert chosen(Asked(name="welcome", language="de-AT"), WELCOME) == SoundFile("https://example.com/de.wav")
    assert chosen(Asked(name="welcome", language="fr"), Prompt(files={"de": "a/b.wav"})) == SoundFile("a/b.wav")


def test_without_english_the_first_language_is_better_than_nothing() -> None:
    found = chosen(Asked(name="welcome", language="pt"), Prompt(texts={"fr": "Bonjour."}))

    assert found == Words(text="Bonjour.", language="fr")


def test_our_own_words_are_said_in_the_callers_language_before_the_tenants_in_another() -> None:
    english = Prompt(texts={"en": "Number {position}!"})

    in_italian = chosen(Asked(name="position", language="it", values={"position": "21"}), english)
    assert in_italian == Words(text="Lei è il numero ventuno in attesa.", language="it")
    in_english = chosen(Asked(name="position", language="en", values={"position": "21"}), english)
    assert in_english == Words(text="Number twenty-one!", language="en")
    assert chosen(Asked(name="goodbye", language="pt"), None) == Words(text="Goodbye.", language="en")


def test_a_tone_is_ours_unless_the_tenant_has_another() -> None:
    assert [chosen(Asked(name=name), None) for name in TONES] == [Tone(name) for name in TONES]
    assert chosen(Asked(name="beep"), Prompt(files={"en": "ding.wav"})) == SoundFile("ding.wav")


def test_there_is_nothing_of_another_name() -> None:
    assert chosen(Asked(name="welcome"), None) is None
    assert chosen(Asked(name="welcome"), Prompt()) is None


def test_words_of_the_router_are_said_as_they_are() -> None:
    found = chosen(Asked(name="nobody", language="it", text="Torni alle {9}\n\ud800."), None)

    assert found == Words(text="Torni alle {9} .", language="it", personal=True)


def test_a_callers_number_is_said_digit_by_digit_and_is_personal() -> None:
    found = chosen(Asked(name="callback_confirm", language="en", values={"number": "0612", "key": "1"}), None)

    assert isinstance(found, Words)
    assert found.personal
    assert "at zero six one, two. Press one" in found.text


@pytest.mark.parametrize("name", OWN_WORDS)
def test_our_own_words_name_the_same_values_in_every_language(name: str) -> None:
    by_language = {language: set(re.findall(r"\{(\w+)\}", text)) for language, text in OWN_WORDS[name].items()}

    assert set(by_language) == {"en", "it", "de", "fr", "es"}
    assert len({frozenset(names) for names in by_language.values()}) == 1


@given(
    some.sampled_from(sorted(OWN_WORDS)),
    some.sampled_from(["en", "it", "de", "fr", "es", "pt", "", "zh-Hant"]),
    some.dictionaries(some.sampled_from(["position", "from", "to", "key", "number", "yes", "no"]), some.text()),
)
def test_our_own_words_are_said_whole_whatever_the_values(name: str, language: str, values: dict[str, str]) -> None:
    found = chosen(Asked(name=name, language=language, values=values), None)

    assert isinstance(found, Words)
    assert found.text
    assert not re.search(r"[\0-\x1f]", found.text)
    for each in re.findall(r"\{\w+\}", OWN_WORDS[name]["en"]):
        assert each not in found.text or any(each in value for value in values.values())


@given(some.text(alphabet="0123456789", min_size=1, max_size=4), some.sampled_from(["en", "it", "de", "fr", "es"]))
def test_small_numbers_are_never_read_as_digits(value: str, language: str) -> None:
    assert not re.search(r"\d", in_words("position", value, language))
    assert not re.search(r"\d", in_words("number", value, language))


@pytest.mark.parametrize(
    ("language", "offered", "found"),
    [
        ("it-CH", ["it", "it-CH", "en"], "it-CH"),
        ("it-IT", ["it-CH", "it"], "it"),
        ("it", ["en", "it-CH"], "it-CH"),
        ("IT", ["it"], "it"),
        ("pt", ["it"], None),
        (None, ["it", "en"], "it"),
        (None, [], None),
    ],
)
def test_the_closest_language_is_found(language: str | None, offered: list[str], found: str | None) -> None:
    assert closest(language, offered) == found


def test_no_value_is_longer_than_a_breath() -> None:
    assert in_words("name", "x" * 500, "en") == "x" * 100
