"""The `sequence` of routing events, and those of live offers and assignments for the views."""

from collections.abc import Iterable
from typing import Final

import msgspec
from contracts.assignments import AssignmentRoleChanged
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
from contracts.tasks import TaskAssigned, TaskCompleted, TaskRequeued, TaskTransferredOut, TaskUnassigned

from router.domain.facts import Fact

_OFFER_ENDS: Final = (OfferAccepted, OfferRejected, OfferExpired, OfferRescinded, OfferWithdrawn)
_ASSIGNMENT_ENDS: Final = (TaskCompleted, TaskRequeued, TaskUnassigned, TaskTransferredOut)


class Published(msgspec.Struct, frozen=True):
    """A public fact with what its event needs besides."""

    sequence: str
    fact: Fact
    encoded: msgspec.Raw
    """The fact's data as the journal has them."""
    causation_id: str | None
    traceparent: str | None


def sequence_of(generation: int, offset: int, index: int) -> str:
    """`<generation>-<journal offset>-<index in batch>`, padded so that it orders as text (CloudEvents sequence)."""
    return f"{generation:04d}-{offset:015d}-{index:05d}"


class Sequences(dict[str, str]):
    """By offer or assignment id: the sequence of the event that made it, for as long as it lives.

    For an assignment, of the event that gave it its role: whoever has read that far knows what the agent may say.
    """

    def note(self, events: Iterable[Published]) -> None:
        """Follow the events of a batch."""
        for event in events:
            data = event.fact.data
            if isinstance(data, OfferIssued):
                self[data.offer_id] = event.sequence
            elif isinstance(data, (TaskAssigned, AssignmentRoleChanged)):
                self[data.assignment_id] = event.sequence
            elif isinstance(data, _OFFER_ENDS):
                self.pop(data.offer_id, None)
            elif isinstance(data, _ASSIGNMENT_ENDS):
                self.pop(data.assignment_id or "", None)
