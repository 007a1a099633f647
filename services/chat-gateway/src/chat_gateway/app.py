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
from gatewaykit.blobs import Blobs
from gatewaykit.configuration_reader import ConfigurationReader
from gatewaykit.directory import Directory
from gatewaykit.fetch import Fetcher, Resolve
from gatewaykit.links_api import files_router
from gatewaykit.outgoing_store import sweeps
from gatewaykit.outgoings import Outgoings
from gatewaykit.replay import Replay
from gatewaykit.routing import Routing
from gatewaykit.secrets import Secrets
from gatewaykit.sending import Sending, SendingMetrics
from gatewaykit.settings import blobs_of
from gatewaykit.timers import Timers
from gatewaykit.writing import Writing
from servicekit.auth import TokenVerifier, jwks_source
from servicekit.consume import ConsumerLoop
from servicekit.database import open_database
from servicekit.http_client import http_client, resolve
from servicekit.live import open_redis
from servicekit.outbox import OutboxRelay, PostgresOutbox
from servicekit.ports import Http, Loop
from servicekit.run import Service, Shell, run
from servicekit.store import Outbox
from servicekit.sweep import inbox_sweep
from servicekit.transactional import TransactionalProcessor
from servicekit.web import NO_CONTENT_POLICY, create_app
from starlette.staticfiles import StaticFiles

from chat_gateway import api, sockets, webhooks
from chat_gateway.account_acts import AccountActs
from chat_gateway.accounts_api import AccountsApi
from chat_gateway.carriers import PROVIDERS, Carriers, carriers_of
from chat_gateway.consumers import GROUP, TOPICS, reactions
from chat_gateway.files import FileFetching
from chat_gateway.limits import Limits
from chat_gateway.live import RedisSignals, Signals
from chat_gateway.loops import Hearing, Looking, Presence, drain, present
from chat_gateway.media import Media
from chat_gateway.metrics import ChatMetrics, ProviderMetrics
from chat_gateway.notes import WebhookNotes
from chat_gateway.origins import AddressOrigins, Origins
from chat_gateway.parts import Parts
from chat_gateway.receiving import Receiving
from chat_gateway.rooms import Rooms
from chat_gateway.senders import ProviderSender
from chat_gateway.settings import PREFIX, ChatSettings
from chat_gateway.store import ChatStore, ChatTransaction, PostgresChatStore, files_sweep
from chat_gateway.systems_api import SystemsApi
from chat_gateway.tenant_systems import TenantSystems
from chat_gateway.tokens import VisitTokens
from chat_gateway.typing_hints import TypingHints

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
        http_client(ca_file=settings.ca_file) as http,
    ):
        signals = RedisSignals(redis)
        backends = Backends(
            store=PostgresChatStore(database, signals.changed),
            outbox=PostgresOutbox(database),
            signals=signals,
            http=http,
            resolve=resolve,
            blobs=blobs_of(settings, http, shell.clock, shell.ids),
        )
        gateway = assemble(settings, shell, backends)
        kept = [inbox_sweep(database), *sweeps(database), files_sweep(database)]
        yield Service(app=gateway.app, loops=[*gateway.loops, *kept], drain=gateway.drain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """What the gateway works on: real parts in `open_service`, fakes in a simulated story."""

    store: ChatStore
    outbox: Outbox
    signals: Signals
    http: Http
    resolve: Resolve
    blobs: Blobs


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


def assemble(settings: ChatSettings, shell: Shell, backends: Backends) -> Gateway:
    """The gateway on given parts."""
    directory = Directory([WEB_CHAT], {name for name, _ in PROVIDERS})
    rooms = Rooms(sockets_max=settings.sockets_max)
    parts = Parts(
        settings=settings,
        store=backends.store,
        signals=backends.signals,
        rooms=rooms,
        directory=directory,
        tokens=VisitTokens(settings.visitor_secret.get_secret_value(), shell.clock),
        origins=Origins(directory, settings.own_origins),
        clock=shell.clock,
        telemetry=shell.telemetry,
        metrics=ChatMetrics(shell.telemetry, rooms),
    )
    carriers = carriers_of(directory, settings, Secrets(settings.secrets_path, shell.clock))
    social = _Social(settings, shell, backends, parts, carriers)
    return Gateway(_app(settings, shell, parts, social), _loops(shell, parts, backends, social), parts, shell)


class _Social:
    """What providers' channels need."""

    def __init__(
        self, settings: ChatSettings, shell: Shell, backends: Backends, parts: Parts, carriers: Carriers
    ) -> None:
        metrics, outgoings = ProviderMetrics(shell.telemetry), Outgoings()
        capabilities = {key: provider.capabilities for key, provider in PROVIDERS.items()}
        self.writing = Writing[ChatTransaction](parts.directory, capabilities, outgoings)
        self.notes = WebhookNotes(backends.store, shell.clock)
        typing = TypingHints(backends.store, backends.signals, metrics)
        self.webhooks = webhooks.Webhooks(
            carriers,
            parts.directory,
            Receiving(backends.store, outgoings, shell.clock, metrics, typing, at_once=settings.deliveries_at_once),
            self.notes,
            clock=shell.clock,
            metrics=metrics,
            present_max=settings.deliveries_at_once + settings.deliveries_waiting,
        )
        fetcher = Fetcher(backends.http, backends.resolve, hosts_allowed=settings.fetch_hosts_allowed)
        systems = TenantSystems(backends.store, parts.directory, fetcher, shell.clock)
        sender = ProviderSender(
            carriers,
            backends.store,
            backends.http,
            systems,
            backends.blobs,
            links=settings.link_keys,
            files_url=f"{settings.public_url}{PREFIX}",
            clock=shell.clock,
        )
        acts = AccountActs(carriers, parts.directory, backends.store, clock=shell.clock, ids=shell.ids)
        self.accounts = AccountsApi(
            carriers,
            parts.directory,
            backends.store,
            backends.http,
            settings,
            acts=acts,
            systems=systems,
        )
        self.systems = SystemsApi(acts, backends.store, systems, Replay(backends.store, sender, shell.clock))
        self.sending = Sending(
            backends.store,
            sender,
            carriers.provider,
            clock=shell.clock,
            chance=shell.chance,
            metrics=SendingMetrics(shell.telemetry),
            wake=backends.store.wakes.sending,
        )
        self.fetching = FileFetching(
            carriers,
            backends.store,
            Media(backends.http, fetcher, bytes_max=settings.customer_file_bytes_max),
            backends.blobs,
            clock=shell.clock,
            chance=shell.chance,
            metrics=metrics,
        )
        self.files = files_router(backends.blobs, settings.link_keys, shell.clock)


def _app(settings: ChatSettings, shell: Shell, parts: Parts, social: _Social) -> FastAPI:
    windows = Limits(shell.clock, burst=settings.windows_burst, every_ms=60_000 // settings.windows_per_minute)
    app = create_app(
        "Centralino chat gateway",
        PREFIX,
        routers=[
            social.webhooks.router(),  # first, for it is asked most
            *([social.accounts.router(), social.systems.router()] if settings.jwks_url else []),
            api.create_router(parts, shell.ids, windows),
            sockets.create_socket_router(parts),
            social.files,
        ],
        larger_bodies=webhooks.BODIES,
        verifier=_verifier(settings, shell),
        content_security_policy=PAGES_POLICY if settings.pages_directory else NO_CONTENT_POLICY,
        telemetry=shell.telemetry,
    )
    app.add_middleware(AddressOrigins, origins=parts.origins)
    if settings.pages_directory:
        for name in ("customer", "shared"):
            app.mount(f"/{name}", StaticFiles(directory=Path(settings.pages_directory) / name, html=True))
    return app


def _verifier(settings: ChatSettings, shell: Shell) -> TokenVerifier | None:
    """None: nobody looks after accounts here."""
    if not settings.jwks_url:
        return None
    issuer, audience = settings.token_issuer, settings.token_audience
    return TokenVerifier(jwks_source(settings.jwks_url), issuer=issuer, audience=audience, clock=shell.clock)


def _loops(shell: Shell, parts: Parts, backends: Backends, social: _Social) -> list[Loop]:
    routing = Routing[ChatTransaction](parts.directory, shell.clock, social.writing)
    processor = TransactionalProcessor(
        group=GROUP,
        store=parts.store,
        reactions=reactions(routing, AgentMessages(shell.clock, social.writing)),
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
        OutboxRelay(backends.outbox, log=shell.log, clock=shell.clock, chance=shell.chance, telemetry=shell.telemetry),
        Hearing(parts.signals, parts.rooms, shell.clock, shell.chance),
        Looking(parts.store, parts.rooms),
        Presence(parts.signals, parts.rooms),
        Timers(parts.store, partial(present, parts.signals), shell.clock),
        social.sending,
        social.fetching,
        social.notes,
    ]


if __name__ == "__main__":
    main()
