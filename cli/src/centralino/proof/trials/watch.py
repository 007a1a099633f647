"""Notes, while a story runs, what Redis shows and how far everybody is behind."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from servicekit.system import SystemClock

from centralino.prepare import CONSUMERS
from centralino.proof.lag import Lag
from centralino.proof.samples import Sample, sample_of
from centralino.proof.tenant import DOMAIN, TENANT
from centralino.services import DOMAIN_PARTITIONS

LOOK_SECONDS: Final = 0.5
LAG_SECONDS: Final = 1.0
ANSWER_SECONDS_MAX: Final = 5.0
KINDS: Final = ("agents", "queues", "assignments", "domains")
GROUPS: Final = {group: read for group, read in CONSUMERS.items() if group != "router-engine"}
STATES: Final = ("waiting", "offered", "assigned", "wrapup")
OUTBOXES: Final = {
    "chat_gateway": "SELECT count(*) FROM chat_gateway.outbox",
    "crm": "SELECT count(*) FROM crm.outbox",
}
AWAY: Final = (OSError, TimeoutError, RedisError, KafkaError, PostgresError, InterfaceError, InternalClientError)

Json = dict[str, str]


@dataclass(slots=True, kw_only=True)
class Watch:
    """`views` and `lags` run until they are cancelled; who cannot be asked is passed over."""

    addresses: Json
    samples: list[Sample] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)

    def forget(self) -> None:
        """Begin anew."""
        self.samples.clear()
        self.lags.clear()

    def quiet(self) -> bool:
        """Whether by the last look nothing is alive in any queue, and nobody is behind."""
        if not self.samples or not self.lags:
            return False
        queues = self.samples[-1].views["queues"].values()
        alive = [view[state] for view in queues for state in STATES]
        return bool(alive) and not any(alive) and not any(self.lags[-1].behind.values())

    async def watch_views(self) -> None:
        """Look at the views of the story's domain, twice a second."""
        async with Redis.from_url(self.addresses["redis"], socket_timeout=ANSWER_SECONDS_MAX) as redis:

            async def look() -> None:
                async with redis.pipeline(transaction=True) as asked:
                    for name in ("meta", *KINDS):
                        asked.hgetall(f"r:{{{TENANT}/{DOMAIN}}}:{name}")
                    meta, *hashes = await asked.execute()
                self.samples.append(sample_of(self.clock.now_ms(), meta, dict(zip(KINDS, hashes, strict=True))))

            await self._again(look, LOOK_SECONDS)

    async def watch_lags(self) -> None:
        """Ask now and then how far everybody is."""
        while _wanted():
            with suppress(*AWAY):
                async with AsyncExitStack() as stack:
                    await self._again(await self._lag(stack), LAG_SECONDS, for_ever=False)
            await self.clock.sleep(LOOK_SECONDS)

    async def _again(self, look: Callable[[], Awaitable[None]], pause_seconds: float, *, for_ever: bool = True) -> None:
        while _wanted():
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    await look()
            except AWAY:
                if not for_ever:
                    raise
            await self.clock.sleep(pause_seconds)

    async def _lag(self, stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
        """New clients: those of a dead broker may be broken."""
        kafka = self.addresses["kafka"].removeprefix("kafka://")
        reader, admin = AIOKafkaConsumer(bootstrap_servers=kafka), AIOKafkaAdminClient(bootstrap_servers=kafka)
        stack.push_async_callback(reader.stop)
        stack.push_async_callback(admin.close)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await reader.start()
            await admin.start()
        database = await asyncpg.connect(self.addresses["postgres"], timeout=ANSWER_SECONDS_MAX)
        stack.callback(database.terminate)

        async def look() -> None:
            behind: dict[str, int] = {}
            for group, topics in GROUPS.items():
                places = [
                    TopicPartition(topic.name, number)
                    for topic in topics
                    for number in range(topic.partitions(DOMAIN_PARTITIONS))
                ]
                committed = await admin.list_consumer_group_offsets(group, partitions=places)
                ends = await reader.end_offsets(places)
                for at in places:
                    read = max(committed[at].offset, 0) if at in committed else 0
                    behind[f"group {group} in {at.topic}[{at.partition}]"] = ends[at] - read
            for schema, count in OUTBOXES.items():
                behind[f"outbox of {schema}"] = await database.fetchval(count)
            self.lags.append(Lag(self.clock.now_ms(), behind))

        return look


def _wanted() -> bool:
    """Not cancelled yet: asyncio.wait_for of Python 3.11, which redis-py and aiokafka use, may lose a cancellation."""
    task = asyncio.current_task()
    return task is None or not task.cancelling()
