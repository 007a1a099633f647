"""Callbacks that a queue promises and nobody gets."""

from collections.abc import Iterator

from contracts.routing_parts import Destination

from centralino.config.findings import Finding
from centralino.config.serving import Serving


def callback_that_nobody_gets(serving: Serving) -> Iterator[Finding]:
    """No address of the domain says that its customers can be called back: they hear last words instead."""
    possible = {each.domain for each in serving.configuration.channels if each.callbacks}
    for place, domain, destination in _destinations(serving):
        if destination is not None and destination.to == "callback" and domain not in possible:
            yield Finding(
                rule="callback_that_nobody_gets",
                severity="warning",
                path=place,
                message="no address of the domain has callbacks, so its customers hear last words instead",
                advice="set callbacks on the addresses whose customers' numbers are known, unless the gateway knows",
            )


def _destinations(serving: Serving) -> Iterator[tuple[str, str, Destination | None]]:
    for index, queue in enumerate(serving.configuration.queues):
        yield f"/queues/{index}/closed", queue.domain, queue.closed
        yield f"/queues/{index}/full", queue.domain, queue.full
    for index, plan in enumerate(serving.configuration.plans):
        for number, step in enumerate(plan.steps):
            yield f"/plans/{index}/steps/{number}/overflow", plan.domain, step.overflow
