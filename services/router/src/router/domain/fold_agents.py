"""How facts about agents and commands change the state. For `fold` alone."""

from contracts.agents import (
    AgentBackedOff,
    AgentPresenceChanged,
    AgentStateChanged,
    AgentStatePending,
    CommandResult,
)

from router.domain.agent import PendingState
from router.domain.holding import note_leaver, start_shedding
from router.domain.internal import (
    BackoffLapsed,
    GatesDeferred,
    GatesResumed,
    LeaverFollowed,
    LeaverNoted,
    MatchingDeferred,
    MatchingResumed,
)
from router.domain.state import RESULTS_KEPT_MS, RESULTS_MAX, DomainState, State


def agent_state_changed(state: State, domain: DomainState, data: AgentStateChanged, now_ms: int) -> None:
    """Ready starts idle time and a clean slate; not ready gives the live offers back, and lets a clocking out come."""
    agent = domain.agents[data.agent_id]
    turned_ready = agent.state != "ready" and data.state == "ready"
    agent.state = data.state
    agent.reason_code = data.reason_code
    domain.lanes.agent_changed(agent)
    if data.state == "ready" or agent.pending is None or not agent.pending.clocks_out:
        agent.pending = None
        domain.settled.discard(agent.agent_id)
    if turned_ready:
        if "ready" in domain.settings.idle_reset_by or not agent.idle_since_ms:
            agent.idle_since_ms = data.changed_at_ms
        agent.unanswered = 0
        agent.backoff_ends_at_ms = None
    elif data.state == "not_ready" and agent.shed is None:
        start_shedding(state, domain, agent, "agent_not_ready")
    elif data.state == "not_ready":  # again, before all was taken that had to be when they left the last time
        note_leaver(state, domain, agent.agent_id)


def agent_state_pending(_: State, domain: DomainState, data: AgentStatePending, now_ms: int) -> None:
    """It takes effect when the agent holds nothing any more."""
    agent = domain.agents[data.agent_id]
    agent.pending = None
    if data.state is not None:
        agent.pending = PendingState(
            state=data.state, reason_code=data.reason_code, by=data.by, clocks_out=data.clocks_out
        )
    domain.lanes.agent_changed(agent)


def agent_backed_off(state: State, domain: DomainState, data: AgentBackedOff, now_ms: int) -> None:
    """No offer before then."""
    agent = domain.agents[data.agent_id]
    agent.backoff_ends_at_ms = data.until_ms
    domain.lanes.agent_changed(agent)
    state.schedule(data.until_ms, "backoff", domain.key, agent.agent_id)


def backoff_lapsed(_: State, domain: DomainState, data: BackoffLapsed, now_ms: int) -> None:
    """Offers may go to the agent again."""
    agent = domain.agents[data.agent_id]
    agent.backoff_ends_at_ms = None
    domain.lanes.agent_changed(agent)


def gates_deferred(state: State, domain: DomainState, data: GatesDeferred, now_ms: int) -> None:
    """A continuation timer goes on."""
    domain.gates_deferred = True
    state.schedule(0, "gates", domain.key, "")


def gates_resumed(_: State, domain: DomainState, data: GatesResumed, now_ms: int) -> None:
    """It goes on now."""
    domain.gates_deferred = False


def leaver_followed(state: State, domain: DomainState, data: LeaverFollowed, now_ms: int) -> None:
    """It goes on behind that place, or it is the next one's turn, if there is one."""
    domain.leavers_behind = data.behind
    if data.behind is None:
        domain.leavers.remove(data.agent_id)
    if domain.leavers:
        state.schedule(0, "leavers", domain.key, "")


def leaver_noted(state: State, domain: DomainState, data: LeaverNoted, now_ms: int) -> None:
    """A continuation timer goes on."""
    note_leaver(state, domain, data.agent_id)


def agent_presence_changed(state: State, domain: DomainState, data: AgentPresenceChanged, now_ms: int) -> None:
    """Who is back within the grace has lost nothing, not even their place among the idle."""
    agent = domain.agents[data.agent_id]
    agent.devices = data.devices
    if agent.presence == data.presence:
        return
    if agent.presence == "absent" and data.presence == "present":
        agent.idle_since_ms = data.changed_at_ms
    agent.presence = data.presence
    agent.grace_ends_at_ms = data.grace_ends_at_ms
    domain.lanes.agent_changed(agent)
    if data.grace_ends_at_ms is not None:
        state.schedule(data.grace_ends_at_ms, "grace", domain.key, agent.agent_id)
    if data.presence == "absent":
        start_shedding(state, domain, agent, "agent_lost")


def command_result(_: State, domain: DomainState, data: CommandResult, now_ms: int) -> None:
    """The first result of a command id is the one that is remembered."""
    if data.command_id in domain.results:
        return
    domain.results[data.command_id] = data
    while len(domain.results) > RESULTS_MAX:
        del domain.results[next(iter(domain.results))]
    for _unused in range(2):  # forgets faster than it remembers, at a bounded cost
        oldest = next(iter(domain.results.values()))
        if oldest.decided_at_ms >= now_ms - RESULTS_KEPT_MS:
            break
        del domain.results[oldest.command_id]


def matching_deferred(state: State, domain: DomainState, data: MatchingDeferred, now_ms: int) -> None:
    """Until resumed the agent gets no offers, so that nobody who waits is overtaken."""
    agent = domain.agents[data.agent_id]
    agent.matching_deferred = True
    domain.lanes.agent_changed(agent)
    state.schedule(0, "matching", domain.key, agent.agent_id)


def matching_resumed(_: State, domain: DomainState, data: MatchingResumed, now_ms: int) -> None:
    """Offers may go to the agent again."""
    agent = domain.agents[data.agent_id]
    agent.matching_deferred = False
    domain.lanes.agent_changed(agent)
