"""Taking from an agent what cannot stay with them, in bounded steps."""

from itertools import islice
from typing import Final

from router.domain.agent import Agent
from router.domain.handovers import heir
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import complete, hand_out, requeue, rescind
from router.domain.transfers import end
from router.domain.turn import Turn

SHED_STEP_MAX: Final = 64


def shed(turn: Turn, domain: DomainState, agent: Agent) -> list[Task]:
    """Take from the agent what `Agent.shed` says, a bounded number at once; the tasks that wait again.

    What is left, and all of it in a full batch, is for the continuation timer that stands while `Agent.shed` does.
    """
    reason = agent.shed
    if reason is None or turn.full:
        return []
    waiting: list[Task] = []
    for task in list(islice(agent.to_shed(domain.settings.keep_on_agent_loss), SHED_STEP_MAX)):
        if task.state == "wrapup":
            complete(turn, domain, task, "agent_removed")
        elif task.state == "offered":
            rescind(turn, domain, task, agent.agent_id, reason)
            waiting.append(task)
        elif task.transfer is not None:
            end(turn, domain, task, "failed", reason)
        else:
            waiting.append(_give_back(turn, domain, task, removed=reason == "agent_removed"))
    turn.freed.append((domain.key, agent.agent_id))  # who is ready again already takes the first in line, not these
    return waiting


def _give_back(turn: Turn, domain: DomainState, task: Task, *, removed: bool) -> Task:
    """The task waits again, unless a transfer's task takes its place; the one that goes on."""
    after = heir(turn, domain, task, "owner_lost")
    if after is None:
        requeue(turn, domain, task, "agent_removed" if removed else "agent_lost")
        return task
    hand_out(turn, domain, task, after.task_id, "transferred")
    return after
