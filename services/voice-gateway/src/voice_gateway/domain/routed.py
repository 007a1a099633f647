"""What the router's events make of a call: whose it is, who helps, who waits, and when it is over.

A transfer is a second task of the interaction; the call follows its main task (docs/transfers.md).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final  # Any: an event of any type

from contracts.agents import CommandResult
from contracts.assignments import AssignmentHeld, AssignmentRetrieved, AssignmentRoleChanged, TransferChanged
from contracts.tasks import (
    TaskAbandoned,
    TaskAssigned,
    TaskCompleted,
    TaskDeferred,
    TaskQueued,
    TaskRequeued,
    TaskRerouted,
    TaskResumed,
    TaskTransferredOut,
    TaskUnassigned,
    WrapupStarted,
)

from voice_gateway.domain import ending, supervision, talking, waiting
from voice_gateway.domain.call import Seat, Transfer
from voice_gateway.domain.facts import Routed
from voice_gateway.domain.flow_words import CallbackRefused, CalledBack, GivenUp, Queued, Talking
from voice_gateway.domain.step import Turn

CALLBACK: Final = "callback"


def routed(turn: Turn, fact: Routed) -> None:
    """An event of the router's, once: the consumers' rule of design and contracts, by sequence."""
    if fact.sequence <= turn.call.routed_sequence:
        return
    turn.change(routed_sequence=fact.sequence)
    if isinstance(fact.data, TaskAssigned):
        assigned(turn, fact)
    elif (handler := _HANDLERS.get(type(fact.data))) is not None:
        handler(turn, fact.data)


def assigned(turn: Turn, fact: Routed) -> None:
    """An agent has the call, or comes to help, or will have it. One that has ended has nobody to talk with: the router
    hears of that, and ends the assignment; but a callback outlives its call, and waits until that is over, unless the
    customer is still there."""
    call, data = turn.call, fact.data
    seat = Seat(
        assignment_id=data.assignment_id,
        task_id=data.task_id,
        agent_id=data.agent_id,
        queue=data.queue,
        role=data.role,
        sequence=fact.sequence,
        phone=fact.phone,
    )
    if call.closing is not None and call.cause == CALLBACK and waiting.is_there(turn):
        turn.change(closing=None, cause=None)
        waiting.hear(turn, Talking())  # the flow was about to let them go
    elif call.ended_at_ms is not None or call.gone is not None or call.closing is not None:
        if data.kind != "contact":
            talking.not_connected(turn, seat, "call_not_over")
        return
    if call.transfer is None or call.transfer.transfer_id != data.task_id:
        turn.change(task_id=data.task_id, queue=data.queue, recording_paused=False, paused_by=None)
    talking.seat_taken(turn, seat)


def _queued(turn: Turn, data: TaskQueued) -> None:
    if data.transfer is not None or turn.call.owner is not None:
        return
    turn.change(task_id=data.task_id)
    _waits(
        turn,
        data.queue,
        position=None if data.deferred_for else data.position,  # not in line yet
        expected_wait_ms=data.expected_wait_ms,
        language=data.language,
        callback_possible=data.callback_possible,
        closed=data.deferred_for == "closed",
        opens_at_ms=data.deferred_until_ms if data.deferred_for == "closed" else None,
    )


def _rerouted(turn: Turn, data: TaskRerouted) -> None:
    """The customer of a callback is told, and let go; the interaction ends, its task does not."""
    if data.task_id != turn.call.task_id:
        return
    if data.reason != "callback":
        _waits(turn, data.queue, language=data.language)
    elif turn.call.owner is None:
        turn.change(queue=data.queue)
        ending.close(turn, "customer_left", CALLBACK)
        waiting.hear(turn, CalledBack(message=data.message))


def _deferred(turn: Turn, data: TaskDeferred) -> None:
    if data.task_id == turn.call.task_id and data.reason == "closed":
        _waits(turn, data.queue, closed=True, opens_at_ms=data.until_ms)


def _resumed(turn: Turn, data: TaskResumed) -> None:
    if data.task_id == turn.call.task_id:
        _waits(turn, data.queue, closed=False)


def _waiting_again(turn: Turn, data: TaskRequeued | TaskUnassigned) -> None:
    """Others are asked."""
    _drop(turn, data.assignment_id)
    if data.task_id == turn.call.task_id:
        _without_agent(turn, data.queue)


def _without_agent(turn: Turn, queue: str) -> None:
    """Who was to be called, and has not been reached yet, will be by another call."""
    call = turn.call
    customer = call.leg(call.customer_leg_id)
    if call.ended_at_ms is not None:
        return
    if call.direction == "outbound" and (customer is None or customer.state != "up"):
        ending.leave(turn)
    else:
        _waits(turn, queue)


def _waits(turn: Turn, queue: str, **told: Any) -> None:
    """The flow hears where the caller waits, while no agent has the call."""
    turn.change(queue=queue)
    if turn.call.owner is None and turn.call.closing is None:
        waiting.hear(turn, Queued(queue=queue, **told))


def _held(turn: Turn, data: AssignmentHeld | AssignmentRetrieved) -> None:
    seat = turn.call.seat(data.assignment_id)
    if seat is not None:
        turn.put_seat(replace(seat, held=isinstance(data, AssignmentHeld)))


def _role_changed(turn: Turn, data: AssignmentRoleChanged) -> None:
    """Who becomes the owner does so by `transfer.changed`, which also says who was."""
    seat = turn.call.seat(data.assignment_id)
    if seat is not None and data.role != "owner":
        turn.put_seat(replace(seat, role=data.role))


def _transfer_changed(turn: Turn, data: TransferChanged) -> None:
    transfer = Transfer(transfer_id=data.transfer_id, kind=data.kind, from_assignment_id=data.from_assignment_id)
    match data.state:
        case "requested" | "consulting" | "conference":
            turn.change(transfer=transfer)
            if data.state == "conference" and (seat := _seat_of(turn, data.transfer_id)):
                turn.put_seat(replace(seat, role="participant"))
        case "completed":
            _hand_over(turn, data.from_assignment_id, data.transfer_id)
        case "cancelled" | "failed":
            _transfer_over(turn, data.transfer_id)


def _hand_over(turn: Turn, from_assignment_id: str, to_task_id: str) -> None:
    """Another task is the main one now; whose it is, if it is anybody's yet, talks with the customer from now on."""
    _drop(turn, from_assignment_id)
    seat = _seat_of(turn, to_task_id)
    if to_task_id == turn.call.task_id:
        return
    turn.change(task_id=to_task_id, transfer=None, recording_paused=False, paused_by=None)
    turn.drop_timer(talking.RECALL)
    if seat is None:
        _without_agent(turn, turn.call.queue or "")
        return
    turn.change(queue=seat.queue)
    turn.put_seat(replace(seat, role="owner"))
    leg = turn.call.leg(seat.leg_id)
    if leg is not None and leg.state == "up":
        talking.phone_answered(turn, leg)
    elif leg is None and seat.connected:  # they left as a helper, which the router heard too late
        talking.recall(turn, replace(seat, role="owner"))


def _transfer_over(turn: Turn, transfer_id: str) -> None:
    seat = _seat_of(turn, transfer_id)
    if seat is not None:
        _drop(turn, seat.assignment_id)
    if turn.call.transfer is not None and turn.call.transfer.transfer_id == transfer_id:
        turn.change(transfer=None)


def _wrapup_started(turn: Turn, data: WrapupStarted) -> None:
    if data.handed_over_to is not None:
        _hand_over(turn, data.assignment_id, data.handed_over_to)
    else:
        _finished(turn, data)


def _finished(turn: Turn, data: WrapupStarted | TaskCompleted) -> None:
    """The agent is done; kept open or not, a call without an agent is over."""
    seat = turn.call.seat(data.assignment_id)
    _drop(turn, data.assignment_id)
    if data.task_id == turn.call.task_id and turn.call.ended_at_ms is None and turn.call.closing is None:
        talking.talk_over(turn, seat)


def _abandoned(turn: Turn, data: TaskAbandoned) -> None:
    """The interaction's end is the usual cause, and then nothing is left to do."""
    if data.task_id == turn.call.task_id and turn.call.ended_at_ms is None:
        ending.close(turn, data.reason)
        waiting.hang_up(turn)


def _transferred_out(turn: Turn, data: TaskTransferredOut) -> None:
    if data.assignment_id is not None:
        _drop(turn, data.assignment_id)
    if data.to == "handed_over":
        if data.task_id == turn.call.task_id and data.to_task_id is not None:
            _hand_over(turn, data.assignment_id or "", data.to_task_id)
        else:
            _transfer_over(turn, data.task_id)
    elif data.task_id == turn.call.task_id and turn.call.ended_at_ms is None:
        ending.close(turn, "agent_closed" if data.to == "finished" else "refused", data.reason)
        waiting.hear(turn, GivenUp(to=data.to, queue=data.queue, message=data.message))


def _command_result(turn: Turn, data: CommandResult) -> None:
    """The router's answer to what we asked for a phone, a supervisor or a caller."""
    refusal = data.refusal.code if data.refusal else None
    wished = turn.call.wished
    if wished is not None and wished[1] == data.command_id:
        talking.answer_wish(turn, accepted=refusal is None)
    elif data.command_id == turn.call.callback_id:
        turn.change(callback_id=None)
        if refusal is not None:
            waiting.hear(turn, CallbackRefused())
    elif data.command_id == turn.call.message_id:
        turn.change(message_id=None)
    else:
        supervision.answered(turn, data.command_id, refusal)


def _seat_of(turn: Turn, task_id: str) -> Seat | None:
    return next((seat for seat in turn.call.seats if seat.task_id == task_id), None)


def _drop(turn: Turn, assignment_id: str) -> None:
    """The assignment is over; its leg belongs to nobody and ends."""
    turn.change(seats=tuple(seat for seat in turn.call.seats if seat.assignment_id != assignment_id))


_HANDLERS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    TaskQueued: _queued,
    TaskRerouted: _rerouted,
    TaskDeferred: _deferred,
    TaskResumed: _resumed,
    TaskRequeued: _waiting_again,
    TaskUnassigned: _waiting_again,
    AssignmentHeld: _held,
    AssignmentRetrieved: _held,
    AssignmentRoleChanged: _role_changed,
    TransferChanged: _transfer_changed,
    WrapupStarted: _wrapup_started,
    TaskCompleted: _finished,
    TaskAbandoned: _abandoned,
    TaskTransferredOut: _transferred_out,
    CommandResult: _command_result,
}
