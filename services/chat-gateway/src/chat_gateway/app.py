"""Puts the chat gateway together; the only file that knows what is real."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from contracts.configuration import WEB_CHAT
from fastapi import FastAPI
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.configuration_reader import ConfigurationReader
from gatewaykit.directory import Directory
from gatewaykit.routing import Routing
from gatewaykit.timers import Timers
from servicekit.consume import ConsumerLoop
from servicekit.database import open_database
from servicekit.live import open_redis
from servicekit.outbox import OutboxRelay, PostgresOutbox
from servicekit.ports import Loop
from servicekit.run import Service, Shell, run
from servicekit.store import Outbox
from servicekit.sweep import inbox_sweep
from servicekit.transactional import TransactionalProcessor
from servicekit.web import NO_CONTENT_POLICY, create_app
from starlette.staticfiles import StaticFiles

from chat_gateway import api, sockets
from chat_gateway.consumers import GROUP, TOPICS, reactions
from chat_gateway.limits import Limits
from chat_gateway.live import RedisSignals, Signals
from chat_gateway.loops import Hearing, Looking, Presence, drain, present
from chat_gateway.metrics import ChatMetrics
from chat_gateway.origins import AddressOrigins, Origins
from chat_gateway.parts import Parts
from chat_gateway.rooms import Rooms
from chat_gateway.settings import ChatSettings
from chat_gateway.store import ChatStore, ChatTransaction, PostgresChatStore
from chat_gateway.tokens import VisitTokens

PAGES_POLICY: Final = "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"


def main() -> None:
    """The command `chat-gateway`."""
    run("chat-gateway", ChatSettings, open_service, migrations="chat_gateway")


@asynccontextmanager
async def open_service(settings: ChatSettings, shell: Shell) -> AsyncGenerator[Service]:
    """The gateway on real parts."""
    async with (
        open_database(settings.database_url, schema="chat_gateway") as database,
        open_redis(settings.redis_url) as redis,
    ):
        signals = RedisSignals(redis)
        store = PostgresChatStore(database, signals.changed)
        gateway = assemble(settings, shell, store=store, outbox=PostgresOutbox(database), signals=signals)
        yield Service(app=gateway.app, loops=[*gateway.loops, inbox_sweep(database)], drain=gateway.drain)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The assembled service, on whatever parts."""

    app: FastAPI
    loops: Sequence[Loop]
    parts: Parts
    shell: Shell

    async def drain(self) -> None:
        """Send the visitors to other replicas."""
        await drain(self.parts.rooms, self.shell.clock, self.shell.chance)


def assemble(settings: ChatSettings, shell: Shell, *, store: ChatStore, outbox: Outbox, signals: Signals) -> Gateway:
    """The gateway on given parts: real ones here, fakes in a simulated story."""
    directory, rooms = Directory([WEB_CHAT]), Rooms(sockets_max=settings.sockets_max)
    parts = Parts(
        settings=settings,
        store=store,
        signals=signals,
        rooms=rooms,
        directory=directory,
        tokens=VisitTokens(settings.visitor_secret.get_secret_value(), shell.clock),
        origins=Origins(directory, settings.own_origins),
        clock=shell.clock,
        telemetry=shell.telemetry,
        metrics=ChatMetrics(shell.telemetry, rooms),
    )
    return Gateway(_app(settings, shell, parts), _loops(shell, parts, outbox), parts, shell)


def _app(settings: ChatSettings, shell: Shell, parts: Parts) -> FastAPI:
    windows = Limits(shell.clock, burst=settings.windows_burst, every_ms=60_000 // settings.windows_per_minute)
    app = create_app(
        "Centralino chat gateway",
        "/chat/v1",
        routers=[api.create_router(parts, shell.ids, windows), sockets.create_socket_router(parts)],
        content_security_policy=PAGES_POLICY if settings.pages_directory else NO_CONTENT_POLICY,
        telemetry=shell.telemetry,
    )
    app.add_middleware(AddressOrigins, origins=parts.origins)
    if settings.pages_directory:
        for name in ("customer", "shared"):
            app.mount(f"/{name}", StaticFiles(directory=Path(settings.pages_directory) / name, html=True))
    return app


def _loops(shell: Shell, parts: Parts, outbox: Outbox) -> list[Loop]:
    routing = Routing[ChatTransaction](parts.directory, shell.clock)
    processor = TransactionalProcessor(
        group=GROUP,
        store=parts.store,
        reactions=reactions(routing, AgentMessages(shell.clock)),
        telemetry=shell.telemetry,
    )
    consumer = ConsumerLoop(
        group=GROUP,
        topics=TOPICS,
        processor=processor,
        log=shell.log,
        clock=shell.clock,
        chance=shell.chance,
        telemetry=shell.telemetry,
    )
    return [
        ConfigurationReader(GROUP, shell.log, parts.directory, shell.clock, shell.chance),
        consumer,
        OutboxRelay(outbox, log=shell.log, clock=shell.clock, chance=shell.chance, telemetry=shell.telemetry),
        Hearing(parts.signals, parts.rooms, shell.clock, shell.chance),
        Looking(parts.store, parts.rooms),
        Presence(parts.signals, parts.rooms),
        Timers(parts.store, partial(present, parts.signals), shell.clock),
    ]


if __name__ == "__main__":
    main()
