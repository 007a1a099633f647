"""The run shell, seen from outside: a process, its log events, its ports, its exit code."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from servicekit.testing.databases import ROLE, migrated
from servicekit.testing.plugin import FreshDatabase
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

TOY = Path(__file__).with_name("toy_service.py")
STEP_SECONDS_MAX = 20


class Process:
    """The toy service."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []

    async def event(self, name: str) -> dict[str, Any]:
        """Read its log until this event."""
        assert self._process.stdout is not None
        async with asyncio.timeout(STEP_SECONDS_MAX):
            while line := await self._process.stdout.readline():
                self.events.append(json.loads(line))
                if self.events[-1]["event"] == name:
                    return self.events[-1]
        raise AssertionError(f"{name} never came: {self.events}")

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    async def end(self) -> tuple[int, str]:
        """Exit code, and what it wrote to standard error."""
        async with asyncio.timeout(STEP_SECONDS_MAX):
            out, errors = await self._process.communicate()
        self.events += [json.loads(line) for line in out.splitlines()]
        assert self._process.returncode is not None
        return self._process.returncode, errors.decode()


@asynccontextmanager
async def toy(*arguments: str, migrations: str | None = None, **settings: str) -> AsyncGenerator[Process]:
    environment = {**os.environ, **{f"CENTRALINO_{name.upper()}": value for name, value in settings.items()}}
    environment |= {"TOY_MIGRATIONS": migrations} if migrations else {}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TOY),
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_a_service_serves_tells_its_health_and_stops_when_asked() -> None:
    async with toy() as service, httpx.AsyncClient() as client:
        ready = await service.event("service_ready")
        answers = [
            await client.get(f"{ready['url']}/hello"),
            await client.get(f"{ready['health_url']}/health/live"),
            await client.get(f"{ready['health_url']}/health/ready"),
            await client.get(f"{ready['health_url']}/metrics"),
        ]
        absent = await client.get(f"{ready['health_url']}/absent")
        service.terminate()
        code, errors = await service.end()

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200]
    assert answers[0].text == "/hello"
    assert "consumer_lag_records" in answers[3].text
    assert absent.status_code == 404
    assert (code, errors) == (0, "")
    assert [event["event"] for event in service.events] == [
        "service_ready",
        "service_draining",
        "toy_loop_done",
        "toy_closed",
    ]


async def test_a_setting_that_proves_wrong_on_opening_is_told_as_the_others_are() -> None:
    async with toy(toy_loop="unusable") as service:
        code, errors = await service.end()

    assert (code, errors) == (2, "CENTRALINO_TOY_LOOP: it is unusable.\n")


async def test_a_request_in_flight_is_answered_before_the_service_stops() -> None:
    draining = asyncio.Event()

    async def body() -> AsyncGenerator[bytes]:
        yield b"begin"
        await draining.wait()
        yield b"end"

    async with toy() as service, httpx.AsyncClient() as client:
        ready = await service.event("service_ready")
        slow = asyncio.create_task(client.post(f"{ready['url']}/slow", content=body()))
        await service.event("slow_begun")
        service.terminate()
        await service.event("service_draining")
        draining.set()
        answer = await asyncio.wait_for(slow, STEP_SECONDS_MAX)
        code, _ = await service.end()

    assert answer.status_code == 200
    assert code == 0


async def test_until_load_balancers_have_noticed_requests_are_answered_and_clients_sent_to_another_connection() -> None:
    async with toy(notice_seconds="600") as service, httpx.AsyncClient() as client:
        ready = await service.event("service_ready")
        before = await client.get(f"{ready['url']}/hello")
        service.terminate()
        await service.event("service_draining")
        answers = [await client.get(f"{ready['url']}/hello") for _ in range(2)]
        readiness = await client.get(f"{ready['health_url']}/health/ready")

    assert "connection" not in before.headers
    assert [(answer.status_code, answer.headers["connection"]) for answer in answers] == [(200, "close")] * 2
    assert readiness.status_code == 503


@pytest.mark.parametrize(("trusted", "client_address"), [("10.0.0.0/8", "127.0.0.1"), ("127.0.0.0/8", "203.0.113.7")])
async def test_only_a_trusted_proxy_may_name_the_client(trusted: str, client_address: str) -> None:
    async with toy(trusted_proxies=trusted) as service, httpx.AsyncClient() as client:
        ready = await service.event("service_ready")
        answer = await client.get(f"{ready['url']}/client", headers={"x-forwarded-for": "203.0.113.7"})

    assert answer.text == client_address


async def test_sockets_are_told_that_the_server_restarts() -> None:
    async with toy() as service:
        ready = await service.event("service_ready")
        async with connect(ready["url"].replace("http", "ws")) as socket:
            service.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), STEP_SECONDS_MAX)
        code, _ = await service.end()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert code == 0


async def test_a_stuck_loop_fails_liveness_with_its_reason_but_not_readiness() -> None:
    async with toy(toy_loop="stuck") as service, httpx.AsyncClient() as client:
        ready = await service.event("service_ready")
        live = await client.get(f"{ready['health_url']}/health/live")
        readiness = await client.get(f"{ready['health_url']}/health/ready")

    assert live.status_code == 503
    assert live.json()["troubles"] == {"toy loop": "it waits for nothing"}
    assert readiness.status_code == 200


async def test_a_failing_loop_ends_the_process_with_its_error_but_not_with_its_words() -> None:
    async with toy(toy_loop="fail") as service:
        code, _ = await service.end()
    failed = service.events[-1]

    assert code == 1
    assert (failed["event"], failed["error"]) == ("service_failed", "LookupError")
    assert any("toy_service.py" in frame for frame in failed["frames"])
    assert "customer" not in json.dumps(service.events)


async def test_a_loop_that_ends_by_itself_ends_the_process() -> None:
    async with toy(toy_loop="end") as service:
        code, _ = await service.end()

    assert code == 1
    assert service.events[-1]["error"] == "LoopEndedError"


async def test_wrong_settings_are_named_one_by_one_without_their_values() -> None:
    async with toy(port="secret-port", drain_seconds="-1") as service:
        code, errors = await service.end()

    assert code == 2
    assert len(errors.splitlines()) == 2
    assert "CENTRALINO_PORT: " in errors
    assert "CENTRALINO_DRAIN_SECONDS: " in errors
    assert "secret-port" not in errors


async def test_migrating_a_service_without_a_database_is_refused() -> None:
    async with toy("migrate") as service:
        code, errors = await service.end()

    assert code == 2
    assert errors.startswith("migrate: ")


async def test_a_service_opens_only_on_the_schema_of_its_release(postgres: FreshDatabase) -> None:
    url = f"postgresql://{ROLE}:{ROLE}@{postgres.admin_url.rpartition('@')[2]}"
    async with toy(migrations="servicekit", database_url=url) as service:
        await service.event("schema_awaited")
        async with migrated(postgres.admin_url, "servicekit"):
            await service.event("service_ready")
            service.terminate()
            code, _ = await service.end()

    assert code == 0
    assert service.events[0]["event"] == "schema_awaited"


async def test_a_schema_that_does_not_come_ends_the_process_with_a_sentence() -> None:
    url = "postgresql://nobody@127.0.0.1:1/nowhere"
    async with toy(migrations="servicekit", database_url=url, schema_wait_seconds="0.1") as service:
        code, _ = await service.end()
    failed = service.events[-1]

    assert code == 1
    assert failed["error"] == "SchemaMissingError"
    assert failed["message"].startswith("schema servicekit cannot be read (ConnectionRefusedError): run the migrations")
    assert "service_ready" not in [event["event"] for event in service.events]


async def test_a_service_that_waits_for_its_schema_stops_when_asked() -> None:
    async with toy(migrations="servicekit", database_url="postgresql://nobody@127.0.0.1:1/nowhere") as service:
        await service.event("schema_awaited")
        service.terminate()
        code, _ = await service.end()

    assert code == 0
    assert [event["event"] for event in service.events] == ["schema_awaited"]


async def test_a_port_that_is_taken_ends_the_process() -> None:
    async with toy() as first:
        ready = await first.event("service_ready")
        async with toy(port=ready["url"].rpartition(":")[2]) as second:
            code, _ = await second.end()

    assert code == 1
    assert second.events[-1]["error"] == "OSError"
