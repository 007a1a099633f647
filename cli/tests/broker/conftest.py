from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from servicekit.testing import kafka_jars
from servicekit.testing.kafka_clients import Clients, DevelopmentBroker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[DevelopmentBroker]:
    broker = DevelopmentBroker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


REAL = pytest.param(
    "real",
    marks=[
        pytest.mark.real_kafka,
        pytest.mark.skipif(kafka_jars.available() is not None, reason=kafka_jars.available() or ""),
    ],
)


@pytest.fixture(scope="session", params=["development", REAL])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a broker of either kind, one for all tests."""
    directory = tmp_path_factory.mktemp("kafka")
    if request.param == "real":
        with kafka_jars.kafka_from_jars(directory) as address:
            yield address
        return
    broker = DevelopmentBroker(directory)
    broker.start()
    yield broker.address
    broker.stop()


@pytest.fixture
async def clients(address: str) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        yield Clients(address, stack)


@pytest.fixture
async def own(broker: DevelopmentBroker) -> AsyncIterator[Clients]:
    """Clients of a development broker that the test may kill."""
    async with AsyncExitStack() as stack:
        yield Clients(broker.address, stack)
