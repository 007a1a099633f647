"""FastStream with pydantic and redis-py, as its documentation has it: one handler a type, max_workers=4.

`commit` stores the offset after every message (AckPolicy.ACK); `lazy` stores every half second what is done.
"""

import argparse
import asyncio
import time
from typing import Any

import uvloop
from aiokafka import TopicPartition
from contracts.topics import INTERACTIONS, ROUTING_EVENTS
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from pydantic import BaseModel
from redis.asyncio import Redis

from benchmarks.pipeline.arms.centre import KEYS, Call, Cause, Centre, Offer, headers_of, waiting_task
from benchmarks.pipeline.arms.stream import COMMIT_SECONDS, GROUP
from benchmarks.pipeline.job import DOMAINS


class Started(BaseModel):
    """`interaction.started`, as far as it is needed."""

    interaction_id: str
    started_at_ms: int
    queue_hint: str


class Ended(BaseModel):
    """`interaction.ended`."""

    interaction_id: str
    agent_id: str


class OfferIssued(BaseModel):
    """What is published."""

    offer_id: str
    task_id: str
    interaction_id: str
    domain: str
    queue: str
    channel: str
    priority: int
    agent_id: str
    issued_at_ms: int
    expires_at_ms: int
    queued_at_ms: int


class App:
    """The handlers and what they share."""

    def __init__(self, kafka: str, redis: str, *, lazy: bool) -> None:
        # Without a logger it does not write two lines a message.
        self.broker = KafkaBroker(kafka, acks="all", enable_idempotence=True, logger=None)
        self._redis = Redis.from_url(redis)
        self._centre = Centre()
        self._done: dict[TopicPartition, tuple[Any, int]] = {}
        inputs = self.broker.subscriber(
            INTERACTIONS.name,
            group_id=GROUP,
            auto_offset_reset="earliest",
            max_workers=DOMAINS,
            ack_policy=AckPolicy.MANUAL if lazy else AckPolicy.ACK,
        )
        inputs(self.started, filter=lambda message: message.headers["ce_type"] == "interaction.started")
        inputs(self.ended, filter=lambda message: message.headers["ce_type"] == "interaction.ended")

    async def run(self, *, lazy: bool) -> None:
        """Until it is stopped."""
        await self._centre.load(self._redis)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._keep_offsets()) if lazy else None
            await FastStream(self.broker, logger=None).run()
            if keeping is not None:
                keeping.cancel()

    async def started(self, data: Started, message: KafkaMessage) -> None:
        """A task comes."""
        record: Any = message.raw_message  # of one, not of a batch
        call = self._centre.started(
            record.partition, data.interaction_id, data.queue_hint, data.started_at_ms, record.offset
        )
        agent = await self._ask(call)
        if agent is not None:
            await self._publish(message, data.interaction_id, data.queue_hint, data.started_at_ms, agent.decode())
        self._note(record)

    async def ended(self, data: Ended, message: KafkaMessage) -> None:
        """A task ends."""
        record: Any = message.raw_message  # of one, not of a batch
        waits = await self._ask(self._centre.ended(record.partition, data.interaction_id, data.agent_id))
        if waits is not None:
            await self._publish(message, *waiting_task(waits), data.agent_id)
        self._note(record)

    async def _ask(self, call: Call) -> bytes | None:
        answer: bytes | None = await self._redis.evalsha(call[0], KEYS, *call[1])
        return answer

    async def _publish(self, message: KafkaMessage, task: str, queue: str, at_ms: int, agent: str) -> None:
        record: Any = message.raw_message
        domain = record.partition
        offer: Offer = self._centre.offer(domain, task, queue, at_ms, agent, time.time_ns() // 1_000_000)
        cause = Cause(domain, message.headers["ce_id"], message.headers["traceparent"])
        issued = OfferIssued(**{name: getattr(offer, name) for name in OfferIssued.model_fields})
        await self.broker.publish(
            issued,
            topic=ROUTING_EVENTS.name,
            key=offer.task_id.encode(),
            partition=domain,
            headers=headers_of(offer, cause),
        )

    def _note(self, record: Any) -> None:
        """The effect of the record is confirmed."""
        self._done[TopicPartition(record.topic, record.partition)] = record.consumer, record.offset + 1

    async def _keep_offsets(self) -> None:
        kept: dict[TopicPartition, int] = {}
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            for partition, (consumer, offset) in list(self._done.items()):
                if kept.get(partition) != offset:
                    await consumer.commit({partition: offset})
                    kept[partition] = offset


def main() -> None:
    """Run until it is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["commit", "lazy"])
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--redis", required=True)
    arguments = parser.parse_args()
    lazy = arguments.way == "lazy"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(App(arguments.kafka, arguments.redis, lazy=lazy).run(lazy=lazy))


if __name__ == "__main__":
    main()
