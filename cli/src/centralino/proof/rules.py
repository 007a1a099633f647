"""Agents as they were configured at a journal position."""

from contracts.agents import ConfigurationApplied
from contracts.configuration_records import ConfigurationRecord
from contracts.routing_parts import Agent
from pydantic import ValidationError

from centralino.proof.history import History
from centralino.proof.journal import Position, position_of


class Rules:
    """Follows topic `config` by the `config.applied` events: a version holds from the batch that applied it.

    A switch so large that it took several batches counts from the last of them.
    """

    def __init__(self, history: History) -> None:
        self._records: dict[tuple[str, str], list[ConfigurationRecord]] = {}
        for stood in history.configuration:
            record = stood.event.data
            if isinstance(record, ConfigurationRecord) and record.kind == "agent":
                key = (stood.event.tenant_id, record.id.removeprefix("agent:"))
                self._records.setdefault(key, []).append(record)
        self._switches: list[tuple[int, Position, str, ConfigurationApplied]] = []
        for stood in history.routing:
            if isinstance(stood.event.data, ConfigurationApplied):
                position = position_of(stood.event.sequence or "")
                batch = Position(position.generation, position.offset)
                self._switches.append((stood.at.number, batch, stood.event.tenant_id, stood.event.data))
        self._versions: dict[tuple[str, str], int] = {}

    def move_to(self, partition: int, position: Position) -> None:
        """The partition's domains are routed by what was applied up to the batch of this position."""
        due = [each for each in self._switches if each[0] == partition and each[1] <= position]
        for switch in due:
            _, _, tenant_id, applied = switch
            self._versions[tenant_id, applied.domain] = applied.version
            self._switches.remove(switch)

    def agent(self, tenant_id: str, agent_id: str) -> Agent | None:
        """The agent by the version in force; none where there is no such agent."""
        newest: ConfigurationRecord | None = None
        for record in self._records.get((tenant_id, agent_id), ()):
            if record.version <= self._versions.get((tenant_id, record.domain or ""), 0):
                newest = record
        if newest is None or newest.value is None:
            return None
        try:
            return Agent.model_validate(newest.value)
        except ValidationError:
            return None
