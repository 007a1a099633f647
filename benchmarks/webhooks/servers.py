"""The arms' servers, each a process, and what loads them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import psutil
from centralino.providers.wire import Parcel
from chat_gateway.app import open_service
from chat_gateway.consumers import GROUP
from chat_gateway.consumers import TOPICS as CONSUMED
from chat_gateway.settings import ChatSettings
from chat_gateway.testing import samples
from contracts import Event, encode
from contracts.configuration_records import ConfigurationRecord
from contracts.topics import CONFIG, TOPICS, dead_letter_topic
from fastapi import FastAPI, Request
from servicekit.http_server import http_server
from servicekit.ports import Outgoing, Partition
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.set_clock import NOW_MS

from benchmarks.hot_endpoints import cpu_seconds, uvicorn_serve
from benchmarks.webhooks import models
from benchmarks.webhooks.customers import PATH

CONNECTIONS: Final = 16
WAIT_SECONDS: Final = 30
Given = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one load; CPU time is that of a delivery, until everything is published."""

    per_second: float
    p99_ms: float
    cpu_us: float
    postgres_us: float


@dataclass(frozen=True, slots=True)
class Server:
    """An arm."""

    pid: int
    url: str


@contextmanager
def served(arm: str, given: Path) -> Iterator[Server]:
    """Until the block ends."""
    command = [sys.executable, "-m", "benchmarks.webhooks", "serve", arm, str(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Server(server.pid, server.stdout.readline().strip())
        finally:
            server.terminate()


async def serve(arm: str, given: Given) -> None:
    """Be one, until terminated; the first line that it prints is its address."""
    if arm == "stock":
        await uvicorn_serve(stock_app())
    else:
        await serve_ours(given)


async def serve_ours(given: Given) -> None:
    """The chat gateway on a log in memory."""
    clock, chance = SystemClock(), SystemChance()
    topics = {topic.name: topic.partitions(4) for topic in TOPICS}
    topics |= {dead_letter_topic(name, GROUP): 1 for name in CONSUMED}
    log = MemoryLog(topics, clock=clock, chance=chance)
    for event in [*samples.configuration(), *map(configured, given["addresses"])]:
        value, headers = encode(event)
        record = Outgoing(topic=CONFIG.name, key=event.subject.encode(), value=value, headers=tuple(headers))
        log.land(record, Partition(CONFIG.name, 0))
    shell, stop = Shell(clock, SystemIds(), chance, log, Telemetry("bench")), asyncio.Event()
    async with (
        open_service(ChatSettings.model_validate(given["settings"]), shell) as service,
        asyncio.TaskGroup() as duties,
    ):
        assert service.app is not None
        for loop in service.loops:
            duties.create_task(loop.run(stop))
        async with http_server(service.app, "127.0.0.1", 0, drain_seconds=1) as url:
            print(url, flush=True)
            await stop.wait()


def configured(address: Given) -> Event:
    """An address, as topic `config` tells it."""
    record = ConfigurationRecord(
        kind="channel", id=f"channel:{address['address']}", domain=samples.DOMAIN, version=1, value=dict(address)
    )
    key = f"{samples.TENANT}/channel/{address['address']}"
    return Event(id=key, source="/router/api", tenant_id=samples.TENANT, subject=key, time_ms=NOW_MS, data=record)


def stock_app() -> FastAPI:
    """Validates and returns."""
    app = FastAPI()

    @app.post(f"{PATH}whatsapp")
    async def whatsapp(delivery: models.WhatsAppDelivery) -> models.Taken:
        return models.Taken()

    @app.post(f"{PATH}messenger")
    async def messenger(delivery: models.MessengerDelivery) -> models.Taken:
        return models.Taken()

    @app.post(f"{PATH}telegram")
    async def telegram(delivery: models.TelegramDelivery) -> models.Taken:
        return models.Taken()

    @app.post(f"{PATH}twilio-sms")
    async def twilio(request: Request) -> models.Taken:
        models.TwilioForm.model_validate(dict(parse_qsl((await request.body()).decode())))
        return models.Taken()

    @app.post(f"{PATH}slack")
    async def slack(delivery: models.SlackDelivery) -> models.Taken:
        return models.Taken()

    @app.post(f"{PATH}line")
    async def line(delivery: models.LineDelivery) -> models.Taken:
        return models.Taken()

    @app.post(f"{PATH}viber")
    async def viber(delivery: models.ViberDelivery) -> models.Taken:
        return models.Taken()

    return app


class Load:
    """Sends deliveries, and sees what they cost the server and PostgreSQL."""

    def __init__(self, connection: asyncpg.Connection, postgres: psutil.Process) -> None:
        self._connection = connection
        self._postgres = postgres

    async def ready(self, server: Server, parcel: Parcel) -> None:
        """Until the server has read its configuration. Raises AssertionError if it never takes the delivery."""

        async def taken() -> bool:
            status = await self._send(server, [parcel], [])
            if status != 200:
                raise AssertionError(f"{server.url} answers {status}")
            return True

        await eventually(taken, timeout_seconds=WAIT_SECONDS)

    async def measured(self, server: Server, parcels: Sequence[Parcel]) -> Figures:
        """All of them over CONNECTIONS connections. Raises AssertionError when one is not answered with 200."""
        waits_ms: list[float] = []
        began, spent, beside = time.perf_counter(), cpu_seconds(server.pid), self._postgres_seconds()
        shares = [parcels[number::CONNECTIONS] for number in range(CONNECTIONS)]
        statuses = await asyncio.gather(*(self._send(server, share, waits_ms) for share in shares if share))
        seconds = time.perf_counter() - began
        if set(statuses) != {200}:
            raise AssertionError(f"answered {statuses}")
        await eventually(self._published, timeout_seconds=WAIT_SECONDS)
        spent, beside = cpu_seconds(server.pid) - spent, self._postgres_seconds() - beside
        count = len(parcels)
        p99_ms = quantiles(waits_ms, n=100)[98]
        return Figures(count / seconds, p99_ms, spent / count * 1e6, beside / count * 1e6)

    async def kept(self) -> int:
        """How many messages the chat gateway has by now."""
        return int(await self._connection.fetchval("SELECT count(*) FROM chat_gateway.message"))

    async def _send(self, server: Server, parcels: Sequence[Parcel], waits_ms: list[float]) -> int:
        """One after the other over one connection; the first status that is not 200, else 200."""
        at = urlsplit(server.url)
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        try:
            for parcel in parcels:
                began = time.perf_counter()
                writer.write(as_bytes(parcel))
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                waits_ms.append((time.perf_counter() - began) * 1000)
                status = int(head.split(b" ", 2)[1])
                if status != 200:
                    return status
        finally:
            writer.close()
        return 200

    async def _published(self) -> bool:
        return not await self._connection.fetchval("SELECT count(*) FROM chat_gateway.outbox")

    def _postgres_seconds(self) -> float:
        return sum(map(cpu_seconds, [backend.pid for backend in self._postgres.children()]))


def as_bytes(parcel: Parcel) -> bytes:
    """The request over HTTP/1.1."""
    at = urlsplit(parcel.url)
    fields = {"Host": at.netloc, **parcel.headers, "Content-Length": str(len(parcel.body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {at.path} HTTP/1.1\r\n{head}\r\n".encode() + parcel.body


@asynccontextmanager
async def load(admin_url: str) -> AsyncGenerator[Load]:
    """On this PostgreSQL."""
    connection = await asyncpg.connect(admin_url)
    try:
        backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
        postgres = backend.parent()
        assert postgres is not None
        yield Load(connection, postgres)
    finally:
        await connection.close()
