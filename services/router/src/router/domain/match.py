"""Who gets what: an agent for a waiting task, tasks for an agent who can take more. Check and reserve are one step."""

from collections.abc import Iterable
from typing import Final

from contracts.offers import Decision, DecisionRecorded, OfferIssued

from router.domain.agent import Agent
from router.domain.internal import MatchingDeferred
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.turn import Turn

CHOOSES_AGENT: Final = "least_loaded_longest_idle"
CHOOSES_TASK: Final = "priority_longest_waiting"


def place(turn: Turn, domain: DomainState, task: Task) -> None:
    """Offer the waiting task to the best agent, or record why there is none."""
    if not try_to_place(turn, domain, task):
        decision = _decision(turn, domain, task, CHOOSES_AGENT, None)
        turn.emit(
            domain,
            DecisionRecorded(
                task_id=task.task_id,
                domain=domain.domain,
                queue=task.queue,
                decision=decision,
                recorded_at_ms=turn.now_ms,
            ),
        )


def place_all(turn: Turn, domain: DomainState, tasks: Iterable[Task]) -> None:
    """`place` each, the first in line first."""
    for task in sorted(tasks, key=lambda each: each.place):
        place(turn, domain, task)


def try_to_place(turn: Turn, domain: DomainState, task: Task) -> bool:
    """Offer the waiting task to the best agent, if there is one."""
    agent_id = domain.lanes.best_agent(task)
    if agent_id is None:
        return False
    _issue(turn, domain, task, domain.agents[agent_id], CHOOSES_AGENT)
    return True


def serve(turn: Turn, domain: DomainState, agent: Agent) -> None:
    """Offer waiting tasks to the agent, the first in line first, as long as there are any and capacity is left."""
    while agent.routable and agent.free > 0:
        task_id = domain.lanes.best_task(agent)
        if task_id is None:
            return
        if turn.full:
            turn.emit(domain, MatchingDeferred(agent_id=agent.agent_id, domain=domain.domain))
            return
        _issue(turn, domain, domain.tasks[task_id], agent, CHOOSES_TASK)


def _issue(turn: Turn, domain: DomainState, task: Task, agent: Agent, rule: str) -> None:
    offer = OfferIssued(
        offer_id=f"{task.task_id}.o{task.offers_made + 1}",
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        channel=task.channel,
        priority=task.priority,
        agent_id=agent.agent_id,
        issued_at_ms=turn.now_ms,
        expires_at_ms=turn.now_ms + task.offer_timeout_seconds * 1000,
        queued_at_ms=task.queued_at_ms,
        decision=_decision(turn, domain, task, rule, agent),
    )
    turn.emit(domain, offer)


def _decision(turn: Turn, domain: DomainState, task: Task, rule: str, agent: Agent | None) -> Decision:
    census = domain.lanes.census(task)
    return Decision(
        rule=rule,
        agents=census.agents,
        eligible=census.eligible,
        excluded=census.excluded,
        idle_ms=None if agent is None else max(0, turn.now_ms - agent.idle_since_ms),
        waited_ms=max(0, turn.now_ms - task.queued_at_ms),
    )
