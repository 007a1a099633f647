"""Puts the e-mail gateway together; the only file that knows what is real."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from contracts.configuration import EMAIL
from gatewaykit.blobs import Blobs
from gatewaykit.configuration_reader import ConfigurationReader
from gatewaykit.directory import Directory
from gatewaykit.domain.records import Conversation
from gatewaykit.outgoing_store import sweeps
from gatewaykit.secrets import Secrets
from gatewaykit.settings import blobs_of
from gatewaykit.timers import Timers
from servicekit.database import open_database
from servicekit.http_client import http_client
from servicekit.outbox import OutboxRelay, PostgresOutbox
from servicekit.ports import Loop
from servicekit.run import Service, Shell, run
from servicekit.store import Outbox
from servicekit.sweep import inbox_sweep
from servicekit.web import create_app

from email_gateway.domain.limits import Limits
from email_gateway.domain.parse import parse_mail
from email_gateway.handlers import MailAddresses, Receiving, ReceivingRules, SendingSide
from email_gateway.imap_in import ImapReading, ImapRules
from email_gateway.reports import OutgoingReports
from email_gateway.settings import EmailSettings
from email_gateway.smtp_in import SmtpServer
from email_gateway.store import MailStore, PostgresMailStore, mail_sweep

GROUP: Final = "email-gateway"


def main() -> None:
    """The command `email-gateway`."""
    run("email-gateway", EmailSettings, open_service, migrations="email_gateway")


@asynccontextmanager
async def open_service(settings: EmailSettings, shell: Shell) -> AsyncGenerator[Service]:
    """The gateway on real parts."""
    async with (
        open_database(settings.database_url, schema="email_gateway") as database,
        http_client(ca_file=settings.ca_file) as http,
    ):
        blobs = blobs_of(settings, http, shell.clock, shell.ids)
        store, outbox = PostgresMailStore(database), PostgresOutbox(database)
        loops = assemble(settings, shell, store=store, outbox=outbox, blobs=blobs, sending=OutgoingReports())
        app = create_app("Centralino e-mail gateway", "/mail/v1", routers=[], telemetry=shell.telemetry)
        yield Service(app=app, loops=[*loops, inbox_sweep(database), mail_sweep(database), *sweeps(database)])


def assemble(
    settings: EmailSettings, shell: Shell, *, store: MailStore, outbox: Outbox, blobs: Blobs, sending: SendingSide
) -> Sequence[Loop]:
    """Receiving on given parts: real ones here, fakes in a simulated story."""
    directory = Directory([EMAIL])
    addresses = MailAddresses(directory, settings.reply_keys)
    limits = Limits(message_bytes_max=settings.smtp_message_bytes_max)
    accept = Receiving(
        store,
        blobs,
        addresses,
        rules=_receiving_rules(settings),
        # A large message takes a second: in a thread, nobody waits for it but its sender.
        read=lambda raw: asyncio.to_thread(parse_mail, raw, limits),
        sending=sending,
        clock=shell.clock,
        telemetry=shell.telemetry,
    )
    return [
        ConfigurationReader(GROUP, shell.log, directory, shell.clock, shell.chance),
        OutboxRelay(outbox, log=shell.log, clock=shell.clock, chance=shell.chance, telemetry=shell.telemetry),
        SmtpServer(settings, accept=accept, recipients=addresses, clock=shell.clock, telemetry=shell.telemetry),
        ImapReading(
            directory,
            store,
            Secrets(settings.secrets_path, shell.clock),
            accept=accept,
            rules=_imap_rules(settings, shell),
            clock=shell.clock,
            chance=shell.chance,
            telemetry=shell.telemetry,
        ),
        Timers(store, nobody_is_there, shell.clock),
    ]


async def nobody_is_there(conversations: Sequence[Conversation]) -> None:
    """Who writes e-mail is never present, so nobody leaves."""


def _receiving_rules(settings: EmailSettings) -> ReceivingRules:
    return ReceivingRules(
        authserv_id=settings.authserv_id,
        sealers=settings.sealers,
        automatic_opens=settings.automatic_opens,
        file_bytes_max=settings.file_bytes_max,
    )


def _imap_rules(settings: EmailSettings, shell: Shell) -> ImapRules:
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        context.load_verify_locations(settings.ca_file)
    return ImapRules(
        message_bytes_max=settings.smtp_message_bytes_max,
        mailboxes_max=settings.imap_mailboxes_max,
        fetches_max=settings.imap_fetches_max,
        holder=shell.ids.new_id(),
        context=context,
    )


if __name__ == "__main__":
    main()
