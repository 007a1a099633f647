"""Agents, queues and domains as they were configured at a journal position."""

from typing import Final, TypeVar

from contracts.agents import ConfigurationApplied
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationRecord
from contracts.part import Part
from contracts.routing_parts import Agent, Queue
from pydantic import ValidationError

from centralino.proof.history import History
from centralino.proof.journal import Position, position_of

Key = tuple[str, str]
"""Tenant and id of the record."""
Made = TypeVar("Made", bound=Part)
KINDS: Final = frozenset({"agent", "queue", "domain"})


class Rules:
    """Follows topic `config` by the `config.applied` events: a version holds from the batch that applied it.

    A switch so large that it took several batches counts from the last of them.
    """

    def __init__(self, history: History) -> None:
        self._records: dict[Key, list[ConfigurationRecord]] = {}
        for stood in history.configuration:
            record = stood.event.data
            if isinstance(record, ConfigurationRecord) and record.kind in KINDS:
                self._records.setdefault((stood.event.tenant_id, record.id), []).append(record)
        self._switches: list[tuple[int, Position, str, ConfigurationApplied]] = []
        for stood in history.routing:
            if isinstance(stood.event.data, ConfigurationApplied):
                position = position_of(stood.event.sequence or "")
                batch = Position(position.generation, position.offset)
                self._switches.append((stood.at.number, batch, stood.event.tenant_id, stood.event.data))
        self._versions: dict[tuple[str, str], int] = {}
        self._made: dict[tuple[Key, int], Part | None] = {}

    def move_to(self, partition: int, position: Position) -> None:
        """The partition's domains are routed by what was applied up to the batch of this position."""
        due = [each for each in self._switches if each[0] == partition and each[1] <= position]
        for switch in due:
            _, _, tenant_id, applied = switch
            self._versions[tenant_id, applied.domain] = applied.version
            self._switches.remove(switch)

    def agent(self, tenant_id: str, agent_id: str) -> Agent | None:
        """The agent by the version in force; none where there is no such agent."""
        return self._part(Agent, (tenant_id, f"agent:{agent_id}"))

    def queue(self, tenant_id: str, domain: str, queue: str) -> Queue | None:
        """The queue by the version in force; none where there is no such queue."""
        return self._part(Queue, (tenant_id, f"queue:{domain}/{queue}"))

    def domain(self, tenant_id: str, domain: str) -> Domain:
        """The domain by the version in force, or one with nothing set."""
        return self._part(Domain, (tenant_id, f"domain:{domain}")) or Domain(id=domain)

    def _part(self, kind: type[Made], key: Key) -> Made | None:
        newest: ConfigurationRecord | None = None
        for record in self._records.get(key, ()):
            if record.version <= self._versions.get((key[0], record.domain or ""), 0):
                newest = record
        if newest is None or newest.value is None:
            return None
        place = (key, newest.version)
        if place not in self._made:
            try:
                self._made[place] = kind.model_validate(newest.value, extra="ignore")
            except ValidationError:
                self._made[place] = None
        made = self._made[place]
        return made if isinstance(made, kind) else None
