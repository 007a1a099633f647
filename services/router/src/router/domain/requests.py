"""Tasks that no customer asks for just now, and customers who want to be called back instead of waiting."""

from dataclasses import replace
from typing import Final

from contracts.commands import CancelCallback, RequestCallback, RequestTask
from contracts.tasks import DeferredFor

from router.domain.admission import admit, call_back, defer, go_on, resume
from router.domain.enqueueing import Wanted
from router.domain.inputs import RequestInput
from router.domain.match import withdraw
from router.domain.outcomes import Outcome, refused, tell_result
from router.domain.plans import Waits, as_it_waits, asked_by
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.transfers import transfer_out
from router.domain.turn import Turn

SCHEDULED: Final[DeferredFor] = "scheduled"


def request(turn: Turn, given: RequestInput) -> None:
    """A result as a command has it, with the request's id for the command's; a repeat makes nothing new."""
    data = given.data
    domain = turn.state.find(given.tenant_id, data.domain)
    first = domain.results.get(data.request_id)
    if first is not None:
        turn.emit(domain, first)
        return
    outcome = Outcome()
    if data.request_id not in domain.requests:
        outcome = _task(turn, domain, data) if isinstance(data, RequestTask) else _callback(turn, domain, data)
    tell_result(turn, domain, data.request_id, outcome)


def _task(turn: Turn, domain: DomainState, data: RequestTask) -> Outcome:
    line = domain.line(data.queue)
    if line is None or not domain.configured:
        return refused("unknown_queue", 404, "The configuration of this domain has no such queue.")
    known = domain.interactions.get(data.interaction_id)
    if known is not None and known.closed:
        return refused("interaction_ended", 409, "The interaction has ended: name a new one.")
    if data.interaction_id in domain.parked or (known is not None and known.task_id is not None):
        return refused("interaction_busy", 409, "The interaction has a live task already.")
    return Outcome(task_id=admit(turn, domain, line, _wanted(domain, line, data, turn.now_ms)).task_id)


def _wanted(domain: DomainState, line: QueueLine, data: RequestTask, now_ms: int) -> Wanted:
    """The wait counts from when it is due, but from no earlier instant than that of the request."""
    later = data.due_at_ms is not None and data.due_at_ms > now_ms
    since_ms = max(data.due_at_ms or 0, min(data.requested_at_ms, now_ms))
    return Wanted(
        interaction_id=data.interaction_id,
        client=data.client,
        channel=data.channel,
        asked_at_ms=since_ms,
        asked=_asked(domain, line, data, max(since_ms, now_ms)),
        kind=data.kind,
        direction="outbound" if data.kind == "dial" else line.settings.direction,
        request_id=data.request_id,
        labels=data.labels,
        language=data.language,
        deferred_for=SCHEDULED if later else None,
        deferred_until_ms=data.due_at_ms if later else None,
    )


def _asked(domain: DomainState, line: QueueLine, data: RequestTask, begins_at_ms: int) -> Waits:
    """An agent who is not configured owns nothing."""
    asked = asked_by(line, priority=data.priority, fixed=True)
    if data.agent_id is None or data.agent_id not in domain.agents or not data.agent_only_seconds:
        return asked
    until_ms = begins_at_ms + data.agent_only_seconds * 1000
    return replace(asked, terms=replace(asked.terms, agents=(data.agent_id,), agents_until_ms=until_ms))


def _callback(turn: Turn, domain: DomainState, data: RequestCallback) -> Outcome:
    """The waiting task keeps its place; the end of the interaction does not end it any more.

    One that is parked or scheduled is back in line, unless it is to be called at a time; a callback that is in line
    already, waits for the opening or has its agent stays as it is: the customer will be called, as was said.
    """
    task = _task_of(domain, data.interaction_id)
    if task is None:
        return refused("task_gone", 404, "The interaction has no waiting task.")
    put_by = task.deferred_for in {"parked", SCHEDULED}
    later = data.due_at_ms is not None and data.due_at_ms > turn.now_ms
    if task.assigned is not None and (later or task.kind != "callback"):
        return refused("task_assigned", 409, "An agent has the task already.")
    if task.kind == "callback" and not put_by and not later:
        return Outcome(task_id=task.task_id)
    withdraw(turn, domain, task, "rerouted")
    call_back(turn, domain, task, as_it_waits(task))
    if later:
        defer(turn, domain, task, SCHEDULED, data.due_at_ms)
    elif put_by:
        resume(turn, domain, task, "callback_requested")
    else:
        go_on(turn, domain, [task])
    return Outcome(task_id=task.task_id)


def cancel_callback(turn: Turn, domain: DomainState, data: CancelCallback) -> Outcome:
    """A callback ends that waits or is offered: kept place, scheduled, whoever asked for it."""
    task = _task_of(domain, data.interaction_id)
    if task is None or data.task_id not in (None, task.task_id):
        return refused("callback_gone", 404, "The interaction has no callback, or it has ended.")
    if task.kind != "callback":
        return refused("not_a_callback", 409, "The task of the interaction is no callback.")
    if task.assigned is not None:
        return refused("task_assigned", 409, "An agent has the callback already.")
    transfer_out(turn, domain, task, "finished", "callback_cancelled", by=data.by)
    return Outcome(task_id=task.task_id)


def _task_of(domain: DomainState, interaction_id: str) -> Task | None:
    known = domain.interactions.get(interaction_id)
    return domain.tasks.get(known.task_id) if known is not None and known.task_id is not None else None
