"""The null relay: every started task goes out again as it came in. What Kafka alone costs."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from benchmarks.pipeline.arms.stream import Stream, main

STARTED: Final = ("ce_type", b"interaction.started")


async def relay(stream: Stream, _: str) -> None:
    """For ever; partitions side by side."""
    while True:
        fetched = await stream.read()
        await asyncio.gather(*(_pass_on(stream, partition, records) for partition, records in fetched.items()))


async def _pass_on(stream: Stream, partition: TopicPartition, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
    started = ((record.key, record.value, list(record.headers)) for record in records if STARTED in record.headers)
    await stream.write(partition.partition, started)
    stream.done[partition] = records[-1].offset + 1


if __name__ == "__main__":
    main({"null": relay})
