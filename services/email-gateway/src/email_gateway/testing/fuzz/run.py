"""The loop: spoil, parse, check; what reaches new lines is spoiled further."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from email_gateway.testing.corpus import SAMPLES
from email_gateway.testing.fuzz.dice import Dice
from email_gateway.testing.fuzz.mutations import MESSAGE_BYTES_MAX, spoiled
from email_gateway.testing.fuzz.watch import Costs, Coverage, check, exercise, timed, weighed

POOL_MAX: Final = 2000
_TRACED_EVERY: Final = 5
_WEIGHED_EVERY: Final = 25
_TRACED_BYTES_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that broke something, and how."""

    number: int
    raw: bytes
    error: BaseException


@dataclass(slots=True)
class Found:
    """What a run found out."""

    costs: Costs = field(default_factory=Costs)
    coverage: Coverage = field(default_factory=Coverage)
    grown: int = 0
    """Spoiled messages that reached new lines."""
    failure: Failure | None = None


def fuzz(seed: int, *, goes_on: Callable[[int], bool]) -> Found:
    """Until the first failure, or as long as `goes_on` says to a message's number."""
    found = Found()
    pool = [sample.raw[:MESSAGE_BYTES_MAX] for sample in SAMPLES]
    for number, raw in enumerate(pool):
        if not _try(found, raw, -1 - number, traced=True):
            return found
    number = 0
    while goes_on(number):
        dice = Dice(seed * 1_000_003 + number)
        raw = spoiled(_chosen(pool, dice), pool, dice)
        lines = len(found.coverage.reached)
        if not _try(found, raw, number, traced=number % _TRACED_EVERY == 0):
            return found
        if len(found.coverage.reached) > lines and len(pool) < POOL_MAX:
            pool.append(raw)
            found.grown += 1
        number += 1
    return found


def _chosen(pool: list[bytes], dice: Dice) -> bytes:
    """The smaller of two: large messages take most of the time and teach nothing new."""
    return min(dice.one(pool), dice.one(pool), key=len)


def _try(found: Found, raw: bytes, number: int, *, traced: bool) -> bool:
    try:
        mail = timed(raw, found.costs)
        if traced:
            found.coverage.trace(lambda: check(raw, exercise(raw) if len(raw) < _TRACED_BYTES_MAX else mail))
        else:
            check(raw, mail)
        if number % _WEIGHED_EVERY == 0:
            weighed(raw, found.costs)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        found.failure = Failure(number, raw, error)
    return found.failure is None
