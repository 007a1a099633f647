"""An agent, as the router keeps them while they are configured."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from contracts.agents import AgentState, Presence

from router.domain.heaps import Key
from router.domain.task import Task

Shed = Literal["agent_not_ready", "agent_lost", "agent_removed"]
"""Why tasks are taken from an agent: offers only; assignments too, unless the channel keeps them; everything."""


@dataclass(slots=True, kw_only=True)
class Agent:
    """What the agent chose, whether they can be reached, and what they hold."""

    agent_id: str
    skills: dict[str, int]
    capacity: int
    state: AgentState = "not_ready"
    reason_code: str | None = None
    presence: Presence = "absent"
    grace_ends_at_ms: int | None = None
    """Set while presence is `lost`."""
    unanswered: int = 0
    """Offers left unanswered in a row."""
    idle_since_ms: int = 0
    """When the agent last turned routable or got free of a task."""
    shed: Shed | None = None
    """Set while tasks remain to be taken from the agent; a continuation timer goes on with it."""
    matching_deferred: bool = False
    """Set while a continuation timer has to go on with matching for this agent."""
    held: int = field(default=0, metadata={"derived": True})
    """Capacity units of live offers, assignments and wrap-ups."""
    tasks: dict[str, Task] = field(default_factory=dict, metadata={"derived": True})
    """The tasks behind `held`; their order means nothing."""
    refused: dict[str, Task] = field(default_factory=dict, metadata={"derived": True})
    """Tasks that are not offered to the agent for now."""
    profile: int = field(default=-1, metadata={"derived": True})

    @property
    def free(self) -> int:
        """Capacity units left."""
        return max(0, self.capacity - self.held)

    @property
    def routable(self) -> bool:
        """May get offers: ready, present, and nothing left to be done about them first."""
        return self.state == "ready" and self.presence == "present" and self.shed is None and not self.matching_deferred

    @property
    def rank(self) -> Key:
        """Smallest is chosen first: load ratio, then longest idle, then the id so that ties are broken.

        Source: Azure Communication Services, Job Router, "longest idle" distribution mode.
        """
        return (self.held / self.capacity, self.idle_since_ms, self.agent_id)

    def to_shed(self, keep_channels: list[str]) -> Iterator[Task]:
        """What `shed` still takes from the agent, in the order of task ids."""
        for task_id in sorted(self.tasks):
            task = self.tasks[task_id]
            if (
                self.shed == "agent_removed"
                or task.state == "offered"
                or (self.shed == "agent_lost" and task.state == "assigned" and task.channel not in keep_channels)
            ):
                yield task
