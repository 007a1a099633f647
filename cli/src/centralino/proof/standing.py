"""How the agents stand by the events: what they chose, whether a device is alive, and what bars them from offers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from contracts.agents import AgentBackedOff, AgentPresenceChanged, AgentStateChanged, AgentStatePending
from contracts.offers import OfferIssued


@dataclass(slots=True)
class Standing:
    """One agent."""

    state: str = "not_ready"
    presence: str = "absent"
    pending: str | None = None
    backed_off_until_ms: int = 0


@dataclass(slots=True)
class Standings:
    """All of them; an epoch record makes those of its partition unconfirmed."""

    _agents: dict[tuple[str, str], Standing] = field(default_factory=dict)
    _of_partition: dict[int, set[tuple[str, str]]] = field(default_factory=dict)

    def take_over(self, number: int) -> None:
        """Another engine has the partition."""
        for place in self._of_partition.get(number, ()):
            if self._agents[place].presence == "present":
                self._agents[place].presence = "unconfirmed"

    def take(self, tenant_id: str, data: object, number: int) -> None:
        """An event about an agent; any other changes nothing."""
        match data:
            case AgentStateChanged():
                agent = self._agent(tenant_id, data.agent_id, number)
                if (agent.state, data.state) == ("not_ready", "ready"):
                    agent.backed_off_until_ms = 0
                agent.state, agent.pending = data.state, None
            case AgentPresenceChanged():
                self._agent(tenant_id, data.agent_id, number).presence = data.presence
            case AgentStatePending():
                self._agent(tenant_id, data.agent_id, number).pending = data.state
            case AgentBackedOff():
                self._agent(tenant_id, data.agent_id, number).backed_off_until_ms = data.until_ms
            case _:
                pass

    def bars(self, tenant_id: str, offer: OfferIssued) -> Iterator[str]:
        """Why the agent may have no offer at all now; each goes on from the name of the offer."""
        name = offer.agent_id
        agent = self._agents.get((tenant_id, name), Standing())
        if agent.state != "ready":
            yield f"goes to {name}, who is {agent.state}"
        if agent.presence != "present":
            yield f"goes to {name}, whose presence is {agent.presence}"
        if agent.pending is not None:
            yield f"goes to {name}, who has asked to be {agent.pending}"
        if offer.issued_at_ms < agent.backed_off_until_ms:
            early_ms = agent.backed_off_until_ms - offer.issued_at_ms
            yield f"goes to {name}, who gets no offer for another {early_ms} ms"

    def _agent(self, tenant_id: str, agent_id: str, number: int) -> Standing:
        self._of_partition.setdefault(number, set()).add((tenant_id, agent_id))
        return self._agents.setdefault((tenant_id, agent_id), Standing())
