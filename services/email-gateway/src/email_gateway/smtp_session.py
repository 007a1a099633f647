"""One SMTP connection: aiosmtpd's commands, and reading of messages with bounds of its own.

aiosmtpd keeps each line of a message as an object of its own, which for short lines is many times the message's size,
and refuses lines over 1000 bytes, which the world sends. So `DATA` is read here, in pieces; its end is `\\r\\n.\\r\\n`
and nothing else, and a message with a bare `\\r` or `\\n` is refused: another server would see an end in it (SMTP
smuggling).
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import AnyStr, Final, Protocol, cast

from aiosmtpd.smtp import SMTP, Session
from aiosmtpd.smtp import Envelope as SmtpEnvelope
from servicekit.telemetry import log
from typing_extensions import override

from email_gateway.receiving import Accepted, AcceptMail, Envelope, Later, Recipients
from email_gateway.smtp_limits import Pace, SmtpLimits, Turnstile

LOG: Final = log("smtp")

PIECE_BYTES: Final = 65_536
ADDRESS_CHARS_MAX: Final = 320
TRICKLE_BYTES_MAX: Final = 1024
"""So many bytes are read one by one, where a piece ends within what may be the end."""
COMMAND_BYTES_MAX: Final = 2048
CALLS_MAX: Final = {"EHLO": 10, "HELO": 10, "STARTTLS": 3, "NOOP": 100, "VRFY": 20, "HELP": 20, "*": 20_000}
"""Of each command in one connection."""
FAULTS_MAX: Final = 20
"""A client that is refused so often is cut off."""
_END: Final = b"\r\n.\r\n"
_STARTS_OF_END: Final = tuple(_END[:length] for length in range(len(_END) - 1, 0, -1))


class Front(Protocol):
    """What all connections of a server share; `sessions` are those that are open."""

    accept: AcceptMail
    recipients: Recipients
    limits: SmtpLimits
    turnstile: Turnstile
    sessions: "set[SmtpSession]"
    draining: bool

    def now_ms(self) -> int:
        """UTC milliseconds."""
        ...

    def count(self, outcome: str) -> None:
        """A message ended so: the code that the client was answered."""
        ...


class TooLargeError(Exception):
    """The message has more bytes than allowed; all of it was read and dropped."""


class NotFramedError(Exception):
    """What comes is no message: it would have to be read byte by byte."""


class SmtpSession(SMTP):
    """The protocol of one connection. Answers 250 to a message only once it is accepted."""

    line_length_limit = PIECE_BYTES

    def __init__(self, front: Front, *, name: str, tls: ssl.SSLContext | None, tls_required: bool) -> None:
        self._front = front
        self._ip = ""
        self._messages = 0
        self._faults = 0
        self._admitted = True
        self._reading = False
        self._closing = False
        self._came: Callable[[int], None] | None = None
        # aiosmtpd shares one table among all connections, and fits it to each.
        self.command_size_limits = defaultdict(lambda: COMMAND_BYTES_MAX)
        super().__init__(
            self,
            data_size_limit=front.limits.message_bytes_max,
            enable_SMTPUTF8=True,
            hostname=name,
            ident="ready",
            tls_context=tls,
            require_starttls=tls_required,
            timeout=front.limits.command_seconds,
            command_call_limit=dict(CALLS_MAX),
            loop=asyncio.get_running_loop(),
        )

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        fresh = self.transport is None
        super().connection_made(transport)
        if fresh:
            peer = transport.get_extra_info("peername")
            self._ip = peer[0] if isinstance(peer, tuple) else ""
            self._front.sessions.add(self)
            self._admitted = self._front.turnstile.enter(self._ip) and not self._front.draining

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if self in self._front.sessions:  # aiosmtpd may tell twice, of TLS and of what is below
            self._front.sessions.discard(self)
            self._front.turnstile.leave(self._ip)
        super().connection_lost(error)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._came is not None:
            self._came(len(data))

    @override
    async def _handle_client(self) -> None:
        if self._admitted:
            await super()._handle_client()
        else:
            self._front.count("421")
            self.turn_away("4.7.0 Too many connections; try again later.")

    @override
    async def push(self, status: AnyStr) -> None:
        await super().push(status)
        if self._closing and self.transport is not None:
            self.transport.close()

    @property
    def busy(self) -> bool:
        """A message is being read or accepted: its sender waits for the answer."""
        return self._reading

    def turn_away(self, reason: str) -> None:
        """Answer 421 and hang up."""
        # Never to be asked for its class: uvloop's transports are of none of asyncio's.
        transport = cast("asyncio.WriteTransport | None", self.transport)
        if transport is not None and not transport.is_closing():
            transport.write(f"421 {reason}\r\n".encode())
            transport.close()

    async def handle_EHLO(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: SmtpEnvelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """What we can do: there is nobody to log in."""
        session.host_name = hostname
        told = [each for each in responses if not each[4:].startswith(("AUTH", "HELP"))]
        return [*told, "250-PIPELINING", "250 ENHANCEDSTATUSCODES"]

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        """The sender; `<>` is a bounce's."""
        if self._front.draining:
            return self._goodbye("421 4.3.2 Closing; try again.")
        if self._messages >= self._front.limits.messages_per_connection:
            return self._goodbye("421 4.7.0 Enough messages for one connection; open another.")
        if not self._front.turnstile.pass_one(self._ip):
            return "450 4.7.1 Too many messages; try again later."
        if not _is_mailbox(address) and address != "<>":
            return self._fault("553 5.1.7 That is no address.")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: SmtpEnvelope, address: str, options: list[str]
    ) -> str:
        """A recipient, if it is one of ours: nothing is ever relayed."""
        if len(envelope.rcpt_tos) >= self._front.limits.recipients_max:
            return "452 4.5.3 Too many recipients."
        taken = self._front.recipients.takes(address) if _is_mailbox(address) else False
        if taken is None:
            return "451 4.3.0 Not ready; try again later."
        if not taken:
            return self._fault("550 5.1.1 No such address here.")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    @override
    async def handle_exception(self, error: Exception) -> str:
        """A bug: the sender keeps the message."""
        LOG.error("smtp_failed", exc_info=error)
        return "451 4.3.0 Local error; try again later."

    @override
    async def smtp_DATA(self, arg: str) -> None:
        """Read the message and have it accepted."""
        envelope = self.envelope
        if not self.session or not self.session.host_name:
            await self.push("503 5.5.1 Say HELO first.")
        elif envelope is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 Say RCPT first.")
        elif arg:
            await self.push("501 5.5.4 DATA takes no argument.")
        elif not self._front.turnstile.hold(self._ip):
            self.envelope = SmtpEnvelope()
            self._front.count("451")
            await self.push("451 4.3.2 Busy; try again later.")
        else:
            self._reading = True
            try:
                await self._take(envelope)
            finally:
                self._reading = False
                self._front.turnstile.release(self._ip)

    @override
    async def smtp_AUTH(self, arg: str) -> None:
        """There is nobody to log in."""
        await self.push("502 5.5.1 No such command.")

    @override
    async def smtp_VRFY(self, arg: str) -> None:
        """Who is known here is not told."""
        await self.push("252 2.5.2 Send it, and see.")

    @override
    async def smtp_HELP(self, arg: str) -> None:
        """See RFC 5321."""
        await self.push("214 2.0.0 RFC 5321")

    async def _take(self, envelope: SmtpEnvelope) -> None:
        limits = self._front.limits
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        # The connection is closed by this timer of aiosmtpd's; it bounds reading and accepting together.
        self._reset_timeout(limits.data_seconds + limits.accept_seconds)
        self._messages += 1
        try:
            async with self._paced():
                raw = await read_message(self._reader, limits.message_bytes_max)
        except TooLargeError:
            answer = f"552 5.3.4 More than {limits.message_bytes_max} bytes."
        except (NotFramedError, TimeoutError):
            answer = self._goodbye("421 4.4.2 That took too long.")
        else:
            answer = await self._answer(raw, envelope)
        self._front.count(answer[:3])
        self.envelope = SmtpEnvelope()
        self._reset_timeout()
        self._reading = False
        await self.push(answer)
        if self._front.draining:
            self.turn_away("4.3.2 Closing; try again.")

    @asynccontextmanager
    async def _paced(self) -> AsyncGenerator[None]:
        """Raises TimeoutError when the message does not come on. Pieces are no measure of that: one takes as long as
        its bytes."""
        pace = Pace(self._front.limits, self.loop.time())
        async with asyncio.timeout_at(pace.deadline) as timeout:

            def came(size_bytes: int) -> None:
                if not timeout.expired():
                    timeout.reschedule(pace.came(size_bytes, self.loop.time()))

            self._came = came
            try:
                yield
            finally:
                self._came = None

    async def _answer(self, raw: bytes, envelope: SmtpEnvelope) -> str:
        if not _is_in_lines(raw):
            return self._goodbye("554 5.6.0 A bare CR or LF in the message.")
        try:
            async with asyncio.timeout(self._front.limits.accept_seconds):
                answer = await self._front.accept(raw, self._envelope(envelope))
        except TimeoutError:
            answer = Later(reason="slow")
        match answer:
            case Accepted():
                return "250 2.6.0 Accepted."
            case Later(reason=reason):
                return f"451 4.3.0 Not now ({reason}); try again later."
            case _:
                return f"554 5.6.0 Refused ({answer.reason})."

    def _envelope(self, envelope: SmtpEnvelope) -> Envelope:
        session = self.session
        mail_from = envelope.mail_from or ""
        return Envelope(
            mail_from="" if mail_from == "<>" else mail_from,
            recipients=tuple(envelope.rcpt_tos),
            received_at_ms=self._front.now_ms(),
            source="smtp",
            peer_ip=self._ip,
            helo=session.host_name if session else None,
            tls=bool(session and session.ssl),
            vouched=self._front.turnstile.trusts(self._ip),
        )

    def _fault(self, answer: str) -> str:
        """Whoever guesses addresses is cut off."""
        self._faults += 1
        return answer if self._faults < FAULTS_MAX else self._goodbye("421 4.7.0 Too many errors.")

    def _goodbye(self, answer: str) -> str:
        """The connection ends once this was answered."""
        self._closing = True
        return answer


def _is_in_lines(raw: bytes) -> bool:
    """Carriage returns and line feeds stand together everywhere. Counting takes a tenth of a search's time."""
    return raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")


def _is_mailbox(address: str) -> bool:
    local, at, host = address.rpartition("@")
    return bool(at and local and host) and len(address) <= ADDRESS_CHARS_MAX and address.isprintable()


async def read_message(reader: asyncio.StreamReader, bytes_max: int) -> bytes:
    """What follows DATA, without its dots; what is over the limit is read and dropped.

    Raises TooLargeError, NotFramedError, IncompleteReadError.
    """
    piece = await _beginning(reader)
    pieces, size = [piece], len(piece)
    while not piece.endswith(_END):
        try:
            piece = await reader.readuntil(_END)
        except asyncio.LimitOverrunError as error:
            # It holds no end; whatever may be the beginning of one stays for the next turn.
            piece = await reader.readexactly(error.consumed)
        size += len(piece)
        pieces.append(piece)
        if size > bytes_max + 2 * len(_END):
            pieces.clear()
    whole = b"".join(pieces)
    message = whole[:-3].replace(b"\r\n.", b"\r\n")[2:]
    if not pieces or len(message) > bytes_max:
        raise TooLargeError
    return message


async def _beginning(reader: asyncio.StreamReader) -> bytes:
    """The first bytes behind the line end of DATA, which counts for an end of the message that comes at once; as many
    as it takes that no end began in them and goes on in the next."""
    piece = b"\r\n" + await reader.readexactly(3)
    while piece.endswith(_STARTS_OF_END) and not piece.endswith(_END):
        if len(piece) > TRICKLE_BYTES_MAX:
            raise NotFramedError
        piece += await reader.readexactly(1)
    return piece
