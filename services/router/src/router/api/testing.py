"""The API running for a test, and a stand-in for the engine that answers its commands."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from contracts import Event, decode, encode
from contracts.agents import CommandResult, Refusal
from contracts.queues import AlertChanged, QueueOverridden
from contracts.topics import ROUTING_EVENTS, ROUTING_INPUTS, TOPICS
from prometheus_client import CollectorRegistry
from servicekit.auth import Role
from servicekit.database import Database
from servicekit.http_server import http_server
from servicekit.live import Redis, open_redis
from servicekit.ports import LogFactory, LogWriter, Outgoing, Partition
from servicekit.run import Shell
from servicekit.system import SystemChance, SystemClock, SystemIds
from servicekit.telemetry import Telemetry
from servicekit.testing.clients import AsyncClient, api_client
from servicekit.testing.databases import migrated
from servicekit.testing.tokens import TokenIssuer

from router.api.live import ApiLive, Place
from router.api.service import open_api
from router.settings import ApiSettings

PARTITIONS: Final = 2
TOPIC_PARTITIONS: Final = {topic.name: topic.partitions(PARTITIONS) for topic in TOPICS}
STOP_SECONDS_MAX: Final = 10

Json = dict[str, Any]  # Any: a document as a client sees it


@dataclass(slots=True)
class StandInEngine:
    """Answers every command with `done`, or as `refusals` says; a repeated command id gets the first answer."""

    log: LogFactory
    away: bool = False
    refusals: dict[str, Refusal] = field(default_factory=dict)
    commands: list[Event] = field(default_factory=list)
    _results: dict[str, CommandResult] = field(default_factory=dict)
    _published: int = 0

    async def run(self, begun: asyncio.Event) -> None:
        """Read `routing.inputs` until cancelled."""
        partitions = [Partition(ROUTING_INPUTS.name, number) for number in range(PARTITIONS)]
        async with self.log.reader("stand-in") as reader, self.log.writer("stand-in") as writer:
            await reader.assign({partition: (await reader.bounds(partition))[1] for partition in partitions})
            begun.set()
            while True:
                for record in await reader.read(records_max=100, timeout_seconds=0.5):
                    event = decode(record.value, record.headers)
                    self.commands.append(event)
                    if not self.away and hasattr(event.data, "command_id"):
                        await self._answer(writer, event, record.partition)

    async def publish(self, tenant_id: str, data: Any, *, again: bool = False) -> None:  # Any: any routing event
        """Write a routing event as the engine would; `again`: under the last number, as a new owner does."""
        async with self.log.writer("stand-in") as writer:
            await self._publish(writer, tenant_id, data, 0, again=again)

    async def _answer(self, writer: LogWriter, event: Event, partition: int) -> None:
        command: Any = event.data  # Any: one of several commands with these fields
        refusal = self.refusals.get(event.type.name)
        result = CommandResult(
            command_id=command.command_id,
            domain=command.domain,
            agent_id=getattr(command, "agent_id", None),
            outcome="refused" if refusal else "done",
            refusal=refusal,
            decided_at_ms=event.time_ms,
        )
        first = self._results.setdefault(command.command_id, result)
        await self._publish(writer, event.tenant_id, first, partition)

    async def _publish(
        self, writer: LogWriter, tenant_id: str, data: object, partition: int, *, again: bool = False
    ) -> None:
        self._published += not again
        sequence = f"0001-{self._published:015d}-00000"
        event = Event(
            id=sequence,
            source="/router/engine",
            tenant_id=tenant_id,
            subject="subject",
            time_ms=0,
            data=data,
            sequence=sequence,
        )
        await append(writer, event, key="subject", partition=partition)


@dataclass(slots=True, kw_only=True)
class RunningApi:
    """An API of one tenant, whose agents are those of `configuration()`."""

    url: str
    tenant_id: str
    issuer: TokenIssuer
    log: LogFactory
    redis: Redis
    database: Database
    application_url: str
    engine: StandInEngine
    registry: CollectorRegistry

    @property
    def place(self) -> Place:
        """The tenant's domain."""
        return Place(self.tenant_id, f"{self.tenant_id}.main")

    @property
    def live(self) -> ApiLive:
        """Redis as the API uses it."""
        return ApiLive(self.redis)

    def token(self, subject: str, *roles: Role, **claims: Any) -> str:  # Any: TokenIssuer's own arguments
        """An access token of the tenant."""
        values = {"tenant_id": self.tenant_id, "now_ms": SystemClock().now_ms(), **claims}
        return self.issuer.token(subject=subject, roles=roles, **values)

    def client(self, bearer: str) -> AsyncClient:
        """An HTTP client that shows this token or key."""
        return api_client(f"{self.url}/router/v1", bearer)

    def configuration(self, agents: Sequence[str] = ("ann", "bob")) -> Json:
        """A valid document."""
        domain = self.place.domain
        return {
            "clients": ["brand"],
            "skills": ["billing"],
            "domains": [{"id": domain, "dispositions": [{"id": "solved", "label": "Solved"}]}],
            "queues": [{"id": "help", "domain": domain, "name": "Help", "requirements": [{"skill": "billing"}]}],
            "agents": [
                {"id": name, "domain": domain, "name": name.title(), "skills": {"billing": 3}} for name in agents
            ],
            "channels": [
                {
                    "address": f"web:{self.tenant_id}",
                    "channel": "webchat",
                    "client": "brand",
                    "domain": domain,
                    "queue": "help",
                }
            ],
        }

    async def configure(self) -> None:
        """Activate `configuration()` as the first version."""
        async with self.client(self.token("root", "admin")) as admin:
            answer = await admin.put("/configuration", json=self.configuration(), headers={"if-match": '"0"'})
            answer.raise_for_status()

    async def add_domain(self) -> str:
        """Activate a second version, with one more domain that has a queue `help` and the agent zoe; its id."""
        document, domain = self.configuration(), f"{self.tenant_id}.second"
        for kind, named in (("domains", "id"), ("queues", "domain")):
            document[kind].append({**document[kind][0], named: domain})
        document["agents"].append({**document["agents"][0], "id": "zoe", "domain": domain})
        document["channels"].append({**document["channels"][0], "address": f"web:{domain}", "domain": domain})
        async with self.client(self.token("root", "admin")) as admin:
            answer = await admin.put("/configuration", json=document, headers={"if-match": '"1"'})
            answer.raise_for_status()
        return domain

    async def project(self, agent_id: str, *, position: int = 0, assignments: Sequence[Json] = (), **view: Any) -> None:
        """Show an agent as the engine's projection would."""  # Any: members of an agent's view
        shown = {"agent_id": agent_id, "state": "ready", "presence": "present", "held": 0, "capacity": 3, **view}
        shown["assignments"] = [assignment["assignment_id"] for assignment in assignments]
        for assignment in assignments:
            await self._set("assignments", assignment["assignment_id"], assignment)
        await self._set("agents", agent_id, shown)
        await self.redis.hset(self.place.key("meta"), "position", position)

    async def project_reasons(self, *reasons: Json) -> None:
        """Show why agents may be not ready, as the engine's projection would."""
        domain = self.place.domain
        await self._set("domains", domain, {"domain": domain, "version": 1, "not_ready_reasons": reasons})

    async def project_queue(
        self, *, position: int, alerts: Sequence[AlertChanged] = (), override: QueueOverridden | None = None
    ) -> None:
        """Show the queue `help` with what stands of it, as the engine's projection would."""
        counts = {"waiting": 0, "offered": 0, "assigned": 0, "wrapup": 0}
        standing = {"alerts": [asdict(alert) for alert in alerts], "override": override and asdict(override)}
        await self._set("queues", "help", {"queue": "help", **counts, **standing})
        await self.redis.hset(self.place.key("meta"), "position", position)

    def assignment(self, interaction_id: str, agent_id: str = "ann", *, state: str = "assigned") -> Json:
        """An assignment as the projection shows it."""
        return {
            "assignment_id": f"{interaction_id}.t1.o1.a",
            "task_id": f"{interaction_id}.t1",
            "interaction_id": interaction_id,
            "agent_id": agent_id,
            "queue": "help",
            "channel": "webchat",
            "sequence": "0001-000000000000001-00000",
            "state": state,
        }

    async def _set(self, name: str, key: str, document: Json) -> None:
        await self.redis.hset(self.place.key(name), key, json.dumps(document))


@asynccontextmanager
async def running_api(
    log: LogFactory, *, redis_url: str, admin_url: str, folder: Path, **settings: Any
) -> AsyncGenerator[RunningApi]:
    """The API on a free port, over real Redis and PostgreSQL, with its loops and the stand-in; `settings` as fields."""
    issuer = TokenIssuer.generate()
    (folder / "jwks.json").write_text(json.dumps(issuer.jwks()))
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(migrated(admin_url, "router"))
        redis = await stack.enter_async_context(open_redis(redis_url))
        values = {"command_wait_seconds": 3, **settings}
        wanted = ApiSettings(
            redis_url=redis_url,
            database_url=database.application_url,
            jwks_url=(folder / "jwks.json").as_uri(),
            domain_partitions=PARTITIONS,
            **values,
        )
        telemetry = Telemetry("router-api")
        shell = Shell(SystemClock(), SystemIds(), SystemChance(), log, telemetry)
        service = await stack.enter_async_context(open_api(wanted, shell))
        stop = asyncio.Event()
        loops = [asyncio.create_task(loop.run(stop), name=loop.name) for loop in service.loops]
        stack.push_async_callback(_stop, stop, loops)
        engine = StandInEngine(log)
        begun = asyncio.Event()
        stack.push_async_callback(_cancel, asyncio.create_task(engine.run(begun)))
        await asyncio.wait_for(begun.wait(), 10)
        assert service.app is not None  # noqa: S101 - the API always has one
        url = await stack.enter_async_context(http_server(service.app, "127.0.0.1", 0, drain_seconds=1))
        yield RunningApi(
            url=url,
            tenant_id=f"t{SystemIds().new_id()[-12:]}",
            issuer=issuer,
            log=log,
            redis=redis,
            database=database.database,
            application_url=database.application_url,
            engine=engine,
            registry=telemetry.registry,
        )


async def append(writer: LogWriter, event: Event, *, key: str, partition: int | None = None) -> None:
    """Write an event to its topic."""
    value, headers = encode(event)
    topic = event.type.topic.name
    outgoing = Outgoing(topic=topic, key=key.encode(), value=value, headers=tuple(headers), partition=partition)
    await writer.append(outgoing)


async def _stop(stop: asyncio.Event, loops: Sequence[asyncio.Task[None]]) -> None:
    stop.set()
    async with asyncio.timeout(STOP_SECONDS_MAX):
        await asyncio.gather(*loops)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


__all__ = ["ROUTING_EVENTS", "TOPIC_PARTITIONS", "RunningApi", "StandInEngine", "append", "running_api"]
