"""The moves that several facts share: tasks change their state, agents take them and get rid of them; for `fold`."""

from contracts.tasks import TaskAssigned

from router.domain.agent import Agent, Shed
from router.domain.lanes import Lanes
from router.domain.queue import QueueLine
from router.domain.state import DomainState, State, steps_at_ms
from router.domain.task import Task, TaskState


def move(state: State, domain: DomainState, task: Task, to: TaskState) -> None:
    """Into another state of a live task."""
    line = domain.queues[task.queue]
    line.leaves(task)
    task.state = to
    line.enters(task)
    settle(domain, task)
    schedule_step(state, domain, task)
    if to == "waiting":
        sweep_if_stale(state, domain, task)


def sweep_if_stale(state: State, domain: DomainState, task: Task) -> None:
    """The task is back in line, and what concerns who waits there changed meanwhile: a sweep finds it."""
    line = domain.queues[task.queue]
    if task.era != line.era:
        start_sweep(state, domain, line)


def begin_era(state: State, domain: DomainState, line: QueueLine) -> None:
    """What concerns those who wait in the queue has changed."""
    line.era += 1
    if not line.empty:
        start_sweep(state, domain, line)


def start_sweep(state: State, domain: DomainState, line: QueueLine, at_ms: int = 0) -> None:
    """What an override or an opening means for those who wait is done in bounded steps."""
    line.opens_at_ms = None
    if line.sweeps_at_ms is None:
        line.sweeps_at_ms = at_ms
        state.schedule(at_ms, "sweep", domain.key, line.queue)


def look_for_opening(state: State, domain: DomainState, line: QueueLine, at_ms: int | None) -> None:
    """When to look whether the queue has opened."""
    line.opens_at_ms = at_ms
    if at_ms is not None:
        state.schedule(at_ms, "opening", domain.key, line.queue)


def settle(domain: DomainState, task: Task) -> None:
    """The lanes have the task if, and only if, it seeks an agent."""
    seeks = task.seeks
    if seeks == task.in_line:
        return
    task.in_line = seeks
    if seeks:
        domain.lanes.task_waits(task)
    else:
        domain.lanes.task_leaves(task)


def out_of_line(domain: DomainState, task: Task) -> None:
    """What follows changes how the task stands in line; `settle` puts it back."""
    if task.in_line:
        task.in_line = False
        domain.lanes.task_leaves(task)


def refuse(state: State, domain: DomainState, task: Task, agent_id: str, until_ms: int) -> None:
    """The task is not offered to the agent until then."""
    agent = domain.agents.get(agent_id)
    if agent is not None:
        task.refused_by[agent_id] = until_ms
        agent.refused[task.task_id] = task
        state.schedule(until_ms, "refusal", domain.key, task.task_id, agent_id)


def schedule_step(state: State, domain: DomainState, task: Task) -> None:
    """Set the timer of the task's next step, if one is to come."""
    at_ms = steps_at_ms(task)
    if at_ms is not None:
        state.schedule(at_ms, "step", domain.key, task.task_id)


def acted(domain: DomainState, task: Task) -> None:
    """The agent has done something for the task that they were to lose otherwise."""
    if task.respond_by_ms is not None and task.assigned is not None:
        task.respond_by_ms = None
        domain.agents[task.assigned.agent_id].unanswered = 0


def remove(domain: DomainState, task: Task) -> None:
    """The task has ended."""
    line = domain.queues[task.queue]
    line.leaves(task)
    if line.over:
        drop_queue(domain, line)
    out_of_line(domain, task)
    del domain.tasks[task.task_id]
    if task.transfer is not None:
        domain.transfers.pop(task.transfer.from_task_id, None)
    if task.request_id is not None:
        domain.requested.discard(task.request_id)
    for agent_id in task.refused_by:
        agent = domain.agents.get(agent_id)
        if agent is not None:
            agent.refused.pop(task.task_id, None)
    interaction = domain.interactions.get(task.interaction_id)
    if interaction is not None and interaction.task_id == task.task_id:
        interaction.task_id = None


def hold(domain: DomainState, agent: Agent, task: Task) -> None:
    """The agent's capacity is taken by the task."""
    agent.tasks[task.task_id] = task
    if task.counted:
        take_units(domain, agent, task, 1)


def release(domain: DomainState, agent: Agent, task: Task, *, free_since_ms: int | None = None) -> None:
    """The agent's capacity is free again; `free_since_ms` when they had worked on the task."""
    del agent.tasks[task.task_id]
    if task.counted:
        take_units(domain, agent, task, -1)
    resets = domain.settings.idle_reset_by
    if free_since_ms is not None and ("outbound" if task.direction == "outbound" else "assignment") in resets:
        agent.idle_since_ms = free_since_ms
    domain.lanes.agent_changed(agent)
    if agent.pending is not None and not agent.tasks:
        domain.settled.add(agent.agent_id)
    settle_shedding(domain, agent)


def take_units(domain: DomainState, agent: Agent, task: Task, sign: int) -> None:
    """The task's cost comes to (1) or goes from (-1) what the agent holds."""
    if task.interruptible:
        agent.held_interruptible += sign * task.cost
    else:
        agent.held += sign * task.cost
    if task.channel in agent.channels:
        agent.on_channel[task.channel] = agent.on_channel.get(task.channel, 0) + sign
    domain.gates.held(task.client, sign * task.cost)
    domain.lanes.agent_changed(agent)


def count_channels(agent: Agent) -> None:
    """Count anew what the agent has of each channel that has a maximum."""
    agent.on_channel = dict.fromkeys(agent.channels, 0)
    for task in agent.tasks.values():
        if task.counted and task.channel in agent.channels:
            agent.on_channel[task.channel] += 1


def take_back_offer(state: State, domain: DomainState, agent_id: str, offer_id: str) -> Task:
    """The offer ends without an assignment: the task takes its old place in line, unless others have it offered."""
    task = domain.offers.pop(offer_id)
    del task.offers[agent_id]
    release(domain, domain.agents[agent_id], task)
    if task.offers:
        settle(domain, task)
    else:
        task.step_is_due = False
        move(state, domain, task, "waiting")
    return task


def end_assignment(domain: DomainState, assignment_id: str) -> tuple[Task, TaskAssigned]:
    """Nobody owns the task any more."""
    task = domain.assignments.pop(assignment_id)
    assigned = task.assigned
    if assigned is None:
        raise AssertionError(f"task {task.task_id} has no assignment")
    return task, assigned


def start_shedding(state: State, domain: DomainState, agent: Agent, reason: Shed) -> None:
    """Tasks are to be taken from the agent, in bounded steps; a removed agent goes with the last one."""
    if agent.shed != "agent_removed":
        agent.shed = reason
        state.schedule(0, "shed", domain.key, agent.agent_id)
        domain.lanes.agent_changed(agent)
    note_leaver(state, domain, agent.agent_id)
    settle_shedding(domain, agent)


def note_leaver(state: State, domain: DomainState, agent_id: str) -> None:
    """The agent is not at work any more: what waits for them alone is looked at in bounded steps, from the first."""
    if not domain.lanes.names(agent_id):
        return
    if agent_id not in domain.leavers:
        domain.leavers.append(agent_id)
        state.schedule(0, "leavers", domain.key, "")
    elif domain.leavers[0] == agent_id:
        domain.leavers_behind = None


def settle_shedding(domain: DomainState, agent: Agent) -> None:
    """Shedding ends when nothing is left to take."""
    if agent.shed is None or next(agent.to_shed(domain.settings.keep_on_agent_loss), None) is not None:
        return
    if agent.shed == "agent_removed":
        for task in agent.refused.values():
            del task.refused_by[agent.agent_id]
        del domain.agents[agent.agent_id]
        domain.settled.discard(agent.agent_id)
        domain.lanes.agent_removed(agent)
    else:
        agent.shed = None
        domain.lanes.agent_changed(agent)


def drop_queue(domain: DomainState, line: QueueLine) -> None:
    """Of a removed queue nothing is left."""
    del domain.queues[line.queue]
    domain.alerting.discard(line.queue)


def note_alerts(domain: DomainState, line: QueueLine) -> None:
    """Whether the queue has alerts that are to be looked at, or were."""
    if line.watched or line.alerts:
        domain.alerting.add(line.queue)
    else:
        domain.alerting.discard(line.queue)


def refile(domain: DomainState) -> None:
    """Build the lanes anew, without what long gone tasks and agents left behind."""
    domain.lanes = Lanes(domain.gates)
    for task in domain.tasks.values():
        task.signature = -1
        if task.in_line:
            domain.lanes.task_waits(task)
    for agent in domain.agents.values():
        agent.profile = -1
        domain.lanes.agent_changed(agent)
