"""The naive oracle of matching: scans over every agent and every task."""

from router.domain.agent import Agent
from router.domain.state import DomainState
from router.domain.task import Task


def best_agent(domain: DomainState, task: Task) -> str | None:
    """By scanning all agents."""
    eligible = [agent for agent in domain.agents.values() if exclusion(agent, task) is None]
    return min(eligible, key=_rank).agent_id if eligible else None


def best_task(domain: DomainState, agent: Agent) -> str | None:
    """By scanning all tasks."""
    mine = [task for task in domain.tasks.values() if task.state == "waiting" and exclusion(agent, task) is None]
    return min(mine, key=_place).task_id if mine else None


def exclusion(agent: Agent, task: Task) -> str | None:  # one line a reason
    """The first reason why the agent cannot be offered the task."""
    if any(agent.skills.get(required.skill, 0) < required.minimum for required in task.requirements):
        return "lacks_skill"
    if agent.state != "ready":
        return "not_ready"
    if agent.presence != "present":
        return "not_present"
    if agent.shed is not None or agent.matching_deferred:
        return "not_ready"
    if agent.held + task.cost > agent.capacity:
        return "at_capacity"
    return "refused_before" if agent.agent_id in task.refused_by else None


def census(domain: DomainState, task: Task) -> tuple[int, int, dict[str, int]]:
    """Agents, eligible ones, and the others by reason."""
    excluded: dict[str, int] = {}
    for agent in domain.agents.values():
        reason = exclusion(agent, task)
        if reason is not None:
            excluded[reason] = excluded.get(reason, 0) + 1
    return len(domain.agents), len(domain.agents) - sum(excluded.values()), excluded


def _rank(agent: Agent) -> tuple[float, int, str]:
    """Least loaded, then longest idle; said again on purpose, so that the matching's own order is checked too."""
    return agent.held / agent.capacity, agent.idle_since_ms, agent.agent_id


def _place(task: Task) -> tuple[int, int, str]:
    return -task.priority, task.queued_at_ms, task.task_id
