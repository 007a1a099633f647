"""Takes mail by SMTP: 250 once it is accepted, and else whatever makes the sender keep it."""

import asyncio
import logging
import ssl
from typing import Final

from servicekit.ports import Clock
from servicekit.telemetry import Telemetry, log

from email_gateway.receiving import AcceptMail, Recipients
from email_gateway.settings import EmailSettings
from email_gateway.smtp_limits import SmtpLimits, Turnstile
from email_gateway.smtp_session import SmtpSession

LOG: Final = log("smtp")
BACKLOG: Final = 100


class SmtpServer:
    """A Loop. While it stops, new connections and messages are answered 421, and those under way are ended."""

    name = "take mail by SMTP"

    def __init__(
        self,
        settings: EmailSettings,
        *,
        accept: AcceptMail,
        recipients: Recipients,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self.accept = accept
        self.recipients = recipients
        self.limits = limits_of(settings)
        self.turnstile = Turnstile(self.limits, clock)
        self.sessions: set[SmtpSession] = set()
        self.draining = False
        self.ready = asyncio.Event()
        """Set once it listens, at `port`."""
        self.port = 0
        self._settings = settings
        self._clock = clock
        self._answers = telemetry.counter("smtp_messages", "Messages by SMTP, by the answer.", "code")
        telemetry.gauge("smtp_connections", "Open SMTP connections.").set_function(lambda: self.turnstile.connections)
        telemetry.gauge("smtp_messages_held", "Messages in memory.").set_function(lambda: self.turnstile.held)

    def now_ms(self) -> int:
        """See Front."""
        return self._clock.now_ms()

    def count(self, outcome: str) -> None:
        """See Front."""
        self._answers.labels(outcome).inc()

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. Raises OSError when the port is taken, and what is wrong with the certificate."""
        # It says addresses of people; what matters of it, our metrics tell.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        tls = _tls(self._settings)
        settings = self._settings

        def session() -> SmtpSession:
            return SmtpSession(self, name=settings.smtp_name, tls=tls, tls_required=settings.smtp_tls == "required")

        server = await asyncio.get_running_loop().create_server(
            session, settings.smtp_host, settings.smtp_port, backlog=BACKLOG
        )
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        LOG.info("smtp_ready", extra={"smtp_host": settings.smtp_host, "smtp_port": self.port})
        try:
            await stop.wait()
            await self._drain(server)
        finally:
            server.close()
            for each in list(self.sessions):
                each.turn_away("4.3.2 Closing; try again.")

    async def _drain(self, server: asyncio.Server) -> None:
        """End what is under way; the shell cuts it short."""
        self.draining = True
        server.close()
        for each in list(self.sessions):
            if not each.busy:
                each.turn_away("4.3.2 Closing; try again.")
        while any(each.busy for each in self.sessions):
            await self._clock.sleep(0.05)

    def trouble(self) -> str | None:
        """Nothing that a restart would mend."""
        return None


def limits_of(settings: EmailSettings) -> SmtpLimits:
    """The settings `smtp_*`."""
    return SmtpLimits(
        message_bytes_max=settings.smtp_message_bytes_max,
        recipients_max=settings.smtp_recipients_max,
        connections_max=settings.smtp_connections_max,
        connections_per_ip=settings.smtp_connections_per_ip,
        messages_per_connection=settings.smtp_messages_per_connection,
        messages_per_minute=settings.smtp_messages_per_minute,
        messages_held_max=settings.smtp_messages_held_max,
        command_seconds=settings.smtp_command_seconds,
        data_seconds=settings.smtp_data_seconds,
        data_quiet_seconds=settings.smtp_data_quiet_seconds,
        accept_seconds=settings.accept_seconds,
        trusted=settings.trusted_networks,
    )


def _tls(settings: EmailSettings) -> ssl.SSLContext | None:
    if settings.smtp_tls == "off" or settings.smtp_certificate_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.smtp_certificate_file, settings.smtp_key_file)
    return context
