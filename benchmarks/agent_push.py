"""What it costs to bring an offer to one of 1,000 agents' WebSockets, against the straightforward ways to do it.

Each arm is a process with one socket for each agent, loaded from another. It gets encoded `offer.issued` records as a
consumer of Kafka hands them over (Kafka is in no figure), decodes them by the same code, and sends the agent a frame.

`ours`: production: a script appends to the agent's stream in Valkey with a number, refusing repeats, and signals;
the socket reads its stream from its number on. Sockets resume, on any replica.
`pubsub`: stock FastAPI and redis-py: publish to the agent's channel, each socket subscribes to its own. What happens
while an agent reconnects is lost, a repeated record is sent twice.
`memory`: stock FastAPI, the handler sends to the socket in its own process: one replica, nothing in Valkey. The floor.

Latency is from the instant at which a record was due (open loop) to the frame at the client. CPU time of a push is the
arm's process alone, without what it spends on idle sockets, which is a figure of its own.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import uvloop
from contracts import Event, encode
from contracts.offers import Decision, OfferIssued
from fastapi import FastAPI, WebSocket
from redis.asyncio import Redis as StockRedis
from router.api import routes_sockets
from router.api.command_log import CommandLog
from router.api.consumers import frame_of, reactions
from router.api.results import Results
from router.api.service import parts_of
from router.api.signals import SignalsLoop
from router.api.store import SCHEMA, ApiStore
from router.settings import ApiSettings
from servicekit.auth import Principal
from servicekit.consume import Delivery, PartitionProcessor, Reactions, ReactionsProcessor
from servicekit.database import open_database
from servicekit.http_server import http_server
from servicekit.lane import LaneLimits
from servicekit.live import open_redis
from servicekit.ports import Record
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.parts import part
from servicekit.tickets import Tickets
from servicekit.web import create_app
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.hot_endpoints import cpu_seconds, uvicorn_serve
from benchmarks.report import Report

ROUNDS: Final = 10
AGENTS: Final = 1000
RATE: Final = 200
PACED: Final = 600
BURST: Final = 2000
IDLE_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 0.5
SECONDS_MAX: Final = 60.0
AT_ONCE: Final = 25
ARMS: Final = ("ours", "pubsub", "memory")
TENANT: Final = "acme"
DOMAIN: Final = f"{TENANT}.main"


def main() -> None:
    """Measure, print, and write `build/bench/agent_push.jsonl`; as `serve <arm> <file>` be one of the servers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(sys.argv[2], json.loads(Path(sys.argv[3]).read_text())))
        return
    with TemporaryDirectory() as name, part("postgres") as admin_url, part("redis") as redis_url:
        uvloop.run(measure(Report("agent_push"), Path(name), admin_url, redis_url))


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm, one round."""

    p50_ms: float
    p99_ms: float
    push_us: float
    pushes_per_second: float
    burst_us: float
    idle_percent: float


@dataclass(slots=True)
class Arm:
    """A server with all its sockets, seen from the client's side."""

    server: subprocess.Popen[str]
    sockets: list[ClientConnection] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    arrivals: dict[int, float] = field(default_factory=dict)
    sent: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    async def round(self) -> Figures:
        """Idle, then paced, then as fast as it goes."""
        began = cpu_seconds(self.server.pid)
        await asyncio.sleep(IDLE_SECONDS)
        idle = (cpu_seconds(self.server.pid) - began) / IDLE_SECONDS
        started_at, spent, took = await self._pushed(PACED, RATE)
        late = [(self.arrivals[number] - started_at - index / RATE) * 1e3 for index, number in self._last(PACED)]
        percentiles = quantiles(late, n=100)
        push_us = (spent - idle * took) / PACED * 1e6
        _, spent, took = await self._pushed(BURST, 0)
        burst_us = (spent - idle * took) / BURST * 1e6
        return Figures(percentiles[49], percentiles[98], push_us, BURST / took, burst_us, idle * 100)

    async def show_life(self) -> None:
        """Ours closes a socket whose client says nothing for 75 seconds."""
        for connection in self.sockets:
            await connection.send('{"type":"heartbeat"}')

    async def _pushed(self, count: int, rate: int) -> tuple[float, float, float]:
        """When it began, the server's CPU time, and the time until all have come; a lost one is a TimeoutError."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(f"{self.sent} {count} {rate}\n")
        self.server.stdin.flush()
        self.sent += count
        self.complete.clear()
        started_at = float(await asyncio.to_thread(self.server.stdout.readline))
        began = cpu_seconds(self.server.pid)
        async with asyncio.timeout(SECONDS_MAX):
            await self.complete.wait()
        spent = cpu_seconds(self.server.pid) - began
        return started_at, spent, max(self.arrivals[number] for _, number in self._last(count)) - started_at

    def _last(self, count: int) -> Iterator[tuple[int, int]]:
        return enumerate(range(self.sent - count, self.sent))

    async def listen(self, connection: ClientConnection) -> None:
        """Note when each offer comes."""
        async for text in connection:
            if '"offer.issued"' in str(text):
                number = int(json.loads(text)["data"]["offer_id"].removeprefix("o"))
                self.arrivals[number] = time.monotonic()
                if len(self.arrivals) == self.sent:
                    self.complete.set()


async def measure(report: Report, folder: Path, admin_url: str, redis_url: str) -> None:
    """All arms in turn, ROUNDS times."""
    async with migrated(admin_url, SCHEMA) as kept, AsyncExitStack() as stack:
        async with ApiStore(kept.database).transaction(TENANT) as transaction:
            row = {"tenant": TENANT, "domain": DOMAIN}
            await transaction.execute("INSERT INTO domain VALUES (:tenant, :domain, 0)", **row)
            for number in range(AGENTS):
                await transaction.execute(
                    "INSERT INTO agent VALUES (:tenant, :id, :domain, 'A')", id=f"a{number}", **row
                )
        (folder / "given").write_text(json.dumps({"database_url": kept.application_url, "redis_url": redis_url}))
        arms = {}
        for name in ARMS:
            arm, url = stack.enter_context(served(name, folder / "given"))
            arms[name] = arm
            await stack.enter_async_context(connected(arm, url, redis_url))
        rounds: dict[str, list[Figures]] = {name: [] for name in ARMS}
        for number in range(-1, ROUNDS):  # the first warms everything up
            for name in ARMS if number % 2 else reversed(ARMS):
                for arm in arms.values():
                    await arm.show_life()
                await asyncio.sleep(SETTLE_SECONDS)
                figures = await arms[name].round()
                if number >= 0:
                    rounds[name].append(figures)
        tell(report, rounds)


def tell(report: Report, rounds: Mapping[str, Sequence[Figures]]) -> None:
    """Each arm's figures, then ours against each peer, round by round."""
    units = {"p50_ms": "ms", "p99_ms": "ms", "push_us": "us", "pushes_per_second": "1/s", "burst_us": "us"}
    for name, found in rounds.items():
        for figure, unit in {**units, "idle_percent": "%"}.items():
            values = [getattr(figures, figure) for figures in found]
            report.write(f"agent_push.{name}.{figure}", median(values), unit, values=values)
    for peer in ARMS[1:]:
        pairs = list(zip(rounds["ours"], rounds[peer], strict=True))
        goals = (">= 3", "<= 0.25") if peer == "pubsub" else ("", "")
        report.compare(f"agent_push.over_{peer}", pairs, rate="pushes_per_second", cost="burst_us", goals=goals)


@contextmanager
def served(name: str, given: Path) -> Iterator[tuple[Arm, str]]:
    """The arm's server in a process of its own, and its address."""
    command = [sys.executable, "-m", "benchmarks.agent_push", "serve", name, str(given)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Arm(server), server.stdout.readline().strip()
        finally:
            server.kill()


@asynccontextmanager
async def connected(arm: Arm, url: str, redis_url: str) -> AsyncIterator[None]:
    """All agents' sockets, each greeted where the arm greets; tickets are only for ours."""
    base = url.replace("http:", "ws:")
    async with open_redis(redis_url) as redis:
        tickets = Tickets(redis, "router")

        async def open_one(number: int) -> ClientConnection:
            caller = Principal(subject=f"a{number}", tenant_id=TENANT, roles=frozenset({"agent"}), expires_at_ms=2**52)
            path = f"{base}/router/v1/agent-socket?ticket={await tickets.issue(caller)}&agent=a{number}"
            connection = await connect(path, compression=None, ping_interval=None, open_timeout=SECONDS_MAX)
            await connection.recv()
            return connection

        for first in range(0, AGENTS, AT_ONCE):
            arm.sockets += await asyncio.gather(*map(open_one, range(first, first + AT_ONCE)))
    arm.readers = [asyncio.create_task(arm.listen(connection)) for connection in arm.sockets]
    try:
        yield
    finally:
        for reader in arm.readers:
            reader.cancel()
        await asyncio.gather(*arm.readers, return_exceptions=True)


async def serve(name: str, given: Mapping[str, Any]) -> None:  # Any: JSON
    """One arm, until killed; it prints its address, then for each line `first count rate` when it began."""
    async with AsyncExitStack() as stack:
        made = our_arm(stack, given) if name == "ours" else stock_arm(name, given)
        pushing = await made
        while line := await asyncio.to_thread(sys.stdin.readline):
            first, count, rate = map(int, line.split())
            records = [record(number) for number in range(first, first + count)]
            started_at = time.monotonic() + 0.1
            print(started_at, flush=True)
            await asyncio.sleep(0.1)
            await push(pushing, records, rate, started_at)


async def push(pushing: PartitionProcessor, records: Sequence[Record], rate: int, started_at: float) -> None:
    """Hand over each record when it is due; a rate of 0: all of them at once."""
    for first in range(0, 0 if rate else len(records), LaneLimits().batch_records_max):
        await pushing.process(records[first : first + LaneLimits().batch_records_max])
    for index, each in enumerate(records if rate else ()):
        await asyncio.sleep(max(0, started_at + index / rate - time.monotonic()))
        await pushing.process([each])


async def our_arm(stack: AsyncExitStack, given: Mapping[str, Any]) -> PartitionProcessor:  # Any: JSON
    """The API's sockets, signals and reactions, as `open_api` puts them together."""
    shell = Shell(SystemClock(), SystemIds(), SystemChance(), MemoryLog({}), Telemetry("bench"))
    database = await stack.enter_async_context(open_database(given["database_url"], schema=SCHEMA))
    redis = await stack.enter_async_context(open_redis(given["redis_url"]))
    commands = await stack.enter_async_context(CommandLog(shell.log))
    app = create_app("bench", "/router/v1", routers=[routes_sockets.ROUTES], telemetry=shell.telemetry)
    parts = parts_of(ApiSettings(sockets_max=AGENTS), shell, ApiStore(database), redis, commands, Results())
    app.state.parts = parts
    loop = asyncio.create_task(
        SignalsLoop(redis, parts.signals, clock=shell.clock, chance=shell.chance).run(asyncio.Event())
    )
    stack.callback(loop.cancel)
    print(await stack.enter_async_context(http_server(app, "127.0.0.1", 0, drain_seconds=1)), flush=True)
    return ReactionsProcessor(reactions(), shell.telemetry, parts.live.push)


SERVERS: Final[set[asyncio.Task[None]]] = set()


async def stock_arm(name: str, given: Mapping[str, Any]) -> PartitionProcessor:  # Any: JSON
    """A stock application with one of the two plain ways to reach a socket."""
    redis, sockets = (
        StockRedis.from_url(given["redis_url"], decode_responses=True, max_connections=2 * AGENTS),
        dict[str, WebSocket](),
    )
    app = FastAPI()

    @app.websocket("/router/v1/agent-socket")
    async def agent_socket(websocket: WebSocket, agent: str) -> None:
        await websocket.accept()
        async with redis.pubsub() as pubsub:
            if name == "pubsub":
                await pubsub.subscribe(f"agent:{agent}")
            sockets[agent] = websocket
            await websocket.send_text("{}")
            hearing = asyncio.create_task(_hear(websocket))
            if name == "pubsub":
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        await websocket.send_text(message["data"])
            await hearing

    async def by_channel(delivery: Delivery[OfferIssued]) -> None:
        await redis.publish(f"agent:{delivery.data.agent_id}", frame_of(delivery.event))

    async def in_process(delivery: Delivery[OfferIssued]) -> None:
        await sockets[delivery.data.agent_id].send_text(frame_of(delivery.event))

    SERVERS.add(asyncio.create_task(uvicorn_serve(app)))
    handler = cast(Callable[[Delivery[OfferIssued]], Awaitable[None]], by_channel if name == "pubsub" else in_process)
    return ReactionsProcessor(Reactions().on(OfferIssued, handler), Telemetry("bench"))


async def _hear(websocket: WebSocket) -> None:
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        return


def record(number: int) -> Record:
    """The offer of a number, for one agent after another."""
    offer = OfferIssued(
        offer_id=f"o{number}",
        task_id=f"t{number}",
        interaction_id=f"i{number}",
        domain=DOMAIN,
        queue="help",
        channel="webchat",
        priority=2,
        agent_id=f"a{number % AGENTS}",
        issued_at_ms=1_767_225_600_000,
        expires_at_ms=1_767_225_615_000,
        queued_at_ms=1_767_225_600_000,
        decision=Decision(rule="longest_idle", agents=AGENTS, eligible=10, excluded={"not_ready": 990}),
    )
    event = Event(
        id=f"o{number}",
        source="/router/engine",
        tenant_id=TENANT,
        subject=f"t{number}",
        time_ms=1_767_225_600_000,
        data=offer,
        sequence=f"0001-{number:015d}-00000",
    )
    value, headers = encode(event)
    return Record(event.type.topic.name, 0, number, None, value, tuple(headers), 0)


if __name__ == "__main__":
    main()
