"""Whether a gateway could connect customer and agent, and assignments that come to nothing."""

from typing import Literal

from contracts.assignments import AssignmentConnected

from router.domain.admission import catch_up, go_on
from router.domain.handovers import heir
from router.domain.inputs import ServiceInput
from router.domain.match import serve
from router.domain.shedding import shed
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.tasks import assignment_of, back_off, hand_out, unanswered, unassign
from router.domain.transfers import end, tell
from router.domain.turn import Turn


def connection(turn: Turn, given: ServiceInput) -> None:
    """The gateway's report. A repeated one, and one about an assignment that has ended, changes nothing."""
    data = given.data
    domain = turn.state.find(given.tenant_id, data.domain)
    task = domain.assignments.get(data.assignment_id)
    if task is None or task.state != "assigned" or task.connected:
        return
    if data.failure is not None:
        take_back(turn, domain, task, "connect_failed")
        return
    connected = AssignmentConnected(
        assignment_id=data.assignment_id,
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        agent_id=assignment_of(task).agent_id,
        connected_at_ms=turn.now_ms,
    )
    turn.emit(domain, connected)


def take_back(turn: Turn, domain: DomainState, task: Task, reason: Literal["connect_failed", "no_response"]) -> None:
    """The task waits again, for others first; or the transfer's task that takes its place does."""
    agent = domain.agents[assignment_of(task).agent_id]
    after = heir(turn, domain, task, reason)
    if after is not None:
        hand_out(turn, domain, task, after.task_id, "transferred")
    else:
        after = task
        unassign(turn, domain, task, reason)
    waiting = []
    if reason == "no_response":
        unanswered(turn, domain, agent)
    else:
        back_off(turn, domain, agent, reason, domain.settings.agent_backoff.connect_failed_seconds)
    if after.transfer is not None and after.transfer.expires_at_ms <= turn.now_ms:
        end(turn, domain, after, "failed", "timed_out")
    else:
        if after.transfer is not None:
            tell(turn, domain, after, "requested", reason)
        waiting = catch_up(turn, domain, [after])
    go_on(turn, domain, [*waiting, *shed(turn, domain, agent)])
    if agent.agent_id in domain.agents:
        serve(turn, domain, agent)
