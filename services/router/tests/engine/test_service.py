"""The engine on real parts: a broker, Redis, and the snapshot follower in a process of its own."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from contracts import Event, decode, encode
from contracts.commands import ActivateConfiguration
from contracts.configuration import Domain
from contracts.configuration_records import ConfigurationRecord
from contracts.interactions import InteractionStarted
from contracts.routing_parts import Queue
from contracts.tasks import TaskQueued
from contracts.topics import ROUTING_EVENTS, ROUTING_SNAPSHOTS
from router.engine.collector import THRESHOLDS
from router.engine.journal import EpochRecord, to_append
from router.engine.reading import read_to
from router.engine.service import open_engine
from router.engine.snapshot import ChildSnapshots, InProcessSnapshots
from router.engine.testing import engine_topics
from router.settings import EngineSettings
from servicekit.kafka import KafkaLog
from servicekit.ports import LogAwayError, LogFactory, LogWriter, Outgoing, Partition
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.kafka_clients import DevelopmentBroker
from servicekit.testing.parts import create_topic, part
from typing_extensions import override

DOMAIN = f"d-{uuid4().hex[:8]}"


@pytest.fixture
def broker_url() -> Iterator[str]:
    """A broker of this test's own: topics have their real names."""
    with part("kafka") as url:
        yield url


async def say(log: LogFactory, *events: object) -> None:
    async with log.writer("test") as writer:
        for number, data in enumerate(events):
            event = Event(id=f"{number}", source="/test", tenant_id="acme", subject="s", time_ms=1, data=data)
            value, headers = encode(event)
            await writer.append(
                Outgoing(topic=event.type.topic.name, key=b"k", value=value, headers=tuple(headers), partition=0)
            )


def configuration() -> list[object]:
    domain = Domain(id=DOMAIN).model_dump(mode="json") | {"partition": 0}
    queue = Queue(id="support", domain=DOMAIN, name="Support").model_dump(mode="json")
    return [
        ConfigurationRecord(kind="domain", id=f"domain:{DOMAIN}", domain=DOMAIN, version=1, value=domain),
        ConfigurationRecord(kind="queue", id=f"queue:{DOMAIN}/support", domain=DOMAIN, version=1, value=queue),
        ConfigurationRecord(kind="version", id="version", domain=None, version=1, value=None),
        ActivateConfiguration(domain=DOMAIN, version=1, hash="h"),
    ]


def arrivals(first: int, last: int) -> list[object]:
    return [
        InteractionStarted(
            interaction_id=f"i{number}",
            domain=DOMAIN,
            client="acme",
            channel="webchat",
            address="web",
            started_at_ms=number,
        )
        for number in range(first, last)
    ]


async def queued(log: LogFactory) -> list[str]:
    async with log.reader("test") as reader:
        at = Partition(ROUTING_EVENTS.name, 0)
        first, end = await reader.bounds(at)
        async with aclosing(read_to(reader, at, first, end)) as records:
            events = [decode(record.value, record.headers) async for record in records]
    return [event.data.interaction_id for event in events if isinstance(event.data, TaskQueued)]


async def has_queued(log: LogFactory, count: int) -> bool:
    return len(set(await queued(log))) >= count


async def snapshot_records(log: LogFactory) -> int:
    async with log.reader("test") as reader:
        return (await reader.bounds(Partition(ROUTING_SNAPSHOTS.name, 0)))[1]


class Running:
    """An engine as its process would run it."""

    def __init__(self, settings: EngineSettings, log: LogFactory) -> None:
        self._stop = asyncio.Event()
        self._shell = Shell(SystemClock(), SystemIds(), SystemChance(), log, Telemetry("router-engine"))
        self._settings = settings

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        async with asyncio.timeout(20):
            await self._task

    async def _run(self) -> None:
        async with open_engine(self._settings, self._shell) as service:
            await asyncio.gather(*(loop.run(self._stop) for loop in service.loops))


@pytest.fixture
def settings(broker_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> EngineSettings:
    """Also in the environment, for the follower's own process."""
    chosen = {
        "kafka_bootstrap": broker_url,
        "redis_url": redis_url,
        "domain_partitions": "1",
        "snapshot_every_records": "10",
    }
    for name, value in chosen.items():
        monkeypatch.setenv(f"CENTRALINO_{name.upper()}", value)
    return EngineSettings()


async def test_a_follower_that_has_something_to_log_still_says_the_snapshots_name(settings: EngineSettings) -> None:
    log = KafkaLog(settings.kafka_bootstrap, client_id="test", delivery_timeout_seconds=10, telemetry=Telemetry("test"))
    for topic, partitions in engine_topics(1).items():
        await create_topic(settings.kafka_bootstrap, topic, partitions=partitions)
    async with log.writer("test") as writer:
        for nonce in ("a", "b", "c"):
            await writer.append(to_append(0, EpochRecord(owner="o", nonce=nonce, generation=1)))
    await InProcessSnapshots(log, SystemIds()).make(0, 2)  # unnamed: the next follower warns that it is passed over

    assert (await ChildSnapshots().make(0, 3)).offset == 3


async def test_tasks_are_queued_once_across_engines_and_a_follower_makes_snapshots(settings: EngineSettings) -> None:
    log = KafkaLog(settings.kafka_bootstrap, client_id="test", delivery_timeout_seconds=10, telemetry=Telemetry("test"))
    for topic, partitions in engine_topics(1).items():
        await create_topic(settings.kafka_bootstrap, topic, partitions=partitions)
    await say(log, *configuration())
    async with Running(settings, log):
        for number in range(15):
            await say(log, *arrivals(number, number + 1))
            await eventually(partial(has_queued, log, number + 1))
        await eventually(lambda: snapshot_records(log), timeout_seconds=30)
    async with Running(settings, log):
        await say(log, *arrivals(10, 20))
        await eventually(lambda: has_queued(log, 20))
        relaxed = gc.get_threshold()

    assert relaxed == THRESHOLDS != gc.get_threshold()
    assert sorted(set(await queued(log))) == sorted(f"i{number}" for number in range(20))


async def test_an_engine_that_starts_while_kafka_is_away_waits_for_it(tmp_path: Path) -> None:
    broker = DevelopmentBroker(tmp_path)
    broker.start()
    log = KafkaLog(broker.address, client_id="test", delivery_timeout_seconds=10, telemetry=Telemetry("test"))
    for topic, partitions in engine_topics(1).items():
        await create_topic(broker.address, topic, partitions=partitions)
    await say(log, *configuration(), *arrivals(0, 1))
    broker.stop()
    away = asyncio.Event()

    class Watched(KafkaLog):
        @override
        @asynccontextmanager
        async def writer(self, name: str) -> AsyncIterator[LogWriter]:
            try:
                async with super().writer(name) as writer:
                    yield writer
            except LogAwayError:
                away.set()
                raise

    watched = Watched(broker.address, client_id="engine", delivery_timeout_seconds=10, telemetry=Telemetry("test"))
    with part("redis") as redis_url:  # of its own: another journal's views are there in the others' Redis
        settings = EngineSettings(kafka_bootstrap=broker.address, redis_url=redis_url, domain_partitions=1)
        async with Running(settings, watched):
            await asyncio.wait_for(away.wait(), 20)
            broker.start()
            await eventually(partial(has_queued, log, 1), timeout_seconds=30)
    broker.stop()
