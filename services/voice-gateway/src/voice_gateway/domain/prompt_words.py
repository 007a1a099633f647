"""What a prompt says: from its name, a language and values to words that a voice reads, or to a recorded sound."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from contracts.placeholders import filled, variables_in

from voice_gateway.domain.number_words import digits_in_words, key_in_words, number_in_words, primary
from voice_gateway.domain.own_words import OWN_WORDS

SCHEME: Final = "prompt:"
ENGLISH: Final = "en"
TONES: Final = ("beep", "silence", "music")
"""Prompts that are sounds of our own (domain.waves), unless the tenant has others."""
WORDS_LENGTH_MAX: Final = 2000
VALUE_LENGTH_MAX: Final = 100
TELEPHONE_NUMBER: Final = "number"
"""The value that is a caller's."""
_CONTROLS: Final = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]+")  # and halves of characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be played; `domain` is whose prompt it is, if it is a tenant's."""

    name: str
    domain: str | None = None
    language: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    """Words to read in place of the prompt's."""


class HasWords(Protocol):
    """A tenant's prompt, by language; `files` are sounds by URL, or by name in the tenant's folder."""

    @property
    def texts(self) -> Mapping[str, str]:
        """Read by `voice`."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """Played as they are."""
        ...

    @property
    def voice(self) -> str | None:
        """None: the usual one of the language."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """See HasWords."""

    texts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    voice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """To be read by a voice. `personal`: they hold what is one caller's, or one call's, and are not to be kept."""

    text: str
    language: str
    voice: str | None = None
    personal: bool = False


@dataclass(frozen=True, slots=True)
class SoundFile:
    """To be played: a URL, or a name in the tenant's folder."""

    file: str


@dataclass(frozen=True, slots=True)
class Tone:
    """One of TONES."""

    name: str


_NOTHING: Final[HasWords] = Prompt()


def asked(uri: str) -> Asked | None:
    """What `prompt:DOMAIN/NAME?lang=it&position=3` (domain.prompts) asks for; without a domain it is one of our own.
    None: it is no prompt."""
    if not uri.startswith(SCHEME):
        return None
    parts = urlsplit(uri)
    domain, _, name = unquote(parts.path).rpartition("/")
    values = dict(parse_qsl(parts.query, keep_blank_values=True))
    language, text = values.pop("lang", None), values.pop("text", None)
    return Asked(name=name, domain=domain or None, language=language, values=values, text=text)


def chosen(asked: Asked, prompt: HasWords | None) -> Words | SoundFile | Tone | None:
    """What is played: in the language that is asked for, the tenant's or our own; else what the tenant has, in English
    or in the first language that there is; else our own English. None: there is nothing of this name."""
    prompt, own = prompt or _NOTHING, OWN_WORDS.get(asked.name, {})
    if asked.text:
        return Words(text=_clean(asked.text), language=asked.language or ENGLISH, voice=prompt.voice, personal=True)
    if asked.name in TONES and not prompt.texts and not prompt.files:
        return Tone(asked.name)
    wanted = asked.language or ENGLISH
    ways: tuple[tuple[str | None, Mapping[str, str]], ...] = (
        *((wanted, each) for each in (prompt.files, prompt.texts, own)),
        *((ENGLISH, each) for each in (prompt.files, prompt.texts)),
        *((None, each) for each in (prompt.files, prompt.texts, own)),
    )
    for language, offered in ways:
        found = closest(language, offered)
        if found is not None and offered is prompt.files:
            return SoundFile(offered[found])
        if found is not None:
            return _words(offered[found], found, asked.values, prompt.voice)
    return None


def closest(language: str | None, offered: Iterable[str]) -> str | None:
    """The offered language that is this one, or as near as `it` and `it-CH`; for no language the first."""
    if language is None:
        return next(iter(offered), None)
    same = [each for each in offered if primary(each) == primary(language)]
    exact = (each for each in same if each.lower() == language.lower())
    return next(exact, next(iter(sorted(same, key=len)), None))


def in_words(name: str, value: str, language: str) -> str:
    """A value as it is said: a telephone number digit by digit, a number or a key by its name, else as it is."""
    value = _clean(value)[:VALUE_LENGTH_MAX]
    if value in ("*", "#"):
        return key_in_words(value, language)
    if name == TELEPHONE_NUMBER or not re.fullmatch(r"[0-9]{1,4}", value):
        return digits_in_words(value, language) if re.fullmatch(r"\+?[0-9][0-9 ()./-]*", value) else value
    return number_in_words(int(value), language)


def _words(text: str, language: str, values: Mapping[str, str], voice: str | None) -> Words:
    names = variables_in(text)
    said = {name: in_words(name, values.get(name, ""), language) for name in names}
    # What is neither a small number nor a key is of this call alone.
    personal = any(
        name == TELEPHONE_NUMBER or not re.fullmatch(r"[0-9]{0,4}|[*#]", values.get(name, "")) for name in names
    )
    return Words(text=_clean(filled(text, said).text), language=language, voice=voice, personal=personal)


def _clean(text: str) -> str:
    return _CONTROLS.sub(" ", text).strip()[:WORDS_LENGTH_MAX]
