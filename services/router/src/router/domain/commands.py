"""What agents ask for. Every command has one result; who repeats a command id gets the first result again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from contracts.agents import AgentStateChanged, CommandResult, Refusal
from contracts.commands import AcceptOffer, CompleteTask, EndTask, RejectOffer, SetAgentState
from contracts.offers import OfferAccepted, OfferRejected
from contracts.tasks import TaskAssigned

from router.domain.agent import Agent
from router.domain.inputs import CommandData, CommandInput
from router.domain.match import place_all, serve
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import complete, shed, start_wrapup
from router.domain.turn import Turn


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a command did, and whom there is work for now."""

    refusal: Refusal | None = None
    assignment_id: str | None = None
    waiting: list[Task] = field(default_factory=list)
    free: Agent | None = None


def command(turn: Turn, given: CommandInput) -> None:
    """Do it or refuse it, say so, then match what it set free."""
    data = given.data
    domain = turn.state.find(given.tenant_id, data.domain)
    first = domain.results.get(data.command_id)
    if first is not None and first.agent_id == data.agent_id:
        turn.emit(domain, first)
        return
    if first is not None:
        outcome = _refused("command_id_taken", 409, "Another agent has used this command id.")
    else:
        outcome = _HANDLERS[type(data)](turn, domain, data)
    result = CommandResult(
        command_id=data.command_id,
        domain=data.domain,
        agent_id=data.agent_id,
        outcome="done" if outcome.refusal is None else "refused",
        refusal=outcome.refusal,
        decided_at_ms=turn.now_ms,
        assignment_id=outcome.assignment_id,
    )
    turn.emit(domain, result)
    place_all(turn, domain, outcome.waiting)
    if outcome.free is not None:
        serve(turn, domain, outcome.free)


def _accept(turn: Turn, domain: DomainState, data: AcceptOffer) -> Outcome:
    task = domain.offers.get(data.offer_id)
    refusal = _offer_refusal(task, data)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    accepted = OfferAccepted(
        offer_id=data.offer_id,
        task_id=task.task_id,
        domain=domain.domain,
        agent_id=data.agent_id,
        accepted_at_ms=turn.now_ms,
    )
    turn.emit(domain, accepted)
    assigned = TaskAssigned(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        channel=task.channel,
        assignment_id=f"{data.offer_id}.a",
        offer_id=data.offer_id,
        agent_id=data.agent_id,
        assigned_at_ms=turn.now_ms,
        waited_ms=max(0, turn.now_ms - task.queued_at_ms),
    )
    turn.emit(domain, assigned)
    return Outcome(assignment_id=assigned.assignment_id)


def _reject(turn: Turn, domain: DomainState, data: RejectOffer) -> Outcome:
    task = domain.offers.get(data.offer_id)
    refusal = _offer_refusal(task, data)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    rejected = OfferRejected(
        offer_id=data.offer_id,
        task_id=task.task_id,
        domain=domain.domain,
        agent_id=data.agent_id,
        reason=data.reason,
        rejected_at_ms=turn.now_ms,
    )
    turn.emit(domain, rejected)
    return Outcome(waiting=[task], free=domain.agents.get(data.agent_id))


def _set_state(turn: Turn, domain: DomainState, data: SetAgentState) -> Outcome:
    agent = domain.agents.get(data.agent_id)
    if agent is None or agent.shed == "agent_removed":
        return _refused("unknown_agent", 404, "The configuration of this domain has no such agent.")
    if (agent.state, agent.reason_code) == (data.state, data.reason_code):
        return Outcome()
    changed = AgentStateChanged(
        agent_id=data.agent_id,
        domain=domain.domain,
        state=data.state,
        reason_code=data.reason_code,
        cause="command",
        changed_at_ms=turn.now_ms,
    )
    turn.emit(domain, changed)
    return Outcome(waiting=shed(turn, domain, agent), free=agent)


def _end(turn: Turn, domain: DomainState, data: EndTask) -> Outcome:
    task = domain.assignments.get(data.assignment_id)
    refusal = _assignment_refusal(task, data)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    if task.state == "assigned":  # else it is in wrap-up already, which is what the agent wants
        start_wrapup(turn, domain, task, "agent_ended", then=data.then, seen_number=data.seen_number)
    return Outcome()


def _complete(turn: Turn, domain: DomainState, data: CompleteTask) -> Outcome:
    task = domain.assignments.get(data.assignment_id)
    refusal = _assignment_refusal(task, data)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    known = {disposition.id for disposition in domain.settings.dispositions}
    if known and data.disposition is not None and data.disposition not in known:
        return _refused("unknown_disposition", 422, "The configuration of this domain has no such disposition.")
    complete(
        turn,
        domain,
        task,
        "completed_by_agent",
        disposition=data.disposition,
        then=data.then,
        seen_number=data.seen_number,
    )
    return Outcome(free=domain.agents.get(data.agent_id))


_HANDLERS: Final[dict[type[CommandData], Callable[..., Outcome]]] = {
    AcceptOffer: _accept,
    RejectOffer: _reject,
    SetAgentState: _set_state,
    EndTask: _end,
    CompleteTask: _complete,
}


def _offer_refusal(task: Task | None, data: AcceptOffer | RejectOffer) -> Refusal | None:
    if task is None or task.offer is None:
        return _refusal("offer_gone", 409, "The offer has been answered, has expired or was taken back.")
    if task.offer.agent_id != data.agent_id:
        return _refusal("offer_of_another", 403, "The offer was made to another agent.")
    return None


def _assignment_refusal(task: Task | None, data: EndTask | CompleteTask) -> Refusal | None:
    if task is None or task.assigned is None:
        return _refusal("assignment_gone", 404, "There is no such assignment, or it has ended.")
    if task.assigned.agent_id != data.agent_id:
        return _refusal("assignment_of_another", 403, "The assignment is another agent's.")
    return None


def _refused(code: str, http_status: int, detail: str) -> Outcome:
    return Outcome(refusal=_refusal(code, http_status, detail))


def _refusal(code: str, http_status: int, detail: str) -> Refusal:
    return Refusal(code=code, detail=detail, http_status=http_status)
