"""Recounts a whole history naively, each figure by a search of its own: what `contracts.meter` is compared with."""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final  # Any: events of several types, told apart by what they have

from contracts.meter import AGENT_EVENTS, Key
from contracts.metrics import INTERVAL_MS
from contracts.offers import OfferAccepted, OfferExpired, OfferIssued, OfferRejected, OfferRescinded, OfferWithdrawn
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

Told = tuple[str, object]
"""Tenant and data of an event."""
Counted = tuple[int, str, str | None, str, int]
"""Instant, queue, agent, what was counted and how much."""
_OFFERS: Final[dict[type, tuple[str, str]]] = {
    OfferIssued: ("offers", "issued_at_ms"),
    OfferAccepted: ("offers_accepted", "accepted_at_ms"),
    OfferRejected: ("offers_rejected", "rejected_at_ms"),
    OfferExpired: ("offers_expired", "expired_at_ms"),
    OfferRescinded: ("offers_taken_back", "rescinded_at_ms"),
    OfferWithdrawn: ("offers_taken_back", "withdrawn_at_ms"),
}
_GIVES_BACK: Final = (TaskRequeued, TaskUnassigned)
_LETS_GO: Final = (TaskCompleted, TaskTransferredOut, *_GIVES_BACK)


def recounted(told: Iterable[Told]) -> dict[Key, dict[str, int]]:
    """What is not zero, by key."""
    events = list(told)
    counts: dict[Key, Counter[str]] = defaultdict(Counter)
    histories: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for tenant_id, data in events:
        if hasattr(data, "task_id"):
            histories[tenant_id, data.task_id].append(data)
    for (tenant_id, _), history in histories.items():
        queued = history[0]
        if not isinstance(queued, TaskQueued):
            continue
        for at_ms, queue, agent_id, name, number in _of_task(history):
            at = at_ms // INTERVAL_MS * INTERVAL_MS
            counts[Key(tenant_id, queued.domain, "queue", queue, queued.client, queued.channel, at)][name] += number
            if agent_id is not None:
                counts[Key(tenant_id, queued.domain, "agent", agent_id, "", "", at)][name] += number
    _count_agents(events, counts)
    plain = {key: {name: number for name, number in found.items() if number} for key, found in counts.items()}
    return {key: found for key, found in plain.items() if found}


def _of_task(history: Sequence[Any]) -> Iterator[Counted]:
    stays = [index for index, data in enumerate(history) if isinstance(data, TaskQueued) or _moves(data)]
    since_ms: int | None = None
    for first, after in zip(stays, [*stays[1:], len(history)], strict=True):
        since_ms = yield from _of_stay(history, first, min(after + 1, len(history)), since_ms)
    for index, data in enumerate(history):
        queue = _queue_at(history, index)
        yield from _of_line(data, queue)
        yield from _of_work(history[:index], data, queue)
        if type(data) in _OFFERS:
            name, at = _OFFERS[type(data)]
            yield getattr(data, at), queue, data.agent_id, name, 1


def _of_stay(
    history: Sequence[Any], first: int, end: int, waits_ms: int | None
) -> Generator[Counted, None, int | None]:
    """A stay in one queue, from the event that began it to the one that ended it, which is the last.

    Since when the task still waits is returned, and given for the next stay.
    """
    begun = history[first]
    at_ms = _entered_at_ms(begun)
    if begun.kind != "contact" or _consults(history):
        yield at_ms, begun.queue, None, "others_offered", 1
        for data in history[first + 1 : end]:
            yield from _of_other(data)
        return None
    yield at_ms, begun.queue, None, "offered", 1
    if isinstance(begun, TaskRerouted):
        yield at_ms, begun.queue, None, "offered_by_move", 1
        since_ms = at_ms if waits_ms is None else waits_ms
    else:
        since_ms = at_ms if begun.transfer else begun.queued_at_ms
        if begun.transfer:
            yield at_ms, begun.queue, None, "offered_by_transfer", 1
    stay = history[first + 1 : end]
    outcomes = [index for index, data in enumerate(stay) if _ends_the_wait(data)]
    outcome = outcomes[0] if outcomes else len(stay)
    since_ms = max([since_ms] + [each.resumed_at_ms for each in stay[:outcome] if _opened(each)])
    for data in stay[outcome : outcome + 1]:
        yield from _outcome(data, begun.queue, since_ms)
    for data in stay[outcome + 1 :]:
        yield from _of_other(data)
    last = stay[outcome] if outcomes else None
    return since_ms if last is None or (_moves(last) and last.kind == "contact") else None


def _outcome(data: Any, queue: str, since_ms: int) -> Iterator[Counted]:
    if isinstance(data, TaskAssigned):
        wait_ms = data.assigned_at_ms - since_ms
        who = (data.assigned_at_ms, queue, data.agent_id)
        yield (*who, "answered", 1)
        yield (*who, "wait_ms", wait_ms)
        if data.answer_within_ms is not None:
            yield (*who, "promised", 1)
            yield (*who, "within", int(wait_ms <= data.answer_within_ms))
        if data.expected_wait_ms is not None:
            yield (*who, "forecast", 1)
            yield (*who, "forecast_error_ms", abs(wait_ms - data.expected_wait_ms))
            yield (*who, "forecast_bias_ms", data.expected_wait_ms - wait_ms)
    elif isinstance(data, TaskAbandoned):
        wait_ms = data.abandoned_at_ms - since_ms
        short = data.short_abandon_ms is not None and wait_ms <= data.short_abandon_ms
        yield data.abandoned_at_ms, queue, None, "short_abandoned" if short else "abandoned", 1
        if not short:
            yield data.abandoned_at_ms, queue, None, "abandoned_wait_ms", wait_ms
            yield data.abandoned_at_ms, queue, None, "promised", int(data.answer_within_ms is not None)
    elif isinstance(data, TaskTransferredOut):
        yield data.transferred_at_ms, queue, None, "called_back" if data.to == "callback" else "passed_out", 1
    elif isinstance(data, TaskDeferred):
        yield data.deferred_at_ms, queue, None, "called_back", 1
    else:
        yield data.rerouted_at_ms, queue, None, "moved_out" if data.kind == "contact" else "called_back", 1
        if not _moves(data):
            yield data.rerouted_at_ms, queue, None, "others_offered", 1


def _of_other(data: Any) -> Iterator[Counted]:
    """After the contact's first answer, and of tasks that are no contacts."""
    if isinstance(data, TaskAssigned):
        again = data.kind == "contact" and data.role != "consultant"
        yield data.assigned_at_ms, data.queue, data.agent_id, "assigned_again" if again else "others_assigned", 1
    elif isinstance(data, TaskAbandoned):
        yield data.abandoned_at_ms, data.queue, None, "left_again", 1


def _of_line(data: Any, queue: str) -> Iterator[Counted]:
    if isinstance(data, TaskQueued):
        yield _entered_at_ms(data), queue, None, "waits_begun", 1
    elif _moves(data):
        yield data.rerouted_at_ms, data.from_queue, None, "waits_ended", 1
        yield data.rerouted_at_ms, data.queue, None, "waits_begun", 1
    elif isinstance(data, _GIVES_BACK):
        yield _at_ms(data), queue, data.agent_id, "waits_begun", 1
    elif isinstance(data, TaskAssigned):
        yield data.assigned_at_ms, queue, data.agent_id, "waits_ended", 1
    elif isinstance(data, TaskAbandoned) or (isinstance(data, TaskTransferredOut) and data.assignment_id is None):
        at_ms = data.abandoned_at_ms if isinstance(data, TaskAbandoned) else data.transferred_at_ms
        yield at_ms, queue, None, "waits_ended", 1


def _of_work(before: Sequence[Any], data: Any, queue: str) -> Iterator[Counted]:
    if not isinstance(data, _LETS_GO) or (isinstance(data, TaskTransferredOut) and data.assignment_id is None):
        return
    at_ms = _at_ms(data)
    who = (at_ms, queue, data.agent_id)
    assigned_ms = max(each.assigned_at_ms for each in before if isinstance(each, TaskAssigned))
    yield (*who, "handle_ms", at_ms - assigned_ms)
    if isinstance(data, _GIVES_BACK):
        yield (*who, "requeued" if isinstance(data, TaskRequeued) else "unassigned", 1)
        return
    yield (*who, "hold_ms", data.held_ms)
    yield (*who, "wrapup_ms", sum(at_ms - each.started_at_ms for each in before if isinstance(each, WrapupStarted)))
    out = data if isinstance(data, TaskTransferredOut) else None
    yield (*who, "handled", int(out is None or out.reason != "transfer_over"))
    yield (*who, "handed_over", int(out is not None and out.to == "handed_over"))


def _count_agents(events: Sequence[Told], counts: Mapping[Key, Counter[str]]) -> None:
    own: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for tenant_id, data in events:
        if type(data) in AGENT_EVENTS and data.agent_id is not None:  # type: ignore[attr-defined]  # all of them have one
            own[tenant_id, data.agent_id].append(data)  # type: ignore[attr-defined]  # as above
    for (tenant_id, agent_id), history in own.items():
        for index in range(1, len(history)):
            before = history[:index]
            in_hand = sum(isinstance(each, TaskAssigned) - isinstance(each, _LETS_GO) for each in before)
            ready = [each.state == "ready" for each in before if hasattr(each, "state")]
            present = [each.presence == "present" for each in before if hasattr(each, "presence")]
            for at_ms, time_ms in _overlaps(_at_ms(before[-1]), _at_ms(history[index])):
                found = counts[Key(tenant_id, before[-1].domain, "agent", agent_id, "", "", at_ms)]
                found["busy_ms"] += time_ms if in_hand else 0
                found["task_ms"] += time_ms * in_hand
                idle = not in_hand and ready[-1:] == [True] and present[-1:] == [True]
                found["idle_ms"] += time_ms if idle else 0


def _overlaps(from_ms: int, to_ms: int) -> Iterator[tuple[int, int]]:
    for number in range(from_ms // INTERVAL_MS, to_ms // INTERVAL_MS + 1):
        start_ms = number * INTERVAL_MS
        yield start_ms, min(to_ms, start_ms + INTERVAL_MS) - max(from_ms, start_ms)


def _queue_at(history: Sequence[Any], index: int) -> str:
    """The queue that the task was in when the event came; of a move the old one."""
    places = [each for each in history[: max(1, index)] if isinstance(each, TaskQueued | TaskRerouted)]
    return str(places[-1].queue)


def _entered_at_ms(begun: Any) -> int:
    if isinstance(begun, TaskRerouted):
        return begun.rerouted_at_ms
    return int(begun.queued_at_ms if begun.entered_at_ms is None else begun.entered_at_ms)


def _at_ms(data: Any) -> int:
    return AGENT_EVENTS[type(data)](data)


def _moves(data: Any) -> bool:
    return isinstance(data, TaskRerouted) and data.queue != data.from_queue


def _ends_the_wait(data: Any) -> bool:
    if isinstance(data, TaskRerouted):
        return _moves(data) or data.kind != "contact"
    scheduled = isinstance(data, TaskDeferred) and data.reason == "scheduled"
    return scheduled or isinstance(data, TaskAssigned | TaskAbandoned | TaskTransferredOut)


def _opened(data: Any) -> bool:
    return isinstance(data, TaskResumed) and data.reason == "opened"


def _consults(history: Sequence[Any]) -> bool:
    return history[0].transfer is not None and history[0].transfer.kind == "consult"
