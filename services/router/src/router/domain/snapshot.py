"""A state as bytes and back. Equal states give equal bytes; what can be derived is left out and rebuilt."""

from dataclasses import fields
from typing import Final

import msgspec
from contracts.agents import CommandResult
from contracts.calendars import Calendar
from contracts.commands import CustomerFacts
from contracts.configuration import ChannelAddress, Domain
from contracts.queues import QueueOverridden
from contracts.routing_parts import Plan, Queue
from contracts.rules import Rule

from router.domain.agent import Agent
from router.domain.classifying import compiled
from router.domain.holding import count_channels, hold, note_alerts, settle
from router.domain.hours import Hours
from router.domain.internal import SnapshotNamed
from router.domain.live_counts import LiveCounts
from router.domain.queue import QueueLine, Standing
from router.domain.snapshot_formats import FORMAT, upgraded
from router.domain.state import DomainState, Interaction, Overriding, Parked, State, timers_of
from router.domain.task import PLAIN, Task
from router.domain.timer_heap import TimerHeap


def dump(state: State) -> bytes:
    """Canonical JSON: keys sorted, members by id, except where the order is part of the state (oldest first)."""
    content = {
        "format": FORMAT,
        "leases_readable": state.leases_readable,
        "snapshots": state.snapshots,
        "domains": [_dump_domain(state.domains[key]) for key in sorted(state.domains)],
    }
    return msgspec.json.encode(content, order="deterministic")


def load(data: bytes) -> State:
    """The state that was dumped, by this release or one before.

    Raises ValueError when the bytes are of a format that this release does not know, or no snapshot at all.
    """
    content = upgraded(msgspec.json.decode(data, type=dict[str, object]))
    state = State(
        leases_readable=msgspec.convert(content["leases_readable"], bool),
        snapshots=msgspec.convert(content["snapshots"], tuple[SnapshotNamed, ...]),
    )
    for plain in msgspec.convert(content["domains"], list[dict[str, object]]):
        domain = _load_domain(plain)
        state.domains[domain.key] = domain
    state.timers = TimerHeap(timer for domain in state.domains.values() for timer in timers_of(domain))
    return state


def index(domain: DomainState) -> None:
    """Rebuild everything derived, from tasks, agents, queues and calendars."""
    domain.gates.configure(domain.settings.client_shares, domain.settings.outbound_idle_reserve)
    domain.rule_set = compiled(domain.rules)
    domain.hours = {name: Hours(calendar) for name, calendar in domain.calendars.items()}
    for agent in domain.agents.values():
        count_channels(agent)
        domain.lanes.agent_changed(agent)
    for task in domain.tasks.values():
        domain.queues[task.queue].enters(task)
        _index_task(domain, task)
    for line in domain.queues.values():
        note_alerts(domain, line)
    domain.queue_names = sorted(name for name, line in domain.queues.items() if not line.removed)


def _index_task(domain: DomainState, task: Task) -> None:
    if task.terms == PLAIN:
        task.terms = PLAIN
    if task.request_id is not None:
        domain.requested.add(task.request_id)
    for agent_id in task.refused_by:
        if agent_id in domain.agents:
            domain.agents[agent_id].refused[task.task_id] = task
    for offer in task.offers.values():
        hold(domain, domain.agents[offer.agent_id], task)
        domain.offers[offer.offer_id] = task
    if task.assigned is not None:
        hold(domain, domain.agents[task.assigned.agent_id], task)
        domain.assignments[task.assigned.assignment_id] = task
    if task.transfer is not None:
        domain.transfers[task.transfer.from_task_id] = task
    settle(domain, task)


def _dump_domain(domain: DomainState) -> dict[str, object]:
    plain = _plain(domain)
    plain["settings"] = domain.settings.model_dump(mode="json")
    plain["addresses"] = [domain.addresses[name].model_dump(mode="json") for name in sorted(domain.addresses)]
    plain["queues"] = [_dump_queue(domain.queues[name]) for name in sorted(domain.queues)]
    plain["plans"] = [domain.plans[name].model_dump(mode="json") for name in sorted(domain.plans)]
    plain["rules"] = [rule.model_dump(mode="json") for rule in domain.rules]
    plain["early_facts"] = list(domain.early_facts.items())
    plain["calendars"] = [domain.calendars[name].model_dump(mode="json") for name in sorted(domain.calendars)]
    plain["agents"] = [_plain(domain.agents[name]) for name in sorted(domain.agents)]
    plain["tasks"] = [_plain(domain.tasks[name]) for name in sorted(domain.tasks)]
    plain["parked"] = [domain.parked[name] for name in sorted(domain.parked)]
    plain["interactions"] = list(domain.interactions.values())
    plain["requests"] = list(domain.requests.items())
    plain["results"] = list(domain.results.values())
    return plain


def _dump_queue(line: QueueLine) -> dict[str, object]:
    kept = {"settings": line.settings.model_dump(mode="json"), "measured": line.measured.plain()}
    return _plain(line) | kept


def _load_queue(plain: dict[str, object]) -> QueueLine:
    line = msgspec.convert(plain, _KeptQueue)
    measured = msgspec.convert(plain.get("measured", {}), LiveCounts)
    settings = Queue.model_validate(plain["settings"])
    return QueueLine(settings=settings, measured=measured, **msgspec.structs.asdict(line))


class _KeptQueue(msgspec.Struct):
    queue: str
    removed: bool
    override: QueueOverridden | None
    boost: int
    sweeps_at_ms: int | None
    opens_at_ms: int | None
    waits_ms: int
    positions: int
    alerts: dict[str, Standing]


def _load_domain(plain: dict[str, object]) -> DomainState:
    addresses = [ChannelAddress.model_validate(each) for each in _parts(plain["addresses"])]
    domain = DomainState(
        tenant_id=msgspec.convert(plain["tenant_id"], str),
        domain=msgspec.convert(plain["domain"], str),
        settings=Domain.model_validate(plain["settings"]),
        configured=msgspec.convert(plain["configured"], bool),
        version=msgspec.convert(plain["version"], int),
        hash=msgspec.convert(plain["hash"], str),
        addresses={each.address: each for each in addresses},
        queues={each.queue: each for each in map(_load_queue, _parts(plain["queues"]))},
        plans={each.id: each for each in map(Plan.model_validate, _parts(plain["plans"]))},
        calendars={each.id: each for each in map(Calendar.model_validate, _parts(plain["calendars"]))},
        rules=[Rule.model_validate(each) for each in _parts(plain["rules"])],
        early_facts=dict(msgspec.convert(plain["early_facts"], list[tuple[str, CustomerFacts]])),
        offers_made=msgspec.convert(plain["offers_made"], int),
        gates_deferred=msgspec.convert(plain["gates_deferred"], bool),
        overriding=msgspec.convert(plain["overriding"], Overriding | None),
        alerts_at_ms=msgspec.convert(plain["alerts_at_ms"], int | None),
        alerts_after=msgspec.convert(plain["alerts_after"], str),
        agents={each.agent_id: each for each in msgspec.convert(plain["agents"], list[Agent])},
        tasks={each.task_id: each for each in msgspec.convert(plain["tasks"], list[Task])},
        parked={each.interaction.interaction_id: each for each in msgspec.convert(plain["parked"], list[Parked])},
        interactions={each.interaction_id: each for each in msgspec.convert(plain["interactions"], list[Interaction])},
        requests=dict(msgspec.convert(plain["requests"], list[tuple[str, int]])),
        results={each.command_id: each for each in msgspec.convert(plain["results"], list[CommandResult])},
    )
    index(domain)
    return domain


def _parts(plain: object) -> list[dict[str, object]]:
    return msgspec.convert(plain, list[dict[str, object]])


def _plain(item: object) -> dict[str, object]:
    return {name: getattr(item, name) for name in _KEPT[type(item)]}


_KEPT: Final[dict[type, tuple[str, ...]]] = {
    of: tuple(each.name for each in fields(of) if not each.metadata.get("derived"))
    for of in (DomainState, QueueLine, Agent, Task)
}
