"""Words as they are searched: case and accents do not count.

Words stand in tables of their own under plain indexes. PostgreSQL's full-text operators cannot use an index under
row-level security: they are not leakproof, so the policy is checked first, row by row
(https://www.postgresql.org/docs/current/rules-privileges.html).
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

WORD_LENGTH_MAX: Final = 64
WORDS_MAX: Final = 1000
"""So many different words of one text are found again."""
QUERY_WORDS_MAX: Final = 16
_WORD: Final = re.compile(r"\w+")
_PHONE: Final = re.compile(r"[\d\s+().-]+")


def cleaned(text: str) -> str:
    """Without the one character that PostgreSQL does not keep in text."""
    return text.replace("\x00", "")


def folded(text: str) -> str:
    """One spelling for all cases and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))


def words_of(text: str) -> list[str]:
    """The different words of a text, in order of appearance, folded."""
    words = dict.fromkeys(word[:WORD_LENGTH_MAX] for word in _WORD.findall(folded(text)))
    return list(words)[:WORDS_MAX]


def customer_words(name: str | None, values: Iterable[str]) -> frozenset[str]:
    """What a customer is found by: the words of the name and of the identifiers' values."""
    return frozenset(words_of(" ".join([name or "", *values])))


def query_words(query: str) -> list[str]:
    """The words of a query, the longest first, for it is likely to be the rarest; a phone number is one word."""
    words = words_of(re.sub(r"\D", "", query) if _PHONE.fullmatch(query) else query)
    return sorted(words[:QUERY_WORDS_MAX], key=len, reverse=True)
