"""What happens in interactions: they start, ask for attention, fall silent, end."""

from contracts.interactions import (
    ActivityChanged,
    AttentionRequested,
    InteractionEnded,
    InteractionStarted,
    InteractionUpdated,
)
from contracts.tasks import TaskAbandoned

from router.domain.activity import activity_changed
from router.domain.admission import classify_again, queue_or_park, resume
from router.domain.classifying import contact_of, contact_of_kept, contact_of_parked, kept, updated
from router.domain.inputs import FactsInput, InteractionInput
from router.domain.internal import AttentionJoined, FactsKnown, InteractionClosed, InteractionParked
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import rescind, start_wrapup
from router.domain.transfers import end
from router.domain.turn import Turn


def interaction(turn: Turn, given: InteractionInput) -> None:
    """An event of topic `interactions`. A repeated one changes nothing."""
    domain = turn.state.find(given.tenant_id, given.data.domain)
    match given.data:
        case InteractionStarted():
            _started(turn, domain, given.data)
        case InteractionUpdated():
            _updated(turn, domain, given.data)
        case AttentionRequested():
            _attention_requested(turn, domain, given.data)
        case InteractionEnded():
            _ended(turn, domain, given.data)
        case ActivityChanged():
            activity_changed(turn, domain, given.data)


def _started(turn: Turn, domain: DomainState, data: InteractionStarted) -> None:
    if data.interaction_id in domain.interactions:
        return
    wanted = InteractionParked(
        interaction_id=data.interaction_id,
        domain=data.domain,
        client=data.client,
        channel=data.channel,
        address=data.address,
        queue_hint=data.queue_hint,
        request_id=None,
        asked_at_ms=min(data.started_at_ms, turn.now_ms),
        language=data.language,
        attributes=data.attributes,
        callback_possible=data.callback_possible,
    )
    queue_or_park(turn, domain, wanted, contact_of(domain, data, wanted.asked_at_ms))


def customer_facts(turn: Turn, given: FactsInput) -> None:
    """The newest facts are kept while a queue may want them; a task that nobody was offered yet is looked at again."""
    domain = turn.state.find(given.tenant_id, given.data.domain)
    known = domain.interactions.get(given.data.interaction_id)
    if not domain.wants_facts or (known is not None and (known.closed or known.facts == given.data)):
        return
    turn.emit(domain, FactsKnown(interaction_id=given.data.interaction_id, domain=domain.domain, facts=given.data))
    task = _undecided(domain, given.data.interaction_id)
    if task is not None and task.contact is not None:
        classify_again(turn, domain, task, contact_of_kept(task.contact))


def _updated(turn: Turn, domain: DomainState, data: InteractionUpdated) -> None:
    """More of the contact is known: it counts while the task waits for what is known of its customer."""
    task = _undecided(domain, data.interaction_id)
    if task is None or task.contact is None:
        return
    before = contact_of_kept(task.contact)
    contact = updated(before, data)
    if contact != before:
        turn.emit(domain, kept(domain, task.task_id, contact))
        if task.deferred_for is None:
            classify_again(turn, domain, task, contact)


def _undecided(domain: DomainState, interaction_id: str) -> Task | None:
    """The interaction's task while it waits."""
    known = domain.interactions.get(interaction_id)
    task = domain.tasks.get(known.task_id) if known is not None and known.task_id is not None else None
    return task if task is not None and task.state == "waiting" else None


def _attention_requested(turn: Turn, domain: DomainState, data: AttentionRequested) -> None:
    known = domain.interactions.get(data.interaction_id)
    if data.request_id in domain.requests or (known is not None and known.closed):
        return
    if known is not None and (known.task_id is not None or data.interaction_id in domain.parked):
        joined = AttentionJoined(
            request_id=data.request_id, interaction_id=data.interaction_id, domain=data.domain, task_id=known.task_id
        )
        turn.emit(domain, joined)
        task = domain.tasks.get(known.task_id) if known.task_id is not None else None
        if task is not None and task.deferred_for == "parked":
            resume(turn, domain, task, "customer_returned")
        return
    wanted = InteractionParked(
        interaction_id=data.interaction_id,
        domain=data.domain,
        client=data.client,
        channel=data.channel,
        address=data.address,
        queue_hint=data.queue_hint,
        request_id=data.request_id,
        asked_at_ms=min(data.requested_at_ms, turn.now_ms),
    )
    queue_or_park(turn, domain, wanted, contact_of_parked(wanted))


def _ended(turn: Turn, domain: DomainState, data: InteractionEnded) -> None:
    known = domain.interactions.get(data.interaction_id)
    task = domain.tasks.get(known.task_id) if known is not None and known.task_id is not None else None
    if known is not None and known.closed and (task is None or not _called_back(task, data)):
        return
    if task is not None and task.state == "assigned":
        if task.task_id in domain.transfers:
            end(turn, domain, domain.transfers[task.task_id], "cancelled", "interaction_ended")
        start_wrapup(turn, domain, task, "interaction_ended", then="close", seen_number=None)
        return
    if task is None or task.kind != "contact":  # whoever is to be called does not wait on the line
        closed = InteractionClosed(interaction_id=data.interaction_id, domain=data.domain, closed_at_ms=turn.now_ms)
        turn.emit(domain, closed)
        if task is not None and task.deferred_for == "parked" and task.deferred_until_ms is None:
            resume(turn, domain, task, "interaction_ended")  # nobody will write into it any more
        return
    for agent_id in sorted(task.offers):
        rescind(turn, domain, task, agent_id, "interaction_ended")
        turn.freed.append((domain.key, agent_id))
    _abandon(turn, domain, task, data)


def _called_back(task: Task, data: InteractionEnded) -> bool:
    """The interaction has ended once, when the customer hung up to be called, and now the call has ended too."""
    return task.assigned is not None and task.state == "assigned" and data.ended_at_ms >= task.assigned.assigned_at_ms


def _abandon(turn: Turn, domain: DomainState, task: Task, data: InteractionEnded) -> None:
    line = domain.queues[task.queue]
    abandoned = TaskAbandoned(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        reason=data.reason,
        abandoned_at_ms=turn.now_ms,
        waited_ms=max(0, turn.now_ms - task.queued_at_ms),
        answer_within_ms=line.answer_within_ms,
        short_abandon_ms=line.settings.short_abandon_seconds * 1000,
    )
    turn.emit(domain, abandoned)
