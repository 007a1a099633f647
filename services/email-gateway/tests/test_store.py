"""The store's law, kept by PostgreSQL and by the memory twin alike."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest
from email_gateway.domain.records import Home, KnownMail, MailboxHealth, MailboxPosition
from email_gateway.store import MailTransaction, PostgresMailStore
from email_gateway.testing.memory import MemoryMailStore
from email_gateway.testing.samples import HELP, NOW_MS, TENANT
from gatewaykit.testing.conversation_laws import WRITTEN, ConversationLaws
from gatewaykit.testing.disorder_laws import DisorderLaws
from gatewaykit.testing.inbound_laws import InboundLaws
from gatewaykit.testing.outgoing_laws import OutgoingLaws
from gatewaykit.testing.tables import missing_columns
from gatewaykit.testing.together_laws import TogetherLaws
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT, Outbox, Tenant
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.tenants import unguarded_tables
from typing_extensions import override

MAIL = KnownMail(tenant_id=TENANT, address=HELP, id_hash="1" * 64, content_sha256="c" * 64, at_ms=NOW_MS)


class Keeper:
    """A store under test."""

    outbox: Outbox
    told: list[str]

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[MailTransaction]:
        raise NotImplementedError


class MemoryKeeper(Keeper):
    def __init__(self) -> None:
        self._store = MemoryMailStore()
        self.outbox, self.told = self._store.outbox, self._store.told

    @override
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[MailTransaction]:
        return self._store.transaction(tenant)


class PostgresKeeper(Keeper):
    def __init__(self, kept: MigratedDatabase) -> None:
        self._store = PostgresMailStore(kept.database)
        self.outbox, self.told = PostgresOutbox(kept.database), []

    @override
    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[MailTransaction, None]:
        async with self._store.transaction(tenant) as tx:
            yield tx
        self.told += sorted(tx.changed)


class MailLaws:
    """Inherit and give a fixture `keeper`."""

    async def test_of_two_that_claim_an_id_at_once_the_second_is_told_of_the_first(self, keeper: Keeper) -> None:
        async def claim(content: str) -> KnownMail | None:
            async with keeper.transaction(TENANT) as tx:
                return await tx.claim_mail(replace(MAIL, content_sha256=content))

        answers = await asyncio.gather(*(claim(str(number)) for number in range(4)))

        [first] = [number for number, answer in enumerate(answers) if answer is None]
        assert all(answer.content_sha256 == str(first) for answer in answers if answer)

    async def test_a_claim_that_was_rolled_back_was_none(self, keeper: Keeper) -> None:
        async def fail() -> None:
            async with keeper.transaction(TENANT) as tx:
                await tx.claim_mail(MAIL)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with keeper.transaction(TENANT) as tx:
            assert await tx.claim_mail(MAIL) is None

    async def test_known_mail_is_found_by_hash_and_of_its_address_alone(self, keeper: Keeper) -> None:
        attached = replace(MAIL, thread="t", interaction_id="i1")
        async with keeper.transaction(TENANT) as tx:
            await tx.claim_mail(MAIL)
            await tx.attach_mail(attached)
        async with keeper.transaction(TENANT) as tx:
            assert await tx.known_mail(TENANT, HELP, [MAIL.id_hash, "2" * 64]) == {MAIL.id_hash: attached}
            assert await tx.known_mail(TENANT, "other@shop.example", [MAIL.id_hash]) == {}
            assert await tx.known_mail(TENANT, HELP, []) == {}

    async def test_no_tenant_sees_anothers_mail(self, keeper: Keeper) -> None:
        async with keeper.transaction(TENANT) as tx:
            await tx.claim_mail(replace(MAIL, thread="t", interaction_id="i1"))
        async with keeper.transaction("other") as tx:
            assert await tx.known_mail(TENANT, HELP, [MAIL.id_hash]) == {}
            assert await tx.home_of("i1") is None

    async def test_where_an_interaction_belongs_is_known_after_its_conversation_is_gone(self, keeper: Keeper) -> None:
        async with keeper.transaction(TENANT) as tx:
            await tx.open_conversation(replace(WRITTEN, address=HELP, counterpart="t"))
        async with keeper.transaction(EVERY_TENANT) as tx:
            assert await tx.home_of("i1") == Home(TENANT, HELP, "t")
            await tx.remove_conversation(TENANT, "i1")
            assert await tx.home_of("i1") is None
            await tx.claim_mail(replace(MAIL, thread="t", interaction_id="i1"))
        async with keeper.transaction(EVERY_TENANT) as tx:
            assert await tx.home_of("i1") == Home(TENANT, HELP, "t")

    async def test_a_mailbox_has_one_reader_until_its_lease_ends(self, keeper: Keeper) -> None:
        async def lease(holder: str, now_ms: int) -> MailboxPosition | None:
            async with keeper.transaction(TENANT) as tx:
                return await tx.lease_mailbox(TENANT, HELP, holder, now_ms=now_ms, until_ms=now_ms + 100)

        never = MailboxPosition(validity=None, last_uid=0)
        assert await lease("a", 1000) == never
        assert await lease("b", 1099) is None
        assert await lease("a", 1099) == never
        assert await lease("b", 1150) is None
        assert await lease("b", 1199) == never
        async with keeper.transaction(TENANT) as tx:
            await tx.release_mailbox(TENANT, HELP, "a")
        assert await lease("a", 1200) is None
        async with keeper.transaction(TENANT) as tx:
            await tx.release_mailbox(TENANT, HELP, "b")
        assert await lease("a", 1201) == never

    async def test_a_position_goes_forward_and_begins_anew_with_another_validity(self, keeper: Keeper) -> None:
        async def keep(holder: str, validity: int, last_uid: int) -> bool:
            position = MailboxPosition(validity=validity, last_uid=last_uid)
            async with keeper.transaction(TENANT) as tx:
                return await tx.keep_position(TENANT, HELP, holder, position, now_ms=1)

        async def kept() -> MailboxPosition | None:
            async with keeper.transaction(TENANT) as tx:
                return await tx.lease_mailbox(TENANT, HELP, "a", now_ms=1, until_ms=100)

        await kept()
        assert await keep("a", 7, 40)
        assert await keep("a", 7, 30)
        assert await kept() == MailboxPosition(validity=7, last_uid=40)
        assert not await keep("b", 7, 50)
        assert await keep("a", 8, 3)
        assert await kept() == MailboxPosition(validity=8, last_uid=3)

    async def test_how_reading_goes_is_known_to_everybody_of_the_tenant(self, keeper: Keeper) -> None:
        async def health(now_ms: int, tenant_id: str = TENANT) -> MailboxHealth | None:
            async with keeper.transaction(tenant_id) as tx:
                return (await tx.mailbox_health(tenant_id, now_ms=now_ms)).get(HELP)

        async def keep(last_uid: int, waiting: int, now_ms: int) -> None:
            async with keeper.transaction(TENANT) as tx:
                position = MailboxPosition(validity=7, last_uid=last_uid)
                await tx.keep_position(TENANT, HELP, "a", position, now_ms=now_ms, waiting=waiting)

        assert await health(1) is None
        async with keeper.transaction(TENANT) as tx:
            await tx.mailbox_failed(TENANT, HELP, "server_away", now_ms=1)
            await tx.lease_mailbox(TENANT, HELP, "a", now_ms=1, until_ms=100)
        never = await health(99)
        await keep(3, 0, 5)
        await keep(4, 2, 6)
        backlog = await health(100)
        async with keeper.transaction(TENANT) as tx:
            await tx.mailbox_failed(TENANT, HELP, "server_away", now_ms=7)
        failed = await health(100)

        assert never == MailboxHealth(
            address=HELP,
            is_read=True,
            validity=None,
            last_uid=0,
            read_at_ms=None,
            waiting=None,
            failed_at_ms=None,
            error=None,
        )
        assert backlog == replace(never, is_read=False, validity=7, last_uid=4, read_at_ms=5, waiting=2)
        assert failed == replace(backlog, failed_at_ms=7, error="server_away")
        assert await health(100, "other") is None


class TestMemory(ConversationLaws, InboundLaws, DisorderLaws, TogetherLaws, OutgoingLaws, MailLaws):
    @pytest.fixture
    def keeper(self) -> MemoryKeeper:
        return MemoryKeeper()


class TestPostgres(ConversationLaws, InboundLaws, DisorderLaws, TogetherLaws, OutgoingLaws, MailLaws):
    @pytest.fixture
    async def keeper(self, postgres: FreshDatabase) -> AsyncIterator[PostgresKeeper]:
        async with migrated(postgres.admin_url, "email_gateway") as kept:
            yield PostgresKeeper(kept)


async def test_the_tables_have_the_kits_columns_and_guard_tenants(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "email_gateway") as kept, kept.database.transaction(EVERY_TENANT) as tx:
        assert await missing_columns(tx) == []
        assert await unguarded_tables(application_url=kept.application_url, schema="email_gateway") == []
