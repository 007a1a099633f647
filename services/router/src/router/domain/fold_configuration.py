"""How a configuration version changes the state. For `fold` alone.

Values are read open: a field that this release does not know is passed over, so that the API may be newer.
"""

from bisect import bisect_left
from typing import TypeVar

from contracts.agents import ConfigurationApplied
from contracts.calendars import Calendar
from contracts.configuration import ChannelAddress, Domain
from contracts.routing_parts import Agent as ConfiguredAgent
from contracts.routing_parts import Plan, Queue
from contracts.rules import Rule

from router.domain.agent import Agent
from router.domain.classifying import compiled
from router.domain.holding import (
    begin_era,
    count_channels,
    drop_queue,
    note_alerts,
    refile,
    settle_shedding,
    start_shedding,
    start_sweep,
)
from router.domain.hours import Hours
from router.domain.internal import ConfigurationPartApplied, ConfigurationRecordApplied
from router.domain.queue import QueueLine
from router.domain.state import DomainState, State

Value = dict[str, object] | None
Kept = TypeVar("Kept")


def configuration_applied(state: State, domain: DomainState, data: ConfigurationApplied, now_ms: int) -> None:
    """The version is complete: what waited for it is queued by continuation timers, oldest first."""
    domain.version = data.version
    domain.hash = data.hash
    for interaction_id, parked in domain.parked.items():
        waits = parked.interaction
        if not parked.due and domain.queue_for(waits.address, waits.queue_hint) is not None:
            parked.due = True
            state.schedule(waits.asked_at_ms, "parked", domain.key, interaction_id)
    for line in domain.queues.values():  # what it waits for may come at another time now
        if line.shut.keys:
            start_sweep(state, domain, line)
    if domain.lanes.wasteful():
        refile(domain)


def configuration_record_applied(
    state: State, domain: DomainState, data: ConfigurationRecordApplied, now_ms: int
) -> None:
    """One changed record. Of a record that moved to another domain only the absence counts here."""
    record = data.record
    value = record.value if record.domain in {None, domain.domain} else None
    name = record.id.partition(":")[2]
    match record.kind:
        case "domain":
            _domain(state, domain, value, now_ms)
        case "queue":
            _queue(state, domain, name.rpartition("/")[2], value)
        case "agent":
            _agent(state, domain, name, value, now_ms)
        case "channel":
            _channel(domain, name, value)
        case "version":
            pass


def configuration_part_applied(state: State, domain: DomainState, data: ConfigurationPartApplied, now_ms: int) -> None:
    """A part of a kind that this release does not know is passed over."""
    part = data.part
    value = part.value if part.domain == domain.domain else None
    name = part.id.rpartition("/")[2]
    match part.kind:
        case "plan":
            _plan(state, domain, name, None if value is None else Plan.model_validate(value, extra="ignore"))
        case "rules":
            rules = part.value["rules"] if value is not None and part.value else []
            domain.rules = [Rule.model_validate(rule, extra="ignore") for rule in _listed(rules)]
            domain.rule_set = compiled(domain.rules)
        case "calendar":
            calendar = None if value is None else Calendar.model_validate(value, extra="ignore")
            _keep(domain.calendars, name, calendar)
            _keep(domain.hours, name, None if calendar is None else Hours(calendar))
            _look_at_shifts(state, domain, name, now_ms)


def _plan(state: State, domain: DomainState, name: str, plan: Plan | None) -> None:
    """It holds for those who wait, too: their steps are timed by it in bounded steps."""
    if domain.plans.get(name) != plan:
        _keep(domain.plans, name, plan)
        for line in domain.queues.values():
            if line.settings.plan == name:
                begin_era(state, domain, line)


def _listed(rules: object) -> list[object]:
    return rules if isinstance(rules, list) else []


def _keep(parts: dict[str, Kept], name: str, part: Kept | None) -> None:
    if part is None:
        parts.pop(name, None)
    else:
        parts[name] = part


def _look_at_shifts(state: State, domain: DomainState, calendar: str | None, now_ms: int) -> None:
    """Those of the calendar, or all, are looked at by timers: they may be many."""
    for agent in domain.agents.values():
        if agent.shift_calendar is not None and calendar in {None, agent.shift_calendar}:
            _look_at_shift(state, domain, agent, now_ms)


def _look_at_shift(state: State, domain: DomainState, agent: Agent, now_ms: int) -> None:
    agent.adherence_at_ms = now_ms
    state.schedule(now_ms, "adherence", domain.key, agent.agent_id)


def _domain(state: State, domain: DomainState, value: Value, now_ms: int) -> None:
    domain.configured = value is not None
    if value is None:
        return
    tolerance_seconds = domain.settings.adherence_tolerance_seconds
    longest_wait_seconds = domain.settings.longest_wait_seconds
    domain.settings = Domain.model_validate(value, extra="ignore")
    if domain.settings.adherence_tolerance_seconds != tolerance_seconds:
        _look_at_shifts(state, domain, None, now_ms)
    if domain.settings.longest_wait_seconds != longest_wait_seconds:
        for line in domain.queues.values():
            begin_era(state, domain, line)
    for agent in list(domain.agents.values()):
        settle_shedding(domain, agent)  # the channels that stay with a lost agent may be others now
    if domain.gates.configure(domain.settings.client_shares, domain.settings.outbound_idle_reserve):
        refile(domain)


def _queue(state: State, domain: DomainState, name: str, value: Value) -> None:
    known = domain.queues.get(name)
    place = bisect_left(domain.queue_names, name)
    takes_tasks = known is not None and not known.removed
    if value is not None:
        settings = Queue.model_validate(value, extra="ignore")
        if known is None:
            known = domain.queues[name] = QueueLine(queue=name, settings=settings)
        else:
            before = (known.boost, known.settings.plan)
            known.configure(settings)
            if (known.boost, known.settings.plan) != before:
                begin_era(state, domain, known)
        if not takes_tasks:
            domain.queue_names.insert(place, name)
    elif known is not None and takes_tasks:
        known.removed = True
        del domain.queue_names[place]
    if known is not None:
        note_alerts(domain, known)
        if known.over:
            drop_queue(domain, known)


def _agent(state: State, domain: DomainState, agent_id: str, value: Value, now_ms: int) -> None:
    known = domain.agents.get(agent_id)
    if value is None:
        if known is not None:
            start_shedding(state, domain, known, "agent_removed")
        return
    configured = ConfiguredAgent.model_validate(value, extra="ignore")
    if known is None:
        known = domain.agents[agent_id] = Agent(agent_id=agent_id, skills={}, capacity=1)
    known.skills = dict(configured.skills)
    known.capacity = configured.capacity
    known.team = configured.team
    known.channels = dict(configured.channels)
    known.clients = tuple(configured.clients)
    known.directions = tuple(configured.directions)
    if known.shift_calendar != configured.shift_calendar:
        known.shift_calendar = configured.shift_calendar
        _look_at_shift(state, domain, known, now_ms)
    known.profile = -1
    known.shed = None if known.shed == "agent_removed" else known.shed
    count_channels(known)
    domain.lanes.agent_changed(known)


def _channel(domain: DomainState, address: str, value: Value) -> None:
    if value is None:
        domain.addresses.pop(address, None)
    else:
        domain.addresses[address] = ChannelAddress.model_validate(value, extra="ignore")
