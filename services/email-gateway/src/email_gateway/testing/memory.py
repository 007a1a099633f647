"""The in-memory twin of the store; passes the same suite."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gatewaykit.store import Key
from gatewaykit.testing.memory import ConversationTables, MemoryConversations
from gatewaykit.testing.outgoing_memory import MemoryOutgoings, OutgoingTables
from servicekit.store import MemoryDatabase, Tenant

from email_gateway.domain.records import Home, KnownMail, MailboxHealth, MailboxPosition
from email_gateway.store import SOURCE, MailTransaction
from email_gateway.testing.sending_memory import MemorySending, SendingTables


@dataclass(frozen=True, slots=True)
class Lease:
    """A row of table `mailbox`."""

    holder: str | None
    until_ms: int
    position: MailboxPosition
    waiting: int | None = None
    failed_at_ms: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class MailTables(OutgoingTables, SendingTables, ConversationTables):
    """The tables; keys are tenant, address and hash, and tenant and address."""

    mail: dict[tuple[str, str, str], KnownMail] = field(default_factory=dict)
    mailboxes: dict[Key, Lease] = field(default_factory=dict)


class MemoryMailStore:
    """The twin of PostgresMailStore; `database.outbox` holds what was announced."""

    def __init__(self) -> None:
        self.database = MemoryDatabase(MailTables())
        self.outbox = self.database.outbox
        self.told: list[str] = []

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[MailTransaction, None]:
        """See MailStore."""
        async with self.database.transaction(tenant, MemoryMailTransaction) as transaction:
            yield transaction
        self.told += sorted(transaction.changed)


class MemoryMailTransaction(MemoryConversations[MailTables], MemoryOutgoings[MailTables], MemorySending[MailTables]):
    """The twin of PostgresMailTransaction."""

    source = SOURCE

    async def claim_mail(self, mail: KnownMail) -> KnownMail | None:
        """See MailTransaction."""
        kept = self.tables.mail.setdefault((mail.tenant_id, mail.address, mail.id_hash), mail)
        return None if kept is mail else kept

    async def known_mail(self, tenant_id: str, address: str, hashes: Collection[str]) -> Mapping[str, KnownMail]:
        """See MailTransaction."""
        found = {each: self.tables.mail.get((tenant_id, address, each)) for each in hashes}
        return {each: mail for each, mail in found.items() if mail and self.sees(mail)}

    async def attach_mail(self, mail: KnownMail) -> None:
        """See MailTransaction."""
        key = (mail.tenant_id, mail.address, mail.id_hash)
        if key in self.tables.mail:
            self.tables.mail[key] = replace(
                self.tables.mail[key], thread=mail.thread, interaction_id=mail.interaction_id
            )

    async def move_mail(
        self, tenant_id: str, address: str, hashes: Collection[str], *, thread: str, interaction_id: str
    ) -> None:
        """See MailTransaction."""
        for mail in (await self.known_mail(tenant_id, address, hashes)).values():
            await self.attach_mail(replace(mail, thread=thread, interaction_id=interaction_id))

    async def join_threads(self, tenant_id: str, address: str, thread: str, into: str) -> None:
        """See MailTransaction."""
        for mail in list(self.tables.mail.values()):
            if (mail.tenant_id, mail.address, mail.thread) == (tenant_id, address, thread):
                await self.attach_mail(replace(mail, thread=into))

    async def home_of(self, interaction_id: str) -> Home | None:
        """See MailTransaction."""
        for (tenant_id, kept_id), conversation in self.tables.conversations.items():
            if kept_id == interaction_id and conversation.counterpart is not None and self.sees(conversation):
                return Home(tenant_id, conversation.address, conversation.counterpart)
        for mail in self.tables.mail.values():
            if mail.interaction_id == interaction_id and mail.thread is not None and self.sees(mail):
                return Home(mail.tenant_id, mail.address, mail.thread)
        return None

    async def lease_mailbox(
        self, tenant_id: str, address: str, holder: str, *, now_ms: int, until_ms: int
    ) -> MailboxPosition | None:
        """See MailTransaction."""
        fresh = Lease(None, 0, MailboxPosition(validity=None, last_uid=0))
        kept = self.tables.mailboxes.get((tenant_id, address), fresh)
        if kept.holder not in (None, holder) and kept.until_ms > now_ms:
            return None
        self.tables.mailboxes[tenant_id, address] = replace(kept, holder=holder, until_ms=until_ms)
        return kept.position

    async def keep_position(
        self, tenant_id: str, address: str, holder: str, position: MailboxPosition, *, now_ms: int, waiting: int = 0
    ) -> bool:
        """See MailTransaction."""
        kept = self.tables.mailboxes.get((tenant_id, address))
        if kept is None or kept.holder != holder:
            return False
        if kept.position.validity == position.validity and kept.position.last_uid > position.last_uid:
            position = kept.position
        position = replace(position, read_at_ms=kept.position.read_at_ms if waiting else now_ms)
        self.tables.mailboxes[tenant_id, address] = replace(kept, position=position, waiting=waiting)
        return True

    async def mailbox_failed(self, tenant_id: str, address: str, error: str, *, now_ms: int) -> None:
        """See MailTransaction."""
        kept = self.tables.mailboxes.get((tenant_id, address))
        if kept is not None:
            self.tables.mailboxes[tenant_id, address] = replace(kept, failed_at_ms=now_ms, error=error)

    async def mailbox_health(self, tenant_id: str, *, now_ms: int) -> Mapping[str, MailboxHealth]:
        """See MailTransaction."""
        return {
            address: MailboxHealth(
                address=address,
                is_read=kept.holder is not None and kept.until_ms > now_ms,
                validity=kept.position.validity,
                last_uid=kept.position.last_uid,
                read_at_ms=kept.position.read_at_ms,
                waiting=kept.waiting,
                failed_at_ms=kept.failed_at_ms,
                error=kept.error,
            )
            for (holder, address), kept in self.tables.mailboxes.items()
            if holder == tenant_id
        }

    async def release_mailbox(self, tenant_id: str, address: str, holder: str) -> None:
        """See MailTransaction."""
        kept = self.tables.mailboxes.get((tenant_id, address))
        if kept and kept.holder == holder:
            self.tables.mailboxes[tenant_id, address] = replace(kept, holder=None, until_ms=0)
