"""Keeps messages' ids and mailboxes' positions in PostgreSQL (schema `email_gateway`), beside conversations."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from functools import cache
from typing import Final, Protocol

from gatewaykit.outgoing_store import OutgoingTransaction, PostgresOutgoings
from gatewaykit.store import ConversationTransaction, PostgresConversations
from servicekit.database import Database, kept_as
from servicekit.statements import statements
from servicekit.store import Tenant
from servicekit.sweep import Sweep

from email_gateway.domain.records import Home, KnownMail, MailboxHealth, MailboxPosition
from email_gateway.sending_tables import PostgresSending, SendingTransaction

SOURCE: Final = "/email-gateway"
MAIL_KEEP_DAYS: Final = 800
"""An answer to an older message opens a conversation of its own."""


class MailTransaction(ConversationTransaction, OutgoingTransaction, SendingTransaction, Protocol):
    """One unit of work."""

    async def claim_mail(self, mail: KnownMail) -> KnownMail | None:
        """Keep it as taken; the one of this id that was taken before, if there is one. Waits for others that claim the
        same."""
        ...

    async def known_mail(self, tenant_id: str, address: str, hashes: Collection[str]) -> Mapping[str, KnownMail]:
        """Those that were taken, by `id_hash`."""
        ...

    async def attach_mail(self, mail: KnownMail) -> None:
        """It belongs to this thread and interaction."""
        ...

    async def move_mail(
        self, tenant_id: str, address: str, hashes: Collection[str], *, thread: str, interaction_id: str
    ) -> None:
        """These belong to this thread and interaction now."""
        ...

    async def join_threads(self, tenant_id: str, address: str, thread: str, into: str) -> None:
        """Whatever belongs to the one thread belongs to the other now."""
        ...

    async def home_of(self, interaction_id: str) -> Home | None:
        """Where the interaction belongs, also long after its end; for a transaction of every tenant."""
        ...

    async def lease_mailbox(
        self, tenant_id: str, address: str, holder: str, *, now_ms: int, until_ms: int
    ) -> MailboxPosition | None:
        """Read this mailbox, or go on reading it, until then; none: another holder does."""
        ...

    async def keep_position(
        self, tenant_id: str, address: str, holder: str, position: MailboxPosition, *, now_ms: int, waiting: int = 0
    ) -> bool:
        """Everything up to there was taken, and so many are to come; never goes back within a validity. `read_at_ms`
        is now where none are. False: the lease is another's."""
        ...

    async def mailbox_failed(self, tenant_id: str, address: str, error: str, *, now_ms: int) -> None:
        """Reading it broke off."""
        ...

    async def mailbox_health(self, tenant_id: str, *, now_ms: int) -> Mapping[str, MailboxHealth]:
        """Of those that were ever read or tried, by address."""
        ...

    async def release_mailbox(self, tenant_id: str, address: str, holder: str) -> None:
        """Others may read it at once."""
        ...


class MailStore(Protocol):
    """Opens transactions."""

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[MailTransaction]:
        """Begin; see TransactionBase."""
        ...


class PostgresMailStore:
    """The real MailStore; `put` is called after each commit with something to send."""

    def __init__(self, database: Database, put: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._put = put

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[MailTransaction, None]:
        """See MailStore."""
        async with self._database.transaction(tenant, PostgresMailTransaction) as transaction:
            yield transaction
        if transaction.put_outgoing:
            self._put()


class PostgresMailTransaction(PostgresConversations, PostgresOutgoings, PostgresSending):
    """The real MailTransaction; its methods are described there."""

    source = SOURCE

    async def claim_mail(self, mail: KnownMail) -> KnownMail | None:
        """See MailTransaction."""
        if await self.execute(_sql()["claim_mail"], **asdict(mail)) == 1:
            return None
        return (await self.known_mail(mail.tenant_id, mail.address, [mail.id_hash])).get(mail.id_hash)

    async def known_mail(self, tenant_id: str, address: str, hashes: Collection[str]) -> Mapping[str, KnownMail]:
        """See MailTransaction."""
        if not hashes:
            return {}
        rows = await self.all(_sql()["known_mail"], tenant_id=tenant_id, address=address, hashes=list(hashes))
        return {row["id_hash"]: kept_as(KnownMail, row) for row in rows}

    async def attach_mail(self, mail: KnownMail) -> None:
        """See MailTransaction."""
        await self.execute(
            _sql()["attach_mail"],
            tenant_id=mail.tenant_id,
            address=mail.address,
            id_hash=mail.id_hash,
            thread=mail.thread,
            interaction_id=mail.interaction_id,
        )

    async def move_mail(
        self, tenant_id: str, address: str, hashes: Collection[str], *, thread: str, interaction_id: str
    ) -> None:
        """See MailTransaction."""
        values = {"tenant_id": tenant_id, "address": address, "hashes": list(hashes)}
        await self.execute(_sql()["move_mail"], **values, thread=thread, interaction_id=interaction_id)

    async def join_threads(self, tenant_id: str, address: str, thread: str, into: str) -> None:
        """See MailTransaction."""
        await self.execute(_sql()["join_threads"], tenant_id=tenant_id, address=address, thread=thread, into=into)

    async def home_of(self, interaction_id: str) -> Home | None:
        """See MailTransaction."""
        for name in ("home_by_conversation", "home_by_mail"):
            row = await self.one(_sql()[name], interaction_id=interaction_id)
            if row:
                return kept_as(Home, row)
        return None

    async def lease_mailbox(
        self, tenant_id: str, address: str, holder: str, *, now_ms: int, until_ms: int
    ) -> MailboxPosition | None:
        """See MailTransaction."""
        row = await self.one(
            _sql()["lease_mailbox"],
            tenant_id=tenant_id,
            address=address,
            holder=holder,
            now_ms=now_ms,
            until_ms=until_ms,
        )
        return kept_as(MailboxPosition, row) if row else None

    async def keep_position(
        self, tenant_id: str, address: str, holder: str, position: MailboxPosition, *, now_ms: int, waiting: int = 0
    ) -> bool:
        """See MailTransaction."""
        changed = await self.execute(
            _sql()["keep_position"],
            tenant_id=tenant_id,
            address=address,
            holder=holder,
            validity=position.validity,
            last_uid=position.last_uid,
            read_at_ms=now_ms,
            waiting=waiting,
        )
        return changed == 1

    async def mailbox_failed(self, tenant_id: str, address: str, error: str, *, now_ms: int) -> None:
        """See MailTransaction."""
        values = {"tenant_id": tenant_id, "address": address, "failed_at_ms": now_ms}
        await self.execute(_sql()["mailbox_failed"], **values, error=error)

    async def mailbox_health(self, tenant_id: str, *, now_ms: int) -> Mapping[str, MailboxHealth]:
        """See MailTransaction."""
        rows = await self.all(_sql()["mailbox_health"], tenant_id=tenant_id, now_ms=now_ms)
        return {row["address"]: kept_as(MailboxHealth, row) for row in rows}

    async def release_mailbox(self, tenant_id: str, address: str, holder: str) -> None:
        """See MailTransaction."""
        await self.execute(_sql()["release_mailbox"], tenant_id=tenant_id, address=address, holder=holder)


def mail_sweep(database: Database) -> Sweep:
    """Forgets which messages were taken, long after."""
    return Sweep(database, "mail sweep", _sql()["sweep_mail"], keep_days=MAIL_KEEP_DAYS)


@cache
def _sql() -> Mapping[str, str]:
    return statements("email_gateway", "sql/mail.sql")
