"""How facts about silent customers change the state. For `fold` alone."""

from collections.abc import Callable
from typing import Final

from contracts.assignments import AssignmentCapacityChanged

from router.domain.holding import take_units
from router.domain.state import DomainState, State


def _capacity_changed(_: State, domain: DomainState, data: AssignmentCapacityChanged, now_ms: int) -> None:
    """Beyond the agent's capacity, if need be: it is judged when an offer is issued."""
    task = domain.assignments[data.assignment_id]
    if task.counted != data.counted:
        task.counted = data.counted
        take_units(domain, domain.agents[data.agent_id], task, 1 if data.counted else -1)


HANDLERS: Final[dict[type, Callable[..., None]]] = {AssignmentCapacityChanged: _capacity_changed}
