"""How facts about shifts change the state. For `fold` alone."""

from collections.abc import Callable
from typing import Final

from contracts.agents import AgentAdherenceChanged, AgentClocked

from router.domain.internal import AdherenceChecked
from router.domain.state import DomainState, State


def _agent_clocked(_: State, domain: DomainState, data: AgentClocked, now_ms: int) -> None:
    """Who was to be clocked out is."""
    agent = domain.agents[data.agent_id]
    agent.clocked_in = data.clocked_in
    if agent.pending is not None and agent.pending.clocks_out:
        agent.pending = None
        domain.settled.discard(agent.agent_id)
        domain.lanes.agent_changed(agent)


def _adherence_checked(state: State, domain: DomainState, data: AdherenceChecked, now_ms: int) -> None:
    agent = domain.agents[data.agent_id]
    agent.differs_since_ms = data.differs_since_ms
    agent.adherence_at_ms = data.next_at_ms
    if data.next_at_ms is not None:
        state.schedule(data.next_at_ms, "adherence", domain.key, agent.agent_id)


def _agent_adherence_changed(_: State, domain: DomainState, data: AgentAdherenceChanged, now_ms: int) -> None:
    domain.agents[data.agent_id].adherent = data.adherent


HANDLERS: Final[dict[type, Callable[..., None]]] = {
    AgentClocked: _agent_clocked,
    AdherenceChecked: _adherence_checked,
    AgentAdherenceChanged: _agent_adherence_changed,
}
