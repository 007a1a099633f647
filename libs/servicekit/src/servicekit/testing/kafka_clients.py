"""For tests that speak to a broker: the development broker as a process, and clients that stop by themselves."""

import asyncio
import signal
import subprocess
import sys
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

START_TIMEOUT_SECONDS = 15
STEP_TIMEOUT_SECONDS = 15


class DevelopmentBroker:
    """The broker in a process of its own, so that it can be killed; it comes back on its port and its files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = "127.0.0.1:0"

    def start(self) -> None:
        """Returns when it listens; then `address` is "127.0.0.1:port", the same after each restart."""
        command = [sys.executable, "-m", "centralino.broker", "--listen", self.address, "--data", str(self.directory)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate(timeout=START_TIMEOUT_SECONDS)
        assert line.startswith("listening on "), line
        self.address = line.removeprefix("listening on ").strip()

    def send_signal(self, number: signal.Signals) -> None:
        """Freeze it, or let it go on."""
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        self._process.communicate(timeout=START_TIMEOUT_SECONDS)
        return self._process.returncode


class Clients:
    """Starts clients and stops them after the test."""

    def __init__(self, address: str, stack: AsyncExitStack) -> None:
        self.address, self._stack = address, stack

    async def admin(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        self._stack.push_async_callback(admin.close)
        return admin

    async def topic(self, partitions: int = 1, **configs: str) -> str:
        """A new topic with a name of its own; `cleanup_policy` and the like are its settings."""
        name = f"t-{uuid.uuid4()}"
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        topic = NewTopic(name, partitions, 1, topic_configs=settings)
        answer = await (await self.admin()).create_topics([topic])
        assert [made["error_code"] for made in answer.to_object()["topic_errors"]] == [0]
        return name

    async def producer(self, **options: object) -> AIOKafkaProducer:
        settings = {"enable_idempotence": True, "acks": "all", **options}
        producer = AIOKafkaProducer(bootstrap_servers=self.address, **settings)
        self._stack.push_async_callback(producer.stop)
        await producer.start()
        return producer

    async def consumer(self, *topics: str, **options: object) -> AIOKafkaConsumer:
        settings = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "heartbeat_interval_ms": 200}
        consumer = AIOKafkaConsumer(*topics, bootstrap_servers=self.address, **{**settings, **options})
        await consumer.start()
        self._stack.push_async_callback(consumer.stop)
        return consumer

    async def reader(self, topic: str, offset: int = 0, **options: object) -> AIOKafkaConsumer:
        """A consumer without group on partition 0."""
        consumer = await self.consumer(**options)
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), offset)
        return consumer


async def read(consumer: AIOKafkaConsumer, count: int) -> list[ConsumerRecord[bytes | None, bytes | None]]:
    async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
        return [await consumer.getone() for _ in range(count)]


async def send(producer: AIOKafkaProducer, topic: str, *values: bytes, **options: object) -> list[int]:
    async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
        return [(await producer.send_and_wait(topic, value, **options)).offset for value in values]
