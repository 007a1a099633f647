"""What happens in interactions: they start, ask for attention, end."""

from contracts.interactions import AttentionRequested, InteractionEnded, InteractionStarted
from contracts.tasks import TaskAbandoned

from router.domain.admission import queue_or_park
from router.domain.inputs import InteractionInput
from router.domain.internal import AttentionJoined, InteractionClosed, InteractionParked
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import rescind, start_wrapup
from router.domain.turn import Turn


def interaction(turn: Turn, given: InteractionInput) -> None:
    """An event of topic `interactions`. A repeated one changes nothing; an update changes nothing yet."""
    domain = turn.state.find(given.tenant_id, given.data.domain)
    match given.data:
        case InteractionStarted():
            _started(turn, domain, given.data)
        case AttentionRequested():
            _attention_requested(turn, domain, given.data)
        case InteractionEnded():
            _ended(turn, domain, given.data)


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
    )
    queue_or_park(turn, domain, wanted)


def _attention_requested(turn: Turn, domain: DomainState, data: AttentionRequested) -> None:
    known = domain.interactions.get(data.interaction_id)
    if data.request_id in domain.requests or (known is not None and known.closed):
        return
    if known is not None and (known.task_id is not None or data.interaction_id in domain.parked):
        joined = AttentionJoined(
            request_id=data.request_id, interaction_id=data.interaction_id, domain=data.domain, task_id=known.task_id
        )
        turn.emit(domain, joined)
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
    queue_or_park(turn, domain, wanted)


def _ended(turn: Turn, domain: DomainState, data: InteractionEnded) -> None:
    known = domain.interactions.get(data.interaction_id)
    if known is not None and known.closed:
        return
    if known is None or known.task_id is None:
        closed = InteractionClosed(interaction_id=data.interaction_id, domain=data.domain, closed_at_ms=turn.now_ms)
        turn.emit(domain, closed)
        return
    task = domain.tasks[known.task_id]
    if task.state == "assigned":
        start_wrapup(turn, domain, task, "interaction_ended", then="close", seen_number=None)
        return
    for agent_id in sorted(task.offers):
        rescind(turn, domain, task, agent_id, "interaction_ended")
        turn.freed.append((domain.key, agent_id))
    _abandon(turn, domain, task, data)


def _abandon(turn: Turn, domain: DomainState, task: Task, data: InteractionEnded) -> None:
    abandoned = TaskAbandoned(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        reason=data.reason,
        abandoned_at_ms=turn.now_ms,
        waited_ms=max(0, turn.now_ms - task.queued_at_ms),
    )
    turn.emit(domain, abandoned)
