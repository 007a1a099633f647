"""What the agents' busiest requests cost over HTTP, against the same job in a stock FastAPI application.

Each arm is a process on one core, `wrk` (Debian's package) loads it from another. Every arm verifies an ES256 access
token, finds the agent's seat in PostgreSQL's `agent` table, makes the command's event, encodes it, and waits for the
result; the log answers at once, so neither Kafka nor the engine is in any figure. The peers are FastAPI as its
documentation teaches it, served by uvicorn with uvloop and httptools:

`stock`: PyJWT and one look-up of the seat for each request, response models, nothing else.
`stock_remembering`: the same application on our token verifier and our seats, which remember: what is left between
it and ours is the framework's path, where ours also has request ids, safe headers, bounded bodies, CORS and problems.
"""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, cast

import jwt
import uvicorn
import uvloop
from contracts import Event, encode
from contracts.agents import CommandResult
from contracts.commands import AcceptOffer
from contracts.topics import Topic
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from router.api import routes_agent
from router.api.command_log import CommandLog
from router.api.live import Place
from router.api.models import (
    AgentView,
    AssignmentView,
    CommandOutcome,
    Me,
    StateChoice,
)
from router.api.models_written import MessageRequest, MessageTaken
from router.api.parts import Parts
from router.api.results import Results
from router.api.service import parts_of
from router.api.store import SCHEMA, ApiStore, Seat
from router.settings import ApiSettings
from servicekit.auth import TokenVerifier
from servicekit.database import open_database
from servicekit.http_server import http_server
from servicekit.live import open_redis
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.databases import migrated
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.parts import part
from servicekit.testing.tokens import TokenIssuer
from servicekit.web import create_app
from typing_extensions import override

from benchmarks.report import Report

ROUNDS: Final = 10
SECONDS: Final = 2
CONNECTIONS: Final = 16
ARMS: Final = ("ours", "stock", "stock_remembering")
TENANT: Final = "acme"
ENDPOINTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "accept": ("POST", "/router/v1/offers/i1.t1.o1/accept", ""),
    "state": ("PUT", "/router/v1/me/state", '{"state": "ready"}'),
    "message": ("POST", "/router/v1/assignments/i1.t1.o1.a/messages", '{"message_id": "m1", "text": "Good morning"}'),
    "desk": ("GET", "/router/v1/me", ""),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm, one endpoint, one round."""

    requests_per_second: float
    p99_ms: float
    cpu_us: float


def main() -> None:
    """Measure, print, and write `build/bench/hot_endpoints.jsonl`; as `serve <arm> <file>` be one of the servers."""
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(sys.argv[2], json.loads(Path(sys.argv[3]).read_text())))
        return
    if shutil.which("wrk") is None:
        sys.exit("this needs wrk: apt-get install wrk")
    with TemporaryDirectory() as name, part("postgres") as admin_url, part("redis") as redis_url:
        asyncio.run(measure(Report("hot_endpoints"), Path(name), admin_url, redis_url))


async def measure(report: Report, folder: Path, admin_url: str, redis_url: str) -> None:
    """All arms in turn, ROUNDS times."""
    issuer, now_ms = TokenIssuer.generate(), SystemClock().now_ms()
    async with migrated(admin_url, SCHEMA) as kept, AsyncExitStack() as stack:
        async with ApiStore(kept.database).transaction(TENANT) as transaction:
            row = {"tenant": TENANT, "domain": f"{TENANT}.main"}
            await transaction.execute("INSERT INTO domain VALUES (:tenant, :domain, 0)", **row)
            await transaction.execute("INSERT INTO agent VALUES (:tenant, 'ann', :domain, 'Ann')", **row)
        await show_desk(redis_url)
        given = {"database_url": kept.application_url, "redis_url": redis_url, "jwks": issuer.jwks()}
        (folder / "given").write_text(json.dumps(given))
        token = issuer.token(subject="ann", tenant_id=TENANT, roles=["agent"], now_ms=now_ms)
        servers = {arm: stack.enter_context(served(arm, folder / "given")) for arm in ARMS}
        for endpoint in ENDPOINTS:
            script = folder / f"{endpoint}.lua"
            script.write_text(wrk_script(endpoint, token))
            rounds: dict[str, list[Figures]] = {arm: [] for arm in ARMS}
            for number in range(-1, ROUNDS):  # the first warms everything up
                for arm in ARMS if number % 2 else reversed(ARMS):
                    figures = await asyncio.to_thread(loaded, servers[arm], script)
                    if number >= 0:
                        rounds[arm].append(figures)
            tell(report, endpoint, rounds)


async def show_desk(redis_url: str) -> None:
    """Ann's desk with one conversation, as the engine projects it."""
    assignment = AssignmentView(
        assignment_id="i1.t1.o1.a",
        task_id="i1.t1",
        interaction_id="i1",
        agent_id="ann",
        queue="help",
        channel="webchat",
        sequence="0001-000000000000001-00000",
        state="assigned",
    )
    ann = AgentView(
        agent_id="ann", state="ready", presence="present", held=1, capacity=3, assignments=[assignment.assignment_id]
    )
    place = Place(TENANT, f"{TENANT}.main")
    async with open_redis(redis_url) as redis:
        await redis.hset(place.key("assignments"), assignment.assignment_id, assignment.model_dump_json())
        await redis.hset(place.key("agents"), "ann", ann.model_dump_json())
        await redis.hset(place.key("meta"), "position", "1")


def tell(report: Report, endpoint: str, rounds: Mapping[str, list[Figures]]) -> None:
    """Each arm's figures, then ours over each peer's, round by round."""
    for arm, found in rounds.items():
        for name, unit in (("requests_per_second", "1/s"), ("p99_ms", "ms"), ("cpu_us", "us")):
            values = [getattr(figures, name) for figures in found]
            report.write(f"hot_endpoints.{endpoint}.{arm}.{name}", median(values), unit, values=values)
    for peer in ARMS[1:]:
        pairs = list(zip(rounds["ours"], rounds[peer], strict=True))
        goals = (">= 2.5", "<= 0.5") if peer == "stock" else ("", "")
        name = f"hot_endpoints.{endpoint}.over_{peer}"
        report.compare(name, pairs, rate="requests_per_second", cost="cpu_us", goals=goals)


@contextmanager
def served(arm: str, given: Path) -> Iterator[tuple[int, str]]:
    """The arm's server in a process of its own: its pid and its address."""
    command = [sys.executable, "-m", "benchmarks.hot_endpoints", "serve", arm, str(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.pid, server.stdout.readline().strip()
        finally:
            server.terminate()


def loaded(server: tuple[int, str], script: Path) -> Figures:
    """SECONDS of wrk. Raises AssertionError when a single request was not answered with 2xx."""
    pid, url = server
    began = cpu_seconds(pid)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(script), url]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    spent = cpu_seconds(pid) - began
    if "Non-2xx" in told or "Socket errors" in told:
        raise AssertionError(told)
    requests = max(1, int(re.findall(r"(\d+) requests in", told)[0]))
    value, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", told)[0]
    p99_ms = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return Figures(float(re.findall(r"Requests/sec:\s+([\d.]+)", told)[0]), p99_ms, spent / requests * 1e6)


def wrk_script(endpoint: str, token: str) -> str:
    """What wrk sends."""
    method, path, body = ENDPOINTS[endpoint]
    return f"""
    wrk.method, wrk.path, wrk.body = "{method}", "{path}", '{body}'
    wrk.headers["Authorization"] = "Bearer {token}"
    wrk.headers["Content-Type"] = "application/json"
    request = function() return wrk.format(nil, "{path}") end
    """


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


class InstantLog(CommandLog):
    """Encodes a command as production does; its result is there at once."""

    def __init__(self, results: Results) -> None:
        super().__init__(MemoryLog({}))
        self._results = results

    @override
    async def append(self, event: Event, *, key: str, partition: int | None = None, topic: Topic | None = None) -> None:
        encode(event)
        if not hasattr(event.data, "command_id"):
            return
        command = cast(AcceptOffer, event.data)  # or another command with these fields
        result = CommandResult(
            command_id=command.command_id,
            domain=command.domain,
            agent_id=command.agent_id,
            outcome="done",
            refusal=None,
            decided_at_ms=event.time_ms,
        )
        self._results.add(event.tenant_id, result)


async def serve(arm: str, given: Mapping[str, Any]) -> None:  # Any: JSON
    """One arm, until terminated; the first line that it prints is its address."""
    clock = SystemClock()

    async def keys() -> bytes:
        return json.dumps(given["jwks"]).encode()

    verifier = TokenVerifier(keys, issuer="centralino", audience="centralino", clock=clock)
    async with open_database(given["database_url"], schema=SCHEMA) as database, open_redis(given["redis_url"]) as redis:
        store, results = ApiStore(database), Results()
        shell = Shell(clock, SystemIds(), SystemChance(), MemoryLog({}), Telemetry("bench"))
        parts = parts_of(ApiSettings(), shell, store, redis, InstantLog(results), results)
        if arm == "ours":
            app = create_app(
                "bench", "/router/v1", routers=[routes_agent.ROUTES], verifier=verifier, telemetry=shell.telemetry
            )
            app.state.parts = parts
            async with http_server(app, "127.0.0.1", 0, drain_seconds=1) as url:
                print(url, flush=True)
                await asyncio.Event().wait()
        remembering = arm == "stock_remembering"
        app = remembering_app(parts, verifier) if remembering else stock_app(parts, store, given["jwks"])
        await uvicorn_serve(app)


async def uvicorn_serve(app: FastAPI) -> None:
    """As `uvicorn app:app --no-access-log` does, on any free port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).serve([listener])


Who = Callable[..., Awaitable[Seat]]
BEARER: Final = HTTPBearer()
Credentials = Annotated[HTTPAuthorizationCredentials, Depends(BEARER)]


def stock_app(parts: Parts, store: ApiStore, jwks: Mapping[str, Any]) -> FastAPI:
    """Checks the token and looks the seat up for each request."""
    key = jwt.PyJWK(jwks["keys"][0])

    async def seat(credentials: Credentials) -> Seat:
        try:
            claims = jwt.decode(
                credentials.credentials, key, algorithms=["ES256"], audience="centralino", issuer="centralino"
            )
        except jwt.PyJWTError as error:
            raise HTTPException(401) from error
        if "agent" not in claims["roles"]:
            raise HTTPException(403)
        async with store.transaction(claims["tenant"]) as transaction:
            found = await transaction.seat(claims["sub"])
        if found is None:
            raise HTTPException(403)
        return found

    return with_endpoints(parts, seat)


def remembering_app(parts: Parts, verifier: TokenVerifier) -> FastAPI:
    """The same with our verifier and our seats."""

    async def seat(credentials: Credentials) -> Seat:
        principal = await verifier.verify(credentials.credentials)
        if "agent" not in principal.roles:
            raise HTTPException(403)
        return await parts.desk.seat(principal)

    return with_endpoints(parts, seat)


def with_endpoints(parts: Parts, seat_of: Who) -> FastAPI:
    """The endpoints, for whoever `seat_of` says."""
    app, ids = FastAPI(), SystemIds()

    @app.post("/router/v1/offers/{offer_id}/accept")
    async def accept(
        offer_id: str, seat: Annotated[Seat, Depends(seat_of)], idempotency_key: Annotated[str | None, Header()] = None
    ) -> CommandOutcome:
        command = AcceptOffer(
            command_id=idempotency_key or ids.new_id(), domain=seat.domain, agent_id=seat.agent_id, offer_id=offer_id
        )
        return outcome_of(await parts.desk.submit(seat, command))

    @app.put("/router/v1/me/state")
    async def set_state(
        choice: StateChoice,
        seat: Annotated[Seat, Depends(seat_of)],
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> CommandOutcome:
        return outcome_of(await parts.desk.set_state(seat, choice, idempotency_key or ids.new_id()))

    @app.post("/router/v1/assignments/{assignment_id}/messages", status_code=202)
    async def send_message(
        assignment_id: str, message: MessageRequest, seat: Annotated[Seat, Depends(seat_of)]
    ) -> MessageTaken:
        await parts.conversations.say(seat, assignment_id, message)
        return MessageTaken(message_id=message.message_id)

    @app.get("/router/v1/me")
    async def me(seat: Annotated[Seat, Depends(seat_of)]) -> Me:
        return await parts.desk.me(seat)

    return app


def outcome_of(result: CommandResult | None) -> CommandOutcome:
    """A result that is there."""
    if result is None:
        raise HTTPException(503)
    return CommandOutcome(command_id=result.command_id)


if __name__ == "__main__":
    main()
