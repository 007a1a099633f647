"""The rules of counting: the only place that says what an event about a task adds to which `Counts`."""

from collections.abc import Callable
from typing import Any, Final, Protocol  # Any: each rule takes its own type of event

from contracts import offers, tasks
from contracts.metrics import Counts


class Measured(Protocol):
    """What has to be known of a task before the next event of it."""

    waits_since_ms: int | None
    """Since when a contact waits for its first answer in this queue; none once answered, and of other tasks."""

    @property
    def queue(self) -> str:
        """Where it is."""

    @property
    def consults(self) -> bool:
        """Whether a consult made it."""

    @property
    def assigned_at_ms(self) -> int | None:
        """Since when an agent has it, if one has."""

    @property
    def wrapup_at_ms(self) -> int | None:
        """Since when it is in wrap-up, if it is."""


class Book(Protocol):
    """Where counts are written."""

    def entry(self, task_id: str, queue: str, at_ms: int, agent_id: str | None = None) -> Counts:
        """Counts of this queue, and of this agent, at this instant, to add to; `task_id` tells whose they are."""


def count(book: Book, task: Measured, data: object) -> None:
    """Enter what the event adds, and renew `task.waits_since_ms`. `task` is as it was before the event.

    For `task.queued` it is as it is after. An event of any other kind adds nothing.
    """
    counter = COUNTERS.get(type(data))
    if counter is not None:
        counter(book, task, data)


# Waiting


def _queued(book: Book, task: Measured, data: tasks.TaskQueued) -> None:
    at_ms = data.queued_at_ms if data.entered_at_ms is None else data.entered_at_ms
    counts = book.entry(data.task_id, data.queue, at_ms)
    counts.waits_begun += 1
    if data.kind != "contact" or task.consults:
        counts.others_offered += 1
        return
    counts.offered += 1
    task.waits_since_ms = data.queued_at_ms
    if data.transfer is not None:
        counts.offered_by_transfer += 1
        task.waits_since_ms = at_ms


def _rerouted(book: Book, task: Measured, data: tasks.TaskRerouted) -> None:
    moved = data.queue != data.from_queue
    if not moved and (task.waits_since_ms is None or data.kind == "contact"):
        return
    before = book.entry(data.task_id, data.from_queue, data.rerouted_at_ms)
    if data.kind != "contact" and task.waits_since_ms is not None:
        before.called_back += 1
        task.waits_since_ms = None
        if not moved:
            before.others_offered += 1
    if not moved:
        return
    after = book.entry(data.task_id, data.queue, data.rerouted_at_ms)
    before.waits_ended += 1
    after.waits_begun += 1
    if data.kind != "contact" or task.consults:
        after.others_offered += 1
        return
    after.offered += 1
    after.offered_by_move += 1
    if task.waits_since_ms is None:
        task.waits_since_ms = data.rerouted_at_ms
    else:
        before.moved_out += 1


def _deferred(book: Book, task: Measured, data: tasks.TaskDeferred) -> None:
    if data.reason == "scheduled" and task.waits_since_ms is not None:
        book.entry(data.task_id, data.queue, data.deferred_at_ms).called_back += 1
        task.waits_since_ms = None


def _resumed(_: Book, task: Measured, data: tasks.TaskResumed) -> None:
    if data.reason == "opened" and task.waits_since_ms is not None:
        task.waits_since_ms = data.resumed_at_ms


def _assigned(book: Book, task: Measured, data: tasks.TaskAssigned) -> None:
    counts = book.entry(data.task_id, data.queue, data.assigned_at_ms, data.agent_id)
    counts.waits_ended += 1
    since_ms = task.waits_since_ms
    if since_ms is None:
        if data.kind != "contact" or task.consults:
            counts.others_assigned += 1
        else:
            counts.assigned_again += 1
        return
    task.waits_since_ms = None
    wait_ms = max(0, data.assigned_at_ms - since_ms)
    counts.answered += 1
    counts.wait_ms += wait_ms
    if data.answer_within_ms is not None:
        counts.promised += 1
        counts.within += wait_ms <= data.answer_within_ms
    if data.expected_wait_ms is not None:
        counts.forecast += 1
        counts.forecast_error_ms += abs(data.expected_wait_ms - wait_ms)
        counts.forecast_bias_ms += data.expected_wait_ms - wait_ms


def _abandoned(book: Book, task: Measured, data: tasks.TaskAbandoned) -> None:
    counts = book.entry(data.task_id, data.queue, data.abandoned_at_ms)
    counts.waits_ended += 1
    since_ms = task.waits_since_ms
    if since_ms is None:
        counts.left_again += 1
        return
    task.waits_since_ms = None
    wait_ms = max(0, data.abandoned_at_ms - since_ms)
    if data.short_abandon_ms is not None and wait_ms <= data.short_abandon_ms:
        counts.short_abandoned += 1
        return
    counts.abandoned += 1
    counts.abandoned_wait_ms += wait_ms
    counts.promised += data.answer_within_ms is not None


# Handling


def _requeued(book: Book, task: Measured, data: tasks.TaskRequeued) -> None:
    counts = book.entry(data.task_id, data.queue, data.requeued_at_ms, data.agent_id)
    counts.requeued += 1
    counts.waits_begun += 1
    if task.assigned_at_ms is not None:
        counts.handle_ms += max(0, data.requeued_at_ms - task.assigned_at_ms)


def _unassigned(book: Book, _: Measured, data: tasks.TaskUnassigned) -> None:
    counts = book.entry(data.task_id, data.queue, data.unassigned_at_ms, data.agent_id)
    counts.unassigned += 1
    counts.waits_begun += 1
    counts.handle_ms += data.handled_ms


def _completed(book: Book, task: Measured, data: tasks.TaskCompleted) -> None:
    counts = book.entry(data.task_id, data.queue, data.completed_at_ms, data.agent_id)
    counts.handled += 1
    counts.handle_ms += data.handled_ms
    counts.hold_ms += data.held_ms
    if task.wrapup_at_ms is not None:
        counts.wrapup_ms += max(0, data.completed_at_ms - task.wrapup_at_ms)


def _transferred_out(book: Book, task: Measured, data: tasks.TaskTransferredOut) -> None:
    counts = book.entry(data.task_id, data.queue, data.transferred_at_ms, data.agent_id)
    if data.assignment_id is not None:
        counts.handled += data.reason != "transfer_over"
        counts.handed_over += data.to == "handed_over"
        counts.handle_ms += data.handled_ms or 0
        counts.hold_ms += data.held_ms
        if task.wrapup_at_ms is not None:
            counts.wrapup_ms += max(0, data.transferred_at_ms - task.wrapup_at_ms)
        return
    counts.waits_ended += 1
    if task.waits_since_ms is not None:
        task.waits_since_ms = None
        if data.to == "callback":
            counts.called_back += 1
        else:
            counts.passed_out += 1


# Offers


def _issued(book: Book, task: Measured, data: offers.OfferIssued) -> None:
    book.entry(data.task_id, task.queue, data.issued_at_ms, data.agent_id).offers += 1


def _accepted(book: Book, task: Measured, data: offers.OfferAccepted) -> None:
    book.entry(data.task_id, task.queue, data.accepted_at_ms, data.agent_id).offers_accepted += 1


def _rejected(book: Book, task: Measured, data: offers.OfferRejected) -> None:
    book.entry(data.task_id, task.queue, data.rejected_at_ms, data.agent_id).offers_rejected += 1


def _expired(book: Book, task: Measured, data: offers.OfferExpired) -> None:
    book.entry(data.task_id, task.queue, data.expired_at_ms, data.agent_id).offers_expired += 1


def _rescinded(book: Book, task: Measured, data: offers.OfferRescinded) -> None:
    book.entry(data.task_id, task.queue, data.rescinded_at_ms, data.agent_id).offers_taken_back += 1


def _withdrawn(book: Book, task: Measured, data: offers.OfferWithdrawn) -> None:
    book.entry(data.task_id, task.queue, data.withdrawn_at_ms, data.agent_id).offers_taken_back += 1


COUNTERS: Final[dict[type, Callable[[Book, Measured, Any], None]]] = {
    tasks.TaskQueued: _queued,
    tasks.TaskRerouted: _rerouted,
    tasks.TaskDeferred: _deferred,
    tasks.TaskResumed: _resumed,
    tasks.TaskAssigned: _assigned,
    tasks.TaskAbandoned: _abandoned,
    tasks.TaskRequeued: _requeued,
    tasks.TaskUnassigned: _unassigned,
    tasks.TaskCompleted: _completed,
    tasks.TaskTransferredOut: _transferred_out,
    offers.OfferIssued: _issued,
    offers.OfferAccepted: _accepted,
    offers.OfferRejected: _rejected,
    offers.OfferExpired: _expired,
    offers.OfferRescinded: _rescinded,
    offers.OfferWithdrawn: _withdrawn,
}
"""All of them name their task."""
