"""What changes for a waiting task by itself, past and to come: its queue's plan, the longest wait, a deferral's end."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from contracts.routing_parts import Step
from contracts.tasks import Requirement, Terms

from router.domain import explain_words as words
from router.domain.explain_answers import Moment
from router.domain.plans import NO_STEPS, asked_by
from router.domain.queue import QueueLine, required
from router.domain.state import DomainState
from router.domain.task import Task


def timeline(domain: DomainState, task: Task) -> tuple[Moment, ...]:
    """In the order of time; at one instant, what was asked on entry first."""
    line = domain.queues[task.queue]
    entered_at_ms = task.entered_at_ms
    if task.deferred_for == "scheduled" and task.deferred_until_ms is not None:
        entered_at_ms = task.deferred_until_ms  # its time in the queue begins only then
    moments = [*_steps(domain, task, line, entered_at_ms), *_others(domain, task, entered_at_ms)]
    return tuple(sorted(moments, key=lambda moment: moment.at_ms))


def sentence(moments: Sequence[Moment]) -> str:
    """`0 s: es>=4; 30 s: es>=2; 90 s: any; 300 s: overflow to sales`."""
    return "; ".join(f"{words.span(moment.after_ms)}: {moment.text}" for moment in moments)


def upcoming(moments: Sequence[Moment], now_ms: int) -> str:
    """`relaxes in 12 s to es>=2`, of the next moment; empty when nothing is to come."""
    moment = next((moment for moment in moments if not moment.done), None)
    if moment is None:
        return ""
    if moment.at_ms <= now_ms:
        return f"next, as soon as that is possible: {moment.text}"
    time = words.left(moment.at_ms - now_ms)
    if moment.text.startswith("overflow to "):
        return f"overflows in {time} to {moment.text.removeprefix('overflow to ')}"
    if moment.text.startswith(_NO_TERMS):
        return f"in {time}: {moment.text}"
    return f"relaxes in {time} to {moment.text}"


_NO_TERMS = ("only ", "priority +", "band ", "everybody who fits", "goes before", "may be offered")


def _steps(domain: DomainState, task: Task, line: QueueLine, entered_at_ms: int) -> Iterator[Moment]:
    plan = domain.plans.get(line.settings.plan) if line.settings.plan is not None else None
    steps = plan.steps if plan is not None else NO_STEPS
    requirements, terms = _on_entry(task, line)
    asked = words.asks(requirements, terms)
    texts: dict[int, list[str]] = {0: [asked]}
    done = {0: True}
    for number, step in enumerate(steps):
        requirements, terms = _after(step, requirements, terms)
        before, asked = asked, words.asks(requirements, terms)
        changes = words.step_changes(step, before, asked)
        texts.setdefault(step.after_seconds, []).extend(changes)
        done[step.after_seconds] = number < task.terms.step
    for seconds, parts in texts.items():
        yield Moment(
            at_ms=entered_at_ms + seconds * 1000, after_ms=seconds * 1000, done=done[seconds], text=", ".join(parts)
        )


def _on_entry(task: Task, line: QueueLine) -> tuple[tuple[Requirement, ...], Terms]:
    """What was asked before any step: of a task that has steps behind it, what its queue asks of everybody."""
    if task.terms.step == 0:
        return task.requirements, task.terms
    asked = asked_by(line)
    return asked.requirements, asked.terms


def _after(step: Step, requirements: tuple[Requirement, ...], terms: Terms) -> tuple[tuple[Requirement, ...], Terms]:
    changed = replace(
        terms,
        any_of=terms.any_of if step.any_of is None else tuple(required(group) for group in step.any_of),
        none_of=terms.none_of if step.none_of is None else required(step.none_of),
        teams=terms.teams if step.teams is None else tuple(step.teams),
    )
    return requirements if step.requirements is None else required(step.requirements), changed


def _others(domain: DomainState, task: Task, entered_at_ms: int) -> Iterator[Moment]:
    longest_seconds = domain.settings.longest_wait_seconds
    if longest_seconds is not None:
        at_ms = task.queued_at_ms + longest_seconds * 1000
        yield Moment(
            at_ms=at_ms,
            after_ms=max(0, at_ms - entered_at_ms),
            done=task.terms.longest_wait,
            text="goes before everything that has waited less than the longest wait",
        )
    if task.deferred_for is not None and task.deferred_until_ms is not None:
        after_ms = max(0, task.deferred_until_ms - entered_at_ms)
        yield Moment(at_ms=task.deferred_until_ms, after_ms=after_ms, done=False, text="may be offered again")
