"""How facts about tasks change the state. For `fold` alone."""

from dataclasses import replace

from contracts import tasks

from router.domain.fold_transfers import schedule_transfer, transfer_opened
from router.domain.holding import (
    acted,
    drop_queue,
    end_assignment,
    look_for_opening,
    move,
    out_of_line,
    refuse,
    release,
    remove,
    schedule_step,
    settle,
    settle_shedding,
    sweep_if_stale,
)
from router.domain.internal import TaskLookedAt
from router.domain.plans import planned_from
from router.domain.queue import QueueLine
from router.domain.remembering import close_interaction, remember_interaction, remember_request
from router.domain.state import DomainState, State
from router.domain.task import PLAIN, Task, task_number_of


def task_queued(state: State, domain: DomainState, data: tasks.TaskQueued, now_ms: int) -> None:
    """A new task stands in line, unless it is deferred."""
    line = domain.queues[data.queue]
    settings = line.settings
    task = Task(
        task_id=data.task_id,
        interaction_id=data.interaction_id,
        client=data.client,
        channel=data.channel,
        queue=data.queue,
        priority=data.priority,
        base_priority=data.priority if data.base_priority is None else data.base_priority,
        priority_fixed=data.priority_fixed,
        cost=data.cost,
        requirements=data.requirements,
        queued_at_ms=data.queued_at_ms,
        offer_timeout_seconds=settings.offer_timeout_seconds,
        wrapup_seconds=settings.wrapup_seconds,
        order=domain.order_of(line, data.queued_at_ms, data.priority),
        entered_at_ms=data.queued_at_ms if data.entered_at_ms is None else data.entered_at_ms,
        kind=data.kind,
        direction=data.direction,
        terms=data.terms or PLAIN,
        labels=data.labels,
        language=data.language,
        last_agent_id=data.last_agent_id,
        callback_possible=data.callback_possible,
        interruptible=data.channel in domain.settings.interruptible,
        choice=settings.choose_agent,
        parallel_offers=settings.parallel_offers,
        auto_accept=settings.auto_accept,
        request_id=None if data.kind == "contact" else data.request_id,
        era=line.era,
        position=0 if data.transfer or data.deferred_for or data.position is None else data.position,
        expected_wait_ms=data.expected_wait_ms,
        deferred_for=data.deferred_for,
        deferred_until_ms=data.deferred_until_ms,
        deferred_at_ms=None if data.deferred_for is None else now_ms,
        transfer=data.transfer,
        opened_at_ms=0 if data.transfer is None else domain.tasks[data.transfer.from_task_id].opened_at_ms,
    )
    domain.tasks[task.task_id] = task
    line.enters(task)
    settle(domain, task)
    schedule_step(state, domain, task)
    _schedule_deferral(state, domain, task, line)
    if task.request_id is not None:
        domain.requested.add(task.request_id)
    domain.parked.pop(data.interaction_id, None)
    interaction = remember_interaction(domain, data.interaction_id, 0, now_ms)
    interaction.tasks_made = task_number_of(data.task_id)
    if data.transfer is None:
        interaction.task_id = data.task_id
    else:
        transfer_opened(state, domain, task, data.transfer)
    remember_request(domain, data.request_id, now_ms)


def task_rerouted(state: State, domain: DomainState, data: tasks.TaskRerouted, now_ms: int) -> None:
    """Other terms; in another queue what that one says of offers and wrap-up holds."""
    task = domain.tasks[data.task_id]
    out_of_line(domain, task)
    line = domain.queues[data.queue]
    if data.queue != task.queue:
        old = domain.queues[task.queue]
        old.leaves(task)
        if old.over:
            drop_queue(domain, old)
        task.queue = data.queue
        task.moves += 1
        task.position = 0
        _take_manner(task, line)
    else:
        line.leaves(task)
    if data.reason != "overflow_failed":
        task.era = line.era
    if _is_decided(task, data):
        task.contact = None
    task.given_at_ms = _given_at_ms(task, data)
    line.enters(task)
    task.kind = data.kind
    task.priority = data.priority
    task.base_priority = data.priority if data.base_priority is None else data.base_priority
    task.priority_fixed = data.priority_fixed
    task.requirements = data.requirements
    task.terms = data.terms
    task.order = domain.order_of(line, task.queued_at_ms, data.priority)
    task.entered_at_ms = data.entered_at_ms
    task.labels = data.labels
    task.language = data.language
    task.last_agent_id = data.last_agent_id
    task.transfer = data.transfer or task.transfer
    task.signature = -1
    settle(domain, task)
    schedule_step(state, domain, task)


def task_looked_at(_: State, domain: DomainState, data: TaskLookedAt, now_ms: int) -> None:
    """What has changed in its queue means nothing for it."""
    task = domain.tasks[data.task_id]
    line = domain.queues[task.queue]
    line.leaves(task)
    task.era = line.era
    line.enters(task)


def task_deferred(state: State, domain: DomainState, data: tasks.TaskDeferred, now_ms: int) -> None:
    """It keeps its place, but nobody is offered it."""
    task = domain.tasks[data.task_id]
    line = domain.queues[task.queue]
    line.leaves(task)
    if task.deferred_for != data.reason:
        task.deferred_at_ms = data.deferred_at_ms
    task.deferred_for = data.reason
    task.deferred_until_ms = data.until_ms
    task.position = 0
    line.enters(task)
    settle(domain, task)
    _schedule_deferral(state, domain, task, line)


def task_resumed(state: State, domain: DomainState, data: tasks.TaskResumed, now_ms: int) -> None:
    """Back in line; what was to come meanwhile comes now."""
    task = domain.tasks[data.task_id]
    line = domain.queues[task.queue]
    line.leaves(task)
    if data.entered_at_ms is not None:
        task.entered_at_ms = data.entered_at_ms
        task.terms = task.resumed_terms(data.entered_at_ms)
    if task.deferred_for == "closed":
        task.opened_at_ms = data.resumed_at_ms
    task.deferred_for = task.deferred_until_ms = None
    line.enters(task)
    settle(domain, task)
    schedule_step(state, domain, task)
    sweep_if_stale(state, domain, task)


def task_assigned(state: State, domain: DomainState, data: tasks.TaskAssigned, now_ms: int) -> None:
    """The offer has become an assignment; other live offers were withdrawn before."""
    task = domain.offers.pop(data.offer_id)
    task.decision = task.offers.pop(data.agent_id).decision
    task.assigned = data
    task.contact = None
    task.step_is_due = False
    task.role = data.role
    domain.assignments[data.assignment_id] = task
    move(state, domain, task, "assigned")
    settle_shedding(domain, domain.agents[data.agent_id])
    if task.given_at_ms is not None:  # who was to have it has it: should it come back, it is anybody's
        task.given_at_ms = None
        task.terms = replace(task.terms, agents=(), agents_until_ms=None)
    line = domain.queues[task.queue]
    if task.position and task.expected_wait_ms != 0:
        line.waited(data.waited_ms, task.position)
    task.position = 0
    task.respond_by_ms = data.respond_by_ms
    if data.respond_by_ms is None:
        domain.agents[data.agent_id].unanswered = 0
    else:  # to accept is not to answer
        state.schedule(data.respond_by_ms, "response", domain.key, data.assignment_id)


def task_requeued(state: State, domain: DomainState, data: tasks.TaskRequeued, now_ms: int) -> None:
    """The agent was lost; the task waits again with its original waiting time."""
    _back_in_line(state, domain, data.assignment_id, data.requeued_at_ms)


def task_unassigned(state: State, domain: DomainState, data: tasks.TaskUnassigned, now_ms: int) -> None:
    """As `task_requeued`, for another reason: the agent is not asked again for a while, or first when it returns."""
    task = domain.assignments[data.assignment_id]
    if data.reason == "parked":
        acted(domain, task)
    elif data.reason == "no_response":
        domain.agents[data.agent_id].unanswered += 1
    _back_in_line(state, domain, data.assignment_id, data.unassigned_at_ms)
    if data.reason in {"connect_failed", "no_response"}:
        until_ms = data.unassigned_at_ms + domain.settings.refused_backoff_seconds * 1000
        refuse(state, domain, task, data.agent_id, until_ms)
    elif data.reason == "parked":
        task.last_agent_id = data.agent_id


def wrapup_started(state: State, domain: DomainState, data: tasks.WrapupStarted, now_ms: int) -> None:
    """The conversation is over for the agent, and free for another task unless this one only made way."""
    task = domain.tasks[data.task_id]
    if data.reason == "agent_ended" and data.handed_over_to is None:  # else it may be another's doing
        acted(domain, task)
    task.respond_by_ms = None
    task.wrapup = data
    if task.held_since_ms is not None:  # who has gone is not on hold any more
        task.held_ms += max(0, data.started_at_ms - task.held_since_ms)
        task.held_since_ms = None
    move(state, domain, task, "wrapup")
    settle_shedding(domain, domain.agents[data.agent_id])
    state.schedule(data.ends_at_ms, "wrapup", domain.key, data.assignment_id)
    interaction = domain.interactions.get(data.interaction_id)
    if interaction is not None:
        interaction.task_id = data.handed_over_to if interaction.task_id == data.task_id else interaction.task_id
        if data.reason == "interaction_ended":
            interaction.closed, interaction.facts = True, None


def task_completed(_: State, domain: DomainState, data: tasks.TaskCompleted, now_ms: int) -> None:
    """Done."""
    if data.reason == "completed_by_agent":
        acted(domain, domain.tasks[data.task_id])
    task, _assigned = end_assignment(domain, data.assignment_id)
    remove(domain, task)
    release(domain, domain.agents[data.agent_id], task, free_since_ms=data.completed_at_ms)


def task_abandoned(_: State, domain: DomainState, data: tasks.TaskAbandoned, now_ms: int) -> None:
    """The customer is gone."""
    task = domain.tasks[data.task_id]
    remove(domain, task)
    close_interaction(domain, data.interaction_id, now_ms)


def task_transferred_out(_: State, domain: DomainState, data: tasks.TaskTransferredOut, now_ms: int) -> None:
    """Not the router's any more; its live offers were withdrawn before."""
    task = domain.tasks[data.task_id]
    if data.assignment_id is not None:
        end_assignment(domain, data.assignment_id)
    interaction = domain.interactions.get(data.interaction_id)
    takes_over = interaction is not None and interaction.task_id == task.task_id and data.to == "handed_over"
    remove(domain, task)
    if data.agent_id is not None:
        release(domain, domain.agents[data.agent_id], task, free_since_ms=data.transferred_at_ms)
    if interaction is not None and takes_over:
        interaction.task_id = data.to_task_id


def _back_in_line(state: State, domain: DomainState, assignment_id: str, at_ms: int) -> None:
    """Its queue's plan counts from now, or it would be given up for the time that an agent had it."""
    task, assigned = end_assignment(domain, assignment_id)
    release(domain, domain.agents[assigned.agent_id], task, free_since_ms=at_ms)
    task.entered_at_ms = at_ms
    task.terms = planned_from(domain, domain.queues[task.queue], task.terms, at_ms)
    task.assigned = task.decision = None
    task.counted = True
    task.connected = False
    task.respond_by_ms = None
    task.held_since_ms = None
    task.held_ms = 0
    move(state, domain, task, "waiting")
    schedule_transfer(state, domain, task)


def _is_decided(task: Task, data: tasks.TaskRerouted) -> bool:
    """Whether the task is where no rule shall fetch it back from: by a supervisor, or by a queue that gave it up."""
    if data.reason == "prioritised":  # an override changes neither of these
        return data.priority_fixed or data.terms.band != task.terms.band
    return data.reason in {"moved", "overflowed", "closed", "full"}


def _given_at_ms(task: Task, data: tasks.TaskRerouted) -> int | None:
    """By a supervisor's move, or by its return to who parked it; what else changes its terms leaves that as it is."""
    before, after = task.terms, data.terms
    if after.agents_until_ms is None:
        return None
    same = (after.agents, after.agents_until_ms) == (before.agents, before.agents_until_ms)
    return task.given_at_ms if same or data.reason not in {"moved", "returned"} else data.rerouted_at_ms


def _take_manner(task: Task, line: QueueLine) -> None:
    settings = line.settings
    task.offer_timeout_seconds = settings.offer_timeout_seconds
    task.wrapup_seconds = settings.wrapup_seconds
    task.choice = settings.choose_agent
    task.parallel_offers = settings.parallel_offers
    task.auto_accept = settings.auto_accept


def _schedule_deferral(state: State, domain: DomainState, task: Task, line: QueueLine) -> None:
    """Who waits for an opening has no timer of their own: the queue has one."""
    if task.deferred_for == "closed":
        if task.deferred_until_ms != line.opens_at_ms and line.sweeps_at_ms is None:
            look_for_opening(state, domain, line, task.deferred_until_ms)
    elif task.deferred_for is not None and task.deferred_until_ms is not None:
        state.schedule(task.deferred_until_ms, "deferral", domain.key, task.task_id)
