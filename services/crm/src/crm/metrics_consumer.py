"""The group `crm-metrics`: counts and position commit together.

A group of its own, so that what is counted can be counted anew - its position taken away, and the tables emptied -
without touching the customers' stories, and a fault of one does not stop the other.
"""

from collections.abc import Sequence
from typing import Any, Final  # Any: events of several types, told apart by what they have

from contracts.meter import AGENT_EVENTS, TASK_EVENTS
from contracts.topics import ROUTING_EVENTS
from servicekit.consume import ConsumerLimits, ConsumerLoop
from servicekit.errors import RejectError
from servicekit.lane import LaneLimits
from servicekit.reactions import Delivery
from servicekit.run import Shell
from servicekit.transactional import TransactionalProcessor, TransactionalReactions

from crm.metrics_store import MetricsStore, MetricsTransaction

GROUP: Final = "crm-metrics"
TOPICS: Final = (ROUTING_EVENTS.name,)
BATCH_RECORDS_MAX: Final = 1000


def metrics_reactions() -> TransactionalReactions[MetricsTransaction]:
    """Every event that counts."""
    table = TransactionalReactions[MetricsTransaction]().before(_expect)
    for data in (*TASK_EVENTS, *(each for each in AGENT_EVENTS if each not in TASK_EVENTS)):
        table.on(data, _count)
    return table


def metrics_consumer(store: MetricsStore, shell: Shell) -> ConsumerLoop:
    """Reads the router's events."""
    processor = TransactionalProcessor(
        group=GROUP, store=store, reactions=metrics_reactions(), telemetry=shell.telemetry
    )
    return ConsumerLoop(
        group=GROUP,
        topics=TOPICS,
        processor=processor,
        log=shell.log,
        clock=shell.clock,
        chance=shell.chance,
        telemetry=shell.telemetry,
        limits=ConsumerLimits(lane=LaneLimits(batch_records_max=BATCH_RECORDS_MAX)),
    )


async def _expect(tx: MetricsTransaction, deliveries: Sequence[Delivery[Any]]) -> None:
    tasks = {(each.event.tenant_id, each.data.task_id) for each in deliveries if type(each.data) in TASK_EVENTS}
    named = [each for each in deliveries if type(each.data) in AGENT_EVENTS and each.data.agent_id is not None]
    await tx.expect(tasks, {(each.event.tenant_id, each.data.agent_id) for each in named})


async def _count(tx: MetricsTransaction, delivery: Delivery[Any]) -> None:
    if delivery.event.sequence is None:
        raise RejectError("sequence_missing")
    await tx.count(delivery.event.tenant_id, delivery.event.sequence, delivery.data)
