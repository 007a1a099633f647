"""A state as bytes and back. Equal states give equal bytes; what can be derived is left out and rebuilt."""

from collections.abc import Hashable
from dataclasses import fields, replace
from typing import Final, TypeVar

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
from router.domain.queue import Overriding, QueueLine, Standing
from router.domain.snapshot_formats import FORMAT, upgraded
from router.domain.state import DomainState, Interaction, Parked, State, timers_of
from router.domain.task import PLAIN, Task
from router.domain.timer_heap import TimerHeap

Value = TypeVar("Value")
Kept = dict[str, msgspec.Raw]
"""A state or a domain, not decoded yet but for the names of its fields: all at once would weigh more than the state."""


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
    try:
        return _load(data)
    except KeyError as error:
        raise ValueError(
            f"the snapshot has no {error}, though it is of a known format: fold the journal from its beginning, "
            "or start the release that wrote it"
        ) from error


def _load(data: bytes) -> State:
    content = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    if content.get("format") != msgspec.Raw(b"%d" % FORMAT):
        older = upgraded(msgspec.json.decode(data, type=dict[str, object]))
        content = msgspec.json.decode(msgspec.json.encode(older), type=dict[str, msgspec.Raw])
    state = State(
        leases_readable=_read(content, "leases_readable", bool),
        snapshots=_read(content, "snapshots", tuple[SnapshotNamed, ...]),
    )
    for plain in _read(content, "domains", list[dict[str, msgspec.Raw]]):
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
    sweeps_at_ms: int | None
    opens_at_ms: int | None
    waits_ms: int
    positions: int
    alerts: dict[str, Standing]
    era: int = 0


def _load_domain(plain: Kept) -> DomainState:
    addresses = [ChannelAddress.model_validate(each) for each in _parts(plain, "addresses")]
    domain = DomainState(
        tenant_id=_read(plain, "tenant_id", str),
        domain=_read(plain, "domain", str),
        settings=Domain.model_validate(_read(plain, "settings", dict[str, object])),
        configured=_read(plain, "configured", bool),
        version=_read(plain, "version", int),
        hash=_read(plain, "hash", str),
        addresses={each.address: each for each in addresses},
        queues={each.queue: each for each in map(_load_queue, _parts(plain, "queues"))},
        plans={each.id: each for each in map(Plan.model_validate, _parts(plain, "plans"))},
        calendars={each.id: each for each in map(Calendar.model_validate, _parts(plain, "calendars"))},
        rules=[Rule.model_validate(each) for each in _parts(plain, "rules")],
        early_facts=dict(_read(plain, "early_facts", list[tuple[str, CustomerFacts]])),
        offers_made=_read(plain, "offers_made", int),
        leavers=_read(plain, "leavers", list[str]),
        leavers_behind=msgspec.json.decode(plain.get("leavers_behind", b"null"), type=tuple[int, int, str] | None),
        gates_deferred=_read(plain, "gates_deferred", bool),
        overriding=msgspec.json.decode(plain["overriding"], type=Overriding | None),
        alerts_at_ms=msgspec.json.decode(plain["alerts_at_ms"], type=int | None),
        alerts_after=_read(plain, "alerts_after", str),
        agents={each.agent_id: each for each in _read(plain, "agents", list[Agent])},
        parked={each.interaction.interaction_id: each for each in _read(plain, "parked", list[Parked])},
        interactions={each.interaction_id: each for each in _read(plain, "interactions", list[Interaction])},
        requests=dict(_read(plain, "requests", list[tuple[str, int]])),
        results={each.command_id: each for each in _read(plain, "results", list[CommandResult])},
    )
    _load_tasks(domain, _read(plain, "tasks", list[msgspec.Raw]))
    index(domain)
    return domain


def _load_tasks(domain: DomainState, plain: list[msgspec.Raw]) -> None:
    """One by one, each with what others have alike in place of its own, so that a million do not weigh several GiB."""
    shared = _Shared()
    for line in domain.queues.values():
        shared.one(line.queue)
        for requirements in (line.requirements, line.terms.any_of, line.terms.none_of, line.terms.teams):
            shared.one(requirements)
    for raw in plain:
        task = _TASK.decode(raw)
        interaction = domain.interactions.get(task.interaction_id)
        if interaction is not None:
            task.interaction_id = interaction.interaction_id
            if interaction.task_id == task.task_id:
                interaction.task_id = task.task_id
        shared.share(task)
        domain.tasks[task.task_id] = task


class _Shared:
    """Equal values as one object, where many tasks have the same."""

    def __init__(self) -> None:
        self._known: dict[Hashable, object] = {}

    def one(self, value: Value) -> Value:
        """The first that was equal."""
        return self._known.setdefault(value, value)  # type: ignore[return-value]  # an equal one, of the same type

    def share(self, task: Task) -> None:
        """All of a task that is alike in many."""
        task.client, task.channel, task.queue = self.one(task.client), self.one(task.channel), self.one(task.queue)
        task.requirements, task.labels = self.one(task.requirements), self.one(task.labels)
        terms = task.terms
        if terms == PLAIN:
            task.terms = PLAIN
        else:
            any_of, none_of, teams = self.one(terms.any_of), self.one(terms.none_of), self.one(terms.teams)
            task.terms = replace(terms, any_of=any_of, none_of=none_of, teams=teams)


def _read(plain: Kept, name: str, of: type[Value]) -> Value:
    return msgspec.json.decode(plain[name], type=of)


def _parts(plain: Kept, name: str) -> list[dict[str, object]]:
    return _read(plain, name, list[dict[str, object]])


def _plain(item: object) -> dict[str, object]:
    return {name: getattr(item, name) for name in _KEPT[type(item)]}


_TASK: Final = msgspec.json.Decoder(Task)
_KEPT: Final[dict[type, tuple[str, ...]]] = {
    of: tuple(each.name for each in fields(of) if not each.metadata.get("derived"))
    for of in (DomainState, QueueLine, Agent, Task)
}
