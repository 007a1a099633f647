"""The store's law, kept by PostgreSQL and by the memory twin alike."""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import Any

import pytest
from chat_gateway import handlers
from chat_gateway.domain import decisions
from chat_gateway.domain.records import AuditRow, LineTask, PendingFile, SendingStop, WebhookNote
from chat_gateway.store import ChatTransaction, PlaceInLine, PostgresChatStore
from chat_gateway.testing import MemoryChatStore
from chat_gateway.testing.samples import DOMAIN, place, visit
from gatewaykit.domain.content import MediaRef
from gatewaykit.testing.conversation_laws import ConversationLaws
from gatewaykit.testing.disorder_laws import DisorderLaws
from gatewaykit.testing.inbound_laws import InboundLaws
from gatewaykit.testing.tables import missing_columns
from gatewaykit.testing.together_laws import TogetherLaws
from gatewaykit.timers import look_at
from servicekit.database import kept_as
from servicekit.outbox import PostgresOutbox
from servicekit.store import EVERY_TENANT, Outbox, Tenant
from servicekit.testing.databases import MigratedDatabase, migrated
from servicekit.testing.plugin import FreshDatabase
from servicekit.testing.set_clock import NOW_MS
from servicekit.testing.store_laws import WantedError, waiting_ids
from servicekit.testing.tenants import unguarded_tables
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

FRESH = decisions.opened(visit(), place(idle_release_seconds=600), NOW_MS)


class Keeper:
    """A store under test, and what it told after commits."""

    outbox: Outbox

    def __init__(self) -> None:
        self.told: list[str] = []

    async def committed(self, interaction_ids: Collection[str]) -> None:
        self.told += sorted(interaction_ids)

    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ChatTransaction]:
        raise NotImplementedError

    async def audited(self) -> list[AuditRow]:
        raise NotImplementedError


class MemoryKeeper(Keeper):
    def __init__(self) -> None:
        super().__init__()
        self._store = MemoryChatStore(self.committed)
        self.outbox = self._store.database.outbox

    @override
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ChatTransaction]:
        return self._store.transaction(tenant)

    @override
    async def audited(self) -> list[AuditRow]:
        return list(self._store.database.tables.audit.values())


class PostgresKeeper(Keeper):
    def __init__(self, kept: MigratedDatabase) -> None:
        super().__init__()
        self._database = kept.database
        self._store = PostgresChatStore(kept.database, self.committed)
        self.outbox = PostgresOutbox(kept.database)

    @override
    def transaction(self, tenant: Tenant) -> AbstractAsyncContextManager[ChatTransaction]:
        return self._store.transaction(tenant)

    @override
    async def audited(self) -> list[AuditRow]:
        async with self._database.transaction("acme") as tx:
            return [kept_as(AuditRow, row) for row in await tx.all("SELECT * FROM audit")]


def task(number: int, *, priority: int = 5, tenant_id: str = "acme") -> LineTask:
    return LineTask(
        tenant_id=tenant_id,
        task_id=f"i{number}.t1",
        interaction_id=f"i{number}",
        domain=DOMAIN,
        queue="support-en",
        priority=priority,
        queued_at_ms=NOW_MS + number,
    )


def pending(place: int) -> PendingFile:
    return PendingFile(
        tenant_id="acme",
        message_id="m1",
        place=place,
        interaction_id="i1",
        address="telegram:1",
        media=MediaRef(id="f1", name="a.pdf", size_bytes=7),
        created_at_ms=NOW_MS,
        due_at_ms=NOW_MS,
    )


class ChatLaws(ConversationLaws):
    """Inherit and give a fixture `keeper`."""

    async def test_silence_is_announced_once_and_its_end_with_the_message_or_not_at_all(self, keeper: Keeper) -> None:
        spoken_to = replace(FRESH, state="assigned", last_number=2, unanswered_since_ms=NOW_MS, check_at_ms=NOW_MS)
        late_ms, back_ms = NOW_MS + 600_000, NOW_MS + 700_000
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(spoken_to)
        for now_ms in (NOW_MS + 599_999, late_ms, late_ms + 40_000):
            async with keeper.transaction(EVERY_TENANT) as tx:
                due = await tx.due_conversations(now_ms, rows_max=10)
                await look_at(tx, due, [True], now_ms=now_ms)
        silent = await waiting_ids(keeper.outbox)
        with suppress(WantedError):
            async with keeper.transaction("acme") as tx:
                await handlers.accept_message(tx, visit(), None, client_message_id="c1", text="hi", now_ms=back_ms)
                raise WantedError
        lost = await waiting_ids(keeper.outbox)
        async with keeper.transaction("acme") as tx:
            await handlers.accept_message(tx, visit(), None, client_message_id="c1", text="hi", now_ms=back_ms)
            await handlers.accept_message(tx, visit(), None, client_message_id="c1", text="hi", now_ms=back_ms)
        said = await waiting_ids(keeper.outbox)

        assert silent == lost == [f"i1.silent.{late_ms}"]
        assert len(said) == 3
        assert said[2] == f"i1.active.{back_ms}"

    async def test_places_in_line_follow_priority_then_time_and_count_only_who_waits(self, keeper: Keeper) -> None:
        keys = [("acme", f"i{number}") for number in range(1, 6)]
        async with keeper.transaction(EVERY_TENANT) as tx:
            for each in (task(1), task(2), task(3, priority=9), task(4), task(5, tenant_id="other")):
                await tx.add_line_task(each)
            await tx.add_line_task(task(1, priority=0))
            await tx.set_waiting("acme", "i1.t1", waiting=False)
            before = await tx.places_in_line(keys)
            await tx.set_waiting("acme", "i1.t1", waiting=True)
            await tx.remove_line_task("acme", "i4.t1")
            after = await tx.places_in_line(keys[:1])

        assert before == {
            ("acme", "i3"): PlaceInLine("support-en", 1, 3),
            ("acme", "i2"): PlaceInLine("support-en", 2, 3),
            ("acme", "i4"): PlaceInLine("support-en", 3, 3),
        }
        assert after == {("acme", "i1"): PlaceInLine("support-en", 2, 3)}

    async def test_bands_go_before_priorities_and_what_was_expected_holds_for_one_queue(self, keeper: Keeper) -> None:
        keys = [("acme", "i1"), ("acme", "i2")]
        async with keeper.transaction(EVERY_TENANT) as tx:
            await tx.add_line_task(replace(task(1, priority=9), expected_at_ms=7))
            await tx.add_line_task(replace(task(2), band=1))
            before = await tx.places_in_line(keys)
            await tx.move_line_task("acme", "i1.t1", queue="support-en", band=2, priority=0)
            first = await tx.places_in_line(keys)
            await tx.move_line_task("acme", "i1.t1", queue="billing", band=0, priority=5)
            after = await tx.places_in_line(keys)

        assert before[keys[0]] == PlaceInLine("support-en", 2, 2, 7)
        assert first[keys[0]] == PlaceInLine("support-en", 1, 2, 7)
        assert after == {keys[0]: PlaceInLine("billing", 1, 1), keys[1]: PlaceInLine("support-en", 1, 1)}

    async def test_a_file_is_one_replicas_until_its_lease_ends(self, keeper: Keeper) -> None:
        later = replace(pending(2), due_at_ms=NOW_MS + 1)
        async with keeper.transaction(EVERY_TENANT) as tx:
            for file in (pending(1), later, replace(pending(3), state="failed", media=None)):
                await tx.put_pending_file(file)
            told = tx.put_file
        async with keeper.transaction(EVERY_TENANT) as tx:
            first = await tx.claim_pending_files(NOW_MS, until_ms=NOW_MS + 1000, rows_max=10)
            again = await tx.claim_pending_files(NOW_MS, until_ms=NOW_MS + 1000, rows_max=10)
            others = await tx.claim_pending_files(NOW_MS + 1000, until_ms=NOW_MS + 2000, rows_max=1)
            waiting = await tx.files_waiting()

        assert told
        assert first == [replace(pending(1), attempts=1, due_at_ms=NOW_MS + 1000)]
        assert again == []
        assert others == [replace(later, attempts=1, due_at_ms=NOW_MS + 2000)]
        assert waiting == (2, NOW_MS)

    async def test_a_counterparts_open_interaction_is_found_at_its_own_address_alone(self, keeper: Keeper) -> None:
        async with keeper.transaction(EVERY_TENANT) as tx:
            for name, changed in (
                ("i1", {}),
                ("i2", {"state": "ended", "counterpart": "u2", "ended_at_ms": NOW_MS}),
                ("i3", {"address": "other"}),
                ("i4", {"tenant_id": "other"}),
                ("i5", {"counterpart": None}),
            ):
                values: dict[str, Any] = {"address": "app", "counterpart": "u1", "interaction_id": name, **changed}
                await tx.open_conversation(replace(FRESH, **values))
        async with keeper.transaction("acme") as tx:
            found = await tx.open_interactions(("acme", "app"), ["u1", "u2", "u3"])
            foreign = await tx.open_interactions(("other", "app"), ["u1"])

        assert found == ["i1"]
        assert foreign == []

    async def test_of_webhooks_the_latest_is_known(self, keeper: Keeper) -> None:
        first = WebhookNote(tenant_id="acme", address="a", delivered_at_ms=5, refused_at_ms=3, refused_because="stale")
        later = WebhookNote(tenant_id="acme", address="a", refused_at_ms=4, refused_because="forged")
        older = WebhookNote(tenant_id="acme", address="a", delivered_at_ms=2, refused_at_ms=1, refused_because="stale")
        for note in (first, later, older):
            async with keeper.transaction(EVERY_TENANT) as tx:
                await tx.keep_webhook_notes([note])
        async with keeper.transaction("acme") as tx:
            kept = await tx.webhook_notes("acme")
        async with keeper.transaction("other") as tx:
            foreign = await tx.webhook_notes("acme")

        assert kept == [replace(later, delivered_at_ms=5)]
        assert foreign == []

    async def test_the_first_stop_of_an_account_stands_until_it_is_resumed(self, keeper: Keeper) -> None:
        first = SendingStop(tenant_id="acme", address="app", mark="x", at_ms=1)
        other = replace(first, tenant_id="other", at_ms=7)
        for stop in (first, replace(first, at_ms=2), other):
            async with keeper.transaction(stop.tenant_id) as tx:
                await tx.stop_sending(stop)
        async with keeper.transaction("acme") as tx:
            kept = await tx.sending_stops("acme")
            foreign = await tx.sending_stops("other")
            await tx.stop_sending(replace(first, mark="y", at_ms=3))
            anew = await tx.sending_stops("acme")
            done = [await tx.resume_sending("acme", "app"), await tx.resume_sending("acme", "app")]
            left = await tx.sending_stops("acme")

        assert (kept, foreign) == ([first], [])
        assert anew == [replace(first, mark="y", at_ms=3)]
        assert (done, left) == ([True, False], [])

    async def test_an_act_is_written_down(self, keeper: Keeper) -> None:
        row = AuditRow(
            tenant_id="acme",
            audit_id="1",
            at_ms=NOW_MS,
            actor="ann",
            action="address.replay",
            target="app",
            content={"since_ms": 0, "after": "\u00e9"},
        )
        async with keeper.transaction("acme") as tx:
            await tx.audit(row)

        assert await keeper.audited() == [row]

    async def test_what_is_to_be_done_with_a_file_may_change(self, keeper: Keeper) -> None:
        async with keeper.transaction("acme") as tx:
            await tx.put_pending_file(pending(2))
            await tx.put_pending_file(pending(1))
            await tx.put_pending_file(replace(pending(1), state="delete", media=None, attempts=5, due_at_ms=0))
        async with keeper.transaction("acme") as tx:
            changed = await tx.pending_files_of("acme", "m1")
            await tx.remove_pending_file(pending(1))
            left = await tx.pending_files_of("acme", "m1")
        async with keeper.transaction("other") as tx:
            foreign = await tx.pending_files_of("acme", "m1")

        assert changed[0] == replace(pending(1), state="delete", media=None, attempts=5, due_at_ms=0)
        assert left == changed[1:] == [pending(2)]
        assert foreign == []


class TestMemoryInbound(InboundLaws, DisorderLaws, TogetherLaws):
    @pytest.fixture
    def keeper(self) -> Keeper:
        return MemoryKeeper()


class TestPostgresInbound(InboundLaws, DisorderLaws, TogetherLaws):
    @pytest.fixture
    async def keeper(self, postgres: FreshDatabase) -> AsyncIterator[Keeper]:
        async with migrated(postgres.admin_url, "chat_gateway") as kept:
            yield PostgresKeeper(kept)


class TestMemoryChatStore(ChatLaws):
    @pytest.fixture
    def keeper(self) -> Keeper:
        return MemoryKeeper()


class TestPostgresChatStore(ChatLaws):
    @pytest.fixture
    async def keeper(self, postgres: FreshDatabase) -> AsyncIterator[Keeper]:
        async with migrated(postgres.admin_url, "chat_gateway") as kept:
            yield PostgresKeeper(kept)


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET actor = 'eve'"])
async def test_the_audit_only_grows(postgres: FreshDatabase, statement: str) -> None:
    async with migrated(postgres.admin_url, "chat_gateway") as kept:
        with pytest.raises(DBAPIError, match="permission denied"):
            async with kept.database.transaction("acme") as tx:
                await tx.execute(statement)


async def test_without_a_tenant_every_table_is_empty(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "chat_gateway") as kept:
        found = await unguarded_tables(application_url=kept.application_url, schema="chat_gateway")

    assert found == []


async def test_the_tables_have_what_the_kits_statements_need(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "chat_gateway") as kept, kept.database.transaction(EVERY_TENANT) as tx:
        missing = await missing_columns(tx)

    assert missing == []


async def test_timers_pass_over_what_a_message_is_being_written_into(postgres: FreshDatabase) -> None:
    async with migrated(postgres.admin_url, "chat_gateway") as kept:
        keeper = PostgresKeeper(kept)
        async with keeper.transaction("acme") as tx:
            await tx.open_conversation(FRESH)
        async with keeper.transaction("acme") as writing, keeper.transaction(EVERY_TENANT) as looking:
            await writing.lock_conversation("acme", "i1")
            due = await looking.due_conversations(NOW_MS * 2, rows_max=10)

    assert due == []
