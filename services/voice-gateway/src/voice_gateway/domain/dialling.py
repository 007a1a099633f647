"""Phones that we ring."""

from typing import Final

from contracts.calls import LegStarted
from contracts.fields import Direction

from voice_gateway.domain.call import AgentPhone, Leg, LegOf
from voice_gateway.domain.commands import Dial
from voice_gateway.domain.step import Turn
from voice_gateway.domain.words import Number, Party

LATE_MS: Final = 5_000
"""A node that has not said by then that a phone was not answered is not waited for."""
LEGS_MAX: Final = 12
"""Of one call at a time."""


def ring_timer(leg_id: str) -> str:
    """The name of the timer that ends the ringing."""
    return f"ring:{leg_id}"


def dial(turn: Turn, phone: AgentPhone, *, of: LegOf, agent_id: str, assignment_id: str | None = None) -> str:
    """Ring an agent's or a supervisor's phone, which shows the customer; the id of its leg. A phone outside shows a
    number of ours."""
    leg_id = turn.new_id("leg")
    leg = Leg(leg_id=leg_id, of=of, state="dialled", begun_at_ms=turn.now_ms, agent_id=agent_id)
    started(turn, leg, direction="outbound", assignment_id=assignment_id, ring_seconds=phone.ring_seconds)
    terms = turn.call.terms
    outside = isinstance(phone.to, Number)
    turn.tell(
        Dial(
            leg_id=leg_id,
            to=phone.to,
            ring_seconds=phone.ring_seconds,
            shown=terms.shown if outside else turn.call.customer,
            answers_itself=phone.answers_itself,
        )
    )
    return leg_id


def dial_customer(turn: Turn) -> None:
    """Ring the customer of a callback; what comes of it ends the call or joins it."""
    call = turn.call
    leg = Leg(leg_id=call.customer_leg_id, of="customer", state="dialled", begun_at_ms=turn.now_ms)
    ring_seconds = call.terms.ring_customer_seconds
    started(turn, leg, direction="outbound", party=call.customer, ring_seconds=ring_seconds)
    turn.tell(
        Dial(
            leg_id=leg.leg_id,
            to=Number(number=call.customer.number or ""),
            ring_seconds=ring_seconds,
            shown=call.terms.shown,
            detects_machines=call.terms.can.detects_machines and call.terms.detect_machines,
        )
    )


def started(
    turn: Turn,
    leg: Leg,
    *,
    direction: Direction,
    party: Party | None = None,
    assignment_id: str | None = None,
    ring_seconds: int | None = None,
) -> None:
    """A leg begins; one that we ring does so for a while only."""
    turn.put_leg(leg)
    if ring_seconds is not None:
        turn.set_timer(ring_timer(leg.leg_id), 1000 * ring_seconds + LATE_MS)
    personal = {"number": party.number, "name": party.name} if party else {}
    said = LegStarted(
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        leg_id=leg.leg_id,
        party=leg.of,
        direction=direction,
        started_at_ms=turn.now_ms,
        agent_id=leg.agent_id,
        assignment_id=assignment_id,
        personal={name: value for name, value in personal.items() if value is not None},
    )
    turn.say(said)
