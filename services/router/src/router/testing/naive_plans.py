"""On which terms a task has to wait, computed anew from its queue's plan and the time; see `router.testing.ledger`.

A fact that puts a task on terms is held against it. Where others than the plan have a say (a rule, a supervisor, who
requested or transferred the task) any of what they may say will do, but no step of the plan is left out or done early.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from contracts.routing_parts import RequiredSkill, Step
from contracts.tasks import Requirement, TaskQueued, TaskRerouted, Terms

from router.domain.state import DomainState
from router.testing.ledger import Known, Ledger

Value = TypeVar("Value")
Skills = tuple[Requirement, ...]
Owners = tuple[tuple[str, ...], int | None]
"""Agents who alone may have it, and until when."""
PLACED_BY_HAND = frozenset({"moved", "prioritised", "callback", "overflow_failed"})
"""Reasons for which a task may stay on its terms in its queue; what is due comes after."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """What may hold before any step that is due; none: anything."""

    step: int = 0
    requirements: list[Skills] | None
    priorities: Collection[int] = range(10)
    bands: Collection[int] = range(10)
    others: Terms | None
    """Any of, none of, teams."""
    owners: list[Owners]
    given: bool = False
    """Whether they have it from a supervisor, or because it came back to who parked it."""
    longest_wait: bool = False


def check_queued(ledger: Ledger, domain: DomainState, data: TaskQueued, now_ms: int) -> None:
    """A new task."""
    queue = ledger.queues[data.queue]
    asked = _asked_by(ledger, data.queue)
    terms = data.terms or Terms()
    base = data.priority if data.base_priority is None else data.base_priority
    if data.kind != "contact" or data.transfer is not None:
        asked.priorities = range(10)
    if data.request_id is not None and data.kind != "contact" and terms.agents_until_ms is not None:
        asked.owners.append((terms.agents, terms.agents_until_ms))
    if data.transfer is not None:
        asked.bands = range(10)
        if data.transfer.target in {"agent", "skills"}:
            asked.step, asked.requirements, asked.others = terms.step, None, None
            asked.longest_wait = ledger.tasks[data.transfer.from_task_id].terms.longest_wait
            to = data.transfer.to_agent_id
            asked.owners = [((), None) if to is None else ((to,), None)]
    task = Known(
        task_id=data.task_id,
        queue=data.queue,
        client=data.client,
        requested=data.kind != "contact" and data.transfer is None,
        priority=data.priority,
        base_priority=base,
        fixed=data.priority_fixed,
        requirements=data.requirements,
        terms=terms,
        order_ms=0,
        parallel_offers=queue.parallel_offers,
        queued_at_ms=data.queued_at_ms,
        entered_at_ms=data.queued_at_ms if data.entered_at_ms is None else data.entered_at_ms,
        opened_at_ms=ledger.tasks[data.transfer.from_task_id].opened_at_ms if data.transfer else 0,
        last_agent_id=data.last_agent_id,
        transfer=data.transfer,
    )
    _check(ledger, domain, task, asked, now_ms, timed=data.deferred_for is None)


def check_rerouted(ledger: Ledger, domain: DomainState, data: TaskRerouted, now_ms: int) -> None:
    """A task that goes on waiting on other terms."""
    before = ledger.tasks[data.task_id]
    task = replace(
        before,
        queue=data.queue,
        priority=data.priority,
        base_priority=data.priority if data.base_priority is None else data.base_priority,
        fixed=data.priority_fixed,
        requirements=data.requirements,
        terms=data.terms,
        entered_at_ms=data.entered_at_ms,
        last_agent_id=data.last_agent_id,
        transfer=data.transfer or before.transfer,
    )
    begins = data.queue != before.queue or data.reason == "owner_gone"
    assert data.entered_at_ms == (now_ms if begins else before.entered_at_ms), f"{data.task_id}: when its plan began"
    if data.reason == "owner_gone":  # of a transfer, whose task asks what its queue or the first task asked
        return
    if data.queue != before.queue or data.reason == "classified":
        asked = _asked_by(ledger, data.queue)
        asked.longest_wait = before.terms.longest_wait and data.terms.longest_wait
        timed = before.deferred_for is None or data.queue != before.queue
    else:
        asked = _as_before(before)
        timed = before.deferred_for is None and (
            data.reason not in PLACED_BY_HAND or data.terms.step != before.terms.step
        )
    if data.reason == "returned":
        [as_before], asked.owners = asked.owners, [_returned_to(ledger, domain, before, now_ms)]
        asked.given = asked.given or asked.owners != [as_before]
    if data.by is not None:
        asked.priorities = asked.bands = range(10)
        if data.reason == "moved":
            asked.given = True
            until_ms = None if task.transfer is not None else _until_ms(ledger, 3600, now_ms, now_ms)
            asked.owners += [((agent_id,), until_ms) for agent_id in data.terms.agents]
    _check(ledger, domain, task, asked, now_ms, timed=timed)


def check_waiting(ledger: Ledger, domain: DomainState, task: Known, now_ms: int) -> None:
    """A task that waits in line when nothing is left to be done: time has nothing to change."""
    _check(ledger, domain, task, _as_before(task), now_ms, timed=True)


def _asked_by(ledger: Ledger, name: str) -> Asked:
    """By the queue, or in its place by a rule."""
    queue = ledger.queues[name]
    others = Terms(any_of=tuple(map(_skills, queue.any_of)), none_of=_skills(queue.none_of), teams=tuple(queue.teams))
    return Asked(
        requirements=[_skills(queue.requirements)]
        + [_skills(rule.requirements) for rule in ledger.rules if rule.requirements is not None],
        priorities={queue.priority, *(rule.priority for rule in ledger.rules if rule.priority is not None)},
        bands={queue.band, *(rule.band for rule in ledger.rules if rule.band is not None)},
        others=others,
        owners=[((), None)],
    )


def _as_before(task: Known) -> Asked:
    terms = task.terms
    return Asked(
        step=terms.step,
        requirements=[task.requirements],
        priorities={task.base_priority},
        bands={terms.band},
        others=terms,
        owners=[(terms.agents, terms.agents_until_ms)],
        given=task.given_at_ms is not None,
        longest_wait=terms.longest_wait,
    )


def _check(ledger: Ledger, domain: DomainState, task: Known, asked: Asked, now_ms: int, *, timed: bool) -> None:
    """The task as the fact has it, against the steps that are due."""
    steps = [
        step
        for step in ledger.steps(task)[asked.step :]
        if timed and task.entered_at_ms + step.after_seconds * 1000 <= now_ms
    ]
    name, terms = task.task_id, task.terms
    assert terms.step == asked.step + len(steps), f"{name}: {terms.step} steps done, {len(steps)} due"
    _check_skills(name, task, asked, steps)
    gained = sum(step.priority_add for step in steps)
    assert task.base_priority in {min(9, priority + gained) for priority in asked.priorities}, f"{name}: priority"
    assert task.priority == ledger.effective(task.queue, task.base_priority, fixed=task.fixed), f"{name}: override"
    bands = _last((step.band for step in steps), None)
    assert terms.band in (asked.bands if bands is None else {bands}), f"{name}: band {terms.band}"
    longest = _waited_longest(ledger, task, now_ms) if timed else False
    assert terms.longest_wait == (asked.longest_wait or longest), f"{name}: longest wait"
    assert not timed or terms.next_step_at_ms == ledger.due_at_ms(task), f"{name}: the next step"
    owners = {*asked.owners}
    if timed:
        owners = {_owner(domain, task, owner, steps, now_ms, given=asked.given, longest=longest) for owner in owners}
    assert (terms.agents, terms.agents_until_ms) in owners, f"{name}: {terms.agents} not in {owners}"


def _check_skills(name: str, task: Known, asked: Asked, steps: list[Step]) -> None:
    terms = task.terms
    required = _last((None if step.requirements is None else _skills(step.requirements) for step in steps), None)
    wanted = asked.requirements if required is None else [required]
    assert wanted is None or task.requirements in wanted, f"{name}: asks {task.requirements}, not {wanted}"
    if asked.others is None:
        return
    others = asked.others
    any_of = _last((None if s.any_of is None else tuple(map(_skills, s.any_of)) for s in steps), others.any_of)
    none_of = _last((None if s.none_of is None else _skills(s.none_of) for s in steps), others.none_of)
    teams = _last((None if s.teams is None else tuple(s.teams) for s in steps), others.teams)
    assert (terms.any_of, terms.none_of, terms.teams) == (any_of, none_of, teams), f"{name}: {terms}"


def _owner(  # each by name
    domain: DomainState,
    task: Known,
    owner: Owners,
    steps: list[Step],
    now_ms: int,
    *,
    given: bool,
    longest: bool,
) -> Owners:
    """Who alone may have it after these steps."""
    agents, until_ms = owner
    if until_ms is not None and until_ms <= now_ms:
        agents, until_ms = (), None
    for step in steps if until_ms is None else ():
        last = [task.last_agent_id] if step.last_agent and task.last_agent_id is not None else []
        names = tuple(dict.fromkeys([*step.agents, *last]))
        agents = names if _at_work(domain, names) else ()
    given = given and until_ms is not None
    alone = task.planned and (given or not (task.requested and until_ms is not None))
    if task.planned and ((longest and not given) or (alone and not _at_work(domain, agents))):
        agents, until_ms = (), None
    return agents, until_ms


def _returned_to(ledger: Ledger, domain: DomainState, task: Known, now_ms: int) -> Owners:
    """Who alone has a parked task when it comes back: to whom a supervisor gave it, else who parked it, if at work."""
    until_ms = _until_ms(ledger, ledger.settings.parked_agent_seconds, task.since_ms, now_ms)
    parker = domain.agents.get(task.last_agent_id or "")
    comes = parker is not None and parker.pending is None and _at_work(domain, [parker.agent_id])
    given = task.given_at_ms is not None and _at_work(domain, task.terms.agents)
    if parker is None or not comes or given or until_ms <= now_ms:
        return task.terms.agents, task.terms.agents_until_ms
    return (parker.agent_id,), until_ms


def _until_ms(ledger: Ledger, seconds: int, since_ms: int, now_ms: int) -> int:
    """One agent's own time, which the longest wait since then ends."""
    longest_seconds = ledger.settings.longest_wait_seconds
    ends_ms = [now_ms + seconds * 1000] + ([] if longest_seconds is None else [since_ms + longest_seconds * 1000])
    return min(ends_ms)


def _at_work(domain: DomainState, names: Iterable[str]) -> bool:
    known = [domain.agents[name] for name in names if name in domain.agents]
    return any(
        agent.state == "ready" and agent.presence != "absent" and agent.shed != "agent_removed" for agent in known
    )


def _waited_longest(ledger: Ledger, task: Known, now_ms: int) -> bool:
    seconds = ledger.settings.longest_wait_seconds
    return seconds is not None and task.since_ms + seconds * 1000 <= now_ms


def _last(values: Iterable[Value | None], otherwise: Value) -> Value:
    """The last that is set."""
    for value in values:
        otherwise = otherwise if value is None else value
    return otherwise


def _skills(skills: Iterable[RequiredSkill]) -> Skills:
    listed = sorted((each.skill, each.minimum, each.maximum) for each in skills)
    return tuple(Requirement(skill=skill, minimum=low, maximum=high) for skill, low, high in listed)
