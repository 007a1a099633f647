"""The only place where a call changes: what happened, then what should be, then what the node is told for it."""

from voice_gateway.domain.call import Call, Leg, Spent, Terms
from voice_gateway.domain.commands import Answer
from voice_gateway.domain.events import LegIncoming
from voice_gateway.domain.facts import CallArrived, Fact
from voice_gateway.domain.ids import derived
from voice_gateway.domain.step import Step, Turn


def advance(call: Call | None, fact: Fact, now_ms: int) -> Step:
    """What comes of a fact. A call begins with CallArrived or DialAsked, and with nothing else. A fact that comes
    again changes nothing and says nothing."""
    if call is not None:
        return Step(call=call)
    assert isinstance(fact, CallArrived), fact  # noqa: S101 - the owner begins no call with anything else
    turn = Turn(call=_arrived(fact.leg, fact.terms, now_ms), now_ms=now_ms)
    turn.tell(Answer(leg_id=fact.leg.leg_id))
    return turn.done()


def _arrived(leg: LegIncoming, terms: Terms, now_ms: int) -> Call:
    return Call(
        interaction_id=derived("interaction", leg.leg_id),
        root=leg.leg_id,
        terms=terms,
        direction="inbound",
        customer=leg.caller,
        customer_leg_id=leg.leg_id,
        begun_at_ms=now_ms,
        spent=Spent(now="ring", since_ms=now_ms),
        legs=(Leg(leg_id=leg.leg_id, of="customer", state="incoming", begun_at_ms=now_ms),),
    )
