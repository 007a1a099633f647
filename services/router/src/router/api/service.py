"""Builds the role `api`: the front door of agents, supervisors and admins."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI
from gatewaykit.blobs import place_of
from gatewaykit.links_api import files_router
from gatewaykit.settings import blobs_of, link_keys_of
from servicekit.api_keys import ApiKeys
from servicekit.auth import TokenVerifier, jwks_source
from servicekit.consume import ConsumerLoop, ReactionsProcessor
from servicekit.database import open_database
from servicekit.errors import SettingsError
from servicekit.http_client import http_client
from servicekit.live import Redis, open_redis
from servicekit.outbox import OutboxRelay, PostgresOutbox
from servicekit.ports import Http
from servicekit.run import Service, Shell
from servicekit.tickets import Tickets
from servicekit.web import NO_CONTENT_POLICY, create_app
from starlette.staticfiles import StaticFiles

from router.api import (
    routes_admin,
    routes_agent,
    routes_calls,
    routes_conversations,
    routes_explain,
    routes_sockets,
    routes_supervisor,
    routes_written,
)
from router.api.acts import Acts
from router.api.administration import Administration
from router.api.alerts import AlertNews
from router.api.calls import Calls
from router.api.command_log import CommandLog
from router.api.consumers import GROUP, TOPICS, reactions
from router.api.conversations import Conversations
from router.api.handlers import Desk
from router.api.keys import KeptApiKeys
from router.api.live import ApiLive
from router.api.live_views import LiveViews
from router.api.named import Names
from router.api.open_sockets import OpenSockets
from router.api.parts import Parts
from router.api.questions import Questions
from router.api.results import Results, ResultsLoop
from router.api.seats import Seats
from router.api.signals import Signals, SignalsLoop
from router.api.store import SCHEMA, ApiStore
from router.api.supervision import Supervision
from router.api.uploads import FileParts, Uploads, UploadSweep
from router.settings import ApiSettings

PREFIX: Final = "/router/v1"
PAGES_POLICY: Final = (
    "default-src 'self'; connect-src http: https: ws: wss:; img-src 'self' data:; frame-ancestors 'none'"
)
"""Of the agent's page, which calls services on other ports."""


@asynccontextmanager
async def open_api(settings: ApiSettings, shell: Shell) -> AsyncGenerator[Service, None]:
    """Open what the API needs; its loops publish the outbox, push to agents, and hear results and signals."""
    async with (
        open_database(settings.database_url, schema=SCHEMA) as database,
        open_redis(settings.redis_url) as redis,
        CommandLog(shell.log) as commands,
        http_client(ca_file=settings.ca_file) as http,
    ):
        results, store = Results(), ApiStore(database)
        files = _files(settings, shell, http)
        parts = parts_of(settings, shell, store, redis, commands, results, files)
        yield Service(
            app=_application(settings, shell, parts),
            loops=[
                *([UploadSweep(store, files.blobs, shell.clock)] if files else []),
                OutboxRelay(
                    PostgresOutbox(database),
                    log=shell.log,
                    clock=shell.clock,
                    chance=shell.chance,
                    telemetry=shell.telemetry,
                ),
                ConsumerLoop(
                    group=GROUP,
                    topics=TOPICS,
                    processor=ReactionsProcessor(reactions(), shell.telemetry, parts.live.push),
                    log=shell.log,
                    clock=shell.clock,
                    chance=shell.chance,
                    telemetry=shell.telemetry,
                ),
                ResultsLoop(
                    shell.log,
                    results,
                    parts.alerts,
                    partitions=settings.domain_partitions,
                    clock=shell.clock,
                    chance=shell.chance,
                ),
                SignalsLoop(redis, parts.signals, clock=shell.clock, chance=shell.chance),
            ],
        )


def parts_of(
    settings: ApiSettings,
    shell: Shell,
    store: ApiStore,
    redis: Redis,
    commands: CommandLog,
    results: Results,
    files: FileParts | None = None,
) -> Parts:
    """What requests and sockets work with, put together of opened backends."""
    live, seats = ApiLive(redis), Seats(store, shell.clock)
    pepper = settings.api_key_pepper

    def keys_of(actor: str) -> ApiKeys:
        kept = KeptApiKeys(store, actor=actor, now_ms=shell.clock.now_ms())
        secret = pepper.get_secret_value().encode() if pepper else b""
        return ApiKeys(kept, pepper=secret, environment=settings.api_key_environment, clock=shell.clock)

    desk = Desk(store, seats, live, commands, results, shell.clock, wait_seconds=settings.command_wait_seconds)
    names, uploads = Names(store), Uploads(store, files, shell.clock, shell.ids)
    acts = Acts(store, shell.clock, shell.ids)
    supervision = Supervision(store, names, desk, acts, shell.clock)
    return Parts(
        desk=desk,
        conversations=Conversations(desk, live, names, uploads, shell.clock),
        calls=Calls(desk, supervision, acts, names, live, shell.clock),
        uploads=uploads,
        files=files,
        administration=Administration(store, seats, shell.clock, partitions=settings.domain_partitions),
        supervision=supervision,
        store=store,
        live=live,
        live_views=LiveViews(desk, live, shell.clock),
        alerts=AlertNews(),
        questions=Questions(live, shell.ids),
        signals=Signals(),
        open_sockets=OpenSockets(sockets_max=settings.sockets_max),
        tickets=Tickets(redis, "router"),
        keys_of=keys_of if pepper else None,
        origins=frozenset(_origins(settings)),
        clock=shell.clock,
        ids=shell.ids,
        chance=shell.chance,
    )


def _files(settings: ApiSettings, shell: Shell, http: Http) -> FileParts | None:
    """Raises SettingsError when something is missing."""
    if not settings.files_url:
        return None
    if settings.file_link_secrets is None:
        raise SettingsError("CENTRALINO_FILE_LINK_SECRETS: needed where CENTRALINO_FILES_URL is given.")
    try:
        place_of(settings.files_url)
        keys = link_keys_of(settings.file_link_secrets)
    except ValueError as error:
        raise SettingsError(f"CENTRALINO_FILES_URL, CENTRALINO_FILE_LINK_SECRETS: {error}") from error
    return FileParts(blobs=blobs_of(settings, http, shell.clock, shell.ids), keys=keys, prefix=PREFIX)


def _application(settings: ApiSettings, shell: Shell, parts: Parts) -> FastAPI:
    source = jwks_source(settings.jwks_url)
    issuer, audience = settings.token_issuer, settings.token_audience
    app = create_app(
        "Centralino router",
        PREFIX,
        routers=_routers(settings, shell, parts),
        verifier=TokenVerifier(source, issuer=issuer, audience=audience, clock=shell.clock),
        telemetry=shell.telemetry,
        allowed_origins=_origins(settings),
        larger_bodies={
            f"{PREFIX}{path}": routes_admin.CONFIGURATION_BYTES_MAX
            for path in (routes_admin.CONFIGURATION_PATH, routes_admin.CHECK_PATH)
        }
        | {f"{PREFIX}{routes_written.FILES_PATH}": routes_written.UPLOAD_BYTES_MAX},
        content_security_policy=PAGES_POLICY if settings.pages_directory else NO_CONTENT_POLICY,
    )
    app.state.parts = parts
    shell.telemetry.gauge("push_sockets", "Agents' sockets open.").set_function(parts.signals.count)
    if settings.pages_directory:
        for folder in ("agent", "supervisor", "shared"):
            app.mount(f"/{folder}", StaticFiles(directory=f"{settings.pages_directory}/{folder}", html=True))
    return app


def _routers(settings: ApiSettings, shell: Shell, parts: Parts) -> list[APIRouter]:
    routers = [
        routes_agent.ROUTES,
        routes_written.ROUTES,
        routes_conversations.ROUTES,
        routes_calls.ROUTES,
        routes_supervisor.ROUTES,
        routes_explain.ROUTES,
        routes_admin.ROUTES,
        routes_sockets.ROUTES,
    ]
    if parts.files is not None:
        routers.append(files_router(parts.files.blobs, parts.files.keys, shell.clock))
    if parts.keys_of is not None:
        routers.append(routes_admin.KEY_ROUTES)
    if settings.development_signing_key_file:
        # Not even loaded elsewhere: what signs tokens for anybody is no part of a production process.
        from router.api.routes_development import development_routes

        issuer, audience = settings.token_issuer, settings.token_audience
        key_file = settings.development_signing_key_file
        routers.append(development_routes(key_file, shell.clock, issuer=issuer, audience=audience))
    return routers


def _origins(settings: ApiSettings) -> list[str]:
    return [origin.strip() for origin in settings.allowed_origins.split(",") if origin.strip()]
