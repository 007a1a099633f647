"""The processes of a run: Kafka from its jars and Valkey for all rounds, the arm and the driver for one."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from centralino.backends import start_valkey
from centralino.children import Child, spawn
from contracts.topics import TOPICS, dead_letter_topic
from redis import Redis
from router.engine.inputs import GROUP, INPUT_TOPICS
from servicekit.testing.eventually import eventually
from servicekit.testing.kafka_jars import kafka_from_jars

from benchmarks.pipeline.job import DOMAINS

STOP_SECONDS: Final = 15.0
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Backends:
    """Where they are."""

    folder: Path
    kafka: str
    kafka_pid: int
    redis: str


@contextmanager
def backends() -> Iterator[Backends]:
    """Apache Kafka (acks=all is one replica here) and Valkey with its append-only file synchronised every second."""
    with TemporaryDirectory(prefix="pipeline-") as name:
        folder = Path(name)
        known = _children()
        with kafka_from_jars(folder / "kafka") as kafka:
            (kafka_pid,) = _children() - known
            valkey = start_valkey(folder, folder / "logs")
            try:
                yield Backends(folder, kafka, kafka_pid, valkey.url)
            finally:
                valkey.child.stop(timeout_seconds=STOP_SECONDS)


def empty(parts: Backends) -> None:
    """Topics anew, and nothing in Valkey."""
    asyncio.run(_renew_topics(parts.kafka))
    with Redis.from_url(parts.redis) as redis:
        redis.flushall()


@contextmanager
def arm_process(parts: Backends, command: Sequence[str], log: Path) -> Iterator[Child]:
    """An arm, told by its arguments or its settings where the backends are."""
    settings = {"CENTRALINO_KAFKA_BOOTSTRAP": parts.kafka, "CENTRALINO_REDIS_URL": parts.redis}
    child = spawn("arm", command, log=log, environment=_environment(settings))
    try:
        yield child
        if not child.running():
            raise RuntimeError(f"the arm ended by itself:\n{child.tail()}")
    finally:
        child.stop(timeout_seconds=STOP_SECONDS)


def drive(parts: Backends, arm: Child, options: Mapping[str, object], timeout_seconds: float) -> dict[str, object]:
    """Run the driver; its result. Raises RuntimeError when the arm or the driver fails."""
    result = parts.folder / "result.json"
    options = {**options, "kafka": parts.kafka, "kafka-pid": parts.kafka_pid, "redis": parts.redis, "result": result}
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "benchmarks.pipeline.driver", *flags]
    deadline = time.monotonic() + timeout_seconds
    with subprocess.Popen(command, cwd=ROOT) as driver:
        while driver.poll() is None and arm.running() and time.monotonic() < deadline:
            time.sleep(0.1)
        driver.kill()
    if driver.returncode != 0 or not arm.running():
        raise RuntimeError(f"the run failed; the end of the arm's log:\n{arm.tail(40)}")
    found: dict[str, object] = json.loads(result.read_text())
    result.unlink()
    return found


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    return {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(paths)}


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


async def _renew_topics(bootstrap: str) -> None:
    names = {topic.name: topic.partitions(DOMAINS) for topic in TOPICS}
    names |= {dead_letter_topic(topic.name, GROUP): 1 for topic in INPUT_TOPICS}
    settings = {topic.name: {"cleanup.policy": "compact"} for topic in TOPICS if topic.compacted}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        old = set(await admin.list_topics()) & set(names)
        if old:
            await admin.delete_topics(sorted(old))
        await eventually(lambda: _listed(admin, set(names), wanted=0), timeout_seconds=30)
        wanted = [NewTopic(name, count, 1, topic_configs=settings.get(name, {})) for name, count in names.items()]
        await admin.create_topics(wanted)
        await eventually(lambda: _listed(admin, set(names), wanted=len(names)), timeout_seconds=30)
    finally:
        await admin.close()


async def _listed(admin: AIOKafkaAdminClient, names: set[str], *, wanted: int) -> bool:
    return len(set(await admin.list_topics()) & names) == wanted
