"""How a call ends: its interaction once, its legs all, and what it was like."""

from dataclasses import replace
from typing import Final

from contracts.calls import CallMeasured
from contracts.interactions import EndReason, InteractionEnded

from voice_gateway.domain import recording
from voice_gateway.domain.call import Call, Spending, Spent
from voice_gateway.domain.step import Turn
from voice_gateway.domain.words import Quality

DRAIN_MS: Final = 30_000
"""After so long legs that were told to end are taken for ended."""
RECORDINGS_MS: Final = 10 * 60_000
"""After so long recordings that are not ready are taken for failed."""
DRAIN: Final = "drain"
ANSWER: Final = "answer"
ANSWER_MS: Final = 10 * 60_000
"""So long the end waits for the router's answer: ends and wishes are in two topics, which it reads in no order, and
after an outage of Kafka's all at once."""


def end(turn: Turn, reason: EndReason, cause: str | None = None) -> None:
    """The interaction is over, for a reason that was known before if there is one; legs and rooms go."""
    call = turn.call
    if call.ended_at_ms is not None:
        return
    if _wants_answer(call) and (call.gone is None or turn.now_ms < call.timers.get(ANSWER, turn.now_ms)):
        turn.change(gone=call.gone or (reason, cause))
        if ANSWER not in turn.call.timers:
            turn.set_timer(ANSWER, ANSWER_MS)
        return
    ended = InteractionEnded(
        interaction_id=call.interaction_id,
        domain=call.terms.domain,
        reason=call.closing or reason,
        ended_at_ms=turn.now_ms,
        cause=call.cause if call.closing else cause,
    )
    turn.say(ended)
    leave(turn)


def _wants_answer(call: Call) -> bool:
    """The caller's message becomes a task of this interaction, or its task a callback: once that has ended the router
    refuses both."""
    wished = call.message_id is not None or call.callback_id is not None
    return wished or any(each.kind == "voicemail" for each in call.recordings)


def leave(turn: Turn) -> None:
    """Everybody is let go, without a word of the interaction: it goes on elsewhere."""
    turn.change(ended_at_ms=turn.now_ms, seats=(), transfer=None, wished=None, timers={})
    turn.set_timer(DRAIN, DRAIN_MS)


def close(turn: Turn, reason: EndReason, cause: str | None = None) -> None:
    """The agents' side is over; why, is told when the customer is gone too."""
    if turn.call.closing is None:
        turn.change(closing=reason, cause=cause)


def end_delayed(turn: Turn) -> None:
    """The router has answered: what waited for that ends."""
    if turn.call.gone is not None and not _wants_answer(turn.call):
        end(turn, *turn.call.gone)


def drained(turn: Turn) -> None:
    """Recordings that never came have failed."""
    ended_at_ms = turn.call.ended_at_ms
    if ended_at_ms is None or turn.now_ms - ended_at_ms < RECORDINGS_MS:
        turn.set_timer(DRAIN, DRAIN_MS)
        return
    for each in turn.call.recordings:
        recording.failed(turn, each.recording_id)


def settle(turn: Turn) -> None:
    """A call that has ended and of which nothing is left is measured, once."""
    call = turn.call
    if call.over or call.ended_at_ms is None or call.legs or call.recordings:
        return
    spent = spent_until(call.spent, call.spent.now, call.ended_at_ms)
    measured = CallMeasured(
        interaction_id=call.interaction_id,
        domain=call.terms.domain,
        duration_ms=max(0, call.ended_at_ms - call.begun_at_ms),
        ring_ms=spent.ring_ms,
        wait_ms=spent.wait_ms,
        talk_ms=spent.talk_ms,
        hold_ms=spent.hold_ms,
        measured_at_ms=turn.now_ms,
        jitter_ms=call.quality.jitter_ms,
        lost_fraction=call.quality.lost_fraction,
    )
    turn.say(measured)
    turn.change(over=True, timers={})


def spent_until(spent: Spent, now: Spending, at_ms: int) -> Spent:
    """What was spent until an instant, and what it goes to from then on."""
    name = f"{spent.now}_ms"
    total = getattr(spent, name) + max(0, at_ms - spent.since_ms)
    return replace(spent, now=now, since_ms=max(at_ms, spent.since_ms), **{name: total})


def worst(call: Call, quality: Quality | None) -> Quality:
    """Of all legs so far and this one."""
    if quality is None:
        return call.quality
    before = call.quality
    return Quality(
        jitter_ms=_larger(before.jitter_ms, quality.jitter_ms),
        lost_fraction=_larger(before.lost_fraction, quality.lost_fraction),
        round_trip_ms=_larger(before.round_trip_ms, quality.round_trip_ms),
    )


def _larger(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else max(one, other)
