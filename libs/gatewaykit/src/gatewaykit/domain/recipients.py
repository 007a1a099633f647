"""What became of a part for each of those to whom it goes, where they are several.

Of one recipient, as of a part, a later state is never left for an earlier one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from contracts.written import MessageStatus

State = Literal["pending", "sending", "unknown", "sent", "failed", "delivered", "read"]
RANK: Final[Mapping[State, int]] = {
    "pending": 0,
    "sending": 0,
    "unknown": 1,
    "sent": 2,
    "failed": 3,
    "delivered": 4,
    "read": 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One of several. Pending while nothing is known of them that the part does not say."""

    address: str
    state: State = "pending"
    reason: str | None = None
    """Why it failed, a Code of contracts; or `complained`: they have it and called it unwanted."""

    @property
    def has_it(self) -> bool:
        """Never to be sent to them again."""
        return self.state in ("sent", "delivered", "read")


def advanced(before: Sequence[Recipient], told: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Moved on by what is told of some of them; who was not named yet is named now."""
    found = {each.address.lower(): each for each in before}
    for each in told:
        was = found.setdefault(each.address.lower(), each)
        if RANK[each.state] > RANK[was.state] or (each.state == was.state and each.reason and not was.reason):
            found[was.address.lower()] = replace(was, state=each.state, reason=each.reason)
    return tuple(found.values())


def in_doubt_are(before: Sequence[Recipient], state: State, reason: str | None) -> tuple[Recipient, ...]:
    """What is told of all holds for those of whom nothing better is known."""
    doubted = [each for each in before if each.state in ("pending", "unknown")]
    return advanced(before, [replace(each, state=state, reason=reason) for each in doubted])


def of_all(recipients: Sequence[Recipient]) -> State:
    """Failed if nobody gets it, else as far as the last of those who do."""
    left = [each.state for each in recipients if each.state != "failed"]
    return min(left, key=lambda state: RANK[state]) if left else "failed"


def once_more(recipients: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """As they are when it is sent again: who has it does not get it twice."""
    return tuple(each if each.has_it else Recipient(address=each.address) for each in recipients)


def told_of(recipients: Sequence[Recipient]) -> list[dict[str, str]]:
    """As `personal.recipients` of events has them."""
    found = []
    for each in recipients:
        status = each.state if each.state in get_args(MessageStatus) else "unknown"
        line = {"address": each.address, "status": status}
        found.append(line | ({"reason": each.reason} if each.reason else {}))
    return found
