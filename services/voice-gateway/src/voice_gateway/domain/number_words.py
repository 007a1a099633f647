"""Numbers, telephone numbers and keys in words, as a voice reads them: speech programs read digits differently, or not
at all in a language that is not theirs.

Cardinals of English, Italian, German, French and Spanish from 0 to 9,999; in other languages, and beyond, digits stay.
"""

from collections.abc import Callable, Mapping
from typing import Final

NUMBER_MAX: Final = 9_999


def _words(text: str) -> list[str]:
    return text.split()


_EN: Final = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_EN_TENS: Final = _words("- - twenty thirty forty fifty sixty seventy eighty ninety")
_IT: Final = _words(
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove"
)
_IT_TENS: Final = _words("- - venti trenta quaranta cinquanta sessanta settanta ottanta novanta")
_DE: Final = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_DE_TENS: Final = _words("- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
_FR: Final = _words(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf"
)
_FR_TENS: Final = _words("- - vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt")
_ES: Final = _words(
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
)
_ES_TENS: Final = _words("- - - treinta cuarenta cincuenta sesenta setenta ochenta noventa")
_ES_HUNDREDS: Final = _words(
    "- ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
)


def number_in_words(number: int, language: str) -> str:
    """As one counts; `language` is a tag of BCP 47, of which the first part counts."""
    cardinal = _CARDINALS.get(primary(language))
    return cardinal(number) if cardinal and 0 <= number <= NUMBER_MAX else str(number)


def digits_in_words(digits: str, language: str) -> str:
    """Digit by digit, with a comma after every third, where a voice pauses."""
    words = [number_in_words(int(digit), language) for digit in digits if digit in "0123456789"]
    return ", ".join(" ".join(words[at : at + 3]) for at in range(0, len(words), 3))


def key_in_words(key: str, language: str) -> str:
    """A digit, `*` or `#`."""
    if key.isdecimal():
        return number_in_words(int(key), language)
    star, hash_key = _KEYS.get(primary(language), _KEYS["en"])
    return {"*": star, "#": hash_key}.get(key, key)


def primary(language: str) -> str:
    """`it` of `it-CH`."""
    return language.replace("_", "-").partition("-")[0].lower()


def _english(number: int) -> str:
    if number < 20:
        return _EN[number]
    if number < 100:
        return _EN_TENS[number // 10] + (f"-{_EN[number % 10]}" if number % 10 else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = number % size
    return f"{_english(number // size)} {name}" + (f" {_english(rest)}" if rest else "")


def _italian(number: int) -> str:
    """A ten loses its last vowel before `uno` and `otto`; a `tre` at the end of others has an accent."""
    word = _italian_part(number)
    return f"{word[:-3]}tré" if number > 20 and number % 10 == 3 and number % 100 != 13 else word


def _italian_part(number: int) -> str:
    if number < 20:
        return _IT[number]
    if number < 100:
        ten, one = _IT_TENS[number // 10], number % 10
        return (ten[:-1] if one in (1, 8) else ten) + (_IT[one] if one else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return ("" if hundreds == 1 else _IT[hundreds]) + "cento" + (_italian_part(rest) if rest else "")
    thousands, rest = divmod(number, 1000)
    return ("mille" if thousands == 1 else f"{_IT[thousands]}mila") + (_italian_part(rest) if rest else "")


def _german(number: int) -> str:
    """`ein` before another word, `eins` at the end."""
    if number < 20:
        return _DE[number]
    if number < 100:
        ten, one = _DE_TENS[number // 10], number % 10
        return f"{_before(one)}und{ten}" if one else ten
    size, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    rest = number % size
    return _before(number // size) + name + (_german(rest) if rest else "")


def _before(number: int) -> str:
    return "ein" if number == 1 else _german(number)


def _french(number: int) -> str:
    if number < 20:
        return _FR[number]
    if number < 100:
        return _french_tens(number)
    size, name = (1000, "mille") if number >= 1000 else (100, "cent")
    count, rest = divmod(number, size)
    if not rest and size == 100 and count > 1:
        return f"{_FR[count]} cents"
    return ("" if count == 1 else f"{_FR[count]} ") + name + (f" {_french(rest)}" if rest else "")


def _french_tens(number: int) -> str:
    """By twenties from 60 on; `et` before one and eleven, but not from 80 on."""
    ten, one = number // 10, number % 10
    if ten in (7, 9):
        one += 10
    word = _FR_TENS[ten]
    if number == 80:
        return f"{word}s"
    if not one:
        return word
    return f"{word} et {_FR[one]}" if one in (1, 11) and ten < 8 else f"{word}-{_FR[one]}"


def _spanish(number: int) -> str:
    if number < 30:
        return _ES[number]
    if number < 100:
        return _ES_TENS[number // 10] + (f" y {_ES[number % 10]}" if number % 10 else "")
    if number == 100:
        return "cien"
    if number < 1000:
        rest = number % 100
        return _ES_HUNDREDS[number // 100] + (f" {_spanish(rest)}" if rest else "")
    thousands, rest = divmod(number, 1000)
    return ("mil" if thousands == 1 else f"{_ES[thousands]} mil") + (f" {_spanish(rest)}" if rest else "")


_CARDINALS: Final[Mapping[str, Callable[[int], str]]] = {
    "en": _english,
    "it": _italian,
    "de": _german,
    "fr": _french,
    "es": _spanish,
}
_KEYS: Final = {
    "en": ("star", "hash"),
    "it": ("asterisco", "cancelletto"),
    "de": ("Stern", "Raute"),
    "fr": ("étoile", "dièse"),
    "es": ("asterisco", "almohadilla"),
}
