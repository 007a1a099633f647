"""Puts the voice gateway together; the only file that knows what is real."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import FastAPI
from gatewaykit.blobs import Blobs
from gatewaykit.configuration_reader import ConfigurationReader
from gatewaykit.fetch import Fetcher
from gatewaykit.settings import blobs_of
from servicekit.auth import TokenVerifier, jwks_source
from servicekit.database import open_database
from servicekit.http_client import http_client, resolve
from servicekit.outbox import OutboxRelay, PostgresOutbox
from servicekit.ports import Loop
from servicekit.run import Service, Shell, run
from servicekit.store import Outbox
from servicekit.sweep import inbox_sweep
from servicekit.web import create_app

from voice_gateway import api, media
from voice_gateway.drivers.webhook.driver import WebhookDriver
from voice_gateway.drivers.webhook.router import WebhookRoutes
from voice_gateway.elsewhere import ToOwner, url_of_this_replica
from voice_gateway.metrics import VoiceInstruments
from voice_gateway.nodes import check_nodes, opener
from voice_gateway.owner import OpenDriver, Owner, OwnerParts
from voice_gateway.parts import Parts
from voice_gateway.prompts_tables import PostgresPromptStore, PromptStore
from voice_gateway.recordings_tables import recording_sweeps
from voice_gateway.resolving import VoiceDirectory
from voice_gateway.settings import VoiceSettings
from voice_gateway.store import PostgresVoiceStore, VoiceStore, call_sweep

SCHEMA: Final = "voice_gateway"
PREFIX: Final = "/voice/v1"
NAME: Final = "voice-gateway"


def main() -> None:
    """The command `voice-gateway`."""
    run(NAME, VoiceSettings, open_service, migrations=SCHEMA)


@asynccontextmanager
async def open_service(settings: VoiceSettings, shell: Shell) -> AsyncGenerator[Service]:
    """The gateway on real parts. Raises SettingsError."""
    check_nodes(settings.nodes, public_url=settings.public_url, clock=shell.clock)
    async with (
        open_database(settings.database_url, schema=SCHEMA) as database,
        http_client(ca_file=settings.ca_file) as http,
    ):
        store = PostgresVoiceStore(database)
        gateway = assemble(
            settings,
            shell,
            store=store,
            prompts=PostgresPromptStore(database),
            outbox=PostgresOutbox(database),
            blobs=blobs_of(settings, http, shell.clock, shell.ids),
            fetcher=Fetcher(http, resolve, hosts_allowed=settings.fetch_hosts_allowed),
            url=await url_of_this_replica(settings.host, settings.port),
            open_driver=opener(shell, http=http, database=database, public_url=settings.public_url),
        )
        sweeps = [inbox_sweep(database), call_sweep(database), *recording_sweeps(database)]
        try:
            app = ToOwner(gateway.app, gateway.owners, store=store, http=http, clock=shell.clock)
            yield Service(app=app, loops=[*gateway.loops, *sweeps])
        finally:
            await gateway.media.sounds.close()


@dataclass(frozen=True, slots=True)
class Gateway:
    """The assembled service, on whatever parts."""

    app: FastAPI
    owners: Sequence[Owner]
    loops: Sequence[Loop]
    media: media.Media


def assemble(  # noqa: PLR0913 - its parts, each by name
    settings: VoiceSettings,
    shell: Shell,
    *,
    store: VoiceStore,
    prompts: PromptStore,
    outbox: Outbox,
    blobs: Blobs,
    fetcher: Fetcher,
    open_driver: OpenDriver,
    url: str | None = None,
) -> Gateway:
    """The gateway on given parts."""
    nodes, directory, owners = settings.nodes, VoiceDirectory(), list[Owner]()
    sounds = media.assembled(
        settings,
        shell,
        media.MediaParts(
            recordings=store,
            prompts=prompts,
            blobs=blobs,
            fetcher=fetcher,
            find=directory.prompt,
            clients_of=directory.clients_of,
            drivers=lambda: {owner.node.name: owner.driver for owner in owners if owner.driver},
            nodes=[media.reads_of(node.driver, node.options, settings.public_url) for node in nodes],
        ),
    )
    parts = OwnerParts(
        store=store,
        directory=directory,
        shell=shell,
        open_driver=open_driver,
        instruments=VoiceInstruments(shell.telemetry),
        lease_seconds=settings.lease_seconds,
        changes_max=settings.changes_max,
        url=url,
        resolve=lambda node: sounds.resolver.reader(media.reads_of(node.driver, node.options, settings.public_url)),
        recordings_wanted=sounds.fetching.wake.set,
    )
    owners += [Owner(node, parts, is_outbound=place == 0) for place, node in enumerate(nodes)]
    loops: list[Loop] = [
        ConfigurationReader(NAME, shell.log, directory, shell.clock, shell.chance),
        OutboxRelay(outbox, log=shell.log, clock=shell.clock, chance=shell.chance, telemetry=shell.telemetry),
        *owners,
        *sounds.loops,
    ]
    api_parts = Parts(store=store, directory=directory, owners=owners, clock=shell.clock, ids=shell.ids)
    simulates = any(node.driver == "simulated" for node in nodes)
    routers = [api.create_router(api_parts, simulates=simulates), *sounds.routers]
    if any(node.driver == "twilio" for node in nodes):
        routers.append(WebhookRoutes(partial(_webhook_driver, owners)).router())
    source = jwks_source(settings.jwks_url)
    verifier = TokenVerifier(source, issuer=settings.token_issuer, audience=settings.token_audience, clock=shell.clock)
    app = create_app(
        "Centralino voice gateway",
        PREFIX,
        routers=routers,
        verifier=verifier,
        allowed_origins=settings.origins,
        telemetry=shell.telemetry,
    )
    return Gateway(app, owners, loops, sounds)


def _webhook_driver(owners: Sequence[Owner], node: str) -> WebhookDriver | None:
    """Of a node that this replica owns."""
    found = next((owner.driver for owner in owners if owner.node.name == node), None)
    return found if isinstance(found, WebhookDriver) else None


if __name__ == "__main__":
    main()
