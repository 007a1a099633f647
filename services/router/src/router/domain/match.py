"""Who gets what: an agent for a waiting task, tasks for an agent who can take more. Check and reserve are one step."""

from typing import Final

from contracts.offers import Decision, DecisionRecorded, OfferAccepted, OfferIssued, OfferWithdrawn
from contracts.tasks import TaskAssigned

from router.domain.agent import Agent
from router.domain.internal import GatesDeferred, MatchingDeferred, TaskHeldForStep
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.turn import Turn

GATE_OPENED: Final = "gate_opened"
RULES: Final = {
    "least_loaded": "least_loaded_longest_idle",
    "longest_idle": "longest_idle",
    "best_proficiency": "best_proficiency_least_loaded",
    "round_robin": "round_robin",
}
"""What the decision calls the way in which an agent was chosen for a task."""
FIRST_IN_LINE: Final = "priority_longest_waiting"
"""What it calls the way in which a task was chosen for an agent."""


def place(turn: Turn, domain: DomainState, task: Task) -> None:
    """Offer the waiting task to the best agents, as many as it may have, or record why there is none.

    Nothing is offered while a continuation has to go on with who waits behind a gate that has opened: it does.
    """
    if turn.placed_later is not None:
        turn.placed_later.append(task)
        return
    if turn.freed:
        serve_freed(turn)  # what waited before this task comes first
    if task.seeks and not _try_to_place(turn, domain, task) and not domain.gates_deferred:
        decision = _decision(turn, domain, task, RULES[task.choice], None)
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


def _try_to_place(turn: Turn, domain: DomainState, task: Task) -> bool:
    """Offer the task to the best agents, as many as it may have; whether there was one."""
    if domain.lanes.gates.blocked:
        open_gates(turn, domain)  # a gate may have opened just now, and others wait there already
    found = bool(task.offers)
    while _asks_more(turn, domain, task) and not domain.gates_deferred:
        agent_id = domain.lanes.best_agent(task)
        if agent_id is None:
            break
        found = True
        if turn.full:
            turn.emit(domain, GatesDeferred(domain=domain.domain))
        else:
            _issue(turn, domain, task, domain.agents[agent_id], RULES[task.choice])
    return found


def serve(turn: Turn, domain: DomainState, agent: Agent) -> None:
    """Offer waiting tasks to the agent, the first in line first, as long as there are any and capacity is left."""
    while agent.routable and agent.room[0] > 0 and not domain.gates_deferred:
        task_id = domain.lanes.best_task(agent)
        if task_id is None:
            return
        if turn.full:
            turn.emit(domain, MatchingDeferred(agent_id=agent.agent_id, domain=domain.domain))
            return
        if _asks_more(turn, domain, domain.tasks[task_id]):
            _issue(turn, domain, domain.tasks[task_id], agent, FIRST_IN_LINE)


def _asks_more(turn: Turn, domain: DomainState, task: Task) -> bool:
    """Whether the task in line is to be offered now; one that is held for a step goes out of line."""
    if task.seeks and task.is_held(turn.now_ms):
        turn.emit(domain, TaskHeldForStep(task_id=task.task_id, domain=domain.domain))
    return task.seeks


def serve_freed(turn: Turn) -> None:
    """`serve` whoever got free while the input was decided."""
    while turn.freed:
        freed, turn.freed = turn.freed, []
        for key, agent_id in freed:
            agent = turn.state.domains[key].agents.get(agent_id)
            if agent is not None:
                serve(turn, turn.state.domains[key], agent)


def open_gates(turn: Turn, domain: DomainState) -> None:
    """Match what only a closed gate kept apart: a client's cap, the agents kept back for inbound work."""
    while not domain.gates_deferred:
        pair = domain.lanes.unblocked(domain.tasks, domain.agents)
        if pair is None:
            return
        if turn.full:
            turn.emit(domain, GatesDeferred(domain=domain.domain))
            return
        # The agent may have got free in this very input, and not only for what waits behind the gate.
        first = domain.lanes.best_task(domain.agents[pair[1]]) or pair[0]
        if _asks_more(turn, domain, domain.tasks[first]):
            _issue(turn, domain, domain.tasks[first], domain.agents[pair[1]], GATE_OPENED)


def take(turn: Turn, domain: DomainState, task: Task, agent_id: str) -> TaskAssigned:
    """The agent has accepted their offer: it is the task's only one from now on, and the task theirs."""
    offer = task.offers[agent_id]
    being_relieved = domain.agents[agent_id].shed is not None
    accepted = OfferAccepted(
        offer_id=offer.offer_id,
        task_id=task.task_id,
        domain=domain.domain,
        agent_id=agent_id,
        accepted_at_ms=turn.now_ms,
    )
    turn.emit(domain, accepted)
    withdraw(turn, domain, task, "answered_by_another", keep=agent_id)
    line = domain.queues[task.queue]
    assigned = TaskAssigned(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        channel=task.channel,
        assignment_id=f"{offer.offer_id}.a",
        offer_id=offer.offer_id,
        agent_id=agent_id,
        assigned_at_ms=turn.now_ms,
        waited_ms=max(0, turn.now_ms - task.queued_at_ms),
        kind=task.kind,
        role="consultant" if task.consults else "owner",
        expected_wait_ms=task.expected_wait_ms,
        answer_within_ms=line.answer_within_ms,
        respond_by_ms=_respond_by_ms(turn, line, task),
    )
    turn.emit(domain, assigned)
    if being_relieved:  # perhaps that was the last of it: then the line is theirs again
        turn.freed.append((domain.key, agent_id))
    if task.transfer is not None:
        turn.handovers.append((domain.key, task.task_id))
    return assigned


def _respond_by_ms(turn: Turn, line: QueueLine, task: Task) -> int | None:
    """Of contacts alone: gateways do not see what an agent does for other tasks, or for the owner who asks."""
    seconds = line.settings.first_response_seconds
    return None if seconds is None or task.kind != "contact" or task.consults else turn.now_ms + seconds * 1000


def withdraw(turn: Turn, domain: DomainState, task: Task, reason: str, *, keep: str | None = None) -> None:
    """Take the live offers back, but for one agent's; who had them is served when the input has been decided."""
    for agent_id in sorted(task.offers.keys() - {keep}):
        withdrawn = OfferWithdrawn(
            offer_id=task.offers[agent_id].offer_id,
            task_id=task.task_id,
            domain=domain.domain,
            agent_id=agent_id,
            reason=reason,
            withdrawn_at_ms=turn.now_ms,
        )
        turn.emit(domain, withdrawn)
        turn.freed.append((domain.key, agent_id))


def _issue(turn: Turn, domain: DomainState, task: Task, agent: Agent, rule: str) -> None:
    timeout_seconds = domain.settings.offer_timeouts.get(task.channel, task.offer_timeout_seconds)
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
        expires_at_ms=turn.now_ms + timeout_seconds * 1000,
        queued_at_ms=task.queued_at_ms,
        decision=_decision(turn, domain, task, rule, agent),
        auto_accept=task.auto_accept,
    )
    turn.emit(domain, offer)
    if task.auto_accept:
        take(turn, domain, task, agent.agent_id)


def _decision(turn: Turn, domain: DomainState, task: Task, rule: str, agent: Agent | None) -> Decision:
    census = domain.lanes.census(task)
    return Decision(
        rule=rule,
        agents=census.agents,
        eligible=census.eligible,
        excluded=census.excluded,
        idle_ms=None if agent is None else max(0, turn.now_ms - agent.idle_since_ms),
        waited_ms=max(0, turn.now_ms - task.queued_at_ms),
        version=domain.version,
    )
