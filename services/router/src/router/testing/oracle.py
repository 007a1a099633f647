"""The naive oracle of matching: scans over every agent and every task, and says everything again on purpose.

Terms, order, refusals and back-offs are the ledger's, which has them from the facts alone; of the domain's state it
reads who the agents are and what they hold.
"""

from collections.abc import Iterable

from contracts.tasks import Requirement

from router.domain.agent import Agent
from router.domain.state import DomainState
from router.domain.task import Task
from router.testing.ledger import Known, Ledger


def best_agent(book: Ledger, domain: DomainState, task: Task) -> str | None:
    """By scanning all agents."""
    eligible = [agent for agent in domain.agents.values() if exclusion(book, domain, agent, task) is None]
    return min(eligible, key=lambda agent: _rank(agent, task, book.tasks[task.task_id])).agent_id if eligible else None


def best_task(book: Ledger, domain: DomainState, agent: Agent) -> str | None:
    """By scanning all tasks."""
    mine = [
        task for task in domain.tasks.values() if seeks(book, task) and exclusion(book, domain, agent, task) is None
    ]
    return min(mine, key=lambda task: place(book, domain, task)).task_id if mine else None


def seeks(book: Ledger, task: Task) -> bool:
    """Whether the task should be offered to somebody, or to one more."""
    return in_line(book, task) and not book.tasks[task.task_id].is_held(book.now_ms)


def in_line(book: Ledger, task: Task) -> bool:
    """As `seeks`, but for who is held for a step when nobody could have taken it since."""
    known = book.tasks[task.task_id]
    if known.deferred_for is not None or known.held_for_step or task.state not in {"waiting", "offered"}:
        return False
    return len(known.offers) < known.parallel_offers


def exclusion(book: Ledger, domain: DomainState, agent: Agent, task: Task) -> str | None:  # one line a reason
    """The first reason why the agent cannot be offered the task."""
    known = book.tasks[task.task_id]
    name = agent.agent_id
    reasons = (
        ("not_named", bool(known.terms.agents) and name not in known.terms.agents),
        ("lacks_skill", not _qualified(agent, task, known)),
        ("not_ready", agent.state != "ready" or agent.pending is not None),
        ("not_present", agent.presence != "present"),
        ("backed_off", name in book.backoffs),
        ("not_ready", agent.shed is not None or agent.matching_deferred),
        ("at_capacity", not _has_room(domain, agent, task)),
        ("refused_before", name in known.refused or name in known.offers),
        ("gate_closed", is_shut(domain, task)),
    )
    return next((reason for reason, holds in reasons if holds), None)


def census(book: Ledger, domain: DomainState, task: Task) -> tuple[int, int, dict[str, int]]:
    """Agents, eligible ones, and the others by reason."""
    excluded: dict[str, int] = {}
    for agent in domain.agents.values():
        reason = exclusion(book, domain, agent, task)
        if reason is not None:
            excluded[reason] = excluded.get(reason, 0) + 1
    return len(domain.agents), len(domain.agents) - sum(excluded.values()), excluded


def place(book: Ledger, domain: DomainState, task: Task) -> tuple[object, ...]:
    """The longest wait first, then clients below their share, band, order, id."""
    known = book.tasks[task.task_id]
    below = False
    for share in book.settings.client_shares:
        if share.client == task.client:
            below = _units(domain, task.client) * 100 < share.minimum_percent * _units(domain, None)
    longest = known.terms.longest_wait
    return (not longest, not (below or longest), 0 if longest else -known.terms.band, known.order_ms, task.task_id)


def held(agent: Agent, *, interruptible: bool | None = None) -> int:
    """Units in use, of all tasks or of those that may, or may not, be interrupted."""
    return sum(
        task.cost
        for task in agent.tasks.values()
        if task.counted and (interruptible is None or task.interruptible == interruptible)
    )


def _qualified(agent: Agent, task: Task, known: Known) -> bool:
    def has(required: Requirement) -> bool:
        return required.minimum <= agent.skills.get(required.skill, 0) <= required.maximum

    def any_has(group: Iterable[Requirement]) -> bool:
        return any(has(required) for required in group)

    return (
        all(has(required) for required in known.requirements)
        and all(any_has(group) for group in known.terms.any_of)
        and not any_has(known.terms.none_of)
        and (not known.terms.teams or agent.team in known.terms.teams)
        and (not agent.channels or task.channel in agent.channels)
        and (not agent.clients or task.client in agent.clients)
        and task.direction in agent.directions
    )


def _has_room(domain: DomainState, agent: Agent, task: Task) -> bool:
    used = held(agent) if task.interruptible else held(agent, interruptible=False)
    if task.channel in agent.channels:
        same = sum(other.counted and other.channel == task.channel for other in agent.tasks.values())
        if same >= agent.channels[task.channel]:
            return False
    return used + task.cost <= agent.capacity


def is_shut(domain: DomainState, task: Task) -> bool:
    """Whether a cap or reserve stands in the way of the task."""
    reserve = domain.settings.outbound_idle_reserve
    if task.direction == "outbound" and reserve:
        idle = [agent for agent in domain.agents.values() if agent.routable and not held(agent)]
        if len(idle) <= reserve:
            return True
    return any(
        share.client == task.client
        and share.units_max is not None
        and _units(domain, task.client) + task.cost > share.units_max
        for share in domain.settings.client_shares
    )


def _units(domain: DomainState, client: str | None) -> int:
    return sum(
        task.cost
        for agent in domain.agents.values()
        for task in agent.tasks.values()
        if task.counted and client in {None, task.client}
    )


def _rank(agent: Agent, task: Task, known: Known) -> tuple[object, ...]:
    """Said again on purpose, so that the matching's own order is checked too."""
    load = held(agent) / agent.capacity
    match task.choice:
        case "least_loaded":
            return (load, agent.idle_since_ms, agent.agent_id)
        case "longest_idle":
            return (agent.idle_since_ms, agent.agent_id)
        case "round_robin":
            return (agent.turn, agent.agent_id)
        case "best_proficiency":
            named = {required.skill for required in known.requirements}
            named |= {required.skill for group in known.terms.any_of for required in group}
            score = sum(agent.skills.get(skill, 0) for skill in named)
            return (-score, load, agent.idle_since_ms, agent.agent_id)
