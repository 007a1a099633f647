"""Shifts: agents clock in and out, and that is held against what their shift calendar expects."""

from typing import Final

from contracts.agents import AgentAdherenceChanged, AgentClocked, AgentStateChanged

from router.domain.agent import Agent
from router.domain.hours import HORIZON_MS, Hours
from router.domain.internal import AdherenceChecked
from router.domain.state import DomainState
from router.domain.turn import Turn

NO_LOOK: Final[list[int]] = []


def clock(
    turn: Turn,
    domain: DomainState,
    agent: Agent,
    *,
    clocked_in: bool,
    reason_code: str | None = None,
    by: str | None = None,
) -> None:
    """A shift begins, or ends for an agent who holds nothing; who is out is not ready, with this reason."""
    clocked = AgentClocked(
        agent_id=agent.agent_id,
        domain=domain.domain,
        clocked_in=clocked_in,
        clocked_at_ms=turn.now_ms,
        by=by,
    )
    turn.emit(domain, clocked)
    if not clocked_in and agent.state == "ready":
        changed = AgentStateChanged(
            agent_id=agent.agent_id,
            domain=domain.domain,
            state="not_ready",
            reason_code=reason_code,
            cause="command",
            changed_at_ms=turn.now_ms,
            by=by,
        )
        turn.emit(domain, changed)
    look(turn, domain, agent)


def look(turn: Turn, domain: DomainState, agent: Agent) -> None:
    """Compare, and say when to look again: when the calendar changes, and when a difference outlasts the tolerance.

    Nothing is expected of an agent without a calendar. A difference that has ended is forgiven at once.
    """
    hours = domain.hours.get(agent.shift_calendar) if agent.shift_calendar is not None else None
    if hours is None and agent.adherence_at_ms is None:
        return
    expected = agent.clocked_in if hours is None else hours.open_at(turn.now_ms)
    adherent, since_ms, late_at_ms = True, None, None
    if expected != agent.clocked_in:
        since_ms = turn.now_ms if agent.differs_since_ms is None else agent.differs_since_ms
        late_at_ms = since_ms + domain.settings.adherence_tolerance_seconds * 1000
        adherent = agent.adherent and turn.now_ms < late_at_ms
    looks = _next_change(hours, turn.now_ms)
    if adherent and late_at_ms is not None:
        looks = [*looks, late_at_ms]
    checked = AdherenceChecked(
        agent_id=agent.agent_id,
        domain=domain.domain,
        differs_since_ms=since_ms,
        next_at_ms=min(looks, default=None),
    )
    turn.emit(domain, checked)
    if adherent != agent.adherent:
        changed = AgentAdherenceChanged(
            agent_id=agent.agent_id,
            domain=domain.domain,
            adherent=adherent,
            expected=expected,
            clocked_in=agent.clocked_in,
            changed_at_ms=turn.now_ms,
        )
        turn.emit(domain, changed)


def _next_change(hours: Hours | None, now_ms: int) -> list[int]:
    if hours is None:
        return NO_LOOK
    change_ms = hours.next_change_ms(now_ms)
    return [now_ms + HORIZON_MS if change_ms is None else change_ms]
