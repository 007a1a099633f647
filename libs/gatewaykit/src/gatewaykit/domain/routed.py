"""What the router's events make of a conversation: who owns it, who helps, and when it is over.

A transfer is a second task of the interaction. The conversation follows its main task; the agents of others are helpers
until `assignment.role_changed`, `transfer.changed` or `task.wrapup_started` with `handed_over_to` makes one the owner,
whichever is read first.
"""

from dataclasses import replace
from typing import Final

from contracts.assignments import TransferState
from contracts.interactions import EndReason
from contracts.tasks import Role, TaskRerouted, TaskTransferredOut, Then

from gatewaykit.domain.decisions import attention, back, ended, gateway_says, without_agent
from gatewaykit.domain.records import Change, Conversation, Seat

WILL_CALL: Final = "We will call you back. You keep your place in line and may leave this chat."
NOT_CALLED: Final = "We cannot call you back just now. While you wait for an agent, you may ask again."
NOBODY_NOW: Final = "Nobody can answer you just now. Please try again later."


def queued(before: Conversation, task_id: str) -> Change:
    """A task waits for this interaction."""
    if before.state == "ended":
        return Change(before)
    return Change(replace(without_agent(before), state="waiting", task_id=task_id))


def waiting_again(before: Conversation, task_id: str, *, is_parked: bool = False) -> Change:
    """The task's assignment is over, and the task is not."""
    if before.task_id != task_id:
        return Change(_without_helper(before, task_id))
    return parked(queued(before, task_id).conversation, task_id, is_parked=is_parked)


def parked(before: Conversation, task_id: str, *, is_parked: bool) -> Change:
    """The waiting task is put by, or is back in line."""
    if before.state != "waiting" or before.task_id != task_id:
        return Change(before)
    return Change(replace(before, parked=is_parked))


def assigned(before: Conversation, seat: Seat, now_ms: int, *, awaits_answer: bool = False) -> Change:
    """An agent has it, or has come to help."""
    if before.state == "ended":
        return Change(before)
    if seat.role == "owner":
        owned = _owned(before, seat, now_ms)
        return replace(owned, conversation=replace(owned.conversation, awaits_answer=awaits_answer))
    return Change(replace(before, helpers=(*_others(before, seat), seat)))


def role_changed(before: Conversation, assignment_id: str, role: Role, now_ms: int) -> Change:
    """A helper has another part now; the owner gives theirs up by wrap-up alone."""
    seat = next((each for each in before.helpers if each.assignment_id == assignment_id), None)
    return assigned(before, replace(seat, role=role), now_ms) if seat else Change(before)


def transfer_changed(before: Conversation, transfer_id: str, state: TransferState, now_ms: int) -> Change:
    """A transfer moved on; its id is that of its task."""
    if state in ("cancelled", "failed"):
        return Change(_without_helper(before, transfer_id))
    seat = _helper(before, transfer_id)
    if seat is None or state not in ("completed", "conference"):
        return Change(before)
    role: Role = "owner" if state == "completed" else "participant"
    return assigned(before, replace(seat, role=role), now_ms)


def finished(  # what the event tells, each by name
    before: Conversation,
    *,
    task_id: str,
    request_id: str,
    then: Then,
    seen_number: int | None,
    now_ms: int,
    handed_over_to: str | None = None,
) -> Change:
    """The agent is done with the task, or only with the conversation (wrap-up): both tell `then` and what was seen.

    Asks again when the customer said more than the agent had seen; none means that the agent's side does not tell,
    which counts as all. Also asks again when this was asked since the wrap-up began and no new task is known: the
    router may have joined that request to the task that ends now. A request for a task that exists joins it.
    Handed over, nothing is asked: the task that took its place has the customer's words before it.
    """
    if before.task_id != task_id:
        return Change(_without_helper(before, task_id))
    if before.state == "ended":
        return Change(before)
    if handed_over_to is not None:
        return _handed_over(before, handed_over_to, now_ms)
    free = without_agent(before)
    asked_since = before.state == "waiting"
    if asked_since or (seen_number is not None and before.customer_number > seen_number):
        asked = attention(before, request_id, before.customer_message_id, now_ms)
        return Change(replace(free, state="waiting"), (asked,))
    if then == "close":
        return ended(before, "agent_closed", now_ms)
    return Change(replace(free, state="open"))


def abandoned(before: Conversation, task_id: str) -> Change:
    """The waiting task is gone; the interaction's end is the usual cause, and then nothing is left to do."""
    if before.state == "ended" or before.task_id != task_id:
        return Change(before)
    return Change(replace(without_agent(before), state="open"))


def transferred_out(before: Conversation, data: TaskTransferredOut, *, message_id: str, now_ms: int) -> Change:
    """The router has given the task up. Handed over, another has its place; else last words are said, and it ends: a
    web chat records no voice. What a supervisor finished ends without."""
    if before.state == "ended" or before.task_id != data.task_id:
        return Change(_without_helper(before, data.task_id))
    if data.to == "handed_over":
        return _handed_over(before, data.to_task_id, now_ms) if data.to_task_id else Change(before)
    reason: EndReason = "agent_closed" if data.to == "finished" else "refused"
    text = _storable(data.message) or (None if data.to == "finished" else NOBODY_NOW)
    if text is None:
        return ended(before, reason, now_ms, cause=data.reason)
    said = gateway_says(before, text, data.reason, message_id=message_id, now_ms=now_ms)
    over = ended(said.conversation, reason, now_ms, cause=data.reason)
    return replace(over, announce=said.announce + over.announce, message=said.message)


def called_back(before: Conversation, data: TaskRerouted, *, message_id: str, now_ms: int) -> Change:
    """The waiting task is a callback now: the customer is told, and may go. Who stays is answered here."""
    if before.state != "waiting" or before.task_id != data.task_id:
        return Change(before)
    text = _storable(data.message) or WILL_CALL
    return gateway_says(before, text, data.reason, message_id=message_id, now_ms=now_ms)


def callback_refused(before: Conversation, reason: str, *, message_id: str, now_ms: int) -> Change:
    """The customer who asked to be called back will not be: an agent was faster, or nothing waits any more."""
    if before.state == "ended":
        return Change(before)
    return gateway_says(before, NOT_CALLED, reason, message_id=message_id, now_ms=now_ms)


def _storable(text: str | None) -> str:
    """Without NUL, which PostgreSQL does not keep: the event is valid."""
    return (text or "").replace("\x00", "")


def _handed_over(before: Conversation, to_task_id: str, now_ms: int) -> Change:
    seat = _helper(before, to_task_id)
    if seat is not None:
        return _owned(before, seat, now_ms)
    return Change(replace(without_agent(before), state="waiting", task_id=to_task_id))


def _owned(before: Conversation, seat: Seat, now_ms: int) -> Change:
    """What was said of a silence was about the owner before. The router may read it only now, so it is taken back."""
    after = replace(
        before,
        state="assigned",
        task_id=seat.task_id,
        assignment_id=seat.assignment_id,
        agent_id=seat.agent_id,
        agent_name=seat.agent_name,
        helpers=_others(before, seat),
        parked=False,
        active_at_ms=now_ms,
        silent=False,
        unanswered_since_ms=None if before.unanswered_since_ms is None else now_ms,
    )
    return Change(after, back(before, now_ms))


def _helper(conversation: Conversation, task_id: str) -> Seat | None:
    return next((seat for seat in conversation.helpers if seat.task_id == task_id), None)


def _others(conversation: Conversation, seat: Seat) -> tuple[Seat, ...]:
    return tuple(each for each in conversation.helpers if each.assignment_id != seat.assignment_id)


def _without_helper(conversation: Conversation, task_id: str) -> Conversation:
    seat = _helper(conversation, task_id)
    return replace(conversation, helpers=_others(conversation, seat)) if seat else conversation
