"""What agents ask for about their shifts."""

from collections.abc import Callable
from typing import Final

from contracts.agents import AgentStatePending
from contracts.commands import ClockAgent

from router.domain.agent import Agent
from router.domain.outcomes import Outcome, known_agent, refused
from router.domain.shifts import clock
from router.domain.state import DomainState
from router.domain.turn import Turn


def _clock(turn: Turn, domain: DomainState, data: ClockAgent) -> Outcome:
    """Who holds tasks is clocked out when the last of them ends, and gets no other until then."""
    agent = known_agent(domain, data.agent_id)
    if agent is None:
        return refused("unknown_agent", 404, "The configuration of this domain has no such agent.")
    leaving = agent.pending is not None and agent.pending.clocks_out
    if leaving == data.clocked_in and agent.clocked_in and agent.tasks:
        _set_leaving(turn, domain, agent, data)
    elif not leaving and agent.clocked_in != data.clocked_in:
        clock(turn, domain, agent, clocked_in=data.clocked_in, by=data.by)
    return Outcome(free=agent)


def _set_leaving(turn: Turn, domain: DomainState, agent: Agent, data: ClockAgent) -> None:
    leaves = not data.clocked_in
    pending = AgentStatePending(
        agent_id=agent.agent_id,
        domain=domain.domain,
        state="not_ready" if leaves else None,
        reason_code=agent.pending.reason_code if leaves and agent.pending is not None else None,
        asked_at_ms=turn.now_ms,
        by=data.by,
        clocks_out=leaves,
    )
    turn.emit(domain, pending)


HANDLERS: Final[dict[type, Callable[[Turn, DomainState, ClockAgent], Outcome]]] = {ClockAgent: _clock}
