"""Hands messages to the mail server that delivers them: a bounded pool of SMTP connections (aiosmtplib).

What it says of a message is certain but for one case: once the mark that ends the message is written, only the server
knows whether it has it. Before, it certainly was not sent.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast

from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from gatewaykit.domain.provider import Again, Outcome, Refused, Sent, Uncertain
from servicekit.ports import Clock
from servicekit.telemetry import log

from email_gateway.domain.smtp_replies import Step, is_lasting, refusal_of

LOG: Final = log("relay")
IDLE_MS: Final = 30_000
FLUSH_LOOK_SECONDS: Final = 0.05
AWAY_MS: Final = 5_000
RATE_WAIT_MS: Final = 5_000
_LOST: Final = (SMTPException, OSError, asyncio.IncompleteReadError, EOFError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayServer:
    """The server, and how much of it is used. Certificates are always verified."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Authorities (PEM) that are trusted as well as the system's."""
    hello: str = "localhost"
    """How we call ourselves (EHLO)."""
    connections_max: int = 8
    messages_per_connection: int = 100
    per_second: float = 20.0
    command_seconds: float = 10.0
    deliver_seconds: float = 20.0
    """In all; below the time after which the sending (SEND_MS of gatewaykit) gives up waiting for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message and who gets it. `id`: what a delivery report names it by (RFC 3461)."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    utf8: bool
    id: str
    message_id: str
    reports: bool = True
    """The sender wants to hear of what fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of it for each recipient. `gone`: nobody is there any more."""

    outcomes: Mapping[str, Outcome]
    gone: frozenset[str] = frozenset()


class _EndedError(Exception):
    """The server said no to all of it, with an answer."""

    def __init__(self, outcome: Refused | Again) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


@dataclass(slots=True)
class _Connection:
    client: SMTP
    used_at_ms: int
    messages: int = 0


@dataclass(slots=True)
class _Progress:
    accepted: list[str] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    end_written: bool = False


class Relay:
    """Keeps connections, gives each to one message at a time."""

    def __init__(self, server: RelayServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._room = asyncio.Semaphore(server.connections_max)
        self._idle: list[_Connection] = []
        self._next_at_ms = 0.0
        self._tls = ssl.create_default_context()
        if server.ca_file is not None:
            self._tls.load_verify_locations(server.ca_file)

    async def deliver(self, envelope: Envelope) -> Delivery:
        """Hand it over. Never raises for what the server does."""
        progress = _Progress()
        try:
            async with asyncio.timeout(self._server.deliver_seconds), self._room:
                rest = await self._deliver(envelope, progress)
        except TimeoutError:
            rest = self._broken(progress, "no answer in time")
        except _LOST as error:
            rest = self._broken(progress, type(error).__name__)
        if isinstance(rest, Again | Uncertain):
            LOG.warning("relay_trouble", extra={"reference": envelope.id, "detail": rest.detail})
        return Delivery(
            outcomes={each: progress.outcomes.get(each, rest) for each in envelope.recipients},
            gone=frozenset(progress.gone),
        )

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            await self._quit(self._idle.pop())

    async def _deliver(self, envelope: Envelope, progress: _Progress) -> Outcome:
        if not await self._turn():
            return Again(after_ms=RATE_WAIT_MS, scope="account", detail="own rate")
        try:
            async with self._connection() as connection:
                await self._begin(connection.client, envelope)
                await self._name_recipients(connection.client, envelope, progress)
                if not progress.accepted:
                    await self._reset(connection.client)
                    return progress.outcomes[envelope.recipients[0]]
                return await self._hand_over(connection.client, envelope, progress)
        except _EndedError as ended:
            return ended.outcome

    @staticmethod
    def _broken(progress: _Progress, detail: str) -> Outcome:
        if progress.end_written:
            return Uncertain(detail=detail)
        return Again(after_ms=AWAY_MS, scope="account", detail=detail)

    async def _turn(self) -> bool:
        """Wait until the server may have the next message; false: not within RATE_WAIT_MS."""
        now_ms = self._clock.now_ms()
        at_ms = max(self._next_at_ms, float(now_ms))
        if at_ms > now_ms + RATE_WAIT_MS:
            return False
        self._next_at_ms = at_ms + 1000 / self._server.per_second
        if at_ms > now_ms:
            await self._clock.sleep((at_ms - now_ms) / 1000)
        return True

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[_Connection]:
        connection = await self._taken()
        try:
            yield connection
        except BaseException as error:
            if not isinstance(error, _EndedError) or not connection.client.is_connected:
                connection.client.close()
                raise
            await self._give_back(connection)
            raise
        await self._give_back(connection)

    async def _taken(self) -> _Connection:
        """An idle connection that still answers, else a new one: nothing is sent yet."""
        while self._idle:
            connection = self._idle.pop()
            if self._clock.now_ms() - connection.used_at_ms < IDLE_MS and connection.client.is_connected:
                with suppress(*_LOST, TimeoutError):
                    if (
                        await connection.client.execute_command(b"RSET", timeout=self._server.command_seconds)
                    ).code == 250:
                        return connection
            connection.client.close()
        return _Connection(await self._opened(), self._clock.now_ms())

    async def _opened(self) -> SMTP:
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=server.hello,
            timeout=server.command_seconds,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=self._tls,
        )
        step: Step = "connect"
        try:
            await client.connect()
            await client.ehlo()
            if server.user is not None:
                step = "login"
                await client.login(server.user, server.password or "")
        except SMTPResponseException as error:
            client.close()
            raise _EndedError(refusal_of(step, error.code, error.message)) from error
        except BaseException:
            client.close()
            raise
        return client

    async def _give_back(self, connection: _Connection) -> None:
        connection.messages += 1
        connection.used_at_ms = self._clock.now_ms()
        if connection.messages < self._server.messages_per_connection and connection.client.is_connected:
            self._idle.append(connection)
        else:
            await self._quit(connection)

    @staticmethod
    async def _quit(connection: _Connection) -> None:
        with suppress(*_LOST, TimeoutError):
            await connection.client.quit(timeout=1)
        connection.client.close()

    async def _reset(self, client: SMTP) -> None:
        with suppress(*_LOST, TimeoutError):
            await client.execute_command(b"RSET", timeout=self._server.command_seconds)

    async def _begin(self, client: SMTP, envelope: Envelope) -> None:
        options: list[bytes] = []
        if client.supports_extension("size"):
            room = client.esmtp_extensions.get("size", "")
            if room.isdigit() and 0 < int(room) < len(envelope.raw):
                raise _EndedError(Refused(code="message_too_large", detail=f"the server takes {room} bytes"))
            options.append(b"SIZE=%d" % len(envelope.raw))
        if envelope.utf8:
            if not client.supports_extension("smtputf8"):
                raise _EndedError(Refused(code="address_unsupported", detail="the server knows no SMTPUTF8"))
            options += [b"BODY=8BITMIME", b"SMTPUTF8"]
        if client.supports_extension("dsn") and envelope.reports:
            options += [b"RET=HDRS", b"ENVID=" + _xtext(envelope.id)]
        sender = b"FROM:<" + envelope.sender.encode() + b">"
        await self._command(client, "mail", b"MAIL", sender, *options)

    async def _name_recipients(self, client: SMTP, envelope: Envelope, progress: _Progress) -> None:
        for recipient in envelope.recipients:
            options: list[bytes] = []
            if client.supports_extension("dsn"):
                options.append(b"NOTIFY=FAILURE,DELAY" if envelope.reports else b"NOTIFY=NEVER")
                if envelope.reports and recipient.isascii():
                    options.append(b"ORCPT=rfc822;" + _xtext(recipient))
            reply = await client.execute_command(
                b"RCPT", b"TO:<" + recipient.encode() + b">", *options, timeout=self._server.command_seconds
            )
            if 200 <= reply.code < 300:
                progress.accepted.append(recipient)
                continue
            outcome = refusal_of("rcpt", reply.code, reply.message)
            if reply.code == 421:  # it closes: of nobody it has the message
                raise _EndedError(outcome)
            progress.outcomes[recipient] = outcome
            if is_lasting("rcpt", reply.code, reply.message):
                progress.gone.add(recipient)

    async def _hand_over(self, client: SMTP, envelope: Envelope, progress: _Progress) -> Outcome:
        """The message itself; its end is written only when all before has left."""
        await self._command(client, "data", b"DATA", good=range(354, 355))
        protocol = client.protocol
        # Never to be asked for its class: uvloop's transports are of none of asyncio's.
        transport = cast("asyncio.WriteTransport | None", client.transport)
        if protocol is None or transport is None:
            raise ConnectionResetError("lost before the message")
        reading = asyncio.create_task(protocol.read_response(timeout=self._server.deliver_seconds))
        try:
            protocol.write(_stuffed(envelope.raw))
            while transport.get_write_buffer_size() and not reading.done():
                await asyncio.wait({reading}, timeout=FLUSH_LOOK_SECONDS)
            if not reading.done():
                progress.end_written = True
                protocol.write(b".\r\n")
            reply = await reading
        except BaseException:
            reading.cancel()
            raise
        if not progress.end_written:
            client.close()  # whatever came next would be part of the message
            if 400 <= reply.code < 600:
                raise _EndedError(refusal_of("data", reply.code, reply.message))
            raise ConnectionResetError("answered before the end")
        if 200 <= reply.code < 300:
            return Sent(provider_message_id=envelope.message_id)
        if not 400 <= reply.code < 600:
            raise ConnectionResetError("no answer of SMTP")
        return refusal_of("data", reply.code, reply.message)

    async def _command(self, client: SMTP, step: Step, *words: bytes, good: Sequence[int] = range(200, 300)) -> None:
        reply = await client.execute_command(*words, timeout=self._server.command_seconds)
        if reply.code not in good:
            if step == "data":
                await self._reset(client)
            raise _EndedError(refusal_of(step, reply.code, reply.message))


def _stuffed(raw: bytes) -> bytes:
    r"""Lines that begin with a dot get a second one. Every line of ours ends with CRLF, so no line is `\n.` alone."""
    text = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    return (b"." if text.startswith(b".") else b"") + text.replace(b"\r\n.", b"\r\n..")


def _xtext(text: str) -> bytes:
    """RFC 3461, 4."""
    return b"".join(
        bytes([byte]) if 0x21 <= byte <= 0x7E and byte not in b"+=" else b"+%02X" % byte for byte in text.encode()
    )
