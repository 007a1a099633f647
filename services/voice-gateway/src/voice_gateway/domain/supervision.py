"""Supervisors in a talk: they listen, whisper to the agent, talk with everybody, or take the call over.

Their phone is dialled, and put at the agent's place (`Monitor`). The customer never hears a whisper: that is the node's
to keep. A call is taken over as any other goes to another agent: the router is asked to reassign it to the supervisor,
who barges in until the router says that it is theirs; then their leg is the agent's.
"""

from dataclasses import replace
from typing import Final

from contracts.call_commands import SuperviseCall, SupervisionMode
from contracts.calls import CallCommandRefused, Supervised
from contracts.commands import TransferTask

from voice_gateway.domain.call import AgentPhone, Call, Leg, Seat, Watch
from voice_gateway.domain.commands import Monitor, Play
from voice_gateway.domain.dialling import dial
from voice_gateway.domain.prompts import prompt
from voice_gateway.domain.step import Turn
from voice_gateway.domain.words import MonitorMode

WATCHES_MAX: Final = 3
MODES: Final[dict[SupervisionMode, MonitorMode]] = {
    "spy": "spy",
    "whisper": "whisper",
    "barge": "barge",
    "take_over": "barge",
}
ANNOUNCED: Final = "supervised"
"""The prompt that an agent hears whom a supervisor joins, where that is announced."""


def supervise(turn: Turn, seat: Seat, asked: SuperviseCall, phone: AgentPhone | None) -> str | None:
    """Do what a supervisor wants; why not, if not."""
    watch = watch_of(turn.call, asked.supervisor_id)
    if asked.mode == "over":
        return _over(turn, watch)
    mode = MODES[asked.mode]
    if mode == "whisper" and not turn.call.terms.can.whispers:
        return "not_supported"
    if watch is None or watch.assignment_id != asked.assignment_id:
        if phone is None:
            return "phone_unknown"
        if asked.supervisor_id == seat.agent_id or len(turn.call.watches) >= WATCHES_MAX:
            return "role_forbids"
        if watch is not None:
            _over(turn, watch)
        watch = _dial(turn, seat, asked, phone)
    announced = asked.announced or turn.call.terms.supervision_announced
    takes_over = asked.mode == "take_over"
    watch = replace(watch, mode=mode, command_id=asked.command_id, announced=announced, taking_over=takes_over)
    _put(turn, watch)
    if takes_over:
        _take_over(turn, watch, seat)
    return None


def watch_of(call: Call, supervisor_id: str) -> Watch | None:
    """What a supervisor does in this call."""
    return next((watch for watch in call.watches if watch.supervisor_id == supervisor_id), None)


def prune(turn: Turn) -> None:
    """Who watched an agent that is gone leaves."""
    for watch in turn.call.watches:
        if turn.call.seat(watch.assignment_id) is None:
            _over(turn, watch)


def settle(turn: Turn) -> None:
    """The node has supervisors where they want to be."""
    for watch in turn.call.watches:
        seat = turn.call.seat(watch.assignment_id)
        if seat is not None:
            _place(turn, watch, seat)


def _place(turn: Turn, watch: Watch, seat: Seat) -> None:
    leg, watched = turn.call.leg(watch.leg_id), turn.call.leg(seat.leg_id)
    if leg is None or watched is None or leg.state != "up" or watched.room_id is None or leg.releasing:
        return
    wanted = (watched.leg_id, watch.mode)
    if watch.told == wanted and (watch.said == "take_over") == watch.taking_over:
        return
    turn.tell(Monitor(leg_id=leg.leg_id, of_leg_id=watched.leg_id, mode=watch.mode))
    said: SupervisionMode = "take_over" if watch.taking_over else watch.mode
    _put(turn, replace(watch, told=wanted, said=said))
    if watch.said != said:
        _say(turn, watch, said)
    if watch.said is None and watch.announced:
        media = prompt(ANNOUNCED, domain=turn.call.terms.domain, language=turn.call.terms.language)
        turn.tell(Play(playback_id=turn.new_id("playback"), leg_id=watched.leg_id, media=(media,)))


def not_placed(turn: Turn, leg_id: str) -> None:
    """The node would not let the supervisor listen. If the agent's leg is still there that is final."""
    watch = next((each for each in turn.call.watches if each.leg_id == leg_id), None)
    seat = turn.call.seat(watch.assignment_id) if watch else None
    if watch is None or seat is None or turn.call.leg(leg_id) is None or turn.call.leg(seat.leg_id) is None:
        return
    refuse(turn, watch.command_id, "node_refused", watch.supervisor_id)
    _over(turn, watch)


def leg_ended(turn: Turn, leg: Leg, cause: str) -> None:
    """A supervisor's phone is gone, or was never answered."""
    watch = next((each for each in turn.call.watches if each.leg_id == leg.leg_id), None)
    if watch is None:
        return
    if leg.answered_at_ms is None:
        refuse(turn, watch.command_id, cause, watch.supervisor_id)
        _drop(turn, watch)
    else:
        _over(turn, watch)


def seated(turn: Turn, seat: Seat) -> Leg | None:
    """The router has given the call to a supervisor who is in it: their leg is now the agent's."""
    watch = watch_of(turn.call, seat.agent_id)
    leg = turn.call.leg(watch.leg_id) if watch else None
    if watch is None or leg is None or leg.releasing:
        return None
    _drop(turn, watch)
    leg = replace(leg, of="agent")
    turn.put_leg(leg)
    return leg


def answered(turn: Turn, command_id: str, refusal: str | None) -> bool:
    """Whether the router's word is about a call that was to be taken over; refused, the supervisor only talks along."""
    watch = next((each for each in turn.call.watches if each.request_id == command_id), None)
    if watch is None:
        return False
    if refusal is not None:
        _put(turn, replace(watch, taking_over=False, request_id=None))
        refuse(turn, watch.command_id, refusal, watch.supervisor_id)
    return True


def refuse(turn: Turn, command_id: str, reason: str, agent_id: str | None) -> None:
    """Tell who wanted something that it is not done."""
    refused = CallCommandRefused(
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        command_id=command_id,
        reason=reason,
        refused_at_ms=turn.now_ms,
        agent_id=agent_id,
    )
    turn.say(refused)


def _take_over(turn: Turn, watch: Watch, seat: Seat) -> None:
    command_id = turn.command_id()
    wanted = TransferTask(
        command_id=command_id,
        domain=turn.call.terms.domain,
        agent_id=seat.agent_id,
        assignment_id=seat.assignment_id,
        to_agent_id=watch.supervisor_id,
        forced=True,
        by=watch.supervisor_id,
    )
    turn.say(wanted)
    _put(turn, replace(watch, request_id=command_id))


def _dial(turn: Turn, seat: Seat, asked: SuperviseCall, phone: AgentPhone) -> Watch:
    leg_id = dial(turn, phone, of="supervisor", agent_id=asked.supervisor_id)
    return Watch(
        supervisor_id=asked.supervisor_id,
        assignment_id=seat.assignment_id,
        agent_id=seat.agent_id,
        leg_id=leg_id,
        mode="spy",
        announced=asked.announced,
        command_id=asked.command_id,
    )


def _over(turn: Turn, watch: Watch | None) -> str | None:
    if watch is None:
        return "leg_unknown"
    _drop(turn, watch)
    if watch.said is not None:
        _say(turn, watch, "over")
    return None


def _drop(turn: Turn, watch: Watch) -> None:
    turn.change(watches=tuple(each for each in turn.call.watches if each.supervisor_id != watch.supervisor_id))


def _put(turn: Turn, watch: Watch) -> None:
    _drop(turn, watch)
    turn.change(watches=(*turn.call.watches, watch))


def _say(turn: Turn, watch: Watch, mode: SupervisionMode) -> None:
    said = Supervised(
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        supervisor_id=watch.supervisor_id,
        agent_id=watch.agent_id,
        mode=mode,
        announced=watch.announced,
        supervised_at_ms=turn.now_ms,
    )
    turn.say(said)
