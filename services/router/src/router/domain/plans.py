"""How the terms of a waiting task change over time: its queue's plan, and the longest wait that the domain allows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from contracts.routing_parts import Destination, Step
from contracts.tasks import Origin, Requirement, Terms

from router.domain.queue import QueueLine, required
from router.domain.state import DomainState
from router.domain.task import PLAIN, Task

NO_STEPS: Sequence[Step] = ()


@dataclass(slots=True, kw_only=True)
class Waits:
    """On which requirements, priority and terms a task waits; `overflow` when its queue gives it up."""

    requirements: tuple[Requirement, ...]
    priority: int
    """Without what a supervisor's override of the queue makes of it."""
    priority_fixed: bool = False
    """Asked for this task alone, so that no override of the queue changes it."""
    terms: Terms
    overflow: Destination | None = None


@dataclass(slots=True, kw_only=True)
class Times:
    """By what the steps of a plan are timed, and whom a step for the last agent means."""

    since_ms: int
    """The longest wait counts from here."""
    entered_at_ms: int
    last_agent_id: str | None
    planned: bool = True
    """Whether the queue's plan holds for the task."""
    owned: bool = False
    """Whether the agent alone whom it waits for was asked for with it: until then, there or not."""
    given: bool = False
    """Whether a supervisor gave it to that agent, or it came back to who parked it: until then, while at work."""


def on_entry(domain: DomainState, line: QueueLine, asked: Waits, times: Times, now_ms: int) -> Waits:
    """What holds as soon as a task enters the queue; `asked` is the queue's own, or what a rule made of it."""
    settings = line.settings
    plain = settings.plan is None and domain.settings.longest_wait_seconds is None
    plain = plain and asked.terms.agents_until_ms is None
    return asked if plain else advanced(domain, line, asked, times, now_ms)


def asked_by(line: QueueLine, *, priority: int | None = None, band: int | None = None, fixed: bool = False) -> Waits:
    """What the queue asks for before any step; a given priority stands in its place, `fixed` whatever overrides say."""
    terms = line.terms
    if band is not None and band != terms.band:
        terms = replace(terms, band=band)
        terms = PLAIN if terms == PLAIN else terms
    if priority is None:
        return Waits(requirements=line.requirements, priority=line.settings.priority, terms=terms)
    return Waits(requirements=line.requirements, priority=priority, priority_fixed=fixed, terms=terms)


def due(domain: DomainState, task: Task, now_ms: int) -> Waits:
    """What holds for a waiting task now that a step of it is due."""
    return advanced(domain, domain.queues[task.queue], as_it_waits(task), times_of(task), now_ms)


def as_it_waits(task: Task) -> Waits:
    """The task's requirements, priority and terms as they stand."""
    return Waits(
        requirements=task.requirements,
        priority=task.base_priority,
        priority_fixed=task.priority_fixed,
        terms=task.terms,
    )


def for_anybody(task: Task, first: Task) -> Waits:
    """What a transfer's task for one agent asks of anybody: what the first task asked, as long as it is in its queue.

    Band and longest wait stay its own.
    """
    asks = first if task.queue == first.queue else task
    own = task.terms
    terms = replace(asks.terms, band=own.band, longest_wait=own.longest_wait, agents=(), agents_until_ms=None)
    return replace(as_it_waits(task), requirements=asks.requirements, terms=terms)


def times_of(task: Task) -> Times:
    """The times of a task that is in its queue already."""
    return Times(
        since_ms=task.since_ms,
        entered_at_ms=task.entered_at_ms,
        last_agent_id=task.last_agent_id,
        planned=is_planned(task.transfer),
        owned=task.request_id is not None and task.terms.agents_until_ms is not None and task.given_at_ms is None,
        given=task.given_at_ms is not None,
    )


def planned_from(domain: DomainState, line: QueueLine, terms: Terms, at_ms: int) -> Terms:
    """The terms of a task whose plan begins then: its steps come as soon as it waits in line, those due at once."""
    settings = line.settings
    if settings.plan is None and domain.settings.longest_wait_seconds is None and terms.agents_until_ms is None:
        return terms if terms.next_step_at_ms is None else replace(terms, next_step_at_ms=None)
    return replace(terms, next_step_at_ms=at_ms)


def is_planned(transfer: Origin | None) -> bool:
    """A transfer to one agent, or for certain skills, asks for these and for nothing less."""
    return transfer is None or transfer.target not in {"agent", "skills"}


def kept_until_ms(domain: DomainState, seconds: int, since_ms: int, now_ms: int) -> int:
    """Until when one agent has a task for so long from now: no longer than the longest wait, which counts from then."""
    longest_seconds = domain.settings.longest_wait_seconds
    until_ms = now_ms + seconds * 1000
    return until_ms if longest_seconds is None else min(until_ms, since_ms + longest_seconds * 1000)


def returned(domain: DomainState, task: Task, waits: Waits, times: Times, now_ms: int) -> Waits:
    """What holds for a parked task as it comes back: for whom a supervisor gave it to, else for who parked it first."""
    terms, agent_id = waits.terms, task.last_agent_id
    until_ms = kept_until_ms(domain, domain.settings.parked_agent_seconds, times.since_ms, now_ms)
    is_given = task.given_at_ms is not None and any(map(domain.at_work, terms.agents))
    if not is_given and agent_id is not None and until_ms > now_ms and domain.available(agent_id):
        waits = replace(waits, terms=replace(terms, agents=(agent_id,), agents_until_ms=until_ms))
    return advanced(domain, domain.queues[task.queue], waits, times, now_ms)


def returns_to_one(task: Task, waits: Waits) -> bool:
    """Whether the parked task, for which `returned` says this, is for the one agent who parked it or was given it."""
    until_ms = waits.terms.agents_until_ms
    is_own = task.given_at_ms is not None or until_ms != task.terms.agents_until_ms
    return until_ms is not None and is_own and waits.overflow is None


def stages(domain: DomainState, line: QueueLine, waits: Waits, times: Times) -> Iterator[Waits]:
    """What holds now, then what each further step makes of it, up to the one that gives the task up."""
    yield waits
    for step in steps_of(domain, line, times)[waits.terms.step :]:
        if step.overflow is not None:
            return
        waits = stepped(domain, waits, step, times.last_agent_id)
        yield waits


def advanced(domain: DomainState, line: QueueLine, asked: Waits, times: Times, now_ms: int) -> Waits:
    """What time has made of it by now: all steps that are due, the end of an agent's own time, the longest wait."""
    steps = steps_of(domain, line, times)
    waits, terms = asked, asked.terms
    if terms.agents_until_ms is not None and terms.agents_until_ms <= now_ms:
        waits = replace(asked, terms=replace(terms, agents=(), agents_until_ms=None))
    while waits.terms.step < len(steps):
        step = steps[waits.terms.step]
        if times.entered_at_ms + step.after_seconds * 1000 > now_ms:
            break
        waits = stepped(domain, waits, step, times.last_agent_id)
    if waits.terms.agents and _freed(domain, waits.terms, times, now_ms):
        waits = replace(waits, terms=replace(waits.terms, agents=(), agents_until_ms=None))
    return Waits(
        requirements=waits.requirements,
        priority=waits.priority,
        priority_fixed=waits.priority_fixed,
        terms=_timed(domain, waits.terms, steps, times, now_ms),
        overflow=waits.overflow,
    )


def _freed(domain: DomainState, terms: Terms, times: Times, now_ms: int) -> bool:
    """Whether others may have a task that is for some agents alone: none of them is at work, or it has waited longest.

    A transfer to one agent ends with them, who asked for an agent's own time has it, and who was given it has it for
    a time that heeds the longest wait.
    """
    if not times.planned:
        return False
    seconds = domain.settings.longest_wait_seconds
    if not times.given and seconds is not None and times.since_ms + seconds * 1000 <= now_ms:
        return True
    return not times.owned and not any(map(domain.at_work, terms.agents))


def steps_of(domain: DomainState, line: QueueLine, times: Times) -> Sequence[Step]:
    """All steps of the plan that holds for the task, by the configuration as it is now."""
    plan = domain.plans.get(line.settings.plan) if times.planned and line.settings.plan is not None else None
    return plan.steps if plan is not None else NO_STEPS


def stepped(domain: DomainState, waits: Waits, step: Step, last_agent_id: str | None) -> Waits:
    """What one step makes of it."""
    terms = waits.terms
    changed = Terms(
        band=terms.band if step.band is None else step.band,
        any_of=terms.any_of if step.any_of is None else tuple(required(group) for group in step.any_of),
        none_of=terms.none_of if step.none_of is None else required(step.none_of),
        teams=terms.teams if step.teams is None else tuple(step.teams),
        agents=terms.agents if terms.agents_until_ms is not None else _named(domain, step, last_agent_id),
        agents_until_ms=terms.agents_until_ms,
        step=terms.step + 1,
        longest_wait=terms.longest_wait,
    )
    return Waits(
        requirements=waits.requirements if step.requirements is None else required(step.requirements),
        priority=min(9, waits.priority + step.priority_add),
        priority_fixed=waits.priority_fixed,
        terms=changed,
        overflow=step.overflow,
    )


def _named(domain: DomainState, step: Step, last_agent_id: str | None) -> tuple[str, ...]:
    """Whom the step is for alone; nobody in particular when none of them is at work."""
    names = names_of(step, last_agent_id)
    return names if any(domain.at_work(name) for name in names) else ()


def names_of(step: Step, last_agent_id: str | None) -> tuple[str, ...]:
    """Whom the step names, at work or not."""
    last = (last_agent_id,) if step.last_agent and last_agent_id is not None else ()
    return tuple(dict.fromkeys((*step.agents, *last)))


def _timed(domain: DomainState, terms: Terms, steps: Sequence[Step], times: Times, now_ms: int) -> Terms:
    longest_seconds = domain.settings.longest_wait_seconds
    next_at_ms = terms.agents_until_ms
    if terms.step < len(steps):
        step_at_ms = times.entered_at_ms + steps[terms.step].after_seconds * 1000
        next_at_ms = step_at_ms if next_at_ms is None else min(next_at_ms, step_at_ms)
    longest_wait = terms.longest_wait
    if longest_seconds is not None and not longest_wait:
        longest_at_ms = times.since_ms + longest_seconds * 1000
        if longest_at_ms <= now_ms:
            longest_wait = True
        else:
            next_at_ms = longest_at_ms if next_at_ms is None else min(next_at_ms, longest_at_ms)
    return Terms(
        band=terms.band,
        any_of=terms.any_of,
        none_of=terms.none_of,
        teams=terms.teams,
        agents=terms.agents,
        step=terms.step,
        next_step_at_ms=next_at_ms,
        longest_wait=longest_wait,
        agents_until_ms=terms.agents_until_ms,
    )
