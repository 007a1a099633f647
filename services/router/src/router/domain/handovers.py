"""What becomes of an open transfer when its owner goes, or the one agent whom it asks cannot come."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, Literal

from contracts.agents import AgentStateChanged, AgentStatePending
from contracts.offers import OfferExpired, OfferRejected, OfferRescinded
from contracts.tasks import TaskUnassigned

from router.domain.admission import reroute
from router.domain.facts import Fact
from router.domain.internal import ConfigurationRecordApplied, LeaverNoted
from router.domain.plans import Waits, as_it_waits, for_anybody, planned_from
from router.domain.state import DomainState
from router.domain.task import Task
from router.domain.transfers import accepted, end, origin_of, set_role, tell
from router.domain.turn import Turn

Departure = Literal["owner_lost", "owner_ended", "connect_failed", "no_response"]
ANSWERS: Final[dict[type, str]] = {
    OfferRejected: "rejected",
    OfferExpired: "unanswered",
    TaskUnassigned: "connect_failed",
}
ABOUT_AGENTS: Final = (*ANSWERS, OfferRescinded, AgentStateChanged, AgentStatePending)
"""Facts after which an agent may not come any more. Who is absent is not ready either."""


def heir(turn: Turn, domain: DomainState, first: Task, reason: Departure) -> Task | None:
    """The owner of the first task goes: the transfer's task that takes its place from now on, if it does.

    Who was asked to take the customer over does, accepted or not, and who talks with the customer already. A
    consultant, of whom the customer does not know, does only if the owner was lost; else the transfer is over. The
    caller ends the first task, then places the heir.
    """
    task = domain.transfers.get(first.task_id)
    if task is None:
        return None
    helps = task.state == "assigned" and (task.role == "participant" or reason != "owner_ended")
    if origin_of(task).kind == "consult" and not helps:
        end(turn, domain, task, "cancelled" if reason == "owner_ended" else "failed", reason)
        return None
    if task.state == "assigned":
        set_role(turn, domain, task, "owner")
    target = origin_of(task).target
    tell(turn, domain, task, "completed", reason)
    if task.state != "assigned" and target in {"agent", "skills"}:
        _widen(turn, domain, task, for_anybody(task, first) if target == "agent" else as_it_waits(task))
    return task


def _widen(turn: Turn, domain: DomainState, task: Task, waits: Waits) -> None:
    """Nobody stays with the customer: the queue's plan begins, and for one agent's task what is asked of anybody."""
    line = domain.queues[task.queue]
    waits = replace(waits, terms=planned_from(domain, line, waits.terms, turn.now_ms))
    reroute(turn, domain, task, waits, "owner_gone", line=line)


def follow_transfers(turn: Turn, domains: Iterable[DomainState]) -> None:
    """Accepted transfers move on; those fail whose only agent has just declined, or cannot be offered them any more."""
    handovers, turn.handovers = turn.handovers, []
    for key, task_id in handovers:
        domain = turn.state.domains[key]
        task = domain.tasks.get(task_id)
        if task is not None and task.transfer is not None and task.state == "assigned":
            accepted(turn, domain, task)
    news = range(turn.looked, len(turn.facts))
    turn.looked = len(turn.facts)
    for domain in domains:
        if domain.transfers:
            facts = [turn.facts[number] for number in news]
            _fail_unanswerable(turn, domain, facts)


def _fail_unanswerable(turn: Turn, domain: DomainState, facts: list[Fact]) -> None:
    doubtful = set(_agents_in(facts))
    if not doubtful:
        return
    answers = {
        fact.data.task_id: answer  # type: ignore[attr-defined]  # each of them has one
        for fact in facts
        if (answer := ANSWERS.get(type(fact.data))) is not None
    }
    left: set[str] = set()
    for task in sorted(domain.transfers.values(), key=lambda each: each.task_id):
        agent_id = origin_of(task).to_agent_id
        if task.state != "waiting" or agent_id not in doubtful:
            continue
        if agent_id in task.refused_by:
            end(turn, domain, task, "failed", answers.get(task.task_id, "rejected"))
        elif turn.full and not domain.available(agent_id):
            left.add(agent_id)
        else:
            fail_without_target(turn, domain, task)
    for agent_id in sorted(left):
        turn.emit(domain, LeaverNoted(agent_id=agent_id, domain=domain.domain))


def fail_without_target(turn: Turn, domain: DomainState, task: Task) -> bool:
    """The waiting task ends if it stands for a transfer to an agent who cannot come any more; whether it did."""
    agent_id = None if task.transfer is None else task.transfer.to_agent_id
    if agent_id is None or task.state != "waiting" or domain.available(agent_id):
        return False
    end(turn, domain, task, "failed", "target_gone")
    return True


def _agents_in(facts: list[Fact]) -> Iterator[str]:
    for fact in facts:
        data = fact.data
        if isinstance(data, ABOUT_AGENTS):
            yield data.agent_id  # type: ignore[attr-defined]  # each of them has one
        elif isinstance(data, ConfigurationRecordApplied) and data.record.kind == "agent":
            yield data.record.id.partition(":")[2]
