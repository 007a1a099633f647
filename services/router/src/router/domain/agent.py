"""An agent, as the router keeps them while they are configured."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from contracts.agents import AgentState, Presence
from contracts.fields import Direction

from router.domain.agent_time import AgentTime
from router.domain.need import Offering, Room
from router.domain.task import Task

Shed = Literal["agent_not_ready", "agent_lost", "agent_removed"]
"""Why tasks are taken from an agent: offers only; assignments too, unless the channel keeps them; everything."""
NOWHERE_FULL: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class PendingState:
    """A state that takes effect when the agent's last task ends."""

    state: AgentState
    reason_code: str | None
    by: str | None = None
    clocks_out: bool = False


@dataclass(slots=True, kw_only=True)
class Agent:
    """What the agent chose, whether they can be reached, and what they hold."""

    agent_id: str
    skills: dict[str, int]
    capacity: int
    team: str | None = None
    channels: dict[str, int] = field(default_factory=dict)
    clients: tuple[str, ...] = ()
    directions: tuple[Direction, ...] = ("inbound", "outbound")
    shift_calendar: str | None = None
    state: AgentState = "not_ready"
    reason_code: str | None = None
    pending: PendingState | None = None
    presence: Presence = "absent"
    devices: tuple[str, ...] = ()
    """Which devices are alive, as `<kind>/<id>`; some may be of a kind that does not count."""
    grace_ends_at_ms: int | None = None
    """Set while presence is `lost`."""
    unanswered: int = 0
    """Offers left unanswered in a row."""
    backoff_ends_at_ms: int | None = None
    """Until then no offer at all, after one that came to nothing."""
    idle_since_ms: int = 0
    """When the agent last turned routable or got free of a task."""
    turn: int = 0
    """Number of the offer that they were made last, among all of the domain."""
    clocked_in: bool = False
    adherent: bool = True
    differs_since_ms: int | None = None
    """Since when the agent has been clocked in and not expected, or the other way round."""
    adherence_at_ms: int | None = None
    """When that is looked at next."""
    shed: Shed | None = None
    """Set while tasks remain to be taken from the agent; a continuation timer goes on with it."""
    matching_deferred: bool = False
    """Set while a continuation timer has to go on with matching for this agent."""
    time: AgentTime | None = None
    """What they spent the day with; none before anything happened to them."""
    held: int = field(default=0, metadata={"derived": True})
    """Capacity units of live offers, assignments and wrap-ups that may not be interrupted."""
    held_interruptible: int = field(default=0, metadata={"derived": True})
    """The same of interruptible ones."""
    on_channel: dict[str, int] = field(default_factory=dict, metadata={"derived": True})
    """Tasks by channel, of the channels with a maximum."""
    tasks: dict[str, Task] = field(default_factory=dict, metadata={"derived": True})
    """The tasks behind `held`; their order means nothing."""
    refused: dict[str, Task] = field(default_factory=dict, metadata={"derived": True})
    """Tasks that are not offered to the agent for now."""
    profile: int = field(default=-1, metadata={"derived": True})

    @property
    def room(self) -> Room:
        """What the agent can still take."""
        urgent = max(0, self.capacity - self.held)
        any_kind = max(0, urgent - self.held_interruptible) if self.held_interruptible else urgent
        full = NOWHERE_FULL
        if self.on_channel:
            full = frozenset([name for name, count in self.on_channel.items() if count >= self.channels[name]])
        return (urgent, any_kind, full)

    @property
    def load(self) -> float:
        """Units in use over capacity.

        Source: Azure Communication Services, Job Router, "longest idle" distribution mode.
        """
        return (self.held + self.held_interruptible) / self.capacity

    @property
    def offering(self) -> Offering:
        """What their profile is made of."""
        return Offering(
            frozenset(self.skills.items()),
            self.team,
            frozenset(self.channels),
            frozenset(self.clients),
            frozenset(self.directions),
        )

    @property
    def routable(self) -> bool:
        """May get offers: ready, present, and nothing left to be done about them first."""
        return (
            self.state == "ready"
            and self.presence == "present"
            and self.shed is None
            and not self.matching_deferred
            and self.pending is None
            and self.backoff_ends_at_ms is None
        )

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
