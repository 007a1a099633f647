"""A state as bytes and back. Equal states give equal bytes; what can be derived is left out and rebuilt."""

from dataclasses import fields
from heapq import heapify
from typing import Final

import msgspec
from contracts.agents import CommandResult
from contracts.configuration import ChannelAddress, Domain

from router.domain.agent import Agent
from router.domain.internal import SnapshotNamed
from router.domain.queue import QueueLine
from router.domain.state import DomainState, Interaction, Parked, State, timers_of
from router.domain.task import Task

FORMAT: Final = 1
"""Rises when a release can no longer read the snapshots of the one before."""


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
    """The state that was dumped. Raises ValueError when the bytes are of another format or no snapshot at all."""
    content = msgspec.json.decode(data, type=dict[str, object])
    if content.get("format") != FORMAT:
        raise ValueError(f"snapshot format {content.get('format')!r}, this release reads {FORMAT}")
    state = State(
        leases_readable=msgspec.convert(content["leases_readable"], bool),
        snapshots=msgspec.convert(content["snapshots"], tuple[SnapshotNamed, ...]),
    )
    for plain in msgspec.convert(content["domains"], list[dict[str, object]]):
        domain = _load_domain(plain)
        state.domains[domain.key] = domain
        state.timers.extend(timers_of(domain))
    heapify(state.timers)
    return state


def index(domain: DomainState) -> None:
    """Rebuild everything derived, from tasks, agents and queues."""
    for task in domain.tasks.values():
        domain.queues[task.queue].enters(task)
        _index_task(domain, task)
    for agent in domain.agents.values():
        domain.lanes.agent_changed(agent)
    domain.default_queue = min((name for name, line in domain.queues.items() if not line.removed), default=None)


def _index_task(domain: DomainState, task: Task) -> None:
    for agent_id in task.refused_by:
        if agent_id in domain.agents:
            domain.agents[agent_id].refused[task.task_id] = task
    holder = task.offer or task.assigned
    if holder is None:
        domain.lanes.task_waits(task)
        return
    agent = domain.agents[holder.agent_id]
    agent.held += task.cost
    agent.tasks[task.task_id] = task
    if task.offer is not None:
        domain.offers[task.offer.offer_id] = task
    if task.assigned is not None:
        domain.assignments[task.assigned.assignment_id] = task


def _dump_domain(domain: DomainState) -> dict[str, object]:
    plain = _plain(domain)
    plain["settings"] = domain.settings.model_dump(mode="json")
    plain["addresses"] = [domain.addresses[name].model_dump(mode="json") for name in sorted(domain.addresses)]
    plain["queues"] = [_plain(domain.queues[name]) for name in sorted(domain.queues)]
    plain["agents"] = [_plain(domain.agents[name]) for name in sorted(domain.agents)]
    plain["tasks"] = [_plain(domain.tasks[name]) for name in sorted(domain.tasks)]
    plain["parked"] = [domain.parked[name] for name in sorted(domain.parked)]
    plain["interactions"] = list(domain.interactions.values())
    plain["requests"] = list(domain.requests.items())
    plain["results"] = list(domain.results.values())
    return plain


def _load_domain(plain: dict[str, object]) -> DomainState:
    addresses = [ChannelAddress.model_validate(each) for each in msgspec.convert(plain["addresses"], list[object])]
    domain = DomainState(
        tenant_id=msgspec.convert(plain["tenant_id"], str),
        domain=msgspec.convert(plain["domain"], str),
        settings=Domain.model_validate(plain["settings"]),
        configured=msgspec.convert(plain["configured"], bool),
        version=msgspec.convert(plain["version"], int),
        hash=msgspec.convert(plain["hash"], str),
        addresses={each.address: each for each in addresses},
        queues={each.queue: each for each in msgspec.convert(plain["queues"], list[QueueLine])},
        agents={each.agent_id: each for each in msgspec.convert(plain["agents"], list[Agent])},
        tasks={each.task_id: each for each in msgspec.convert(plain["tasks"], list[Task])},
        parked={each.interaction.interaction_id: each for each in msgspec.convert(plain["parked"], list[Parked])},
        interactions={each.interaction_id: each for each in msgspec.convert(plain["interactions"], list[Interaction])},
        requests=dict(msgspec.convert(plain["requests"], list[tuple[str, int]])),
        results={each.command_id: each for each in msgspec.convert(plain["results"], list[CommandResult])},
    )
    index(domain)
    return domain


def _plain(item: object) -> dict[str, object]:
    return {name: getattr(item, name) for name in _KEPT[type(item)]}


_KEPT: Final[dict[type, tuple[str, ...]]] = {
    of: tuple(each.name for each in fields(of) if not each.metadata.get("derived"))
    for of in (DomainState, QueueLine, Agent, Task)
}
