"""What the router does with our interactions, and with everybody's lines: one function each, in a transaction."""

from dataclasses import replace
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from contracts import Event
from contracts.agents import CommandResult
from contracts.assignments import AssignmentRoleChanged, TransferChanged
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
from servicekit.ports import Clock
from servicekit.reactions import Delivery

from chat_gateway.directory import Directory
from chat_gateway.domain import decisions, routed
from chat_gateway.domain.records import Change, Conversation, LineTask, Seat
from chat_gateway.handlers import keep
from chat_gateway.store import ChatTransaction

OUT_OF_LINE: Final = ("parked", "scheduled")
"""Whom others pass while the task is deferred for this."""


class Routing:
    """Follows the router."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    async def queued(self, tx: ChatTransaction, delivery: Delivery[TaskQueued]) -> None:
        """A task stands in line: a transfer's beside the conversation's own."""
        event, data = delivery.event, delivery.data
        await tx.add_line_task(_line_task(event.tenant_id, data))
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            change = Change(conversation) if data.transfer else routed.queued(conversation, data.task_id)
            await self._follow(tx, event, conversation, change)

    async def rerouted(self, tx: ChatTransaction, delivery: Delivery[TaskRerouted]) -> None:
        """It waits in another line, or elsewhere in its own; perhaps as a callback, of which the customer is told."""
        event, data = delivery.event, delivery.data
        await tx.move_line_task(
            event.tenant_id,
            data.task_id,
            queue=data.queue,
            band=data.terms.band,
            priority=data.priority,
        )
        conversation = await self._ours(tx, event, data.interaction_id) if data.reason == "callback" else None
        if conversation:
            message_id = uuid5(NAMESPACE_URL, f"{data.interaction_id}/{data.task_id}/callback").hex
            if await tx.first_time("task.rerouted", message_id):  # said once, however often it is asked for
                change = routed.called_back(conversation, data, message_id=message_id, now_ms=self._clock.now_ms())
                await self._follow(tx, event, conversation, change)

    async def decided(self, tx: ChatTransaction, delivery: Delivery[CommandResult]) -> None:
        """A customer who asked to be called back cannot be; of an accepted request `rerouted` tells."""
        event, data = delivery.event, delivery.data
        interaction_id = decisions.asked_for_callback(data.command_id)
        if data.refusal is None or data.agent_id is not None or interaction_id is None:
            return
        conversation = await self._ours(tx, event, interaction_id)
        message_id = uuid5(NAMESPACE_URL, f"{data.command_id}/refused").hex
        if conversation and await tx.first_time("command.result", message_id):
            change = routed.callback_refused(
                conversation, data.refusal.code, message_id=message_id, now_ms=self._clock.now_ms()
            )
            await self._follow(tx, event, conversation, change)

    async def deferred(self, tx: ChatTransaction, delivery: Delivery[TaskDeferred]) -> None:
        """It waits, and is not offered for now."""
        event, data = delivery.event, delivery.data
        if data.reason in OUT_OF_LINE:
            await tx.set_waiting(event.tenant_id, data.task_id, waiting=False)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation and data.reason == "parked":
            await self._follow(tx, event, conversation, routed.parked(conversation, data.task_id, is_parked=True))

    async def resumed(self, tx: ChatTransaction, delivery: Delivery[TaskResumed]) -> None:
        """It may be offered again."""
        event, data = delivery.event, delivery.data
        await tx.set_waiting(event.tenant_id, data.task_id, waiting=True)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, routed.parked(conversation, data.task_id, is_parked=False))

    async def assigned(self, tx: ChatTransaction, delivery: Delivery[TaskAssigned]) -> None:
        """An agent has the conversation, or has come to help."""
        event, data = delivery.event, delivery.data
        await tx.set_waiting(event.tenant_id, data.task_id, waiting=False)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            seat = Seat(
                assignment_id=data.assignment_id,
                task_id=data.task_id,
                agent_id=data.agent_id,
                agent_name=self._directory.agent_name(event.tenant_id, data.agent_id),
                role=data.role,
            )
            now_ms, awaits = self._clock.now_ms(), data.respond_by_ms is not None
            change = routed.assigned(conversation, seat, now_ms, awaits_answer=awaits)
            await self._follow(tx, event, conversation, change)

    async def requeued(self, tx: ChatTransaction, delivery: Delivery[TaskRequeued]) -> None:
        """The agent lost it; it waits again at its old place."""
        event, data = delivery.event, delivery.data
        await tx.set_waiting(event.tenant_id, data.task_id, waiting=True)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, routed.waiting_again(conversation, data.task_id))

    async def unassigned(self, tx: ChatTransaction, delivery: Delivery[TaskUnassigned]) -> None:
        """The agent gave it back or put it by."""
        event, data = delivery.event, delivery.data
        is_parked = data.reason == "parked"
        await tx.set_waiting(event.tenant_id, data.task_id, waiting=not is_parked)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            change = routed.waiting_again(conversation, data.task_id, is_parked=is_parked)
            await self._follow(tx, event, conversation, change)

    async def role_changed(self, tx: ChatTransaction, delivery: Delivery[AssignmentRoleChanged]) -> None:
        """A helper may talk to the customer now, or owns the conversation."""
        data = delivery.data
        conversation = await self._ours(tx, delivery.event, data.interaction_id)
        if conversation:
            change = routed.role_changed(conversation, data.assignment_id, data.role, self._clock.now_ms())
            await self._follow(tx, delivery.event, conversation, change)

    async def transfer_changed(self, tx: ChatTransaction, delivery: Delivery[TransferChanged]) -> None:
        """A transfer is done, or will not be."""
        data = delivery.data
        conversation = await self._ours(tx, delivery.event, data.interaction_id)
        if conversation:
            change = routed.transfer_changed(conversation, data.transfer_id, data.state, self._clock.now_ms())
            await self._follow(tx, delivery.event, conversation, change)

    async def finished(self, tx: ChatTransaction, delivery: Delivery[WrapupStarted] | Delivery[TaskCompleted]) -> None:
        """The agent is done with the conversation; ask again, close it, leave it open or see who has it now."""
        event, data = delivery.event, delivery.data
        await tx.remove_line_task(event.tenant_id, data.task_id)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            change = routed.finished(
                conversation,
                task_id=data.task_id,
                # Of its own for each of the two events: the router drops a request id that it knows.
                request_id=f"{data.task_id}.{event.type.name.removeprefix('task.')}",
                then=data.then,
                seen_number=data.seen_number,
                now_ms=self._clock.now_ms(),
                handed_over_to=data.handed_over_to if isinstance(data, WrapupStarted) else None,
            )
            await self._follow(tx, event, conversation, change)

    async def abandoned(self, tx: ChatTransaction, delivery: Delivery[TaskAbandoned]) -> None:
        """The task left its line."""
        event, data = delivery.event, delivery.data
        await tx.remove_line_task(event.tenant_id, data.task_id)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, routed.abandoned(conversation, data.task_id))

    async def transferred_out(self, tx: ChatTransaction, delivery: Delivery[TaskTransferredOut]) -> None:
        """The router has given the task up: tell the customer and end, unless another task has its place."""
        event, data = delivery.event, delivery.data
        await tx.remove_line_task(event.tenant_id, data.task_id)
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            message_id = uuid5(NAMESPACE_URL, f"{data.interaction_id}/{data.task_id}/transferred_out").hex
            change = routed.transferred_out(conversation, data, message_id=message_id, now_ms=self._clock.now_ms())
            await self._follow(tx, event, conversation, change)

    async def _ours(self, tx: ChatTransaction, event: Event, interaction_id: str) -> Conversation | None:
        return await tx.lock_conversation(event.tenant_id, interaction_id)

    async def _follow(self, tx: ChatTransaction, event: Event, before: Conversation, change: Change) -> None:
        sequence = max(before.routed_sequence, event.sequence or "")
        followed = replace(change, conversation=replace(change.conversation, routed_sequence=sequence))
        await keep(tx, before, followed, self._clock.now_ms(), causation_id=event.id)


def _line_task(tenant_id: str, data: TaskQueued) -> LineTask:
    entered_at_ms = data.queued_at_ms if data.entered_at_ms is None else data.entered_at_ms
    return LineTask(
        tenant_id=tenant_id,
        task_id=data.task_id,
        interaction_id=data.interaction_id,
        domain=data.domain,
        queue=data.queue,
        priority=data.priority,
        queued_at_ms=data.queued_at_ms,
        waiting=data.deferred_for not in OUT_OF_LINE,
        band=data.terms.band if data.terms else 0,
        expected_at_ms=None if data.expected_wait_ms is None else entered_at_ms + data.expected_wait_ms,
    )
