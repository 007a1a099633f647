"""The states of transfers by the events: along allowed edges, about tasks that there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.assignments import TransferChanged, TransferState
from contracts.tasks import Origin

EDGES: Final[Mapping[TransferState, frozenset[TransferState | None]]] = {
    "requested": frozenset({None, "consulting", "conference"}),
    "consulting": frozenset({"requested"}),
    "conference": frozenset({"consulting"}),
    "completed": frozenset({"requested", "consulting", "conference"}),
    "cancelled": frozenset({"requested", "consulting", "conference"}),
    "failed": frozenset({"requested", "consulting", "conference"}),
}
"""To each state, from which it may come; who was lost while helping is looked for anew."""


@dataclass(slots=True)
class Transfers:
    """By transfer id, which is that of the task that it made."""

    origins: dict[str, Origin] = field(default_factory=dict)
    """What `task.queued` said of each."""
    _states: dict[str, TransferState] = field(default_factory=dict)

    def take(self, data: TransferChanged) -> Iterator[str]:
        """The next state of a transfer; what is wrong with it."""
        before = self._states.get(data.transfer_id)
        if before not in EDGES[data.state]:
            yield f"transfer {data.transfer_id} becomes {data.state}, and was {before}"
        if data.kind == "cold" and data.state in {"consulting", "conference"}:
            yield f"transfer {data.transfer_id} is cold and becomes {data.state}"
        self._states[data.transfer_id] = data.state
        origin = self.origins.get(data.transfer_id)
        if origin is None:
            if data.state != "requested":  # the request may be told before its task is queued
                yield f"transfer {data.transfer_id} became {data.state} and made no task"
            return
        told = (data.kind, data.from_task_id, data.from_assignment_id, data.from_agent_id)
        if told != (origin.kind, origin.from_task_id, origin.from_assignment_id, origin.from_agent_id):
            yield f"transfer {data.transfer_id} is told of otherwise than its task: {told}"
