"""The only code that changes a `State`: a fact is folded into it. `decide` and every reader of the journal use it."""

from collections.abc import Callable
from typing import Final

from contracts import agents, offers, tasks

from router.domain import fold_activity, fold_offers, fold_queues, fold_shifts, fold_tasks, fold_transfers, internal
from router.domain.facts import Fact
from router.domain.fold_agents import (
    agent_backed_off,
    agent_presence_changed,
    agent_state_changed,
    agent_state_pending,
    backoff_lapsed,
    command_result,
    gates_deferred,
    gates_resumed,
    leaver_followed,
    leaver_noted,
    matching_deferred,
    matching_resumed,
)
from router.domain.fold_configuration import (
    configuration_applied,
    configuration_part_applied,
    configuration_record_applied,
)
from router.domain.measuring import measured
from router.domain.remembering import close_interaction, remember_interaction, remember_request
from router.domain.state import EARLY_FACTS_MAX, SNAPSHOTS_KEPT, DomainState, Parked, State


def fold(state: State, fact: Fact, now_ms: int) -> None:
    """Change the state by one fact. `now_ms` is the batch's: the same for every reader of the journal."""
    data = fact.data
    if type(data) in _MEASURED:
        domain = state.home(fact.tenant_id, data.domain)  # type: ignore[attr-defined]  # all with a handler have one
        fold_in(state, domain, data, now_ms)
    elif isinstance(data, internal.LeasesReadable):
        _leases_readable(state, data)
    elif isinstance(data, internal.SnapshotNamed):
        state.snapshots = (*state.snapshots, data)[-SNAPSHOTS_KEPT:]
    else:
        raise AssertionError(f"nobody folds {type(data).__name__}")


def fold_in(state: State, domain: DomainState, data: object, now_ms: int) -> None:
    """`fold` of a fact that is of a domain of the state."""
    _MEASURED[type(data)](state, domain, data, now_ms)


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
    remember_interaction(domain, data.interaction_id, tasks_made, now_ms)
    remember_request(domain, data.request_id, now_ms)
    domain.parked[data.interaction_id] = Parked(interaction=data)


def _attention_joined(_: State, domain: DomainState, data: internal.AttentionJoined, now_ms: int) -> None:
    remember_request(domain, data.request_id, now_ms)


def _contact_kept(_: State, domain: DomainState, data: internal.ContactKept, now_ms: int) -> None:
    domain.tasks[data.task_id].contact = data


def _facts_known(_: State, domain: DomainState, data: internal.FactsKnown, now_ms: int) -> None:
    known = domain.interactions.get(data.interaction_id)
    if known is not None:
        known.facts = data.facts
        return
    domain.early_facts.pop(data.interaction_id, None)
    domain.early_facts[data.interaction_id] = data.facts
    if len(domain.early_facts) > EARLY_FACTS_MAX:
        del domain.early_facts[next(iter(domain.early_facts))]


def _interaction_closed(_: State, domain: DomainState, data: internal.InteractionClosed, now_ms: int) -> None:
    close_interaction(domain, data.interaction_id, now_ms)
    domain.parked.pop(data.interaction_id, None)


_HANDLERS: Final[dict[type, Callable[..., None]]] = {
    agents.AgentBackedOff: agent_backed_off,
    agents.AgentPresenceChanged: agent_presence_changed,
    agents.AgentStatePending: agent_state_pending,
    agents.AgentStateChanged: agent_state_changed,
    agents.CommandResult: command_result,
    agents.ConfigurationApplied: configuration_applied,
    internal.BackoffLapsed: backoff_lapsed,
    internal.GatesDeferred: gates_deferred,
    internal.GatesResumed: gates_resumed,
    internal.LeaverFollowed: leaver_followed,
    internal.LeaverNoted: leaver_noted,
    internal.ContactKept: _contact_kept,
    internal.FactsKnown: _facts_known,
    internal.AttentionJoined: _attention_joined,
    internal.ConfigurationPartApplied: configuration_part_applied,
    internal.ConfigurationRecordApplied: configuration_record_applied,
    internal.InteractionClosed: _interaction_closed,
    internal.InteractionParked: _interaction_parked,
    internal.MatchingDeferred: matching_deferred,
    internal.MatchingResumed: matching_resumed,
    internal.TaskLookedAt: fold_tasks.task_looked_at,
    internal.RefusalLapsed: fold_offers.refusal_lapsed,
    internal.TaskHeldForStep: fold_offers.task_held_for_step,
    offers.DecisionRecorded: fold_offers.decision_recorded,
    offers.OfferAccepted: fold_offers.offer_accepted,
    offers.OfferExpired: fold_offers.offer_expired,
    offers.OfferIssued: fold_offers.offer_issued,
    offers.OfferRejected: fold_offers.offer_rejected,
    offers.OfferRescinded: fold_offers.offer_rescinded,
    offers.OfferWithdrawn: fold_offers.offer_withdrawn,
    tasks.TaskAbandoned: fold_tasks.task_abandoned,
    tasks.TaskAssigned: fold_tasks.task_assigned,
    tasks.TaskCompleted: fold_tasks.task_completed,
    tasks.TaskDeferred: fold_tasks.task_deferred,
    tasks.TaskQueued: fold_tasks.task_queued,
    tasks.TaskRequeued: fold_tasks.task_requeued,
    tasks.TaskRerouted: fold_tasks.task_rerouted,
    tasks.TaskResumed: fold_tasks.task_resumed,
    tasks.TaskTransferredOut: fold_tasks.task_transferred_out,
    tasks.TaskUnassigned: fold_tasks.task_unassigned,
    tasks.WrapupStarted: fold_tasks.wrapup_started,
    **fold_transfers.HANDLERS,
    **fold_activity.HANDLERS,
    **fold_shifts.HANDLERS,
    **fold_queues.HANDLERS,
}

_MEASURED: Final = measured(_HANDLERS)
