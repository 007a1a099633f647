"""What a node tells of legs: each thing counts once, whatever comes twice or late."""

from dataclasses import replace
from typing import Final

from contracts import calls

from voice_gateway.domain import ending, supervision, talking, waiting
from voice_gateway.domain.arrange import release
from voice_gateway.domain.call import Leg
from voice_gateway.domain.commands import KeepAlive
from voice_gateway.domain.dialling import ring_timer
from voice_gateway.domain.events import LegAnswered, LegEnded, LegRinging
from voice_gateway.domain.step import Turn

KEEP_ALIVE: Final = "keep_alive"


def ringing(turn: Turn, event: LegRinging) -> None:
    """A phone that we dialled rings."""
    leg = turn.call.leg(event.leg_id)
    if leg is None or leg.state != "dialled":
        return
    turn.put_leg(replace(leg, state="ringing"))
    said = calls.LegRinging(
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        leg_id=leg.leg_id,
        party=leg.of,
        ringing_at_ms=event.at_ms,
        agent_id=leg.agent_id,
    )
    turn.say(said)


def answered(turn: Turn, event: LegAnswered) -> None:
    """A leg can hear and be heard. One that was told to end is not wanted any more."""
    leg = turn.call.leg(event.leg_id)
    if leg is None or leg.state == "up":
        return
    leg = replace(leg, state="up", answered_at_ms=event.at_ms)
    turn.put_leg(leg)
    turn.drop_timer(ring_timer(leg.leg_id))
    said = calls.LegAnswered(
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        leg_id=leg.leg_id,
        party=leg.of,
        by=event.by,
        answered_at_ms=event.at_ms,
        agent_id=leg.agent_id,
    )
    turn.say(said)
    if leg.releasing:
        return
    keep_alive(turn, leg.leg_id)
    if leg.of == "customer":
        if turn.call.direction == "inbound":
            waiting.begin(turn)
        else:
            talking.customer_joined(turn)
    elif leg.of == "agent":
        talking.phone_answered(turn, leg)


def ended(turn: Turn, event: LegEnded) -> None:
    """A leg is over."""
    leg = turn.call.leg(event.leg_id)
    if leg is None:
        return
    turn.change(
        legs=tuple(each for each in turn.call.legs if each.leg_id != leg.leg_id),
        quality=ending.worst(turn.call, event.quality),
    )
    turn.drop_timer(ring_timer(leg.leg_id))
    _say_ended(turn, leg, event)
    if leg.of == "customer":
        _customer_gone(turn, leg, event)
    elif leg.of == "agent":
        talking.phone_gone(turn, leg, event.cause)
    else:
        supervision.leg_ended(turn, leg, event.cause)


def _customer_gone(turn: Turn, leg: Leg, event: LegEnded) -> None:
    """Who could not be reached ends the call as who hangs up does: the agent says what to do about it."""
    waiting.customer_gone(turn)
    if turn.call.direction == "outbound" and leg.answered_at_ms is None:
        ending.end(turn, "never_answered", event.cause)
    else:
        ending.end(turn, "customer_left", None if event.cause == "hung_up" else event.cause)


def _say_ended(turn: Turn, leg: Leg, event: LegEnded) -> None:
    quality = event.quality
    said = calls.LegEnded(
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        leg_id=leg.leg_id,
        party=leg.of,
        cause=event.cause,
        by_us=event.by_us or leg.releasing,
        ended_at_ms=event.at_ms,
        agent_id=leg.agent_id,
        sip_code=event.sip_code,
        jitter_ms=quality.jitter_ms if quality else None,
        lost_fraction=quality.lost_fraction if quality else None,
        round_trip_ms=quality.round_trip_ms if quality else None,
    )
    turn.say(said)


def rang_out(turn: Turn, leg_id: str) -> None:
    """The node has not said what became of a phone that rang: it is taken for not answered."""
    leg = turn.call.leg(leg_id)
    if leg is None or leg.state == "up":
        return
    release(turn, leg)
    ended(turn, LegEnded(leg_id=leg_id, cause="no_answer", at_ms=turn.now_ms, by_us=True))


def keep_alive(turn: Turn, *leg_ids: str) -> None:
    """These legs live on for a time; none named: all of them, and again in a quarter of it."""
    seconds = turn.call.terms.alive_seconds
    alive = leg_ids or tuple(leg.leg_id for leg in turn.call.legs if leg.state == "up" and not leg.releasing)
    if alive and turn.call.terms.can.keeps_alive:
        turn.tell(KeepAlive(leg_ids=alive, seconds=seconds))
    if not leg_ids:
        turn.set_timer(KEEP_ALIVE, seconds * 250)


def drained(turn: Turn) -> None:
    """Legs that did not say that they have ended are taken for lost; recordings are waited for longer."""
    call = turn.call
    for leg in call.legs:
        ended(turn, LegEnded(leg_id=leg.leg_id, cause="lost", at_ms=turn.now_ms, by_us=True))
    ending.drained(turn)
