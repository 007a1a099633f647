"""A new task, as its queue takes it: whose it is, where it stands and how long it is told to wait."""

from dataclasses import dataclass

from contracts.fields import Direction
from contracts.tasks import DeferredFor, Origin, TaskKind, TaskQueued

from router.domain.plans import Waits
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.task import PLAIN, Task, task_id_of
from router.domain.turn import Turn


@dataclass(slots=True, kw_only=True)
class Wanted:
    """A task to be: whose, for what, and what is asked for in place of the queue's own."""

    interaction_id: str
    client: str
    channel: str
    asked_at_ms: int
    """The wait counts from here."""
    entered_at_ms: int | None = None
    """The steps of the plan count from here; none: as the wait."""
    asked: Waits
    kind: TaskKind = "contact"
    direction: Direction = "inbound"
    request_id: str | None = None
    labels: tuple[str, ...] = ()
    language: str | None = None
    last_agent_id: str | None = None
    callback_possible: bool = False
    transfer: Origin | None = None
    deferred_for: DeferredFor | None = None
    deferred_until_ms: int | None = None


def enqueue(turn: Turn, domain: DomainState, line: QueueLine, wanted: Wanted, waits: Waits) -> Task:
    """A new task in the queue, on these terms; not offered to anybody yet."""
    known = domain.interactions.get(wanted.interaction_id)
    # Of a forgotten interaction nobody knows how many tasks it had: count on from the time, so that no id comes twice.
    tasks_made = known.tasks_made if known else wanted.asked_at_ms if wanted.request_id else 0
    task_id = task_id_of(wanted.interaction_id, tasks_made + 1)
    position = line.waiting + 1
    queued = TaskQueued(
        task_id=task_id,
        interaction_id=wanted.interaction_id,
        domain=domain.domain,
        client=wanted.client,
        channel=wanted.channel,
        queue=line.queue,
        priority=line.effective(waits.priority, fixed=waits.priority_fixed),
        base_priority=waits.priority if line.boost and not waits.priority_fixed else None,
        priority_fixed=waits.priority_fixed,
        cost=domain.settings.costs.get(wanted.channel, 1),
        requirements=waits.requirements,
        queued_at_ms=wanted.asked_at_ms,
        request_id=wanted.request_id,
        entered_at_ms=wanted.entered_at_ms,
        kind=wanted.kind,
        direction=wanted.direction,
        terms=None if waits.terms is PLAIN else waits.terms,
        labels=wanted.labels,
        language=wanted.language,
        expected_wait_ms=_expected_wait_ms(domain, line, wanted, waits, position),
        position=position,
        deferred_for=wanted.deferred_for,
        deferred_until_ms=wanted.deferred_until_ms,
        transfer=wanted.transfer,
        last_agent_id=wanted.last_agent_id,
        callback_possible=wanted.callback_possible,
    )
    turn.emit(domain, queued)
    return domain.tasks[task_id]


def _expected_wait_ms(domain: DomainState, line: QueueLine, wanted: Wanted, waits: Waits, position: int) -> int | None:
    """None for who is deferred, zero while somebody is free who may have it."""
    if wanted.deferred_for is not None:
        return None
    if position == 1:
        signature = domain.lanes.signature_of(
            waits.requirements,
            waits.terms,
            client=wanted.client,
            direction=wanted.direction,
            choice=line.settings.choose_agent,
            load=(
                domain.settings.costs.get(wanted.channel, 1),
                wanted.channel,
                wanted.channel in domain.settings.interruptible,
            ),
        )
        owner = wanted.transfer.from_agent_id if wanted.transfer is not None else None
        if domain.lanes.somebody_is_free(signature, waits.terms.agents, but=owner):
            return 0
    return line.expected_wait_ms(position)
