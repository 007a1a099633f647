"""The driver's two ends in Kafka: inputs go out in order, and what the arm says comes back."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from contracts.topics import ROUTING_EVENTS

from benchmarks.pipeline.job import DOMAINS, Input

BATCH_BYTES: Final = 512 * 1024
READ_MAX: Final = 5000
READ_MS: Final = 200


class Link:
    """Everything put for a partition goes out in one batch while the one before is on its way (acks=all)."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer
        self._waiting: defaultdict[tuple[str, int], deque[Input]] = defaultdict(deque)
        self._pumps: dict[tuple[str, int], asyncio.Task[None]] = {}

    def put(self, record: Input) -> None:
        """Send it as soon as the records before it are sent."""
        place = record.topic, record.partition
        self._waiting[place].append(record)
        pump = self._pumps.get(place)
        if pump is None or pump.done():
            if pump is not None:
                pump.result()
            self._pumps[place] = asyncio.create_task(self._pump(*place))

    async def sent(self) -> None:
        """Wait until all that was put is confirmed."""
        await asyncio.gather(*self._pumps.values())

    async def read(self) -> Sequence[ConsumerRecord[bytes, bytes]]:
        """What has come, in order per partition; waits a little when nothing has."""
        fetched = await self._consumer.getmany(timeout_ms=READ_MS, max_records=READ_MAX)
        return [record for records in fetched.values() for record in records]

    async def _pump(self, topic: str, partition: int) -> None:
        waiting = self._waiting[topic, partition]
        while waiting:
            batch = self._producer.create_batch()
            while waiting:
                record = waiting[0]
                if batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
                    break
                waiting.popleft()
            await (await self._producer.send_batch(batch, topic, partition=partition))


@asynccontextmanager
async def open_link(bootstrap: str) -> AsyncGenerator[Link]:
    """Reads from the beginning."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()
    try:
        consumer.assign([TopicPartition(ROUTING_EVENTS.name, domain) for domain in range(DOMAINS)])
        yield Link(producer, consumer)
    finally:
        await consumer.stop()
        await producer.stop()
