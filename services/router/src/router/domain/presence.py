"""Who can be reached, as far as the presence leases tell."""

from collections.abc import Iterable

from contracts.agents import AgentPresenceChanged, Presence
from contracts.configuration import Domain

from router.domain.agent import Agent
from router.domain.inputs import LeasesRead, PresenceObserved
from router.domain.internal import LeasesReadable
from router.domain.match import serve
from router.domain.state import DomainState
from router.domain.turn import Turn


def observed(turn: Turn, given: PresenceObserved) -> None:
    """A fresh heartbeat of a device that counts makes present; none starts the grace, unless leases cannot be read."""
    domain = turn.state.find(given.tenant_id, given.domain)
    devices = dict(given.devices)
    for agent_id in given.gone:
        agent = domain.agents.get(agent_id)
        if agent is not None:
            _unseen(turn, domain, agent, ())
    for agent_id in given.seen:
        agent = domain.agents.get(agent_id)
        if agent is None:
            continue
        alive = devices.get(agent_id, ())
        if not alive or counts(domain.settings, alive):
            _seen(turn, domain, agent, alive)
        else:
            _unseen(turn, domain, agent, alive)


def counts(settings: Domain, devices: Iterable[str]) -> bool:
    """Whether one of these devices (`<kind>/<id>`) makes an agent present."""
    kinds = settings.present_by
    return any(not kinds or device.partition("/")[0] in kinds for device in devices)


def _seen(turn: Turn, domain: DomainState, agent: Agent, devices: tuple[str, ...]) -> None:
    if agent.presence != "present":
        change(turn, domain, agent, "present", devices=devices)
        serve(turn, domain, agent)
    elif agent.devices != devices:
        change(turn, domain, agent, "present", devices=devices)


def _unseen(turn: Turn, domain: DomainState, agent: Agent, devices: tuple[str, ...]) -> None:
    if not turn.state.leases_readable:
        return
    if agent.presence in {"present", "unconfirmed"}:
        grace_ends_at_ms = turn.now_ms + domain.settings.presence_grace_seconds * 1000
        change(turn, domain, agent, "lost", devices=devices, grace_ends_at_ms=grace_ends_at_ms)
    elif agent.devices != devices:
        change(turn, domain, agent, agent.presence, devices=devices, grace_ends_at_ms=agent.grace_ends_at_ms)


def leases_read(turn: Turn, given: LeasesRead) -> None:
    """Only a change is a fact."""
    if given.readable != turn.state.leases_readable:
        turn.emit_in("", LeasesReadable(readable=given.readable, at_ms=turn.now_ms))


def change(  # what the fact says, each by name
    turn: Turn,
    domain: DomainState,
    agent: Agent,
    presence: Presence,
    *,
    devices: tuple[str, ...],
    grace_ends_at_ms: int | None = None,
) -> None:
    """The agent's presence is another one now, or it is by other devices."""
    changed = AgentPresenceChanged(
        agent_id=agent.agent_id,
        domain=domain.domain,
        presence=presence,
        grace_ends_at_ms=grace_ends_at_ms,
        changed_at_ms=turn.now_ms,
        devices=devices,
    )
    turn.emit(domain, changed)
