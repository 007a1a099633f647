import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

import pytest
from prometheus_client import CollectorRegistry
from servicekit import probe
from servicekit.health import Health
from servicekit.http_server import http_server


class StuckLoop:
    name = "relay"

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()

    def trouble(self) -> str | None:
        return "stuck since 100 s"


async def test_a_ready_and_live_service_passes() -> None:
    async with served(Health([], CollectorRegistry()), ready=True) as port:
        assert await asyncio.to_thread(probe.probe, port) is None


async def test_a_service_that_drains_does_not_pass() -> None:
    async with served(Health([], CollectorRegistry()), ready=False) as port:
        trouble = await asyncio.to_thread(probe.probe, port)

    assert trouble is not None
    assert "/health/ready answers 503" in trouble


async def test_a_stuck_loop_is_named() -> None:
    async with served(Health([StuckLoop()], CollectorRegistry()), ready=True) as port:
        trouble = await asyncio.to_thread(probe.probe, port)

    assert trouble is not None
    assert "stuck since 100 s" in trouble


def test_the_command_fails_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("CENTRALINO_HEALTH_PORT", str(nobody.getsockname()[1]))
        with pytest.raises(SystemExit) as ended:
            probe.main()

    assert "does not answer" in str(ended.value.code)


@asynccontextmanager
async def served(health: Health, *, ready: bool) -> AsyncGenerator[int]:
    health.ready = ready
    async with http_server(health, "127.0.0.1", 0, drain_seconds=1) as url:
        yield int(url.rpartition(":")[2])
