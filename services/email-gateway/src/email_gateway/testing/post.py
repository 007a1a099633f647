"""A mailbox of a real server, the gateway's reading of it, and what it has accepted: for tests."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.messages import MessageReceived
from gatewaykit.secrets import Secrets
from gatewaykit.testing.conversation_laws import announced
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.ports import Clock
from servicekit.store import wait_for_event
from servicekit.system import SystemChance, SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.eventually import eventually
from typing_extensions import override

from email_gateway.domain.parse import parse_mail
from email_gateway.domain.records import MailboxPosition
from email_gateway.handlers import MailAddresses, Receiving, ReceivingRules
from email_gateway.imap_client import logged_in
from email_gateway.imap_in import Connect, ImapReading, ImapRules
from email_gateway.receiving import AcceptMail, Answer, Envelope
from email_gateway.sending_side import SendingSide
from email_gateway.testing.dovecot import PASSWORD, Dovecot
from email_gateway.testing.memory import Lease, MemoryMailStore
from email_gateway.testing.samples import HELP, KEYS, TENANT, address_value, directory, letter

NEVER = Lease(None, 0, MailboxPosition(validity=None, last_uid=0))


class QuickClock(SystemClock):
    """Pauses are a hundred times shorter."""

    @override
    async def sleep(self, seconds: float) -> None:
        await wait_for_event(asyncio.Event(), timeout_seconds=min(seconds / 100, 0.1))


@dataclass
class Post:
    """A mailbox, and what was accepted of it; `answers` are given first, instead of accepting."""

    server: Dovecot
    user: str
    folder: Path
    store: MemoryMailStore = field(default_factory=MemoryMailStore)
    answers: list[Answer] = field(default_factory=list)
    asked: list[Envelope] = field(default_factory=list)
    bytes_max: int = 100_000

    def __post_init__(self) -> None:
        (self.folder / TENANT).mkdir()
        (self.folder / TENANT / "imap").write_text(PASSWORD)
        self.trusted = self.server.certificate.certificate
        self.configure()
        rules = ReceivingRules(authserv_id="", sealers=frozenset(), automatic_opens=False, file_bytes_max=10**7)
        self.clock = QuickClock()

        async def read(raw: bytes) -> Any:  # Any: ParsedMail
            return parse_mail(raw)

        self.receive = Receiving(
            self.store,
            MemoryBlobs(),
            MailAddresses(self.directory, KEYS),
            rules=rules,
            read=read,
            sending=SendingSide(),
            clock=self.clock,
            telemetry=Telemetry("test"),
        )

    def configure(self, **more: object) -> None:
        """The mailbox as it should be, but for these."""
        imap = {"host": "127.0.0.1", "port": self.server.tls_port, "user": self.user, "password": "imap"}
        self.directory = directory(address_value(HELP, imap={**imap, "poll_seconds": 1, **more}))

    def lease(self) -> Lease:
        """Its row."""
        return self.store.database.tables.mailboxes.get((TENANT, HELP)) or NEVER

    def metric(self, name: str) -> float | None:
        """Of the reading that was begun last."""
        return self.telemetry.registry.get_sample_value(f"centralino_{name}")

    def deliver(self, *names: str) -> None:
        """Messages with these names in their words."""
        for name in names:
            self.server.deliver(self.user, letter(name, body=f"text of {name}"))

    async def accept(self, raw: bytes, envelope: Envelope) -> Answer:
        """See AcceptMail."""
        self.asked.append(envelope)
        return self.answers.pop(0) if self.answers else await self.receive(raw, envelope)

    @asynccontextmanager
    async def reading(
        self,
        connect: Connect = logged_in,
        holder: str = "a",
        *,
        accept: AcceptMail | None = None,
        clock: Clock | None = None,
    ) -> AsyncGenerator[ImapReading]:
        """A replica reads it."""
        self.telemetry = Telemetry("test")
        rules = ImapRules(
            message_bytes_max=self.bytes_max,
            mailboxes_max=10,
            fetches_max=2,
            holder=holder,
            context=ssl.create_default_context(cafile=str(self.trusted)),
            connect=connect,
        )
        loop = ImapReading(
            self.directory,
            self.store,
            Secrets(self.folder, self.clock),
            accept=accept or self.accept,
            rules=rules,
            clock=clock or self.clock,
            chance=SystemChance(),
            telemetry=self.telemetry,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(loop.run(stop))
        try:
            yield loop
        finally:
            stop.set()
            await task

    async def texts(self) -> list[str]:
        """Of what was accepted."""
        data = [event.data for event in await announced(self.store)]
        return [str(each.personal["text"]) for each in data if isinstance(each, MessageReceived)]

    async def has(self, *names: str) -> None:
        """Wait until these were accepted, in any order and each once."""

        async def check() -> bool:
            assert sorted(await self.texts()) == sorted(f"text of {name}" for name in names)
            return True

        await eventually(check, timeout_seconds=20)

    def flagged(self, flag: str) -> int:
        """How many messages have the flag."""
        found = self.server.doveadm("search", "-u", self.user, "mailbox", "INBOX", "keyword", flag)
        return len(found.splitlines())
