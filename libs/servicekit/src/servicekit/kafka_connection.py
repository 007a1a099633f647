"""Bounds around aiokafka's waits, and its names for partitions."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, RequestTimedOutError

from servicekit.ports import LogAwayError, Partition
from servicekit.telemetry import log

LOG: Final = log("kafka")
CLOSE_SECONDS_MAX: Final = 5.0
T = TypeVar("T")


async def connected(call: Awaitable[T], timeout_seconds: float) -> T:
    """The answer of a call to the brokers; raises LogAwayError when they are away or slow."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await call
    except (TimeoutError, KafkaConnectionError, NodeNotReadyError, RequestTimedOutError) as error:
        raise LogAwayError(f"Kafka cannot be reached: {type(error).__name__}") from error


async def closed(call: Coroutine[Any, Any, None]) -> None:
    """Close, within a bound: what does not close in time (a frozen broker) is dropped."""
    closing = asyncio.create_task(call)
    await asyncio.wait({closing}, timeout=CLOSE_SECONDS_MAX)
    if not closing.done():
        LOG.warning("client_dropped")
        closing.cancel()
        await asyncio.wait({closing}, timeout=1)
    elif not closing.cancelled() and (error := closing.exception()):
        LOG.warning("client_closed_badly", extra={"error": type(error).__name__})


def topic_partition(partition: Partition) -> TopicPartition:
    """aiokafka's name for it."""
    return TopicPartition(partition.topic, partition.number)
