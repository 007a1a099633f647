"""Puts the e-mail gateway together; the only file that knows what is real."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from contracts.configuration import EMAIL
from fastapi import FastAPI
from gatewaykit import outgoing_store
from gatewaykit.agent_messages import AgentMessages
from gatewaykit.blobs import Blobs
from gatewaykit.configuration_reader import ConfigurationReader
from gatewaykit.directory import Directory
from gatewaykit.domain.records import Conversation
from gatewaykit.links_api import files_router
from gatewaykit.moves import Moves
from gatewaykit.outgoings import Outgoings
from gatewaykit.routing import Routing
from gatewaykit.secrets import Secrets
from gatewaykit.sending import Sending, SendingMetrics
from gatewaykit.settings import blobs_of
from gatewaykit.timers import Timers
from servicekit.auth import TokenVerifier, jwks_source
from servicekit.consume import ConsumerLoop
from servicekit.database import open_database
from servicekit.http_client import http_client
from servicekit.outbox import OutboxRelay, PostgresOutbox
from servicekit.ports import Loop
from servicekit.run import Service, Shell, run
from servicekit.store import Outbox
from servicekit.sweep import inbox_sweep
from servicekit.transactional import TransactionalProcessor
from servicekit.web import create_app

from email_gateway import api, sending_tables
from email_gateway.consumers import GROUP, TOPICS, reactions
from email_gateway.domain.limits import Limits
from email_gateway.domain.parse import parse_mail
from email_gateway.handlers import MailAddresses, Receiving, ReceivingRules
from email_gateway.imap_in import ImapReading, ImapRules
from email_gateway.mailboxes import ConfiguredMailboxes, Mailboxes, SigningKeys
from email_gateway.moving_mail import MailIndex
from email_gateway.parts import Parts
from email_gateway.relay import Relay, RelayServer
from email_gateway.settings import EmailSettings
from email_gateway.smtp_in import SmtpServer
from email_gateway.smtp_out import Delivering, EmailSender, carrier
from email_gateway.store import MailStore, PostgresMailStore, mail_sweep
from email_gateway.writing_mail import MailSending, MailWriting

SCHEMA: Final = "email_gateway"
PREFIX: Final = "/mail/v1"


def main() -> None:
    """The command `email-gateway`."""
    run("email-gateway", EmailSettings, open_service, migrations=SCHEMA)


@asynccontextmanager
async def open_service(settings: EmailSettings, shell: Shell) -> AsyncGenerator[Service]:
    """The gateway on real parts."""
    relay = Relay(relay_server(settings), shell.clock)
    async with (
        open_database(settings.database_url, schema=SCHEMA) as database,
        http_client(ca_file=settings.ca_file) as http,
    ):
        put = asyncio.Event()
        gateway = assemble(
            settings,
            shell,
            store=PostgresMailStore(database, put.set),
            outbox=PostgresOutbox(database),
            blobs=blobs_of(settings, http, shell.clock, shell.ids),
            relay=relay,
            put=put,
        )
        sweeps = [inbox_sweep(database), mail_sweep(database)]
        sweeps += [*outgoing_store.sweeps(database), *sending_tables.sweeps(database)]
        yield Service(app=gateway.app, loops=[*gateway.loops, *sweeps])
        await relay.close()


@dataclass(frozen=True, slots=True)
class Gateway:
    """The assembled service, on whatever parts."""

    app: FastAPI
    loops: Sequence[Loop]
    smtp: SmtpServer


def assemble(
    settings: EmailSettings,
    shell: Shell,
    *,
    store: MailStore,
    outbox: Outbox,
    blobs: Blobs,
    relay: Delivering,
    put: asyncio.Event,
) -> Gateway:
    """The gateway on given parts. `put` is set after each commit with something to send."""
    directory = Directory([EMAIL])
    mailboxes, outgoings = ConfiguredMailboxes(directory), Outgoings()
    addresses, secrets = MailAddresses(directory, settings.reply_keys), Secrets(settings.secrets_path, shell.clock)
    limits = Limits(message_bytes_max=settings.smtp_message_bytes_max)
    receiving = Receiving(
        store,
        blobs,
        addresses,
        rules=_receiving_rules(settings),
        # A large message takes a second: in a thread, nobody waits for it but its sender.
        read=lambda raw: asyncio.to_thread(parse_mail, raw, limits),
        sending=MailSending(mailboxes, outgoings),
        clock=shell.clock,
        telemetry=shell.telemetry,
    )
    smtp = SmtpServer(settings, accept=receiving, recipients=addresses, clock=shell.clock, telemetry=shell.telemetry)
    writing = MailWriting(directory, mailboxes, outgoings)
    loops: list[Loop] = [
        ConfigurationReader(GROUP, shell.log, directory, shell.clock, shell.chance),
        _consumer(shell, store, directory, writing),
        OutboxRelay(outbox, log=shell.log, clock=shell.clock, chance=shell.chance, telemetry=shell.telemetry),
        _sending(settings, shell, store, blobs, relay, mailboxes, SigningKeys(secrets), put),
        Timers(store, nobody_is_there, shell.clock),
        smtp,
        ImapReading(
            directory,
            store,
            secrets,
            accept=receiving,
            rules=_imap_rules(settings, shell),
            clock=shell.clock,
            chance=shell.chance,
            telemetry=shell.telemetry,
        ),
    ]
    parts = Parts(store=store, directory=directory, clock=shell.clock, ids=shell.ids)
    return Gateway(_app(settings, shell, parts, blobs), loops, smtp)


def relay_server(settings: EmailSettings) -> RelayServer:
    """The settings `relay_*`."""
    password = settings.relay_password
    return RelayServer(
        host=settings.relay_host,
        port=settings.relay_port,
        tls=settings.relay_tls,
        user=settings.relay_user,
        password=password.get_secret_value() if password else None,
        ca_file=settings.ca_file,
        hello=settings.smtp_name,
        connections_max=settings.relay_connections_max,
        per_second=settings.relay_per_second,
    )


def _app(settings: EmailSettings, shell: Shell, parts: Parts, blobs: Blobs) -> FastAPI:
    source = jwks_source(settings.jwks_url)
    verifier = TokenVerifier(source, issuer=settings.token_issuer, audience=settings.token_audience, clock=shell.clock)
    return create_app(
        "Centralino e-mail gateway",
        PREFIX,
        routers=[api.create_router(parts), files_router(blobs, settings.link_keys, shell.clock)],
        verifier=verifier,
        telemetry=shell.telemetry,
    )


def _consumer(shell: Shell, store: MailStore, directory: Directory, writing: MailWriting) -> ConsumerLoop:
    processor = TransactionalProcessor(
        group=GROUP,
        store=store,
        reactions=reactions(
            Routing(directory, shell.clock, writing),
            AgentMessages(shell.clock, writing),
            Moves(shell.clock, MailIndex()),
        ),
        telemetry=shell.telemetry,
    )
    return ConsumerLoop(
        group=GROUP,
        topics=TOPICS,
        processor=processor,
        log=shell.log,
        clock=shell.clock,
        chance=shell.chance,
        telemetry=shell.telemetry,
    )


def _sending(
    settings: EmailSettings,
    shell: Shell,
    store: MailStore,
    blobs: Blobs,
    relay: Delivering,
    mailboxes: Mailboxes,
    signing: SigningKeys,
    put: asyncio.Event,
) -> Sending:
    email = carrier(settings.account_per_second)
    sender = EmailSender(relay, mailboxes, signing, store, blobs, keys=settings.reply_keys, clock=shell.clock)
    sending = Sending(
        store,
        sender,
        lambda tenant_id, address: email if mailboxes.of(tenant_id, address) else None,
        clock=shell.clock,
        chance=shell.chance,
        metrics=SendingMetrics(shell.telemetry),
    )
    sending.wake = put
    return sending


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
