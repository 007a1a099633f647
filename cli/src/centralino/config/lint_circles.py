"""Queues that lead to one another and back."""

from collections.abc import Iterator, Mapping

from contracts.routing_parts import Destination, Queue

from centralino.config.findings import Finding
from centralino.config.serving import Serving

Name = tuple[str, str]
"""Domain and queue."""


def queues_that_overflow_in_a_circle(serving: Serving) -> Iterator[Finding]:
    """A task goes round, at most eight times, and then stays where it is."""
    leads = {
        (queue.domain, queue.id): {
            (queue.domain, target.queue) for target in _ways_out(serving, queue) if target.queue is not None
        }
        for queue in serving.configuration.queues
    }
    for index, queue in enumerate(serving.configuration.queues):
        if _comes_back((queue.domain, queue.id), leads):
            yield Finding(
                rule="queues_that_overflow_in_a_circle",
                severity="warning",
                path=f"/queues/{index}",
                message="what it gives up can come back to it",
                advice="end the circle with a callback, voicemail or closing message",
            )


def queues_that_escalate_in_a_circle(serving: Serving) -> Iterator[Finding]:
    """The tier above all others is none of them, the queue's own least of all."""
    leads = {
        (queue.domain, queue.id): {(queue.domain, queue.escalates_to)}
        for queue in serving.configuration.queues
        if queue.escalates_to is not None
    }
    for index, queue in enumerate(serving.configuration.queues):
        if _comes_back((queue.domain, queue.id), leads):
            yield Finding(
                rule="queues_that_escalate_in_a_circle",
                severity="warning",
                path=f"/queues/{index}/escalates_to",
                message="it is its own next tier"
                if queue.escalates_to == queue.id
                else "its next tiers lead back to it",
                advice="name no next tier for the queue that is the last",
            )


def _comes_back(here: Name, leads: Mapping[Name, set[Name]]) -> bool:
    seen: set[Name] = set()
    ahead = set(leads.get(here, ()))
    while ahead and here not in seen:
        seen |= ahead
        ahead = {further for place in ahead for further in leads.get(place, ())} - seen
    return here in seen


def _ways_out(serving: Serving, queue: Queue) -> Iterator[Destination]:
    yield from (way for way in (queue.closed, queue.full) if way is not None)
    yield from (step.overflow for step in serving.steps(queue) if step.overflow is not None)
