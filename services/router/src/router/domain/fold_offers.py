"""How facts about offers change the state. For `fold` alone."""

from contracts import offers

from router.domain import internal
from router.domain.holding import hold, move, refuse, settle, take_back_offer
from router.domain.state import DomainState, State


def offer_issued(state: State, domain: DomainState, data: offers.OfferIssued, now_ms: int) -> None:
    """The agent's capacity is taken; the task stays in line if it is to be offered to more of them."""
    task = domain.tasks[data.task_id]
    agent = domain.agents[data.agent_id]
    task.offers_made += 1
    task.contact = None
    task.offers[data.agent_id] = data
    domain.offers[data.offer_id] = task
    domain.offers_made += 1
    agent.turn = domain.offers_made
    if task.state == "waiting":
        move(state, domain, task, "offered")
    settle(domain, task)
    hold(domain, agent, task)
    state.schedule(data.expires_at_ms, "offer", domain.key, data.offer_id)


def offer_accepted(_: State, domain: DomainState, data: offers.OfferAccepted, now_ms: int) -> None:
    """`task.assigned` follows."""


def offer_rejected(state: State, domain: DomainState, data: offers.OfferRejected, now_ms: int) -> None:
    """The task is not offered to the agent again for a while."""
    domain.agents[data.agent_id].unanswered = 0
    _refuse(state, domain, data, data.rejected_at_ms)


def offer_expired(state: State, domain: DomainState, data: offers.OfferExpired, now_ms: int) -> None:
    """As a rejection, but counted."""
    domain.agents[data.agent_id].unanswered = data.unanswered
    _refuse(state, domain, data, data.expired_at_ms)


def offer_rescinded(state: State, domain: DomainState, data: offers.OfferRescinded, now_ms: int) -> None:
    """Nobody's fault."""
    take_back_offer(state, domain, data.agent_id, data.offer_id)


def offer_withdrawn(state: State, domain: DomainState, data: offers.OfferWithdrawn, now_ms: int) -> None:
    """Nobody's fault."""
    take_back_offer(state, domain, data.agent_id, data.offer_id)


def task_held_for_step(_: State, domain: DomainState, data: internal.TaskHeldForStep, now_ms: int) -> None:
    """Out of line until its live offers have ended."""
    task = domain.tasks[data.task_id]
    task.step_is_due = True
    settle(domain, task)


def refusal_lapsed(_: State, domain: DomainState, data: internal.RefusalLapsed, now_ms: int) -> None:
    """The agent may be offered the task again."""
    del domain.tasks[data.task_id].refused_by[data.agent_id]
    agent = domain.agents.get(data.agent_id)
    if agent is not None:
        agent.refused.pop(data.task_id, None)


def decision_recorded(_: State, domain: DomainState, data: offers.DecisionRecorded, now_ms: int) -> None:
    """For readers of the journal; the state is what it was."""


def _refuse(state: State, domain: DomainState, data: offers.OfferRejected | offers.OfferExpired, at_ms: int) -> None:
    until_ms = at_ms + domain.settings.refused_backoff_seconds * 1000
    refuse(state, domain, domain.offers[data.offer_id], data.agent_id, until_ms)
    if "refusal" in domain.settings.idle_reset_by:
        domain.agents[data.agent_id].idle_since_ms = at_ms
    take_back_offer(state, domain, data.agent_id, data.offer_id)
