"""Reading what happened in a `Story`."""

from collections.abc import Sequence
from typing import TypeVar

from contracts.offers import OfferIssued

T = TypeVar("T")


def every(happened: Sequence[object], of: type[T]) -> list[T]:
    """All facts of this type, in order."""
    return [data for data in happened if isinstance(data, of)]


def only(happened: Sequence[object], of: type[T]) -> T:
    """The one fact of this type."""
    [found] = every(happened, of)
    return found


def offered(happened: Sequence[object]) -> list[tuple[str, str]]:
    """Task and agent of each offer that was issued."""
    return [(offer.task_id, offer.agent_id) for offer in every(happened, OfferIssued)]
