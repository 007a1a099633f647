"""Why a task is where it is, why an agent gets nothing, whether a target makes sense: questions to a domain's state.

Nothing here decides or changes anything, and nothing that decides may use it: it scans. A task costs some microseconds
for each agent of the domain and one for each task that waits in its queue, an agent ten for each task of the domain;
of more than `TASKS_MAX` tasks nobody counts all. Each question comes as a plain function and as work in pieces of about
a millisecond (`explaining_...`), whose answer is as of the first piece, but for what is counted later.
"""

from dataclasses import replace
from typing import Final

from contracts.tasks import Origin, TaskAssigned

from router.domain import explain_words as words
from router.domain.explain_answers import (
    LiveOffer,
    Owned,
    Refused,
    TargetExplained,
    TaskExplained,
    TransferExplained,
)
from router.domain.explain_census import Count, Explaining, at_once, claim_of, claim_of_queue, count
from router.domain.explain_timeline import back_at_ms, sentence, timeline, upcoming
from router.domain.queue import QueueLine
from router.domain.state import DomainState, transfer_fails_at_ms
from router.domain.task import LONGEST_WAIT_BAND, Task

TASKS_MAX: Final = 50_000
TASKS_CHUNK: Final = 1024
REFUSED_SHOWN_MAX: Final = 50
_DEFERRED: Final = {
    "customer_facts": "waits for what is known of the customer",
    "parked": "is parked",
    "scheduled": "is scheduled",
    "closed": "waits for its queue to open",
}


def explain_task(domain: DomainState, task_id: str, now_ms: int) -> TaskExplained | None:
    """Why the task is where it is; none for one that has ended or never was."""
    return at_once(explaining_task(domain, task_id, now_ms))


def explain_queue(
    domain: DomainState, queue: str, now_ms: int, *, channel: str | None = None, client: str | None = None
) -> TargetExplained | None:
    """Whether a task of this channel and client would find somebody in the queue; none for one that takes no tasks."""
    return at_once(explaining_queue(domain, queue, now_ms, channel=channel, client=client))


def explaining_task(domain: DomainState, task_id: str, now_ms: int) -> Explaining[TaskExplained | None]:
    """`explain_task` in pieces."""
    task = domain.tasks.get(task_id)
    if task is None:
        return None
    shown = _shown(domain, task, now_ms)
    if task.assigned is not None:
        return replace(
            shown,
            summary="; ".join([_owned_summary(task, task.assigned, now_ms), *_transfer_in_words(shown, now_ms)]),
            owner=_owned(task, task.assigned),
        )
    claim, moments, line = claim_of(task), timeline(domain, task, now_ms), domain.queues[task.queue]
    stands = task.state == "waiting" and task.deferred_for is None
    position = (yield from position_of(domain, task)) if stands else None
    found = yield from count(domain, claim)
    reasons = found.told(claim)
    parts = [
        *_ahead_in_words(shown, now_ms),
        *_transfer_in_words(shown, now_ms),
        _census_in_words(found, [reason.text for reason in reasons]),
        upcoming(moments, now_ms),
    ]
    return replace(
        shown,
        summary="; ".join(part for part in parts if part),
        position=position,
        expected_wait_ms=None if position is None else line.expected_wait_ms(position),
        agents=found.agents,
        eligible=found.eligible,
        reasons=reasons,
        asked=found.asked(claim),
        plan=sentence(moments),
        timeline=moments,
    )


def explaining_queue(
    domain: DomainState,
    queue: str,
    now_ms: int,
    *,
    channel: str | None = None,
    client: str | None = None,
    apart_from: str | None = None,
) -> Explaining[TargetExplained | None]:
    """`explain_queue` in pieces; the agent `apart_from` is not counted."""
    line = domain.line(queue)
    if line is None:
        return None
    claim = claim_of_queue(domain, line, channel, client)
    is_open = domain.open_at(line, now_ms)
    waiting = line.waiting
    shown = TargetExplained(
        summary="",
        domain=domain.domain,
        queue=queue,
        agent_id=None,
        open=is_open,
        opens_at_ms=None if is_open else domain.opens_at_ms(line, now_ms),
        at_work=0,
        free=0,
        waiting=waiting,
        full=line.is_full,
        expected_wait_ms=line.expected_wait_ms(waiting + 1),
        reasons=(),
        as_of_ms=now_ms,
    )
    found = yield from count(domain, claim, apart_from=apart_from)
    shown = replace(shown, at_work=found.at_work, free=found.eligible, reasons=found.told(claim))
    if found.eligible and not waiting:
        shown = replace(shown, expected_wait_ms=0)
    return replace(shown, summary=_queue_summary(shown, found, now_ms))


def position_of(domain: DomainState, task: Task) -> Explaining[int | None]:
    """Which one of its queue's waiting tasks it is, in the order in which they go, 1 being the next; none when more
    than `TASKS_MAX` wait.

    Deferred tasks are not in anybody's way. What a client's minimum share does to the order is left out.
    """
    line: QueueLine = domain.queues[task.queue]
    if line.counts["waiting"] > TASKS_MAX:
        return None
    before, place = 1, task.place
    for number, task_id in enumerate([name for each in line.lines.values() for name in each.keys]):
        if number % TASKS_CHUNK == TASKS_CHUNK - 1:
            yield
        other = domain.tasks.get(task_id)
        before += other is not None and other.deferred_for is None and other.place < place
    return before


def _shown(domain: DomainState, task: Task, now_ms: int) -> TaskExplained:
    """What can be said without counting anything."""
    owner = None if task.transfer is None else task.transfer.from_agent_id
    refused = [each for each in sorted(task.refused_by.items()) if each[0] != owner][:REFUSED_SHOWN_MAX]
    return TaskExplained(
        summary="",
        task_id=task.task_id,
        interaction_id=task.interaction_id,
        domain=domain.domain,
        queue=task.queue,
        channel=task.channel,
        client=task.client,
        kind=task.kind,
        state=task.state,
        priority=task.priority,
        band=LONGEST_WAIT_BAND if task.terms.longest_wait else task.terms.band,
        queued_at_ms=task.queued_at_ms,
        waited_ms=max(0, (task.assigned.assigned_at_ms if task.assigned else now_ms) - task.queued_at_ms),
        asks=words.asks(task.requirements, task.terms),
        version=domain.version,
        as_of_ms=now_ms,
        deferred_for=task.deferred_for,
        deferred_until_ms=back_at_ms(domain, task, now_ms),
        offers=tuple(
            LiveOffer(
                offer_id=offer.offer_id,
                agent_id=offer.agent_id,
                issued_at_ms=offer.issued_at_ms,
                expires_at_ms=offer.expires_at_ms,
                decision=offer.decision,
            )
            for _, offer in sorted(task.offers.items())
        ),
        refused_by=tuple(Refused(agent_id=agent_id, until_ms=until_ms) for agent_id, until_ms in refused),
        transfer=_transfer(domain, task),
    )


def _transfer(domain: DomainState, task: Task) -> TransferExplained | None:
    """The open transfer that the task stands for, or is of."""
    second = domain.transfers.get(task.task_id) if task.transfer is None else task
    if second is None or second.transfer is None:
        return None
    origin, helper = second.transfer, second.assigned.agent_id if second.assigned is not None else None
    return TransferExplained(
        transfer_id=second.task_id,
        from_task_id=origin.from_task_id,
        kind=origin.kind,
        state="requested" if helper is None else "conference" if second.role == "participant" else "consulting",
        owner=origin.from_agent_id,
        requested_by=origin.requested_by,
        target=origin.target,
        queue=second.queue,
        to_agent_id=origin.to_agent_id,
        agent_id=helper,
        fails_at_ms=transfer_fails_at_ms(second),
        text=_transfer_text(origin, second, helper),
    )


def _transfer_text(origin: Origin, second: Task, helper: str | None) -> str:
    if helper is None:
        return words.asked_for(origin, second.queue)
    if second.role == "participant":
        return f"{origin.from_agent_id} and {helper} talk with the customer together"
    return f"{helper} helps {origin.from_agent_id}"


def _ahead_in_words(shown: TaskExplained, now_ms: int) -> list[str]:
    """What is to be known before the census."""
    parts = [
        f"offered to {offer.agent_id}, who has {words.left(offer.expires_at_ms - now_ms)} left to answer"
        for offer in shown.offers
    ]
    if shown.deferred_for is not None:
        until_ms = shown.deferred_until_ms
        time = "" if until_ms is None else f" for {words.left(until_ms - now_ms)}"
        parts.append(f"{_DEFERRED[shown.deferred_for]}{time} and is offered to nobody meanwhile")
    return parts


def _transfer_in_words(shown: TaskExplained, now_ms: int) -> list[str]:
    if shown.transfer is None:
        return []
    fails_at_ms = shown.transfer.fails_at_ms
    unless = "" if fails_at_ms is None else f", which fails in {words.left(fails_at_ms - now_ms)} if nobody accepts"
    return [f"{shown.transfer.text}{unless}"]


def _census_in_words(found: Count, reasons: list[str]) -> str:
    counted = f"{found.eligible} of {found.agents} eligible"
    return f"{counted}: {', '.join(reasons)}" if reasons else counted


def _queue_summary(shown: TargetExplained, found: Count, now_ms: int) -> str:
    parts = ["open" if shown.open else "closed"]
    if shown.opens_at_ms is not None:
        parts[0] += f", opens in {words.left(shown.opens_at_ms - now_ms)}"
    who = "agent who could serve it is" if found.at_work == 1 else "agents who could serve it are"
    parts.append(f"{found.at_work} {who} at work, {found.eligible} free now")
    parts.append(f"{shown.waiting} {'waits' if shown.waiting == 1 else 'wait'}{', no more may' if shown.full else ''}")
    if shown.expected_wait_ms is not None:
        parts.append(f"expected wait {words.left(shown.expected_wait_ms)}")
    return "; ".join(parts)


def _owned_summary(task: Task, assigned: TaskAssigned, now_ms: int) -> str:
    whom = f"assigned to {assigned.agent_id}{'' if task.role == 'owner' else f' as {task.role}'}"
    if task.wrapup is not None:
        whom = f"in wrap-up with {assigned.agent_id}, assigned"
    said = (
        f"{whom} {words.left(now_ms - assigned.assigned_at_ms)} ago, after a wait of {words.left(assigned.waited_ms)}"
    )
    if task.decision is None:
        return said
    chosen, version = words.chosen_by(task.decision), task.decision.version
    return f"{said}; chosen as {chosen}, by version {version} of the configuration"


def _owned(task: Task, assigned: TaskAssigned) -> Owned:
    return Owned(
        assignment_id=assigned.assignment_id,
        agent_id=assigned.agent_id,
        role=task.role,
        assigned_at_ms=assigned.assigned_at_ms,
        waited_ms=assigned.waited_ms,
        decision=task.decision,
    )
