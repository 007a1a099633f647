"""What a command came to, and how it is refused."""

from dataclasses import dataclass, field

from contracts.agents import CommandResult, Refusal

from router.domain.agent import Agent
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.turn import Turn


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a command did, and whom there is work for now."""

    refusal: Refusal | None = None
    assignment_id: str | None = None
    task_id: str | None = None
    waiting: list[Task] = field(default_factory=list)
    free: Agent | None = None


def tell_result(
    turn: Turn, domain: DomainState, command_id: str, outcome: Outcome, *, agent_id: str | None = None
) -> None:
    """Say what came of the command, or of the request with this id."""
    result = CommandResult(
        command_id=command_id,
        domain=domain.domain,
        agent_id=agent_id,
        outcome="done" if outcome.refusal is None else "refused",
        refusal=outcome.refusal,
        decided_at_ms=turn.now_ms,
        assignment_id=outcome.assignment_id,
        task_id=outcome.task_id,
    )
    turn.emit(domain, result)


def assignment_refusal(task: Task | None, agent_id: str) -> Refusal | None:
    """Unless the task is assigned to the agent, or in their wrap-up."""
    if task is None or task.assigned is None:
        return refusal_of("assignment_gone", 404, "There is no such assignment, or it has ended.")
    if task.assigned.agent_id != agent_id:
        return refusal_of("assignment_of_another", 403, "The assignment is another agent's.")
    return None


def disposition_refusal(domain: DomainState, disposition: str | None) -> Refusal | None:
    """Unless the disposition is configured; none will do, and any code where none are."""
    known = {each.id for each in domain.settings.dispositions}
    if not known or disposition is None or disposition in known:
        return None
    return refusal_of("unknown_disposition", 422, "The configuration of this domain has no such disposition.")


def refused(code: str, http_status: int, detail: str) -> Outcome:
    """The command did nothing."""
    return Outcome(refusal=refusal_of(code, http_status, detail))


def refusal_of(code: str, http_status: int, detail: str) -> Refusal:
    """Ready for problem+json."""
    return Refusal(code=code, detail=detail, http_status=http_status)


def known_agent(domain: DomainState, agent_id: str) -> Agent | None:
    """The agent, if they are configured; one who is being removed is not any more."""
    agent = domain.agents.get(agent_id)
    return None if agent is None or agent.shed == "agent_removed" else agent
