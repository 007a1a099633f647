"""The pytest plugin of this repository: real parts as fixtures, started when a test first asks for one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from servicekit.testing import kafka_jars
from servicekit.testing.kafka_clients import Clients, DevelopmentBroker
from servicekit.testing.parts import PARTS, create_topic, kind_of, part

for laws in ("log_laws", "store_laws"):
    pytest.register_assert_rewrite(f"servicekit.testing.{laws}")
for kit in ("gatewaykit", "voice_gateway"):
    pytest.register_assert_rewrite(f"{kit}.testing")

NewTopics = Callable[[str, int], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class FreshDatabase:
    """An empty database of a test's own."""

    admin_url: str


def pytest_report_header() -> str:
    """Say which parts the run uses."""
    return "parts: " + ", ".join(f"{name} from {kind_of(name)}" for name in PARTS)


@pytest.fixture(scope="session")
def kafka_url() -> Iterator[str]:
    """host:port of a broker."""
    with part("kafka") as url:
        yield url


@pytest.fixture(scope="session")
def real_kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of Apache Kafka from its jars; skips with the reason where that cannot be. Mark: `real_kafka`."""
    reason = kafka_jars.available()
    if reason is not None:
        pytest.skip(reason)
    with kafka_jars.kafka_from_jars(tmp_path_factory.mktemp("kafka")) as url:
        yield url


@pytest.fixture(scope="session", params=["development", pytest.param("real", marks=pytest.mark.real_kafka)])
def each_broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of the development broker, and once more of Apache Kafka: one suite for both."""
    if request.param == "real":
        yield request.getfixturevalue("real_kafka_url")
        return
    broker = DevelopmentBroker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker.address
    broker.stop()


@pytest_asyncio.fixture
async def clients(each_broker: str) -> AsyncIterator[Clients]:
    """Kafka clients of `each_broker`, stopped afterwards."""
    async with AsyncExitStack() as stack:
        yield Clients(each_broker, stack)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis or Valkey, shared by all tests: use keys of your own."""
    with part("redis") as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server, as its administrator."""
    with part("postgres") as url:
        yield url


@pytest_asyncio.fixture
async def postgres(postgres_url: str) -> AsyncIterator[FreshDatabase]:
    """A new database, dropped afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    await _administer(postgres_url, f"CREATE DATABASE {name}")
    yield FreshDatabase(urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}")))
    await _administer(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def new_topic(kafka_url: str) -> NewTopics:
    """`await new_topic("inputs", 4)`: a new topic on `kafka_url`, named after the prefix, with as many partitions."""
    return topic_maker(kafka_url)


def topic_maker(bootstrap: str) -> NewTopics:
    """Makes topics with names of their own."""

    async def make(prefix: str, partitions: int) -> str:
        name = f"{prefix}.{uuid4().hex[:8]}"
        await create_topic(bootstrap, name, partitions=partitions)
        return name

    return make


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement, timeout=30)
    finally:
        await connection.close()
