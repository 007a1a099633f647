"""What time brings: offers expire, wrap-ups and graces end, refusals lapse, bounded work goes on."""

from collections.abc import Callable
from typing import Final

from contracts.offers import OfferExpired

from router.domain import alerts, sweeps
from router.domain.admission import catch_up, go_on, queue_or_park, resume
from router.domain.classifying import contact_of_parked
from router.domain.connections import take_back
from router.domain.finish import finish
from router.domain.handovers import fail_without_target
from router.domain.inputs import TimersDue
from router.domain.internal import BackoffLapsed, GatesResumed, LeaverFollowed, MatchingResumed, RefusalLapsed
from router.domain.match import serve
from router.domain.plans import as_it_waits, due
from router.domain.presence import change
from router.domain.shedding import shed
from router.domain.shifts import look
from router.domain.state import DomainState
from router.domain.tasks import complete, set_not_ready, unanswered
from router.domain.timer_heap import Timer, TimerKind
from router.domain.transfers import end
from router.domain.turn import Turn

TIMERS_MAX: Final = 256
LEAVERS_STEP_MAX: Final = 64


def timers_due(turn: Turn, _: TimersDue) -> None:
    """Handle due timers, the earliest first. Each leads to a fact after which it does not hold any more."""
    handled: Timer | None = None
    for _number in range(TIMERS_MAX):
        timer = turn.state.next_timer()
        if timer is None or timer[0] > turn.now_ms or timer == handled or turn.full:
            return  # the same timer again: a step has left more to do, for the next call
        _HANDLERS[timer[1]](turn, turn.state.domains[timer[2]], timer)
        finish(turn)
        handled = timer


def _offer(turn: Turn, domain: DomainState, timer: Timer) -> None:
    task = domain.offers[timer[3]]
    agent_id = task.offer_of(timer[3]).agent_id
    agent = domain.agents[agent_id]
    expired = OfferExpired(
        offer_id=timer[3],
        task_id=task.task_id,
        domain=domain.domain,
        agent_id=agent_id,
        unanswered=agent.unanswered + 1,
        expired_at_ms=turn.now_ms,
    )
    turn.emit(domain, expired)
    unanswered(turn, domain, agent)
    waiting = catch_up(turn, domain, [task])
    go_on(turn, domain, [*waiting, *shed(turn, domain, agent)])
    serve(turn, domain, agent)


def _wrapup(turn: Turn, domain: DomainState, timer: Timer) -> None:
    task = domain.assignments[timer[3]]
    agent_id = task.assigned.agent_id if task.assigned else ""
    complete(turn, domain, task, "wrapup_timed_out")
    agent = domain.agents.get(agent_id)
    if agent is not None:
        serve(turn, domain, agent)


def _response(turn: Turn, domain: DomainState, timer: Timer) -> None:
    take_back(turn, domain, domain.assignments[timer[3]], "no_response")


def _grace(turn: Turn, domain: DomainState, timer: Timer) -> None:
    agent = domain.agents[timer[3]]
    change(turn, domain, agent, "absent", devices=agent.devices)
    if timer[3] in domain.agents:
        set_not_ready(turn, domain, agent, "presence_lost")
        go_on(turn, domain, shed(turn, domain, agent))


def _shed(turn: Turn, domain: DomainState, timer: Timer) -> None:
    agent = domain.agents[timer[3]]
    go_on(turn, domain, shed(turn, domain, agent))
    serve(turn, domain, agent)


def _refusal(turn: Turn, domain: DomainState, timer: Timer) -> None:
    turn.emit(domain, RefusalLapsed(task_id=timer[3], agent_id=timer[4], domain=domain.domain))
    go_on(turn, domain, [domain.tasks[timer[3]]])


def _matching(turn: Turn, domain: DomainState, timer: Timer) -> None:
    turn.emit(domain, MatchingResumed(agent_id=timer[3], domain=domain.domain))
    serve(turn, domain, domain.agents[timer[3]])


def _step(turn: Turn, domain: DomainState, timer: Timer) -> None:
    go_on(turn, domain, [domain.tasks[timer[3]]])


def _deferral(turn: Turn, domain: DomainState, timer: Timer) -> None:
    task = domain.tasks[timer[3]]
    resume(turn, domain, task, "due")


def _sweep(turn: Turn, domain: DomainState, timer: Timer) -> None:
    sweeps.sweep(turn, domain, domain.queues[timer[3]])


def _opening(turn: Turn, domain: DomainState, timer: Timer) -> None:
    sweeps.look(turn, domain, domain.queues[timer[3]])


def _override(turn: Turn, domain: DomainState, timer: Timer) -> None:
    sweeps.override_ends(turn, domain, domain.queues[timer[3]])


def _overriding(turn: Turn, domain: DomainState, _: Timer) -> None:
    sweeps.override_more(turn, domain)


def _alerts(turn: Turn, domain: DomainState, _: Timer) -> None:
    alerts.look(turn, domain)


def _transfer(turn: Turn, domain: DomainState, timer: Timer) -> None:
    end(turn, domain, domain.tasks[timer[3]], "failed", "timed_out")


def _backoff(turn: Turn, domain: DomainState, timer: Timer) -> None:
    turn.emit(domain, BackoffLapsed(agent_id=timer[3], domain=domain.domain))
    serve(turn, domain, domain.agents[timer[3]])


def _adherence(turn: Turn, domain: DomainState, timer: Timer) -> None:
    look(turn, domain, domain.agents[timer[3]])


def _leavers(turn: Turn, domain: DomainState, _: Timer) -> None:
    agent_id, behind = domain.leavers[0], domain.leavers_behind
    tasks = domain.lanes.named(agent_id, behind, LEAVERS_STEP_MAX)
    for task in tasks:
        if turn.full:
            break
        behind = task.place
        if not fail_without_target(turn, domain, task) and due(domain, task, turn.now_ms) != as_it_waits(task):
            go_on(turn, domain, [task])
    else:
        behind = behind if len(tasks) == LEAVERS_STEP_MAX else None
    turn.emit(domain, LeaverFollowed(agent_id=agent_id, domain=domain.domain, behind=behind))


def _gates(turn: Turn, domain: DomainState, _: Timer) -> None:
    turn.emit(domain, GatesResumed(domain=domain.domain))
    domain.lanes.suspect_all()


def _parked(turn: Turn, domain: DomainState, timer: Timer) -> None:
    wanted = domain.parked[timer[3]].interaction
    queue_or_park(turn, domain, wanted, contact_of_parked(wanted))


_HANDLERS: Final[dict[TimerKind, Callable[[Turn, DomainState, Timer], None]]] = {
    "offer": _offer,
    "wrapup": _wrapup,
    "response": _response,
    "grace": _grace,
    "shed": _shed,
    "refusal": _refusal,
    "matching": _matching,
    "parked": _parked,
    "step": _step,
    "deferral": _deferral,
    "backoff": _backoff,
    "gates": _gates,
    "leavers": _leavers,
    "transfer": _transfer,
    "adherence": _adherence,
    "sweep": _sweep,
    "opening": _opening,
    "override": _override,
    "overriding": _overriding,
    "alerts": _alerts,
}
