"""The moves that several facts share: tasks change their state, agents take them and get rid of them; for `fold`."""

from router.domain.agent import Agent, Shed
from router.domain.lanes import Lanes
from router.domain.state import DomainState, State
from router.domain.task import Task, TaskState


def move(domain: DomainState, task: Task, state: TaskState) -> None:
    """Into another state of a live task."""
    line = domain.queues[task.queue]
    line.leaves(task)
    if task.state == "waiting":
        domain.lanes.task_leaves(task)
    task.state = state
    line.enters(task)
    if state == "waiting":
        domain.lanes.task_waits(task)


def remove(domain: DomainState, task: Task) -> None:
    """The task has ended."""
    line = domain.queues[task.queue]
    line.leaves(task)
    if line.removed and line.empty:
        del domain.queues[task.queue]
    if task.state == "waiting":
        domain.lanes.task_leaves(task)
    del domain.tasks[task.task_id]
    for agent_id in task.refused_by:
        agent = domain.agents.get(agent_id)
        if agent is not None:
            agent.refused.pop(task.task_id, None)
    interaction = domain.interactions.get(task.interaction_id)
    if interaction is not None and interaction.task_id == task.task_id:
        interaction.task_id = None


def hold(domain: DomainState, agent: Agent, task: Task) -> None:
    """The agent's capacity is taken by the task."""
    agent.held += task.cost
    agent.tasks[task.task_id] = task
    domain.lanes.agent_changed(agent)


def release(domain: DomainState, agent: Agent, task: Task, *, free_since_ms: int | None = None) -> None:
    """The agent's capacity is free again; `free_since_ms` when they had worked on the task."""
    agent.held -= task.cost
    del agent.tasks[task.task_id]
    if free_since_ms is not None:
        agent.idle_since_ms = free_since_ms
    domain.lanes.agent_changed(agent)
    settle_shedding(domain, agent)


def take_back_offer(domain: DomainState, agent_id: str, offer_id: str) -> Task:
    """The offer ends without an assignment: the task takes its old place in line."""
    task = domain.offers.pop(offer_id)
    task.offer = None
    release(domain, domain.agents[agent_id], task)
    move(domain, task, "waiting")
    return task


def start_shedding(state: State, domain: DomainState, agent: Agent, reason: Shed) -> None:
    """Tasks are to be taken from the agent, in bounded steps; a removed agent goes with the last one."""
    if agent.shed != "agent_removed":
        agent.shed = reason
        state.schedule(0, "shed", domain.key, agent.agent_id)
        domain.lanes.agent_changed(agent)
    settle_shedding(domain, agent)


def settle_shedding(domain: DomainState, agent: Agent) -> None:
    """Shedding ends when nothing is left to take."""
    if agent.shed is None or next(agent.to_shed(domain.settings.keep_on_agent_loss), None) is not None:
        return
    if agent.shed == "agent_removed":
        for task in agent.refused.values():
            del task.refused_by[agent.agent_id]
        del domain.agents[agent.agent_id]
        domain.lanes.agent_removed(agent)
    else:
        agent.shed = None
        domain.lanes.agent_changed(agent)


def refile(domain: DomainState) -> None:
    """Build the lanes anew, without what long gone tasks and agents left behind."""
    domain.lanes = Lanes()
    for task in domain.tasks.values():
        task.signature = -1
        if task.state == "waiting":
            domain.lanes.task_waits(task)
    for agent in domain.agents.values():
        agent.profile = -1
        domain.lanes.agent_changed(agent)
