"""An SMTP server for tests (aiosmtpd's), told what to answer or where to hang up."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session, syntax
from typing_extensions import override

Step = Literal["connect", "ehlo", "mail", "rcpt", "data", "body", "end"]


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the server has."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...]


@dataclass(slots=True)
class Script:
    """What the server does. `answers`: by step, or by recipient. `hang_up_at`: closes there without a word; `body` is
    in the middle of the message, `end` after its end mark. `keep`: has the message nevertheless. `stall_at`: says
    nothing."""

    answers: dict[str, str] = field(default_factory=dict)
    hang_up_at: Step | None = None
    stall_at: Step | None = None
    keep: bool = True
    extensions: tuple[str, ...] = ()
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    open_most: int = 0
    transports: list[asyncio.Transport] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where it is."""

    port: int
    script: Script

    async def closed(self) -> None:
        """Until nobody is connected."""
        while self.script.open:
            self.script.changed.clear()
            async with asyncio.timeout(10):
                await self.script.changed.wait()


@asynccontextmanager
async def smtp_server(
    script: Script, *, tls: ssl.SSLContext | None = None, password: str | None = None, **options: Any
) -> AsyncGenerator[Listening]:  # Any: aiosmtpd's own options
    """Serves on a free port of 127.0.0.1 until the end; `tls` demands STARTTLS, `password` a login of `centre`."""
    loop = asyncio.get_running_loop()

    def authenticator(_server: object, _session: object, _envelope: object, _mechanism: str, given: Any) -> AuthResult:
        right = given.login == b"centre" and given.password == (password or "").encode()
        return AuthResult(success=right, handled=False)

    def protocol() -> "_Server":
        return _Server(
            _Handler(script),
            script=script,
            enable_SMTPUTF8=True,
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=authenticator,
            auth_required=password is not None,
            auth_require_tls=tls is not None,
            hostname="relay.test",
            loop=loop,
            **options,
        )

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    listening = Listening(server.sockets[0].getsockname()[1], script)
    try:
        yield listening
    finally:
        server.close()
        for transport in list(script.transports):
            transport.abort()
        await server.wait_closed()


class _Handler:
    def __init__(self, script: Script) -> None:
        self._script = script

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: "_Server", session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:1], *(f"250-{each}" for each in self._script.extensions), *responses[1:]]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: "_Server", _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self._script.answers.get(address) or self._script.answers.get("rcpt") or "250 2.1.5 ok"
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: "_Server", _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        answer = self._script.answers.get("end", "250 2.0.0 kept")
        if answer.startswith("2") and self._script.keep:
            content = envelope.original_content or b""
            self._script.taken.append(
                Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), content, tuple(server.given))
            )
        await server.at("end")
        return answer


class _Server(SMTP):
    """Answers by the script; knows DSN (RFC 3461), which aiosmtpd does not."""

    def __init__(self, handler: _Handler, *, script: Script, **options: Any) -> None:  # Any: aiosmtpd's own
        super().__init__(handler, **options)
        self._script = script
        self.given: list[str] = []

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if transport.get_extra_info("sslcontext") is None:  # else STARTTLS: the same connection once more
            self._script.connections += 1
            self._script.open += 1
            self._script.open_most = max(self._script.open_most, self._script.open)
        # Not asked for its class: uvloop's are of none of asyncio's.
        self._script.transports.append(cast("asyncio.Transport", transport))
        super().connection_made(transport)

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self._script.open -= 1
        self._script.changed.set()
        super().connection_lost(error)

    @property
    def _line(self) -> asyncio.Transport:
        return self._script.transports[-1]

    async def at(self, step: Step) -> bool:
        """True: the script has answered, or closed."""
        self._script.commands.append(step)
        if self._script.hang_up_at == step:
            self._line.abort()
            return True
        if self._script.stall_at == step:
            await asyncio.Event().wait()
        answer = self._script.answers.get(step)
        if answer is None or step in ("rcpt", "end"):
            return False
        await self.push(answer)
        return True

    @override
    async def _handle_client(self) -> None:
        if not await self.at("connect"):
            await super()._handle_client()

    @override
    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str) -> None:
        if not await self.at("ehlo"):
            await super().smtp_EHLO(hostname)

    @override
    @syntax("MAIL FROM: <address>")
    async def smtp_MAIL(self, argument: str | None) -> None:
        self.given.clear()
        if not await self.at("mail"):
            await super().smtp_MAIL(self._without(argument, ("RET=", "ENVID=")))

    @override
    @syntax("RCPT TO: <address>")
    async def smtp_RCPT(self, argument: str | None) -> None:
        if not await self.at("rcpt"):
            await super().smtp_RCPT(self._without(argument, ("NOTIFY=", "ORCPT=")))

    @override
    @syntax("DATA")
    async def smtp_DATA(self, argument: str | None) -> None:
        if await self.at("data"):
            return
        if self._script.hang_up_at == "body":
            self._line.pause_reading()
            self._line.write(b"354 go on\r\n")
            if "body" in self._script.answers:
                self.loop.call_later(0.05, self._line.write, f"{self._script.answers['body']}\r\n".encode())
            self.loop.call_later(0.1, self._line.abort)
            await asyncio.Event().wait()
        await super().smtp_DATA(argument)

    def _without(self, argument: str | None, names: tuple[str, ...]) -> str | None:
        words = (argument or "").split(" ")
        self.given += [word for word in words if word.startswith(names)]
        return " ".join(word for word in words if not word.startswith(names))
