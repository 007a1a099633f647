"""The processes of a storm: a broker that can be stopped, two chat gateways that can be killed, their backends."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Final, Protocol

import asyncpg
from centralino.backends import Backend, start_broker
from centralino.children import Child, free_port, spawn, wait_ready
from centralino.prepare import application_url, create_topics, migrate_schema
from centralino.services import DOMAIN_PARTITIONS, GROUP_SESSION_SECONDS
from centralino.web import call
from chat_gateway.testing import samples
from contracts import Event, encode
from contracts.topics import CONFIG
from servicekit.kafka import KafkaLog
from servicekit.ports import Outgoing
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.kafka_jars import KafkaNode
from servicekit.testing.parts import part

from benchmarks.webhook_storm.plan import REPLICAS
from benchmarks.webhooks.customers import PATH, Customers, given
from benchmarks.webhooks.servers import configured

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
KAFKA_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 86_400
"""No conversation ends by itself: each customer has one."""
ROOT: Final = Path(__file__).parents[2]


class Broker(Protocol):
    """Apache Kafka's node or ours."""

    @property
    def url(self) -> str:
        """Host and port."""
        ...

    def start(self) -> None:
        """Returns when its port is open."""
        ...

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal it and wait for its end."""
        ...


class EmbeddedBroker:
    """The development broker, on one port and with one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._backend: Backend | None = None

    @property
    def url(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Returns when its port is open. Raises StartError."""
        self._backend = start_broker(self._folder, self._folder / "logs", port=self._port)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal it and wait for its end."""
        if self._backend is not None and self._backend.child.running():
            self._backend.child.process.send_signal(number)
            self._backend.child.process.wait(STOP_SECONDS)


@dataclass(slots=True)
class Gateways:
    """Replicas of the chat gateway; one that is killed is started again at once."""

    environment: Mapping[str, str]
    logs: Path
    ports: Sequence[int] = field(default_factory=lambda: [free_port() for _ in range(REPLICAS)])
    children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Returns when all take deliveries: one that nobody signed is refused, and no longer put off."""
        self.children = [self._spawned(number) for number in range(len(self.ports))]
        for child, port in zip(self.children, self.ports, strict=True):
            url = f"http://127.0.0.1:{port}{PATH}whatsapp"
            wait_ready(child, partial(_refuses, url), timeout_seconds=READY_SECONDS)

    def kill(self, number: int) -> None:
        """SIGKILL, and a new process."""
        self.children[number].process.kill()
        self.children[number].process.wait(STOP_SECONDS)
        self.children[number] = self._spawned(number)

    def stop(self) -> None:
        """All of them."""
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop(timeout_seconds=STOP_SECONDS)

    def _spawned(self, number: int) -> Child:
        environment = {**self.environment, "CENTRALINO_PORT": str(self.ports[number])}
        name, command = f"chat-gateway-{number}", [sys.executable, "-m", "chat_gateway.app"]
        return spawn(name, command, log=self.logs / f"{name}.log", environment=environment)


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs; `postgres` is the administrator's URL."""

    broker: Broker
    gateways: Gateways
    postgres: str


@contextmanager
def running(folder: Path, customers: Sequence[Customers], *, real_kafka: bool) -> Iterator[Parts]:
    """Everything is ready inside; data and logs are in the folder."""
    with ExitStack() as stack:
        postgres, redis = stack.enter_context(part("postgres")), stack.enter_context(part("redis"))
        broker: Broker = KafkaNode(folder / "kafka") if real_kafka else EmbeddedBroker(folder / "kafka")
        stack.callback(broker.end)
        broker.start()
        application = application_url(postgres, "chat_gateway", "storm")
        told = given(folder, customers, application, redis)
        asyncio.run(_prepare(broker.url, postgres, application, told["addresses"]))
        gateways = Gateways(_environment(told["settings"], broker.url), folder / "logs")
        stack.callback(gateways.stop)
        gateways.start()
        yield Parts(broker, gateways, postgres)


async def drained(postgres: str, timeout_seconds: float) -> None:
    """Until nothing waits for Kafka. Raises AssertionError."""
    connection = await asyncpg.connect(postgres)
    try:

        async def empty() -> bool:
            return not await connection.fetchval("SELECT count(*) FROM chat_gateway.outbox WHERE refused IS NULL")

        await eventually(empty, timeout_seconds=timeout_seconds)
    finally:
        await connection.close()


def wait_until(instant: float) -> None:
    """Of time.monotonic."""
    sleep(max(0.0, instant - monotonic()))


def environment_of(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's, with our folder of modules, and these settings alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CENTRALINO_")}
    paths = filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
    ours = {f"CENTRALINO_{name.upper()}": str(value) for name, value in settings.items()}
    return {**inherited, "PYTHONPATH": os.pathsep.join(paths), **ours}


def kafka_log(bootstrap: str) -> KafkaLog:
    """To write the configuration, and to read what came of all."""
    telemetry = Telemetry("storm")
    return KafkaLog(bootstrap, client_id="storm", delivery_timeout_seconds=KAFKA_SECONDS, telemetry=telemetry)


def _environment(settings: Mapping[str, object], kafka: str) -> dict[str, str]:
    more = {"kafka_bootstrap": kafka, "group_session_seconds": GROUP_SESSION_SECONDS}
    return environment_of({**settings, **more})


async def _prepare(kafka: str, postgres: str, application: str, addresses: Sequence[Mapping[str, object]]) -> None:
    await create_topics(kafka, domain_partitions=DOMAIN_PARTITIONS)
    await migrate_schema("chat_gateway", admin_url=postgres, url=application)
    events: list[Event] = [*samples.configuration()]
    events += [configured({**address, "idle_close_seconds": IDLE_SECONDS}) for address in addresses]
    async with kafka_log(kafka).writer("configuration") as writer:
        for event in events:
            value, headers = encode(event)
            key = event.subject.encode()
            record = Outgoing(topic=CONFIG.name, key=key, value=value, headers=tuple(headers), partition=0)
            await writer.append(record)


def _refuses(url: str) -> bool:
    try:
        return call("POST", url, body={})[0] == 401
    except OSError:
        return False
