"""What changes for a waiting task by itself, past and to come: its queue's plan, whom it is kept for, the longest
wait, the end of a deferral, the failing of its transfer.

What is to come is what the router's own functions (`plans`) make of the task at each instant for which it has a timer,
so that nothing is announced that does not come; as things are now: who is at work, what is configured.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from contracts.routing_parts import Destination, Step
from contracts.tasks import Terms

from router.domain import explain_words as words
from router.domain.admission import can_give_up
from router.domain.explain_answers import Moment
from router.domain.plans import (
    Times,
    Waits,
    advanced,
    as_it_waits,
    asked_by,
    names_of,
    returned,
    returns_to_one,
    stepped,
    steps_of,
    times_of,
)
from router.domain.queue import QueueLine
from router.domain.state import DomainState, transfer_fails_at_ms
from router.domain.task import Task

OFFERED_AGAIN = "may be offered"
LONGEST = "goes before everything that has waited less than the longest wait"
TRANSFER_FAILS = "the transfer fails unless somebody has accepted"
_NO_TERMS = ("only ", "priority +", "band ", "everybody who fits", LONGEST, "waits on")


def timeline(domain: DomainState, task: Task, now_ms: int) -> tuple[Moment, ...]:
    """In the order of time; undated what counts from a return that nobody knows."""
    if task.deferred_for is None:
        past = sorted(_past(domain, task, now_ms), key=lambda moment: moment.after_ms)
        moments = [*past, *_coming(domain, task, as_it_waits(task), times_of(task))]
    else:
        moments = list(_after_deferral(domain, task, now_ms))
    fails_at_ms = transfer_fails_at_ms(task)
    if fails_at_ms is not None:
        moments = [each for each in moments if each.at_ms is None or each.at_ms <= fails_at_ms]
        moments.append(_moment(fails_at_ms, times_of(task), TRANSFER_FAILS))
    return tuple(moments)


def back_at_ms(domain: DomainState, task: Task, now_ms: int) -> int | None:
    """When the deferred task comes back, if that is known."""
    if task.deferred_for == "closed":  # a calendar or an override may say otherwise since
        return domain.opens_at_ms(domain.queues[task.queue], now_ms)
    return task.deferred_until_ms


def sentence(moments: Sequence[Moment]) -> str:
    """`0 s: es>=4; 30 s: es>=2; 90 s: any; 300 s: overflow to sales`."""
    return "; ".join(f"{words.span(moment.after_ms)}: {moment.text}" for moment in moments)


def upcoming(moments: Sequence[Moment], now_ms: int) -> str:
    """`relaxes in 12 s to es>=2`, of the next moment; empty when nothing is to come, or only what is said anyway."""
    coming = (moment for moment in moments if not moment.done and not moment.text.startswith(OFFERED_AGAIN))
    moment = next(coming, None)
    if moment is None or moment.text == TRANSFER_FAILS:
        return ""
    if moment.at_ms is None:
        time = f"{words.span(moment.after_ms)} after its return"
    elif moment.at_ms <= now_ms:
        return f"next, as soon as that is possible: {moment.text}"
    else:
        time = f"in {words.left(moment.at_ms - now_ms)}"
    if moment.text.startswith("overflow to "):
        return f"overflows {time} to {moment.text.removeprefix('overflow to ')}"
    return f"{time}: {moment.text}" if moment.text.startswith(_NO_TERMS) else f"relaxes {time} to {moment.text}"


def _coming(domain: DomainState, task: Task, waits: Waits, times: Times, *, dated: bool = True) -> Iterator[Moment]:
    """What each further timer of the task brings, up to the one by which its queue gives it up."""
    line = domain.queues[task.queue]
    while (at_ms := waits.terms.next_step_at_ms) is not None:
        before, waits = waits, advanced(domain, line, waits, times, at_ms)
        parts = _changes(domain, task, before, waits)
        if parts:
            yield _moment(at_ms, times, *parts, dated=dated)
        if waits.overflow is not None:
            if can_give_up(domain, task, waits.overflow):
                return
            waits = replace(waits, overflow=None)


def _after_deferral(domain: DomainState, task: Task, now_ms: int) -> Iterator[Moment]:
    """As it comes back, which may be when nobody knows; then as the plan goes on from there."""
    line, back_ms = domain.queues[task.queue], back_at_ms(domain, task, now_ms)
    waits, times = as_it_waits(task), times_of(task)
    shut = task.deferred_for == "closed"
    if task.deferred_for == "parked":
        back = now_ms if back_ms is None else back_ms
        times = replace(times, entered_at_ms=back)
        back_on = replace(waits, terms=task.resumed_terms(back))
        waits = returned(domain, task, back_on, times, back)
    opens_ms = None if back_ms is None else domain.opens_at_ms(line, back_ms)
    kept = task.deferred_for == "parked" and returns_to_one(task, waits)
    if back_ms is not None and opens_ms != back_ms and not kept:
        turned_away = task.deferred_for in {"parked", "customer_facts"} and task.kind == "contact"
        if turned_away and line.closed_to is not None and can_give_up(domain, task, line.closed_to):
            yield _moment(back_ms, times, _overflow(task, line.closed_to))
            return
        back_ms, shut = opens_ms, True
    back = now_ms if back_ms is None else back_ms
    if shut or task.deferred_for == "scheduled":
        times = replace(times, entered_at_ms=back, since_ms=back if shut else times.since_ms)
        if task.deferred_for != "parked":
            waits = replace(waits, terms=task.resumed_terms(back))
    elif back_ms is None:  # the longest wait counts from an instant that is known, the rest from one that is not
        waits = replace(waits, terms=replace(waits.terms, longest_wait=True))
    step_at_ms = waits.terms.next_step_at_ms
    if step_at_ms is not None and (step_at_ms <= back or back_ms is None):
        waits = advanced(domain, line, waits, times, back)
    yield from _returning(domain, task, waits, times, back, dated=back_ms is not None)


def _returning(
    domain: DomainState, task: Task, waits: Waits, times: Times, back_ms: int, *, dated: bool
) -> Iterator[Moment]:
    """The return itself, and what comes after it."""
    given_up = waits.overflow is not None and can_give_up(domain, task, waits.overflow)
    before = as_it_waits(task)
    longest_wait = before.terms.longest_wait or (waits.terms.longest_wait and not dated)
    before = replace(before, terms=replace(before.terms, agents=(), longest_wait=longest_wait))
    parts = _changes(domain, task, before, waits, asked=True)
    yield _moment(back_ms, times, *([] if given_up else [OFFERED_AGAIN]), *parts, dated=dated)
    if not given_up:
        yield from _coming(domain, task, replace(waits, overflow=None), times, dated=dated)


def _past(domain: DomainState, task: Task, now_ms: int) -> Iterator[Moment]:
    """What was asked when it came into the queue, or came back to it, and the steps since."""
    line, times = domain.queues[task.queue], times_of(task)
    steps = list(steps_of(domain, line, times)[: task.terms.step])
    taken = [(times.entered_at_ms + step.after_seconds * 1000, step) for step in steps]
    if taken and taken[-1][0] > now_ms:  # before it was put aside: they hold since it is back
        taken = [(times.entered_at_ms, step) for step in steps]
    waits, entry = _on_entry(task, line, steps), times.entered_at_ms
    for at_ms in sorted({entry, *(at_ms for at_ms, _ in taken)}):
        before, group = waits, [step for each_ms, step in taken if each_ms == at_ms]
        for step in group:
            waits = stepped(domain, waits, step, times.last_agent_id)
        agents = names_of(group[-1], times.last_agent_id) if group else ()
        if not taken or taken[-1][0] == at_ms:  # of a step that is over nobody knows who was at work
            agents = task.terms.agents if task.terms.agents_until_ms is None else ()
        waits = replace(waits, terms=replace(waits.terms, agents=agents), overflow=None)
        parts = _changes(domain, task, before, waits, asked=at_ms == entry)
        if parts:
            yield _moment(at_ms, times, *parts, done=True)
    longest_seconds = domain.settings.longest_wait_seconds
    if task.terms.longest_wait and longest_seconds is not None:
        at_ms = min(max(entry, times.since_ms + longest_seconds * 1000), now_ms)
        yield _moment(at_ms, times, LONGEST, done=True)


def _on_entry(task: Task, line: QueueLine, steps: Sequence[Step]) -> Waits:
    """What was asked before these steps: as it stands where none of them changed it, else what the queue asks."""
    now, asked = task.terms, asked_by(line)
    terms = Terms(
        any_of=now.any_of if all(step.any_of is None for step in steps) else asked.terms.any_of,
        none_of=now.none_of if all(step.none_of is None for step in steps) else asked.terms.none_of,
        teams=now.teams if all(step.teams is None for step in steps) else asked.terms.teams,
        band=now.band if all(step.band is None for step in steps) else asked.terms.band,
    )
    kept = all(step.requirements is None for step in steps)
    return replace(asked, requirements=task.requirements if kept else asked.requirements, terms=terms)


def _changes(domain: DomainState, task: Task, before: Waits, after: Waits, *, asked: bool = False) -> list[str]:
    """In words; `asked`: what is asked even if it is the same."""
    if after.overflow is not None and can_give_up(domain, task, after.overflow):
        return [_overflow(task, after.overflow)]
    old, new = before.terms, after.terms
    text = words.asks(after.requirements, new)
    parts = [text] if asked or text != words.asks(before.requirements, old) else []
    parts += _whom(old, new, _named(domain, task, old, new))
    line, fixed = domain.queues[task.queue], task.priority_fixed
    gained = line.effective(after.priority, fixed=fixed) - line.effective(before.priority, fixed=fixed)
    if gained:  # an override may have brought it to an end of the scale, where a step changes nothing
        parts.append(f"priority +{gained}")
    if new.band != old.band:
        parts.append(f"band {new.band}")
    if new.longest_wait and not old.longest_wait:
        parts.append(LONGEST)
    if after.overflow is not None:
        parts.append(f"waits on, as it cannot overflow to {words.destination(after.overflow)}")
    return parts


def _whom(old: Terms, new: Terms, named: tuple[str, ...]) -> list[str]:
    if new.agents:
        return [f"only {', '.join(new.agents)}"] if new.agents != old.agents else []
    if old.agents and old.agents_until_ms is not None:
        return [f"everybody who fits, no longer only {', '.join(old.agents)}"]
    if named:
        return [f"everybody who fits, with {', '.join(named)} away"]
    return ["everybody who fits"] if old.agents else []


def _named(domain: DomainState, task: Task, old: Terms, new: Terms) -> tuple[str, ...]:
    """Whom the step names that has just been taken, if one has."""
    if new.step == old.step or new.agents_until_ms is not None:
        return ()
    times = times_of(task)
    steps = steps_of(domain, domain.queues[task.queue], times)
    return names_of(steps[new.step - 1], times.last_agent_id)


def _overflow(task: Task, to: Destination) -> str:
    """For an open transfer there is only another queue; who cannot be called back is given a message."""
    if to.to == "callback" and not task.callback_possible:
        to = to.model_copy(update={"to": "message"})
    where = f"overflow to {words.destination(to)}"
    return where if to.to == "queue" or task.transfer is None else f"{where}, by which the transfer fails"


def _moment(at_ms: int, times: Times, *parts: str, done: bool = False, dated: bool = True) -> Moment:
    return Moment(
        at_ms=at_ms if dated else None,
        after_ms=max(0, at_ms - times.entered_at_ms),
        done=done,
        text=", ".join(parts),
    )
