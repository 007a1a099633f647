"""Date fields, as RFC 5322 has them and as programs write them."""

from datetime import UTC, datetime, timedelta
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES_MINUTES: Final = {
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
    "pst": -480,
    "pdt": -420,
    "cet": 60,
    "cest": 120,
    "met": 60,
    "mest": 120,
    "eet": 120,
    "eest": 180,
    "bst": 60,
    "jst": 540,
}
_CHARS_MAX: Final = 200
_YEARS: Final = range(1971, 2200)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_date(value: bytes) -> int | None:
    """UTC milliseconds since 1970, or none where it is no date."""
    text = value[:_CHARS_MAX].decode("ascii", "replace").lower().partition("(")[0]
    words = text.replace(",", " ").replace("-", " -").split()
    day, month, year, minutes = 0, 0, 0, 0
    clock: tuple[int, int, int] | None = None
    for word in words:
        if ":" in word and clock is None:
            clock, zone = _clock(word)
            minutes = minutes if zone is None else zone
        elif word[:3].lstrip("-") in _MONTHS or word.lstrip("-")[:3] in _MONTHS:
            month = _MONTHS.index(word.lstrip("-")[:3]) + 1
        elif word in _ZONES_MINUTES:
            minutes = _ZONES_MINUTES[word]
        elif clock is not None and word[0] in "+-" and _number(word[1:]) is not None and len(word) in (4, 5):
            minutes = _offset(word)
        elif (number := _number(word.lstrip("-"))) is not None:
            day, year = (number, year) if not day and len(word.lstrip("-")) < 3 else (day, year or number)
    return _instant(day, month, year, clock, minutes)


def _instant(day: int, month: int, year: int, clock: tuple[int, int, int] | None, minutes: int) -> int | None:
    if year < 100:
        year += 2000 if year < 70 else 1900
    if clock is None or year not in _YEARS or abs(minutes) > 24 * 60:
        return None
    try:
        moment = datetime(year, month, day, *clock, tzinfo=UTC) - timedelta(minutes=minutes)
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _clock(word: str) -> tuple[tuple[int, int, int] | None, int | None]:
    """`10:20`, `10:20:30`, `10:20:30.5`, and where the zone is stuck to it `10:20:30+0100`."""
    time, plus, zone = word.partition("+")
    parts = [_number(part.partition(".")[0]) for part in time.split(":")[:3]]
    if None in parts or len(parts) < 2:
        return None, None
    hour, minute, second = [part or 0 for part in (*parts, 0)][:3]
    return (hour, minute, min(second, 59)), (_offset(plus + zone) if plus and _number(zone) is not None else None)


def _offset(word: str) -> int:
    number = int(word[1:5])
    return (number // 100 * 60 + number % 100) * (-1 if word[0] == "-" else 1)


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 4 else None
