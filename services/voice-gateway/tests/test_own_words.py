"""The languages of which others are told that the gateway has words in are those that it has."""

from contracts.voice_parts import OWN_LANGUAGES
from voice_gateway.domain.own_words import OWN_WORDS


def test_every_prompt_of_our_own_has_words_in_each_of_our_languages() -> None:
    assert {name: sorted(words) for name, words in OWN_WORDS.items()} == dict.fromkeys(OWN_WORDS, sorted(OWN_LANGUAGES))
