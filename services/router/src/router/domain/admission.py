"""How a task gets into a queue, and out of one that gives it up."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from contracts.routing_parts import Destination
from contracts.tasks import DeferredFor, Origin, TaskDeferred, TaskKind, TaskRerouted, TaskResumed

from router.domain.classifying import Contact, kept, route
from router.domain.enqueueing import Wanted, enqueue
from router.domain.internal import InteractionParked, TaskLookedAt
from router.domain.match import place
from router.domain.plans import (
    Times,
    Waits,
    as_it_waits,
    asked_by,
    due,
    is_planned,
    on_entry,
    planned_from,
    returned,
    returns_to_one,
    times_of,
)
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.transfers import transfer_out
from router.domain.turn import Turn

MOVES_MAX: Final = 8
"""A task that changed its queue so often stays where it is: queues that overflow into one another end here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is known of a task beside its terms."""

    labels: tuple[str, ...]
    language: str | None
    last_agent_id: str | None
    kind: TaskKind
    transfer: Origin | None = None
    """Whom the open transfer asks, of a task that stands for one."""
    message: str | None = None
    """What the customer is told of the change."""


def marks_of(task: Task) -> Marks:
    """As they stand."""
    return Marks(
        labels=task.labels,
        language=task.language,
        last_agent_id=task.last_agent_id,
        kind=task.kind,
        transfer=task.transfer,
    )


def queue_or_park(turn: Turn, domain: DomainState, wanted: InteractionParked, contact: Contact) -> None:
    """A new task for the interaction, or a place among those that wait for configuration."""
    known = domain.interactions.get(wanted.interaction_id)
    facts = known.facts if known is not None else domain.early_facts.get(wanted.interaction_id)
    routed = route(domain, contact, facts)
    if routed is None:
        turn.emit(domain, wanted)
        return
    waits_for_facts = routed.facts_wait_ms > 0
    task = Wanted(
        interaction_id=wanted.interaction_id,
        client=wanted.client,
        channel=wanted.channel,
        asked_at_ms=wanted.asked_at_ms,
        asked=routed.asked,
        direction=routed.line.settings.direction,
        request_id=wanted.request_id,
        labels=routed.labels,
        language=routed.language,
        last_agent_id=routed.last_agent_id,
        callback_possible=_callback_possible(domain, wanted),
        deferred_for="customer_facts" if waits_for_facts else None,
        deferred_until_ms=turn.now_ms + routed.facts_wait_ms if waits_for_facts else None,
    )
    admitted = admit(turn, domain, routed.line, task)
    if waits_for_facts:
        turn.emit(domain, kept(domain, admitted.task_id, contact))


def _callback_possible(domain: DomainState, wanted: InteractionParked) -> bool:
    if wanted.callback_possible is not None:
        return wanted.callback_possible
    registered = domain.addresses.get(wanted.address)
    return registered is not None and registered.callbacks


def classify_again(turn: Turn, domain: DomainState, task: Task, contact: Contact) -> None:
    """More is known of the contact of a waiting task: what the rules say now holds; nobody has been offered it yet."""
    known = domain.interactions.get(task.interaction_id)
    routed = route(domain, contact, None if known is None else known.facts)
    if routed is None:
        return
    marked = replace(marks_of(task), labels=routed.labels, language=routed.language, last_agent_id=routed.last_agent_id)
    full = task.deferred_for == "customer_facts" and routed.line.is_full
    if task.deferred_for == "customer_facts":
        turn.emit(domain, _resumed(turn, domain, task, "facts_known"))
    if routed.line.queue == task.queue:
        times = replace(times_of(task), last_agent_id=routed.last_agent_id)
        waits = on_entry(domain, routed.line, routed.asked, times, turn.now_ms)
        if task.deferred_for is not None:  # the plan begins when it waits again
            terms = planned_from(domain, routed.line, routed.asked.terms, task.entered_at_ms)
            waits = replace(routed.asked, terms=terms)
        reroute(turn, domain, task, waits, "classified", marks=marked)
        _look_for(turn, domain, task, routed.line, waits, full=full)
    else:
        enter(turn, domain, task, routed.line, "classified", asked=routed.asked, marks=marked)


def admit(turn: Turn, domain: DomainState, line: QueueLine, wanted: Wanted) -> Task:
    """A new task in the queue, which may be closed or full; offered at once to whoever is free."""
    stays = line.closed_to is None or wanted.kind != "contact"
    if wanted.deferred_for is None and stays and not domain.open_at(line, turn.now_ms):
        opens_at_ms = domain.opens_at_ms(line, turn.now_ms)
        wanted = replace(wanted, deferred_for="closed", deferred_until_ms=opens_at_ms)
    if wanted.deferred_for is not None:
        terms = planned_from(domain, line, wanted.asked.terms, wanted.asked_at_ms)
        return enqueue(turn, domain, line, wanted, replace(wanted.asked, terms=terms))
    times = Times(
        since_ms=wanted.asked_at_ms,
        entered_at_ms=wanted.asked_at_ms,
        last_agent_id=wanted.last_agent_id,
        owned=wanted.asked.terms.agents_until_ms is not None,
    )
    waits = on_entry(domain, line, wanted.asked, times, turn.now_ms)
    full = line.is_full
    task = enqueue(turn, domain, line, wanted, waits)
    _look_for(turn, domain, task, line, waits, full=full)
    return task


def _look_for(
    turn: Turn, domain: DomainState, task: Task, line: QueueLine, waits: Waits, *, full: bool = False
) -> None:
    """An agent for a task that has just come into the queue, unless it is closed or full, or gives it up at once."""
    if task.deferred_for is not None:
        return
    if not domain.open_at(line, turn.now_ms):
        close_out(turn, domain, task, line)
    elif full and line.settings.full is not None and task.kind == "contact":
        give_up(turn, domain, task, line.settings.full, "full")
    elif waits.overflow is not None:
        give_up(turn, domain, task, waits.overflow, "overflowed")
    else:
        place(turn, domain, task)


def close_out(turn: Turn, domain: DomainState, task: Task, line: QueueLine) -> None:
    """The queue is closed: the waiting task goes where it says, or waits for the opening."""
    if line.closed_to is not None and task.kind == "contact":
        give_up(turn, domain, task, line.closed_to, "closed")
    else:
        defer_until_open(turn, domain, task)


def go_on(turn: Turn, domain: DomainState, tasks: Iterable[Task]) -> None:
    """Tasks that wait, maybe again: first what is due of their plans, then an agent, in the line's order."""
    placed = catch_up(turn, domain, sorted(tasks, key=lambda each: each.place))
    for task in sorted(placed, key=lambda each: each.place):
        place(turn, domain, task)


def catch_up(turn: Turn, domain: DomainState, tasks: Iterable[Task]) -> list[Task]:
    """What is due of their plans, one after the other; those that want an agent now."""
    turn.placed_later = placed = list[Task]()  # also who enters another queue, where some of the others may be before
    placed.extend(task for task in tasks if _catches_up(turn, domain, task))
    turn.placed_later = None
    return placed


def _catches_up(turn: Turn, domain: DomainState, task: Task) -> bool:
    """The waiting task is on the terms that hold by now; false: its queue has given it up."""
    if task.state != "waiting" or task.deferred_for is not None:
        return True
    line = domain.queues[task.queue]
    if line.overridden_closed and task.transfer is None:  # closed while an agent had it: as for who comes now
        close_out(turn, domain, task, line)
        return False
    waits = due(domain, task, turn.now_ms)
    if waits.overflow is not None:
        give_up(turn, domain, task, waits.overflow, "overflowed", waits)
        return False
    reason = _reason(line, task, waits)
    if reason is not None:
        by = line.override.by if reason == "prioritised" and line.override is not None else None
        reroute(turn, domain, task, waits, reason, by=by)
    elif task.era != line.era:
        turn.emit(domain, TaskLookedAt(task_id=task.task_id, domain=domain.domain))
    return True


def _reason(line: QueueLine, task: Task, waits: Waits) -> str | None:
    """Why the task is rerouted, if at all."""
    before = as_it_waits(task)
    if waits.terms.longest_wait and not task.terms.longest_wait:
        return "longest_wait"
    if replace(waits, terms=replace(waits.terms, next_step_at_ms=task.terms.next_step_at_ms)) != before:
        return "relaxed"
    if task.priority != line.effective(waits.priority, fixed=waits.priority_fixed):
        return "prioritised"
    return None if waits == before else "retimed"


def give_up(
    turn: Turn, domain: DomainState, task: Task, destination: Destination, reason: str, waits: Waits | None = None
) -> None:
    """The queue gives the waiting task up: to another queue, to its callbacks, or out of the router.

    It waits on where none can be. Who cannot be called back hears last words instead.
    """
    if destination.to == "callback" and task.kind == "contact" and task.transfer is None:
        if task.callback_possible:
            call_back(turn, domain, task, waits or as_it_waits(task), message=destination.message)
            _wait_on(turn, domain, task, reason)
        else:
            transfer_out(turn, domain, task, "message", reason, message=destination.otherwise)
        return
    if destination.to != "queue" and task.kind == "contact":
        transfer_out(turn, domain, task, destination.to, reason, message=destination.message)
        return
    line = _next_line(domain, task, destination)
    if line is not None:
        enter(turn, domain, task, line, reason)
        return
    reroute(turn, domain, task, waits or as_it_waits(task), "overflow_failed")
    _wait_on(turn, domain, task, reason)


def call_back(turn: Turn, domain: DomainState, task: Task, waits: Waits, *, message: str | None = None) -> None:
    """The waiting task keeps its place as a callback; the end of the interaction does not end it any more."""
    marks = replace(marks_of(task), kind="callback", message=message)
    reroute(turn, domain, task, waits, "callback", marks=marks)


def _wait_on(turn: Turn, domain: DomainState, task: Task, reason: str) -> None:
    if reason == "closed":
        defer_until_open(turn, domain, task)
    else:
        place(turn, domain, task)


def can_give_up(domain: DomainState, task: Task, destination: Destination) -> bool:
    """Not if there is no such queue, after too many moves, or with nobody there to hear a message."""
    return (destination.to != "queue" and task.kind == "contact") or _next_line(domain, task, destination) is not None


def _next_line(domain: DomainState, task: Task, destination: Destination) -> QueueLine | None:
    line = domain.line(destination.queue)
    return line if line is not None and line.queue != task.queue and task.moves < MOVES_MAX else None


def enter(  # what a supervisor or a rule may choose stands beside what any overflow needs
    turn: Turn,
    domain: DomainState,
    task: Task,
    line: QueueLine,
    reason: str,
    *,
    asked: Waits | None = None,
    marks: Marks | None = None,
    by: str | None = None,
) -> None:
    """The waiting task changes its queue, with its waiting time; the new one may be closed or full as for anybody.

    An open transfer asks the new queue from now on, unless `marks` say whom.
    """
    if marks is None:
        asks = None if task.transfer is None else replace(task.transfer, target="queue", to_agent_id=None)
        marks = replace(marks_of(task), transfer=asks)
    if task.deferred_for == "closed":  # the other queue may be open
        turn.emit(domain, _resumed(turn, domain, task, "facts_known" if by is None else "by_supervisor"))
    full = line.is_full
    times = Times(
        since_ms=task.since_ms,
        entered_at_ms=turn.now_ms,
        last_agent_id=marks.last_agent_id,
        planned=is_planned(marks.transfer),
        given=asked is not None and asked.terms.agents_until_ms is not None,
    )
    waits = on_entry(domain, line, asked or asked_by(line), times, turn.now_ms)
    if task.terms.longest_wait:
        waits = replace(waits, terms=replace(waits.terms, longest_wait=True))
    reroute(turn, domain, task, waits, reason, line=line, marks=marks, by=by)
    _look_for(turn, domain, task, line, waits, full=full)


def reroute(
    turn: Turn,
    domain: DomainState,
    task: Task,
    waits: Waits,
    reason: str,
    *,
    line: QueueLine | None = None,
    marks: Marks | None = None,
    by: str | None = None,
) -> None:
    """The waiting task goes on waiting on other terms, in another queue if one is given."""
    marked = marks or marks_of(task)
    into = domain.queues[task.queue] if line is None else line
    rerouted = TaskRerouted(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=into.queue,
        from_queue=task.queue,
        reason=reason,
        priority=into.effective(waits.priority, fixed=waits.priority_fixed),
        base_priority=waits.priority if into.boost and not waits.priority_fixed else None,
        priority_fixed=waits.priority_fixed,
        requirements=waits.requirements,
        terms=waits.terms,
        rerouted_at_ms=turn.now_ms,
        entered_at_ms=task.entered_at_ms if line is None else turn.now_ms,
        kind=marked.kind,
        labels=marked.labels,
        language=marked.language,
        last_agent_id=marked.last_agent_id,
        by=by,
        transfer=marked.transfer,
        message=marked.message,
    )
    turn.emit(domain, rerouted)


def resume(turn: Turn, domain: DomainState, task: Task, reason: str) -> None:
    """The deferred task waits for an agent again; if its queue is closed just now, for the opening first.

    A parked one goes on all the same, first for who parked it.
    """
    if task.deferred_for == "parked":
        turn.emit(domain, _resumed(turn, domain, task, reason))
        _come_back(turn, domain, task)
        return
    line = domain.queues[task.queue]
    is_open = domain.open_at(line, turn.now_ms)
    if not is_open and task.deferred_for != "customer_facts":
        defer_until_open(turn, domain, task)
        return
    full = task.deferred_for == "customer_facts" and line.is_full
    turn.emit(domain, _resumed(turn, domain, task, reason))
    if not is_open:
        close_out(turn, domain, task, line)
    elif full and line.settings.full is not None and task.kind == "contact":
        give_up(turn, domain, task, line.settings.full, "full")
    else:
        go_on(turn, domain, [task])


def defer_until_open(turn: Turn, domain: DomainState, task: Task) -> None:
    """The waiting task is offered to nobody before its queue opens."""
    defer(turn, domain, task, "closed", domain.opens_at_ms(domain.queues[task.queue], turn.now_ms))


def defer(turn: Turn, domain: DomainState, task: Task, reason: DeferredFor, until_ms: int | None) -> None:
    """The waiting task is offered to nobody until then, or until something happens."""
    deferred = TaskDeferred(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        reason=reason,
        until_ms=until_ms,
        deferred_at_ms=turn.now_ms,
    )
    turn.emit(domain, deferred)


def _resumed(turn: Turn, domain: DomainState, task: Task, reason: str) -> TaskResumed:
    """Of who waited for a time or an opening the plan counts from now."""
    return TaskResumed(
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        reason=reason,
        resumed_at_ms=turn.now_ms,
        entered_at_ms=turn.now_ms if task.deferred_for in {"scheduled", "parked", "closed"} else None,
    )


def _come_back(turn: Turn, domain: DomainState, task: Task) -> None:
    """The steps of the plan count anew; first one agent is asked alone, closed or not (see `returned`)."""
    waits = returned(domain, task, as_it_waits(task), times_of(task), turn.now_ms)
    alone = returns_to_one(task, waits)
    reroute(turn, domain, task, waits, "returned")
    if alone:
        place(turn, domain, task)
    else:
        _look_for(turn, domain, task, domain.queues[task.queue], waits)
