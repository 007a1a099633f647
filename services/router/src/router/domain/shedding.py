"""Taking from an agent what cannot stay with them, in bounded steps."""

from collections.abc import Iterator
from typing import Final

from router.domain.admission import catch_up
from router.domain.agent import Agent, Shed
from router.domain.handovers import heir
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import complete, hand_out, requeue, rescind
from router.domain.transfers import end
from router.domain.turn import Turn

SHED_OFFERS_MAX: Final = 16
"""A step is over once what it took may be offered to so many agents: that fits a batch, unless fields are very long."""


def shed(turn: Turn, domain: DomainState, agent: Agent) -> list[Task]:
    """Take from the agent what `Agent.shed` says, a bounded number at once; the tasks that wait again, on their terms.

    What is left, and all of it in a full batch, is for the continuation timer that stands while `Agent.shed` does.
    """
    reason = agent.shed
    if reason is None or turn.full:
        return []
    waiting = catch_up(turn, domain, _taken(turn, domain, agent, reason))
    turn.freed.append((domain.key, agent.agent_id))  # who is ready again already takes the first in line, not these
    return waiting


def _taken(turn: Turn, domain: DomainState, agent: Agent, reason: Shed) -> Iterator[Task]:
    """One at a time, the first in line first: what its queue makes of one may fill the batch before the next."""
    to_shed = sorted(agent.to_shed(domain.settings.keep_on_agent_loss), key=lambda each: each.place)
    offers = 0
    for task in to_shed:
        if turn.full or offers >= SHED_OFFERS_MAX:
            break
        offers += task.parallel_offers
        if task.state == "wrapup":
            complete(turn, domain, task, "agent_removed")
        elif task.state == "offered":
            rescind(turn, domain, task, agent.agent_id, reason)
            yield task
        elif task.transfer is not None:
            end(turn, domain, task, "failed", reason)
        else:
            yield _give_back(turn, domain, task, removed=reason == "agent_removed")


def _give_back(turn: Turn, domain: DomainState, task: Task, *, removed: bool) -> Task:
    """The task waits again, unless a transfer's task takes its place; the one that goes on."""
    after = heir(turn, domain, task, "owner_lost")
    if after is None:
        requeue(turn, domain, task, "agent_removed" if removed else "agent_lost")
        return task
    hand_out(turn, domain, task, after.task_id, "transferred")
    return after
