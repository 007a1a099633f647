"""What an override, an opening or another plan means for those who wait: in bounded steps, the longest waiting first.

The state says what is left to do: tasks in line of a closed queue, tasks that wait for the opening of an open one,
tasks in line that were looked at before the last change. So a step can be the last at any place.
"""

from typing import Final

from contracts.queues import QueueOverridden

from router.domain.admission import close_out, go_on, resume
from router.domain.internal import OverridingMoved, QueueSwept
from router.domain.match import withdraw
from router.domain.queue import QueueLine
from router.domain.state import DomainState
from router.domain.turn import Turn

SWEEP_STEP_MAX: Final = 64
OVERRIDES_MAX: Final = 64


def sweep(turn: Turn, domain: DomainState, line: QueueLine) -> None:
    """The next step of a queue; other timers that are due come before the one after it."""
    for _ in range(SWEEP_STEP_MAX):
        if not _one(turn, domain, line):
            opens_at_ms = domain.opens_at_ms(line, turn.now_ms) if line.shut.keys else None
            turn.emit(
                domain, QueueSwept(queue=line.queue, domain=domain.domain, next_at_ms=None, opens_at_ms=opens_at_ms)
            )
            return
        if line.queue not in domain.queues:  # a removed queue goes with its last task
            return
        if turn.full:
            break
    turn.emit(domain, QueueSwept(queue=line.queue, domain=domain.domain, next_at_ms=turn.now_ms, opens_at_ms=None))


def look(turn: Turn, domain: DomainState, line: QueueLine) -> None:
    """The queue may have opened: by its calendar, unless that says otherwise by now."""
    turn.emit(domain, QueueSwept(queue=line.queue, domain=domain.domain, next_at_ms=turn.now_ms, opens_at_ms=None))


def override_ends(turn: Turn, domain: DomainState, line: QueueLine) -> None:
    """A supervisor's word has run out."""
    ended = QueueOverridden(
        queue=line.queue,
        domain=domain.domain,
        closed=False,
        message=None,
        priority=None,
        until_ms=None,
        by=None,
        overridden_at_ms=turn.now_ms,
    )
    turn.emit(domain, ended)


def override_more(turn: Turn, domain: DomainState) -> None:
    """The next of all queues that a supervisor has overridden at once."""
    overriding = domain.overriding
    if overriding is None:
        raise AssertionError("no override of all queues is under way")
    rest = sorted(name for name in domain.queues if name > overriding.after)
    said = set(overriding.later)
    for name in rest[:OVERRIDES_MAX]:
        if name not in said:
            turn.emit(domain, _for_queue(overriding.override, name))
    left = len(rest) > OVERRIDES_MAX
    moved = OverridingMoved(
        domain=domain.domain,
        override=overriding.override if left else None,
        after=rest[OVERRIDES_MAX - 1] if left else "",
        moved_at_ms=turn.now_ms,
    )
    turn.emit(domain, moved)


def _for_queue(override: QueueOverridden, queue: str) -> QueueOverridden:
    return QueueOverridden(
        queue=queue,
        domain=override.domain,
        closed=override.closed,
        message=override.message,
        priority=override.priority,
        until_ms=override.until_ms,
        by=override.by,
        overridden_at_ms=override.overridden_at_ms,
    )


def _one(turn: Turn, domain: DomainState, line: QueueLine) -> bool:
    """Do what is left to do for one task; whether there was one."""
    if line.overridden_closed:
        task_id = line.first_in_line or min(line.offered, default=None)
        if task_id is None:
            return False
        task = domain.tasks[task_id]
        withdraw(turn, domain, task, "by_supervisor")
        close_out(turn, domain, task, line)
        return True
    shut = line.shut.head()
    if shut is not None and domain.open_at(line, turn.now_ms):
        resume(turn, domain, domain.tasks[shut[2]], "opened")
        return True
    task_id = line.left_behind
    if task_id is not None:
        go_on(turn, domain, [domain.tasks[task_id]])
    return task_id is not None
