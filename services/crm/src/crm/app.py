"""The CRM's main: builds everything and runs it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from servicekit.auth import TokenVerifier, jwks_source
from servicekit.database import Database, open_database
from servicekit.outbox import OutboxRelay, PostgresOutbox
from servicekit.run import Service, Shell, run
from servicekit.store import Outbox
from servicekit.sweep import SweepLimits
from servicekit.web import create_app

from crm.api import ROUTES
from crm.consumers import consumer
from crm.metrics_api import METRICS_ROUTES
from crm.metrics_consumer import metrics_consumer
from crm.metrics_store import MetricsStore, MetricsViews, evidence_sweep
from crm.settings import CrmSettings
from crm.store import PostgresCrmStore
from crm.views import CrmViews

SCHEMA: Final = "crm"
PREFIX: Final = "/crm/v1"


def main() -> None:
    """`crm`, or `crm migrate`."""
    run("crm", CrmSettings, open_crm, migrations=SCHEMA)


@asynccontextmanager
async def open_crm(settings: CrmSettings, shell: Shell) -> AsyncGenerator[Service, None]:
    """Consumers, outbox and API over one database."""
    async with open_database(settings.database_url, schema=SCHEMA) as database:
        yield Service(
            app=application(settings, shell, database),
            loops=[
                consumer(PostgresCrmStore(database), shell),
                metrics_consumer(MetricsStore(database), shell),
                relay(PostgresOutbox(database), shell),
                evidence_sweep(database, SweepLimits(), keep_days=settings.metrics_evidence_days),
            ],
        )


def relay(outbox: Outbox, shell: Shell) -> OutboxRelay:
    """Publishes what the consumer's transactions announce."""
    return OutboxRelay(outbox, log=shell.log, clock=shell.clock, chance=shell.chance, telemetry=shell.telemetry)


def application(settings: CrmSettings, shell: Shell, database: Database) -> FastAPI:
    """The API."""
    source = jwks_source(settings.jwks_url)
    issuer, audience = settings.token_issuer, settings.token_audience
    app = create_app(
        "Centralino CRM",
        PREFIX,
        routers=[ROUTES, METRICS_ROUTES],
        verifier=TokenVerifier(source, issuer=issuer, audience=audience, clock=shell.clock),
        telemetry=shell.telemetry,
        allowed_origins=settings.origins,
    )
    app.state.views = CrmViews(database)
    app.state.metrics_views = MetricsViews(database, shell.clock, evidence_days=settings.metrics_evidence_days)
    app.state.clock = shell.clock
    app.state.ids = shell.ids
    return app


if __name__ == "__main__":
    main()
