"""How calls begin: somebody calls, or somebody is to be called."""

from voice_gateway.domain import dialling, legs, talking, waiting
from voice_gateway.domain.call import Call, Leg, Seat, Spent
from voice_gateway.domain.commands import Answer
from voice_gateway.domain.facts import CallArrived, DialAsked
from voice_gateway.domain.flow_words import Ask
from voice_gateway.domain.ids import derived
from voice_gateway.domain.step import Turn


def arrived(fact: CallArrived, now_ms: int) -> Turn:
    """Somebody calls: they are answered, and go on from there when the node says so."""
    leg_id, terms = fact.leg.leg_id, fact.terms
    call = Call(
        interaction_id=derived("interaction", leg_id),
        root=leg_id,
        terms=terms,
        direction="inbound",
        customer=fact.leg.caller,
        customer_leg_id=leg_id,
        begun_at_ms=now_ms,
        spent=Spent(now="ring", since_ms=now_ms),
    )
    turn = Turn(call=call, now_ms=now_ms)
    leg = Leg(leg_id=leg_id, of="customer", state="incoming", begun_at_ms=now_ms)
    dialling.started(turn, leg, direction="inbound", party=call.customer)
    turn.tell(Answer(leg_id=leg_id))
    legs.keep_alive(turn)
    return turn


def dial_asked(fact: DialAsked, now_ms: int) -> Turn:
    """An agent is to call a customer: the agent's phone rings first. The conversation is told of; the router knows its
    task already."""
    data = fact.data
    root = derived("dial", data.assignment_id)
    call = Call(
        interaction_id=data.interaction_id,
        root=root,
        terms=fact.terms,
        direction="outbound",
        customer=fact.customer,
        customer_leg_id=derived(root, "customer"),
        begun_at_ms=now_ms,
        spent=Spent(now="ring", since_ms=now_ms),
        task_id=data.task_id,
        queue=data.queue,
        routed_sequence=fact.sequence,
    )
    turn = Turn(call=call, now_ms=now_ms)
    waiting.ask(turn, Ask(queue_hint=None, language=fact.terms.language, attributes=()))
    seat = Seat(
        assignment_id=data.assignment_id,
        task_id=data.task_id,
        agent_id=data.agent_id,
        queue=data.queue,
        role=data.role,
        sequence=fact.sequence,
        phone=fact.phone,
    )
    talking.seat_taken(turn, seat)
    legs.keep_alive(turn)
    return turn
