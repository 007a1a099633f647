"""Alerts of queues: a look at all that a domain has, every few seconds while anything can change; no timer a task."""

from typing import Final

from contracts.metrics import BY_NAME, Value
from contracts.queues import AlertChanged
from contracts.routing_parts import Alert

from router.domain.internal import AlertsLooked, AlertTurned
from router.domain.live_counts import next_step_ms
from router.domain.need import skills_of
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.turn import Turn

LOOK_MS: Final = 5000
"""So much later than it happens an alert may come."""
LOOK_QUEUES_MAX: Final = 100
SERVICE_LEVEL: Final = BY_NAME["service_level.v1"]


def arm(turn: Turn, domain: DomainState) -> None:
    """Something happened: the alerts will be looked at, if there are any."""
    next_at_ms = turn.now_ms + LOOK_MS
    if domain.alerting and (domain.alerts_at_ms is None or domain.alerts_at_ms > next_at_ms):
        looked = AlertsLooked(domain=domain.domain, after="", next_at_ms=next_at_ms)
        turn.emit_in(domain.tenant_id, looked)


def look(turn: Turn, domain: DomainState) -> None:
    """Look at a bounded number of queues; the rest follows at once, the next round after LOOK_MS or when armed."""
    rest = sorted(name for name in domain.alerting if name > domain.alerts_after)
    after = ""
    for number, name in enumerate(rest):
        if number == LOOK_QUEUES_MAX or (number and turn.full):
            after = rest[number - 1]
            break
        _look_at(turn, domain, domain.queues[name])
    next_at_ms: int | None = turn.now_ms
    if not after:
        next_at_ms = _next_at_ms(domain, turn.now_ms)
    turn.emit_in(domain.tenant_id, AlertsLooked(domain=domain.domain, after=after, next_at_ms=next_at_ms))


def _next_at_ms(domain: DomainState, now_ms: int) -> int | None:
    """When time alone may have changed an alert; none when it cannot."""
    lines = [domain.queues[name] for name in domain.alerting]
    if any(line.waiting or any(each.turned_at_ms is not None for each in line.alerts.values()) for line in lines):
        return now_ms + LOOK_MS
    return next_step_ms(now_ms) if any(_promised(line, now_ms) for line in lines) else None


def _promised(line: QueueLine, now_ms: int) -> bool:
    """Whether an alert watches the service level, and there is one."""
    watched = any(alert.measure == "service_level_percent" for alert in line.watched)
    return watched and bool(_service_level(line, now_ms).denominator)


def _service_level(line: QueueLine, now_ms: int) -> Value:
    """That which supervisors see: of the last half hour."""
    return SERVICE_LEVEL.value(line.measured.lately(now_ms))


def _look_at(turn: Turn, domain: DomainState, line: QueueLine) -> None:
    watched = {alert.id: alert for alert in line.watched}
    for alert in watched.values():
        _judge(turn, domain, line, alert)
    for name in sorted(line.alerts.keys() - watched.keys()):  # not configured any more
        standing = line.alerts[name]
        if standing.raised is not None:
            gone = AlertChanged(
                alert=name,
                queue=line.queue,
                domain=domain.domain,
                measure=standing.measure,
                raised=False,
                value=0,
                limit=0,
                changed_at_ms=turn.now_ms,
            )
            turn.emit_in(domain.tenant_id, gone)
        else:
            _turned(turn, domain, line, name, None)


def _judge(turn: Turn, domain: DomainState, line: QueueLine, alert: Alert) -> None:
    """The measure has to be on the other side of the limit for the alert's time, to raise it and to clear it."""
    standing = line.alerts.get(alert.id)
    raised = standing is not None and standing.raised is not None
    turned_at_ms = standing.turned_at_ms if standing is not None else None
    value = measured(domain, line, alert, turn.now_ms)
    limit = alert.above if alert.above is not None else alert.below or 0
    beyond = value is not None and (value > limit if alert.above is not None else value < limit)
    if beyond == raised:
        if turned_at_ms is not None:
            _turned(turn, domain, line, alert.id, None)
        return
    since_ms = turn.now_ms if turned_at_ms is None else turned_at_ms
    if turn.now_ms - since_ms < alert.for_seconds * 1000:
        if turned_at_ms is None:
            _turned(turn, domain, line, alert.id, turn.now_ms)
        return
    changed = AlertChanged(
        alert=alert.id,
        queue=line.queue,
        domain=domain.domain,
        measure=alert.measure,
        raised=beyond,
        value=value or 0,
        limit=limit,
        changed_at_ms=turn.now_ms,
    )
    turn.emit_in(domain.tenant_id, changed)


def _turned(turn: Turn, domain: DomainState, line: QueueLine, alert: str, at_ms: int | None) -> None:
    standing = line.alerts.get(alert)
    measure = next((each.measure for each in line.watched if each.id == alert), None)
    if measure is None and standing is not None:
        measure = standing.measure
    assert measure is not None  # noqa: S101 - it is configured, or was looked at before
    turned = AlertTurned(alert=alert, queue=line.queue, domain=domain.domain, measure=measure, turned_at_ms=at_ms)
    turn.emit_in(domain.tenant_id, turned)


def measured(domain: DomainState, line: QueueLine, alert: Alert, now_ms: int) -> int | None:
    """What the alert looks at; none while nothing is known of it."""
    match alert.measure:
        case "waiting":
            return line.waiting
        case "oldest_wait_seconds":
            oldest_ms = line.oldest_queued_at_ms
            return 0 if oldest_ms is None else max(0, now_ms - oldest_ms) // 1000
        case "service_level_percent":
            level = _service_level(line, now_ms)
            return level.numerator * 100 // level.denominator if level.denominator else None
        case "expected_wait_seconds":
            wait_ms = line.expected_wait_ms(line.waiting + 1) if line.waiting or not ready_agents(domain, line) else 0
            return None if wait_ms is None else wait_ms // 1000
        case "ready_agents":
            return ready_agents(domain, line)


def ready_agents(domain: DomainState, line: QueueLine) -> int:
    """Agents who could take a new task of the queue now, by its skills and teams."""
    terms = line.terms
    any_of = tuple(skills_of(group) for group in terms.any_of)
    return domain.lanes.ready(skills_of(line.requirements), any_of, skills_of(terms.none_of), terms.teams)
