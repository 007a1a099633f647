"""Run the sink: `python -m centralino.mail_sink`, its settings by the environment as for a service."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI
from pydantic import Field
from servicekit.run import Service, Shell, run
from servicekit.settings import Port, ServiceSettings
from servicekit.web import create_app
from starlette.staticfiles import StaticFiles

from centralino.mail_sink.api import create_router
from centralino.mail_sink.kept import MailFiles

PREFIX: Final = "/mailbox/v1"
MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "object-src 'none'"
)


class SinkSettings(ServiceSettings):
    """What only the sink needs."""

    smtp_host: str = Field("127.0.0.1", description="Where SMTP listens.")
    smtp_port: Port = Field(0, description="Its port.")
    mail_folder: Path = Field(description="Where messages are kept.")
    pages_directory: Path = Field(description="Has the page in `mailbox` and `shared`.")


class Taking:
    """A Loop: takes any mail for anybody, and delivers none of it."""

    name = "take mail"

    def __init__(self, settings: SinkSettings, kept: MailFiles) -> None:
        self._settings = settings
        self._kept = kept

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. Raises OSError when the port is taken."""
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        session = partial(
            SMTP, self, hostname="mail-sink", data_size_limit=MESSAGE_BYTES_MAX, enable_SMTPUTF8=True, ident="mail sink"
        )
        server = await asyncio.get_running_loop().create_server(
            session, self._settings.smtp_host, self._settings.smtp_port
        )
        try:
            await stop.wait()
        finally:
            server.close()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """250 once the file is there."""
        sender = (envelope.mail_from or "").removeprefix("<>")  # so aiosmtpd calls nobody
        try:
            number = self._kept.keep(sender, envelope.rcpt_tos, envelope.original_content or b"")
        except OSError:
            return "452 4.3.1 The folder takes no more"
        return f"250 2.0.0 kept as {number}"

    def trouble(self) -> str | None:
        """Nothing that a restart would mend."""
        return None


@asynccontextmanager
async def open_sink(settings: SinkSettings, shell: Shell) -> AsyncGenerator[Service]:
    """Both its doors."""
    kept = MailFiles(settings.mail_folder)
    yield Service(app=application(settings, shell, kept), loops=[Taking(settings, kept)])


def application(settings: SinkSettings, shell: Shell, kept: MailFiles) -> FastAPI:
    """The API and the page."""
    app = create_app(
        "Mail sink", PREFIX, routers=[create_router(kept)], telemetry=shell.telemetry, content_security_policy=POLICY
    )
    for folder in ("mailbox", "shared"):
        app.mount(f"/{folder}", StaticFiles(directory=settings.pages_directory / folder, html=True))
    return app


if __name__ == "__main__":
    run("mail-sink", SinkSettings, open_sink)
