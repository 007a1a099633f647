"""Agents as the facts show them: who is ready, who holds what, and the time that a group spends so."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.configuration import TenantConfiguration

from centralino.simulator.chance import Sampler, sampler
from centralino.simulator.scenario import Group, Shift
from centralino.simulator.tally import BUSY_MS, CAPACITY_MS, HELD_MS, STAFFED_MS, Row


@dataclass(slots=True, kw_only=True)
class Crew:
    """A group of agents over a day. Time counts within the day's periods only."""

    name: str
    shifts: list[Shift]
    ring: Sampler | None
    sums: Row = field(default_factory=lambda: [0, 0, 0, 0])
    """Agents staffed, agents busy, their capacity, units held: as they are now."""
    rows: list[Row] = field(default_factory=list)
    """One for each period that is left, the running one first."""
    ends_ms: list[int] = field(default_factory=list)
    """When those periods end."""
    seen_ms: int = 0

    def begin(self, now_ms: int, rows: list[Row], period_ms: int) -> None:
        """A day begins."""
        self.seen_ms = now_ms
        self.rows = rows
        self.ends_ms = [now_ms + period_ms * (index + 1) for index in range(len(rows))]

    def advance(self, now_ms: int) -> None:
        """Time has passed with the sums as they are."""
        while self.rows and self.seen_ms < now_ms:
            until_ms = min(now_ms, self.ends_ms[0])
            passed_ms = until_ms - self.seen_ms
            row, sums = self.rows[0], self.sums
            row[STAFFED_MS] += passed_ms * sums[STAFFED_MS]
            row[BUSY_MS] += passed_ms * sums[BUSY_MS]
            row[CAPACITY_MS] += passed_ms * sums[CAPACITY_MS]
            row[HELD_MS] += passed_ms * sums[HELD_MS]
            self.seen_ms = until_ms
            if until_ms == self.ends_ms[0]:
                self.rows.pop(0)
                self.ends_ms.pop(0)


@dataclass(slots=True, kw_only=True)
class Member:
    """An agent."""

    agent_id: str
    domain: str
    capacity: int
    crew: Crew
    ready: bool = False
    assignments: int = 0
    held: int = 0

    def change(self, now_ms: int, *, ready: bool | None = None, assignments: int = 0, units: int = 0) -> None:
        """The agent turns ready or not, or holds more or less."""
        crew = self.crew
        crew.advance(now_ms)
        staffed, busy = self.ready or self.assignments > 0, self.assignments > 0
        self.ready = self.ready if ready is None else ready
        self.assignments += assignments
        self.held += units
        now_busy = self.assignments > 0
        more = (self.ready or now_busy) - staffed
        crew.sums[STAFFED_MS] += more
        crew.sums[BUSY_MS] += now_busy - busy
        crew.sums[CAPACITY_MS] += more * self.capacity
        crew.sums[HELD_MS] += units


def staff_of(groups: Sequence[Group], tenant: TenantConfiguration) -> tuple[list[Crew], dict[str, Member]]:
    """The groups, and their members by id; nobody is ready yet."""
    agents = {agent.id: agent for agent in tenant.agents}
    crews = [
        Crew(name=group.name, shifts=group.shifts, ring=sampler(group.ring) if group.ring else None) for group in groups
    ]
    members = {
        name: Member(agent_id=name, domain=agents[name].domain, capacity=agents[name].capacity, crew=crew)
        for group, crew in zip(groups, crews, strict=True)
        for name in group.members
    }
    return crews, members
