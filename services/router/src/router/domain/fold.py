"""The only code that changes a `State`: a fact is folded into it. `decide` and every reader of the journal use it."""

from collections.abc import Callable
from typing import Final

from contracts import agents, offers, tasks

from router.domain import internal
from router.domain.facts import Fact
from router.domain.fold_agents import (
    agent_presence_changed,
    agent_state_changed,
    command_result,
    matching_deferred,
    matching_resumed,
)
from router.domain.fold_configuration import configuration_applied, configuration_record_applied
from router.domain.holding import hold, move, release, remove, take_back_offer
from router.domain.state import INTERACTIONS_KEPT_MS, SNAPSHOTS_KEPT, DomainState, Interaction, Parked, State
from router.domain.task import Task, task_number_of


def fold(state: State, fact: Fact, now_ms: int) -> None:
    """Change the state by one fact. `now_ms` is the batch's: the same for every reader of the journal."""
    data = fact.data
    handler = _HANDLERS.get(type(data))
    if handler is not None:
        domain = state.home(fact.tenant_id, data.domain)  # type: ignore[attr-defined]  # all with a handler have one
        handler(state, domain, data, now_ms)
    elif isinstance(data, internal.LeasesReadable):
        _leases_readable(state, data)
    elif isinstance(data, internal.SnapshotNamed):
        state.snapshots = (*state.snapshots, data)[-SNAPSHOTS_KEPT:]
    else:
        raise AssertionError(f"nobody folds {type(data).__name__}")


def begin_epoch(state: State) -> None:
    """Another owner took over: nobody is known to be present until seen, and the leases are not read yet."""
    state.leases_readable = False
    for domain in state.domains.values():
        for agent in domain.agents.values():
            if agent.presence in {"present", "lost"}:
                agent.presence = "unconfirmed"
                agent.grace_ends_at_ms = None
                domain.lanes.agent_changed(agent)


def _leases_readable(state: State, data: internal.LeasesReadable) -> None:
    """While nobody can be seen no grace runs: who was lost gets the full grace again, once leases can be read."""
    state.leases_readable = data.readable
    if data.readable:
        return
    for domain in state.domains.values():
        for agent in domain.agents.values():
            if agent.presence == "lost":
                agent.presence = "unconfirmed"
                agent.grace_ends_at_ms = None


# Interactions


def _interaction_parked(_: State, domain: DomainState, data: internal.InteractionParked, now_ms: int) -> None:
    tasks_made = data.asked_at_ms if data.request_id else 0
    _remember_interaction(domain, data.interaction_id, tasks_made, now_ms)
    _remember_request(domain, data.request_id, now_ms)
    domain.parked[data.interaction_id] = Parked(interaction=data)


def _attention_joined(_: State, domain: DomainState, data: internal.AttentionJoined, now_ms: int) -> None:
    _remember_request(domain, data.request_id, now_ms)


def _interaction_closed(_: State, domain: DomainState, data: internal.InteractionClosed, now_ms: int) -> None:
    _remember_interaction(domain, data.interaction_id, 0, now_ms).closed = True
    domain.parked.pop(data.interaction_id, None)


def _remember_interaction(domain: DomainState, interaction_id: str, tasks_made: int, now_ms: int) -> Interaction:
    """The newest interaction from now on; `tasks_made` counts if nothing was known of it."""
    known = domain.interactions.pop(interaction_id, None)
    if known is None:
        known = Interaction(interaction_id=interaction_id, seen_at_ms=now_ms, tasks_made=tasks_made)
    known.seen_at_ms = now_ms
    domain.interactions[interaction_id] = known
    for _ in range(2):  # forgets faster than it remembers, at a bounded cost
        oldest = next(iter(domain.interactions.values()))
        if oldest.seen_at_ms >= now_ms - INTERACTIONS_KEPT_MS:
            break
        del domain.interactions[oldest.interaction_id]
        if oldest.task_id is not None or oldest.interaction_id in domain.parked:
            oldest.seen_at_ms = now_ms
            domain.interactions[oldest.interaction_id] = oldest
    return known


def _remember_request(domain: DomainState, request_id: str | None, now_ms: int) -> None:
    if request_id is None:
        return
    domain.requests[request_id] = now_ms
    for _ in range(2):
        oldest = next(iter(domain.requests))
        if domain.requests[oldest] >= now_ms - INTERACTIONS_KEPT_MS:
            break
        del domain.requests[oldest]


# Tasks


def _task_queued(_: State, domain: DomainState, data: tasks.TaskQueued, now_ms: int) -> None:
    line = domain.queues[data.queue]
    task = Task(
        task_id=data.task_id,
        interaction_id=data.interaction_id,
        client=data.client,
        channel=data.channel,
        queue=data.queue,
        priority=data.priority,
        cost=data.cost,
        requirements=data.requirements,
        queued_at_ms=data.queued_at_ms,
        offer_timeout_seconds=line.offer_timeout_seconds,
        wrapup_seconds=line.wrapup_seconds,
    )
    domain.tasks[task.task_id] = task
    line.enters(task)
    domain.lanes.task_waits(task)
    domain.parked.pop(data.interaction_id, None)
    interaction = _remember_interaction(domain, data.interaction_id, 0, now_ms)
    interaction.tasks_made = task_number_of(data.task_id)
    interaction.task_id = data.task_id
    _remember_request(domain, data.request_id, now_ms)


def _task_assigned(_: State, domain: DomainState, data: tasks.TaskAssigned, now_ms: int) -> None:
    task = domain.offers.pop(data.offer_id)
    task.offer = None
    task.assigned = data
    domain.assignments[data.assignment_id] = task
    move(domain, task, "assigned")


def _task_requeued(_: State, domain: DomainState, data: tasks.TaskRequeued, now_ms: int) -> None:
    task = domain.assignments.pop(data.assignment_id)
    task.assigned = None
    move(domain, task, "waiting")
    release(domain, domain.agents[data.agent_id], task, free_since_ms=data.requeued_at_ms)


def _wrapup_started(state: State, domain: DomainState, data: tasks.WrapupStarted, now_ms: int) -> None:
    task = domain.tasks[data.task_id]
    task.wrapup = data
    move(domain, task, "wrapup")
    state.schedule(data.ends_at_ms, "wrapup", domain.key, data.assignment_id)
    interaction = domain.interactions.get(data.interaction_id)
    if interaction is not None:
        interaction.task_id = None if interaction.task_id == data.task_id else interaction.task_id
        interaction.closed = interaction.closed or data.reason == "interaction_ended"


def _task_completed(_: State, domain: DomainState, data: tasks.TaskCompleted, now_ms: int) -> None:
    task = domain.assignments.pop(data.assignment_id)
    remove(domain, task)
    release(domain, domain.agents[data.agent_id], task, free_since_ms=data.completed_at_ms)


def _task_abandoned(_: State, domain: DomainState, data: tasks.TaskAbandoned, now_ms: int) -> None:
    remove(domain, domain.tasks[data.task_id])
    _remember_interaction(domain, data.interaction_id, 0, now_ms).closed = True


# Offers


def _offer_issued(state: State, domain: DomainState, data: offers.OfferIssued, now_ms: int) -> None:
    task = domain.tasks[data.task_id]
    task.offers_made += 1
    task.offer = data
    domain.offers[data.offer_id] = task
    move(domain, task, "offered")
    hold(domain, domain.agents[data.agent_id], task)
    state.schedule(data.expires_at_ms, "offer", domain.key, data.offer_id)


def _offer_accepted(_: State, domain: DomainState, data: offers.OfferAccepted, now_ms: int) -> None:
    domain.agents[data.agent_id].unanswered = 0


def _offer_rejected(state: State, domain: DomainState, data: offers.OfferRejected, now_ms: int) -> None:
    domain.agents[data.agent_id].unanswered = 0
    _refuse(state, domain, data, data.rejected_at_ms)


def _offer_expired(state: State, domain: DomainState, data: offers.OfferExpired, now_ms: int) -> None:
    domain.agents[data.agent_id].unanswered = data.unanswered
    _refuse(state, domain, data, data.expired_at_ms)


def _offer_rescinded(_: State, domain: DomainState, data: offers.OfferRescinded, now_ms: int) -> None:
    take_back_offer(domain, data.agent_id, data.offer_id)


def _refuse(state: State, domain: DomainState, data: offers.OfferRejected | offers.OfferExpired, at_ms: int) -> None:
    task = domain.offers[data.offer_id]
    until_ms = at_ms + domain.settings.refused_backoff_seconds * 1000
    task.refused_by[data.agent_id] = until_ms
    domain.agents[data.agent_id].refused[task.task_id] = task
    take_back_offer(domain, data.agent_id, data.offer_id)
    state.schedule(until_ms, "refusal", domain.key, task.task_id, data.agent_id)


def _refusal_lapsed(_: State, domain: DomainState, data: internal.RefusalLapsed, now_ms: int) -> None:
    del domain.tasks[data.task_id].refused_by[data.agent_id]
    agent = domain.agents.get(data.agent_id)
    if agent is not None:
        agent.refused.pop(data.task_id, None)


def _decision_recorded(_: State, domain: DomainState, data: offers.DecisionRecorded, now_ms: int) -> None:
    """For readers of the journal; the state is what it was."""


_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    agents.AgentPresenceChanged: agent_presence_changed,
    agents.AgentStateChanged: agent_state_changed,
    agents.CommandResult: command_result,
    agents.ConfigurationApplied: configuration_applied,
    internal.AttentionJoined: _attention_joined,
    internal.ConfigurationRecordApplied: configuration_record_applied,
    internal.InteractionClosed: _interaction_closed,
    internal.InteractionParked: _interaction_parked,
    internal.MatchingDeferred: matching_deferred,
    internal.MatchingResumed: matching_resumed,
    internal.RefusalLapsed: _refusal_lapsed,
    offers.DecisionRecorded: _decision_recorded,
    offers.OfferAccepted: _offer_accepted,
    offers.OfferExpired: _offer_expired,
    offers.OfferIssued: _offer_issued,
    offers.OfferRejected: _offer_rejected,
    offers.OfferRescinded: _offer_rescinded,
    tasks.TaskAbandoned: _task_abandoned,
    tasks.TaskAssigned: _task_assigned,
    tasks.TaskCompleted: _task_completed,
    tasks.TaskQueued: _task_queued,
    tasks.TaskRequeued: _task_requeued,
    tasks.WrapupStarted: _wrapup_started,
}
