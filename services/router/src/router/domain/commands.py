"""What agents ask for. Every command has one result; who repeats a command id gets the first result again."""

from collections.abc import Callable
from typing import Final

from contracts.agents import AgentStateChanged, AgentStatePending, Refusal
from contracts.commands import AcceptOffer, CancelCallback, CompleteTask, EndTask, RejectOffer, SetAgentState
from contracts.offers import OfferRejected

from router.domain.admission import go_on
from router.domain.agent import Agent
from router.domain.commands_shifts import HANDLERS as SHIFTS
from router.domain.commands_supervisors import HANDLERS as SUPERVISORS
from router.domain.commands_transfers import HANDLERS as OF_TRANSFERS
from router.domain.handovers import heir
from router.domain.inputs import CommandData, CommandInput, SupervisorCommand
from router.domain.match import serve, take
from router.domain.outcomes import (
    Outcome,
    assignment_refusal,
    disposition_refusal,
    known_agent,
    refusal_of,
    refused,
    tell_result,
)
from router.domain.requests import cancel_callback
from router.domain.shedding import shed
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import back_off, complete, hand_out, start_wrapup
from router.domain.transfers import end
from router.domain.turn import Turn


def command(turn: Turn, given: CommandInput) -> None:
    """Do it or refuse it, say so, then match what it set free."""
    data = given.data
    domain = turn.state.find(given.tenant_id, data.domain)
    first = domain.results.get(data.command_id)
    who = data.by if isinstance(data, SupervisorCommand) else data.agent_id
    if first is not None and first.agent_id == who:
        turn.emit(domain, first)
        return
    if first is not None:
        outcome = refused("command_id_taken", 409, "Another agent has used this command id.")
    else:
        outcome = _HANDLERS[type(data)](turn, domain, data)
    tell_result(turn, domain, data.command_id, outcome, agent_id=who)
    go_on(turn, domain, outcome.waiting)
    if outcome.free is not None:
        serve(turn, domain, outcome.free)


def _accept(turn: Turn, domain: DomainState, data: AcceptOffer) -> Outcome:
    task = domain.offers.get(data.offer_id)
    refusal = _offer_refusal(task, data)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    return Outcome(assignment_id=take(turn, domain, task, data.agent_id).assignment_id)


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
    agent = domain.agents.get(data.agent_id)
    if agent is not None:
        back_off(turn, domain, agent, "rejected", domain.settings.agent_backoff.rejected_seconds)
    return Outcome(waiting=[task], free=agent)


def _set_state(turn: Turn, domain: DomainState, data: SetAgentState) -> Outcome:
    agent = known_agent(domain, data.agent_id)
    if agent is None:
        return refused("unknown_agent", 404, "The configuration of this domain has no such agent.")
    refusal = _reason_refusal(domain, data)
    if refusal is not None:
        return Outcome(refusal=refusal)
    leaves = agent.pending is not None and agent.pending.clocks_out
    if agent.pending is not None and (data.state == "ready" or (data.when == "now" and not leaves)):
        _set_pending(turn, domain, agent, data, taken_back=True)
    elif data.state == "not_ready" and agent.state == "ready" and agent.tasks and data.when == "when_free":
        _set_pending(turn, domain, agent, data, taken_back=False)
        return Outcome()
    if (agent.state, agent.reason_code) == (data.state, data.reason_code):
        return Outcome(free=agent)
    changed = AgentStateChanged(
        agent_id=data.agent_id,
        domain=domain.domain,
        state=data.state,
        reason_code=data.reason_code,
        cause="command",
        changed_at_ms=turn.now_ms,
        by=data.by,
    )
    turn.emit(domain, changed)
    return Outcome(waiting=shed(turn, domain, agent), free=agent)


def _set_pending(turn: Turn, domain: DomainState, agent: Agent, data: SetAgentState, *, taken_back: bool) -> None:
    pending = AgentStatePending(
        agent_id=agent.agent_id,
        domain=domain.domain,
        state=None if taken_back else data.state,
        reason_code=None if taken_back else data.reason_code,
        asked_at_ms=turn.now_ms,
        by=data.by,
        clocks_out=not taken_back and agent.pending is not None and agent.pending.clocks_out,
    )
    turn.emit(domain, pending)


def _reason_refusal(domain: DomainState, data: SetAgentState) -> Refusal | None:
    known = {reason.id for reason in domain.settings.not_ready_reasons}
    if data.state == "ready" or not known or data.reason_code is None or data.reason_code in known:
        return None
    return refusal_of("unknown_reason", 422, "The configuration of this domain has no such reason for not being ready.")


def _end(turn: Turn, domain: DomainState, data: EndTask) -> Outcome:
    task = domain.assignments.get(data.assignment_id)
    refusal = assignment_refusal(task, data.agent_id) or disposition_refusal(domain, data.disposition)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    if task.state == "wrapup":  # which is what the agent wants
        return Outcome()
    if data.as_helper and task.transfer is None:
        return Outcome(refusal=refusal_of("role_changed", 409, "The agent has become the owner meanwhile."))
    if task.transfer is not None:
        end(turn, domain, task, "cancelled", "by_consultant")
        return Outcome()
    after = heir(turn, domain, task, "owner_ended")
    if after is not None:
        start_wrapup(
            turn, domain, task, "agent_ended", then="keep_open", seen_number=None, handed_over_to=after.task_id
        )
        return Outcome(waiting=[after])
    start_wrapup(
        turn,
        domain,
        task,
        "agent_ended",
        then=data.then,
        seen_number=data.seen_number,
        disposition=data.disposition,
    )
    return Outcome()


def _complete(turn: Turn, domain: DomainState, data: CompleteTask) -> Outcome:
    task = domain.assignments.get(data.assignment_id)
    refusal = assignment_refusal(task, data.agent_id) or disposition_refusal(domain, data.disposition)
    if task is None or refusal is not None:
        return Outcome(refusal=refusal)
    if task.transfer is not None:
        end(turn, domain, task, "cancelled", "by_consultant", disposition=data.disposition)
        return Outcome()
    after = heir(turn, domain, task, "owner_ended")
    if after is not None:
        hand_out(turn, domain, task, after.task_id, "transferred", disposition=data.disposition)
        return Outcome(waiting=[after], free=domain.agents.get(data.agent_id))
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
    CancelCallback: cancel_callback,
    **OF_TRANSFERS,
    **SHIFTS,
    **SUPERVISORS,
}


def _offer_refusal(task: Task | None, data: AcceptOffer | RejectOffer) -> Refusal | None:
    if task is None:
        return refusal_of("offer_gone", 409, "The offer has been answered, has expired or was taken back.")
    if task.offer_of(data.offer_id).agent_id != data.agent_id:
        return refusal_of("offer_of_another", 403, "The offer was made to another agent.")
    return None
