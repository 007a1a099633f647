"""Reads mailboxes by IMAP: a message is marked, and the position goes on, only once it is accepted.

It is marked, not moved: a flag may be set twice, while a move that broke off may leave a copy that comes again, or be
done by halves where a server only copies and deletes.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from contracts.channel_parts import Imap
from gatewaykit.directory import Directory
from gatewaykit.secrets import SecretMissingError, Secrets
from servicekit.errors import RetryLaterError
from servicekit.ports import Chance, Clock
from servicekit.reactions import BACKEND_AWAY
from servicekit.store import wait_for_event
from servicekit.telemetry import Telemetry, log

from email_gateway.domain.records import MailboxPosition
from email_gateway.imap_client import (
    CertificateError,
    Folder,
    FolderRefusedError,
    ImapAwayError,
    ImapClient,
    ImapRefusedError,
    LoginRefusedError,
    Server,
    logged_in,
)
from email_gateway.receiving import AcceptMail, Envelope, Later, Refused
from email_gateway.store import MailStore

LOG: Final = log("imap")

LEASE_MS: Final = 60_000
RENEW_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 5.0
"""After so long a changed configuration counts."""
IDLE_SECONDS: Final = 25 * 60.0
"""Servers hang up after 29 minutes and more (RFC 2177)."""
BACK_OFF_SECONDS: Final = (2.0, 300.0)
STEP_UIDS: Final = 5_000
"""So many UIDs are asked for at once, for each is a word of one line."""
ANSWER_UIDS_MAX: Final = 80_000
"""Longer answers than this many UIDs make would not be read (`imap_client.LINE_BYTES_MAX`)."""
EMPTY_STEP_UIDS: Final = 1 << 28
"""Of a folder with fewer messages than that, in which UIDs lie far apart."""
SIZE_SLACK_BYTES: Final = 65_536
FETCH_SECONDS: Final = 300.0
SINCE_DAYS: Final = 3
ACCEPTED: Final = "$CentralinoAccepted"
REFUSED: Final = "$CentralinoRefused"

Connect = Callable[[Server], AbstractAsyncContextManager[ImapClient]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMailbox:
    """A mailbox to be read, as configured."""

    tenant_id: str
    address: str
    imap: Imap


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapRules:
    """See the settings `imap_*`."""

    message_bytes_max: int
    mailboxes_max: int
    fetches_max: int
    holder: str
    """Names this replica."""
    context: ssl.SSLContext
    """Whom we trust."""
    connect: Connect = logged_in


class LeaseLostError(RetryLaterError):
    """Another replica reads the mailbox, or may by now."""


class PutOffError(RetryLaterError):
    """A message cannot be kept now."""


_WORDS: Final[Sequence[tuple[type[Exception], str]]] = (
    (LoginRefusedError, "login_refused"),
    (FolderRefusedError, "folder_refused"),
    (ImapRefusedError, "command_refused"),
    (CertificateError, "certificate_untrusted"),
    (ImapAwayError, "server_away"),
    (SecretMissingError, "secret_missing"),
    (LeaseLostError, "lease_lost"),
    (PutOffError, "mail_put_off"),
)
_OTHER: Final = "backend_away"


class ImapReading:
    """A Loop: reads the configured mailboxes, each in a task, one replica each at a time."""

    name = "read mailboxes"

    def __init__(
        self,
        directory: Directory,
        store: MailStore,
        secrets: Secrets,
        *,
        accept: AcceptMail,
        rules: ImapRules,
        clock: Clock,
        chance: Chance,
        telemetry: Telemetry,
    ) -> None:
        self._directory = directory
        self._store = store
        self._secrets = secrets
        self._accept = accept
        self._rules = rules
        self._clock = clock
        self._chance = chance
        self._fetches = asyncio.Semaphore(rules.fetches_max)
        self._tasks: dict[ReadMailbox, asyncio.Task[None]] = {}
        self._messages = telemetry.counter("imap_messages", "Messages by IMAP, by the answer.", "outcome")
        self._failures = telemetry.counter("imap_failures", "Connections to mailboxes that failed.", "error")
        telemetry.gauge("imap_mailboxes", "Mailboxes that this replica reads or wants to.").set_function(
            lambda: len(self._tasks)
        )
        self._failing: set[ReadMailbox] = set()
        telemetry.gauge("imap_mailboxes_failing", "Those that this replica could not read last.").set_function(
            lambda: len(self._failing & self._tasks.keys())
        )

    async def run(self, stop: asyncio.Event) -> None:
        """See Loop. What breaks off here comes again: nothing is marked that is not accepted."""
        try:
            while not stop.is_set():
                await self._adjust()
                await wait_for_event(stop, timeout_seconds=LOOK_SECONDS)
        finally:
            await _cancelled(self._tasks.values())
            self._tasks.clear()

    def trouble(self) -> str | None:
        """A mail server that is away is no reason to restart."""
        return None

    async def _adjust(self) -> None:
        wanted = self._wanted()
        gone = {mailbox: task for mailbox, task in self._tasks.items() if mailbox not in wanted or task.done()}
        await _cancelled(gone.values())
        for mailbox, task in gone.items():
            del self._tasks[mailbox]
            if not task.cancelled() and task.exception():
                raise task.exception() or RuntimeError
        for mailbox in wanted:
            if mailbox not in self._tasks:
                self._tasks[mailbox] = asyncio.create_task(self._read_on(mailbox), name=f"imap {mailbox.tenant_id}")

    def _wanted(self) -> list[ReadMailbox]:
        found = [
            ReadMailbox(tenant_id=tenant_id, address=configured.address, imap=configured.mailbox.imap)
            for tenant_id, configured in self._directory.all_addresses()
            if configured.mailbox and configured.mailbox.imap
        ]
        if len(found) > self._rules.mailboxes_max:
            LOG.error("mailboxes_too_many", extra={"mailboxes": len(found)})
        return sorted(found, key=lambda mailbox: mailbox.address)[: self._rules.mailboxes_max]

    async def _read_on(self, mailbox: ReadMailbox) -> None:
        """Again and again, with longer pauses after failures that follow each other."""
        failures = 0
        while True:
            began_ms = self._clock.now_ms()
            try:
                await self._read_leased(mailbox)
                failures = 0
            except BACKEND_AWAY as error:
                if self._clock.now_ms() - began_ms > BACK_OFF_SECONDS[1] * 1000:
                    failures = 0
                failures += 1
                await self._failed(mailbox, _word(error), failures)
            first, longest = BACK_OFF_SECONDS
            pause = min(first * 2 ** min(failures, 20), longest)
            await self._clock.sleep(self._chance.uniform(pause / 2, pause))

    async def _failed(self, mailbox: ReadMailbox, error: str, failures: int) -> None:
        """Count, log and keep it by one word everywhere. That another replica reads it is no failure of the mailbox."""
        self._failures.labels(error).inc()
        LOG.warning("mailbox_failed", extra={"tenant_id": mailbox.tenant_id, "error": error, "failures": failures})
        if error == "lease_lost":
            return
        self._failing.add(mailbox)
        with suppress(*BACKEND_AWAY):
            async with self._store.transaction(mailbox.tenant_id) as tx:
                await tx.mailbox_failed(mailbox.tenant_id, mailbox.address, error, now_ms=self._clock.now_ms())

    async def _read_leased(self, mailbox: ReadMailbox) -> None:
        """Until the lease or the connection is lost; at once if somebody else has the lease."""
        position = await self._leased(mailbox)
        if position is None:
            self._failing.discard(mailbox)
            return
        reading = asyncio.create_task(self._read(mailbox, position))
        renewing = asyncio.create_task(self._renew(mailbox))
        try:
            done, _ = await asyncio.wait({reading, renewing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _cancelled((reading, renewing))
            with suppress(*BACKEND_AWAY):
                async with self._store.transaction(mailbox.tenant_id) as tx:
                    await tx.release_mailbox(mailbox.tenant_id, mailbox.address, self._rules.holder)

    async def _leased(self, mailbox: ReadMailbox) -> MailboxPosition | None:
        now_ms = self._clock.now_ms()
        async with self._store.transaction(mailbox.tenant_id) as tx:
            return await tx.lease_mailbox(
                mailbox.tenant_id, mailbox.address, self._rules.holder, now_ms=now_ms, until_ms=now_ms + LEASE_MS
            )

    async def _renew(self, mailbox: ReadMailbox) -> None:
        until_ms = self._clock.now_ms() + LEASE_MS
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            with suppress(*BACKEND_AWAY):  # as long as the lease lasts
                if await self._leased(mailbox) is None:
                    raise LeaseLostError
                until_ms = self._clock.now_ms() + LEASE_MS
            if self._clock.now_ms() >= until_ms:
                raise LeaseLostError

    async def _read(self, mailbox: ReadMailbox, position: MailboxPosition) -> None:
        imap = mailbox.imap
        server = Server(
            host=imap.host,
            port=imap.port,
            starttls=imap.tls == "starttls",
            user=imap.user,
            password=self._secrets.secret(mailbox.tenant_id, imap.password),
            context=self._rules.context,
        )
        async with self._rules.connect(server) as client:
            folder = await client.select(imap.folder)
            LOG.info("mailbox_read", extra={"tenant_id": mailbox.tenant_id, "idle": client.can_idle})
            if position.validity != folder.validity:
                position = await self._catch_up(mailbox, client, folder, position)
            else:
                async for uids in uids_in_steps(client, folder, position.last_uid + 1, (folder.next_uid or 1) - 1):
                    position = await self._take_new(mailbox, client, folder, position, uids)
            while True:
                # `n:*` names the last message even if its UID is below n.
                found = await client.search(f"UID {position.last_uid + 1}:*")
                position = await self._take_new(mailbox, client, folder, position, found)
                if client.can_idle:
                    await client.idle(IDLE_SECONDS)
                else:
                    await self._clock.sleep(imap.poll_seconds)
                    await client.poke()

    async def _catch_up(
        self, mailbox: ReadMailbox, client: ImapClient, folder: Folder, position: MailboxPosition
    ) -> MailboxPosition:
        """UIDs mean nothing yet, or not any more. At first: what nobody has read. After a change of UIDVALIDITY: also
        what came about since we read last. What was taken before is known by its id and changes nothing. The position
        is kept at the end of it, so that what breaks off begins anew."""
        last_uid = (folder.next_uid or 1) - 1
        criteria = "UNSEEN" if position.read_at_ms is None else f"OR UNSEEN SINCE {_days_before(position.read_at_ms)}"
        async for uids in uids_in_steps(client, folder, 1, last_uid, f"UNKEYWORD {ACCEPTED} {criteria}"):
            for uid in uids:
                await self._mark(client, folder, uid, await self._accepted(mailbox, client, uid))
        fresh = MailboxPosition(validity=folder.validity, last_uid=last_uid)
        return await self._kept(mailbox, fresh)

    async def _take_new(
        self,
        mailbox: ReadMailbox,
        client: ImapClient,
        folder: Folder,
        position: MailboxPosition,
        found: Sequence[int],
    ) -> MailboxPosition:
        left = [uid for uid in found if uid > position.last_uid]
        position = await self._kept(mailbox, position, waiting=len(left))
        for waiting, uid in zip(reversed(range(len(left))), left, strict=True):
            flags = await self._accepted(mailbox, client, uid)
            position = await self._kept(mailbox, replace(position, last_uid=uid), waiting=waiting)
            await self._mark(client, folder, uid, flags)
        return position

    async def _accepted(self, mailbox: ReadMailbox, client: ImapClient, uid: int) -> tuple[str, ...]:
        """The flags that it gets now. Raises RetryLaterError if it is not certainly kept."""
        async with self._fetches:
            summary = await client.summary(uid)
            if summary is None:
                return ()
            limit = self._rules.message_bytes_max
            whole_bytes = summary.size_bytes if summary.size_bytes > limit else None
            if whole_bytes is None:
                raw = await client.message(uid, bytes_max=limit + SIZE_SLACK_BYTES, seconds=FETCH_SECONDS)
            else:
                raw = await client.header(uid)
            if raw is None:
                return ()
            answer = await self._accept(raw, self._envelope(mailbox, whole_bytes))
        self._messages.labels(type(answer).__name__.lower()).inc()
        if isinstance(answer, Later):
            raise PutOffError(answer.reason)
        if isinstance(answer, Refused):
            # It stays unread, for a person to find.
            LOG.error("mail_refused", extra={"tenant_id": mailbox.tenant_id, "uid": uid, "reason": answer.reason})
            return (REFUSED,)
        return ("\\Seen", ACCEPTED)

    def _envelope(self, mailbox: ReadMailbox, whole_bytes: int | None) -> Envelope:
        return Envelope(
            mail_from=None,
            recipients=(mailbox.address,),
            received_at_ms=self._clock.now_ms(),
            source="imap",
            tls=True,
            authserv_id=mailbox.imap.authserv_id,
            whole_bytes=whole_bytes,
        )

    async def _mark(self, client: ImapClient, folder: Folder, uid: int, flags: tuple[str, ...]) -> None:
        kept = [flag for flag in flags if folder.may_name_flags or flag.startswith("\\")]
        if kept and folder.may_flag:
            await client.add_flags(uid, kept)

    async def _kept(self, mailbox: ReadMailbox, position: MailboxPosition, *, waiting: int = 0) -> MailboxPosition:
        now_ms, name = self._clock.now_ms(), (mailbox.tenant_id, mailbox.address)
        async with self._store.transaction(mailbox.tenant_id) as tx:
            held = await tx.keep_position(*name, self._rules.holder, position, now_ms=now_ms, waiting=waiting)
        if not held:
            raise LeaseLostError
        self._failing.discard(mailbox)
        return replace(position, read_at_ms=now_ms)


async def uids_in_steps(
    client: ImapClient, folder: Folder, first_uid: int, last_uid: int, criteria: str = ""
) -> AsyncGenerator[Sequence[int], None]:
    """UIDs from the first to the last that fit, ascending, so many at a time that each answer is one that is read.
    Steps grow while nothing is found."""
    longest = EMPTY_STEP_UIDS if folder.messages <= ANSWER_UIDS_MAX else ANSWER_UIDS_MAX
    start, step = first_uid, STEP_UIDS
    while start <= last_uid:
        end = min(start + step - 1, last_uid)
        uids = await client.search(f"UID {start}:{end} {criteria}".rstrip())
        if uids:
            yield uids
        start = end + 1
        step = STEP_UIDS if uids else min(2 * step, longest)


def _word(error: BaseException) -> str:
    return next((word for kind, word in _WORDS if isinstance(error, kind)), _OTHER)


async def _cancelled(tasks: Iterable["asyncio.Task[None]"]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _days_before(at_ms: int) -> str:
    """A date in IMAP's words; servers compare whole days, each in a zone of its own."""
    day = datetime.fromtimestamp(at_ms / 1000, UTC) - timedelta(days=SINCE_DAYS)
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day.day}-{months[day.month - 1]}-{day.year}"
