"""What the hand-written arms share: aiokafka used as well as it can be.

Partitions by assignment, large reads, one batch of records a partition and request, acks=all. An offset is stored only
when its effects are confirmed, at most twice a second, beside the work.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from contracts.topics import INTERACTIONS, ROUTING_EVENTS

from benchmarks.pipeline.job import DOMAINS

GROUP: Final = "arm"
READ_MAX: Final = 500
BATCH_BYTES: Final = 256 * 1024
COMMIT_SECONDS: Final = 0.5

Out = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value, headers."""


@dataclass(slots=True)
class Stream:
    """Both ends."""

    consumer: AIOKafkaConsumer
    producer: AIOKafkaProducer
    done: dict[TopicPartition, int] = field(default_factory=dict)

    async def read(self) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """The next records by partition."""
        fetched: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = await self.consumer.getmany(
            timeout_ms=1000, max_records=READ_MAX
        )
        return fetched

    async def write(self, partition: int, records: Iterable[Out]) -> None:
        """All of them in order, confirmed."""
        batch = self.producer.create_batch()
        for key, value, headers in records:
            while batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                await self._send(partition, batch)
                batch = self.producer.create_batch()
        if batch.record_count():
            await self._send(partition, batch)

    async def keep_offsets(self) -> None:
        """Store what is done, for ever."""
        kept: dict[TopicPartition, int] = {}
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            if self.done != kept:
                kept = dict(self.done)
                await self.consumer.commit(kept)

    async def _send(self, partition: int, batch: object) -> None:
        await (await self.producer.send_batch(batch, ROUTING_EVENTS.name, partition=partition))


Work = Callable[[Stream, str], Awaitable[None]]
"""With the URL of Valkey."""


def main(ways: Mapping[str, Work]) -> None:
    """Run the way that the first argument names, until it is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=sorted(ways))
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--redis", required=True)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(ways[arguments.way], arguments.kafka, arguments.redis))


async def _work(work: Work, kafka: str, redis: str) -> None:
    async with _open(kafka) as stream, asyncio.TaskGroup() as group:
        group.create_task(stream.keep_offsets())
        await work(stream, redis)


@asynccontextmanager
async def _open(bootstrap: str) -> AsyncGenerator[Stream]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await consumer.start()
    await producer.start()
    try:
        consumer.assign([TopicPartition(INTERACTIONS.name, domain) for domain in range(DOMAINS)])
        yield Stream(consumer, producer)
    finally:
        await producer.stop()
        await consumer.stop()
