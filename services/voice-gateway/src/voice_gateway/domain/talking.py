"""Agents on the line: their phones ring, they talk, hold, hang up, and ask by their phones for what the router decides.

The router alone says whose call it is (`routed`). Of a phone that fails, is hung up or asks for a transfer it is told,
and what it answers is done.
"""

from dataclasses import replace
from typing import Final, Literal

from contracts.commands import ConnectAssignment, EndTask, HoldTask, MoveTransfer, TransferTask

from voice_gateway.domain import ending, supervision, waiting
from voice_gateway.domain.arrange import is_held
from voice_gateway.domain.call import Extension, Leg, Seat
from voice_gateway.domain.commands import AnswerTransfer
from voice_gateway.domain.dialling import LEGS_MAX, dial, dial_customer
from voice_gateway.domain.events import HoldChanged, TransferRequested
from voice_gateway.domain.flow_words import Talking, TalkOver
from voice_gateway.domain.step import Turn
from voice_gateway.domain.words import EndCause

RINGS_MAX: Final = 3
"""So often the phone of an agent whose line broke is dialled for one assignment."""
GATEWAY: Final = "voice-gateway"
BROKEN: Final = frozenset[EndCause]({"lost", "failed", "congested", "unavailable"})
"""The line broke: nobody hung up."""
RECALL: Final = "recall"
RECALL_MS: Final = 60_000
"""So long a call that was given back waits for the router's word, then the task is ended."""
GIVE_BACK: Final = "give_back"
GIVE_BACK_MS: Final = 2_000
"""So long the router has to end a consult whose owner cannot be reached."""
WISH: Final = "wish"
WISH_MS: Final = 8_000
"""A phone that asked for a transfer hears no later than that what came of it."""


def seat_taken(turn: Turn, seat: Seat) -> None:
    """An agent has the task: their phone rings, unless they are on the line already."""
    present = supervision.seated(turn, seat)
    if present is not None:
        turn.put_seat(replace(seat, leg_id=present.leg_id, rings=1))
        if present.state == "up":
            phone_answered(turn, present)
    elif seat.phone is None or len(turn.call.legs) >= LEGS_MAX:
        turn.put_seat(seat)
        not_connected(turn, seat, "phone_unknown" if seat.phone is None else "too_many_legs")
    else:
        ring(turn, seat)


def ring(turn: Turn, seat: Seat) -> None:
    """Dial the agent's phone."""
    if seat.phone is None:
        return
    leg_id = dial(
        turn,
        seat.phone,
        of="agent",
        agent_id=seat.agent_id,
        assignment_id=seat.assignment_id,
    )
    turn.put_seat(replace(seat, leg_id=leg_id, rings=seat.rings + 1))


def phone_answered(turn: Turn, leg: Leg) -> None:
    """The agent is there: with the customer, or in an outbound call before them."""
    seat = turn.call.seat_at(leg.leg_id)
    customer = turn.call.leg(turn.call.customer_leg_id)
    if seat is None:
        return
    if customer is None and turn.call.direction == "outbound" and not turn.call.dialled:
        turn.change(dialled=True)
        dial_customer(turn)
    elif customer is not None and customer.state == "up":
        connected(turn, seat)


def customer_joined(turn: Turn) -> None:
    """The customer who was called is there: the agent waits for them."""
    owner = turn.call.owner
    leg = turn.call.leg(owner.leg_id) if owner else None
    if owner is not None and leg is not None and leg.state == "up":
        connected(turn, owner)


def connected(turn: Turn, seat: Seat) -> None:
    """The router is told, once for an assignment; the flow is silent for who talks with the customer."""
    if not seat.connected:
        turn.put_seat(replace(seat, connected=True))
        _report(turn, seat)
    if seat.role != "consultant":
        turn.drop_timer(RECALL)
        waiting.hear(turn, Talking())


def not_connected(turn: Turn, seat: Seat, failure: str) -> None:
    """The router is told that the agent cannot talk with the customer: the task waits again."""
    _report(turn, seat, failure)


def _report(turn: Turn, seat: Seat, failure: str | None = None) -> None:
    said = ConnectAssignment(
        assignment_id=seat.assignment_id,
        interaction_id=turn.call.interaction_id,
        domain=turn.call.terms.domain,
        reported_at_ms=turn.now_ms,
        failure=failure,
    )
    turn.say(said)


def phone_gone(turn: Turn, leg: Leg, cause: EndCause) -> None:
    """An agent's leg is over though the router has not said so. A phone that never answered is one that cannot be
    connected; who was on the line is done, unless the line broke or the customer is on hold: then it rings again."""
    seat = turn.call.seat_at(leg.leg_id)
    if seat is None or turn.call.ended_at_ms is not None:
        return
    seat = replace(seat, leg_id=None)
    turn.put_seat(seat)
    if not seat.connected and leg.answered_at_ms is None:
        not_connected(turn, seat, cause)
    elif not seat.connected or seat.task_id != turn.call.task_id or _talks_with_others(turn):
        end_task(turn, seat)
    elif leg.answered_at_ms is None:
        _give_back(turn, seat)
    elif cause in BROKEN or is_held(turn.call) or _consults(turn):
        recall(turn, seat)
    else:
        end_task(turn, seat)


def _talks_with_others(turn: Turn) -> bool:
    return any(seat.role == "participant" and seat.leg_id and seat.connected for seat in turn.call.seats)


def _consults(turn: Turn) -> bool:
    return any(seat.role == "consultant" and seat.leg_id and seat.connected for seat in turn.call.seats)


def recall(turn: Turn, seat: Seat) -> None:
    """The customer is an agent's who is not on the line: their phone rings again, a few times."""
    transfer = turn.call.transfer
    if transfer is not None and _consults(turn):
        _move(turn, seat, transfer.transfer_id, "cancel")
    if seat.rings >= RINGS_MAX:
        _give_back(turn, seat)
    else:
        ring(turn, seat)


def _give_back(turn: Turn, seat: Seat) -> None:
    """The agent cannot be reached any more: others are asked. Who was asked to take the customer over will come; who
    was asked for help is told that it is over, which makes way for others."""
    transfer = turn.call.transfer
    if transfer is None:
        _transfer(turn, seat, Extension(dialled="", queue=seat.queue), forced=True)
    elif transfer.kind == "consult":
        _move(turn, seat, transfer.transfer_id, "cancel")
        turn.set_timer(GIVE_BACK, GIVE_BACK_MS)
        return
    turn.set_timer(RECALL, RECALL_MS)


def give_back_due(turn: Turn) -> None:
    """The consult should be over by now."""
    owner = turn.call.owner
    if owner is not None and owner.leg_id is None and turn.call.transfer is None:
        _give_back(turn, owner)
    else:
        turn.set_timer(RECALL, RECALL_MS)


def recall_due(turn: Turn) -> None:
    """The owner is not on the line, and nobody came in their place."""
    owner = turn.call.owner
    if owner is not None and owner.leg_id is None:
        end_task(turn, owner)


def end_task(turn: Turn, seat: Seat) -> None:
    """The agent has hung up, which ends the conversation, or their help."""
    ended = EndTask(
        command_id=turn.command_id(),
        domain=turn.call.terms.domain,
        agent_id=seat.agent_id,
        assignment_id=seat.assignment_id,
        as_helper=seat.role != "owner",
    )
    turn.say(ended)


def hold_changed(turn: Turn, event: HoldChanged) -> None:
    """A phone's own hold button: the router says what it means."""
    seat, leg = turn.call.seat_at(event.leg_id), turn.call.leg(event.leg_id)
    if leg is None or leg.holds == event.held:
        return
    turn.put_leg(replace(leg, holds=event.held))
    if seat is None or not seat.connected or seat.role == "consultant":
        return
    held = HoldTask(
        command_id=turn.command_id(),
        domain=turn.call.terms.domain,
        agent_id=seat.agent_id,
        assignment_id=seat.assignment_id,
        held=event.held,
    )
    turn.say(held)


def transfer_requested(turn: Turn, event: TransferRequested) -> None:
    """A phone gives its talk away: to whom it dialled, or to the consultant with whom it talks."""
    call = turn.call
    seat = call.seat_at(event.leg_id)
    if call.wished is not None and call.wished[0] == event.transfer_id:
        return
    command_id = None
    if seat is not None and seat == call.owner and seat.connected and call.wished is None:
        command_id = _wish(turn, seat, event)
    if command_id is None:
        turn.tell(AnswerTransfer(transfer_id=event.transfer_id, accepted=False))
        return
    turn.change(wished=(event.transfer_id, command_id))
    turn.set_timer(WISH, WISH_MS)


def _wish(turn: Turn, seat: Seat, event: TransferRequested) -> str | None:
    """The id of what the router is asked; None: nobody can be asked that."""
    transfer = turn.call.transfer
    if event.form == "attended":
        consulted = turn.call.seat_at(event.to)
        if transfer is None or consulted is None or consulted.task_id != transfer.transfer_id:
            return None
        return _move(turn, seat, transfer.transfer_id, "complete")
    extension = next((each for each in turn.call.terms.extensions if each.dialled == event.to), None)
    if extension is None or transfer is not None:
        return None
    return _transfer(turn, seat, extension)


def answer_wish(turn: Turn, *, accepted: bool) -> None:
    """The phone hears what came of the transfer that it asked for."""
    wished = turn.call.wished
    if wished is not None:
        turn.tell(AnswerTransfer(transfer_id=wished[0], accepted=accepted))
        turn.change(wished=None)
        turn.drop_timer(WISH)


def _transfer(turn: Turn, seat: Seat, to: Extension, *, forced: bool = False) -> str:
    command_id = turn.command_id()
    asked = TransferTask(
        command_id=command_id,
        domain=turn.call.terms.domain,
        agent_id=seat.agent_id,
        assignment_id=seat.assignment_id,
        queue=to.queue,
        to_agent_id=to.agent_id,
        forced=forced,
        by=GATEWAY,
    )
    turn.say(asked)
    return command_id


def _move(turn: Turn, seat: Seat, transfer_id: str, move: Literal["complete", "cancel"]) -> str:
    command_id = turn.command_id()
    moved = MoveTransfer(
        command_id=command_id,
        domain=turn.call.terms.domain,
        agent_id=seat.agent_id,
        transfer_id=transfer_id,
        move=move,
    )
    turn.say(moved)
    return command_id


def talk_over(turn: Turn, seat: Seat | None, cause: str | None = None) -> None:
    """The agents' side is over: the customer may be asked how it was, and then the call ends."""
    if seat is not None:
        turn.change(last_agent=(seat.agent_id, seat.assignment_id))
    ending.close(turn, "agent_closed", cause)
    customer = turn.call.leg(turn.call.customer_leg_id)
    if customer is not None and customer.state == "up":
        waiting.hear(turn, TalkOver())
    else:
        waiting.hang_up(turn)
