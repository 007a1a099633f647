"""Who can be reached, as far as the presence leases tell."""

from contracts.agents import AgentPresenceChanged, Presence

from router.domain.agent import Agent
from router.domain.inputs import LeasesRead, PresenceObserved
from router.domain.internal import LeasesReadable
from router.domain.match import serve
from router.domain.state import DomainState
from router.domain.turn import Turn


def observed(turn: Turn, given: PresenceObserved) -> None:
    """A fresh heartbeat makes present; none starts the grace, unless leases cannot be read."""
    domain = turn.state.find(given.tenant_id, given.domain)
    for agent_id in given.gone if turn.state.leases_readable else ():
        agent = domain.agents.get(agent_id)
        if agent is not None and agent.presence in {"present", "unconfirmed"}:
            grace_ends_at_ms = turn.now_ms + domain.settings.presence_grace_seconds * 1000
            change(turn, domain, agent, "lost", grace_ends_at_ms=grace_ends_at_ms)
    for agent_id in given.seen:
        agent = domain.agents.get(agent_id)
        if agent is not None and agent.presence != "present":
            change(turn, domain, agent, "present")
            serve(turn, domain, agent)


def leases_read(turn: Turn, given: LeasesRead) -> None:
    """Only a change is a fact."""
    if given.readable != turn.state.leases_readable:
        turn.emit_in("", LeasesReadable(readable=given.readable, at_ms=turn.now_ms))


def change(
    turn: Turn, domain: DomainState, agent: Agent, presence: Presence, *, grace_ends_at_ms: int | None = None
) -> None:
    """The agent's presence is another one now."""
    changed = AgentPresenceChanged(
        agent_id=agent.agent_id,
        domain=domain.domain,
        presence=presence,
        grace_ends_at_ms=grace_ends_at_ms,
        changed_at_ms=turn.now_ms,
    )
    turn.emit(domain, changed)
