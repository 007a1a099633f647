"""What the router does with our interactions: one function each, in a transaction."""

from dataclasses import replace
from typing import Generic
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

from gatewaykit.directory import Directory
from gatewaykit.domain import decisions, routed
from gatewaykit.domain.records import Change, Conversation, Seat
from gatewaykit.keep import keep
from gatewaykit.writing import Tx, Writing


class Routing(Generic[Tx]):
    """Follows the router; `writing` brings the gateway's own words to customers of providers."""

    def __init__(self, directory: Directory, clock: Clock, writing: Writing[Tx] | None = None) -> None:
        self._directory = directory
        self._clock = clock
        self._writing = writing

    async def queued(self, tx: Tx, delivery: Delivery[TaskQueued]) -> None:
        """A task stands in line: a transfer's beside the conversation's own."""
        event, data = delivery.event, delivery.data
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            change = Change(conversation) if data.transfer else routed.queued(conversation, data.task_id)
            await self._follow(tx, event, conversation, change)

    async def rerouted(self, tx: Tx, delivery: Delivery[TaskRerouted]) -> None:
        """It waits in another line, or elsewhere in its own; perhaps as a callback, of which the customer is told."""
        event, data = delivery.event, delivery.data
        conversation = await self._ours(tx, event, data.interaction_id) if data.reason == "callback" else None
        if conversation:
            message_id = uuid5(NAMESPACE_URL, f"{data.interaction_id}/{data.task_id}/callback").hex
            if await tx.first_time("task.rerouted", message_id):  # said once, however often it is asked for
                change = routed.called_back(conversation, data, message_id=message_id, now_ms=self._clock.now_ms())
                await self._follow(tx, event, conversation, change)

    async def decided(self, tx: Tx, delivery: Delivery[CommandResult]) -> None:
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

    async def deferred(self, tx: Tx, delivery: Delivery[TaskDeferred]) -> None:
        """It waits, and is not offered for now."""
        event, data = delivery.event, delivery.data
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation and data.reason == "parked":
            await self._follow(tx, event, conversation, routed.parked(conversation, data.task_id, is_parked=True))

    async def resumed(self, tx: Tx, delivery: Delivery[TaskResumed]) -> None:
        """It may be offered again."""
        event, data = delivery.event, delivery.data
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, routed.parked(conversation, data.task_id, is_parked=False))

    async def assigned(self, tx: Tx, delivery: Delivery[TaskAssigned]) -> None:
        """An agent has the conversation, or has come to help."""
        event, data = delivery.event, delivery.data
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

    async def requeued(self, tx: Tx, delivery: Delivery[TaskRequeued]) -> None:
        """The agent lost it; it waits again at its old place."""
        event, data = delivery.event, delivery.data
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, routed.waiting_again(conversation, data.task_id))

    async def unassigned(self, tx: Tx, delivery: Delivery[TaskUnassigned]) -> None:
        """The agent gave it back or put it by."""
        event, data = delivery.event, delivery.data
        is_parked = data.reason == "parked"
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            change = routed.waiting_again(conversation, data.task_id, is_parked=is_parked)
            await self._follow(tx, event, conversation, change)

    async def role_changed(self, tx: Tx, delivery: Delivery[AssignmentRoleChanged]) -> None:
        """A helper may talk to the customer now, or owns the conversation."""
        data = delivery.data
        conversation = await self._ours(tx, delivery.event, data.interaction_id)
        if conversation:
            change = routed.role_changed(conversation, data.assignment_id, data.role, self._clock.now_ms())
            await self._follow(tx, delivery.event, conversation, change)

    async def transfer_changed(self, tx: Tx, delivery: Delivery[TransferChanged]) -> None:
        """A transfer is done, or will not be."""
        data = delivery.data
        conversation = await self._ours(tx, delivery.event, data.interaction_id)
        if conversation:
            change = routed.transfer_changed(conversation, data.transfer_id, data.state, self._clock.now_ms())
            await self._follow(tx, delivery.event, conversation, change)

    async def finished(self, tx: Tx, delivery: Delivery[WrapupStarted] | Delivery[TaskCompleted]) -> None:
        """The agent is done with the conversation; ask again, close it, leave it open or see who has it now."""
        event, data = delivery.event, delivery.data
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

    async def abandoned(self, tx: Tx, delivery: Delivery[TaskAbandoned]) -> None:
        """The task left its line."""
        event, data = delivery.event, delivery.data
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            await self._follow(tx, event, conversation, routed.abandoned(conversation, data.task_id))

    async def transferred_out(self, tx: Tx, delivery: Delivery[TaskTransferredOut]) -> None:
        """The router has given the task up: tell the customer and end, unless another task has its place."""
        event, data = delivery.event, delivery.data
        conversation = await self._ours(tx, event, data.interaction_id)
        if conversation:
            message_id = uuid5(NAMESPACE_URL, f"{data.interaction_id}/{data.task_id}/transferred_out").hex
            change = routed.transferred_out(conversation, data, message_id=message_id, now_ms=self._clock.now_ms())
            await self._follow(tx, event, conversation, change)

    async def _ours(self, tx: Tx, event: Event, interaction_id: str) -> Conversation | None:
        return await tx.lock_conversation(event.tenant_id, interaction_id)

    async def _follow(self, tx: Tx, event: Event, before: Conversation, change: Change) -> None:
        sequence = max(before.routed_sequence, event.sequence or "")
        followed = replace(change, conversation=replace(change.conversation, routed_sequence=sequence))
        await keep(tx, before, followed, self._clock.now_ms(), causation_id=event.id)
        if followed.message and self._writing:
            await self._writing.tell(tx, followed.conversation, followed.message)
