"""What agents and supervisors are shown, computed from the state and made JSON: the values of the Redis projection."""

import dataclasses
from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from typing import Any, Final, cast  # Any: facts about offers have a task's id

import msgspec
from contracts.agents import ConfigurationApplied
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
from contracts.tasks import TaskRerouted

from router.domain.agent import Agent
from router.domain.facts import Fact
from router.domain.internal import ConfigurationRecordApplied, LeasesReadable, SnapshotNamed
from router.domain.state import DomainState, State, key_of
from router.domain.task import Task
from router.domain.transfers import origin_of
from router.engine.live import Kind, Views
from router.engine.sequences import Sequences

_Ids = dict[Kind, set[str]]
OF_A_TASK: Final = frozenset({OfferAccepted, OfferExpired, OfferRejected, OfferRescinded, OfferWithdrawn})
"""Facts that name a task and not its queue, and change what the queue's view shows."""
OF_NO_DOMAIN: Final = frozenset({SnapshotNamed, LeasesReadable})


class Touched:
    """Which agents, queues and assignments a batch's facts are about, per domain."""

    def __init__(self) -> None:
        self._ids: dict[str, _Ids] = {}

    def note(self, state: State, facts: Iterable[Fact]) -> None:
        """Add what these facts are about. A task's queue is looked up before the batch lets the task go."""
        for fact in facts:
            data = fact.data
            of = cast(type, type(data))
            if of in OF_NO_DOMAIN:
                continue
            key = key_of(fact.tenant_id, getattr(data, "domain", ""))
            ids = self._ids.get(key)
            if ids is None:
                ids = self._ids[key] = {"agents": set(), "queues": set(), "assignments": set(), "domains": set()}
            for kind, name_of in _names_in(of):
                name = name_of(data)
                if name is not None:
                    ids[kind].add(name)
            if of in OF_A_TASK:
                _add_queue(ids, state.domains.get(key), data)
            elif of in _FURTHER:
                _FURTHER[of](ids, data)

    def views(self, state: State, sequences: Sequences) -> dict[str, Views]:
        """The touched views as the state has them now."""
        return {
            key: _views(state.domains[key], sequences, ids) for key, ids in self._ids.items() if key in state.domains
        }


def _add_queue(ids: _Ids, domain: DomainState | None, data: Any) -> None:
    """That of the task which the fact names."""
    if domain is not None and data.task_id in domain.tasks:
        ids["queues"].add(domain.tasks[data.task_id].queue)


def _add_left(ids: _Ids, data: TaskRerouted) -> None:
    ids["queues"].add(data.from_queue)


def _add_configured(ids: _Ids, data: ConfigurationRecordApplied) -> None:
    if data.record.kind == "agent":
        ids["agents"].add(data.record.id.partition(":")[2])
    elif data.record.kind == "queue":
        ids["queues"].add(data.record.id.rpartition("/")[2])


def _add_domain(ids: _Ids, data: ConfigurationApplied) -> None:
    ids["domains"].add(data.domain)


_FURTHER: Final[dict[type, Callable[..., None]]] = {
    TaskRerouted: _add_left,
    ConfigurationRecordApplied: _add_configured,
    ConfigurationApplied: _add_domain,
}
"""What else some facts are about."""


@cache
def _names_in(data: type) -> list[tuple[Kind, Callable[[object], str | None]]]:
    """How to read what a fact's data name."""
    fields = {field.name for field in dataclasses.fields(data)}
    named: dict[str, Kind] = {
        "agent_id": "agents",
        "queue": "queues",
        "assignment_id": "assignments",
        "from_assignment_id": "assignments",
    }
    return [(kind, attrgetter(name)) for name, kind in named.items() if name in fields]


def all_views(state: State, sequences: Sequences) -> dict[str, Views]:
    """Every view of every domain."""
    return {
        key: _views(
            domain,
            sequences,
            {
                "agents": set(domain.agents),
                "queues": set(domain.queues),
                "assignments": set(domain.assignments),
                "domains": {domain.domain},
            },
        )
        for key, domain in state.domains.items()
    }


def _views(domain: DomainState, sequences: Sequences, ids: dict[Kind, set[str]]) -> Views:
    agents, lines, assignments = domain.agents, domain.queues, domain.assignments
    return {
        "agents": {name: _agent(agents[name], sequences) if name in agents else None for name in sorted(ids["agents"])},
        "queues": {name: _queue(domain, name) if name in lines else None for name in sorted(ids["queues"])},
        "assignments": {
            name: _assignment(domain, assignments[name], sequences) if name in assignments else None
            for name in sorted(ids["assignments"])
        },
        "domains": {name: _domain(domain) for name in ids["domains"]},
    }


def _domain(domain: DomainState) -> bytes:
    reasons = [reason.model_dump() for reason in domain.settings.not_ready_reasons]
    return _ENCODER.encode({"domain": domain.domain, "version": domain.version, "not_ready_reasons": reasons})


def _agent(agent: Agent, sequences: Sequences) -> bytes:
    tasks = [agent.tasks[task_id] for task_id in sorted(agent.tasks)]
    return _ENCODER.encode(
        {
            "agent_id": agent.agent_id,
            "state": agent.state,
            "reason_code": agent.reason_code,
            "presence": agent.presence,
            "devices": agent.devices,
            "clocked_in": agent.clocked_in,
            "adherent": agent.adherent,
            "pending_state": agent.pending.state if agent.pending is not None else None,
            "pending_reason_code": agent.pending.reason_code if agent.pending is not None else None,
            "held": agent.held + agent.held_interruptible,
            "capacity": agent.capacity,
            "idle_since_ms": agent.idle_since_ms,
            "time": agent.time,
            "offers": [
                _offer(task, task.offers[agent.agent_id], sequences) for task in tasks if agent.agent_id in task.offers
            ],
            "assignments": [task.assigned.assignment_id for task in tasks if task.assigned is not None],
        }
    )


def _offer(task: Task, offer: OfferIssued, sequences: Sequences) -> dict[str, object]:
    return {
        "offer_id": offer.offer_id,
        "task_id": task.task_id,
        "interaction_id": task.interaction_id,
        "queue": task.queue,
        "channel": task.channel,
        "priority": task.priority,
        "queued_at_ms": task.queued_at_ms,
        "expires_at_ms": offer.expires_at_ms,
        "sequence": sequences.get(offer.offer_id, ""),
    }


def _queue(domain: DomainState, name: str) -> bytes:
    line = domain.queues[name]
    standing = [line.alerts[alert].raised for alert in sorted(line.alerts)]
    return _ENCODER.encode(
        {
            "queue": name,
            **line.counts,
            "oldest_queued_at_ms": line.oldest_queued_at_ms,
            "measured": line.measured.plain(),
            "alerts": [raised for raised in standing if raised is not None],
            "override": line.override,
        }
    )


def _assignment(domain: DomainState, task: Task, sequences: Sequences) -> bytes:
    assigned = task.assigned
    assert assigned is not None  # noqa: S101 - it is among the assignments
    return _ENCODER.encode(
        {
            "assignment_id": assigned.assignment_id,
            "task_id": task.task_id,
            "interaction_id": task.interaction_id,
            "agent_id": assigned.agent_id,
            "queue": task.queue,
            "channel": task.channel,
            "sequence": sequences.get(assigned.assignment_id, ""),
            "state": "wrapup" if task.wrapup is not None else "assigned",
            "counted": task.counted,
            "role": task.role,
            "held_since_ms": task.held_since_ms,
            "transfer": _transfer(domain.transfers.get(task.task_id)),
            "ends_at_ms": task.wrapup.ends_at_ms if task.wrapup is not None else None,
        }
    )


def _transfer(second: Task | None) -> dict[str, object] | None:
    """The open transfer that the owner asked for."""
    if second is None:
        return None
    consulting = "conference" if second.role == "participant" else "consulting"
    return {
        "transfer_id": second.task_id,
        "kind": origin_of(second).kind,
        "state": consulting if second.assigned is not None else "requested",
        "to_agent_id": second.assigned.agent_id if second.assigned is not None else None,
    }


_ENCODER: Final = msgspec.json.Encoder()
