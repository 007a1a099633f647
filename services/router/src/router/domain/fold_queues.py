"""How facts about queues change the state: what supervisors did, and alerts. For `fold` alone."""

from collections.abc import Callable
from typing import Final

from contracts.queues import AlertChanged, QueueOverridden

from router.domain.holding import drop_queue, look_for_opening, note_alerts, start_sweep
from router.domain.internal import AlertsLooked, AlertTurned, OverridingMoved, QueueSwept
from router.domain.queue import Overriding, QueueLine, Standing
from router.domain.state import DomainState, State


def queue_overridden(state: State, domain: DomainState, data: QueueOverridden, now_ms: int) -> None:
    """For new tasks at once, for those who wait in bounded steps."""
    line = domain.queues[data.queue]
    every = domain.overriding
    if every is not None and data.by is not None and data.queue > every.after and data.queue not in every.later:
        every.later.append(data.queue)
    boost = line.boost
    line.override = data if data.closed or data.priority is not None else None
    line.era += line.boost != boost
    if line.override is not None and data.until_ms is not None:
        state.schedule(data.until_ms, "override", domain.key, line.queue)
    if not line.empty:
        start_sweep(state, domain, line)


def queue_swept(state: State, domain: DomainState, data: QueueSwept, now_ms: int) -> None:
    """More is left to do, or nothing but to wait for the next opening."""
    line = domain.queues[data.queue]
    line.sweeps_at_ms = None
    if data.next_at_ms is not None:
        start_sweep(state, domain, line, data.next_at_ms)
    else:
        look_for_opening(state, domain, line, data.opens_at_ms)


def overriding_moved(state: State, domain: DomainState, data: OverridingMoved, now_ms: int) -> None:
    """A continuation timer goes on, or all queues are done."""
    before, domain.overriding = domain.overriding, None
    if data.override is not None:
        later = []
        if before is not None and data.after:  # else it begins: what was said before does not count any more
            later = [name for name in before.later if name > data.after]
        domain.overriding = Overriding(override=data.override, after=data.after, at_ms=data.moved_at_ms, later=later)
        state.schedule(data.moved_at_ms, "overriding", domain.key, "")


def alert_changed(_: State, domain: DomainState, data: AlertChanged, now_ms: int) -> None:
    """A cleared alert is forgotten."""
    line = domain.queues[data.queue]
    line.alerts.pop(data.alert, None)
    if data.raised:
        line.alerts[data.alert] = Standing(measure=data.measure, raised=data)
    _note(domain, line)


def alert_turned(_: State, domain: DomainState, data: AlertTurned, now_ms: int) -> None:
    """The measure came to the other side of the limit, or is back before that counted."""
    line = domain.queues[data.queue]
    known = line.alerts.pop(data.alert, None) or Standing(measure=data.measure)
    known.turned_at_ms = data.turned_at_ms
    if known.raised or known.turned_at_ms is not None:
        line.alerts[data.alert] = known
    _note(domain, line)


def alerts_looked(state: State, domain: DomainState, data: AlertsLooked, now_ms: int) -> None:
    """When to look again, and behind which queue."""
    domain.alerts_at_ms = data.next_at_ms
    domain.alerts_after = data.after
    if data.next_at_ms is not None:
        state.schedule(data.next_at_ms, "alerts", domain.key, "")


def _note(domain: DomainState, line: QueueLine) -> None:
    note_alerts(domain, line)
    if line.over:
        drop_queue(domain, line)


HANDLERS: Final[dict[type, Callable[..., None]]] = {
    AlertChanged: alert_changed,
    AlertTurned: alert_turned,
    AlertsLooked: alerts_looked,
    OverridingMoved: overriding_moved,
    QueueOverridden: queue_overridden,
    QueueSwept: queue_swept,
}
