"""The only place where a call changes: what happened, then what should be, then what the node is told for it.

A fact that comes again changes nothing and says nothing: events of legs by the state of the leg, events of the router
by their sequence, commands by their ids.
"""

from collections.abc import Callable
from typing import Any, Final  # Any: an event of any type

from voice_gateway.domain import arrange, arrivals, asked, ending, events, legs, reconcile, routed, talking, waiting
from voice_gateway.domain.call import Call
from voice_gateway.domain.facts import Asked, CallArrived, DialAsked, Fact, NodeTold, Reconciled, Routed, TimerDue
from voice_gateway.domain.flow_words import TimerDue as FlowDue
from voice_gateway.domain.refused import refused
from voice_gateway.domain.step import Step, Turn


def advance(call: Call | None, fact: Fact, now_ms: int) -> Step:
    """What comes of a fact. A call begins with CallArrived or DialAsked, and with nothing else."""
    if call is None:
        turn = _BEGINNINGS[type(fact)](fact, now_ms)
    else:
        turn = Turn(call=call, now_ms=now_ms)
        if call.over:
            return turn.done()
        _happened(turn, fact)
        if turn.call is call:  # nothing has happened, and all is as it should be since the step before
            return turn.done()
    arrange.settle(turn)
    return turn.done()


_BEGINNINGS: Final[dict[type, Callable[[Any, int], Turn]]] = {
    CallArrived: arrivals.arrived,
    DialAsked: arrivals.dial_asked,
}


def _happened(turn: Turn, fact: Fact) -> None:
    match fact:
        case NodeTold(event=event):
            handler = _EVENTS.get(type(event))
            if handler is not None:
                handler(turn, event)
        case Routed():
            routed.routed(turn, fact)
        case Asked():
            asked.asked(turn, fact)
        case TimerDue(name=name, place=place):
            _due(turn, name, place)
        case Reconciled(snapshot=snapshot):
            reconcile.reconciled(turn, snapshot)
        case CallArrived() | DialAsked():
            pass  # it came twice


_EVENTS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    events.LegRinging: legs.ringing,
    events.LegAnswered: legs.answered,
    events.LegEnded: legs.ended,
    events.KeyPressed: waiting.key_pressed,
    events.PlaybackEnded: lambda turn, event: waiting.played(turn, event.playback_id),
    events.RecordingReady: lambda turn, event: waiting.recorded(turn, event.recording_id, event.seconds),
    events.RecordingFailed: lambda turn, event: waiting.not_recorded(turn, event.recording_id),
    events.HoldChanged: talking.hold_changed,
    events.TransferRequested: talking.transfer_requested,
    events.CommandRefused: refused,
}


def _due(turn: Turn, name: str, place: int | None) -> None:
    """A timer that is not set any more, or not due yet, was changed meanwhile."""
    if turn.call.timers.get(name, turn.now_ms + 1) > turn.now_ms:
        return
    turn.drop_timer(name)
    kind, _, leg_id = name.partition(":")
    match kind:
        case "ring":
            legs.rang_out(turn, leg_id)
        case legs.KEEP_ALIVE:
            legs.keep_alive(turn)
        case waiting.FLOW:
            waiting.hear(turn, FlowDue(position=place))
        case talking.RECALL:
            talking.recall_due(turn)
        case ending.ANSWER:
            ending.end(turn, *(turn.call.gone or ("customer_left", None)))
        case talking.GIVE_BACK:
            talking.give_back_due(turn)
        case talking.WISH:
            talking.answer_wish(turn, accepted=False)
        case _:
            assert name == ending.DRAIN, name  # noqa: S101 - there is no other
            legs.drained(turn)
