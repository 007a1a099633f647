"""Everybody's lines, as the router tells them: a visitor's place is counted from those who wait."""

from typing import Final, TypeVar

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
from servicekit.reactions import Delivery

from chat_gateway.domain.records import LineTask
from chat_gateway.store import ChatTransaction

OUT_OF_LINE: Final = ("parked", "scheduled")
"""Whom others pass while the task is deferred for this."""

Gone = TypeVar("Gone", WrapupStarted, TaskCompleted, TaskAbandoned, TaskTransferredOut)


async def queued(tx: ChatTransaction, delivery: Delivery[TaskQueued]) -> None:
    """It stands in line."""
    await tx.add_line_task(_line_task(delivery.event.tenant_id, delivery.data))


async def rerouted(tx: ChatTransaction, delivery: Delivery[TaskRerouted]) -> None:
    """It waits in another line, or elsewhere in its own."""
    data = delivery.data
    await tx.move_line_task(
        delivery.event.tenant_id, data.task_id, queue=data.queue, band=data.terms.band, priority=data.priority
    )


async def deferred(tx: ChatTransaction, delivery: Delivery[TaskDeferred]) -> None:
    """Others may pass it."""
    if delivery.data.reason in OUT_OF_LINE:
        await tx.set_waiting(delivery.event.tenant_id, delivery.data.task_id, waiting=False)


async def back(tx: ChatTransaction, delivery: Delivery[TaskResumed] | Delivery[TaskRequeued]) -> None:
    """It waits again at its old place."""
    await tx.set_waiting(delivery.event.tenant_id, delivery.data.task_id, waiting=True)


async def assigned(tx: ChatTransaction, delivery: Delivery[TaskAssigned]) -> None:
    """It waits no more."""
    await tx.set_waiting(delivery.event.tenant_id, delivery.data.task_id, waiting=False)


async def unassigned(tx: ChatTransaction, delivery: Delivery[TaskUnassigned]) -> None:
    """The agent gave it back or put it by."""
    waiting = delivery.data.reason != "parked"
    await tx.set_waiting(delivery.event.tenant_id, delivery.data.task_id, waiting=waiting)


async def gone(tx: ChatTransaction, delivery: Delivery[Gone]) -> None:
    """It will never wait again."""
    await tx.remove_line_task(delivery.event.tenant_id, delivery.data.task_id)


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
