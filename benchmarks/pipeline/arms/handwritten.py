"""Hand-written, the usual good way: aiokafka, msgspec, and one script in Valkey for each event, in order per partition.

`call` awaits each script; `pipelined` sends up to 64 in one pipeline. Partitions go side by side, offers leave in
batches while the next events are decided.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from redis.asyncio import Redis

from benchmarks.pipeline.arms.centre import KEYS, Call, Cause, Centre, Offer, headers_of, waiting_task
from benchmarks.pipeline.arms.stream import Out, Stream, main

SLICE: Final = 64
"""Events between two writes of offers."""
Came = ConsumerRecord[bytes, bytes]


class Started(msgspec.Struct):
    """`interaction.started`, as far as it is needed."""

    interaction_id: str
    started_at_ms: int
    queue_hint: str


class Ended(msgspec.Struct):
    """`interaction.ended`."""

    interaction_id: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class Given:
    """A decoded input."""

    cause: Cause
    call: Call
    started: Started | None
    agent: str


Ask = Callable[[Redis, Sequence[Call]], Awaitable[Sequence[Any]]]


async def one_call_an_event(redis: Redis, calls: Sequence[Call]) -> Sequence[Any]:
    """Each awaited before the next."""
    return [await redis.evalsha(script, KEYS, *arguments) for script, arguments in calls]


async def pipelined(redis: Redis, calls: Sequence[Call]) -> Sequence[Any]:
    """All in one round trip."""
    pipeline = redis.pipeline(transaction=False)
    for script, arguments in calls:
        pipeline.evalsha(script, KEYS, *arguments)
    answers: Sequence[Any] = await pipeline.execute()
    return answers


class Arm:
    """One way of asking Valkey."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._centre = Centre()

    async def work(self, stream: Stream, redis_url: str) -> None:
        """For ever."""
        redis = Redis.from_url(redis_url)
        await self._centre.load(redis)
        while True:
            fetched = await stream.read()
            await asyncio.gather(*(self._partition(stream, redis, *each) for each in fetched.items()))

    async def _partition(self, stream: Stream, redis: Redis, at: TopicPartition, records: Sequence[Came]) -> None:
        writing: asyncio.Task[None] | None = None
        for start in range(0, len(records), SLICE):
            part = records[start : start + SLICE]
            given = [self._given(record) for record in part]
            answers = await self._ask(redis, [each.call for each in given])
            offers = self._offers(given, answers)
            if writing is not None:
                await writing
            writing = asyncio.create_task(_write(stream, at, offers, part[-1].offset + 1))
        if writing is not None:
            await writing

    def _given(self, record: Came) -> Given:
        headers = dict(record.headers)
        cause = Cause(record.partition, headers["ce_id"].decode(), headers["traceparent"].decode())
        if headers["ce_type"] == b"interaction.started":
            data = _STARTED.decode(record.value or b"")
            call = self._centre.started(
                record.partition, data.interaction_id, data.queue_hint, data.started_at_ms, record.offset
            )
            return Given(cause, call, data, "")
        ended = _ENDED.decode(record.value or b"")
        return Given(
            cause, self._centre.ended(record.partition, ended.interaction_id, ended.agent_id), None, ended.agent_id
        )

    def _offers(self, given: Sequence[Given], answers: Sequence[Any]) -> list[Out]:
        now_ms = time.time_ns() // 1_000_000
        out: list[Out] = []
        for each, answer in zip(given, answers, strict=True):
            if answer is not None:
                came = each.started
                task = (came.interaction_id, came.queue_hint, came.started_at_ms) if came else waiting_task(answer)
                agent = answer.decode() if came else each.agent
                out.append(_record(self._centre.offer(each.cause.domain, *task, agent, now_ms), each.cause))
        return out


async def _write(stream: Stream, at: TopicPartition, offers: Sequence[Out], next_offset: int) -> None:
    await stream.write(at.partition, offers)
    stream.done[at] = next_offset


def _record(offer: Offer, cause: Cause) -> Out:
    headers = [(name, text.encode()) for name, text in headers_of(offer, cause).items()]
    return offer.task_id.encode(), _ENCODER.encode(offer), headers


_STARTED: Final = msgspec.json.Decoder(Started)
_ENDED: Final = msgspec.json.Decoder(Ended)
_ENCODER: Final = msgspec.json.Encoder()
_WAYS: Final[dict[str, Ask]] = {"call": one_call_an_event, "pipelined": pipelined}


if __name__ == "__main__":
    main({name: Arm(ask).work for name, ask in _WAYS.items()})
