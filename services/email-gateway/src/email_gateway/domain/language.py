"""A hint at the language of a text: the header's word, the script, a few frequent words."""

from collections import Counter
from typing import Final

_CHARS: Final = 4000
_WORDS: Final = {
    "en": "the and you your for have with this that please not are from would thank thanks my was can hello",
    "de": "wo meine der die und ich nicht ist das sie mit für bitte eine ein den wir zu auf mir mein vielen "
    "haben guten",
    "fr": "le la les et je vous pour est une des pas dans avec merci bonjour nous votre mon que sur ai",
    "es": "el la los que de y por una para con no gracias hola mi su es en pedido usted he muy",
    "it": "il di che e la per non una con grazie buongiorno mio sono ho del della si le un ordine",
    "pt": "o a os que de e não uma para com obrigado olá meu em por do da você eu pedido está",
    "nl": "de het een en ik niet van voor met dat is u mijn bedankt op te zijn wij hallo graag",
    "pl": "nie jest się na do że dziękuję proszę moje i w z dzień dobry czy mam dla jak zamówienie to",
    "sv": "och jag att det är inte för en på med tack hej min som ni har beställning",
    "tr": "ve bir bu için ile de da merhaba teşekkürler değil siparişim çok lütfen ben",
}
_SETS: Final = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_SCRIPTS: Final = (
    (0x3040, 0x30FF, "ja"),
    (0xAC00, 0xD7AF, "ko"),
    (0x4E00, 0x9FFF, "zh"),
    (0x0400, 0x04FF, "ru"),
    (0x0600, 0x06FF, "ar"),
    (0x0590, 0x05FF, "he"),
    (0x0370, 0x03FF, "el"),
    (0x0E00, 0x0E7F, "th"),
)
_PUNCTUATION: Final = ".,;:!?()\"'»«"
_HITS_MIN: Final = 2


def language_hint(text: str, declared: str) -> str | None:
    """A code of ISO 639-1, or none: no guess at all is better than a wrong one."""
    code = declared.strip().lower()[:2]
    if code.isascii() and code.isalpha() and len(code) == 2:
        return code
    sample = text[:_CHARS].lower()
    by_script = None if sample.isascii() else _by_script(sample)
    if by_script is not None:
        return by_script
    counts = Counter(word.strip(_PUNCTUATION) for word in sample.split())
    hits = sorted(((sum(counts[word] for word in known & counts.keys()), name) for name, known in _SETS.items()))
    (second, _), (best, language) = hits[-2:]
    return language if best >= _HITS_MIN and best > second else None


def _by_script(sample: str) -> str | None:
    codes = [ord(char) for char in sample if char > "\u0300"]
    letters = sum(char.isalpha() for char in sample) if codes else 0
    for first, last, language in _SCRIPTS:
        share = sum(first <= code <= last for code in codes)
        # Japanese is mostly written in Chinese characters.
        if share * (20 if language == "ja" else 3) > letters > 0:
            return language
    return None
